"""What day is it: the working-day calendar that everything above computes with.

The calendar is pure.  It joins the arrangements of the years (admin's file,
library, expectation) and answers from tables of one year each, made when first
asked for.  Dates outside 1929–2100 raise ``CalendarRangeError``.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from reminder.calendars.arrangement import (
    SATURDAY,
    ArrangedDay,
    Arrangement,
    DayKind,
    DayStatus,
    festivals_named,
    library_version,
    provisional,
    published,
)
from reminder.calendars.lunar import FESTIVALS, FIRST_YEAR, LAST_YEAR, check_year, festival_day

_DAY = timedelta(days=1)
_FIRST = date(FIRST_YEAR, 1, 1)
_LAST = date(LAST_YEAR, 12, 31)
_MAKEUP_REACH = timedelta(days=21)
"""No notice of 2004–2026 has put a makeup day further from its break than 11 days."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day.  ``name`` is the festival of a day off or of a makeup day, else empty."""

    date: date
    kind: DayKind
    name: str
    status: DayStatus

    @property
    def is_workday(self) -> bool:
        """Whether offices work on it."""
        return self.kind is DayKind.WORKDAY or self.kind is DayKind.MAKEUP


@dataclass(frozen=True, slots=True)
class Break:
    """A run of consecutive days off.

    ``festivals`` are those whose own day lies in it, in date order; ``makeup``
    the working Saturdays and Sundays that pay for it, within three weeks before
    or after, in order.  ``status`` is that of its least certain day.
    """

    first: date
    last: date
    festivals: tuple[str, ...]
    makeup: tuple[date, ...]
    status: DayStatus

    @property
    def days(self) -> int:
        """Its length in days."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class _Year:
    """One year ready for arithmetic."""

    first_ordinal: int
    days: tuple[Day, ...]
    working: tuple[date, ...]
    before: array[int]
    """``before[i]``: how many working days lie before the year's day ``i`` (from 0)."""


