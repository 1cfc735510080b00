"""Record what became of a duty: the one way in for commands, pages and imports.

Everything that can be wrong with a record is said here, before anything is
written; the ledger then judges the transition by the state that stands in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from reminder.agenda.acting import role_of
from reminder.agenda.duties import Standing, after_rotation, departed, standings
from reminder.agenda.facts import DUTY_STATE_TEXT, DutyAction, DutyState, Facts, Way
from reminder.agenda.occurrences import Occurrence, occurrences, zone_of
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.facts import Effect, FactKind, NewDutyEvent, Recorded
from reminder.ledger.ledger import Ledger
from reminder.plan.fields import did_you_mean
from reminder.plan.model import EveryWhen, Item

LONGEST_NOTE = 200
EARLY = timedelta(days=92)
"""How long before the opening a deed may lie, where no period bounds it."""
SNOOZE_WORKDAYS = 5
"""How far beyond today a reminder can be put off once the duty is due."""
SHOWN = 8

ACTION_TEXT = {
    DutyAction.BOOK: "登记安排",
    DutyAction.DONE: "登记办结",
    DutyAction.RETURN: "退回",
    DutyAction.WAIVE: "免办",
    DutyAction.REOPEN: "撤销登记",
}
_POSSIBLE = {
    DutyState.OPEN: "可登记安排、登记办结或免办",
    DutyState.IN_PROGRESS: "可改期、登记办结或免办",
    DutyState.RETURNED: "可登记安排、登记办结或免办",
    DutyState.DONE: "可退回或撤销登记",
    DutyState.WAIVED: "可登记办结或撤销登记",
}
_REASONED = (DutyAction.RETURN, DutyAction.WAIVE, DutyAction.REOPEN)
_OWN = (DutyAction.BOOK, DutyAction.DONE)
"""What an obligor, or a liaison for them, may record; everything else is an admin's."""
_ADMIN = (Way.COMMAND, Way.IMPORT, Way.CONSOLE)


