"""What happened outside the plan: duties, events, lots, silences, approvals.

Append-only.  A duty's transitions are numbered within their cell, and the
number is part of a UNIQUE key: of fifty who record the same thing at once, one
does.  Everything else has a key of its own under its kind.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from reminder.agenda.facts import (
    TRANSITIONS,
    Approval,
    ApprovalRequest,
    CalledOff,
    Commitment,
    Draw,
    DutyAction,
    DutyEvent,
    DutyState,
    Facts,
    Lot,
    Registered,
    Silence,
    SilenceKind,
    Snooze,
    Way,
    state_after,
)
from reminder.ledger.prepared import Prepared
from reminder.ledger.records import Transport
from reminder.ledger.register import adopted
from reminder.ledger.statements import insert_new
from reminder.ledger.tables import duty_events, happenings


class FactKind(enum.StrEnum):
    """What a row of ``happenings`` is; its key is unique within the kind."""

    EVENT = "event"
    """Key: event and subject, joined by ``/``; from the second turn on with ``@`` and its number."""
    EVENT_CANCEL = "event-cancel"
    """Key: that of the event."""
    SILENCE = "silence"
    SILENCE_END = "silence-end"
    SNOOZE = "snooze"
    DRAW_COMMIT = "draw-commit"
    """Key: item and period, joined by ``/``; from the second turn on with ``@`` and its number."""
    DRAW_PUBLISH = "draw-publish"
    """Key: item, period and the lot's number, joined by ``/``."""
    APPROVAL_REQUEST = "approval-request"
    """Key: the first alarm of the text and its digest, joined by ``@``; the author is the submitter."""
    APPROVAL = "approval"
    """Key: as the request's, with the number of what was said of this text before."""


@dataclass(frozen=True, slots=True)
class NewDutyEvent:
    """A transition to be recorded.  ``occurrences``: the id in force first, then former ones."""

    occurrences: tuple[str, ...]
    cell: str
    action: DutyAction
    by: str
    way: Way
    on: date | None = None
    note: str = ""
    for_: str = ""


class Effect(enum.StrEnum):
    """What came of recording a transition."""

    RECORDED = "recorded"
    ALREADY = "already"
    """It stands so already: nothing was written."""
    REFUSED = "refused"
    """It cannot start from the state the cell is in: nothing was written."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The effect, and the state the cell is in now."""

    effect: Effect
    state: DutyState


class OneRefused(Exception):
    """One of several transitions cannot start: what was written of the others is to be rolled back.

    ``found``: what came of those up to the refused one, which is the last.
    """

    def __init__(self, found: list[Recorded]) -> None:
        super().__init__()
        self.found = found


def record_duties(
    connection: Connection, plan_id: str, new: Iterable[NewDutyEvent], now: datetime
) -> list[Recorded]:
    """Record transitions, each judged by the state that stands in the ledger at that moment.

    Raises :class:`OneRefused`.
    """
    found = []
    for each in new:
        found.append(_record(connection, plan_id, each, now))
        if found[-1].effect is Effect.REFUSED:
            raise OneRefused(found)
    return found


def _record(connection: Connection, plan_id: str, new: NewDutyEvent, now: datetime) -> Recorded:
    query = (
        select(duty_events)
        .where(
            duty_events.c.plan_id == plan_id,
            duty_events.c.occurrence.in_(new.occurrences),
            duty_events.c.cell == new.cell,
        )
        .order_by(duty_events.c.id)
    )
    events = tuple(_event(row) for row in connection.execute(query))
    state = state_after(events)
    starts, leads = TRANSITIONS[new.action]
    if state not in starts:
        return Recorded(Effect.ALREADY if state is leads else Effect.REFUSED, state)
    if new.action is DutyAction.BOOK and state is leads and events[-1].on == new.on:
        return Recorded(Effect.ALREADY, state)
    connection.execute(
        insert(duty_events),
        {
            "plan_id": plan_id,
            "occurrence": new.occurrences[0],
            "cell": new.cell,
            # Not the count under this id alone: an item renamed since has events under both.
            "turn": len(events) + 1,
            "at": now,
            "action": new.action.value,
            "author": new.by,
            "way": new.way.value,
            "on_day": new.on.isoformat() if new.on is not None else None,
            "note": new.note,
            "in_place_of": new.for_,
        },
    )
    return Recorded(Effect.RECORDED, leads)


