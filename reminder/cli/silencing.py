"""``silence``: the operator's mute of an item, a unit or a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    parse_day,
)
from reminder.cli.people import author_name, author_of
from reminder.cli.usage import Command, Group
from reminder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import date
    from pathlib import Path

    from reminder.agenda.facts import Silence
    from reminder.check import Edition
    from reminder.recording.silences import Silences

silence_app = typer.Typer(
    cls=Group,
    name="silence",
    help="静默：一段时间内，某一事项、单位或人员的提醒不发送，也不补发。",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(silence_app)

ByOption = Annotated[str, typer.Option("--by", help="由谁决定（记入台账）：姓名、职务或部门")]


@silence_app.command("add", cls=Command)
def add(
    until: Annotated[str, typer.Option("--until", help="静默到哪一天（含当日），如 2026-06-30")],
    item: Annotated[str | None, typer.Option("--item", help="某一事项（任务编号）")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="某一单位承担的事项")] = None,
    person: Annotated[str | None, typer.Option("--person", help="发给某一人的提醒：编号、姓名或职务")] = None,
    reason: Annotated[str, typer.Option("--reason", help="理由（记入台账）")] = "",
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """设静默：从现在起到某天为止。"""
    from reminder.agenda.facts import SilenceKind
    from reminder.cli.desk import required_person
    from reminder.recording.silences import KIND_TEXT

    kinds = ((SilenceKind.ITEM, item), (SilenceKind.UNIT, unit), (SilenceKind.PERSON, person))
    given = [(kind, name) for kind, name in kinds if name is not None]
    if len(given) != 1:
        raise UsageError("请写明静默什么，且只写一种：--item（事项）、--unit（单位）或 --person（人员）")
    ((kind, name),) = given
    day = parse_day(until, "--until")
    with _opened(data, schedules, templates) as (silences, edition, now, today):
        directory = edition.plan.directory
        author = author_of(by, directory, today)
        if kind is SilenceKind.PERSON:
            name = required_person(name, directory, today).id
        made = silences.add(kind, name, day, by=author, reason=reason, now=now)
    shown = author_name(made.name, directory)
    print(f"已设静默 {made.id}：{KIND_TEXT[kind]}“{shown}”，至 {day}（含当日）。")
    print(f"其间到时的提醒不发送、不补发，记入台账。提前结束：reminder silence end {made.id} --by …")


@silence_app.command("list", cls=Command)
def list_silences(
    every: Annotated[bool, typer.Option("--all", help="也列出已经结束的")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """列出现行的静默。"""
    from reminder.cli.output import print_json, print_table
    from reminder.recording.silences import KIND_TEXT

    with _opened(data, schedules, templates) as (silences, edition, now, _):
        found = [each for each in silences.all() if every or each.holds(now)]
    if format is Format.JSON:
        print_json([_silence_json(each, now) for each in found])
        return
    if not found:
        print("没有静默。" if every else "没有现行的静默。")
        return
    directory = edition.plan.directory
    rows = [
        (
            each.id,
            KIND_TEXT[each.kind],
            author_name(each.name, directory),
            _until_text(each, edition),
            "现行" if each.holds(now) else "已结束",
            each.reason,
            author_name(each.by, directory),
        )
        for each in found
    ]
    print_table(("编号", "种类", "对象", "至", "情况", "理由", "设置人"), rows, f"静默，共 {len(rows)} 个")


@silence_app.command("end", cls=Command)
def end(
    silence: Annotated[str, typer.Argument(help="编号，如 S1", metavar="ID")],
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """提前结束静默；此前没有发的不补发。"""
    from reminder.recording.silences import KIND_TEXT

    with _opened(data, schedules, templates) as (silences, edition, now, today):
        author = author_of(by, edition.plan.directory, today)
        ended = silences.end(silence, by=author, now=now)
    shown = author_name(ended.name, edition.plan.directory)
    print(f"已结束静默 {ended.id}（{KIND_TEXT[ended.kind]}“{shown}”），此后的提醒照常发送。")


def _until_text(silence: Silence, edition: Edition) -> str:
    """The last day it holds, or the minute at which it was ended."""
    from reminder.agenda.instants import zone_of

    until = silence.until.astimezone(zone_of(edition.plan.head.timezone))
    if (until.hour, until.minute, until.second) == (0, 0, 0):
        return f"{until.date() - timedelta(days=1)}（含）"
    return f"{until:%Y-%m-%d %H:%M}"


def _silence_json(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "id": silence.id,
        "kind": str(silence.kind),
        "name": silence.name,
        "since": silence.since.isoformat(),
        "until": silence.until.isoformat(),
        "running": silence.holds(now),
        "reason": silence.reason,
        "by": silence.by,
    }


def _opened(
    data: Path | None, schedules: Path | None, templates: Path | None
) -> AbstractContextManager[tuple[Silences, Edition, datetime, date]]:
    """The silences in the daemon's ledger, which must be there; now, and today in the plan's zone."""
    from contextlib import contextmanager

    from reminder.cli.desk import recording
    from reminder.recording.silences import Silences

    @contextmanager
    def opened() -> Iterator[tuple[Silences, Edition, datetime, date]]:
        with recording(schedules, templates, data) as (recorder, now, today):
            yield Silences(recorder.ledger, recorder.edition), recorder.edition, now, today

    return opened()
