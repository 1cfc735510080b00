"""Freeze a message: identity, bytes and expiry, as the ledger will keep them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from reminder.agenda.instants import zone_of
from reminder.channels.base import Channel, Recipient, Stamp
from reminder.ledger.records import NewDelivery, Transport
from reminder.messages.message import Message
from reminder.plan.model import Plan


def message_identity(plan_id: str, transport: Transport, claims: Iterable[str]) -> str:
    """The same for the same claims (alarm, receiver, channel), however often it is made."""
    text = "\n".join([plan_id, transport, *sorted(claims)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stamp_of(plan: Plan, identity: str, now: datetime) -> Stamp:
    """Message-ID and date of a message: to the second, in the plan's zone."""
    domain = plan.head.office.mailbox.rpartition("@")[2] or "localhost"
    date = now.astimezone(zone_of(plan.head.timezone)).replace(microsecond=0)
    return Stamp(f"<{identity}@{domain}>", date)


def freeze(
    message: Message,
    to: Recipient,
    channel: Channel,
    plan: Plan,
    identity: str,
    *,
    now: datetime,
    planned_at: datetime,
    expires_at: datetime,
    late: bool = False,
    receivers: tuple[tuple[str, str], ...] = (),
) -> list[NewDelivery]:
    """One delivery for each part that the channel makes of the message.

    ``receivers`` are the (receiver, address) pairs of a batch.

    Raises ``ReminderError`` when the channel can never send it.
    """
    stamp = stamp_of(plan, identity, now)
    payloads = channel.compose(message, to, stamp)
    return [
        NewDelivery(
            id=f"{identity}-{part}",
            message=identity,
            channel=channel.id,
            receiver=to.id,
            address=to.address,
            part=part,
            parts=len(payloads),
            message_id=stamp.message_id,
            subject=message.subject,
            text=message.text,
            payload=payload,
            planned_at=planned_at,
            not_before=now,
            expires_at=expires_at,
            late=late,
            receivers=receivers,
        )
        for part, payload in enumerate(payloads, start=1)
    ]
