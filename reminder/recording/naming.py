"""Which cell is meant: by id, by what people call it, or by an unambiguous beginning.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from reminder.agenda.duties import Cell, transfers
from reminder.agenda.occurrences import Occurrence
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.directory import Directory, Person
from reminder.plan.fields import did_you_mean
from reminder.plan.model import Item

SHOWN = 20
"""More names than this are not listed in an error."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moved:
    """A cell that is not there today: closed by a change of the directory, or still to come.

    ``on``: the day it closed or opens; None where the directory no longer says.
    ``instead``: who owes in its place today.
    """

    cell: Cell
    on: date | None
    closed: bool
    instead: tuple[Cell, ...] = ()


def names_of(cell: Cell, directory: Directory, on: date) -> tuple[str, ...]:
    """What a cell may be called on a day: its id first, then names, posts and units.

    A pair may be called by both halves (``leader/head``) or by its head alone.
    """
    if "/" not in cell.id:
        person = directory.person(cell.id)
        return _distinct([cell.id, cell.label, *(_called(person, directory, on) if person else ())])
    leader_id, _, head_id = cell.id.partition("/")
    leaders = _side(leader_id, directory, on)
    heads = _distinct([*_side(head_id, directory, on), cell.label, cell.subject])
    both = [f"{leader}/{head}" for leader in leaders for head in heads]
    return _distinct([cell.id, cell.title, *both, *heads])


def _side(person_id: str, directory: Directory, on: date) -> tuple[str, ...]:
    person = directory.person(person_id)
    return (person_id, *(_called(person, directory, on) if person is not None else ()))


def _called(person: Person, directory: Directory, on: date) -> Iterator[str]:
    yield person.name
    yield from directory.posts_of(person.id, on)
    for unit in directory.units_led(person.id, on):
        yield unit.id


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name)


def meant(text: str, named: Sequence[tuple[str, ...]]) -> list[int]:
    """Which of several things a text means, by place; ``named`` are the names of each, its id first.

    An id wins over a name, and a name over a beginning.  Several: it is ambiguous.
    """
    text = text.strip().replace("／", "/")
    if not text:
        return []
    for found in (
        [place for place, names in enumerate(named) if names[0] == text],
        [place for place, names in enumerate(named) if text in names],
        [place for place, names in enumerate(named) if any(name.startswith(text) for name in names)],
    ):
        if found:
            return found
    return []


def listed(ids: Sequence[str]) -> str:
    """Ids for an error text: all if they are few."""
    ids = list(dict.fromkeys(ids))
    return "、".join(ids[:SHOWN]) + (f"等{len(ids)}个" if len(ids) > SHOWN else "")


def nearest(text: str, named: Sequence[tuple[str, ...]]) -> str:
    """「；是否想写 …」, or nothing."""
    hint = did_you_mean(text, list(dict.fromkeys(name for names in named for name in names)))
    return f"；{hint}" if hint else ""


def moved(
    item: Item,
    occurrence: Occurrence,
    present: Sequence[Cell],
    recorded: Iterable[str],
    directory: Directory,
    calendar: WorkCalendar,
    today: date,
) -> Iterator[Moved]:
    """The cells of an occurrence that are not there today.

    ``present`` are those that are, also after a rotation; ``recorded`` the ids
    that the ledger has something of.
    """
    known = {cell.id for cell in present}
    found = [each for each in transfers(item, occurrence, directory, calendar) if each.cell.id not in known]
    last = {each.cell.id: each for each in found if not each.opens and each.on <= today}
    for closed in last.values():
        arrived = [cell for cell in present if cell.since is not None and cell.since >= closed.on]
        same = tuple(cell for cell in arrived if cell.subject and cell.subject == closed.cell.subject)
        instead = same or tuple(cell for cell in arrived if cell.since == closed.on)
        yield Moved(closed.cell, closed.on, closed=True, instead=instead)
    for coming in found:
        if coming.opens and coming.on > today and coming.cell.id not in last:
            yield Moved(coming.cell, coming.on, closed=False)
    for cell_id in sorted(set(recorded) - known - {each.cell.id for each in found}):
        label = cell_id.partition("/")[2] or cell_id
        yield Moved(Cell(cell_id, label, ()), None, closed=True)


def names_of_moved(each: Moved, directory: Directory) -> tuple[str, ...]:
    """What a cell that is not there could have been called while it was, or will be."""
    day = each.on if each.on is not None else date.min
    return names_of(each.cell, directory, day - _DAY if each.closed and each.on is not None else day)


def why_moved(each: Moved, occurrence: str) -> str:
    """What is said of a cell that is not there, and who owes now."""
    title = each.cell.title
    if not each.closed:
        return f"“{title}”自 {each.on} 起才承担 {occurrence}"
    when = f"已于 {each.on} " if each.on is not None else "已"
    if each.instead:
        now = "现由" + "、".join(f"“{cell.title}”（{cell.id}）" for cell in each.instead) + "承担"
    else:
        now = "现在没有人接着承担本期"
    return f"“{title}”在 {occurrence} 的职责{when}因名册调整关闭，原有记录保留；{now}"
