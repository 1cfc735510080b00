"""``migrate``: make the ledger, bring it to the shape of this version, or move it up to PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from reminder.cli.app import DataOption, Format, FormatOption, app, settings_of
from reminder.cli.usage import Command
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.ledger.ledger import Ledger


@app.command(cls=Command)
def migrate(
    source: Annotated[
        str | None,
        typer.Option("--from", help="旧台账：文件名，或 sqlite:///文件名；把它整本迁移到 PostgreSQL"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--to", help="迁移到哪个数据库（默认 REMINDER_DATABASE_URL）；密码请放进密钥"),
    ] = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """建立台账，或升级台账的结构。台账在 PostgreSQL 中时，首次使用和升级程序后执行一次。用 --from 可把旧台账迁入。"""
    from reminder.cli.output import print_json
    from reminder.cli.running import writable
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind
    from reminder.ledger.schema import HEAD

    settings = settings_of(data=data, whole=True)
    if source is not None:
        from reminder.cli.moving import move

        move(settings, source, target, format)
        return
    if target is not None:
        raise UsageError(
            "请用 --from 写明迁移哪一本台账，如 reminder migrate --from var/ledger.sqlite3 --to …"
        )
    now = SystemClock().now()
    if settings.database_url is None:
        writable(settings.data)
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, upgrade=True) as ledger:
        place, created = ledger.place, ledger.created
        filed = sum(_filed(ledger, plan, now) for plan in ledger.plan_ids())
    if format is Format.JSON:
        print_json({"ledger": place, "schema": HEAD, "created": created.isoformat(), "filed": filed})
    else:
        print(f"台账 {place} 可用，结构版本 {HEAD}。")
        if filed:
            print(f"已了结的旧消息 {filed} 条按月归置，逐批核对，一条不少；以后由守护进程陆续归置。")


def _filed(ledger: Ledger, plan_id: str, now: datetime) -> int:
    """File all old messages of a plan; how many.  What somebody is in the way of is left to the daemons."""
    from reminder.ledger.errors import LedgerLocked

    total = 0
    try:
        while some := ledger.months.file_away(plan_id, now):
            total += some
    except LedgerLocked:
        pass
    return total
