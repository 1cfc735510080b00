"""Deliveries as they are read: what is due next, one as it stands, its tries and its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select

from reminder.ledger import pausing
from reminder.ledger.errors import LedgerCorrupt
from reminder.ledger.prepared import Prepared
from reminder.ledger.records import AttemptRecord, Delivery, DeliveryState, Transport
from reminder.ledger.statements import chunks, in_state
from reminder.ledger.tables import AnyRow, attempts, contents, deliveries, receivers


def of_plan(plan_id: str, transport: Transport) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Conditions on ``deliveries``: of this plan under this transport."""
    return deliveries.c.plan_id == plan_id, deliveries.c.transport == transport.value


OF_PLAN = (deliveries.c.plan_id == bindparam("plan"), deliveries.c.transport == bindparam("way"))
"""The same with ``plan`` and ``way`` to be given, for what is prepared."""
PENDING = (*OF_PLAN, in_state(DeliveryState.PENDING))


def due(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    now: datetime,
    *,
    limit: int,
    skip_channels: Collection[str] = (),
) -> list[Delivery]:
    """Pending, ``not_before`` ≤ now < ``expires_at``, on no paused channel; longest due first."""
    query = (
        whole()
        .where(
            *of_plan(plan_id, transport),
            in_state(DeliveryState.PENDING),
            deliveries.c.not_before <= now,
            deliveries.c.expires_at > now,
        )
        .order_by(deliveries.c.not_before, deliveries.c.id)
        .limit(limit)
    )
    skipped = {*skip_channels, *pausing.holding(connection, plan_id, transport, now)}
    if skipped:
        query = query.where(deliveries.c.channel.not_in(sorted(skipped)))
    return made_of(connection, connection.execute(query).all())


_FIRST_DUE = Prepared(select(func.min(deliveries.c.not_before).label("at")).where(*PENDING))
_FIRST_EXPIRY = Prepared(select(func.min(deliveries.c.expires_at).label("at")).where(*PENDING))
_NEXT_DUE = Prepared(
    select(func.min(deliveries.c.not_before).label("at")).where(
        *PENDING, deliveries.c.not_before > bindparam("now")
    )
)


def next_instant(connection: Connection, plan_id: str, transport: Transport) -> datetime | None:
    """When a pending delivery next becomes due or expires; in the past if one is due now.

    What waits on a paused channel becomes due when the pause ends by itself.
    """
    paused = {pause.channel: pause.until for pause in pausing.open_pauses(connection, plan_id, transport)}
    pending = (*of_plan(plan_id, transport), in_state(DeliveryState.PENDING))
    asked = {"plan": plan_id, "way": transport.value}
    instants: list[datetime | None] = [_FIRST_EXPIRY.rows(connection, asked)[0].at]
    if paused:
        free = select(func.min(deliveries.c.not_before)).where(
            *pending, deliveries.c.channel.not_in(sorted(paused))
        )
        instants.append(connection.execute(free).scalar())
    else:
        instants.append(_FIRST_DUE.rows(connection, asked)[0].at)
    for channel, until in paused.items():
        waiting = select(func.min(deliveries.c.not_before)).where(*pending, deliveries.c.channel == channel)
        first = connection.execute(waiting).scalar()
        if first is not None and until is not None:
            instants.append(max(first, until))
    return min((instant for instant in instants if instant is not None), default=None)


def next_after(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> datetime | None:
    """The first instant after ``now`` at which a pending delivery becomes due."""
    asked = {"plan": plan_id, "way": transport.value, "now": now}
    found: datetime | None = _NEXT_DUE.rows(connection, asked)[0].at
    return found


def one(connection: Connection, plan_id: str, delivery_id: str) -> Delivery | None:
    """One delivery as it stands."""
    query = whole().where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id)
    return next(iter(made_of(connection, connection.execute(query).all())), None)


def attempts_since(
    connection: Connection, plan_id: str, channel: str, since: datetime, transport: Transport
) -> list[datetime]:
    """When tries on a channel began, retries included, from ``since`` on; oldest first."""
    query = (
        select(attempts.c.started_at)
        .where(
            attempts.c.plan_id == plan_id,
            attempts.c.transport == transport.value,
            attempts.c.channel == channel,
            attempts.c.started_at >= since,
        )
        .order_by(attempts.c.started_at)
    )
    return list(connection.execute(query).scalars())


def attempts_of(connection: Connection, plan_id: str, delivery_id: str) -> list[AttemptRecord]:
    """Every try of one delivery, first to last."""
    query = (
        select(
            attempts.c.number,
            attempts.c.started_at,
            attempts.c.finished_at,
            attempts.c.outcome,
            attempts.c.code,
            attempts.c.detail,
        )
        .join(deliveries, attempts.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id)
        .order_by(attempts.c.number)
    )
    return [AttemptRecord(*row) for row in connection.execute(query)]


def content_of(connection: Connection, plan_id: str, delivery_id: str) -> tuple[str, bytes]:
    """The text a person reads and the frozen bytes, which are verified.

    Raises ``KeyError`` for an unknown delivery, :class:`LedgerCorrupt` for bytes
    that are no longer those that were frozen.
    """
    query = (
        select(contents.c.text, contents.c.payload, contents.c.payload_sha256)
        .join(deliveries, contents.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise KeyError(delivery_id)
    if hashlib.sha256(row.payload).hexdigest() != row.payload_sha256:
        raise LedgerCorrupt(f"消息 {delivery_id} 的内容与封存时不符，台账被改动过或已损坏：请用备份核对")
    return row.text, row.payload


def whole() -> Select[Any]:
    """Everything of deliveries that :func:`made_of` needs."""
    return select(
        deliveries.c.delivery,
        deliveries.c.id,
        deliveries.c.message,
        deliveries.c.channel,
        deliveries.c.receiver,
        deliveries.c.address,
        deliveries.c.part,
        deliveries.c.parts,
        deliveries.c.message_id,
        contents.c.payload,
        deliveries.c.planned_at,
        deliveries.c.not_before,
        deliveries.c.expires_at,
        deliveries.c.state,
        deliveries.c.attempts,
    ).join(contents, contents.c.delivery_id == deliveries.c.id)


def made_of(
    connection: Connection, rows: Sequence[AnyRow], state: DeliveryState | None = None
) -> list[Delivery]:
    """Rows of :func:`whole` as values, each with everyone it goes to."""
    batches: dict[int, list[tuple[str, str]]] = {}
    for some in chunks(row.id for row in rows):
        query = (
            select(receivers.c.delivery_id, receivers.c.receiver, receivers.c.address)
            .where(receivers.c.delivery_id.in_(some))
            .order_by(receivers.c.delivery_id, receivers.c.receiver)
        )
        for number, receiver, address in connection.execute(query):
            batches.setdefault(number, []).append((receiver, address))
    return [
        Delivery(
            id=row.delivery,
            message=row.message,
            channel=row.channel,
            receiver=row.receiver,
            address=row.address,
            part=row.part,
            parts=row.parts,
            message_id=row.message_id,
            payload=row.payload,
            planned_at=row.planned_at,
            not_before=row.not_before,
            expires_at=row.expires_at,
            state=state or DeliveryState(row.state),
            attempts=row.attempts,
            receivers=tuple(batches.get(row.id, [(row.receiver, row.address)])),
        )
        for row in rows
    ]
