"""Deliveries of which nobody knows: left in flight, or uncertain, and how they are decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ScalarSelect, exists, insert, literal, or_, select, update

from reminder.ledger.prepared import Prepared
from reminder.ledger.queue import OF_PLAN, made_of, whole
from reminder.ledger.records import Delivery, DeliveryState, HandDecision, Transport, TroubleKind
from reminder.ledger.sending import allowed
from reminder.ledger.statements import chunks, in_state
from reminder.ledger.tables import attempts, claims, deliveries, resolutions
from reminder.ledger.trouble import remember

INTERRUPTED = "interrupted"
INTERRUPTED_DETAIL = "发送途中程序中断，对方是否收到不明"
REPLACED = "replaced"
"""Decision of a chain: sent over another channel instead."""
CHAIN = "chain"

_AFTER_DECISION = {
    HandDecision.RESEND: DeliveryState.PENDING,
    HandDecision.ARRIVED: DeliveryState.ACCEPTED,
    HandDecision.DROP: DeliveryState.FAILED,
}


_SENDING = Prepared(select(deliveries.c.delivery).where(*OF_PLAN, in_state(DeliveryState.SENDING)))


def sending(connection: Connection, plan_id: str, transport: Transport) -> set[str]:
    """Deliveries whose try is open, or was left open by whoever began it."""
    rows = _SENDING.rows(connection, {"plan": plan_id, "way": transport.value})
    return {row.delivery for row in rows}


def interrupted(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    now: datetime,
    only: Collection[str] | None = None,
) -> list[Delivery]:
    """Deliveries left in sending; their open attempts are closed as uncertain.

    Without ``only`` for the start of a daemon, while nothing of its own is on
    its way.  The state stays for :func:`resolve`; what was not resolved is found
    again.
    """
    query = whole().where(
        deliveries.c.plan_id == plan_id,
        deliveries.c.transport == transport.value,
        in_state(DeliveryState.SENDING),
    )
    if only is not None:
        query = query.where(deliveries.c.delivery.in_(sorted(only)))
    rows = connection.execute(query.order_by(deliveries.c.id).with_for_update(of=deliveries)).all()
    close_attempts(connection, [row.id for row in rows], now)
    return made_of(connection, rows)


def close_attempts(connection: Connection, rows: Iterable[int], now: datetime) -> None:
    """What these deliveries (numbers of rows) still have open ended in between, outcome unknown."""
    for ids in chunks(rows):
        connection.execute(
            update(attempts)
            .where(attempts.c.delivery_id.in_(ids), attempts.c.finished_at.is_(None))
            .values(outcome="uncertain", code=INTERRUPTED, detail=INTERRUPTED_DETAIL, finished_at=now)
        )


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
    allowed(state, not_before)
    origin = in_state(DeliveryState.SENDING)
    if state is DeliveryState.PENDING:
        origin = or_(origin, in_state(DeliveryState.UNCERTAIN))
    running = exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.finished_at.is_(None))
    values: dict[str, Any] = {"state": state.value, "updated_at": now}
    if not_before is not None:
        values["not_before"] = not_before
    row = connection.execute(
        update(deliveries)
        .where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id, origin, ~running)
        .values(**values)
        .returning(deliveries.c.id, deliveries.c.transport, deliveries.c.channel, deliveries.c.receiver)
    ).first()
    if row is not None and state in (DeliveryState.UNCERTAIN, DeliveryState.FAILED):
        remember(
            connection,
            plan_id,
            Transport(row.transport),
            TroubleKind(state.value),
            row.channel,
            now,
            INTERRUPTED,
            INTERRUPTED_DETAIL,
            delivery=row.id,
            receiver=row.receiver,
        )
    return row is not None


def decide(
    connection: Connection,
    plan_id: str,
    delivery_id: str,
    decision: HandDecision,
    by: str,
    now: datetime,
) -> bool:
    """A person decides about an uncertain delivery; False if there is nothing to decide.

    To send again what is past its last useful moment is refused: it would
    expire at once.
    """
    query = (
        update(deliveries)
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.delivery == delivery_id,
            in_state(DeliveryState.UNCERTAIN),
        )
        .returning(deliveries.c.id)
    )
    if decision is HandDecision.RESEND:
        query = query.where(deliveries.c.expires_at > now).values(
            state=DeliveryState.PENDING.value, not_before=now, updated_at=now
        )
    else:
        query = query.values(state=_AFTER_DECISION[decision].value, updated_at=now)
    row = connection.execute(query).first()
    if row is None:
        return False
    record_decisions(connection, plan_id, [row.id], decision.value, by, now)
    return True


def put_up(connection: Connection, plan_id: str, delivery_id: str, by: str, now: datetime) -> bool:
    """A person puts up once more what failed; False if it did not, is past its use, or was replaced."""
    row = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.delivery == delivery_id,
            in_state(DeliveryState.FAILED),
            deliveries.c.expires_at > now,
            _last_decision().is_distinct_from(REPLACED),
        )
        .values(state=DeliveryState.PENDING.value, not_before=now, updated_at=now)
        .returning(deliveries.c.id)
    ).first()
    if row is None:
        return False
    record_decisions(connection, plan_id, [row.id], HandDecision.RESEND.value, by, now)
    return True


def leave(connection: Connection, plan_id: str, delivery_id: str, by: str, now: datetime) -> bool:
    """A person lets rest what failed, so that no other channel takes it over; False if it rests already."""
    row = connection.execute(
        select(deliveries.c.id)
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.delivery == delivery_id,
            in_state(DeliveryState.FAILED),
            _last_decision().is_distinct_from(HandDecision.DROP.value),
        )
        .with_for_update()
    ).first()
    if row is None:
        return False
    record_decisions(connection, plan_id, [row.id], HandDecision.DROP.value, by, now)
    return True


def _last_decision() -> ScalarSelect[Any]:
    """What was decided last about a delivery; NULL if nothing was."""
    return (
        select(resolutions.c.decision)
        .where(resolutions.c.delivery_id == deliveries.c.id)
        .order_by(resolutions.c.id.desc())
        .limit(1)
        .correlate(deliveries)
        .scalar_subquery()
    )


def give_up_replaced(
    connection: Connection, plan_id: str, transport: Transport, messages: Iterable[str], now: datetime
) -> None:
    """What of these messages still waits is not sent any more: a chain took their place.

    Only if it took the place of all they were made for: a digest may hold what
    no chain takes over, and then it waits on, as a whole.
    """
    some_of = list(messages)
    if not some_of:
        return
    mine, other = claims.alias(), claims.alias()
    replaced = exists().where(
        other.c.alarm_id == mine.c.alarm_id,
        # The step itself says what it replaces; a group may have been told before for another's sake.
        or_(other.c.id > mine.c.id, other.c.reason == literal("fallback:").concat(mine.c.channel)),
        other.c.channel != mine.c.channel,
        other.c.message.is_not(None),
        # A group's post is replaced by messages to its persons, and theirs by a group's post.
        or_(
            other.c.receiver == mine.c.receiver,
            mine.c.receiver.like("group:%"),
            other.c.receiver.like("group:%"),
        ),
    )
    still_meant = exists().where(
        mine.c.plan_id == deliveries.c.plan_id,
        mine.c.transport == deliveries.c.transport,
        mine.c.message == deliveries.c.message,
        ~replaced,
    )
    for some in chunks(some_of):
        rows = connection.execute(
            update(deliveries)
            .where(
                deliveries.c.plan_id == plan_id,
                deliveries.c.transport == transport.value,
                deliveries.c.message.in_(some),
                in_state(DeliveryState.PENDING),
                ~still_meant,
            )
            .values(state=DeliveryState.FAILED.value, updated_at=now)
            .returning(deliveries.c.id)
        ).all()
        record_decisions(connection, plan_id, [row.id for row in rows], REPLACED, CHAIN, now)


def record_decisions(
    connection: Connection, plan_id: str, rows: Iterable[int], decision: str, by: str, now: datetime
) -> None:
    """Write down who decided what about these deliveries (numbers of rows)."""
    values = [
        {"plan_id": plan_id, "delivery_id": row, "at": now, "author": by, "decision": decision}
        for row in rows
    ]
    if values:
        connection.execute(insert(resolutions), values)
