"""What stands in the way of going live."""

from __future__ import annotations

from datetime import date

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


def obstacles(edition: Edition, settings: Settings, today: date) -> list[str]:
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
    return found + _unapproved(edition, today)


def _unapproved(edition: Edition, today: date) -> list[str]:
    """Items that wait for an approval which nobody could give today."""
    plan = edition.plan
    titles = [
        item.spec.title
        for item in plan.items
        if item.spec.approval is not None and not plan.directory.people_meant(item.spec.approval.by, today)
    ]
    if not titles:
        return []
    found = f"以下任务须经审批，而现在没有审批人，到时不能发出：{'、'.join(titles)}"
    return [f"{found}；请检查 approval.by 和 directory.yaml 中的任职（holdings）"]
