"""督办: who still owes what in a half-year, as matrices and lists, and one cell with its history.

Of private items whoever may not see them gets two numbers of all talks
together, and nothing of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from reminder.agenda.duties import Standing
from reminder.agenda.facts import (
    DUTY_STATE_TEXT,
    TRANSITIONS,
    WAY_TEXT,
    DutyAction,
    DutyEvent,
    DutyState,
    Way,
)
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.calendars.periods import Period, PeriodKind
from reminder.check import Edition
from reminder.plan.model import Item
from reminder.plan.when import EveryWhen
from reminder.recording.recorder import ACTION_TEXT
from reminder.recording.view import Gone, Refused, Row, View
from reminder.views.look import Look

_MARKS = {
    DutyState.DONE: "done",
    DutyState.WAIVED: "waived",
    DutyState.RETURNED: "overdue",
    DutyState.IN_PROGRESS: "wait",
    DutyState.OPEN: "",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One cell as a matrix or a list shows it.

    ``mark`` is ``done``, ``waived``, ``overdue``, ``wait`` or empty, ``text`` says the same in words,
    ``day`` the day of the deed or the day arranged.
    """

    occurrence: str
    cell: str
    title: str
    mark: str
    text: str
    day: str


@dataclass(frozen=True, slots=True)
class Square:
    """Where a row and a column meet: its cells, or why there are none."""

    chips: tuple[Chip, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """An item's cells: rows by columns, both in roster order."""

    item: Item
    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Square, ...]], ...]
    tally: Tally


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cells there are, done (or waived), overdue."""

    total: int
    done: int
    overdue: int

    @property
    def open(self) -> int:
        return self.total - self.done


@dataclass(frozen=True, slots=True)
class Listed:
    """One occurrence with its progress."""

    item: Item
    occurrence: Occurrence
    tally: Tally


@dataclass(frozen=True, slots=True)
class Board:
    """A half-year at a glance.  ``talks`` counts the talks for a reader who may not see whose they are."""

    half: Period
    halves: tuple[Period, ...]
    matrices: tuple[Matrix, ...]
    listed: tuple[Listed, ...]
    tally: Tally
    talks: Tally | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One occurrence with all its cells."""

    item: Item
    occurrence: Occurrence
    chips: tuple[Chip, ...]
    gone: tuple[tuple[str, str], ...]
    """Cells that the directory closed: what they were called, and how they stood."""
    tally: Tally


