"""Alarms: one rung of the ladder of one occurrence (RFC 5545 §3.6.6).

``expand`` is the whole agenda: pure, and with three laws that tests hold.  A
window split anywhere gives the same alarms; the order of items does not matter;
a second expansion changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from reminder.agenda.duties import after_rotation
from reminder.agenda.facts import NOTHING, Facts
from reminder.agenda.occurrences import (
    Occurrence,
    day_of_month,
    instant,
    least_certain,
    occurrences,
    widest_day_span,
    zone_of,
)
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.fields import DueKind
from reminder.plan.model import Anchor, EventWhen, EveryWhen, FestivalsWhen, Item, Plan, Rung, WindowWhen

USEFUL_WORKDAYS_AFTER_LAST = 5
"""How long the last rung after the due date is still worth sending."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One rung of one occurrence.

    ``key`` is identity (``former_keys`` are those under which a renamed item or
    rung may stand in the ledger); ``at`` and ``useful_until`` are aware, in the
    plan's zone.  ``status`` says how firm ``at`` is.
    """

    key: str
    former_keys: tuple[str, ...]
    item: Item
    occurrence: Occurrence
    rung: Rung
    at: datetime
    useful_until: datetime
    status: DayStatus
    repetition: int = 1
    """Which time a rung with ``repeat`` comes, from 1."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The key in force first, then those under which the ledger may hold it."""
        return (self.key, *self.former_keys)

    @property
    def text_key(self) -> object:
        """Alarms with equal keys are said in one text: festivals of one rung that share a break."""
        festival = self.occurrence.festival
        of_break = (festival.rest.first, festival.rest.last) if festival else self.occurrence.id
        return (self.item.id, self.rung.id, self.repetition, self.at, of_break)

    @property
    def order(self) -> tuple[datetime, str]:
        """By time, then by key: the same whatever the order of items."""
        return (self.at, self.key)


def expand(
    plan: Plan, calendar: WorkCalendar, since: datetime, until: datetime, facts: Facts = NOTHING
) -> tuple[Alarm, ...]:
    """Every alarm with ``since`` ≤ ``at`` < ``until`` (aware), in order."""
    found: list[Alarm] = []
    for item in plan.items:
        found.extend(alarm for alarm in alarms_of(item, plan, calendar, since, until, facts))
    found.sort(key=lambda alarm: alarm.order)
    return tuple(found)


def alarms_of(
    item: Item,
    plan: Plan,
    calendar: WorkCalendar,
    since: datetime,
    until: datetime,
    facts: Facts = NOTHING,
) -> Iterator[Alarm]:
    """The alarms of one item with ``since`` ≤ ``at`` < ``until``, unordered."""
    rungs = item.rungs
    if not rungs or since >= until:
        return
    zone = zone_of(plan.head.timezone)
    before, after = _reach(rungs, item)
    first, last = since.astimezone(zone).date() - after, until.astimezone(zone).date() + before
    for each in occurrences(item, plan.head, calendar, first, last, facts):
        for occurrence in (each, *after_rotation(item, each, plan.directory, calendar)):
            for alarm in ladder(item, rungs, occurrence, calendar, zone):
                if since <= alarm.at < until:
                    yield alarm


def ladder(
    item: Item, rungs: tuple[Rung, ...], occurrence: Occurrence, calendar: WorkCalendar, zone: ZoneInfo
) -> list[Alarm]:
    """All alarms of one occurrence, whenever they are; one after a rotation has none before it."""
    timed = [
        (rung, number, day, _not_before(occurrence, instant(day, rung.at, zone), calendar))
        for rung in rungs
        for number, day in enumerate(_days(rung, occurrence, calendar), start=1)
        if occurrence.rotated is None or day >= occurrence.rotated
    ]
    found = []
    for rung, number, day, at in timed:
        later = [
            other
            for peer, _, _, other in timed
            if other > at and (peer.to, peer.template) == (rung.to, rung.template)
        ]
        again = f"~{number}" if number > 1 else ""
        current, *former = (
            f"{occurrence_id}#{rung_id}{again}"
            for occurrence_id in occurrence.ids
            for rung_id in (rung.id, *rung.was)
        )
        found.append(
            Alarm(
                current,
                tuple(former),
                item,
                occurrence,
                rung,
                at,
                _useful_until(at, occurrence, later)
                or instant(calendar.after(day, USEFUL_WORKDAYS_AFTER_LAST), rung.at, zone),
                _status(rung, day, occurrence, calendar),
                number,
            )
        )
    return found


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


def _useful_until(at: datetime, occurrence: Occurrence, later: list[datetime]) -> datetime | None:
    """Until the due date, then until the next rung that says the same; None for the last."""
    if at < occurrence.due_at:
        return occurrence.due_at
    return min(later, default=None)


def _status(rung: Rung, day: date, occurrence: Occurrence, calendar: WorkCalendar) -> DayStatus:
    by_workdays = rung.workdays is not None or rung.on_day is not None
    return least_certain(occurrence.status, calendar.status(day)) if by_workdays else occurrence.status


def _repeated(rungs: tuple[Rung, ...]) -> tuple[int, int]:
    """Days and working days over which rungs come again, at most."""
    repeats = [rung.repeat for rung in rungs if rung.repeat is not None]
    days = [(each.every_days or 0) * (each.at_most - 1) for each in repeats]
    workdays = [(each.every_workdays or 0) * (each.at_most - 1) for each in repeats]
    return max(days, default=0), max(workdays, default=0)


_LONGEST = {"month": 31, "quarter": 92, "half-year": 184, "year": 366}


def _reach(rungs: tuple[Rung, ...], item: Item) -> tuple[timedelta, timedelta]:
    """How far the rungs can lie before and after a due date: (before, after)."""
    days = [rung.days or 0 for rung in rungs]
    workdays = [rung.workdays or 0 for rung in rungs]
    before = widest_day_span(max(0, *(-n for n in days)), max(0, *(-n for n in workdays)))
    grace = item.spec.duty.on_rotation if item.spec.duty is not None else 0
    after = widest_day_span(max(0, *days), max(0, *workdays))
    after += widest_day_span(*_repeated(rungs)) + widest_day_span(0, grace if isinstance(grace, int) else 0)
    if all(rung.anchor is Anchor.DUE for rung in rungs):
        return before, after
    # Other anchors lie as far from the due date as the period is long.
    match item.spec.when:
        case EveryWhen(every=every):
            span = timedelta(days=_LONGEST[every])
        case WindowWhen():
            span = timedelta(days=366)
        case FestivalsWhen():
            span = timedelta(days=45)
        case EventWhen():
            span = timedelta(days=400)
        case _:
            span = timedelta(0)
    return before + span, after + span


def next_alarm(
    item: Item, plan: Plan, calendar: WorkCalendar, after: datetime, facts: Facts = NOTHING
) -> datetime | None:
    """The first alarm of an item strictly after an instant, or None if there is none."""
    zone = zone_of(plan.head.timezone)
    end = datetime.combine(plan.head.until, time.max, tzinfo=zone) + timedelta(days=740)
    since = after + timedelta(microseconds=1)
    step = timedelta(days=100)
    while since < end:
        # In steps, so that an item with many dates is not expanded to its end each time.
        found = [alarm.at for alarm in alarms_of(item, plan, calendar, since, min(since + step, end), facts)]
        if found:
            return min(found)
        since += step
    return None
