"""Who may say of a cell that it is done.  Pure."""

from __future__ import annotations

from datetime import date

from reminder.agenda.duties import Cell
from reminder.agenda.facts import Way
from reminder.plan.directory import Directory, Unit
from reminder.plan.model import Item


def role_of(person_id: str, cell: Cell, item: Item, directory: Directory, on: date) -> Way | None:
    """How a person of the directory may record something of a cell on a day; None if they may not.

    An owner, and the deputy of one who is absent that day, by their own link;
    the contact (联络员) of the unit that the cell concerns, and the head of a
    unit that owes it, as a liaison, unless the item is private, of which neither
    learns anything.
    """
    for owner in cell.owners:
        if person_id == owner.id or any(each.id == person_id for each in directory.deputies_of(owner.id, on)):
            return Way.LINK
    if item.spec.private:
        return None
    for unit in units_of_cell(cell, directory, on):
        heads = directory.head_of(unit, on) if unit.id == cell.id else ()
        if any(each.id == person_id for each in (*directory.contact_of(unit, on), *heads)):
            return Way.LIAISON
    return None


def units_of_cell(cell: Cell, directory: Directory, on: date) -> tuple[Unit, ...]:
    """The units a cell concerns: those its person leads, or else the one it is of."""
    if "/" not in cell.id and directory.person(cell.id) is not None:
        led = directory.units_led(cell.id, on)
        if led:
            return led
    unit = directory.unit(cell.subject)
    return (unit,) if unit is not None else ()