class Refused(ReminderError):
    """A record that cannot be made; nothing was written, and the text says what is possible."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who records, and by what way.  ``id`` is a person of the directory or, of an admin, a name."""

    id: str
    way: Way


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of one occurrence, as it stands."""

    item: Item
    occurrence: Occurrence
    standing: Standing


@dataclass(frozen=True, slots=True)
class Entry:
    """A transition to be recorded; ``on`` is the day of the deed, or the day arranged."""

    occurrence: str
    cell: str
    action: DutyAction
    on: date | None = None
    note: str = ""


class Recorder:
    """Finds cells and records what became of them.  Safe to use from several threads."""

    def __init__(self, ledger: Ledger, edition: Edition) -> None:
        self._ledger = ledger
        self._edition = edition

    @property
    def edition(self) -> Edition:
        """The plan it records for."""
        return self._edition

    def facts(self) -> Facts:
        """What is known at this moment."""
        plan_id = self._edition.plan.id
        return self._ledger.facts(plan_id, self._ledger.transport(plan_id))

    def board(
        self,
        now: datetime,
        *,
        items: Collection[str] = (),
        person: str | None = None,
        unit: str | None = None,
        open_only: bool = False,
    ) -> list[Row]:
        """The cells of every occurrence that has opened, in order of due date.

        ``person``: whose they are, or whose deputy or liaison they are for the
        day; ``unit``: whom they concern.
        """
        facts = self.facts()
        today = self._today(now)
        rows = []
        for item in self._edition.plan.items:
            if items and item.id not in items:
                continue
            for row in self._rows(item, facts, now):
                standing = row.standing
                if open_only and not standing.owed:
                    continue
                if unit is not None and standing.cell.subject != unit:
                    continue
                if person is not None and self.role_of(person, row, today) is None:
                    continue
                rows.append(row)
        rows.sort(key=lambda row: (row.standing.cell.due or row.occurrence.due, row.occurrence.id))
        return rows

    def role_of(self, person: str, row: Row, on: date) -> Way | None:
        """How a person may act for a cell: as its owner or a deputy, as a liaison, or not at all."""
        return role_of(person, row.standing.cell, row.item, self._edition.plan.directory, on)

    def record(self, actor: Actor, entry: Entry, now: datetime) -> Recorded:
        """Record one transition.  Raises :class:`Refused`."""
        return self.record_all(actor, [entry], now)[0]

    def record_all(self, actor: Actor, entries: Sequence[Entry], now: datetime) -> list[Recorded]:
        """Record several in one transaction: all that is not there already, or nothing.

        Raises :class:`Refused` for the first that cannot be.
        """
        facts = self.facts()
        new = [self._new(actor, entry, facts, now) for entry in entries]
        found = self._ledger.record_duties(self._edition.plan.id, new, now)
        for entry, recorded in zip(entries, found, strict=True):
            if recorded.effect is Effect.REFUSED:  # somebody was quicker
                raise Refused(_not_from(entry, recorded.state))
        return found

    def check(self, actor: Actor, entry: Entry, now: datetime) -> Row:
        """The cell that would be recorded; raises :class:`Refused` as :meth:`record` would."""
        facts = self.facts()
        self._new(actor, entry, facts, now)
        return self.find(entry.occurrence, entry.cell, now, facts)

    def find(self, occurrence: str, cell: str, now: datetime, facts: Facts | None = None) -> Row:
        """The one cell that is meant by an occurrence's id and a cell's id or name.

        Raises :class:`Refused` that says what there is.
        """
        facts = facts if facts is not None else self.facts()
        item = self._edition.plan.item(occurrence.partition("/")[0])
        if item is None:
            known = [each.id for each in self._edition.plan.items if each.spec.duty is not None]
            raise Refused(
                f"没有“{occurrence}”：期次写作 事项编号/期次，如 quarterly-report/2026Q3；"
                f"{did_you_mean(occurrence.partition('/')[0], known) or '事项编号见 reminder duties'}"
            )
        rows = list(self._rows(item, facts, now))
        meant = [row for row in rows if occurrence in (*row.occurrence.recorded_under, *row.occurrence.ids)]
        if not meant:
            ids = list(dict.fromkeys(row.occurrence.recorded_under[0] for row in rows))
            shown = "、".join(ids[-SHOWN:]) or "（还没有开始的）"
            raise Refused(f"事项“{item.id}”没有已开始的期次“{occurrence}”；可用：{shown}")
        return self._one(meant, cell, facts)

    def _one(self, rows: Sequence[Row], text: str, facts: Facts) -> Row:
        """By id, by name, or by an unambiguous beginning of either."""
        for match in (
            [row for row in rows if text in _names(row)],
            [row for row in rows if any(name.startswith(text) for name in _names(row))],
        ):
            if len(match) == 1 and text:
                return match[0]
            if len(match) > 1 and text:
                shown = "、".join(row.standing.cell.id for row in match[:SHOWN])
                raise Refused(f"“{text}”指的不止一个：{shown}；请写完整的编号")
        occurrence = rows[0].occurrence
        left = dict(departed(occurrence, (row.standing.cell for row in rows), facts))
        if text in left:
            raise Refused(
                f"“{text}”的职责已因名册调整关闭，原有记录保留；现由在任的人承担，见 reminder duties"
            )
        names = [name for row in rows for name in _names(row)]
        shown = "、".join(row.standing.cell.id for row in rows[:SHOWN])
        more = f"等{len(rows)}个" if len(rows) > SHOWN else ""
        raise Refused(
            f"{occurrence.recorded_under[0]} 没有承担者“{text}”；可用：{shown}{more}{_hint(text, names)}"
        )

    def snooze(self, actor: Actor, occurrence: str, person: str, until: date, now: datetime) -> None:
        """No reminders about an occurrence for a person before the morning of a day.

        Raises :class:`Refused` for a day that is past or too far: not beyond the due
        date, or once it is due, five working days.
        """
        facts, today = self.facts(), self._today(now)
        calendar = self._edition.calendar
        item = self._edition.plan.item(occurrence.partition("/")[0])
        rows = [
            row
            for row in (self._rows(item, facts, now) if item is not None else ())
            if occurrence in (*row.occurrence.recorded_under, *row.occurrence.ids)
            and row.standing.owed
            and self.role_of(person, row, today) is not None
        ]
        if not rows:
            raise Refused(f"“{person}”在 {occurrence} 没有未办结的事项，不需要暂缓")
        dues = [row.standing.cell.due or row.occurrence.due for row in rows]
        latest = max(*dues, calendar.after(today, SNOOZE_WORKDAYS))
        if not today < until <= latest:
            raise Refused(f"暂缓至 {until} 不行：可选 {today + timedelta(days=1)} 至 {latest}")
        under = rows[0].occurrence.recorded_under[0]
        detail = {"person": person, "occurrence": under, "until": until.isoformat(), "way": actor.way.value}
        # Numbered: of fifty who ask the same at once one is recorded, and who asked for another day asks again.
        earlier = [each for each in facts.snoozes if (each.person, each.occurrence) == (person, under)]
        if earlier and earlier[-1].until == until:
            return
        key = f"{under}|{person}|{len(earlier) + 1}"
        plan_id = self._edition.plan.id
        if not self._ledger.remember(plan_id, FactKind.SNOOZE, key, by=actor.id, detail=detail, now=now):
            self.snooze(actor, occurrence, person, until, now)

    # -- what may be recorded ---------------------------------------------------

    def _new(self, actor: Actor, entry: Entry, facts: Facts, now: datetime) -> NewDutyEvent:
        row = self.find(entry.occurrence, entry.cell, now, facts)
        today = self._today(now)
        way, for_ = actor.way, ""
        if way not in _ADMIN:
            found = self.role_of(actor.id, row, today)
            if found is None:
                raise Refused(f"{row.standing.cell.title}不由您办理，没有登记；如有变动请告知联系人")
            if entry.action not in _OWN:
                raise Refused(f"{ACTION_TEXT[entry.action]}由管理员办理，请与联系人说明")
            way = found
            for_ = self._in_place_of(actor.id, row, found)
        note = self._note(entry, row)
        on = self._day(entry, row, today)
        return NewDutyEvent(
            row.occurrence.recorded_under, row.standing.cell.id, entry.action, actor.id, way, on, note, for_
        )

    def _in_place_of(self, person: str, row: Row, way: Way) -> str:
        cell = row.standing.cell
        if any(owner.id == person for owner in cell.owners):
            return ""
        if way is Way.LIAISON:
            return cell.subject
        return cell.owners[0].id

    def _note(self, entry: Entry, row: Row) -> str:
        note = " ".join(entry.note.split())
        if row.item.spec.private:
            if note:
                raise Refused(f"“{row.item.spec.title}”是非公开事项，只登记日期，不登记任何说明；没有登记")
            return ""
        if entry.action in _REASONED and not note:
            raise Refused(f"{ACTION_TEXT[entry.action]}须写明理由（--reason）；没有登记")
        if len(note) > LONGEST_NOTE:
            raise Refused(f"说明有{len(note)}字，最多{LONGEST_NOTE}字：写日期、地点等要点即可；没有登记")
        if not note.isprintable():
            raise Refused("说明里有不可见的控制字符；没有登记")
        return note

    def _day(self, entry: Entry, row: Row, today: date) -> date | None:
        occurrence, due = row.occurrence, row.standing.cell.due or row.occurrence.due
        duty = row.item.spec.duty
        assert duty is not None  # only duties have cells
        if entry.action is DutyAction.BOOK:
            if entry.on is None:
                raise Refused("登记安排须写明日期；没有登记")
            last = due if duty.gate else max(due, today) + EARLY
            if not today <= entry.on <= last:
                raise Refused(f"安排在 {entry.on} 不行：可选 {today} 至 {last}；没有登记")
            return entry.on
        if entry.action is not DutyAction.DONE:
            return None
        on = entry.on or today
        if on > today:
            raise Refused(f"办结日期 {on} 还没有到：今天是 {today}；尚未办的请用登记安排；没有登记")
        first = occurrence.first if isinstance(row.item.spec.when, EveryWhen) else occurrence.opens - EARLY
        if on < first:
            raise Refused(f"办结日期 {on} 早于本期：应不早于 {first}；没有登记")
        if duty.gate and on > due:
            raise Refused(
                f"“{row.item.spec.title}”须在 {due} 或之前办理，{on} 办的不能登记为办结；"
                "如日期有误请更正，如确未按期办理请以免办说明理由，或取消该事件后重新登记"
            )
        return on

    def _rows(self, item: Item, facts: Facts, now: datetime) -> Iterator[Row]:
        """Every cell of the item's occurrences that have opened."""
        plan, calendar = self._edition.plan, self._edition.calendar
        if item.spec.duty is None:
            return
        today = self._today(now)
        head, directory = plan.head, plan.directory
        for occurrence in occurrences(item, head, calendar, head.from_, head.until, facts, directory):
            if occurrence.opens > today:
                continue
            for each in (occurrence, *after_rotation(item, occurrence, directory, calendar)):
                if each.opens <= today:
                    for standing in standings(item, each, directory, calendar, facts, now):
                        yield Row(item, each, standing)

    def _today(self, now: datetime) -> date:
        return now.astimezone(zone_of(self._edition.plan.head.timezone)).date()


def _names(row: Row) -> tuple[str, ...]:
    """What a cell may be called: its id, its label, of a pair also both names."""
    cell = row.standing.cell
    pair = (f"{cell.owners[0].name}/{cell.label}",) if "/" in cell.id and cell.owners else ()
    return tuple(dict.fromkeys((cell.id, cell.label, *pair)))


def _hint(text: str, names: Sequence[str]) -> str:
    hint = did_you_mean(text, list(names))
    return f"；{hint}" if hint else ""


def _not_from(entry: Entry, state: DutyState) -> str:
    return (
        f"{entry.occurrence} 的“{entry.cell}”现在是{DUTY_STATE_TEXT[state]}，"
        f"不能{ACTION_TEXT[entry.action]}；{_POSSIBLE[state]}；没有登记"
    )
