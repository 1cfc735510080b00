"""Spans: the periods, windows, festivals and days of a ``when``, whichever item has it.

Pure, and known beforehand; events and lots are facts of one item
(:mod:`~reminder.agenda.occurrences`)."""

from __future__ import annotations

import calendar as gregorian
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from dateutil.rrule import rrulestr

from reminder.agenda.instants import instant, zone_of
from reminder.agenda.value import value
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.lunar import lunar_date
from reminder.calendars.periods import Period, PeriodKind, periods
from reminder.calendars.workdays import Break, WorkCalendar
from reminder.plan.fields import DueKind, DueRule, MonthDay
from reminder.plan.model import STATUTORY_FESTIVALS, ExtraFestival, PlanHead
from reminder.plan.when import (
    DatesWhen,
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


def festival_title(name: str) -> str:
    """中秋 → 中秋节; 元旦 and 春节 are complete as they are."""
    return f"{name}节" if name in _NAMES_WITHOUT_JIE else name


def least_certain(*statuses: DayStatus) -> DayStatus:
    """The weakest of several statuses: one provisional day makes all provisional."""
    return max(statuses, key=_CERTAINTY.index)


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
