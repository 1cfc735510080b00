"""任务: the plan by clause of the notice; one item with its occurrences and the ladder of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from reminder.agenda.alarms import Alarm, ladder
from reminder.agenda.approvals import covered
from reminder.agenda.occurrences import Occurrence
from reminder.calendars.arrangement import CERTAINTY_TEXT
from reminder.plan.model import Item, Rung
from reminder.plan.when import DrawWhen, EventWhen
from reminder.views.agenda import (
    AFTER_PLAN,
    Due,
    Lots,
    alarms_between,
    dues_on,
    lots_between,
    start_of,
)
from reminder.views.lines import AlarmLine, DueLine, Mood, alarm_lines, due_lines
from reminder.views.look import Look
from reminder.views.progress import (
    NOTHING_OWED,
    Bar,
    Progressed,
    Tally,
    by_clause,
    by_unit,
    due_in,
    progress,
    sum_of,
)
from reminder.views.wording import (
    CONDITIONS,
    UNPUBLISHED,
    audience_words,
    cadence,
    clause_part,
    duty_words,
    responsible_words,
    rung_words,
)

PAGE = 20
"""Occurrences on one page of an item."""
TRIED_AHEAD = 4
"""Coming alarms of an item that are asked whom they reach."""


@dataclass(frozen=True, slots=True)
class Next:
    """The next alarm of an item, whomever it will reach."""

    at: datetime
    rung: str
    certainty: str


@dataclass(frozen=True, slots=True)
class TaskLine:
    """An item in the list.  ``tally`` is of what is owed at present, None if nothing ever is.

    ``overdue`` counts what is past its due date, of earlier occurrences too.
    """

    item: Item
    cadence: str
    leaders: str
    units: str
    following: Next | None
    collected: str
    """Title of the item whose reminders name this one."""
    mood: Mood
    state: str
    tally: Tally | None
    overdue: int


@dataclass(frozen=True, slots=True)
class Part:
    """The items of one part of the notice, in plan order."""

    name: str
    lines: tuple[TaskLine, ...]


@dataclass(frozen=True, slots=True)
class Tasks:
    """Everything of the list; the charts count what was due or begun in ``year``."""

    parts: tuple[Part, ...]
    year: int
    total: Tally
    clauses: tuple[Bar, ...]
    units: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class RungLine:
    """One rung of the ladder, in words."""

    words: str
    to: str
    condition: str
    via: str
    approval: str
    """Who approves it, empty if nobody has to."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a timeline: an alarm, or a mark (opening, due) with its words."""

    at: datetime
    alarm: AlarmLine | None
    words: str
    past: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """One occurrence with its timeline; ``steps`` are in order of time."""

    line: DueLine
    occurrence: Occurrence
    span: tuple[date, date]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Everything of an item's page.  ``page`` counts from 1."""

    line: TaskLine
    duty: str
    collects: tuple[str, ...]
    """Titles of the items that are reported with it, of those the reader may see."""
    rungs: tuple[RungLine, ...]
    chosen: Chosen | None
    occurrences: tuple[DueLine, ...]
    number: int
    page: int
    pages: int
    lots: tuple[Lots, ...]


def tasks_of(look: Look) -> Tasks:
    """The plan, as far as the reader may see it."""
    found = progress(look)
    following = _following(look, look.items)
    parts: dict[str, list[TaskLine]] = {}
    for item in look.items:
        line = _task_line(look, item, [each for each in found if each.item.id == item.id], following)
        parts.setdefault(clause_part(item.spec.clause), []).append(line)
    head = look.edition.plan.head
    year = min(max(look.today.year, head.from_.year), head.until.year)
    counted = due_in(found, date(year, 1, 1), date(year, 12, 31))
    return Tasks(
        tuple(Part(name, tuple(lines)) for name, lines in parts.items()),
        year,
        sum_of(each.tally for each in counted),
        by_clause(counted, look.items),
        by_unit(counted, look),
    )


