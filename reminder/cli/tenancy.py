"""``run`` and ``worker`` for many offices: one process, one ledger on PostgreSQL, an office a folder."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

import typer

from reminder.cli.running import writable

if TYPE_CHECKING:
    from reminder.daemon import Page
    from reminder.daemon.tenancy import Tenancy
    from reminder.settings import Settings


def run_tenancy(settings: Settings, *, works_only: bool = False) -> NoReturn:
    """Run every office of ``settings.offices``, or only send for it, until a signal ends it."""
    from reminder import log
    from reminder.backup.guard import not_foreign, open_ledger
    from reminder.cli.planning import load_reader
    from reminder.cli.wiring import furnish, heartbeat_of, page_of_tenancy
    from reminder.clock import SystemClock
    from reminder.daemon.tenancy import Tenancy
    from reminder.lock import DataFolderLock
    from reminder.offices import office_names

    assert settings.offices is not None
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # before it listens, its default would end the process
    log.set_up(settings.log_level, settings.log_format)
    office_names(settings.offices)
    load_reader()
    writable(settings.data)
    lock = DataFolderLock(settings.lock)
    lock.acquire()
    clock = SystemClock()
    ledger = open_ledger(settings.ledger, settings.high_water, clock.now())
    try:
        not_foreign(ledger, settings.high_water)
        tenancy = Tenancy(settings, ledger, clock, furnish, heartbeat_of(settings), works_only=works_only)
        page = None if works_only else page_of_tenancy(settings, tenancy, clock)
        code = tenancy.run(
            lambda: print(_banner(tenancy, page, settings, works_only=works_only), flush=True), page
        )
        if tenancy.left_in_flight:
            print("已停止；有消息正在发送，下次启动时接续。", flush=True)
            ledger.close()
            os._exit(code)
    finally:
        ledger.close()
        lock.release()
    print("已停止。", flush=True)
    raise typer.Exit(code)


def _banner(tenancy: Tenancy, page: Page | None, settings: Settings, *, works_only: bool) -> str:
    names = list(tenancy.tenants)
    shown = "、".join(names[:8]) + (f"等 {len(names)} 个" if len(names) > 8 else "")
    lines = [
        f"单位文件夹：{settings.offices}（{shown or '还没有单位；建好文件夹后自动运行'}）",
        f"台账：{settings.ledger_shown}（查看：reminder ledger --office 单位）",
        f"运行状况：{settings.health}（查看：reminder health）；停止：Ctrl-C",
    ]
    if works_only:
        lines.append("工作节点：只发送，不排定提醒，不提供网页。")
    elif page is None:
        lines.append("网页控制台：不提供（REMINDER_LISTEN=off）")
    else:
        lines.append(
            page.problem or f"网页控制台：http://{page.address}/，按各单位网址（office.env）的主机名区分"
        )
    return "\n".join(lines)
