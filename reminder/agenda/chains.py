"""Chains of escalation: whether somebody stands above everyone who owes.  Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from reminder.agenda.duties import Cell, cells_of
from reminder.agenda.occurrences import occurrences
from reminder.agenda.reach import asks_above, escalation, escalation_of
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.directory import Directory
from reminder.plan.model import Item, Plan
from reminder.plan.when import DrawWhen, EventWhen


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell that comes before nobody, as of ``on``.

    ``own``: the only ones above it are its obligors themselves.  ``mended``: on a
    later day of the plan somebody stands there again.
    """

    cell: Cell
    on: date
    own: bool
    mended: bool


def broken_chains(item: Item, plan: Plan, calendar: WorkCalendar) -> Iterator[Broken]:
    """Every cell of the item with nobody above it at some time of the plan, the latest state of each.

    What happened in between two changes of the directory is asked once.
    """
    if item.spec.duty is None or not any(asks_above(rung) for rung in item.rungs):
        return
    latest: dict[str, Broken | None] = {}
    earlier: dict[str, Broken] = {}
    for day in _days(item, plan, calendar):
        cells = cells_of(item, plan.directory, day)
        told = {cell.id for _, cell in escalation(item, cells, plan, day)}
        for cell in cells:
            found = None
            if cell.id not in told:
                own = bool(escalation_of(item, cell, plan, day))
                found = Broken(cell, day, own, mended=False)
                earlier.setdefault(cell.id, Broken(cell, day, own, mended=True))
            latest[cell.id] = found
    for cell_id, now in latest.items():
        if now is not None:
            yield now
        elif cell_id in earlier:
            yield earlier[cell_id]


def _days(item: Item, plan: Plan, calendar: WorkCalendar) -> Iterator[date]:
    """Due dates of the item, one for each state of the directory; of events and lots, any day may be one."""
    head = plan.head
    directory: Directory = plan.directory
    if isinstance(item.spec.when, EventWhen | DrawWhen):
        changes = (day for day in directory.changes if head.from_ < day <= head.until)
        yield from (head.from_, *changes)
        return
    seen: set[int] = set()
    states = bisect_right(directory.changes, head.until) - bisect_right(directory.changes, head.from_) + 1
    for occurrence in occurrences(item, head, calendar, head.from_, head.until):
        state = bisect_right(directory.changes, occurrence.due)
        if state not in seen:
            seen.add(state)
            yield occurrence.due
            if len(seen) == states:
                return
