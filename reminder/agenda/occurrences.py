"""Occurrences: one item in one period, window, festival or day (RFC 5545 §3.8.4.4).

Pure.  An occurrence's id never contains a computed date, so that a new
arrangement of the calendar moves its dates and leaves its identity alone.

An occurrence belongs to the plan when its due date lies between the plan's
``from`` and ``until``; the rungs that follow it may lie beyond.
"""

from __future__ import annotations

import calendar as gregorian
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from dateutil.rrule import rrulestr

from reminder.agenda.facts import NOTHING, Facts, Registered
from reminder.agenda.instants import instant, zone_of
from reminder.agenda.value import value
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.lunar import lunar_date
from reminder.calendars.periods import Period, PeriodKind, periods
from reminder.calendars.workdays import Break, WorkCalendar
from reminder.plan.fields import DueKind, DueRule, MonthDay
from reminder.plan.model import STATUTORY_FESTIVALS, ExtraFestival, Item, PlanHead
from reminder.plan.when import (
    DatesWhen,
    DrawWhen,
    EventWhen,
    EveryWhen,
    FestivalsWhen,
    LunarWhen,
    RruleWhen,
    WindowWhen,
)

FESTIVAL_LEAD_WORKDAYS = 10
"""A festival's occurrence opens this many working days before its break."""

PlannedWhen = FestivalsWhen | EveryWhen | WindowWhen | DatesWhen | LunarWhen | RruleWhen
"""What can be said beforehand of every item with that ``when``; events and lots are facts of one item."""

_NAMES_WITHOUT_JIE = {"清明", "端午", "中秋", "国庆"}
_CERTAINTY = (DayStatus.OFFICIAL, DayStatus.MAY_CHANGE, DayStatus.PROVISIONAL)


@dataclass(frozen=True, slots=True)
class Festival:
    """The festival of an occurrence and the break around it."""

    name: str
    day: date
    rest: Break


@value
class Span:
    """An occurrence without its item: one period, window, festival or day of a ``when``.

    ``suffix`` follows the item's id; the rest is as in :class:`Occurrence`.
    Items with one ``when`` share their spans.
    """

    suffix: str
    label: str
    first: date
    last: date
    opens: date
    due: date
    due_at: datetime
    status: DayStatus = DayStatus.OFFICIAL
    festival: Festival | None = None


@value
class Occurrence:
    """One item in one period.

    ``first`` and ``last`` bound the period or window; ``opens`` ≤ ``due``;
    ``due_at`` is aware, in the plan's zone.  ``status`` is how firm the dates
    are: official unless a working day or a break of a provisional year was used.
    """

    id: str
    former_ids: tuple[str, ...]
    label: str
    first: date
    last: date
    opens: date
    due: date
    due_at: datetime
    status: DayStatus = DayStatus.OFFICIAL
    festival: Festival | None = None
    record_ids: tuple[str, ...] = ()
    """Under which ids its duties are recorded, if not under its own."""
    rotated: date | None = None
    """The day of the rotation after which it is owed once more (:mod:`~reminder.agenda.duties`)."""
    period: tuple[date, date] | None = None
    """Opening and due date of the occurrence itself, after a rotation."""
    drawn: str = ""
    """The unit that a draw chose."""
    started: datetime | None = None
    """When the event that started it was registered: nobody is reminded before."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The id in force first, then the former ones."""
        return (self.id, *self.former_ids)

    @property
    def recorded_under(self) -> tuple[str, ...]:
        """The ids under which the ledger may hold its duties."""
        return self.record_ids or self.ids

    @property
    def midpoint(self) -> date:
        """The day halfway between opening and due date, rounded down."""
        return self.opens + (self.due - self.opens) // 2


def festival_title(name: str) -> str:
    """中秋 → 中秋节; 元旦 and 春节 are complete as they are."""
    return f"{name}节" if name in _NAMES_WITHOUT_JIE else name


def least_certain(*statuses: DayStatus) -> DayStatus:
    """The weakest of several statuses: one provisional day makes all provisional."""
    return max(statuses, key=_CERTAINTY.index)


def occurrences(
    item: Item,
    head: PlanHead,
    calendar: WorkCalendar,
    first: date,
    last: date,
    facts: Facts = NOTHING,
) -> Iterator[Occurrence]:
    """Every occurrence of an item whose due date lies in the plan and in [first, last].

    Events start when they are registered, and lots are there once they are
    published: ``facts`` tells of both.
    """
    since, until = max(first, head.from_), min(last, head.until)
    if since > until:
        return
    found: Iterator[Occurrence]
    match item.spec.when:
        case EventWhen() as when:
            started = (event for event in facts.events if event.event == when.event)
            found = (_started(item, when, event, head, calendar) for event in started)
        case DrawWhen() as when:
            found = _drawn(item, when, head, since, until, facts)
        case when:
            found = (occurrence_of(item, span) for span in spans(when, head, calendar, since, until))
    yield from (each for each in found if since <= each.due <= until)


