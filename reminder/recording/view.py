"""What may be recorded at one moment: occurrences, their cells, and which of them is meant.  Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from reminder.agenda.acting import role_of
from reminder.agenda.duties import Standing, after_rotation, standings
from reminder.agenda.facts import Facts, Way, state_after
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.agenda.reach import in_charge
from reminder.agenda.steps import rung_day
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.plan.fields import did_you_mean
from reminder.plan.model import Item
from reminder.recording.naming import (
    Moved,
    listed,
    meant,
    moved,
    names_of,
    names_of_moved,
    nearest,
    why_moved,
)


class About(enum.StrEnum):
    """What a refusal is about, for forms and files that can point to it."""

    OCCURRENCE = "occurrence"
    CELL = "cell"
    ON = "on"
    NOTE = "note"


NOT_RECORDED = "；没有登记"
"""How a refusal ends."""


class Refused(ReminderError):
    """A record that cannot be made; nothing was written, and the text says what is possible."""

    def __init__(self, text: str, about: About | None = None) -> None:
        super().__init__(text)
        self.about = about


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of one occurrence, as it stands."""

    item: Item
    occurrence: Occurrence
    standing: Standing


@dataclass(frozen=True, slots=True)
class Gone:
    """What stays on record of a cell that the directory closed; ``moved`` says when, and who owes now."""

    item: Item
    occurrence: Occurrence
    moved: Moved
    standing: Standing


