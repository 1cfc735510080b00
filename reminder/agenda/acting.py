"""Who may say of a cell that it is done.  Pure."""

from __future__ import annotations

from datetime import date

from reminder.agenda.duties import Cell
from reminder.agenda.facts import Way
from reminder.plan.directory import Directory
from reminder.plan.model import Item


def role_of(person_id: str, cell: Cell, item: Item, directory: Directory, on: date) -> Way | None:
    """How a person of the directory may record something of a cell on a day; None if they may not.

    An owner, and the deputy of one who is absent that day, by their own link;
    the contact (联络员) and the head of the unit that the cell concerns as a
    liaison, unless the item is private, of which neither learns anything.
    """
    for owner in cell.owners:
        if person_id == owner.id or any(each.id == person_id for each in directory.deputies_of(owner.id, on)):
            return Way.LINK
    unit = directory.unit(cell.subject)
    if unit is not None and not item.spec.private:
        people = (*directory.contact_of(unit, on), *directory.head_of(unit, on))
        if any(each.id == person_id for each in people):
            return Way.LIAISON
    return None
