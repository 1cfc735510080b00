"""Who owes what for an occurrence, and who therefore receives an alarm.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from reminder.plan.audience import Audience, TermKind
from reminder.plan.directory import Directory, Person
from reminder.plan.model import Item

SECTION = "科室"
"""The unit kind whose heads are talked to; branches are supervised but owe no talk."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one obligor owes: a unit, a person, or a leader × head pair.

    ``label`` is what the obligor reads (for a pair the head's post), ``owner``
    the persons who are reminded of it, ``subject`` the unit it concerns.
    """

    id: str
    label: str
    owners: tuple[Person, ...]
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A person an alarm goes to, with the cells they themselves owe."""

    person: Person
    cells: tuple[Cell, ...] = ()


def cells_of(item: Item, directory: Directory, on: date) -> tuple[Cell, ...]:
    """The duty cells of an item as the directory stands on that day, in roster order."""
    duty = item.spec.duty
    if duty is None:
        return ()
    if isinstance(duty.of, str):
        return tuple(_pairs(directory, on))
    if duty.each == "unit":
        units = directory.units_meant(duty.of, on)
        return tuple(Cell(unit.id, unit.id, directory.contact_of(unit, on), unit.id) for unit in units)
    people = directory.people_meant(duty.of, on)
    return tuple(Cell(person.id, person.name, (person,), person.unit or "") for person in people)


def _pairs(directory: Directory, on: date) -> Iterable[Cell]:
    for link in directory.supervision:
        unit = directory.unit(link.unit)
        if unit is None or unit.kind != SECTION or not link.holds(on) or not unit.holds(on):
            continue
        for leader in directory.holders(link.leader, on):
            for head in directory.head_of(unit, on):
                if head.id != leader.id:  # nobody owes a talk with themselves
                    yield Cell(f"{leader.id}/{head.id}", head.name, (leader,), unit.id)


def receivers_of(
    audience: Audience, cells: tuple[Cell, ...], directory: Directory, on: date
) -> tuple[Receiver, ...]:
    """The persons an audience means for an occurrence, in roster order, each once.

    ``owing`` are the owners of the cells; other persons get the alarm with the
    cells they own, if any.  Exclusions hold for all.
    """
    owned: dict[str, list[Cell]] = {}
    for cell in cells:
        for owner in cell.owners:
            owned.setdefault(owner.id, []).append(cell)
    meant = {person.id for person in directory.people_meant(audience, on)}
    if any(term.kind is TermKind.OWING and not term.excluded for term in audience):
        excluded = tuple(term for term in audience if term.excluded)
        # Ask the directory once more, this time for those taken out.
        removed = {
            person.id
            for term in excluded
            for person in directory.people_meant((type(term)(term.kind, term.name),), on)
        }
        meant |= owned.keys() - removed
    return tuple(
        Receiver(person, tuple(owned.get(person.id, ()))) for person in directory.people if person.id in meant
    )