@dataclass(frozen=True, slots=True)
class Happened:
    """One transition, in words; the instant in the plan's zone."""

    at: datetime
    action: str
    by: str
    way: str
    on: date | None
    note: str


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell: how it stands, what became of it, what may be recorded, who may ask for a delay."""

    row: Row
    chip: Chip
    due: datetime | None
    since: date | None
    owners: tuple[tuple[str, str], ...]
    history: tuple[Happened, ...]
    possible: tuple[DutyAction, ...]
    snoozed: tuple[tuple[str, date], ...]

    @property
    def item(self) -> Item:
        return self.row.item

    @property
    def private(self) -> bool:
        return self.row.item.spec.private


def visible_edition(look: Look) -> Edition:
    """The edition with only the items that the reader may see: nothing can be recorded of the others."""
    edition = look.edition
    if look.private:
        return edition
    return replace(edition, plan=replace(edition.plan, items=look.items))


def view_of(look: Look) -> View:
    """What may be recorded at this moment, whoever looks."""
    return View(look.edition, look.facts, look.now)


def halves(look: Look) -> tuple[Period, ...]:
    """The half-years of the plan."""
    head = look.edition.plan.head
    found = (
        Period(PeriodKind.HALF_YEAR, year, index)
        for year in range(head.from_.year, head.until.year + 1)
        for index in (1, 2)
    )
    return tuple(each for each in found if each.last >= head.from_ and each.first <= head.until)


def half_of(look: Look, text: str) -> Period:
    """The half-year of that id; without one, or for one that is none, that of today, or the nearest."""
    known = halves(look)
    for each in known:
        if each.id == text:
            return each
    here = [each for each in known if each.first <= look.today <= each.last]
    return here[0] if here else known[0] if look.today < known[0].first else known[-1]


def board(look: Look, half: Period) -> Board:
    """Everything that is owed with a due date in a half-year."""
    view = view_of(look)
    matrices, listed, hidden, every = [], [], [], []
    for item in look.edition.plan.items:
        if item.spec.duty is None:
            continue
        if not look.sees(item):
            if item.spec.duty.each == "pair":
                hidden += _standings(view, item, half)
            continue
        found = [(each, view.rows_of(item, each)) for each in view.in_view(item, half.first, half.last)]
        every += [row.standing for _, rows in found for row in rows]
        if item.spec.duty.each == "pair":
            matrices += [_talks(item, occurrence, rows) for occurrence, rows in found]
        elif item.collects and isinstance(item.spec.when, EveryWhen):
            matrices.append(_by_unit(look, view, item, half.year))
        else:
            listed += [
                Listed(item, occurrence, _tally(row.standing for row in rows))
                for occurrence, rows in found
                if rows
            ]
    listed.sort(key=lambda each: (each.tally.open == 0, each.occurrence.due))
    talks = _tally(hidden) if hidden else None
    return Board(half, halves(look), tuple(matrices), tuple(listed), _tally(every), talks)


def _standings(view: View, item: Item, half: Period) -> list[Standing]:
    return [
        row.standing
        for occurrence in view.in_view(item, half.first, half.last)
        for row in view.rows_of(item, occurrence)
    ]


def _talks(item: Item, occurrence: Occurrence, rows: Sequence[Row]) -> Matrix:
    """Leaders by the heads they talk to."""
    leaders = dict.fromkeys(_leader(row) for row in rows)
    heads = dict.fromkeys((row.standing.cell.subject, row.standing.cell.label) for row in rows)
    chips: dict[tuple[str, tuple[str, str]], list[Chip]] = {}
    for row in rows:
        key = (_leader(row), (row.standing.cell.subject, row.standing.cell.label))
        chips.setdefault(key, []).append(_chip(row))
    return Matrix(
        item,
        occurrence.label,
        "领导",
        tuple(label if unit in label else f"{unit}　{label}" for unit, label in heads),
        tuple(
            (leader, tuple(Square(tuple(chips.get((leader, head), ()))) for head in heads))
            for leader in leaders
        ),
        _tally(row.standing for row in rows),
    )


def _leader(row: Row) -> str:
    owners = row.standing.cell.owners
    return owners[0].name if owners else row.standing.cell.id.partition("/")[0]


def _by_unit(look: Look, view: View, item: Item, year: int) -> Matrix:
    """Units by the occurrences of a year."""
    head, calendar = look.edition.plan.head, look.edition.calendar
    first, last = date(year, 1, 1), date(year, 12, 31)
    columns = list(occurrences(item, head, calendar, first, last, view.facts))
    started = {each.id for each in view.in_view(item, first, last)}
    chips: dict[tuple[str, str], list[Chip]] = {}
    names: dict[str, str] = {}
    every = []
    for occurrence in columns:
        for row in view.rows_of(item, occurrence) if occurrence.id in started else ():
            cell = row.standing.cell
            names.setdefault(cell.id, cell.title)
            chips.setdefault((cell.id, occurrence.id), []).append(_chip(row))
            every.append(row.standing)
    rows = tuple(
        (
            name,
            tuple(
                Square(tuple(chips.get((cell, each.id), ())), "" if each.id in started else "未开始")
                for each in columns
            ),
        )
        for cell, name in names.items()
    )
    return Matrix(item, f"{year}年", "单位", tuple(each.label for each in columns), rows, _tally(every))


def sheet(look: Look, occurrence_id: str) -> Sheet | None:
    """One occurrence; None if there is none, or the reader may not see it."""
    view = view_of(look)
    found = _occurrence(look, view, occurrence_id)
    if found is None:
        return None
    item, occurrence = found
    rows = view.rows_of(item, occurrence)
    chips = [_chip(row) for row in rows]
    return Sheet(
        item,
        occurrence,
        tuple(chips),
        tuple(_gone(each) for each in view.gone_of(item, occurrence)),
        _tally(row.standing for row in rows),
    )


def _occurrence(look: Look, view: View, occurrence_id: str) -> tuple[Item, Occurrence] | None:
    item = look.edition.plan.item(occurrence_id.partition("/")[0])
    if item is None or not look.sees(item):
        return None
    try:
        return view.occurrence(occurrence_id)
    except Refused:
        return None


def _gone(each: Gone) -> tuple[str, str]:
    when = f"自 {each.moved.on} 起" if each.moved.on is not None else ""
    day = f"（{_day(each.standing)}）" if _day(each.standing) else ""
    return each.standing.cell.title, f"{DUTY_STATE_TEXT[each.standing.state]}{day}；职责{when}因名册调整关闭"


def cell(look: Look, occurrence_id: str, cell_id: str) -> CellView | None:
    """One cell, by exactly these ids; None if there is none, or the reader may not see it."""
    view = view_of(look)
    found = _occurrence(look, view, occurrence_id)
    if found is None:
        return None
    for row in view.rows_of(*found):
        if row.occurrence.id == occurrence_id and row.standing.cell.id == cell_id:
            return _cell(look, row)
    return None


def _cell(look: Look, row: Row) -> CellView:
    standing, occurrence = row.standing, row.occurrence
    owners = tuple((each.id, each.name) for each in standing.cell.owners)
    snoozed = ((name, look.facts.snoozed_until(person, occurrence.recorded_under)) for person, name in owners)
    own_due = standing.cell.due if standing.cell.due != occurrence.due else None
    due = occurrence.due_at
    if own_due is not None:
        due = datetime.combine(own_due, due.timetz())
    return CellView(
        row,
        _chip(row),
        due,
        standing.cell.since,
        owners,
        tuple(_happened(look, each) for each in reversed(standing.events)),
        tuple(action for action in DutyAction if standing.state in TRANSITIONS[action][0]),
        tuple((name, until) for name, until in snoozed if until is not None and until > look.today),
    )


def _happened(look: Look, event: DutyEvent) -> Happened:
    way = WAY_TEXT[event.way]
    if event.for_ and event.way is not Way.LIAISON:
        way = f"代{look.name_of(event.for_)}"
    return Happened(
        event.at.astimezone(look.zone),
        ACTION_TEXT[event.action],
        look.name_of(event.by),
        way,
        event.on,
        event.note,
    )


def _chip(row: Row) -> Chip:
    standing = row.standing
    text = DUTY_STATE_TEXT[standing.state]
    if standing.overdue:
        text = "超期" if standing.state is DutyState.OPEN else f"超期，{text}"
    mark = "overdue" if standing.overdue else _MARKS[standing.state]
    return Chip(row.occurrence.id, standing.cell.id, standing.cell.title, mark, text, _day(standing))


def _day(standing: Standing) -> str:
    day = standing.done_on or standing.booked_on
    return f"{day.month}月{day.day}日" if day is not None else ""


def _tally(standings: Iterable[Standing]) -> Tally:
    total = done = overdue = 0
    for each in standings:
        total += 1
        done += not each.owed
        overdue += each.overdue
    return Tally(total, done, overdue)