def remember(
    connection: Connection,
    plan_id: str,
    kind: FactKind,
    key: str,
    by: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Append one happening; False, and nothing, if its key is there already."""
    row = {
        "plan_id": plan_id,
        "kind": kind.value,
        "key": key,
        "at": now,
        "author": by,
        "detail": dict(detail),
    }
    return bool(insert_new(connection, happenings, ("plan_id", "kind", "key"), [row], happenings.c.id))


_LAST = [
    Prepared(select(func.max(table.c.id).label("last")).where(table.c.plan_id == bindparam("plan")))
    for table in (duty_events, happenings)
]


def number(connection: Connection, plan_id: str) -> int:
    """Grows with every fact: two facts with one number are the same facts."""
    return sum(query.rows(connection, {"plan": plan_id})[0].last or 0 for query in _LAST)


def facts(connection: Connection, plan_id: str, transport: Transport) -> Facts:
    """Everything the pure core needs to know."""
    duties: dict[tuple[str, str], list[DutyEvent]] = {}
    query = select(duty_events).where(duty_events.c.plan_id == plan_id).order_by(duty_events.c.id)
    for row in connection.execute(query):
        duties.setdefault((row.occurrence, row.cell), []).append(_event(row))
    by_kind: dict[str, list[Any]] = {kind.value: [] for kind in FactKind}
    rows = select(happenings).where(happenings.c.plan_id == plan_id).order_by(happenings.c.id)
    for row in connection.execute(rows):
        by_kind.setdefault(row.kind, []).append(row)
    ended = {row.key: row.at for row in by_kind[FactKind.SILENCE_END]}
    events, called_off = _events(by_kind)
    return Facts(
        adopted=adopted(connection, plan_id, transport),
        rehearsal=transport is Transport.OUTBOX,
        duties={key: tuple(events) for key, events in duties.items()},
        events=events,
        called_off=called_off,
        draws=_draws(by_kind),
        silences=tuple(_silence(row, ended) for row in by_kind[FactKind.SILENCE]),
        snoozes=tuple(_snooze(row) for row in by_kind[FactKind.SNOOZE]),
        requests=tuple(each for row in by_kind[FactKind.APPROVAL_REQUEST] for each in _requests(row)),
        approvals=tuple(each for row in by_kind[FactKind.APPROVAL] for each in _approvals(row)),
        number=number(connection, plan_id),
    )


def _event(row: Any) -> DutyEvent:
    return DutyEvent(
        row.id,
        row.occurrence,
        row.cell,
        DutyAction(row.action),
        row.at,
        row.author,
        Way(row.way),
        date.fromisoformat(row.on_day) if row.on_day is not None else None,
        row.note,
        row.in_place_of,
    )


def happening_key(*names: str, turn: int = 1) -> str:
    """The key of what may happen again: its names, from the second time on with the number."""
    return "/".join(names) + (f"@{turn}" if turn > 1 else "")


def _events(by_kind: Mapping[str, list[Any]]) -> tuple[tuple[Registered, ...], tuple[CalledOff, ...]]:
    """Each event as it was registered last: those that take place, and those that were called off."""
    last = {(row.detail["event"], row.detail["subject"]): row for row in by_kind[FactKind.EVENT]}
    ended = {row.key: row for row in by_kind[FactKind.EVENT_CANCEL]}
    return (
        tuple(_registered(row) for row in last.values() if row.key not in ended),
        tuple(
            CalledOff(
                _registered(row), ended[row.key].at, ended[row.key].author, ended[row.key].detail["reason"]
            )
            for row in last.values()
            if row.key in ended
        ),
    )


def _registered(row: Any) -> Registered:
    detail = row.detail
    return Registered(
        detail["event"],
        detail["subject"],
        date.fromisoformat(detail["on"]),
        row.at,
        row.author,
        detail.get("turn", 1),
    )


def _draws(by_kind: Mapping[str, list[Any]]) -> dict[tuple[str, str], Draw]:
    commitments: dict[tuple[str, str], list[Commitment]] = {}
    for row in by_kind[FactKind.DRAW_COMMIT]:
        detail = row.detail
        made = Commitment(
            detail["commitment"], date.fromisoformat(detail["on"]), row.at, detail.get("turn", 1)
        )
        commitments.setdefault((detail["item"], detail["period"]), []).append(made)
    lots: dict[tuple[str, str], list[Lot]] = {}
    seeds: dict[tuple[str, str], bytes] = {}
    for row in by_kind[FactKind.DRAW_PUBLISH]:
        detail = row.detail
        key = detail["item"], detail["period"]
        lots.setdefault(key, []).append(_lot(row))
        if detail["seed"] is not None:
            seeds[key] = bytes.fromhex(detail["seed"])
    return {
        key: Draw(*key, tuple(made), tuple(lots.get(key, ())), seeds.get(key))
        for key, made in commitments.items()
    }


def _lot(row: Any) -> Lot:
    detail = row.detail
    return Lot(
        detail["number"],
        detail["times"],
        date.fromisoformat(detail["drawn"]),
        date.fromisoformat(detail["day"]) if detail["day"] is not None else None,
        detail["unit"],
        tuple(date.fromisoformat(day) for day in detail["days"]),
        tuple(detail["units"]),
        detail["commitment"],
        row.at,
    )


def lot_detail(draw: Draw, lot: Lot, seed: bytes | None) -> dict[str, Any]:
    """A lot as a row holds it; ``seed`` with the last one only."""
    return {
        "item": draw.item,
        "period": draw.period,
        "number": lot.number,
        "times": lot.times,
        "drawn": lot.drawn.isoformat(),
        "day": lot.day.isoformat() if lot.day is not None else None,
        "unit": lot.unit,
        "days": [day.isoformat() for day in lot.days],
        "units": list(lot.units),
        "commitment": lot.commitment,
        "seed": seed.hex() if seed is not None else None,
    }


def _silence(row: Any, ended: Mapping[str, datetime]) -> Silence:
    detail = row.detail
    until = datetime.fromisoformat(detail["until"])
    return Silence(
        row.key,
        SilenceKind(detail["kind"]),
        detail["name"],
        datetime.fromisoformat(detail["since"]),
        min(until, ended.get(row.key, until)),
        row.author,
        detail["reason"],
    )


def _snooze(row: Any) -> Snooze:
    detail = row.detail
    return Snooze(detail["person"], detail["occurrence"], date.fromisoformat(detail["until"]), row.at)


def _requests(row: Any) -> Iterator[ApprovalRequest]:
    """One text may be that of several alarms: festivals that share a break."""
    detail = row.detail
    for alarm in detail["alarms"]:
        yield ApprovalRequest(alarm, detail["digest"], row.at, row.author)


def _approvals(row: Any) -> Iterator[Approval]:
    detail = row.detail
    for alarm in detail["alarms"]:
        yield Approval(
            alarm,
            detail["digest"],
            detail["granted"],
            row.at,
            row.author,
            detail["remark"],
            detail["submitter"],
            tuple(detail["for"]),
        )
