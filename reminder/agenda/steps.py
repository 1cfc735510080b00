"""Steps: when each rung of a ladder comes, and until when it is of use.  Pure.

Many items share their dates: what a ladder comes to in one period is worked out
once and remembered, for as many ladders and periods as an office has.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from reminder.agenda.instants import instant
from reminder.agenda.occurrences import Occurrence
from reminder.agenda.spans import day_of_month, least_certain
from reminder.agenda.value import value
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.fields import DueKind
from reminder.plan.model import Anchor, Rung

USEFUL_WORKDAYS_AFTER_LAST = 5
"""How long the last rung after the due date is still worth sending."""
MOST_REMEMBERED = 65_536
"""Ladders in periods; beyond that all is forgotten and begun anew."""


K = TypeVar("K")
V = TypeVar("V")


@value
class Step:
    """The ``number``-th coming, from 1, of the rung at ``index``.  Instants are aware, in the plan's zone."""

    index: int
    number: int
    at: datetime
    useful_until: datetime
    status: DayStatus


def steps_of(
    rungs: tuple[Rung, ...], occurrence: Occurrence, calendar: WorkCalendar, zone: ZoneInfo
) -> tuple[Step, ...]:
    """What a ladder comes to in one occurrence; after a rotation nothing that lies before it."""
    key = (
        timing(rungs),
        occurrence.first,
        occurrence.last,
        occurrence.opens,
        occurrence.due_at,
        occurrence.status,
        occurrence.started,
        occurrence.rotated,
        calendar,
        zone,
    )
    steps = _steps.get(key)
    if steps is None:
        steps = _worked_out(rungs, occurrence, calendar, zone)
        _keep(_steps, key, steps)
    return steps


class Timing:
    """What of a ladder its instants depend on: one and the same for all items whose rungs come alike.

    Compared as itself, which is what makes it a cheap key.  ``alike`` numbers
    the rungs: those that say the same to the same have one number.
    """

    __slots__ = ("alike",)

    def __init__(self, alike: tuple[int, ...]) -> None:
        self.alike = alike


_steps: dict[object, tuple[Step, ...]] = {}
_timings: dict[object, Timing] = {}
_timing_of: dict[int, tuple[tuple[Rung, ...], Timing]] = {}


def timing(rungs: tuple[Rung, ...]) -> Timing:
    """The timing of a ladder."""
    known = _timing_of.get(id(rungs))
    # The ladder is kept beside its timing, so that its ``id`` is no other's meanwhile.
    if known is not None and known[0] is rungs:
        return known[1]
    said = [(rung.to, rung.template) for rung in rungs]
    alike = tuple(said.index(each) for each in said)
    content = tuple(
        (
            rung.anchor,
            rung.workdays,
            rung.days,
            rung.on_day,
            rung.at,
            (rung.repeat.every_workdays, rung.repeat.every_days, rung.repeat.at_most)
            if rung.repeat
            else None,
            alike[number],
        )
        for number, rung in enumerate(rungs)
    )
    found = _timings.get(content)
    if found is None:
        found = Timing(alike)
        _keep(_timings, content, found)
    _keep(_timing_of, id(rungs), (rungs, found))
    return found


def _keep(memory: dict[K, V], key: K, value: V) -> None:
    if len(memory) >= MOST_REMEMBERED:
        memory.clear()
    memory[key] = value


def _worked_out(
    rungs: tuple[Rung, ...], occurrence: Occurrence, calendar: WorkCalendar, zone: ZoneInfo
) -> tuple[Step, ...]:
    timed = [
        (index, number, day, _not_before(occurrence, instant(day, rung.at, zone), calendar))
        for index, rung in enumerate(rungs)
        for number, day in enumerate(_days(rung, occurrence, calendar), start=1)
        if occurrence.rotated is None or day >= occurrence.rotated
    ]
    alike = timing(rungs).alike
    steps = []
    for index, number, day, at in timed:
        rung = rungs[index]
        until = occurrence.due_at
        if at >= until:  # of use until the next rung that says the same
            later = [other for peer, _, _, other in timed if other > at and alike[peer] == alike[index]]
            until = min(later, default=None) or instant(
                calendar.after(day, USEFUL_WORKDAYS_AFTER_LAST), rung.at, zone
            )
        steps.append(Step(index, number, at, until, _status(rung, day, occurrence, calendar)))
    return tuple(steps)


