"""What stands in the way of going live."""

from __future__ import annotations

from reminder.check import Edition
from reminder.cli.wiring import live_channel, secrets_of
from reminder.errors import ReminderError
from reminder.plan.channels import EmailChannel
from reminder.settings import Settings

SAMPLE_DOMAINS = ("example.com", "example.org", "example.net", "example.cn")
"""Reserved for documentation by RFC 2606 (and what samples in Chinese like to use)."""
SAMPLE_ENDINGS = (".example", ".test", ".invalid")
SHOWN = 5


def is_sample(address: str) -> bool:
    """Whether a mail address or host is one of a sample."""
    host = address.rpartition("@")[2].strip("<> ").lower()
    return host.endswith(SAMPLE_ENDINGS) or any(
        host == domain or host.endswith(f".{domain}") for domain in SAMPLE_DOMAINS
    )


def obstacles(edition: Edition, settings: Settings) -> list[str]:
    """Every reason against going live, in Chinese; empty when there is none."""
    plan = edition.plan
    found: list[str] = []
    samples = [person.name for person in plan.directory.people if person.mail and is_sample(person.mail)]
    if samples:
        shown = "、".join(samples[:SHOWN]) + (f"等{len(samples)}人" if len(samples) > SHOWN else "")
        found.append(f"名册中仍有示例邮箱（example.com 等）：{shown}；请在 directory.yaml 中换成真实地址")
    if is_sample(plan.head.office.mailbox):
        found.append(f"plan.office.mailbox 仍是示例地址 {plan.head.office.mailbox}")
    secrets = secrets_of(settings)
    for channel_id, config in plan.channels.items():
        if isinstance(config, EmailChannel) and (is_sample(config.host) or is_sample(config.from_)):
            found.append(f"通道“{channel_id}”的 host 或 from 仍是示例地址，请在 channels.yaml 中更改")
        try:
            live_channel(edition, channel_id, secrets).close()
        except ReminderError as error:
            found.append(str(error))
    waiting = [item.spec.title for item in plan.items if item.spec.approval is not None]
    if waiting:
        found.append(
            "以下任务写有 approval（须经审批），审批功能尚未启用，正式发送时不能放行："
            + "、".join(waiting)
            + "；请先删去 approval，或继续试运行"
        )
    return found
