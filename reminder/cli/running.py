"""``run``, ``live``, ``health``."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    confirm,
    settings_of,
)
from reminder.cli.planning import edition_of, load_reader
from reminder.cli.usage import Command
from reminder.errors import ReminderError, UsageError, system_reason

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.daemon import Daemon, Page
    from reminder.settings import Settings

AHEAD_SHOWN = 8
_OF_DAEMON = ("reminder.daemon", "reminder.backup.guard", "reminder.cli.wiring")
"""What a daemon needs besides what reads its plan."""


@app.command(cls=Command)
def run(
    data: DataOption = None, schedules: SchedulesOption = None, templates: TemplatesOption = None
) -> None:
    """启动守护进程。默认只写入 outbox（试运行），不真正发送。"""
    from reminder import log
    from reminder.checked import note_checked
    from reminder.clock import SystemClock
    from reminder.lock import DataFolderLock

    settings = node_settings(schedules, templates, data)
    if settings.offices is not None:
        from reminder.cli.tenancy import run_tenancy

        run_tenancy(settings)
    # A reload asked for before the daemon listens must not end it, which is the default.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log.set_up(settings.log_level, settings.log_format)
    # The ledger is asked for the plan first, and what asks it is loaded then.
    with _loading(*(_OF_DAEMON if not settings.follows_ledger else ())):
        edition = edition_of(settings)
    from reminder.backup.guard import open_ledger
    from reminder.cli.wiring import channels_for, heartbeat_of, page_of, secrets_mark_of
    from reminder.daemon import Daemon

    writable(settings.data)
    lock = DataFolderLock(settings.lock)
    lock.acquire()
    note_checked(settings.checked, edition.digest, edition.public_url)
    clock = SystemClock()
    ledger = open_ledger(settings.ledger, settings.high_water, clock.now())
    mark = secrets_mark_of(settings)
    try:
        daemon = Daemon(
            settings, edition, ledger, clock, channels_for(settings), heartbeat_of(settings), mark
        )
        page = page_of(settings, daemon, clock)
        banner = _banner(daemon, edition, settings, clock.now())
        code = daemon.run(lambda: print("\n".join([banner, *_page_lines(page, settings)]), flush=True), page)
        if daemon.left_in_flight:
            # Python would wait for threads that a silent server holds; the ledger knows of them.
            print("已停止；有消息正在发送，下次启动时接续。", flush=True)
            ledger.close()
            os._exit(code)
    finally:
        ledger.close()
        lock.release()
    print("已停止。", flush=True)
    raise typer.Exit(code)


def node_settings(schedules: Path | None, templates: Path | None, data: Path | None) -> Settings:
    """Those of a process that stays.  Raises ``UsageError`` where it is told to read its plan from two places."""
    settings = settings_of(schedules, templates, data, whole=True)
    if (schedules or templates) and settings_of(data=data, whole=True).follows_ledger:
        raise UsageError(
            "REMINDER_PLAN_FROM=ledger 时计划取自台账，不能再用 --schedules 或 --templates 指定文件夹：请删去其一"
        )
    return settings


def plan_place(settings: Settings) -> str:
    """Where the plan comes from, as people are told."""
    if not settings.follows_ledger:
        return str(settings.schedules)
    from reminder.editing.store import PlanStore

    brought = PlanStore(settings.published).brought()
    return f"台账中发布的第 {brought.number} 版" if brought is not None else "台账中发布的计划"


@contextmanager
def _loading(*modules: str) -> Iterator[None]:
    """Load modules beside what is done here, which mostly waits for the process that renders.

    What both need is loaded before: some packages import in circles, and such a
    circle must not be entered from two ends at once.
    """
    load_reader()

    def load() -> None:
        with suppress(Exception):  # whoever imports them by name meets the same, and tells of it
            for each in modules:
                import_module(each)

    thread = threading.Thread(target=load, name="loading")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def writable(folder: Path) -> None:
    """Make the data folder.  Raises ``ReminderError`` if nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReminderError(
            f"数据目录 {folder} 不可写（{system_reason(error)}）；"
            "请检查目录权限或磁盘空间，或用 --data 指定可写的目录"
        ) from None