def task_of(look: Look, item: Item, occurrence: str = "", page: int = 0) -> Task:
    """One item that the reader may see.

    ``occurrence`` is the id whose timeline is shown, by default the one that is
    running, or the next, or the last; an unknown one counts as none given.
    ``page`` 0 is the one on which that occurrence stands.
    """
    dues = _dues(look, item)
    place = _place(look, dues, occurrence)
    pages = max(1, -(-len(dues) // PAGE))
    page = min(page, pages) if page > 0 else ((place or 0) // PAGE) + 1
    shown = dues[(page - 1) * PAGE : page * PAGE]
    mine = [each for each in progress(look) if each.item.id == item.id]
    duty = item.spec.duty
    return Task(
        _task_line(look, item, mine, _following(look, [item])),
        duty_words(duty) if duty is not None else "",
        tuple(each.spec.title for each in look.items if each.spec.collect_with in item.ids),
        tuple(_rung_line(item, rung) for rung in item.rungs),
        _chosen(look, dues[place]) if place is not None else None,
        due_lines(look, shown),
        len(dues),
        page,
        pages,
        _lots(look, item),
    )


def _dues(look: Look, item: Item) -> list[Due]:
    head = look.edition.plan.head
    last = date(head.until.year + AFTER_PLAN, 12, 31)
    return [due for due in dues_on(look, head.from_, last) if due.item.id == item.id]


def _place(look: Look, dues: Sequence[Due], occurrence: str) -> int | None:
    """Where the wanted occurrence stands, or the one to show first."""
    for place, due in enumerate(dues):
        if occurrence and occurrence in due.occurrence.ids:
            return place
    for place, due in enumerate(dues):
        if due.occurrence.due_at >= look.now:
            # Before the next one begins, what is left of the last one is the matter in hand.
            begun = due.occurrence.opens <= look.today
            return place if begun or not place or not _left(look, dues[place - 1]) else place - 1
    return len(dues) - 1 if dues else None


def _left(look: Look, due: Due) -> bool:
    (line,) = due_lines(look, [due])
    return line.tally is not None and line.tally.owed > 0


def _chosen(look: Look, due: Due) -> Chosen:
    item, occurrence = due.item, due.occurrence
    alarms = ladder(item, item.rungs, occurrence, look.edition.calendar, look.zone)
    lines = alarm_lines(look, sorted(alarms, key=lambda alarm: alarm.order))
    opens = start_of(look, occurrence.opens)
    steps = [Step(line.at, line, "", line.at <= look.now) for line in lines]
    marks = [(occurrence.due_at, "截止")]
    if occurrence.opens != occurrence.due:
        marks.append((opens, "开始"))
    steps += [Step(at, None, words, at <= look.now) for at, words in marks]
    # At one instant an opening comes first and a due time last.
    steps.sort(key=lambda step: (step.at, step.words == "截止", step.alarm is not None))
    (line,) = due_lines(look, [due])
    return Chosen(line, occurrence, (occurrence.opens, occurrence.due), tuple(steps))


def _following(look: Look, items: Sequence[Item]) -> Mapping[str, Alarm]:
    """The next alarm of each item: the first of those close ahead that reaches somebody as things stand.

    Where none of them does, the first of all.
    """
    end = start_of(look, date(look.edition.plan.head.until.year + AFTER_PLAN, 12, 31))
    wanted = {item.id for item in items}
    ahead: dict[str, list[Alarm]] = {}
    for alarm in alarms_between(look, look.now, end):
        mine = ahead.setdefault(alarm.item.id, [])
        if alarm.item.id in wanted and alarm.at > look.now and len(mine) < TRIED_AHEAD:
            mine.append(alarm)
    return {
        item: next((each for each in mine if _heard(look, each)), mine[0])
        for item, mine in ahead.items()
        if mine
    }


def _heard(look: Look, alarm: Alarm) -> bool:
    (line,) = alarm_lines(look, [alarm])
    return line.heard


def _task_line(
    look: Look, item: Item, found: Sequence[Progressed], following: Mapping[str, Alarm]
) -> TaskLine:
    leaders, units = responsible_words(item)
    alarm = following.get(item.id)
    running = [each for each in found if each.occurrence.due_at >= look.now]
    overdue = sum(each.tally.overdue for each in found)
    mood, state = _state(look, item, found, running, alarm, overdue)
    other = look.edition.plan.item(item.spec.collect_with) if item.spec.collect_with else None
    return TaskLine(
        item,
        cadence(item),
        leaders,
        units,
        Next(alarm.at, rung_words(alarm.rung, hour=False).partition("，")[0], CERTAINTY_TEXT[alarm.status])
        if alarm is not None
        else None,
        other.spec.title if other is not None and look.sees(other) else "",
        mood,
        state,
        sum_of(each.tally for each in running) if running else None,
        overdue,
    )


def _state(
    look: Look,
    item: Item,
    begun: Sequence[Progressed],
    running: Sequence[Progressed],
    alarm: Alarm | None,
    overdue: int,
) -> tuple[Mood, str]:
    tally = sum_of(each.tally for each in running) if running else NOTHING_OWED
    if overdue:
        return Mood.BAD, f"超期 {overdue}"
    if tally.owed:
        return Mood.OPEN, "办理中"
    if tally.total:
        return Mood.DONE, "本期已办结"
    if begun and sum_of(each.tally for each in begun).total:
        return Mood.DONE, "上期已办结"
    if isinstance(item.spec.when, DrawWhen) and _lots(look, item):
        return Mood.WAIT, UNPUBLISHED
    if isinstance(item.spec.when, EventWhen):
        return Mood.NONE, "有事时登记"
    if alarm is not None:
        return Mood.NONE, "只提醒" if item.spec.duty is None else "未开始"
    ahead = look.edition.plan.head.until >= look.today and any(
        due.item.id == item.id for due in dues_on(look, look.today, look.edition.plan.head.until)
    )
    return Mood.NONE, "未开始" if ahead else "已结束"


def _lots(look: Look, item: Item) -> tuple[Lots, ...]:
    head = look.edition.plan.head
    first = max(head.from_, look.today)
    if first > head.until:
        return ()
    return tuple(each for each in lots_between(look, first, head.until) if each.item.id == item.id)


def _rung_line(item: Item, rung: Rung) -> RungLine:
    approval = covered(item, rung)
    return RungLine(
        rung_words(rung),
        audience_words(rung.to),
        CONDITIONS.get(rung.condition or "", ""),
        "、".join(str(route) for route in rung.via),
        audience_words(approval.by) if approval is not None else "",
    )
