"""What the admins must be told of: remembered with its cause, forgotten only when told.

A row is written in the transaction that causes it, so that a daemon killed
between a failure and the word about it still tells it after its next start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, and_, func, insert, select, update

from reminder.ledger.records import Transport, Trouble, TroubleKind
from reminder.ledger.statements import chunks
from reminder.ledger.tables import alarms, attempts, claims, deliveries, troubles


def remember(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    kind: TroubleKind,
    channel: str,
    at: datetime,
    code: str,
    detail: str,
    *,
    delivery: int | None = None,
    receiver: str = "",
) -> None:
    """Write down one trouble; ``delivery`` is the number of the delivery's row."""
    connection.execute(
        insert(troubles),
        {
            "plan_id": plan_id,
            "transport": transport.value,
            "kind": kind.value,
            "at": at,
            "channel": channel,
            "code": code,
            "detail": detail,
            "delivery_id": delivery,
            "receiver": receiver,
        },
    )


def untold(connection: Connection, plan_id: str, transport: Transport, limit: int) -> list[Trouble]:
    """What nobody was told yet, oldest first; without words of its own, with the last attempt's."""
    rows = connection.execute(
        select(
            troubles.c.id,
            troubles.c.kind,
            troubles.c.at,
            troubles.c.channel,
            troubles.c.code,
            troubles.c.detail,
            troubles.c.receiver,
            deliveries.c.delivery,
            deliveries.c.message,
            deliveries.c.subject,
            func.coalesce(attempts.c.detail, "").label("words"),
        )
        .select_from(
            troubles.outerjoin(deliveries, deliveries.c.id == troubles.c.delivery_id).outerjoin(
                attempts,
                and_(attempts.c.delivery_id == deliveries.c.id, attempts.c.number == deliveries.c.attempts),
            )
        )
        .where(
            troubles.c.plan_id == plan_id,
            troubles.c.transport == transport.value,
            troubles.c.told_at.is_(None),
        )
        .order_by(troubles.c.id)
        .limit(limit)
    ).all()
    items = _items(connection, plan_id, transport, {row.message for row in rows if row.message})
    return [
        Trouble(
            row.id,
            TroubleKind(row.kind),
            row.at,
            row.channel,
            row.code,
            row.detail or row.words,
            row.delivery,
            row.receiver,
            row.subject or "",
            tuple(sorted(items.get(row.message, ()))),
        )
        for row in rows
    ]


def told(connection: Connection, plan_id: str, ids: Iterable[int], now: datetime) -> None:
    """They were told."""
    for some in chunks(ids):
        connection.execute(
            update(troubles).where(troubles.c.plan_id == plan_id, troubles.c.id.in_(some)).values(told_at=now)
        )


def _items(
    connection: Connection, plan_id: str, transport: Transport, messages: set[str]
) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for some in chunks(sorted(messages)):
        query = (
            select(claims.c.message, alarms.c.item)
            .join(alarms, alarms.c.id == claims.c.alarm_id)
            .where(
                claims.c.plan_id == plan_id,
                claims.c.transport == transport.value,
                claims.c.message.in_(some),
            )
            .distinct()
        )
        for message, item in connection.execute(query):
            found[message].add(item)
    return found