def _banner(daemon: Daemon, edition: Edition, settings: Settings, now: datetime) -> str:
    from reminder.agenda.instants import zone_of
    from reminder.backup.guard import HOLD_REMEDY, hold_text
    from reminder.ledger.records import Transport
    from reminder.sweep.compose import shares_of

    if daemon.held is not None:
        mode = "已暂停：台账需要确认，什么也不发送；见下"
    elif daemon.transport is Transport.LIVE:
        mode = "正式发送（live）：到时将真正发出邮件和群消息"
    else:
        mode = "试运行（outbox）：只写文件，不会向任何人发送"
    head = edition.plan.head
    lines = [
        "=" * 64,
        f"  {head.title}",
        f"  【{mode}】",
        "=" * 64,
        f"计划：{plan_place(settings)}（{len(edition.plan.items)} 项，{head.from_} 至 {head.until}）",
    ]
    if daemon.held is not None:
        held = hold_text(daemon.held, zone_of(head.timezone))
        return "\n".join([*lines, f"{held}。", f"{HOLD_REMEDY}。确认后本进程自动继续，不必重启。"])
    lines.append("接下来：")
    upcoming = [alarm for alarm in daemon.sweeper.pending() if alarm.at > now][:AHEAD_SHOWN]
    for alarm in upcoming:
        names = list(dict.fromkeys(share.addressee.name for share in shares_of(alarm, edition)[0]))
        people = "、".join(names[:3]) + (f"等{len(names)}人" if len(names) > 3 else "")
        mark = "（预计）" if alarm.status == "provisional" else ""
        lines.append(
            f"  {alarm.at:%Y-%m-%d %H:%M}{mark}  {alarm.item.spec.title}（{alarm.occurrence.label}）"
            f"  → {people or '（无人）'}"
        )
    if not upcoming:
        lines.append("  近期没有提醒；更远的请看 reminder agenda")
    lines += [
        f"邮件与群消息写入：{settings.outbox}"
        if daemon.transport is Transport.OUTBOX
        else "通道：见 channels.yaml",
        f"台账：{settings.ledger_shown}（查看：reminder ledger）",
        f"运行状况：{settings.health}（查看：reminder health）；停止：Ctrl-C",
    ]
    return "\n".join(lines)


def _page_lines(page: Page | None, settings: Settings) -> list[str]:
    """Where the console is and links lead, or why they do not."""
    if page is None:
        return ["网页控制台：不提供（REMINDER_LISTEN=off）"]
    if page.problem:
        return [page.problem]
    public = f"，对外为 {settings.public_url}/" if settings.public_url else ""
    return [f"网页控制台：http://{page.address}/{public}（首次使用先执行 reminder passwd）"]


@app.command(cls=Command)
def live(
    by: Annotated[str | None, typer.Option("--by", help="由谁决定（记入台账）")] = None,
    off: Annotated[bool, typer.Option("--off", help="退回试运行")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """转为正式发送（或退回试运行）：记入台账，从此刻起的提醒才会真正发出。"""
    from reminder.agenda.instants import zone_of
    from reminder.backup.guard import open_ledger
    from reminder.cli.golive import obstacles
    from reminder.clock import SystemClock

    by = (by or "").strip()
    if not by:
        raise UsageError("请用 --by 写明由谁决定，将记入台账；如 reminder live --by 机关党委办公室")
    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings, whole=True)
    now = SystemClock().now()
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    if not off and (found := obstacles(edition, settings, today)):
        raise ReminderError("还不能转为正式发送：\n" + "\n".join(f"  - {each}" for each in found))
    question = "退回试运行（outbox），不再真正发送？" if off else "转为正式发送（live），到时将真正发出消息？"
    if not yes:
        confirm(question)
    writable(settings.data)
    now = SystemClock().now()  # the answer may have taken its time
    ledger = open_ledger(settings.ledger, settings.high_water, now)
    try:
        if off:
            ledger.go_outbox(edition.plan.id, by=by, now=now)
        else:
            ledger.go_live(edition.plan.id, by=by, now=now)
    finally:
        ledger.close()
    print("已退回试运行。" if off else "已转为正式发送；正在运行的守护进程会在一秒内切换。")


@app.command(cls=Command)
def health(data: DataOption = None, format: FormatOption = Format.TABLE) -> None:
    """守护进程是否正常：正常退出码为 0，否则为 1。"""
    from reminder.cli.output import print_json
    from reminder.clock import SystemClock
    from reminder.status import status_of

    settings = settings_of(data=data, whole=True)
    if settings.offices is not None and settings.office:
        settings = settings_of(data=data)
    status = status_of(settings.health, SystemClock().now())
    if format is Format.JSON:
        print_json({**status.raw, "healthy": not status.found, "problem": status.found})
    else:
        print(status.found or status.summary)
    if status.found:
        raise typer.Exit(1)
