"""``worker``: a node that only sends."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import typer

from reminder.cli.app import DataOption, SchedulesOption, TemplatesOption, app
from reminder.cli.usage import Command
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.settings import Settings


@app.command(cls=Command)
def worker(
    data: DataOption = None, schedules: SchedulesOption = None, templates: TemplatesOption = None
) -> None:
    """启动只负责发送的工作节点（台账在 PostgreSQL 中时）：不排定提醒，不提供网页。"""
    from reminder import log
    from reminder.backup.guard import not_foreign, open_ledger
    from reminder.checked import note_checked
    from reminder.cli.planning import edition_of
    from reminder.cli.running import node_settings, writable
    from reminder.cli.wiring import channels_for, heartbeat_of, secrets_mark_of
    from reminder.clock import SystemClock
    from reminder.daemon.worker import Worker
    from reminder.lock import DataFolderLock

    settings = node_settings(schedules, templates, data)
    if settings.offices is not None:
        from reminder.cli.tenancy import run_tenancy

        run_tenancy(settings, works_only=True)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # before it listens, its default would end the process
    log.set_up(settings.log_level, settings.log_format)
    _shares(settings)
    edition = edition_of(settings)
    writable(settings.data)
    lock = DataFolderLock(settings.lock)
    lock.acquire()
    note_checked(settings.checked, edition.digest, edition.public_url)
    clock = SystemClock()
    ledger = open_ledger(settings.ledger, settings.high_water, clock.now())
    try:
        not_foreign(ledger, settings.high_water)
        node = Worker(
            settings,
            edition,
            ledger,
            clock,
            channels_for(settings),
            heartbeat_of(settings),
            secrets_mark_of(settings),
        )
        code = node.run(lambda: print(_banner(node, settings), flush=True))
        if node.left_in_flight:
            # Python would wait for threads that a silent server holds; the ledger knows of them.
            print("已停止；有消息正在发送，由其他节点接续。", flush=True)
            os._exit(code)
    finally:
        ledger.close()
        lock.release()
    print("已停止。", flush=True)
    raise typer.Exit(code)


def _shares(settings: Settings) -> None:
    """Raises ``ReminderError`` where there is nothing to share, or what all nodes must have alike is missing."""
    from reminder.daemon.worker import has_link_key
    from reminder.ledger.address import is_postgres

    if not is_postgres(settings.ledger):
        raise UsageError(
            f"台账 {settings.ledger_shown} 是文件，只供一个进程使用；工作节点需要 PostgreSQL 台账："
            "请设置 REMINDER_DATABASE_URL，或用 reminder run"
        )
    has_link_key(settings)


def _banner(node: object, settings: Settings) -> str:
    from reminder.cli.running import plan_place
    from reminder.daemon.worker import Worker
    from reminder.ledger.records import Transport

    assert isinstance(node, Worker)
    live = node.transport is Transport.LIVE
    mode = "正式发送（live）" if live else "试运行（outbox）：只写文件"
    return "\n".join(
        [
            f"工作节点：{node.edition.plan.head.title}【{mode}】",
            f"计划：{plan_place(settings)}",
            f"台账：{settings.ledger_shown}；只发送，不排定提醒，不提供网页。",
            f"运行状况：{settings.health}（查看：reminder health）；停止：Ctrl-C",
        ]
    )
