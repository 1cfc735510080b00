"""Whom a message did not reach: receivers refused, and claims whose channel failed them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, literal, select

from reminder.ledger.records import (
    AttemptEnd,
    DeliveryState,
    HandDecision,
    Transport,
    TroubleKind,
    Unreached,
)
from reminder.ledger.statements import in_state, insert_new
from reminder.ledger.tables import AnyRow, alarms, claims, deliveries, pauses, refusals, resolutions
from reminder.ledger.trouble import remember


def refuse(
    connection: Connection, plan_id: str, transport: Transport, delivery: AnyRow, end: AttemptEnd
) -> None:
    """Record the refused receivers of a delivery, each once, and that admins must be told."""
    new = insert_new(
        connection,
        refusals,
        ("delivery_id", "receiver"),
        [
            {
                "plan_id": plan_id,
                "transport": transport.value,
                "message": delivery.message,
                "delivery_id": delivery.id,
                "receiver": refusal.receiver,
                "at": end.at,
                "code": refusal.code or end.code,
                "detail": refusal.detail or end.detail,
            }
            for refusal in {each.receiver: each for each in end.refused}.values()
        ],
        refusals.c.receiver,
        refusals.c.code,
        refusals.c.detail,
    )
    for row in new:
        remember(
            connection,
            plan_id,
            transport,
            TroubleKind.REFUSED,
            delivery.channel,
            end.at,
            row.code,
            row.detail,
            delivery=delivery.id,
            receiver=row.receiver,
        )


def unreached(connection: Connection, plan_id: str, transport: Transport, since: datetime) -> list[Unreached]:
    """Claims that were not brought to their receiver, known at or after ``since``; oldest first.

    Their message failed for good, expired although it was tried, was refused for
    this very receiver, or waits on a channel whose pause is lasting.  A message
    that a person decided not to send again is settled and not among them.
    """
    found: dict[tuple[str, str, str], Unreached] = {}
    for query in _queries(plan_id, transport, since):
        for row in connection.execute(query):
            if row.alarm is None:
                continue
            key = (row.alarm, row.receiver, row.channel)
            if key not in found or row.at < found[key].at:
                found[key] = Unreached(*row)
    return sorted(found.values(), key=lambda each: (each.at, each.alarm, each.receiver))


def _queries(plan_id: str, transport: Transport, since: datetime) -> Iterator[Select[Any]]:
    mine = (deliveries.c.plan_id == plan_id, deliveries.c.transport == transport.value)
    dropped = exists().where(
        resolutions.c.delivery_id == deliveries.c.id, resolutions.c.decision == HandDecision.DROP.value
    )
    updated = deliveries.c.updated_at
    # Somebody refused alone is refused for that receiver; the others of the batch were reached.
    spared = exists().where(refusals.c.delivery_id == deliveries.c.id)
    yield claimed(updated, "failed").where(
        *mine, in_state(DeliveryState.FAILED), updated >= since, ~dropped, ~spared
    )
    yield claimed(updated, "expired").where(
        *mine, in_state(DeliveryState.EXPIRED), updated >= since, deliveries.c.attempts > 0
    )
    yield (
        claimed(refusals.c.at, "refused")
        .join(
            refusals,
            and_(refusals.c.delivery_id == deliveries.c.id, refusals.c.receiver == claims.c.receiver),
        )
        .where(
            *mine,
            refusals.c.plan_id == plan_id,
            refusals.c.transport == transport.value,
            refusals.c.at >= since,
        )
    )
    yield (
        claimed(pauses.c.since, "paused")
        .join(
            pauses,
            and_(
                pauses.c.plan_id == deliveries.c.plan_id,
                pauses.c.transport == deliveries.c.transport,
                pauses.c.channel == deliveries.c.channel,
            ),
        )
        .where(*mine, in_state(DeliveryState.PENDING), pauses.c.ended_at.is_(None), pauses.c.lasting)
    )


def claimed(at: ColumnElement[datetime], reason: str) -> Select[Any]:
    """The columns of :class:`Unreached` for claims with a message, still to be narrowed.

    Outer joins fix the order: else SQLite begins with all claims of the plan, and
    looks through the few deliveries anew at each of them.  A delivery without claims
    gives a row without an alarm.
    """
    return (
        select(
            alarms.c.alarm,
            claims.c.receiver,
            claims.c.channel,
            literal(reason).label("reason"),
            at.label("at"),
            claims.c.message,
        )
        .select_from(deliveries)
        .outerjoin(
            claims,
            and_(
                claims.c.plan_id == deliveries.c.plan_id,
                claims.c.transport == deliveries.c.transport,
                claims.c.message == deliveries.c.message,
            ),
        )
        .outerjoin(alarms, alarms.c.id == claims.c.alarm_id)
    )