def _not_before(occurrence: Occurrence, at: datetime, calendar: WorkCalendar) -> datetime:
    """An alarm's instant, but not before the event it belongs to was registered.

    What would have been earlier comes at the registration, or on the next
    working day if that is a rest day and still in time.
    """
    started = occurrence.started
    if started is None or at >= started:
        return at
    if calendar.is_workday(started.date()):
        return started
    later = datetime.combine(calendar.after(started.date(), 1), at.timetz())
    return later if later < occurrence.due_at else started


def _days(rung: Rung, occurrence: Occurrence, calendar: WorkCalendar) -> Iterator[date]:
    """The day of a rung, and each day on which it comes again."""
    day = rung_day(rung, occurrence, calendar)
    yield day
    if rung.repeat is None:
        return
    for _ in range(1, rung.repeat.at_most):
        if rung.repeat.every_workdays is not None:
            day = calendar.after(day, rung.repeat.every_workdays)
        else:
            assert rung.repeat.every_days is not None  # the model asks for one of the two
            day += timedelta(days=rung.repeat.every_days)
        yield day


def rung_day(rung: Rung, occurrence: Occurrence, calendar: WorkCalendar) -> date:
    """The day of a rung.

    ``workdays: 0`` is the anchor's day or the working day before it; from a
    break, what lies before counts from its first day and what lies after from
    its last.  ``on_day: 15`` is the 15th or the working day before it.
    """
    if rung.on_day is not None:
        match rung.on_day.kind:
            case DueKind.FIRST_WORKDAY:
                return calendar.first_workday(occurrence.first, occurrence.last) or occurrence.first
            case DueKind.LAST_WORKDAY:
                return calendar.last_workday(occurrence.first, occurrence.last) or occurrence.last
            case _:
                # Nobody is reminded on a rest day by a mere number, nor before the period begins.
                day = day_of_month(occurrence.first.year, occurrence.first.month, rung.on_day.day)
                found = calendar.before(day, 0)
                return found if found >= occurrence.first else calendar.after(day, 1)
    assert rung.anchor is not None, rung.id
    return day_from(rung.anchor, rung.workdays, rung.days, occurrence, calendar)


def day_from(
    anchor: Anchor, workdays: int | None, days: int | None, occurrence: Occurrence, calendar: WorkCalendar
) -> date:
    """So many working days (or else calendar days) from an anchor of an occurrence."""
    offset = workdays if workdays is not None else days
    assert offset is not None  # the model asks for one of the two
    day = _anchor_day(anchor, offset, occurrence)
    return calendar.shift(day, offset) if workdays is not None else day + timedelta(days=offset)


def _anchor_day(anchor: Anchor, offset: int, occurrence: Occurrence) -> date:
    match anchor:
        case Anchor.OPENS:
            return occurrence.opens
        case Anchor.MIDPOINT:
            return occurrence.midpoint
        case Anchor.DUE:
            return occurrence.due
        case Anchor.EVENT:
            return occurrence.first
        case Anchor.BREAK:
            return occurrence.last if offset > 0 else occurrence.first
        case Anchor.PERIOD_START:
            return occurrence.first
        case Anchor.PERIOD_END:
            return occurrence.last


def _status(rung: Rung, day: date, occurrence: Occurrence, calendar: WorkCalendar) -> DayStatus:
    by_workdays = rung.workdays is not None or rung.on_day is not None
    return least_certain(occurrence.status, calendar.status(day)) if by_workdays else occurrence.status
