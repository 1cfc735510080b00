"""The ledger as people read it: one line for each claim, and how its message fared."""

from __future__ import annotations

from collections import defaultdict
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

from reminder.ledger import parts as months
from reminder.ledger.records import RETIRED, DeliveryState, HandDecision, Transport
from reminder.ledger.shown import Entry, EntryFilter, Mark
from reminder.ledger.statements import chunks
from reminder.ledger.tables import AnyRow, alarms, attempts, claims, deliveries, refusals, resolutions

ADVANCE = (
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.UNCERTAIN,
    DeliveryState.EXPIRED,
    DeliveryState.FAILED,
    DeliveryState.ACCEPTED,
)
"""From the least advanced on: a message stands where the worst of its parts stands."""
_FEW = frozenset(ADVANCE) - {DeliveryState.ACCEPTED}
_SENT = ("send", "merge")
"""Decisions that most claims have."""
_FEW_ALARMS = 500
"""So many are looked up by name; of more, the newest are soon met in the order of time."""


def entries(connection: Connection, plan_id: str, wanted: EntryFilter) -> list[Entry]:
    """Lines of the ledger, the one planned last first; at most ``wanted.limit``."""
    alarms_sent = _few_sent(connection, plan_id, wanted.status) if wanted.status in _SENT else None
    lines = connection.execute(_lines(plan_id, wanted, alarms_sent)).all()
    if wanted.before is not None:
        lines = lines[::-1]
    parts: dict[tuple[str, str], list[AnyRow]] = defaultdict(list)
    refused: dict[tuple[str, str, str], AnyRow] = {}
    for transport in sorted({line.transport for line in lines}):
        messages = {line.message for line in lines if line.transport == transport and line.message}
        said = [line.claimed_at for line in lines if line.transport == transport and line.message]
        for row in _parts(connection, plan_id, transport, messages, said):
            parts[transport, row.message].append(row)
        for row in _refusals(connection, plan_id, transport, messages):
            refused[transport, row.message, row.receiver] = row
    return [
        _entry(
            line,
            parts.get((line.transport, line.message), []),
            refused.get((line.transport, line.message, line.receiver)),
        )
        for line in lines
    ]


def concerns(connection: Connection, plan_id: str, message: str) -> list[tuple[str, str]]:
    """(receiver, occurrence) of every claim that a message was made for, under either transport."""
    query = (
        select(claims.c.receiver, alarms.c.occurrence)
        .select_from(claims.join(alarms, claims.c.alarm_id == alarms.c.id))
        .where(
            claims.c.plan_id == plan_id,
            claims.c.transport.in_([each.value for each in Transport]),
            claims.c.message == message,
        )
        .distinct()
    )
    return [(row.receiver, row.occurrence) for row in connection.execute(query)]


def alarms_of(connection: Connection, plan_id: str, message: str) -> list[tuple[str, str]]:
    """(receiver, alarm) of every claim that a message was made for, under either transport."""
    query = (
        select(claims.c.receiver, alarms.c.alarm)
        .select_from(claims.join(alarms, claims.c.alarm_id == alarms.c.id))
        .where(
            claims.c.plan_id == plan_id,
            claims.c.transport.in_([each.value for each in Transport]),
            claims.c.message == message,
        )
        .distinct()
    )
    return [(row.receiver, row.alarm) for row in connection.execute(query)]


def counts(connection: Connection, plan_id: str, transport: Transport) -> dict[str, int]:
    """How many deliveries stand in each state, and how many alarms were decided each way.

    ``refused`` counts receivers whom a server refused out of a batch; it is
    there only if there are any.
    """
    totals: dict[str, int] = defaultdict(int)
    for table, column in ((deliveries, deliveries.c.state), (alarms, alarms.c.decision)):
        query = (
            select(column, func.count())
            .where(table.c.plan_id == plan_id, table.c.transport == transport.value)
            .group_by(column)
        )
        for word, number in connection.execute(query):
            totals[word] += number
    refusal = select(func.count()).where(
        refusals.c.plan_id == plan_id, refusals.c.transport == transport.value
    )
    if number := connection.execute(refusal).scalar():
        totals["refused"] = number
    return dict(totals)


def _few_sent(connection: Connection, plan_id: str, status: str) -> list[int] | None:
    """The alarms with a claim decided so, if they are few; None if they are many.

    Who looks for the newest of them walks through all claims where there are
    none.  To read the table as it lies takes a third of that, and stops early
    where there are many.
    """
    # What is rare is compared first.
    query = select(claims.c.alarm_id).where(claims.c.decision == status, claims.c.plan_id + "" == plan_id)
    found = list(connection.execute(query.limit(_FEW_ALARMS + 1)).scalars())
    return sorted(set(found)) if len(found) <= _FEW_ALARMS else None


