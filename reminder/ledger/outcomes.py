"""What came of alarms, counted: how many receivers stand where.  For pages that show many alarms at once.

Every query goes by an index over what was asked for (keys, a span of time, a
state), so that it takes no longer as the ledger grows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, func, or_, select

from reminder.ledger.lines import ADVANCE, was_refused, worst_part
from reminder.ledger.reading import made_for
from reminder.ledger.records import RETIRED, DeliveryState, Transport
from reminder.ledger.statements import chunks
from reminder.ledger.tables import AnyRow, alarms, attempts, claims, deliveries

MOST_MESSAGES = 3000
"""Of one span that are looked at; an office sends fewer in a day."""
MOST_TROUBLES = 200
_PLACES = (*(each.value for each in ADVANCE), RETIRED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many shares of one alarm were decided alike and stand alike.

    ``state`` is that of their messages (the least advanced part; whom a server
    refused counts as failed), None where nothing was to be sent.  An alarm
    without shares has one outcome of its own, with ``count`` 0.  ``receivers``
    are the first and the last of them by id.
    """

    alarm: str
    item: str
    occurrence: str
    planned_at: datetime
    decision: str
    reason: str
    state: str | None
    count: int
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stuck:
    """A share that did not get through: failed, unknown, or tried in vain so far.

    ``state`` is the delivery's, or None for one that could not even be made
    (``code`` is the reason then).  ``items`` are those it was made for.
    """

    delivery: str | None
    channel: str
    receiver: str
    subject: str
    state: str | None
    at: datetime
    code: str
    detail: str
    items: tuple[str, ...]


def of_alarms(
    connection: Connection, plan_id: str, transport: Transport, keys: Collection[str]
) -> list[Outcome]:
    """What came of the alarms with these keys."""
    found: list[Outcome] = []
    for some in chunks(sorted(keys)):
        found += _outcomes(connection, _of_keys(), plan_id, transport, some=some)
    return found


def recorded_between(
    connection: Connection, plan_id: str, transport: Transport, since: datetime, until: datetime
) -> list[Outcome]:
    """What came of the alarms that were decided in [since, until)."""
    return _outcomes(connection, _of_recorded(), plan_id, transport, since=since, until=until)


def planned_between(
    connection: Connection, plan_id: str, transport: Transport, since: datetime, until: datetime
) -> list[Outcome]:
    """What came of the alarms that were planned for [since, until)."""
    return _outcomes(connection, _of_planned(), plan_id, transport, since=since, until=until)


def tried_between(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    channels: Collection[str],
    since: datetime,
    until: datetime,
) -> list[Outcome]:
    """How the shares stand whose messages were tried in [since, until), whenever they were decided."""
    bound = {
        "plan": plan_id,
        "way": transport.value,
        "since": since,
        "until": until,
        "some": sorted(channels),
    }
    messages = list(connection.execute(_tried(), bound).scalars())
    found: list[Outcome] = []
    for some in chunks(messages):
        found += _outcomes(connection, _of_messages(), plan_id, transport, some=some)
    return _joined(found)


def stuck(connection: Connection, plan_id: str, transport: Transport, since: datetime) -> list[Stuck]:
    """What did not get through, known at or after ``since``, the latest first; what is unknown, whenever.

    At most :data:`MOST_TROUBLES` of each state.
    """
    bound = {"plan": plan_id, "way": transport.value, "since": since}
    rows: list[AnyRow] = [
        *connection.execute(_in_state(DeliveryState.UNCERTAIN), bound),
        *connection.execute(_in_state(DeliveryState.FAILED), bound),
    ]
    made = made_for(connection, plan_id, transport, (row.message for row in rows))
    found = [
        Stuck(
            row.delivery,
            row.channel,
            row.receiver,
            row.subject,
            row.state,
            row.updated_at,
            row.code or "",
            row.detail or "",
            tuple(dict.fromkeys(each.item for each in made.get(row.message, ()))),
        )
        for row in rows
    ]
    found += [
        Stuck(
            None, row.channel or "", row.receiver or "", "", None, row.recorded_at, row.reason, "", (row.item,)
        )
        for row in connection.execute(_unmade(), bound)
    ]  # fmt: skip
    return sorted(found, key=lambda each: each.at, reverse=True)


# Statements.  Each is put together once: to build one takes longer than to run it.


@cache
def _of_keys() -> Select[Any]:
    return _lines(alarms.c.alarm.in_(bindparam("some", expanding=True)))


@cache
def _of_recorded() -> Select[Any]:
    return _lines(alarms.c.recorded_at >= bindparam("since"), alarms.c.recorded_at < bindparam("until"))


@cache
def _of_planned() -> Select[Any]:
    return _lines(alarms.c.planned_at >= bindparam("since"), alarms.c.planned_at < bindparam("until"))


@cache
def _of_messages() -> Select[Any]:
    # From the claims' side: their index begins with plan and transport.
    return _lines(
        claims.c.plan_id == bindparam("plan"),
        claims.c.transport == bindparam("way"),
        claims.c.message.in_(bindparam("some", expanding=True)),
    )