def occurrence_of(item: Item, span: Span) -> Occurrence:
    """An item in one of its spans."""
    current, former = _ids(item, span.suffix)
    return Occurrence(
        current,
        former,
        span.label,
        span.first,
        span.last,
        span.opens,
        span.due,
        span.due_at,
        span.status,
        span.festival,
    )


def spans(
    when: PlannedWhen, head: PlanHead, calendar: WorkCalendar, first: date, last: date
) -> Iterator[Span]:
    """Every span of a ``when`` that is known beforehand, due in the plan and in [first, last]."""
    since, until = max(first, head.from_), min(last, head.until)
    if since > until:
        return
    for span in _candidates(when, head, calendar, since, until):
        if since <= span.due <= until:
            yield span


def _candidates(
    when: PlannedWhen, head: PlanHead, calendar: WorkCalendar, since: date, until: date
) -> Iterator[Span]:
    match when:
        case FestivalsWhen():
            yield from _festivals(when, head, calendar, since, until)
        case EveryWhen():
            yield from _periodic(when, head, calendar, since, until)
        case WindowWhen():
            yield from _windows(when, head, since, until)
        case DatesWhen():
            for day in when.days:
                yield _single(str(day), _day_label(day), day, when, head)
        case LunarWhen():
            # The last months of a lunar year fall into the next solar one.
            days = ((y, lunar_date(y, *when.lunar)) for y in range(since.year - 1, until.year + 1))
            yield from (_single(str(y), f"{y}年", day, when, head) for y, day in days)
        case RruleWhen():
            for day in _rule_days(when.rrule, head.from_, since, until):
                yield _single(str(day), _day_label(day), day, when, head)


def _started(
    item: Item, when: EventWhen, event: Registered, head: PlanHead, calendar: WorkCalendar
) -> Occurrence:
    """Open from the day it was registered; ``first`` is the event's own day.

    One that was moved has a ladder of its own; what was done stays done.
    """
    zone = zone_of(head.timezone)
    due = event.on if when.due_workdays is None else calendar.shift(event.on, when.due_workdays)
    at = event.at.astimezone(zone)
    again = f"~{event.turn}" if event.turn > 1 else ""
    current, former = _ids(item, event.subject + again)
    return Occurrence(
        current,
        former,
        event.subject,
        event.on,
        event.on,
        min(at.date(), due),
        due,
        instant(due, when.at, zone),
        DayStatus.OFFICIAL if when.due_workdays is None else calendar.status(due),
        record_ids=tuple(f"{each}/{event.subject}" for each in item.ids) if again else (),
        started=at,
    )


def _drawn(
    item: Item,
    when: DrawWhen,
    head: PlanHead,
    since: date,
    until: date,
    facts: Facts,
) -> Iterator[Occurrence]:
    """The lots that are published; before its day a lot has no occurrence for anybody."""
    for period in periods(PeriodKind(when.draw.per), since, until):
        draw = facts.draw_of(item.ids, period.id)
        for lot in draw.lots if draw is not None else ():
            if lot.day is None:
                continue
            several = f".{lot.number}" if lot.number > 1 else ""
            current, former = _ids(item, period.id + several)
            due_at = instant(lot.day, when.at, zone_of(head.timezone))
            yield Occurrence(
                current, former, period.label, period.first, period.last, lot.day, lot.day, due_at, drawn=lot.unit
            )  # fmt: skip