def _lines(plan_id: str, wanted: EntryFilter, alarms_sent: list[int] | None) -> Select[Any]:
    """``alarms_sent``: as :func:`_few_sent` gives them for the status that is wanted."""
    decision = func.coalesce(claims.c.decision, alarms.c.decision)
    claim_row = func.coalesce(claims.c.id, 0)
    few = wanted.receiver is not None or wanted.status in _FEW
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
        query = query.where((claims.c.plan_id if by_receiver else claims.c.plan_id + "") == plan_id)
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
        query = query.where((alarms.c.item + "").in_(sorted(wanted.items)))
    for beginning in wanted.but_keys:
        query = query.where(~alarms.c.alarm.startswith(beginning, autoescape=True))
    if wanted.status is not None:
        query = query.where(*_of_status(plan_id, wanted.status, decision, alarms_sent))
    return query


def _of_status(
    plan_id: str, status: str, decision: ColumnElement[str], alarms_sent: list[int] | None
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
    elif status in set(DeliveryState):
        yield claims.c.id.in_(_standing(plan_id, status))
        yield _stands(status)
    else:
        unsent = select(claims.c.alarm_id).where(
            claims.c.plan_id == plan_id, claims.c.decision == status, claims.c.message.is_(None)
        )
        if status not in _SENT:
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


def _refusals(connection: Connection, plan_id: str, transport: str, messages: set[str]) -> Iterator[AnyRow]:
    for some in chunks(sorted(messages)):
        yield from connection.execute(
            select(refusals.c.message, refusals.c.receiver, refusals.c.code, refusals.c.detail).where(
                refusals.c.plan_id == plan_id,
                refusals.c.transport == transport,
                refusals.c.message.in_(some),
            )
        )


def _parts(
    connection: Connection, plan_id: str, transport: str, messages: set[str], said: Sequence[datetime]
) -> Iterator[AnyRow]:
    """Deliveries of messages whose claims were recorded then: that is when their deliveries were made."""
    within: list[ColumnElement[bool]] = []
    if said and connection.dialect.name == "postgresql":
        numbers = (deliveries.c.id, attempts.c.delivery_id)
        within = [months.among(number, min(said), max(said)) for number in numbers]
    for some in chunks(sorted(messages)):
        query = (
            select(
                deliveries.c.message,
                deliveries.c.delivery,
                deliveries.c.subject,
                deliveries.c.state,
                deliveries.c.attempts,
                deliveries.c.late,
                attempts.c.code,
                attempts.c.detail,
                _decided_by().label("decided_by"),
            )
            .select_from(
                deliveries.outerjoin(
                    attempts,
                    and_(
                        attempts.c.delivery_id == deliveries.c.id,
                        attempts.c.number == deliveries.c.attempts,
                        *within[1:],
                    ),
                )
            )
            .where(
                *within[:1],
                deliveries.c.plan_id == plan_id,
                deliveries.c.transport == transport,
                deliveries.c.message.in_(some),
            )
            .order_by(deliveries.c.part, deliveries.c.id)
        )
        yield from connection.execute(query)


def _decided_by() -> ScalarSelect[Any]:
    """Who decided last about a delivery by hand."""
    return (
        select(resolutions.c.author)
        .where(
            resolutions.c.delivery_id == deliveries.c.id,
            resolutions.c.decision.in_([each.value for each in HandDecision]),
        )
        .order_by(resolutions.c.id.desc())
        .limit(1)
        .correlate(deliveries)
        .scalar_subquery()
    )


def _entry(line: AnyRow, parts: Sequence[AnyRow], refused: AnyRow | None) -> Entry:
    known = {
        "item": line.item,
        "occurrence": line.occurrence,
        "alarm": line.alarm,
        "planned_at": line.planned_at,
        "recorded_at": line.recorded_at,
        "transport": Transport(line.transport),
        "decision": line.decision,
        "reason": line.reason,
        "receiver": line.receiver,
        "channel": line.channel,
        "message": line.message,
        "mark": Mark(line.planned_at, line.alarm_row, line.claim_row),
    }
    if not parts:
        # A claim is written together with its message: where there is none any more, it was retired.
        return Entry(**known, state=RETIRED if line.message is not None else None)
    worst = min(parts, key=lambda part: ADVANCE.index(DeliveryState(part.state)))
    return Entry(
        **known,
        subject=parts[0].subject,
        state=worst.state if refused is None else DeliveryState.FAILED.value,
        attempts=max(part.attempts for part in parts),
        last_code=(worst if refused is None else refused).code or "",
        last_detail=(worst if refused is None else refused).detail or "",
        late=any(part.late for part in parts),
        deliveries=tuple(part.delivery for part in parts),
        decided_by=next((part.decided_by for part in parts if part.decided_by), None),
    )