@cache
def _tried() -> Select[Any]:
    return (
        select(deliveries.c.message)
        .join(attempts, attempts.c.delivery_id == deliveries.c.id)
        .where(
            attempts.c.plan_id == bindparam("plan"),
            attempts.c.transport == bindparam("way"),
            attempts.c.channel.in_(bindparam("some", expanding=True)),
            attempts.c.started_at >= bindparam("since"),
            attempts.c.started_at < bindparam("until"),
        )
        .distinct()
        .limit(MOST_MESSAGES)
    )


def _mine() -> ColumnElement[bool]:
    return and_(alarms.c.plan_id == bindparam("plan"), alarms.c.transport == bindparam("way"))


def _outcomes(
    connection: Connection, query: Select[Any], plan_id: str, transport: Transport, **bound: object
) -> list[Outcome]:
    return [
        _outcome(row) for row in connection.execute(query, {"plan": plan_id, "way": transport.value, **bound})
    ]


def _lines(*conditions: ColumnElement[bool]) -> Select[Any]:
    decision = func.coalesce(claims.c.decision, alarms.c.decision)
    reason = func.coalesce(claims.c.reason, alarms.c.reason)
    lines = (
        select(
            alarms.c.id,
            alarms.c.alarm,
            alarms.c.item,
            alarms.c.occurrence,
            alarms.c.planned_at,
            decision.label("decision"),
            reason.label("reason"),
            _stands().label("stands"),
            claims.c.receiver,
        )
        .select_from(alarms.outerjoin(claims, claims.c.alarm_id == alarms.c.id))
        .where(_mine(), *conditions)
        .subquery()
    )
    grouped = (lines.c.alarm, lines.c.item, lines.c.occurrence, lines.c.planned_at)
    alike = (lines.c.decision, lines.c.reason, lines.c.stands)
    return (
        select(
            *grouped,
            *alike,
            func.count(lines.c.receiver).label("number"),
            func.min(lines.c.receiver).label("first"),
            func.max(lines.c.receiver).label("last"),
        )
        .group_by(*grouped, *alike)
        .order_by(lines.c.planned_at, lines.c.alarm)
    )


def _stands() -> ColumnElement[Any]:
    """Where the message of a claim stands, as a place in :data:`_PLACES`; NULL without one."""
    said = claims.c.message.is_not(None)
    retired = case((said, _PLACES.index(RETIRED)))
    return case(
        (and_(said, was_refused()), ADVANCE.index(DeliveryState.FAILED)),
        else_=func.coalesce(worst_part(), retired),
    )


def _outcome(row: AnyRow) -> Outcome:
    return Outcome(
        row.alarm,
        row.item,
        row.occurrence,
        row.planned_at,
        row.decision,
        row.reason,
        None if row.stands is None else _PLACES[row.stands],
        row.number,
        tuple(dict.fromkeys(each for each in (row.first, row.last) if each is not None)),
    )


def _joined(found: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes of one alarm that came in several pieces, as one."""
    together: dict[tuple[str, str, str, str | None], Outcome] = {}
    for each in found:
        key = (each.alarm, each.decision, each.reason, each.state)
        before = together.get(key)
        if before is None:
            together[key] = each
            continue
        people = sorted({*before.receivers, *each.receivers})
        together[key] = Outcome(
            each.alarm, each.item, each.occurrence, each.planned_at, each.decision, each.reason, each.state,
            before.count + each.count, (people[0], people[-1]) if len(people) > 1 else tuple(people),
        )  # fmt: skip
    return sorted(together.values(), key=lambda each: (each.planned_at, each.alarm))


@cache
def _in_state(state: DeliveryState) -> Select[Any]:
    last = and_(attempts.c.delivery_id == deliveries.c.id, attempts.c.number == deliveries.c.attempts)
    query = (
        select(
            deliveries.c.delivery,
            deliveries.c.message,
            deliveries.c.channel,
            deliveries.c.receiver,
            deliveries.c.subject,
            deliveries.c.state,
            deliveries.c.updated_at,
            attempts.c.code,
            attempts.c.detail,
        )
        .select_from(deliveries.outerjoin(attempts, last))
        .where(
            deliveries.c.plan_id == bindparam("plan"),
            deliveries.c.transport == bindparam("way"),
            deliveries.c.state == state.value,
        )
        .order_by(deliveries.c.id.desc())
        .limit(MOST_TROUBLES)
    )
    if state is DeliveryState.FAILED:
        query = query.where(deliveries.c.updated_at >= bindparam("since"))
    return query


@cache
def _unmade() -> Select[Any]:
    """What should have been sent and could not be made: no address, a template that fails."""
    return (
        select(
            alarms.c.item,
            alarms.c.recorded_at,
            func.coalesce(claims.c.reason, alarms.c.reason).label("reason"),
            claims.c.receiver,
            claims.c.channel,
        )
        .select_from(alarms.outerjoin(claims, claims.c.alarm_id == alarms.c.id))
        .where(
            _mine(),
            alarms.c.recorded_at >= bindparam("since"),
            or_(claims.c.decision == "fail", and_(claims.c.id.is_(None), alarms.c.decision == "fail")),
        )
        .order_by(alarms.c.recorded_at.desc())
        .limit(MOST_TROUBLES)
    )
