"""日历: a year by month, and one day of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from reminder.calendars.arrangement import STATUS_TEXT, DayKind, DayStatus
from reminder.calendars.workdays import Break, Day
from reminder.ledger.outcomes import Outcome
from reminder.views.agenda import DAY, Lots, alarms_on, dues_on, lots_between, start_of
from reminder.views.ledger import OWN_ITEMS
from reminder.views.lines import AlarmLine, DueLine, Mood, alarm_lines, due_lines, outcome_words
from reminder.views.look import Look
from reminder.views.wording import day_words

YEARS_AROUND = 3
"""Years before and after those of the plan that have a page."""
STEPS = (1, 3, 6)
"""Reminders of a day from which on its colour is the next darker one; below the first there is none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of the year.  ``level`` is 0 for no reminders, then 1 to 4 by how many."""

    day: Day
    words: str
    alarms: int
    dues: int
    level: int

    @property
    def off(self) -> bool:
        return not self.day.is_workday

    @property
    def provisional(self) -> bool:
        """Whether a festival's day off, or a makeup day, is only expected."""
        special = self.day.kind in (DayKind.HOLIDAY, DayKind.MAKEUP)
        return special and self.day.status is DayStatus.PROVISIONAL


@dataclass(frozen=True, slots=True)
class Month:
    """A month; weeks begin on Monday, days of other months are None."""

    number: int
    weeks: tuple[tuple[Cell | None, ...], ...]
    alarms: int
    dues: int
    busiest: Cell | None


@dataclass(frozen=True, slots=True)
class Square:
    """A day in the chart of the year: its week (from 0) and its weekday (Monday is 0)."""

    cell: Cell
    week: int


@dataclass(frozen=True, slots=True)
class Year:
    """Everything of the page; ``years`` are those one may go to."""

    year: int
    status: DayStatus
    status_text: str
    months: tuple[Month, ...]
    squares: tuple[Square, ...]
    breaks: tuple[Break, ...]
    lots: tuple[Lots, ...]
    years: tuple[int, ...]

    @property
    def alarms(self) -> int:
        return sum(month.alarms for month in self.months)

    @property
    def dues(self) -> int:
        return sum(month.dues for month in self.months)


@dataclass(frozen=True, slots=True)
class Gone:
    """Something the ledger has of that day, of an alarm that the plan has there no more."""

    title: str
    occurrence: str
    mood: Mood
    state: str


@dataclass(frozen=True, slots=True)
class DayPage:
    """One day with its agenda."""

    day: Day
    words: str
    provisional: bool
    alarms: tuple[AlarmLine, ...]
    dues: tuple[DueLine, ...]
    gone: tuple[Gone, ...]
    lots: tuple[Lots, ...]
    before: date | None
    after: date | None


def years_shown(look: Look) -> range:
    """The years that have a page."""
    head = look.edition.plan.head
    return range(head.from_.year - YEARS_AROUND, head.until.year + YEARS_AROUND + 1)


def year_of(look: Look, year: int) -> Year:
    """A year of :func:`years_shown`."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    alarms = Counter(alarm.at.date() for alarm in alarms_on(look, first, last))
    dues = Counter(due.occurrence.due for due in dues_on(look, first, last))
    calendar = look.edition.calendar
    days = [date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1)]
    cells = [_cell(calendar.day(day), alarms[day], dues[day]) for day in days]
    head = look.edition.plan.head
    offset = first.weekday()
    planned = {*range(head.from_.year, head.until.year + 1), look.today.year, year}
    status = calendar.year_status(year)
    return Year(
        year,
        status,
        STATUS_TEXT[status],
        tuple(_month(number, [cell for cell in cells if cell.day.date.month == number]) for number in range(1, 13)),
        tuple(Square(cell, (offset + place) // 7) for place, cell in enumerate(cells)),
        calendar.breaks(year),
        lots_between(look, first, last),
        tuple(sorted(planned & set(years_shown(look)))),
    )  # fmt: skip


def _cell(day: Day, alarms: int, dues: int) -> Cell:
    level = sum(alarms >= step for step in STEPS) + (alarms > STEPS[-1] * 2)
    return Cell(day, day_words(day), alarms, dues, level)


def _month(number: int, cells: Sequence[Cell]) -> Month:
    padded: list[Cell | None] = [None] * cells[0].day.date.weekday() + list(cells)
    padded += [None] * (-len(padded) % 7)
    weeks = tuple(tuple(padded[start : start + 7]) for start in range(0, len(padded), 7))
    busiest = max(cells, key=lambda cell: cell.alarms)
    return Month(
        number,
        weeks,
        sum(cell.alarms for cell in cells),
        sum(cell.dues for cell in cells),
        busiest if busiest.alarms else None,
    )


def day_of(look: Look, day: date) -> DayPage:
    """A day of one of :func:`years_shown`, with what the ledger knows of it."""
    found = look.edition.calendar.day(day)
    alarms = alarms_on(look, day, day)
    known = {key for alarm in alarms for key in alarm.keys}
    shown = years_shown(look)
    before, after = day - DAY, day + DAY
    return DayPage(
        found,
        day_words(found),
        found.status is DayStatus.PROVISIONAL,
        alarm_lines(look, alarms),
        due_lines(look, dues_on(look, day, day)),
        _gone(look, day, known),
        lots_between(look, day, day) if day >= look.today else (),
        before if before.year in shown else None,
        after if after.year in shown else None,
    )


def _gone(look: Look, day: date, known: set[str]) -> tuple[Gone, ...]:
    if day > look.today:
        return ()
    outcomes = look.ledger.book.outcomes_planned(
        look.plan_id, look.transport, start_of(look, day), start_of(look, day + DAY)
    )
    others: dict[str, list[Outcome]] = {}
    for each in outcomes:
        item = look.edition.plan.item(each.item)
        # What the admins are told is no reminder; what is planned elsewhere now stands there.
        if each.alarm not in known and each.item not in OWN_ITEMS and look.sees(item):
            others.setdefault(each.alarm, []).append(each)
    lines = []
    for found in others.values():
        item = look.edition.plan.item(found[0].item)
        mood, state = outcome_words(found)
        title = item.spec.title if item is not None else found[0].item
        lines.append(Gone(title, found[0].occurrence, mood, state))
    return tuple(lines)
