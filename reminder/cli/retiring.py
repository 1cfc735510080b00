"""``ledger retire`` and ``ledger verify``: months that leave the ledger for an archive, and what is in one.

Registered beside ``ledger`` itself, in :mod:`~reminder.cli.records`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.calendars.lunar import FIRST_YEAR, LAST_YEAR
from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    settings_of,
)
from reminder.errors import ReminderError, UsageError

if TYPE_CHECKING:
    from reminder.backup.months import MonthsManifest, Verified
    from reminder.ledger.months import Retirement
    from reminder.settings import Settings

LONGEST_REASON = 200


def retire(
    before: Annotated[str, typer.Option("--before", help="归档此月之前的全部月份，如 2024-01；此月起的留下")],
    archive: Annotated[Path, typer.Option("--archive", help="归档文件，不能已经存在，如 2023.tar.gz")],
    reason: Annotated[str, typer.Option("--reason", help="理由（记入台账）")] = "",
    by: Annotated[str, typer.Option("--by", help="由谁办理（记入台账）：姓名、职务或部门")] = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """把过去月份的消息写入归档文件，读回核对无误后移出台账。提醒和决定留下，不会因此重发。不执行就永不移除。"""
    from reminder.agenda.instants import zone_of
    from reminder.backup.months import Wanted
    from reminder.backup.months import retire as carry_out
    from reminder.cli.people import author_of
    from reminder.cli.planning import edition_of
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind
    from reminder.recording.retiring import owed_text, still_owed
    from reminder.recording.view import View

    month = _month(before)
    said = " ".join(reason.split())
    if not said:
        raise UsageError("请用 --reason 写明为什么移出台账，将记入台账，如 --reason 已满保管期限")
    if len(said) > LONGEST_REASON or not said.isprintable():
        raise UsageError(f"--reason 写一行，最多{LONGEST_REASON}字")
    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    now, zone = SystemClock().now(), zone_of(edition.plan.head.timezone)
    today = now.astimezone(zone).date()
    author = author_of(by, edition.plan.directory, today)
    if month > today.replace(day=1):
        raise UsageError(f"{before} 之前的月份还没有过完，没有归档：--before 最晚可写 {today:%Y-%m}")
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False) as ledger:
        if ledger.holds.standing().hold is not None:
            raise ReminderError(
                "台账已暂停，不知道此后发过什么，没有归档：请先执行 reminder resume 核对并确认"
            )
        plan_id = edition.plan.id
        view = View(edition, ledger.facts(plan_id, ledger.transport(plan_id)), now)
        if owed := still_owed(view, month):
            raise ReminderError(
                f"{before} 之前开始的期次还有没有办结的：{owed_text(owed)}。没有归档，台账未变："
                "请先登记办结、免办，或把 --before 写早一些"
            )
        until = datetime.combine(month, time.min, zone).astimezone(UTC)
        wanted = Wanted(plan_id, edition.plan.head.timezone, before, until, author, said)
        made, size = carry_out(ledger, wanted, archive, now)
    if format is Format.JSON:
        from reminder.cli.output import print_json

        print_json({"file": str(archive), "bytes": size, **_made_json(made)})
        return
    _print_made(made, archive, size)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="归档文件")],
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """核对归档文件：校验和、各表行数、每一行、每条消息的内容；台账在时，核对它是否由该台账归档。"""
    from reminder.backup.months import verify as examine
    from reminder.cli.output import print_json

    found = examine(file)
    known = _recorded(settings_of(data=data), found)
    manifest = found.manifest
    if format is Format.JSON:
        print_json(
            {
                "file": str(file),
                "bytes": found.size,
                "sha256": found.sha256,
                "recorded": known,
                "plan": manifest.plan,
                "before": manifest.before,
                "since": manifest.since or None,
                "until": manifest.until,
                "by": manifest.by,
                "reason": manifest.reason,
                "created_at": manifest.created_at,
                "tables": {name: each.rows for name, each in manifest.tables.items()},
            }
        )
        return
    print(f"归档文件完好：{file}")
    print(f"校验和 SHA-256：{found.sha256}")
    _print_manifest(manifest)
    if known is None:
        print("这里没有台账，无法查对是否由本单位的台账归档。")
    elif known:
        print("台账记有这次归档，校验和一致。")
    else:
        print("台账中没有这次归档的记录：可能属于另一本台账，或归档中断、没有移除任何记录。")


def _month(text: str) -> date:
    """The first day of ``2024-01``."""
    if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII) and FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        return date(int(text[:4]), int(text[5:]), 1)
    raise UsageError(f"--before 的值“{text}”不是月份；月份写作 2024-01")


def _recorded(settings: Settings, found: Verified) -> bool | None:
    """Whether the ledger knows of it; None where there is no ledger that could say."""
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger

    try:
        opened = Ledger.open(settings.ledger, kind=None, now=SystemClock().now(), create=False)
    except ReminderError:
        return None
    with opened:
        done = opened.months.retirements(found.manifest.plan)
    return any(each.sha256 == found.sha256 for each in done)


def _made_json(made: Retirement) -> dict[str, Any]:
    return {
        "sha256": made.sha256,
        "before": made.before,
        "since": made.since.isoformat() if made.since is not None else None,
        "until": made.until.isoformat(),
        "by": made.by,
        "reason": made.reason,
        "tables": {
            name: {"rows": each.rows, "sha256": each.sha256, "removed": name in _removed()}
            for name, each in made.tables.items()
        },
    }


def _print_made(made: Retirement, archive: Path, size: int) -> None:
    print(f"已归档：{archive}（{-(-size // 1024)} KB，已读回并与台账逐表核对）")
    print(f"校验和 SHA-256：{made.sha256}（已记入台账）")
    _print_tables({name: each.rows for name, each in made.tables.items()})
    print(f"{made.before} 之前的消息已移出台账；提醒和决定仍在，不会重发。")
    print("请把归档文件存放到另外两处：台账中已没有这些消息。其中有姓名、地址和消息全文，只让需要的人读取。")
    print(f"核对：reminder ledger verify {archive}")


def _print_manifest(manifest: MonthsManifest) -> None:
    first = f"{manifest.since[:10]} 起，" if manifest.since else ""
    print(f"内容：计划 {manifest.plan}，{first}{manifest.before} 之前（{manifest.timezone}）")
    print(f"办理：{manifest.by}，{manifest.created_at}；理由：{manifest.reason}")
    _print_tables({name: each.rows for name, each in manifest.tables.items()})


def _print_tables(tables: dict[str, int]) -> None:
    from reminder.cli.moving import TABLES
    from reminder.cli.output import print_table

    rows = [
        (TABLES[name], name, str(number), "移出" if name in _removed() else "副本")
        for name, number in tables.items()
    ]
    print_table(("内容", "表", "行数", "台账"), rows)


def _removed() -> set[str]:
    from reminder.ledger.months import LEAVE

    return {table.name for table in LEAVE}
