"""Which duties a change of the directory hands over, told before it takes effect.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from reminder.agenda.duties import Transfer, after_rotation, occurrence_cells, transfers
from reminder.agenda.facts import Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.check import Edition
from reminder.plan.model import Item

LONGEST_GRACE = timedelta(days=366)
"""How long after it is due an occurrence may still be owed by who came late."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A cell that opens or closes.  ``due``: by when whoever comes owes it.

    ``at_once``: the directory has it so from the beginning, without a day of its
    own: a row was added or deleted where it should have got a first or last day.
    """

    item: Item
    occurrence: Occurrence
    cell: str
    title: str
    on: date
    opens: bool
    due: date | None
    at_once: bool = False


def upcoming(edition: Edition, facts: Facts, since: date, until: date) -> list[Handover]:
    """What opens and closes in running occurrences from one day to another, both included, in order."""
    found = [
        _handover(item, each)
        for item, occurrence in _running(edition, facts, since, until)
        for each in transfers(item, occurrence, edition.plan.directory, edition.calendar)
        if since <= each.on <= until
    ]
    return sorted(found, key=lambda each: (each.on, each.item.id, each.occurrence.due, each.opens))


def brought_by(
    before: Edition, after: Edition, facts: Facts, now: datetime, ahead: timedelta
) -> list[Handover]:
    """What a new edition hands over that the old one did not, from today on, in order.

    A day that is past already counts as today's: it takes effect at once.
    """
    today = now.astimezone(zone_of(after.plan.head.timezone)).date()
    until = today + ahead
    known = {key for each in upcoming(before, facts, date.min, until) for key in _keys(each)}
    found = []
    for item, occurrence in _running(after, facts, today, until):
        dated = list(transfers(item, occurrence, after.plan.directory, after.calendar))
        found += [_handover(item, each) for each in dated if each.on <= until]
        found += _undated(item, occurrence, dated, before, after, today)
    found = [each for each in found if known.isdisjoint(_keys(each))]
    return sorted(found, key=lambda each: (each.on, each.item.id, each.occurrence.due, each.opens))


def _running(edition: Edition, facts: Facts, since: date, until: date) -> Iterator[tuple[Item, Occurrence]]:
    """Occurrences that somebody may owe within the span."""
    head, calendar = edition.plan.head, edition.calendar
    first = max(since, head.from_ + LONGEST_GRACE) - LONGEST_GRACE
    for item in edition.plan.items:
        if item.spec.duty is None:
            continue
        for occurrence in occurrences(item, head, calendar, first, head.until, facts):
            if occurrence.opens <= until and _last_due(item, occurrence, edition) >= since:
                yield item, occurrence


def _last_due(item: Item, occurrence: Occurrence, edition: Edition) -> date:
    after = after_rotation(item, occurrence, edition.plan.directory, edition.calendar)
    return max([occurrence.due, *(each.due for each in after)])


def _undated(
    item: Item, occurrence: Occurrence, dated: list[Transfer], before: Edition, after: Edition, today: date
) -> Iterator[Handover]:
    """Cells that one edition has today and the other has not, and no day says why."""
    item_before = before.plan.item(item.id)
    if occurrence.opens > today or item_before is None or item_before.spec.duty != item.spec.duty:
        return  # not begun, or another duty altogether, which is no handover
    explained = {each.cell.id for each in dated}
    had = occurrence_cells(item_before, occurrence, before.plan.directory, before.calendar, today)
    has = occurrence_cells(item, occurrence, after.plan.directory, after.calendar, today)
    had_ids, has_ids = {each.id for each in had}, {each.id for each in has}
    for cell in (*had, *has):
        opens = cell.id in has_ids
        if cell.id in explained or (cell.id in had_ids and opens):
            continue
        due = cell.due if opens else None
        yield Handover(item, occurrence, cell.id, cell.title, today, opens, due, at_once=True)


def _handover(item: Item, each: Transfer) -> Handover:
    due = each.cell.due if each.opens else None
    return Handover(item, each.occurrence, each.cell.id, each.cell.title, each.on, each.opens, due)


def _keys(each: Handover) -> set[tuple[str, str, date, bool]]:
    """What two editions call the same; an item renamed between them is still the same item."""
    return {(under, each.cell, each.on, each.opens) for under in each.occurrence.recorded_under}


def lines_of(found: Sequence[Handover]) -> list[str]:
    """A line for each, for a notice; of private items only how many."""
    lines = []
    private: dict[tuple[date, str, str], list[int]] = {}
    for each in found:
        what = f"{each.item.spec.title}（{each.occurrence.label}）"
        if each.item.spec.private:
            counts = private.setdefault((each.on, what, each.item.id), [0, 0])
            counts[each.opens] += 1
            continue
        change = f"开始承担，截止 {each.due}" if each.opens else "不再承担"
        lines.append(f"{each.on} 起，{what}：{each.title}{change}")
    for (on, what, _), (closed, opened) in private.items():
        lines.append(f"{on} 起，{what}：关闭{closed}项，新开{opened}项（非公开事项，不列名单）")
    return sorted(lines)
