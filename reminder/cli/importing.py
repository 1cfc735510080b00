"""``duties import``: what was done, recorded in bulk from a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reminder.cli.app import (
    DataOption,
    SchedulesOption,
    TemplatesOption,
    settings_of,
)
from reminder.cli.duties import duties_app, view_of
from reminder.cli.people import author_name, author_of
from reminder.cli.planning import edition_of
from reminder.cli.usage import Command
from reminder.errors import PlanProblems, UsageError

if TYPE_CHECKING:
    from reminder.recording.importing import Examined, Planned
    from reminder.settings import Settings


@duties_app.command("import", cls=Command)
def import_table(
    file: Annotated[
        Path | None, typer.Argument(help="填好的表：.xlsx 或 .csv（UTF-8、GBK 均可）", metavar="FILE")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="由谁登记（记入台账）：姓名、职务或部门")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只核对并列出将登记什么，不登记")] = False,
    template: Annotated[
        Path | None, typer.Option("--template", help="生成表样（.xlsx 或 .csv），列出全部未办结的")
    ] = None,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """按表格批量登记办结：全部核对无误才登记，有一处不对就一行也不登记。"""
    if (file is None) == (template is None):
        raise UsageError("请写要登记的文件名，或用 --template 文件名 生成表样")
    settings = settings_of(schedules, templates, data)
    if template is not None:
        _write_template(template, by, settings)
    elif file is not None:
        _import(file, by, settings, dry_run=dry_run)


def _write_template(path: Path, by: str, settings: Settings) -> None:
    from reminder.recording.template import rows_of, write_template

    view = view_of(settings)
    viewer = author_of(by, view.edition.plan.directory, view.today) if by else None
    rows = rows_of(view, viewer)
    write_template(path, rows)
    print(f"已写入 {path}：未办结的 {len(rows)} 项。填上办结日期后执行 reminder duties import {path} --by …")
    print("没有填日期的行不登记。非公开事项只在 --by 为承担者或掌握人时列出。")


def _import(path: Path, by: str, settings: Settings, *, dry_run: bool) -> None:
    import sys

    from reminder.agenda.facts import Way
    from reminder.agenda.instants import zone_of
    from reminder.cli.output import print_problems
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind
    from reminder.recording.importing import changed, examine_table, record_table
    from reminder.recording.recorder import Actor, Recorder

    edition = edition_of(settings)
    now = SystemClock().now()
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    author = author_of(by, edition.plan.directory, today) if by or not dry_run else ""
    actor = Actor(author, Way.IMPORT)
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False) as ledger:
        recorder = Recorder(ledger, edition)
        try:
            examined = examine_table(path, recorder, actor, now)
        except PlanProblems as faults:
            print_problems(faults.problems)
            print(f"共 {len(faults.problems)} 处问题，一行也没有登记；请改正后再执行。", file=sys.stderr)
            raise typer.Exit(1) from None
        recorded = [] if dry_run else record_table(examined, recorder, actor, now)
    _print_table(path, examined, dry_run=dry_run)
    if dry_run:
        fresh = sum(not each.already for each in examined.planned)
        print(f"核对无误：将登记 {fresh} 项办结。去掉 --dry-run 即登记。")
    else:
        print(f"已登记 {changed(recorded)} 项办结，登记人：{author_name(author, edition.plan.directory)}。")


def _print_table(path: Path, examined: Examined, *, dry_run: bool) -> None:
    from reminder.cli.output import print_table

    rows = [
        (
            str(each.line.number),
            each.row.item.spec.title,
            each.row.occurrence.id,
            each.row.standing.cell.title,
            str(each.entry.on),
            each.entry.note,
            _outcome(each, dry_run=dry_run),
        )
        for each in examined.planned
    ]
    columns = ("行", "事项", "期次", "承担者", "办结日期", "备注", "结果")
    if rows:
        print_table(columns, rows, f"{path.name}，共 {len(rows)} 行有办结日期")
    if examined.blank:
        print(f"没有填办结日期的 {examined.blank} 行：不登记。")
    if examined.ignored:
        print(f"没有读取的列：{'、'.join(examined.ignored)}。")


def _outcome(each: Planned, *, dry_run: bool) -> str:
    if each.already:
        return f"此前已登记为 {each.row.standing.done_on} 办结，未作更改"
    return "将登记" if dry_run else "已登记"
