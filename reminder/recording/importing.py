"""Duties done, from a table that somebody filled in: all of it, or nothing with every fault at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from reminder.agenda.facts import DutyAction, DutyState
from reminder.agenda.occurrences import Occurrence
from reminder.errors import PlanProblems, Problem
from reminder.ledger.facts import Effect, Recorded
from reminder.plan.fields import did_you_mean
from reminder.plan.model import Item
from reminder.recording.recorder import Actor, Entry, Recorder
from reminder.recording.sheets import Line, read_sheet
from reminder.recording.view import NOT_RECORDED, About, Refused, Row, View

ITEM, OCCURRENCE, CELL, ON, NOTE = "事项", "期次", "承担者", "办结日期", "备注"
HEADS: dict[str, Sequence[str]] = {
    ITEM: ("事项", "条款", "事项/条款", "事项（条款）", "事项编号"),
    OCCURRENCE: ("期次", "期次编号"),
    CELL: ("承担者", "承担单位", "承担人", "单位"),
    ON: ("办结日期", "完成日期", "办结日"),
    NOTE: ("备注", "说明"),
}
FOR_THE_READER = ("截止日期",)
"""Columns of the table to be filled in that say something and are not read back."""
REQUIRED = (OCCURRENCE, CELL, ON)
_COLUMN = {About.OCCURRENCE: OCCURRENCE, About.CELL: CELL, About.ON: ON, About.NOTE: NOTE}
_EXCEL_DAYS = (36526, 73415)
"""What Excel calls 2000-01-01 and 2100-12-31; days are counted from 1899-12-30."""
_EXCEL_ZERO = date(1899, 12, 30)
_DATE = re.compile(r"(\d{4})\s*[-/.．／年]\s*(\d{1,2})\s*[-/.．／月]\s*(\d{1,2})\s*日?(?:\s+0?0:00(?::00)?)?")
_WRITTEN = "日期写作 2026-06-30、2026/6/30 或 2026年6月30日"


@dataclass(frozen=True, slots=True)
class Planned:
    """One row of the table that can be recorded, with the cell as it stands now."""

    line: Line
    entry: Entry
    row: Row

    @property
    def already(self) -> bool:
        """Whether it is done already, so that nothing will change."""
        return self.row.standing.state is DutyState.DONE


@dataclass(frozen=True, slots=True)
class Examined:
    """What a table comes to: rows to be recorded, how many say nothing yet, and columns not read."""

    planned: tuple[Planned, ...]
    blank: int
    ignored: tuple[str, ...]


def examine_table(
    path: Path, recorder: Recorder, actor: Actor, now: datetime, data: bytes | None = None
) -> Examined:
    """Read a table (of a file that was sent, from its ``data``) and try every row of it without recording any.

    A row without a date says that nothing was done yet, and is passed over.
    Raises ``PlanProblems`` with every fault of every row, and ``ReminderError``
    for a file that is no table.
    """
    sheet = read_sheet(path, HEADS, REQUIRED, data)
    view = recorder.view(now)
    problems = list(sheet.problems)
    broken = {problem.position.line for problem in problems}
    read: list[tuple[Line, Entry]] = []
    blank = 0
    for line in sheet.lines:
        if line.number in broken:
            continue
        if not line.text(ON):
            if line.text(NOTE):
                problems.append(line.problem(ON, "有备注而没有办结日期", _WRITTEN, "尚未办结的，请删去备注"))
            blank += 1
            continue
        found = _entry(line, view)
        if isinstance(found, Entry):
            read.append((line, found))
        else:
            problems += found
    tried = recorder.check_all(actor, [entry for _, entry in read], now)
    planned = []
    for (line, entry), outcome in zip(read, tried, strict=True):
        if isinstance(outcome, Refused):
            column = _COLUMN[outcome.about] if outcome.about is not None else CELL
            problems.append(line.problem(column, str(outcome).removesuffix(NOT_RECORDED)))
        else:
            planned.append(Planned(line, entry, outcome))
    problems += _twice(planned)
    if problems:
        raise PlanProblems(sorted(problems, key=lambda each: each.sort_key))
    ignored = tuple(head for head in sheet.ignored if head not in FOR_THE_READER)
    return Examined(tuple(planned), blank, ignored)


def record_table(
    examined: Examined, recorder: Recorder, actor: Actor, now: datetime
) -> list[tuple[Planned, Recorded]]:
    """Record all of a table in one transaction; raises ``Refused``, and nothing is recorded."""
    found = recorder.record_all(actor, [each.entry for each in examined.planned], now)
    return list(zip(examined.planned, found, strict=True))


def changed(found: Iterable[tuple[Planned, Recorded]]) -> int:
    """How many rows changed anything."""
    return sum(recorded.effect is Effect.RECORDED for _, recorded in found)


def _twice(planned: Sequence[Planned]) -> Iterator[Problem]:
    first: dict[tuple[str, str], int] = {}
    for each in planned:
        key = (each.row.occurrence.recorded_under[0], each.row.standing.cell.id)
        if key in first:
            yield each.line.problem(CELL, f"与第 {first[key]} 行重复：同一期次、同一承担者只写一行")
        else:
            first[key] = each.line.number


def _entry(line: Line, view: View) -> Entry | list[Problem]:
    problems = []
    on = _day(line)
    if isinstance(on, Problem):
        problems.append(on)
    occurrence = _occurrence(line, view)
    if isinstance(occurrence, Problem):
        problems.append(occurrence)
    if not line.text(CELL):
        problems.append(line.problem(CELL, "没有写承担者", "写单位、姓名或职务；谈话写“领导/科室负责人”"))
    if problems or isinstance(on, Problem) or isinstance(occurrence, Problem):
        return problems
    return Entry(occurrence, line.text(CELL), DutyAction.DONE, on, line.text(NOTE))


def _day(line: Line) -> date | Problem:
    value = line.values[ON]
    if isinstance(value, date):
        return value
    text = line.text(ON)
    if re.fullmatch(r"\d{5}", text) and _EXCEL_DAYS[0] <= int(text) <= _EXCEL_DAYS[1]:
        return _EXCEL_ZERO + timedelta(days=int(text))
    match = _DATE.fullmatch(text) or re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text)
    if match is None:
        hint = "请写明年份" if re.match(r"\d{1,2}\D\d{1,2}", text) else ""
        return line.problem(ON, f"“{text[:20]}”不是日期", _WRITTEN, hint)
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return line.problem(ON, f"没有“{text}”这一天", _WRITTEN)


def _occurrence(line: Line, view: View) -> str | Problem:
    """The id of the occurrence: written out, or the item and its period in any form."""
    text, named = line.text(OCCURRENCE), line.text(ITEM)
    if not text:
        return line.problem(
            OCCURRENCE, "没有写期次", "期次写作 quarterly-report/2026Q3，或 2026Q3、2026年第三季度"
        )
    written = view.edition.plan.item(text.partition("/")[0]) if "/" in text else None
    if written is not None and written.spec.duty is not None:
        if named and written not in _items(named, view):
            return line.problem(
                ITEM, f"“{named}”与期次“{text}”不是同一事项", f"该期次属于“{written.spec.title}”"
            )
        return text
    if not named:
        allowed = "写出事项，或把期次写全，如 quarterly-report/2026Q3"
        return line.problem(ITEM, "没有写事项，期次也没有写全", allowed)
    items = _items(named, view)
    if not items:
        return _unknown_item(line, named, view)
    found = [each for item in items for each in view.in_view(item) if text in _called(item, each)]
    if len(found) == 1:
        return found[0].id
    if found:
        ids = "、".join(each.id for each in found)
        return line.problem(OCCURRENCE, f"“{named}”的“{text}”不止一个：{ids}", "请把期次写全")
    ids = "、".join(each.id for item in items for each in list(view.in_view(item))[-8:])
    return line.problem(OCCURRENCE, f"“{named}”没有已开始的期次“{text}”", f"可用：{ids or '（无）'}")


def _called(item: Item, occurrence: Occurrence) -> tuple[str, ...]:
    ids = (*occurrence.ids, *(each.partition("/")[2] for each in occurrence.ids))
    return (*ids, occurrence.label, f"{item.spec.title}（{occurrence.label}）")


def _items(named: str, view: View) -> list[Item]:
    """The items with a duty that an id, a title or a clause means."""
    owed = [item for item in view.edition.plan.items if item.spec.duty is not None]
    for found in (
        [item for item in owed if named in item.ids],
        [item for item in owed if item.spec.title == named],
        [item for item in owed if _plain(item.spec.clause) == _plain(named)],
    ):
        if found:
            return found
    return []


def _plain(clause: str) -> str:
    return "".join(clause.split()).replace("(", "（").replace(")", "）").replace("．", ".")


def _unknown_item(line: Line, named: str, view: View) -> Problem:
    owed = [item for item in view.edition.plan.items if item.spec.duty is not None]
    names = [name for item in owed for name in (item.id, item.spec.title)]
    allowed = "可写事项编号、标题或条款，如 quarterly-report、活动开展情况报送、三（三）"
    return line.problem(ITEM, f"没有要办结的事项“{named}”", allowed, did_you_mean(named, names))