class WorkCalendar:
    """Working days, festivals and breaks of 1929–2100.

    ``admin`` holds the arrangements from the admin's files by year; each
    replaces whatever else is known of its year.
    """

    def __init__(self, admin: Mapping[int, Arrangement] | None = None) -> None:
        self._admin = dict(admin or {})
        for year, arrangement in self._admin.items():
            if arrangement.year != year:
                raise ValueError(f"the arrangement of {arrangement.year} was given for {year}")
        self._years: dict[int, _Year] = {}
        self._breaks: dict[date, Break] = {}

    def day(self, d: date) -> Day:
        """Everything known of one day."""
        table = self._table(d.year)
        return table.days[d.toordinal() - table.first_ordinal]

    def is_workday(self, d: date) -> bool:
        """Whether offices work on ``d``."""
        return self.day(d).is_workday

    def status(self, d: date) -> DayStatus:
        """How sure the kind of ``d`` is."""
        return self.day(d).status

    def arrangement(self, year: int) -> Arrangement:
        """The arrangement that holds for ``year``: admin's file, library or expectation."""
        return self._admin.get(check_year(year)) or published(year) or provisional(year)

    def is_given(self, year: int) -> bool:
        """Whether the arrangement of ``year`` is from a file of the admin's."""
        return year in self._admin

    def year_status(self, year: int) -> DayStatus:
        """Whether the arrangement of ``year`` is official or provisional."""
        return self.arrangement(year).status

    def before(self, d: date, n: int) -> date:
        """The ``n``-th working day before ``d``; for 0, ``d`` or the working day before it."""
        if n < 0:
            raise ValueError(f"a number of working days is not negative: {n}")
        table = self._table(d.year)
        offset = d.toordinal() - table.first_ordinal
        index = table.before[offset] - n if n else table.before[offset + 1] - 1
        return table.working[index] if index >= 0 else self._working(d.year, index)

    def after(self, d: date, n: int) -> date:
        """The ``n``-th working day after ``d``; for 0 the same as :meth:`before`."""
        if n <= 0:
            return self.before(d, n)
        table = self._table(d.year)
        index = table.before[d.toordinal() - table.first_ordinal + 1] + n - 1
        return table.working[index] if index < len(table.working) else self._working(d.year, index)

    def shift(self, d: date, n: int) -> date:
        """``n`` working days after ``d``, or ``-n`` before it; 0 as in :meth:`before`."""
        return self.before(d, -n) if n <= 0 else self.after(d, n)

    def first_workday(self, first: date, last: date) -> date | None:
        """The first working day within ``[first, last]``, or None."""
        return self._found(first.year, self._count_before(first), first, last)

    def last_workday(self, first: date, last: date) -> date | None:
        """The last working day within ``[first, last]``, or None."""
        count = self._count_before(last) + self.day(last).is_workday
        return self._found(last.year, count - 1, first, last)

    def workdays_between(self, start: date, end: date) -> int:
        """Working days from the day after ``start`` up to ``end``; negative when ``end`` lies before."""
        if end < start:
            return -self.workdays_between(end, start)
        whole = sum(len(self._table(year).working) for year in range(start.year, end.year))
        return whole + self._count_up_to(end) - self._count_up_to(start)

    def festival_day(self, name: str, year: int) -> date:
        """The day itself of a festival in the Gregorian ``year``."""
        return festival_day(name, year)

    def festival_break(self, name: str, year: int) -> Break:
        """The break around a festival; its day alone where that is worked, as before 2008."""
        return self.break_around(festival_day(name, year))

    def break_around(self, d: date) -> Break:
        """The run of days off that holds ``d``, with or without a festival; ``d`` alone if worked.

        A provisional break ends where the practice since 2025 ends it: the
        Saturday beside it may well become a makeup day and is not counted in.
        """
        known = self._breaks.get(d)
        if known is None:
            known = self._breaks[d] = self._break_around(d)
        return known

    def _break_around(self, d: date) -> Break:
        if self.is_workday(d):
            return Break(d, d, self._festivals_in(d, d), (), self.status(d))
        first = last = d
        while first > _FIRST and _same_run(self.day(first), self.day(first - _DAY)):
            first -= _DAY
        while last < _LAST and _same_run(self.day(last), self.day(last + _DAY)):
            last += _DAY
        run = [self.day(first + offset * _DAY) for offset in range((last - first).days + 1)]
        return Break(first, last, self._festivals_in(first, last), self._makeup(run), _weakest(run))

    def breaks(self, year: int) -> tuple[Break, ...]:
        """The breaks around the festivals of ``year``, in order; those that touch are one."""
        found: dict[date, Break] = {}
        for name in FESTIVALS:
            if not self.is_workday(festival_day(name, year)):
                around = self.festival_break(name, year)
                found[around.first] = around
        return tuple(found[first] for first in sorted(found))

    def missing_year(self, today: date) -> int | None:
        """The year whose official arrangement the admin must supply now, if any.

        The current year whenever it is not official; from 1 November, when
        notices are due, the next year too.
        """
        if self.year_status(today.year) is not DayStatus.OFFICIAL:
            return today.year
        next_year = today.year + 1
        if today.month >= 11 and next_year <= LAST_YEAR:
            return next_year if self.year_status(next_year) is not DayStatus.OFFICIAL else None
        return None

    @property
    def fingerprint(self) -> str:
        """Changes whenever a file of the admin's or the library's version does."""
        parts = [f"chinesecalendar {library_version()}"]
        for year, arrangement in sorted(self._admin.items()):
            parts.append(f"{year} {arrangement.status} {arrangement.papers}")
            parts += [f"{day.date} {day.off} {day.name}" for day in arrangement.days]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def _table(self, year: int) -> _Year:
        table = self._years.get(year)
        if table is None:
            table = self._years[year] = self._build(check_year(year))
        return table

    def _build(self, year: int) -> _Year:
        own = self.arrangement(year)
        after = self.arrangement(year + 1) if year < LAST_YEAR else None
        named: dict[date, tuple[ArrangedDay, DayStatus]] = {
            day.date: (day, own.status) for day in own.days if day.date.year == year
        }
        firm = after is not None and after.status is DayStatus.OFFICIAL
        for day in after.days if after else ():
            # The later notice has the last word on December; an expectation never has.
            if day.date.year == year and (firm or day.date not in named):
                named[day.date] = (day, DayStatus.OFFICIAL if firm else DayStatus.PROVISIONAL)
        on_the_day: dict[date, list[str]] = {}
        for festival in FESTIVALS:
            on_the_day.setdefault(festival_day(festival, year), []).append(festival)

        days: list[Day] = []
        working: list[date] = []
        before = array("H", [0])
        first = date(year, 1, 1)
        for offset in range((date(year, 12, 31) - first).days + 1):
            d = first + offset * _DAY
            arranged, status = named.get(d, (None, own.status))
            if d.month == 12 and status is DayStatus.OFFICIAL and not firm:
                status = DayStatus.MAY_CHANGE
            kind, name = _kind_and_name(d, arranged)
            if kind is DayKind.HOLIDAY and d in on_the_day:
                name = "、".join(on_the_day[d])
            days.append(Day(d, kind, name, status))
            if days[-1].is_workday:
                working.append(d)
            before.append(len(working))
        return _Year(first.toordinal(), tuple(days), tuple(working), before)

    def _working(self, year: int, index: int) -> date:
        """The working day ``index`` counted from the start of ``year``, before or beyond it."""
        table = self._table(year)
        while index < 0:
            year -= 1
            table = self._table(year)
            index += len(table.working)
        while index >= len(table.working):
            index -= len(table.working)
            year += 1
            table = self._table(year)
        return table.working[index]

    def _count_before(self, d: date) -> int:
        table = self._table(d.year)
        return table.before[d.toordinal() - table.first_ordinal]

    def _count_up_to(self, d: date) -> int:
        """Working days of the year up to ``d``, itself included."""
        table = self._table(d.year)
        return table.before[d.toordinal() - table.first_ordinal + 1]

    def _found(self, year: int, index: int, first: date, last: date) -> date | None:
        self._table(first.year)
        self._table(last.year)
        if first > last:
            return None
        beyond = year == LAST_YEAR and index >= len(self._table(year).working)
        if beyond or (year == FIRST_YEAR and index < 0):
            return None
        found = self._working(year, index)
        return found if first <= found <= last else None

    def _festivals_in(self, first: date, last: date) -> tuple[str, ...]:
        days = [
            (festival_day(name, year), name)
            for year in range(first.year, last.year + 1)
            for name in FESTIVALS
        ]
        within = [(day, name) for day, name in days if first <= day <= last]
        return tuple(name for _, name in sorted(within, key=lambda pair: pair[0]))

    def _makeup(self, run: list[Day]) -> tuple[date, ...]:
        around = self._between(run[0].date - _MAKEUP_REACH, run[-1].date + _MAKEUP_REACH)
        return tuple(day.date for day in around if day.kind is DayKind.MAKEUP and self._pays_for(day, run))

    def _pays_for(self, makeup: Day, run: list[Day]) -> bool:
        """Whether a makeup day belongs to the break ``run``: by its name, else as the nearest one."""
        names = set(makeup.name.split("、"))
        if any(names & set(day.name.split("、")) for day in run if day.kind is DayKind.HOLIDAY):
            return True
        near = self._between(makeup.date - _MAKEUP_REACH, makeup.date + _MAKEUP_REACH)
        holidays = [day for day in near if day.kind is DayKind.HOLIDAY]
        if festivals_named(makeup.name) or any(names & set(day.name.split("、")) for day in holidays):
            return False
        nearest = min(holidays, key=lambda day: abs(day.date - makeup.date), default=None)
        return nearest is not None and run[0].date <= nearest.date <= run[-1].date

    def _between(self, first: date, last: date) -> list[Day]:
        first, last = max(first, _FIRST), min(last, _LAST)
        return [self.day(first + offset * _DAY) for offset in range((last - first).days + 1)]


