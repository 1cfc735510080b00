"""Which lines of the ledger a filter wants, and in which order: one for each claim, and for each alarm without any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    ScalarSelect,
    Select,
    and_,
    case,
    exists,
    func,
    or_,
    select,
)

from reminder.ledger.records import RETIRED, DeliveryState, Transport
from reminder.ledger.shown import EntryFilter, Mark
from reminder.ledger.statements import walked
from reminder.ledger.tables import alarms, claims, deliveries, refusals

ADVANCE = (
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.UNCERTAIN,
    DeliveryState.EXPIRED,
    DeliveryState.FAILED,
    DeliveryState.ACCEPTED,
)
"""From the least advanced on: a message stands where the worst of its parts stands."""
FEW: frozenset[str] = frozenset(ADVANCE) - {DeliveryState.ACCEPTED}
"""Where few messages stand."""
SENT = ("send", "merge")
"""Decisions that most claims have."""
_FEW_ALARMS = 500
"""So many are looked up by name; of more, the newest are soon met in the order of time."""


def few_sent(connection: Connection, plan_id: str, status: str) -> list[int] | None:
    """The alarms with a claim decided so, if they are few; None if they are many.

    Who looks for the newest of them walks through all claims where there are
    none.  To read the table as it lies takes a third of that, and stops early
    where there are many.
    """
    # What is rare is compared first.
    query = select(claims.c.alarm_id).where(claims.c.decision == status, walked(claims.c.plan_id) == plan_id)
    found = list(connection.execute(query.limit(_FEW_ALARMS + 1)).scalars())
    return sorted(set(found)) if len(found) <= _FEW_ALARMS else None


def candidates_of(plan_id: str, wanted: EntryFilter) -> Select[Any]:
    """Claims of which a part stands as is wanted (one of :data:`FEW`), in order: their numbers, and all of them.

    Most are lines.  Which are, :func:`lines_of` is to be asked for the first of
    them: it looks at every part of a message.
    """
    return lines_of(plan_id, wanted).with_only_columns(claims.c.id, maintain_column_froms=True).limit(None)


def lines_of(
    plan_id: str,
    wanted: EntryFilter,
    alarms_sent: Sequence[int] | None = None,
    candidates: Sequence[int] | None = None,
) -> Select[Any]:
    """``alarms_sent``: as :func:`few_sent` gives them for the status that is wanted.

    ``candidates``: of these claims, for a status that is one of :data:`FEW`.
    """
    decision = func.coalesce(claims.c.decision, alarms.c.decision)
    claim_row = func.coalesce(claims.c.id, 0)
    few = wanted.receiver is not None or wanted.status in FEW
    query = select(
        alarms.c.item,
        alarms.c.occurrence,
        alarms.c.alarm,
        alarms.c.planned_at,
        alarms.c.recorded_at,
        alarms.c.transport,
        decision.label("decision"),
        func.coalesce(claims.c.reason, alarms.c.reason).label("reason"),
        claims.c.receiver,
        claims.c.channel,
        claims.c.message,
        claims.c.recorded_at.label("claimed_at"),
        alarms.c.id.label("alarm_row"),
        claim_row.label("claim_row"),
    ).limit(wanted.limit)
    planned_at: ColumnElement[datetime] = alarms.c.planned_at
    if few:
        # Plan and order as expressions: the few are to be found first, and put in order then.
        query = query.select_from(claims.join(alarms, claims.c.alarm_id == alarms.c.id))
        by_receiver = wanted.receiver is not None
        query = query.where((claims.c.plan_id if by_receiver else walked(claims.c.plan_id)) == plan_id)
        planned_at = func.coalesce(alarms.c.planned_at, alarms.c.recorded_at)
    else:
        query = query.select_from(alarms.outerjoin(claims, claims.c.alarm_id == alarms.c.id))
        query = query.where(alarms.c.plan_id == plan_id)
    order = (planned_at, alarms.c.id, claim_row)
    if wanted.before is None:
        query = query.order_by(order[0].desc(), order[1].desc(), claim_row)
    else:
        query = query.order_by(order[0], order[1], claim_row.desc())
    for mark, later in ((wanted.after, False), (wanted.before, True)):
        if mark is not None:
            query = query.where(*_beyond(mark, order, later=later))
    for column, value in (
        (alarms.c.item, wanted.item),
        (alarms.c.occurrence, wanted.occurrence),
        (claims.c.receiver, wanted.receiver),
        (claims.c.channel, wanted.channel),
        (alarms.c.transport, wanted.transport.value if wanted.transport is not None else None),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(alarms.c.planned_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(alarms.c.planned_at < wanted.until)
    if wanted.items is not None:
        # As an expression: the order comes from another index, and a long list is no place to begin.
        query = query.where(walked(alarms.c.item).in_(sorted(wanted.items)))
    for beginning in wanted.but_keys:
        query = query.where(~alarms.c.alarm.startswith(beginning, autoescape=True))
    if wanted.status is not None:
        query = query.where(*_of_status(plan_id, wanted.status, decision, alarms_sent, candidates))
    return query


def _of_status(
    plan_id: str,
    status: str,
    decision: ColumnElement[str],
    alarms_sent: Sequence[int] | None,
    candidates: Sequence[int] | None,
) -> Iterator[ColumnElement[bool]]:
    """Conditions for lines that were decided so, or whose message stands so.

    Few lines stand anywhere but at accepted: they are found first, which spares
    a look at the deliveries of every claim.
    """
    if status == DeliveryState.ACCEPTED:
        yield _stands(status)
    elif status == RETIRED:
        yield claims.c.message.is_not(None)
        yield worst_part().is_(None)
    elif status in FEW and candidates is None:
        yield claims.c.id.in_(_standing(plan_id, status))
    elif status in FEW:
        yield claims.c.id.in_(candidates or ())
        yield _stands(status)
    else:
        unsent = select(claims.c.alarm_id).where(
            claims.c.plan_id == plan_id, claims.c.decision == status, claims.c.message.is_(None)
        )
        if status not in SENT:
            yield or_(alarms.c.decision == status, alarms.c.id.in_(unsent))
        elif alarms_sent is not None:
            yield or_(alarms.c.decision == status, alarms.c.id.in_(alarms_sent))
        yield decision == status


def _standing(plan_id: str, status: str) -> Select[Any] | CompoundSelect[Any]:
    """Claims of which a part of the message stands so; among the failed also those whose receiver was refused."""
    stands = (
        select(claims.c.id)
        .select_from(deliveries)
        .join(
            claims,
            and_(
                claims.c.plan_id == deliveries.c.plan_id,
                claims.c.transport == deliveries.c.transport,
                claims.c.message == deliveries.c.message,
            ),
        )
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.transport.in_([each.value for each in Transport]),
            deliveries.c.state == status,
        )
    )
    refused = (
        select(claims.c.id)
        .select_from(refusals)
        .join(
            claims,
            and_(
                claims.c.plan_id == refusals.c.plan_id,
                claims.c.transport == refusals.c.transport,
                claims.c.message == refusals.c.message,
                claims.c.receiver == refusals.c.receiver,
            ),
        )
        .where(refusals.c.plan_id == plan_id)
    )
    return stands.union(refused) if status == DeliveryState.FAILED else stands


def _beyond(
    mark: Mark, order: tuple[ColumnElement[Any], ...], *, later: bool
) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the lines on one side of a mark; the first lets an index begin there."""
    planned_at, alarm, claim = order
    if later:
        near = planned_at >= mark.planned_at
        past = (planned_at > mark.planned_at, alarm > mark.alarm, claim < mark.claim)
    else:
        near = planned_at <= mark.planned_at
        past = (planned_at < mark.planned_at, alarm < mark.alarm, claim > mark.claim)
    return near, or_(past[0], past[1], and_(alarm == mark.alarm, past[2]))


def _stands(status: str) -> ColumnElement[bool]:
    """The claim's message is in this state, by its least advanced part; refused receivers count as failed."""
    stands, refused = worst_part() == ADVANCE.index(DeliveryState(status)), was_refused()
    return or_(stands, refused) if status == DeliveryState.FAILED else and_(stands, ~refused)


def worst_part() -> ScalarSelect[Any]:
    """Where the message of a claim stands, as a place in :data:`ADVANCE`; NULL without one."""
    rank = case({state.value: number for number, state in enumerate(ADVANCE)}, value=deliveries.c.state)
    return (
        select(func.min(rank))
        .where(
            deliveries.c.plan_id == claims.c.plan_id,
            deliveries.c.transport == claims.c.transport,
            deliveries.c.message == claims.c.message,
        )
        .correlate(claims)
        .scalar_subquery()
    )


def was_refused() -> ColumnElement[bool]:
    """A server refused the claim's receiver out of a batch."""
    return exists().where(
        refusals.c.plan_id == claims.c.plan_id,
        refusals.c.transport == claims.c.transport,
        refusals.c.message == claims.c.message,
        refusals.c.receiver == claims.c.receiver,
    )
