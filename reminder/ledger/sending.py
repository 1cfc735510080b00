"""Deliveries on their way: what is due, intent before a try, outcome after it.

Every change of state is a compare-and-set: the row is selected in the state it
must be in (locked on PostgreSQL; on SQLite the transaction holds the write lock
from its first statement), and only what was found is changed.  Two threads,
processes or nodes may try; one has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from reminder.ledger.errors import LedgerCorrupt
from reminder.ledger.records import AttemptEnd, AttemptRecord, Delivery, DeliveryState, Transport
from reminder.ledger.tables import attempts, chunks, contents, deliveries, in_state

AFTER_SENDING = frozenset(
    {DeliveryState.ACCEPTED, DeliveryState.PENDING, DeliveryState.FAILED, DeliveryState.UNCERTAIN}
)
AFTER_UNCERTAIN = frozenset({DeliveryState.PENDING})
INTERRUPTED = "interrupted"
INTERRUPTED_DETAIL = "发送途中程序中断，对方是否收到不明"


def due(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    now: datetime,
    *,
    limit: int,
    skip_channels: Collection[str] = (),
) -> list[Delivery]:
    """Pending, ``not_before`` ≤ now < ``expires_at``, longest due first."""
    query = (
        _whole()
        .where(
            *_of(plan_id, transport),
            in_state(DeliveryState.PENDING),
            deliveries.c.not_before <= now,
            deliveries.c.expires_at > now,
        )
        .order_by(deliveries.c.not_before, deliveries.c.id)
        .limit(limit)
    )
    if skip_channels:
        query = query.where(deliveries.c.channel.not_in(sorted(skip_channels)))
    return [_delivery(row) for row in connection.execute(query)]


def next_instant(connection: Connection, plan_id: str, transport: Transport) -> datetime | None:
    """When a pending delivery next becomes due or expires; in the past if one is due now."""
    instants = []
    for column in (deliveries.c.not_before, deliveries.c.expires_at):
        query = select(func.min(column)).where(*_of(plan_id, transport), in_state(DeliveryState.PENDING))
        instants.append(connection.execute(query).scalar())
    return min((instant for instant in instants if instant is not None), default=None)


def begin_many(
    connection: Connection, plan_id: str, delivery_ids: Iterable[str], now: datetime
) -> dict[str, int]:
    """Commit the intent to try; the attempt's number for each delivery that was won.

    Not won: what somebody else has, what is not due at ``now`` (again), what is unknown.
    """
    won: dict[str, int] = {}
    for ids in chunks(dict.fromkeys(delivery_ids)):
        rows = connection.execute(
            select(
                deliveries.c.id,
                deliveries.c.delivery,
                deliveries.c.attempts,
                deliveries.c.channel,
                deliveries.c.transport,
            )
            .where(
                deliveries.c.plan_id == plan_id,
                deliveries.c.delivery.in_(ids),
                in_state(DeliveryState.PENDING),
                deliveries.c.not_before <= now,
                deliveries.c.expires_at > now,
            )
            .order_by(deliveries.c.id)
            .with_for_update(skip_locked=True)
        ).all()
        if not rows:
            continue
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_([row.id for row in rows]))
            .values(state=DeliveryState.SENDING.value, attempts=deliveries.c.attempts + 1, updated_at=now)
        )
        connection.execute(
            insert(attempts),
            [
                {
                    "plan_id": plan_id,
                    "transport": row.transport,
                    "delivery_id": row.id,
                    "channel": row.channel,
                    "number": row.attempts + 1,
                    "started_at": now,
                    "code": "",
                    "detail": "",
                }
                for row in rows
            ],
        )
        won.update({row.delivery: row.attempts + 1 for row in rows})
    return won


def finish_many(connection: Connection, plan_id: str, ends: Iterable[AttemptEnd]) -> set[str]:
    """Commit outcomes; the deliveries whose outcome was taken.

    Not taken: those no longer in that attempt.  An attempt that was closed as
    interrupted, and whose end becomes known before anybody decided, is corrected.

    Raises ``ValueError`` for a state that no attempt can end in, for pending
    without its next instant, and for one delivery twice.
    """
    wanted: dict[str, AttemptEnd] = {}
    for end in ends:
        _allowed(end.state, AFTER_SENDING, end.not_before)
        if end.delivery in wanted:
            raise ValueError(f"two ends of one delivery in one call: {end.delivery}")
        wanted[end.delivery] = end
    taken: set[str] = set()
    for ids in chunks(wanted):
        rows = [
            row
            for row in connection.execute(
                select(deliveries.c.id, deliveries.c.delivery, deliveries.c.attempts, deliveries.c.not_before)
                .where(
                    deliveries.c.plan_id == plan_id,
                    deliveries.c.delivery.in_(ids),
                    in_state(DeliveryState.SENDING),
                )
                .order_by(deliveries.c.id)
                .with_for_update()
            )
            if row.attempts == wanted[row.delivery].number
        ]
        if not rows:
            continue
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("row"))
            .values(state=bindparam("to"), not_before=bindparam("again"), updated_at=bindparam("ended")),
            [
                {
                    "row": row.id,
                    "to": wanted[row.delivery].state.value,
                    "again": wanted[row.delivery].not_before or row.not_before,
                    "ended": wanted[row.delivery].at,
                }
                for row in rows
            ],
        )
        connection.execute(
            update(attempts)
            .where(attempts.c.delivery_id == bindparam("row"), attempts.c.number == bindparam("try"))
            .values(
                finished_at=bindparam("ended"),
                outcome=bindparam("outcome_"),
                code=bindparam("code_"),
                detail=bindparam("detail_"),
            ),
            [
                {
                    "row": row.id,
                    "try": end.number,
                    "ended": end.at,
                    "outcome_": end.outcome,
                    "code_": end.code,
                    "detail_": end.detail,
                }
                for row in rows
                for end in (wanted[row.delivery],)
            ],
        )
        taken.update(row.delivery for row in rows)
    return taken


def any_sending(connection: Connection, plan_id: str, transport: Transport) -> bool:
    """Whether a try is open, or was left open by a process that died."""
    query = select(deliveries.c.id).where(*_of(plan_id, transport), in_state(DeliveryState.SENDING)).limit(1)
    return connection.execute(query).first() is not None


def interrupted(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> list[Delivery]:
    """Deliveries left in sending; their open attempts are closed as uncertain.

    Only for the start of a daemon, while nothing of its own is on its way.  The
    state stays for :func:`resolve`; what was not resolved is found again.
    """
    rows = connection.execute(
        _whole()
        .where(*_of(plan_id, transport), in_state(DeliveryState.SENDING))
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    ).all()
    for ids in chunks([row.id for row in rows]):
        connection.execute(
            update(attempts)
            .where(attempts.c.delivery_id.in_(ids), attempts.c.finished_at.is_(None))
            .values(outcome="uncertain", code=INTERRUPTED, detail=INTERRUPTED_DETAIL, finished_at=now)
        )
    return [_delivery(row) for row in rows]


def resolve(
    connection: Connection,
    plan_id: str,
    delivery_id: str,
    state: DeliveryState,
    not_before: datetime | None,
    now: datetime,
) -> bool:
    """Decide about an interrupted or uncertain delivery; False if there was nothing to decide.

    One whose attempt is still open is somebody's and is left alone.  Raises
    ``ValueError`` for a state that cannot follow, and for pending without its
    next instant.
    """
    _allowed(state, AFTER_SENDING, not_before)
    origin = or_(in_state(DeliveryState.SENDING), in_state(DeliveryState.UNCERTAIN))
    if state not in AFTER_UNCERTAIN:
        origin = in_state(DeliveryState.SENDING)
    running = exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.finished_at.is_(None))
    values: dict[str, Any] = {"state": state.value, "updated_at": now}
    if not_before is not None:
        values["not_before"] = not_before
    changed = connection.execute(
        update(deliveries)
        .where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id, origin, ~running)
        .values(**values)
        .returning(deliveries.c.id)
    )
    return changed.first() is not None


def any_expired(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> bool:
    """Whether :func:`expire` has anything to do."""
    query = select(deliveries.c.id).where(*_overdue(plan_id, transport, now)).limit(1)
    return connection.execute(query).first() is not None


def expire(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> list[Delivery]:
    """Give up what is no longer useful; each delivery as it now stands."""
    rows = connection.execute(
        _whole()
        .where(*_overdue(plan_id, transport, now))
        .order_by(deliveries.c.expires_at, deliveries.c.id)
        .with_for_update(skip_locked=True, of=deliveries)
    ).all()
    for ids in chunks([row.id for row in rows]):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids))
            .values(state=DeliveryState.EXPIRED.value, updated_at=now)
        )
    return [_delivery(row, DeliveryState.EXPIRED) for row in rows]


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


def _of(plan_id: str, transport: Transport) -> tuple[Any, Any]:
    return deliveries.c.plan_id == plan_id, deliveries.c.transport == transport.value


def _overdue(plan_id: str, transport: Transport, now: datetime) -> tuple[Any, ...]:
    return (*_of(plan_id, transport), in_state(DeliveryState.PENDING), deliveries.c.expires_at <= now)


def _whole() -> Select[Any]:
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


def _delivery(row: Row[Any], state: DeliveryState | None = None) -> Delivery:
    return Delivery(
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
    )


def _allowed(state: DeliveryState, following: Collection[DeliveryState], again: datetime | None) -> None:
    if state not in following:
        raise ValueError(f"no attempt ends in {state.value}")
    if state is DeliveryState.PENDING and again is None:
        raise ValueError("a delivery that is to be tried again needs the instant (not_before)")