def _kind_and_name(d: date, arranged: ArrangedDay | None) -> tuple[DayKind, str]:
    if arranged is not None and arranged.off:
        return DayKind.HOLIDAY, arranged.name
    if d.weekday() < SATURDAY:
        return DayKind.WORKDAY, ""
    return (DayKind.RESTDAY, "") if arranged is None else (DayKind.MAKEUP, arranged.name)


def _same_run(inside: Day, beside: Day) -> bool:
    if inside.is_workday or beside.is_workday:
        return False
    if inside.kind is beside.kind:
        return True
    holiday = inside if inside.kind is DayKind.HOLIDAY else beside
    return holiday.status is not DayStatus.PROVISIONAL


def _weakest(days: list[Day]) -> DayStatus:
    statuses = {day.status for day in days}
    for status in (DayStatus.PROVISIONAL, DayStatus.MAY_CHANGE):
        if status in statuses:
            return status
    return DayStatus.OFFICIAL


def year_table(calendar: WorkCalendar, year: int) -> dict[str, Any]:
    """A year as plain data, the JSON of ``reminder calendar YEAR``.

    ``days`` has every day of the year, ``breaks`` those around the festivals,
    ``festivals`` the day itself of each; dates are ISO 8601 texts.
    """
    check_year(year)
    first, last = date(year, 1, 1), date(year, 12, 31)
    days = [calendar.day(first + offset * _DAY) for offset in range((last - first).days + 1)]
    return {
        "year": year,
        "status": str(calendar.year_status(year)),
        "days": [
            {"date": day.date.isoformat(), "kind": str(day.kind), "name": day.name, "status": str(day.status)}
            for day in days
        ],
        "breaks": [
            {
                "festivals": list(each.festivals),
                "first": each.first.isoformat(),
                "last": each.last.isoformat(),
                "days": each.days,
            }
            for each in calendar.breaks(year)
        ],
        "festivals": [
            {"name": name, "date": calendar.festival_day(name, year).isoformat()} for name in FESTIVALS
        ],
    }
