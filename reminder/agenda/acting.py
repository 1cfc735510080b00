"""Who may say of a cell that it is done: for themselves, or filled in for others.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from reminder.agenda.duties import Cell
from reminder.agenda.facts import Way
from reminder.plan.directory import Directory, Person
from reminder.plan.model import Item


@dataclass(frozen=True, slots=True)
class Acting:
    """By what right a person records; ``for_`` are those in whose place, nobody for their own."""

    way: Way
    for_: tuple[Person, ...] = ()


def acting(person_id: str, cell: Cell, item: Item, directory: Directory, on: date) -> Acting | None:
    """How a person of the directory may record something of a cell on a day; None if they may not.

    An owner for themselves; the deputy of an owner who is absent that day; the
    contact (联络员) of the unit that the cell concerns, unless the item is
    private, of which a contact learns nothing.
    """
    if any(owner.id == person_id for owner in cell.owners):
        return Acting(Way.LINK)
    absent = tuple(
        owner
        for owner in cell.owners
        if any(deputy.id == person_id for deputy in directory.deputies_of(owner.id, on))
    )
    if absent:
        return Acting(Way.LIAISON, absent)
    unit = directory.unit(cell.subject) if cell.subject and not item.spec.private else None
    if unit is not None and any(each.id == person_id for each in directory.contact_of(unit, on)):
        return Acting(Way.LIAISON, cell.owners)
    return None
