"""Claims that wait for their time: a recipient's wish, or a day that was full.

Such a claim keeps its place under the UNIQUE key; when its time has come it is
decided anew, once, by whoever changes it first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from reminder.ledger.prepared import Prepared
from reminder.ledger.records import NewAlarm, Transport
from reminder.ledger.statements import postponed
from reminder.ledger.tables import alarms, claims

POSTPONE = "postpone"
"""The decision of a claim that waits."""
NOTICE_ITEM = "notice"
"""Under which the admins are told of what nobody planned."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """One claim whose time has come.  ``reason`` is why it waited."""

    alarm: str
    receiver: str
    channel: str
    reason: str
    until: datetime


_WAITING = Prepared(
    select(alarms.c.alarm, claims.c.receiver, claims.c.channel, claims.c.reason, claims.c.until)
    .join(alarms, claims.c.alarm_id == alarms.c.id)
    .where(
        claims.c.plan_id == bindparam("plan"),
        claims.c.transport == bindparam("way"),
        postponed(),
        claims.c.until <= bindparam("now"),
    )
    .order_by(claims.c.until, claims.c.id)
)
_NEXT = Prepared(
    select(claims.c.until)
    .where(claims.c.plan_id == bindparam("plan"), claims.c.transport == bindparam("way"), postponed())
    .order_by(claims.c.until)
    .limit(1)
)


def waiting(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> list[Postponed]:
    """Postponed claims whose time has come, in order of time."""
    rows = _WAITING.rows(connection, {"plan": plan_id, "way": transport.value, "now": now})
    return [Postponed(*row) for row in rows]


def next_until(connection: Connection, plan_id: str, transport: Transport) -> datetime | None:
    """When the first postponed claim is to be looked at again."""
    for row in _NEXT.rows(connection, {"plan": plan_id, "way": transport.value}):
        found: datetime | None = row.until
        return found
    return None


def decide_again(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    again: Iterable[NewAlarm],
    now: datetime,
) -> set[str]:
    """Give postponed claims what is decided about them now.

    The keys of alarms with a claim that waits no longer, because somebody else
    decided about it; if there are any, the caller rolls back.
    """
    late: set[str] = set()
    for key, claim in ((alarm.key, claim) for alarm in again for claim in alarm.claims):
        alarm = (
            select(alarms.c.id)
            .where(alarms.c.plan_id == plan_id, alarms.c.transport == transport.value, alarms.c.alarm == key)
            .scalar_subquery()
        )
        changed = connection.execute(
            update(claims)
            .where(
                claims.c.alarm_id == alarm,
                claims.c.receiver == claim.receiver,
                claims.c.channel == claim.channel,
                claims.c.decision == POSTPONE,
            )
            .values(
                decision=claim.decision,
                reason=claim.reason,
                message=claim.message,
                until=claim.until,
                recorded_at=now,
            )
        )
        if changed.rowcount != 1:
            late.add(key)
    return late


LONGEST_WAIT = timedelta(days=40)
"""An alarm recorded longer ago has no claim that is decided today."""
SENT = ("send", "merge")


def messages_between(
    connection: Connection, plan_id: str, transport: Transport, since: datetime, until: datetime
) -> dict[tuple[str, str], int]:
    """Messages claimed in [since, until), by (receiver, channel); what admins are told is not counted."""
    query = (
        select(claims.c.receiver, claims.c.channel, func.count(claims.c.message.distinct()))
        .join(alarms, claims.c.alarm_id == alarms.c.id)
        .where(
            alarms.c.plan_id == plan_id,
            alarms.c.recorded_at >= since - LONGEST_WAIT,
            alarms.c.item != NOTICE_ITEM,
            claims.c.transport == transport.value,
            claims.c.decision.in_(SENT),
            claims.c.recorded_at >= since,
            claims.c.recorded_at < until,
        )
        .group_by(claims.c.receiver, claims.c.channel)
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}