class View:
    """An edition with the facts of a moment (``now`` aware, in any zone)."""

    def __init__(self, edition: Edition, facts: Facts, now: datetime) -> None:
        self.edition = edition
        self.facts = facts
        self.now = now
        self.today: date = now.astimezone(zone_of(edition.plan.head.timezone)).date()
        self._recorded = {under for under, _ in facts.duties}

    def rows(self, items: Collection[str] | None = None) -> Iterator[Row]:
        """Every cell of which something may be recorded, item by item: of these items, None for all."""
        for item in self.edition.plan.items:
            if items is None or item.id in items:
                for occurrence in self.in_view(item):
                    yield from self.rows_of(item, occurrence)

    def rows_of(self, item: Item, occurrence: Occurrence) -> list[Row]:
        """Every cell of an occurrence, also of those who came so late that it is owed once more."""
        directory, calendar = self.edition.plan.directory, self.edition.calendar
        late = (e for e in after_rotation(item, occurrence, directory, calendar) if e.opens <= self.today)
        return [
            Row(item, each, standing)
            for each in (occurrence, *late)
            for standing in standings(item, each, directory, calendar, self.facts, self.now)
        ]

    def gone(self, items: Collection[str] | None = None) -> Iterator[Gone]:
        """What is recorded of cells that the directory closed since: of these items, None for all."""
        for item in self.edition.plan.items:
            if items is not None and item.id not in items:
                continue
            for occurrence in self.in_view(item):
                yield from self.gone_of(item, occurrence)

    def gone_of(self, item: Item, occurrence: Occurrence) -> Iterator[Gone]:
        """What is recorded of an occurrence's cells that the directory closed since."""
        for each in self._moved(item, occurrence, self.rows_of(item, occurrence)):
            events = self.facts.events_of(occurrence.recorded_under, each.cell.id)
            if events:
                standing = Standing(each.cell, state_after(events), events)
                yield Gone(item, occurrence, each, standing)

    def in_view(
        self, item: Item, first: date | None = None, last: date | None = None
    ) -> Iterator[Occurrence]:
        """The occurrences of which something may be recorded, as they were before any rotation.

        ``first`` and ``last`` bound the due dates; None: the plan does.
        """
        if item.spec.duty is not None:
            found = self._occurrences(item, first, last)
            yield from (each for each in found if self._visible(item, each))

    def role_of(self, person: str, row: Row) -> Way | None:
        """How a person may act for a cell: as its owner or a deputy, as a liaison, or not at all."""
        return role_of(person, row.standing.cell, row.item, self.edition.plan.directory, self.today)

    def sees(self, person: str | None, row: Row) -> bool:
        """Whether a person may see whose cell it is: of a private item its obligor and who is in charge."""
        if not row.item.spec.private:
            return True
        if person is None:
            return False
        return person in in_charge(self.edition.plan, self.today) or self.role_of(person, row) is not None

    def find(self, occurrence: str, cell: str) -> Row:
        """The one cell that is meant by an occurrence's id and a cell's id or name.

        Raises :class:`Refused` that says what there is.
        """
        item, found = self.occurrence(occurrence)
        rows = self.rows_of(item, found)
        directory = self.edition.plan.directory
        named = [names_of(row.standing.cell, directory, self.today) for row in rows]
        places = meant(cell, named)
        if len(places) == 1:
            return rows[places[0]]
        under = found.recorded_under[0]
        if places:
            shown = listed([rows[place].standing.cell.id for place in places])
            raise Refused(f"“{cell}”在 {under} 指的不止一个：{shown}；请写完整的编号；没有登记", About.CELL)
        away = list(self._moved(item, found, rows))
        for place in meant(cell, [names_of_moved(each, directory) for each in away]):
            raise Refused(f"{why_moved(away[place], under)}；没有登记", About.CELL)
        shown = listed([row.standing.cell.id for row in rows]) or "（现在没有承担者）"
        raise Refused(
            f"{under} 没有承担者“{cell}”；可用：{shown}{nearest(cell, named)}；没有登记", About.CELL
        )

    def occurrence(self, text: str) -> tuple[Item, Occurrence]:
        """The occurrence of that id, as it was before any rotation, and its item.

        Raises :class:`Refused` that says which there are.
        """
        plan = self.edition.plan
        name = text.partition("/")[0]
        item = plan.item(name)
        if item is None:
            known = [each.id for each in plan.items if each.spec.duty is not None]
            raise Refused(
                f"没有“{text}”：期次写作 事项编号/期次，如 quarterly-report/2026Q3；"
                f"{did_you_mean(name, known) or '期次见 reminder duties'}；没有登记",
                About.OCCURRENCE,
            )
        if item.spec.duty is None:
            raise Refused(f"事项“{item.spec.title}”（{item.id}）没有承担者，不登记办结", About.OCCURRENCE)
        base, plus, since = text.rpartition("+")
        for each in self._occurrences(item):
            if text in each.ids or (plus and base in each.ids and self._rotated(item, each, since)):
                if self._visible(item, each):
                    return item, each
                raise Refused(
                    f"{each.id} 自 {each.opens} 起，现在还不能登记{self._running(item)}；没有登记",
                    About.OCCURRENCE,
                )
        raise Refused(
            f"事项“{item.spec.title}”没有期次“{text}”{self._running(item)}；没有登记", About.OCCURRENCE
        )

    def _running(self, item: Item) -> str:
        ids = [each.id for each in self.in_view(item)]
        return f"；可用：{listed(ids[::-1])}" if ids else "；还没有已开始的期次"

    def _occurrences(
        self, item: Item, first: date | None = None, last: date | None = None
    ) -> Iterator[Occurrence]:
        head = self.edition.plan.head
        first, last = first or head.from_, last or head.until
        yield from occurrences(item, head, self.edition.calendar, first, last, self.facts)

    def _visible(self, item: Item, occurrence: Occurrence) -> bool:
        """Open, or somebody was reminded of it already (to arrange a date), or something is recorded."""
        if occurrence.opens <= self.today:
            return True
        if any(rung_day(rung, occurrence, self.edition.calendar) <= self.today for rung in item.rungs):
            return True
        return not self._recorded.isdisjoint(occurrence.ids)

    def _rotated(self, item: Item, occurrence: Occurrence, since: str) -> bool:
        """Whether an occurrence is owed once more by those who came on that day."""
        after = after_rotation(item, occurrence, self.edition.plan.directory, self.edition.calendar)
        return any(str(each.rotated) == since for each in after)

    def _moved(self, item: Item, occurrence: Occurrence, rows: list[Row]) -> Iterator[Moved]:
        recorded = [cell for under, cell in self.facts.duties if under in occurrence.recorded_under]
        cells = [row.standing.cell for row in rows]
        directory, calendar = self.edition.plan.directory, self.edition.calendar
        return moved(item, occurrence, cells, recorded, directory, calendar, self.today)
