"""Record what became of a duty: the one way in for commands, pages and imports.

Everything that can be wrong with a record is said here, before anything is
written; the ledger then judges the transition by the state that stands in it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from reminder.agenda.acting import role_of, units_of_cell
from reminder.agenda.duties import cells_of
from reminder.agenda.facts import DUTY_STATE_TEXT, TRANSITIONS, DutyAction, DutyState, Facts, Way
from reminder.check import Edition
from reminder.ledger.facts import Effect, FactKind, NewDutyEvent, Recorded
from reminder.ledger.ledger import Ledger
from reminder.plan.when import EveryWhen
from reminder.recording.view import About, Gone, Refused, Row, View

__all__ = ["About", "Actor", "Entry", "Gone", "Recorder", "Refused", "Row", "View"]

LONGEST_NOTE = 200
EARLY = timedelta(days=92)
"""How long before the opening a deed may lie, where no period bounds it."""
SNOOZE_WORKDAYS = 5
"""How far beyond today a reminder can be put off once the duty is due."""

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


@dataclass(frozen=True, slots=True)
class Actor:
    """Who records, and by what way.  ``id`` is a person of the directory or, of an admin, a name."""

    id: str
    way: Way


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

    @property
    def ledger(self) -> Ledger:
        """Where it records."""
        return self._ledger

    def facts(self) -> Facts:
        """What is known at this moment."""
        plan_id = self._edition.plan.id
        return self._ledger.facts(plan_id, self._ledger.transport(plan_id))

    def view(self, now: datetime) -> View:
        """What may be recorded at this moment."""
        return View(self._edition, self.facts(), now)

    def board(
        self,
        now: datetime,
        *,
        items: Collection[str] | None = None,
        person: str | None = None,
        unit: str | None = None,
        open_only: bool = False,
    ) -> list[Row]:
        """The cells of every occurrence that may be recorded by now, in order of due date.

        ``items``: of these alone, None for all; ``person``: whose they are, or
        whose deputy or liaison they are for the day; ``unit``: whom they concern.
        """
        view, directory = self.view(now), self._edition.plan.directory
        rows = []
        for row in view.rows(items):
            if open_only and not row.standing.owed:
                continue
            if unit is not None:
                units = units_of_cell(row.standing.cell, directory, view.today)
                if all(each.id != unit for each in units):
                    continue
            if person is not None and view.role_of(person, row) is None:
                continue
            rows.append(row)
        rows.sort(key=lambda row: (row.standing.cell.due or row.occurrence.due, row.occurrence.id))
        return rows

    def role_of(self, person: str, row: Row, on: date) -> Way | None:
        """How a person may act for a cell: as its owner or a deputy, as a liaison, or not at all."""
        return role_of(person, row.standing.cell, row.item, self._edition.plan.directory, on)

    def find(self, occurrence: str, cell: str, now: datetime) -> Row:
        """The one cell that is meant by an occurrence's id and a cell's id or name.

        Raises :class:`Refused` that says what there is.
        """
        return self.view(now).find(occurrence, cell)

    def record(self, actor: Actor, entry: Entry, now: datetime) -> Recorded:
        """Record one transition.  Raises :class:`Refused`."""
        return self.record_all(actor, [entry], now)[0]

    def record_all(self, actor: Actor, entries: Sequence[Entry], now: datetime) -> list[Recorded]:
        """Record several in one transaction: all that is not there already, or nothing.

        Raises :class:`Refused` for the first that cannot be.
        """
        view = self.view(now)
        new = [_new(actor, entry, view)[1] for entry in entries]
        found = self._ledger.record_duties(self._edition.plan.id, new, now)
        if found and found[-1].effect is Effect.REFUSED:  # not from its state, or somebody was quicker
            raise Refused(_not_from(entries[len(found) - 1], found[-1].state))
        return found

    def check(self, actor: Actor, entry: Entry, now: datetime) -> Row:
        """The cell that would be recorded; raises :class:`Refused` as :meth:`record` would."""
        found = self.check_all(actor, [entry], now)[0]
        if isinstance(found, Refused):
            raise found
        return found

    def check_all(self, actor: Actor, entries: Sequence[Entry], now: datetime) -> list[Row | Refused]:
        """For each entry the cell that would be recorded, as it stands now, or why it would not be."""
        view = self.view(now)
        found: list[Row | Refused] = []
        for entry in entries:
            try:
                row, _ = _new(actor, entry, view)
                starts, leads = TRANSITIONS[entry.action]
                if row.standing.state not in (*starts, leads):
                    raise Refused(_not_from(entry, row.standing.state))
                found.append(row)
            except Refused as refused:
                found.append(refused)
        return found

    def snooze(self, actor: Actor, occurrence: str, person: str, until: date, now: datetime) -> None:
        """No reminders about an occurrence for a person before the morning of a day.

        Raises :class:`Refused` for a day that is past or too far: not beyond the due
        date, or once it is due, five working days.
        """
        view, calendar = self.view(now), self._edition.calendar
        today, facts = view.today, view.facts
        if actor.way not in _ADMIN and actor.id != person:
            raise Refused("只能为自己设暂缓；没有登记")
        item, found = view.occurrence(occurrence)
        rows = [
            row
            for row in view.rows_of(item, found)
            if row.standing.owed and view.role_of(person, row) is not None
        ]
        if not rows:
            raise Refused(f"“{person}”在 {found.id} 没有未办结的事项，不需要暂缓；没有登记")
        dues = [row.standing.cell.due or row.occurrence.due for row in rows]
        latest = max(*dues, calendar.after(today, SNOOZE_WORKDAYS))
        if not today < until <= latest:
            raise Refused(f"暂缓至 {until} 不行：可选 {today + timedelta(days=1)} 至 {latest}；没有登记")
        under = found.recorded_under[0]
        detail = {"person": person, "occurrence": under, "until": until.isoformat(), "way": actor.way.value}
        # Numbered: of fifty who ask the same at once one is recorded, and who asked for another day asks again.
        earlier = [each for each in facts.snoozes if (each.person, each.occurrence) == (person, under)]
        if earlier and earlier[-1].until == until:
            return
        key = f"{under}|{person}|{len(earlier) + 1}"
        plan_id = self._edition.plan.id
        if not self._ledger.remember(plan_id, FactKind.SNOOZE, key, by=actor.id, detail=detail, now=now):
            self.snooze(actor, occurrence, person, until, now)


def _new(actor: Actor, entry: Entry, view: View) -> tuple[Row, NewDutyEvent]:
    """The cell that is meant and the record of it; raises :class:`Refused`."""
    row = view.find(entry.occurrence, entry.cell)
    way, for_ = actor.way, ""
    if way not in _ADMIN:
        found = view.role_of(actor.id, row)
        if found is None:
            raise Refused(f"{row.standing.cell.title}不由您办理，没有登记；如有变动请告知联系人")
        if entry.action not in _OWN:
            raise Refused(f"{ACTION_TEXT[entry.action]}由管理员办理，请与联系人说明")
        way = found
        for_ = _in_place_of(actor.id, row, found, view)
    note = _note(entry, row)
    on = _day(entry, row, view)
    under, cell = row.occurrence.recorded_under, row.standing.cell.id
    return row, NewDutyEvent(under, cell, entry.action, actor.id, way, on, note, for_)


def _in_place_of(person: str, row: Row, way: Way, view: View) -> str:
    cell = row.standing.cell
    if any(owner.id == person for owner in cell.owners):
        return ""
    if way is Way.LIAISON:
        return cell.id  # a unit, or the person
    directory = view.edition.plan.directory
    absent = [
        owner.id
        for owner in cell.owners
        if any(each.id == person for each in directory.deputies_of(owner.id, view.today))
    ]
    return absent[0]


def _note(entry: Entry, row: Row) -> str:
    note = " ".join(entry.note.split())
    if row.item.spec.private:
        if note:
            raise Refused(
                f"“{row.item.spec.title}”是非公开事项，只登记日期，不登记任何说明；没有登记", About.NOTE
            )
        return ""
    if entry.action in _REASONED and not note:
        raise Refused(f"{ACTION_TEXT[entry.action]}须写明理由（命令行用 --reason）；没有登记", About.NOTE)
    if len(note) > LONGEST_NOTE:
        raise Refused(
            f"说明有{len(note)}字，最多{LONGEST_NOTE}字：写日期、地点等要点即可；没有登记", About.NOTE
        )
    if not note.isprintable():
        raise Refused("说明里有不可见的控制字符；没有登记", About.NOTE)
    return note


def _day(entry: Entry, row: Row, view: View) -> date | None:
    today = view.today
    occurrence, due = row.occurrence, row.standing.cell.due or row.occurrence.due
    duty = row.item.spec.duty
    assert duty is not None  # only duties have cells
    if entry.action is DutyAction.BOOK:
        if entry.on is None:
            raise Refused("登记安排须写明日期；没有登记", About.ON)
        if duty.gate and today > due:
            raise Refused(
                f"“{row.item.spec.title}”须在 {due} 或之前办理，不能再安排；请报告机关党委；没有登记",
                About.ON,
            )
        last = due if duty.gate else max(due, today) + EARLY
        if not today <= entry.on <= last:
            raise Refused(f"安排在 {entry.on} 不行：可选 {today} 至 {last}；没有登记", About.ON)
        return entry.on
    if entry.action is not DutyAction.DONE:
        return None
    on = entry.on or today
    if on > today:
        raise Refused(f"办结日期 {on} 还没有到：今天是 {today}；尚未办的请用登记安排；没有登记", About.ON)
    first = occurrence.first if isinstance(row.item.spec.when, EveryWhen) else occurrence.opens - EARLY
    if on < first:
        raise Refused(f"办结日期 {on} 早于本期：应不早于 {first}；没有登记", About.ON)
    if duty.gate and on > due:
        raise Refused(
            f"“{row.item.spec.title}”须在 {due} 或之前办理，{on} 办的不能登记为办结；"
            "如日期有误请更正，如确未按期办理请报告机关党委；没有登记",
            About.ON,
        )
    cell = row.standing.cell
    start = occurrence.period[0] if occurrence.period is not None else occurrence.opens
    if cell.since is not None and start < cell.since:
        there = cells_of(row.item, view.edition.plan.directory, max(on, start))
        if all(each.id != cell.id for each in there):  # a talk with whoever held the post before
            raise Refused(
                f"办结日期 {on} 不行：“{cell.title}”自 {cell.since} 起承担本项，此前的不算；没有登记",
                About.ON,
            )
    return on


def _not_from(entry: Entry, state: DutyState) -> str:
    return (
        f"{entry.occurrence} 的“{entry.cell}”现在是{DUTY_STATE_TEXT[state]}，"
        f"不能{ACTION_TEXT[entry.action]}；{_POSSIBLE[state]}；没有登记"
    )