def _day_label(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


@lru_cache(maxsize=1024)
def _rule_days(rule: str, start: date, since: date, until: date) -> tuple[date, ...]:
    """The days of a rule; recurrence is counted on the wall calendar, without a zone."""
    begin, end = datetime.combine(since, time.min), datetime.combine(until, time.max)
    found = rrulestr(rule, dtstart=datetime.combine(start, time.min)).between(begin, end, inc=True)
    return tuple(at.date() for at in found)


def _due_at(day: date, when: PlannedWhen, head: PlanHead) -> datetime:
    return instant(day, when.at, zone_of(head.timezone))


def _ids(item: Item, suffix: str) -> tuple[str, tuple[str, ...]]:
    spec = item.spec
    return f"{spec.id}/{suffix}", tuple([f"{each}/{suffix}" for each in spec.was]) if spec.was else ()


def _single(suffix: str, label: str, day: date, when: PlannedWhen, head: PlanHead) -> Span:
    return Span(suffix, label, day, day, day, day, _due_at(day, when, head))


def _periodic(
    when: EveryWhen, head: PlanHead, calendar: WorkCalendar, since: date, until: date
) -> Iterator[Span]:
    for period, due, status in _dues(PeriodKind(when.every), when.due, calendar, since, until):
        due_at = _due_at(due, when, head)
        yield Span(period.id, period.label, period.first, period.last, period.first, due, due_at, status)


@lru_cache(maxsize=1024)
def _dues(
    kind: PeriodKind, rule: DueRule, calendar: WorkCalendar, since: date, until: date
) -> tuple[tuple[Period, date, DayStatus], ...]:
    """Each period with its due date and how firm that is: the same for every item with that rule."""
    computed = rule.kind in (DueKind.LAST_WORKDAY, DueKind.FIRST_WORKDAY)
    found = []
    for period in periods(kind, since, until):
        due = due_date(rule, period, calendar)
        found.append((period, due, calendar.status(due) if computed else DayStatus.OFFICIAL))
    return tuple(found)


def due_date(rule: DueRule, period: Period, calendar: WorkCalendar) -> date:
    """The due date of a period.  A day its month does not have is the month's last."""
    match rule.kind:
        case DueKind.LAST_WORKDAY:
            return calendar.last_workday(period.first, period.last) or period.last
        case DueKind.FIRST_WORKDAY:
            return calendar.first_workday(period.first, period.last) or period.first
        case DueKind.LAST_DAY:
            return period.last
        case DueKind.FIRST_DAY:
            return period.first
        case DueKind.DAY:
            return day_of_month(period.last.year, period.last.month, rule.day)
        case DueKind.MONTH_DAY:
            return day_of_month(period.year, rule.month, rule.day)


def day_of_month(year: int, month: int, day: int) -> date:
    """That day, or the month's last if it has fewer: nothing vanishes."""
    return date(year, month, min(day, gregorian.monthrange(year, month)[1]))


def _festivals(
    when: FestivalsWhen, head: PlanHead, calendar: WorkCalendar, since: date, until: date
) -> Iterator[Span]:
    # A break at the new year may have its due date in the year before.
    for year in range(since.year, until.year + 2):
        for name in when.festivals:
            yield _festival(when, name, year, head, calendar)


def _festival(when: FestivalsWhen, name: str, year: int, head: PlanHead, calendar: WorkCalendar) -> Span:
    if name in STATUTORY_FESTIVALS:
        day = calendar.festival_day(name, year)
        rest = calendar.festival_break(name, year)
    else:
        extra = next(each for each in head.festivals if each.name == name)
        day = _extra_day(extra, year)
        rest = calendar.break_around(day)
    due = calendar.before(rest.first, 1)
    return Span(
        f"{year}/{name}",
        f"{year}年{festival_title(name)}",
        rest.first,
        rest.last,
        calendar.before(rest.first, FESTIVAL_LEAD_WORKDAYS),
        due,
        _due_at(due, when, head),
        least_certain(rest.status, calendar.status(due)),
        Festival(name, day, rest),
    )


def _extra_day(extra: ExtraFestival, year: int) -> date:
    if extra.lunar is not None:
        # The lunar date that falls into this solar year; months 11 and 12 may
        # belong to the lunar year before.
        for lunar_year in (year, year - 1):
            day = lunar_date(lunar_year, extra.lunar.month, extra.lunar.day)
            if day.year == year:
                return day
        return lunar_date(year, extra.lunar.month, extra.lunar.day)
    assert extra.date is not None  # the model asks for exactly one of the two
    return day_of_month(year, extra.date.month, extra.date.day)


def _windows(when: WindowWhen, head: PlanHead, since: date, until: date) -> Iterator[Span]:
    opens, closes = when.window.opens, when.window.closes
    windows: list[tuple[date, date]] = []
    if isinstance(opens, date) and isinstance(closes, date):
        windows.append((opens, closes))
    elif isinstance(opens, MonthDay) and isinstance(closes, MonthDay):
        over_new_year = (closes.month, closes.day) < (opens.month, opens.day)
        for year in range(since.year - 1, until.year + 1):
            first = day_of_month(year, opens.month, opens.day)
            windows.append((first, day_of_month(year + over_new_year, closes.month, closes.day)))
    for first, last in windows:
        due_at = _due_at(last, when, head)
        yield Span(str(first.year), f"{first.year}年", first, last, first, last, due_at)


def widest_day_span(days: int, workdays: int) -> timedelta:
    """More calendar days than a rung of so many days or working days can reach.

    Working days come at least three in any nine days (the longest break is
    eight or nine days), so three days for one and three weeks more are ample.
    """
    return timedelta(days=days + 3 * workdays + 21)
