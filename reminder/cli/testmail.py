"""A mail that somebody sends to see whether it arrives, outside of plan and ledger."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from reminder.cli.findings import BAD, GOOD, Finding
from reminder.errors import ReminderError, UsageError

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.cli.wiring import Secrets


def check_address(address: str) -> None:
    from reminder.channels.errors import HeaderError
    from reminder.channels.headers import wire_address

    try:
        wire_address(address)
    except HeaderError as error:
        raise UsageError(f"--send-to：{error}") from None


def send_test(edition: Edition, secrets: Secrets, address: str, now: datetime) -> Finding:
    """One real message, outside plan and ledger."""
    import uuid

    from reminder.agenda.instants import zone_of
    from reminder.channels.base import OutcomeKind, Parcel, Recipient, Stamp
    from reminder.channels.diagnosis import diagnosis
    from reminder.cli.wiring import live_channel
    from reminder.plan.channels import EmailChannel
    from reminder.sweep.proof import proof_message

    config = next((each for each in edition.plan.channels.values() if isinstance(each, EmailChannel)), None)
    if config is None:
        return Finding("测试邮件", BAD, "channels.yaml 中没有邮件通道", "增加一个 kind: email 的通道")
    office = edition.plan.head.office
    identity = uuid.uuid4().hex
    local = now.astimezone(zone_of(edition.plan.head.timezone)).replace(microsecond=0)
    try:
        channel = live_channel(edition, config.id, secrets)
        stamp = Stamp(f"<{identity}@{office.mailbox.rpartition('@')[2]}>", local)
        (payload,) = channel.compose(
            proof_message(edition), Recipient("doctor", "测试收件人", address), stamp
        )
        try:
            outcome = channel.send(Parcel(identity, "doctor", address, payload, local))
        finally:
            channel.close()
    except ReminderError as error:
        return Finding("测试邮件", BAD, f"未发送：{error}")
    words = f"{outcome.code} {outcome.detail}".strip()
    if outcome.kind is OutcomeKind.ACCEPTED:
        return Finding("测试邮件", GOOD, f"服务器已接收（{words}）", f"请到 {address} 查收；接收不等于送达")
    if outcome.kind is OutcomeKind.UNCERTAIN:
        return Finding("测试邮件", BAD, f"不知是否送达：{words}", f"请到 {address} 查收；没有收到时再试一次")
    cause, cure = diagnosis(config, outcome)
    return Finding("测试邮件", BAD, f"未能发出（{cause}）：{words}", cure)
