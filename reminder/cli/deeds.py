"""``done``, ``book``, ``return``, ``waive``, ``reopen``, ``snooze``: what a person says of a duty."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reminder.cli.app import DataOption, SchedulesOption, TemplatesOption, app, parse_day
from reminder.cli.people import author_name, author_of
from reminder.cli.usage import Command

if TYPE_CHECKING:
    from reminder.agenda.facts import DutyAction

OccurrenceArgument = Annotated[
    str, typer.Argument(help="期次，如 quarterly-report/2026Q3（见 reminder duties）", metavar="OCCURRENCE")
]
CellArgument = Annotated[
    str,
    typer.Argument(help="承担者：单位、姓名、职务或编号；谈话写“领导/科室负责人”", metavar="CELL"),
]
ByOption = Annotated[str, typer.Option("--by", help="由谁登记（记入台账）：姓名、职务或部门")]
ReasonOption = Annotated[str, typer.Option("--reason", help="理由（记入台账）；非公开事项不写")]
NoteOption = Annotated[str, typer.Option("--note", help="说明（记入台账），如地点；非公开事项不写")]


@app.command(cls=Command)
def done(
    occurrence: OccurrenceArgument,
    cell: CellArgument,
    by: ByOption = "",
    on: Annotated[str | None, typer.Option("--on", help="办结日期，如 2026-06-18；默认今天")] = None,
    note: NoteOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """登记办结：此后不再提醒。"""
    from reminder.agenda.facts import DutyAction

    day = parse_day(on, "--on") if on is not None else None
    _record(DutyAction.DONE, occurrence, cell, by, day, note, (schedules, templates, data))


@app.command(cls=Command)
def book(
    occurrence: OccurrenceArgument,
    cell: CellArgument,
    on: Annotated[str, typer.Option("--on", help="安排在哪一天，如 2026-06-18")],
    by: ByOption = "",
    note: NoteOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """登记安排：已定下日期，还没有办。"""
    from reminder.agenda.facts import DutyAction

    day = parse_day(on, "--on")
    _record(DutyAction.BOOK, occurrence, cell, by, day, note, (schedules, templates, data))


@app.command("return", cls=Command)
def return_(
    occurrence: OccurrenceArgument,
    cell: CellArgument,
    reason: ReasonOption = "",
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """退回已办结的：恢复为待办，提醒继续。"""
    from reminder.agenda.facts import DutyAction

    _record(DutyAction.RETURN, occurrence, cell, by, None, reason, (schedules, templates, data))


@app.command(cls=Command)
def waive(
    occurrence: OccurrenceArgument,
    cell: CellArgument,
    reason: ReasonOption = "",
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """免办：本期不再要求，此后不再提醒。"""
    from reminder.agenda.facts import DutyAction

    _record(DutyAction.WAIVE, occurrence, cell, by, None, reason, (schedules, templates, data))


@app.command(cls=Command)
def reopen(
    occurrence: OccurrenceArgument,
    cell: CellArgument,
    reason: ReasonOption = "",
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """撤销登记：记错的办结或免办收回，恢复为待办。"""
    from reminder.agenda.facts import DutyAction

    _record(DutyAction.REOPEN, occurrence, cell, by, None, reason, (schedules, templates, data))


@app.command(cls=Command)
def snooze(
    occurrence: OccurrenceArgument,
    person: Annotated[str, typer.Option("--person", help="给谁暂缓：编号、姓名或职务")],
    until: Annotated[str, typer.Option("--until", help="到这一天早上为止不提醒，如 2026-06-25")],
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """暂缓提醒：一人在一期事项上，到某天早上为止不提醒；不改变截止日期。"""
    from reminder.agenda.facts import Way
    from reminder.cli.desk import recording, required_person
    from reminder.recording.recorder import Actor

    day = parse_day(until, "--until")
    with recording(schedules, templates, data) as (recorder, now, today):
        directory = recorder.edition.plan.directory
        author = author_of(by, directory, today)
        whom = required_person(person, directory, today)
        recorder.snooze(Actor(author, Way.COMMAND), occurrence, whom.id, day, now)
    print(f"已暂缓：{whom.name}在 {occurrence} 的提醒推迟到 {day} 早上，截止日期不变。")


def _record(
    action: DutyAction,
    occurrence: str,
    cell: str,
    by: str,
    on: date | None,
    note: str,
    folders: tuple[Path | None, Path | None, Path | None],
) -> None:
    from reminder.agenda.facts import Way
    from reminder.cli.desk import AFTER_TEXT, DONE_TEXT, day_text, recorded_text, recording, state_text
    from reminder.ledger.facts import Effect
    from reminder.recording.recorder import Actor, Entry

    with recording(*folders) as (recorder, now, today):
        directory = recorder.edition.plan.directory
        author = author_of(by, directory, today)
        recorded = recorder.record(Actor(author, Way.COMMAND), Entry(occurrence, cell, action, on, note), now)
        row = recorder.find(occurrence, cell, now)
    standing = row.standing
    what = f"{row.item.spec.title}（{row.occurrence.label}）“{standing.cell.title}”"
    if recorded.effect is Effect.RECORDED:
        day = f"，{day_text(standing)}" if day_text(standing) else ""
        print(
            f"{DONE_TEXT[action]}：{what}{day}。登记人：{author_name(author, directory)}。{AFTER_TEXT[action]}"
        )
        return
    day = f" {day_text(standing)}" if day_text(standing) else ""
    by_whom = f"，{recorded_text(standing.last, recorder.edition)}" if standing.last is not None else ""
    print(f"没有变化：{what}此前已是“{state_text(standing)}”{day}{by_whom}。")
    if on is not None and standing.done_on not in (None, on):
        print(f"要把办结日期改为 {on}，请先 reminder reopen 撤销，再登记。")
