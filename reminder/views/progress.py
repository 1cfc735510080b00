"""How far duties have come: occurrence by occurrence, clause by clause, unit by unit.  Numbers, and no ranking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce

from reminder.agenda.duties import Standing, after_rotation, standings
from reminder.agenda.facts import DutyState
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.plan.model import Item
from reminder.reports.account import days_late
from reminder.views.agenda import facts_key
from reminder.views.kept import Kept
from reminder.views.look import Look
from reminder.views.wording import clause_part


@dataclass(frozen=True, slots=True)
class Tally:
    """Cells by where they stand.  ``done`` was in time, ``late`` was not; ``open`` is not overdue yet."""

    done: int = 0
    late: int = 0
    waived: int = 0
    open: int = 0
    overdue: int = 0

    @property
    def total(self) -> int:
        return self.done + self.late + self.waived + self.open + self.overdue

    @property
    def owed(self) -> int:
        """How many are still to be done."""
        return self.open + self.overdue

    @property
    def settled(self) -> int:
        """How many are done or excused."""
        return self.done + self.late + self.waived

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.done + other.done,
            self.late + other.late,
            self.waived + other.waived,
            self.open + other.open,
            self.overdue + other.overdue,
        )


NOTHING_OWED = Tally()


@dataclass(frozen=True, slots=True)
class Progressed:
    """One occurrence that has begun, with its cells counted: all of them, and by the unit they concern."""

    item: Item
    occurrence: Occurrence
    tally: Tally
    units: Mapping[str, Tally]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was reckoned, and from when until when it is true: a due time in between makes it another."""

    since: datetime
    until: datetime | None
    occurrences: tuple[Progressed, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a chart."""

    label: str
    tally: Tally


_progress: Kept[_Known] = Kept(4)


def progress(look: Look) -> tuple[Progressed, ...]:
    """Every occurrence with duties that has begun, of the items the reader may see, in plan order."""
    known = _progress.of(
        (facts_key(look), look.today),
        lambda: _reckoned(look),
        lambda found: found.since <= look.now and (found.until is None or look.now <= found.until),
    )
    return tuple(each for each in known.occurrences if look.sees(each.item))


def by_clause(found: Iterable[Progressed], items: Iterable[Item]) -> tuple[Bar, ...]:
    """A line for each part of the notice that owes anything, in plan order."""
    parts: dict[str, Tally] = {clause_part(item.spec.clause): NOTHING_OWED for item in items}
    for each in found:
        parts[clause_part(each.item.spec.clause)] += each.tally
    return tuple(Bar(part, tally) for part, tally in parts.items() if tally.total)


def by_unit(found: Iterable[Progressed], look: Look) -> tuple[Bar, ...]:
    """A line for each unit that owes anything, in roster order."""
    units: dict[str, Tally] = {unit.id: NOTHING_OWED for unit in look.edition.plan.directory.units}
    for each in found:
        for unit, tally in each.units.items():
            if unit in units:
                units[unit] += tally
    return tuple(Bar(unit, tally) for unit, tally in units.items() if tally.total)


def due_in(found: Iterable[Progressed], first: date, last: date) -> tuple[Progressed, ...]:
    """Those whose due date lies in a span, both days included."""
    return tuple(each for each in found if first <= each.occurrence.due <= last)


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    return reduce(Tally.__add__, tallies, NOTHING_OWED)


def tally_of(known: Iterable[Standing], due: date) -> Tally:
    """Cells of one occurrence, counted."""
    return sum_of(_one(each, due) for each in known)


def _one(standing: Standing, due: date) -> Tally:
    if standing.overdue:
        return Tally(overdue=1)
    if standing.owed:
        return Tally(open=1)
    if standing.state is DutyState.WAIVED:
        return Tally(waived=1)
    return Tally(late=1) if days_late(standing, due) else Tally(done=1)


def _reckoned(look: Look) -> _Known:
    found = tuple(_begun(look))
    ahead = [each.occurrence.due_at for each in found if each.occurrence.due_at >= look.now]
    # Cells with a due date of their own are due on a day, and the key has the day; but the hour counts.
    hours = [each.occurrence.due_at.timetz() for each in found]
    ahead += [at for hour in set(hours) if (at := datetime.combine(look.today, hour)) >= look.now]
    return _Known(look.now, min(ahead, default=None), found)


def _begun(look: Look) -> Iterator[Progressed]:
    plan, calendar, facts = look.edition.plan, look.edition.calendar, look.facts
    for item in plan.items:
        if item.spec.duty is None:
            continue
        for each in occurrences(item, plan.head, calendar, plan.head.from_, plan.head.until, facts):
            if each.opens > look.today:
                continue
            late = after_rotation(item, each, plan.directory, calendar)
            for occurrence in (each, *(other for other in late if other.opens <= look.today)):
                known = standings(item, occurrence, plan.directory, calendar, facts, look.now)
                units: dict[str, Tally] = {}
                for standing in known:
                    unit = standing.cell.subject
                    units[unit] = units.get(unit, NOTHING_OWED) + _one(standing, occurrence.due)
                yield Progressed(item, occurrence, tally_of(known, occurrence.due), units)
