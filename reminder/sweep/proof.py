"""A test message: one real message over one channel, outside the plan, recorded with who sent it.

Its intent is recorded before it is sent and its outcome after; from those
records alone follows when the next one is allowed, across restarts.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from reminder.channels.base import Channel, Outcome, OutcomeKind, Parcel, Recipient
from reminder.channels.diagnosis import diagnosis
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Note, Transport
from reminder.messages.message import Message
from reminder.plan.directory import Person
from reminder.sweep.freeze import stamp_of
from reminder.sweep.shares import address_of

BEGUN, ENDED = "test-message", "test-message-answered"
"""Kinds of the notes of one test message."""
PAUSE = timedelta(minutes=1)
"""Between two of one person."""
HOUR = timedelta(hours=1)
MOST_AN_HOUR = 10
"""By everybody together: a test must not use up what a server allows."""

_one_at_a_time = threading.Lock()


class ProofRefused(ReminderError):
    """No test message was sent."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of a test message, in Chinese: whether it was taken, what was said, what to do."""

    taken: bool
    found: str
    remedy: str


def proof_message(edition: Edition) -> Message:
    """What a test message says."""
    office = edition.plan.head.office
    text = (
        "这是一封测试邮件，用于检查提醒系统的发信配置，无需处理。\n\n"
        f"{office.sign_off}\n联系：{office.contact}\n"
    )
    rich = "".join(f"<p>{escape(line)}</p>" for line in text.splitlines() if line)
    markdown = text.replace("测试邮件", "测试消息")
    return Message("提醒系统测试邮件", text, rich, markdown)


def recipient_of(edition: Edition, channel_id: str, person: Person | None) -> Recipient:
    """Whom a test message goes to: a person at their address, or the group of a robot.

    Raises :class:`ProofRefused` for a person without an address on the channel.
    """
    config = edition.plan.channels.get(channel_id)
    if config is None:
        raise ProofRefused(f"没有“{channel_id}”这个通道；没有发送")
    if not config.personal:
        return Recipient(f"group:{channel_id}", getattr(config, "name", None) or channel_id, channel_id)
    if person is None:
        raise ProofRefused("请从名录中选一个人；没有发送")
    address = address_of(person, config)
    if address is None:
        raise ProofRefused(f"{person.name}在名录中没有 {channel_id} 通道的地址；没有发送")
    return Recipient(person.id, person.name, address)


def send_proof(
    ledger: Ledger,
    edition: Edition,
    transport: Transport,
    channel: Channel,
    to: Recipient,
    *,
    by: str,
    now: datetime,
) -> Proof:
    """Send one, and say what the server answered.  Blocks for as long as the channel does.

    Raises :class:`ProofRefused` while the ledger is on hold, and for one too many.
    """
    plan_id = edition.plan.id
    if ledger.holds.standing(edition.plan.id).hold is not None:
        raise ProofRefused("台账待确认，什么也不发送；请先在服务器上执行 reminder resume")
    identity = uuid.uuid4().hex
    about = {"channel": channel.id, "receiver": to.id, "transport": str(transport), "id": identity}
    stamp = stamp_of(edition.plan, identity, now)
    payload = channel.compose(proof_message(edition), to, stamp)[0]
    with _one_at_a_time:
        _not_too_many(ledger, plan_id, by, now)
        ledger.note(plan_id, Note(BEGUN, now, by, about))
    outcome = channel.send(
        Parcel(identity, to.id, to.address, payload, stamp.date, identity, stamp.date + HOUR)
    )
    answer = {"outcome": str(outcome.kind), "code": outcome.code, "detail": outcome.detail}
    ledger.note(plan_id, Note(ENDED, now, by, about | answer))
    return _proof(edition, channel.id, to, outcome, transport)


def _not_too_many(ledger: Ledger, plan_id: str, by: str, now: datetime) -> None:
    recent = ledger.notes(plan_id, BEGUN, since=now - HOUR)
    if any(note.author == by and note.at > now - PAUSE for note in recent):
        raise ProofRefused("一分钟内只能发一条测试消息，请稍候再试；没有发送")
    if len(recent) >= MOST_AN_HOUR:
        raise ProofRefused(f"一小时内已发 {len(recent)} 条测试消息，请过一会儿再试；没有发送")


def _proof(edition: Edition, channel_id: str, to: Recipient, outcome: Outcome, transport: Transport) -> Proof:
    words = f"{outcome.code} {outcome.detail}".strip()
    if outcome.kind is OutcomeKind.ACCEPTED:
        if transport is not Transport.LIVE:
            return Proof(
                taken=True,
                found=f"试运行：没有发给任何人，已写入 outbox 文件夹（{outcome.detail}）",
                remedy="转为正式发送后才会真正发出",
            )
        return Proof(
            taken=True,
            found=f"服务器已接收（{words}）",
            remedy=f"请{to.name or to.id}查收；接收不等于送达",
        )
    if outcome.kind is OutcomeKind.UNCERTAIN:
        return Proof(
            taken=False,
            found=f"不知是否送达（{words}）",
            remedy=f"请{to.name or to.id}查收；没有收到时再试一次",
        )
    cause, cure = diagnosis(edition.plan.channels[channel_id], outcome)
    return Proof(taken=False, found=f"没有发出：{cause}（{words}）", remedy=cure)
