"""``report``: the account (台账) that an office hands in, and whether one is still what was written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reminder.cli.app import (
    DataOption,
    SchedulesOption,
    TemplatesOption,
    app,
    parse_days,
    settings_of,
    span_of,
)
from reminder.cli.people import author_name
from reminder.cli.planning import edition_of
from reminder.cli.usage import Command
from reminder.errors import ReminderError, UsageError, system_reason

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import Transport
    from reminder.reports.account import Account
    from reminder.settings import Settings

REPORTED = "report"
"""Kind of the note that an account was made: its span and its seal."""
MOST_ENTRIES = 10_000_000


@app.command(cls=Command)
def report(
    since: Annotated[str | None, typer.Option("--from", help="起始日期，如 2026-01-01")] = None,
    until: Annotated[str | None, typer.Option("--to", help="结束日期（含当日）")] = None,
    out: Annotated[Path, typer.Option("--out", help="存放文件的目录")] = Path(),
    verify: Annotated[
        Path | None, typer.Option("--verify", help="核对一份台账表格（.xlsx）是否被改动")
    ] = None,
    rehearsal: Annotated[bool, typer.Option("--rehearsal", help="编制试运行的台账")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """编制台账：一份表格（.xlsx）和一页概要（.docx）；或用 --verify 核对已有的表格。"""
    settings = settings_of(schedules, templates, data)
    if verify is not None:
        if since is not None or until is not None:
            raise UsageError("--verify 只核对文件，不与 --from、--to 同用")
        _verify(verify, settings)
        return
    if since is None or until is None:
        raise UsageError("请用 --from 和 --to 写明起止日期；如只核对已有的表格，请用 --verify 文件名")
    _write(settings, since, until, out, rehearsal=rehearsal)


def _write(settings: Settings, since: str, until: str, out: Path, *, rehearsal: bool) -> None:
    from reminder.agenda.instants import zone_of
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import Note, Transport
    from reminder.reports.document import write_document
    from reminder.reports.workbook import write_workbook

    days = parse_days(since, until)
    edition = edition_of(settings)
    start, end = span_of(days, zone_of(edition.plan.head.timezone))
    now = SystemClock().now()
    opened = Ledger.open(settings.ledger, kind=None, now=now, create=False)
    try:
        transport = Transport.OUTBOX if rehearsal else opened.transport(edition.plan.id)
        made = account_of(opened, edition, transport, start, end, min(now, end))
        stem = f"{edition.plan.id}-{since}-{until}"
        sheet, page = out / f"{stem}.xlsx", out / f"{stem}.docx"
        try:
            out.mkdir(parents=True, exist_ok=True)
            seal = write_workbook(made, sheet)
            write_document(made, page)
        except OSError as error:
            raise ReminderError(
                f"写不进 {out}（{system_reason(error)}）：请检查目录权限和磁盘空间，或用 --out 换一处"
            ) from None
        detail = {"from": since, "to": until, "seal": seal}
        opened.note(edition.plan.id, Note(REPORTED, now, "report", detail), transport)
    finally:
        opened.close()
    for line in made.summary:
        print(line)
    print(
        f"表格：{sheet}\n概要：{page}\n内容校验码：{seal}（已记入台账；核对：reminder report --verify {sheet}）"
    )


def account_of(
    opened: Ledger, edition: Edition, transport: Transport, start: datetime, end: datetime, now: datetime
) -> Account:
    """The account of [start, end) from an open ledger."""
    from reminder.ledger.shown import EntryFilter
    from reminder.reports.account import Sources, account

    wanted = EntryFilter(since=start, until=end, transport=transport, limit=MOST_ENTRIES)
    sources = Sources(
        edition,
        opened.facts(edition.plan.id, transport),
        opened.book.entries(edition.plan.id, wanted),
        opened.plan_versions(edition.plan.id, end),
        opened.holds.standing().identity,
        tuple(
            each.told(author_name(each.by, edition.plan.directory), start.tzinfo or UTC)
            for each in opened.months.retirements(edition.plan.id)
            if each.concerns(start, end)
        ),
    )
    return account(sources, start.date(), (end - timedelta(days=1)).date(), now)


def _verify(path: Path, settings: Settings) -> None:
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.reports.workbook import ReportDamaged, verify_workbook

    seal, sound = verify_workbook(path)
    if not sound:
        raise ReportDamaged(f"{path} 的内容与校验码 {seal} 不符：生成后被改动过，请以台账重新生成")
    try:
        opened = Ledger.open(settings.ledger, kind=None, now=SystemClock().now(), create=False)
    except ReminderError:
        print(f"内容与校验码相符：{seal}。这里没有台账，无法查对是否由本单位的台账生成。")
        return
    try:
        noted = [
            note
            for plan in opened.plan_ids()
            for note in opened.notes(plan, REPORTED)
            if note.detail.get("seal") == seal
        ]
    finally:
        opened.close()
    if not noted:
        raise ReportDamaged(
            f"{path} 的内容与自身的校验码 {seal} 相符，但台账中没有生成过它的记录：请核对来源"
        )
    first = noted[-1]
    print(f"内容与校验码相符：{seal}。台账记有 {first.detail['from']} 至 {first.detail['to']} 的这份台账。")
