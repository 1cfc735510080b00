"""Duty cells: who owes what for an occurrence, and where each of it stands.  Pure.

A cell is what one obligor owes: a unit, a person, or a leader × head pair.  The
cells of an occurrence follow the directory from its opening to its due date:

- who comes to a post within the period owes from that day on, with a grace of
  ``on_rotation`` working days (20 by default) that may reach beyond the due date;
- who leaves owes no longer, and what they did stays in the record;
- a vacant post owes nothing until somebody holds it (a unit's duty stays the
  unit's: it has nobody to remind then, which is an admin's matter);
- an acting head is the head while the acting holds;
- nobody owes anything to themselves.

After the due date the cells stay as they were; only whom to remind follows the
directory further.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from reminder.agenda.facts import OWED, DutyAction, DutyEvent, DutyState, Facts, state_after
from reminder.agenda.instants import instant
from reminder.agenda.occurrences import Occurrence
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.directory import Directory, Person, Unit
from reminder.plan.model import NEXT_PERIOD, Duty, Item

SECTION = "科室"
"""The unit kind whose heads are talked to; branches are supervised but owe no talk."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one obligor owes: a unit, a person, or a leader × head pair.

    ``label`` is what the obligor reads (for a pair the head's post), ``owners``
    the persons who are reminded of it, ``subject`` the unit it concerns.
    ``since`` is the day it came up, ``due`` its own due date; both None before
    the cell belongs to an occurrence.
    """

    id: str
    label: str
    owners: tuple[Person, ...]
    subject: str = ""
    since: date | None = None
    due: date | None = None

    @property
    def title(self) -> str:
        """What everybody but the obligor reads: of a pair, both."""
        if "/" in self.id and self.owners:
            return f"{self.owners[0].name}与{self.label}"
        return self.label


@dataclass(frozen=True, slots=True)
class Standing:
    """A cell with its state.  ``done_on`` is the day of the deed, ``booked_on`` the day arranged."""

    cell: Cell
    state: DutyState
    events: tuple[DutyEvent, ...] = ()
    overdue: bool = False

    @property
    def owed(self) -> bool:
        """Whether something is still to be done."""
        return self.state in OWED

    @property
    def last(self) -> DutyEvent | None:
        """The transition recorded last."""
        return self.events[-1] if self.events else None

    @property
    def done_on(self) -> date | None:
        if self.state is not DutyState.DONE:
            return None
        return next(event.on for event in reversed(self.events) if event.action is DutyAction.DONE)

    @property
    def booked_on(self) -> date | None:
        if self.state is not DutyState.IN_PROGRESS:
            return None
        return next(event.on for event in reversed(self.events) if event.action is DutyAction.BOOK)


def cells_of(item: Item, directory: Directory, on: date) -> tuple[Cell, ...]:
    """The duty cells of an item as the directory stands on that day, in roster order."""
    duty = item.spec.duty
    if duty is None:
        return ()
    if isinstance(duty.of, str):
        return tuple(_pairs(directory, on))
    if duty.each == "unit":
        units = directory.units_meant(duty.of, on)
        return tuple(Cell(unit.id, unit.id, _of_unit(unit, duty, directory, on), unit.id) for unit in units)
    people = directory.people_meant(duty.of, on)
    return tuple(Cell(person.id, person.name, (person,), person.unit or "") for person in people)


def _of_unit(unit: Unit, duty: Duty, directory: Directory, on: date) -> tuple[Person, ...]:
    return directory.head_of(unit, on) if duty.by == "head" else directory.contact_of(unit, on)


def _pairs(directory: Directory, on: date) -> Iterable[Cell]:
    for link in directory.supervision:
        unit = directory.unit(link.unit)
        if unit is None or unit.kind != SECTION or not link.holds(on) or not unit.holds(on):
            continue
        for leader in directory.holders(link.leader, on):
            for head in directory.head_of(unit, on):
                if head.id != leader.id:  # nobody owes a talk with themselves
                    yield Cell(f"{leader.id}/{head.id}", head.name, (leader,), unit.id)


def occurrence_cells(
    item: Item, occurrence: Occurrence, directory: Directory, calendar: WorkCalendar, on: date
) -> tuple[Cell, ...]:
    """The cells of an occurrence as they stand on a day, in roster order, with whom to remind that day.

    Those whose grace reaches beyond the occurrence's due date belong to the
    occurrence that :func:`after_rotation` gives, not to this one.
    """
    duty = item.spec.duty
    if duty is None:
        return ()
    first, last = _span(occurrence)
    day = max(first, min(on, last))
    found = []
    for cell in _followed(item, duty, first, last, day, directory, calendar):
        late = cell.due is not None and cell.due > last
        if occurrence.rotated is None and late:
            continue
        if occurrence.rotated is not None and not (late and cell.since == occurrence.rotated):
            continue
        owners = cell.owners if on <= day else _owners(cell, duty, directory, on)
        found.append(replace(cell, owners=owners))
    return tuple(found)


def after_rotation(
    item: Item, occurrence: Occurrence, directory: Directory, calendar: WorkCalendar
) -> Iterator[Occurrence]:
    """The same occurrence once more for those who came so late that their grace ends after it is due.

    Each has a ladder of its own, counted from its own due date; records stay
    under the id of the occurrence itself.
    """
    duty = item.spec.duty
    if duty is None or not may_rotate(item, occurrence, directory):
        return
    first, last = _span(occurrence)
    due_on: dict[date, date] = {}
    for cell in _followed(item, duty, first, last, last, directory, calendar):
        if cell.since is not None and cell.due is not None and cell.due > last:
            due_on[cell.since] = cell.due
    for since, due in sorted(due_on.items()):
        due_at = _at(due, occurrence)
        yield replace(
            occurrence,
            id=f"{occurrence.id}+{since}",
            former_ids=tuple(f"{each}+{since}" for each in occurrence.former_ids),
            record_ids=occurrence.recorded_under,
            opens=since,
            due=due,
            due_at=due_at,
            rotated=since,
            period=(first, last),
        )


def may_rotate(item: Item, occurrence: Occurrence, directory: Directory) -> bool:
    """Whether anybody can come or go within an occurrence: nearly always there is nothing to look at."""
    if item.spec.duty is None or occurrence.rotated is not None:
        return False
    return bool(_changes(directory, *_span(occurrence)))


def _at(day: date, occurrence: Occurrence) -> datetime:
    """The occurrence's time of day on another day."""
    zone = occurrence.due_at.tzinfo
    assert isinstance(zone, ZoneInfo)  # as every occurrence has it
    return instant(day, occurrence.due_at.time(), zone)


def _span(occurrence: Occurrence) -> tuple[date, date]:
    """From the opening to the due date of the occurrence itself, also for one after a rotation."""
    return occurrence.period if occurrence.period is not None else (occurrence.opens, occurrence.due)


def _changes(directory: Directory, first: date, last: date) -> tuple[date, ...]:
    """The days after ``first`` up to ``last`` on which the directory changes."""
    changes = directory.changes
    return changes[bisect_right(changes, first) : bisect_right(changes, last)]


def _followed(
    item: Item, duty: Duty, first: date, last: date, day: date, directory: Directory, calendar: WorkCalendar
) -> Iterator[Cell]:
    """The cells on ``day``, each with since when it has been there without a gap."""
    since: dict[str, date] = {}
    cells: tuple[Cell, ...] = ()
    for point in (first, *_changes(directory, first, day)):
        cells = cells_of(item, directory, point)
        since = {cell.id: since.get(cell.id, point) for cell in cells}
    for cell in cells:
        start = since[cell.id]
        if start == first:
            yield replace(cell, since=start, due=last)
        elif duty.on_rotation != NEXT_PERIOD:
            yield replace(cell, since=start, due=max(last, calendar.after(start, int(duty.on_rotation))))


def _owners(cell: Cell, duty: Duty, directory: Directory, on: date) -> tuple[Person, ...]:
    """Whom to remind of a cell after its due date."""
    if duty.each == "unit":
        unit = directory.unit(cell.subject)
        return _of_unit(unit, duty, directory, on) if unit is not None else ()
    return tuple(person for person in cell.owners if person.holds(on))


def standings(
    item: Item,
    occurrence: Occurrence,
    directory: Directory,
    calendar: WorkCalendar,
    facts: Facts,
    now: datetime,
) -> tuple[Standing, ...]:
    """Every cell of an occurrence with its state at ``now`` (aware, in any zone), in roster order."""
    local = now.astimezone(occurrence.due_at.tzinfo)
    return tuple(
        standing_of(cell, occurrence, facts, local)
        for cell in occurrence_cells(item, occurrence, directory, calendar, local.date())
    )


def standing_of(cell: Cell, occurrence: Occurrence, facts: Facts, now: datetime) -> Standing:
    """One cell with its state."""
    events = facts.events_of(occurrence.recorded_under, cell.id)
    state = state_after(events)
    due_at = occurrence.due_at
    if cell.due is not None and cell.due != occurrence.due:
        due_at = _at(cell.due, occurrence)
    return Standing(cell, state, events, overdue=state in OWED and now > due_at)


def departed(
    occurrence: Occurrence, present: Iterable[Cell], facts: Facts
) -> tuple[tuple[str, tuple[DutyEvent, ...]], ...]:
    """Cells with a record that the directory no longer knows: whoever left keeps their record."""
    known = {cell.id for cell in present}
    found = {
        cell: facts.events_of(occurrence.recorded_under, cell)
        for (under, cell) in facts.duties
        if under in occurrence.recorded_under and cell not in known
    }
    return tuple(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Transfer:
    """A cell that comes or goes with a change of the directory.

    ``due`` is the new cell's own due date; None for one that is closed.
    """

    occurrence: Occurrence
    cell: Cell
    on: date
    opens: bool


def transfers(
    item: Item, occurrence: Occurrence, directory: Directory, calendar: WorkCalendar
) -> Iterator[Transfer]:
    """Every opening and closing of a cell within an occurrence, in order of day."""
    duty = item.spec.duty
    if duty is None or occurrence.rotated is not None:
        return
    first, last = _span(occurrence)
    before = {cell.id: cell for cell in cells_of(item, directory, first)}
    for point in _changes(directory, first, last):
        after = {cell.id: cell for cell in cells_of(item, directory, point)}
        for cell in before.values():
            if cell.id not in after:
                yield Transfer(occurrence, replace(cell, since=first), point, opens=False)
        for cell in after.values():
            if cell.id not in before and duty.on_rotation != NEXT_PERIOD:
                due = max(last, calendar.after(point, int(duty.on_rotation)))
                yield Transfer(occurrence, replace(cell, since=point, due=due), point, opens=True)
        before = after
