"""``migrate``: make the ledger, or bring it to the shape of this version."""

from __future__ import annotations

from reminder.cli.app import DataOption, Format, FormatOption, app, settings_of
from reminder.cli.usage import Command


@app.command(cls=Command)
def migrate(data: DataOption = None, format: FormatOption = Format.TABLE) -> None:
    """建立台账，或升级台账的结构。台账在 PostgreSQL 中时，首次使用和升级程序后执行一次。"""
    from reminder.cli.output import print_json
    from reminder.cli.running import writable
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind
    from reminder.ledger.schema import HEAD

    settings = settings_of(data=data)
    now = SystemClock().now()
    if settings.database_url is None:
        writable(settings.data)
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, upgrade=True) as ledger:
        place, created = ledger.place, ledger.created
    if format is Format.JSON:
        print_json({"ledger": place, "schema": HEAD, "created": created.isoformat()})
    else:
        print(f"台账 {place} 可用，结构版本 {HEAD}。")
