"""The ledger as people read it: one line for each claim, and how its message fared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    and_,
    func,
    select,
)

from reminder.ledger import parts as months
from reminder.ledger.lines import ADVANCE, FEW, SENT, candidates_of, few_sent, lines_of
from reminder.ledger.months import last_end
from reminder.ledger.records import RETIRED, DeliveryState, HandDecision, Transport
from reminder.ledger.shown import Entry, EntryFilter, Mark
from reminder.ledger.statements import chunks
from reminder.ledger.tables import AnyRow, alarms, attempts, claims, deliveries, refusals, resolutions


def entries(connection: Connection, plan_id: str, wanted: EntryFilter) -> list[Entry]:
    """Lines of the ledger, the one planned last first; at most ``wanted.limit``."""
    if wanted.status == RETIRED:
        # What was retired was planned before: the rest of a long ledger is not read through.
        until = last_end(connection, plan_id)
        if until is None:
            return []
        wanted = replace(wanted, until=min(wanted.until or until, until))
    lines = _lines(connection, plan_id, wanted)
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


def _lines(connection: Connection, plan_id: str, wanted: EntryFilter) -> list[AnyRow]:
    """In the order in which they are met from where the filter begins."""
    if wanted.status not in FEW:
        alarms_sent = few_sent(connection, plan_id, wanted.status) if wanted.status in SENT else None
        return list(connection.execute(lines_of(plan_id, wanted, alarms_sent)).all())
    found: list[AnyRow] = []
    every = connection.execute(candidates_of(plan_id, wanted)).scalars()
    # How the whole of a message stands is asked of the first of them, not of all the failures there ever were.
    for some in chunks(every, max(50, min(wanted.limit, 500))):
        found += connection.execute(lines_of(plan_id, wanted, candidates=some))
        if len(found) >= wanted.limit:
            break
    return found[: wanted.limit]


def concerns(connection: Connection, plan_id: str, message: str) -> list[tuple[str, str]]:
    """(receiver, occurrence) of every claim that a message was made for, under either transport."""
    return _claimed(connection, plan_id, message, alarms.c.occurrence)


def alarms_of(connection: Connection, plan_id: str, message: str) -> list[tuple[str, str]]:
    """(receiver, alarm) of every claim that a message was made for, under either transport."""
    return _claimed(connection, plan_id, message, alarms.c.alarm)


def _claimed(
    connection: Connection, plan_id: str, message: str, of_alarm: ColumnElement[str]
) -> list[tuple[str, str]]:
    query = (
        select(claims.c.receiver, of_alarm)
        .select_from(claims.join(alarms, claims.c.alarm_id == alarms.c.id))
        .where(
            claims.c.plan_id == plan_id,
            claims.c.transport.in_([each.value for each in Transport]),
            claims.c.message == message,
        )
        .distinct()
    )
    return [(receiver, found) for receiver, found in connection.execute(query)]


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
