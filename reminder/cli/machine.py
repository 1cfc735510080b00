"""What ``doctor`` finds of the machine: its clock, the data folder, and what is kept in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from reminder.cli.findings import BAD, GOOD, WARN, Finding, trouble
from reminder.errors import system_reason

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.settings import Settings


SMALLEST_FREE_BYTES = 200 * 1024 * 1024
FULL_BYTES = 4 * 1024 * 1024
OTHERS_MAY = 0o077
"""Of a file's mode: what is open to anybody but its owner."""
EARLIEST_PLAUSIBLE_YEAR = 2026
"""The clock of a machine with a dead battery starts at 1970 or 2000."""


def link_finding(settings: Settings) -> Finding:
    """Whether messages carry links, where the page is served, and whether the key is kept."""
    what = "登记链接"
    if settings.public_url is None:
        found = "未设 REMINDER_PUBLIC_URL：消息不带链接，只写明办结后告知谁"
        return Finding(what, GOOD, found)
    served = (
        f"页面在 {settings.listen}"
        if settings.listen is not None
        else "本机不提供页面（REMINDER_LISTEN=off）"
    )
    try:
        mode = settings.link_key.stat().st_mode
    except OSError:
        return Finding(what, GOOD, f"{settings.public_url}，{served}；密钥在发出第一个链接时生成")
    if mode & OTHERS_MAY:
        found = f"密钥 {settings.link_key} 可被他人读取，读到的人可代任何人登记"
        return Finding(what, WARN, found, f"chmod 600 {settings.link_key}")
    return Finding(what, GOOD, f"{settings.public_url}，{served}")


def draw_findings(edition: Edition, settings: Settings) -> Iterator[Finding]:
    """Whether the seeds of draws are kept where nobody else reads them; what they say is not looked at."""
    from reminder.agenda.draws import draw_items

    if not any(draw_items(edition.plan)):
        return
    what = "随机抽取"
    try:
        mode = settings.draws.stat().st_mode
    except FileNotFoundError:
        yield Finding(what, GOOD, "种子在守护进程启动时生成")
        return
    except OSError as error:
        yield Finding(
            what, WARN, f"种子文件 {settings.draws} 不能查看（{system_reason(error)}）", "请检查文件夹的权限"
        )
        return
    if mode & OTHERS_MAY:
        found = f"种子文件 {settings.draws} 可被他人读取，读到的人可预知抽查的日期和单位"
        yield Finding(what, WARN, found, f"chmod 600 {settings.draws}")
    else:
        yield Finding(what, GOOD, "种子只有运行服务的用户可读；承诺见 reminder draw list")


def folder_findings(settings: Settings) -> Iterator[Finding]:
    import os
    import shutil
    import tempfile

    folder = settings.data
    if not folder.exists():
        # To look is not to make: a folder named by mistake must not be there afterwards.
        above = next(each for each in folder.absolute().parents if each.exists())
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            yield Finding("数据目录", GOOD, f"{folder} 尚未建立，守护进程首次启动时建立")
        else:
            found = f"{folder} 不存在，也不能在 {above} 中建立"
            yield Finding("数据目录", BAD, found, "检查目录权限，或用 --data 指定可写的目录")
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding(
            "数据目录",
            BAD,
            f"{folder} 不可写（{system_reason(error)}）",
            "检查目录权限，或用 --data 指定可写的目录",
        )
        return
    if free < FULL_BYTES:
        found = f"{folder} 所在磁盘已满（剩余 {free // 2**20} MB），记不下来的不会发送"
        yield Finding("数据目录", BAD, found, "清理磁盘，之后会自动继续，未发出而仍然有效的提醒自动补发")
        return
    state = GOOD if free >= SMALLEST_FREE_BYTES else WARN
    yield Finding(
        "数据目录", state, f"{folder} 可写，剩余 {free // 2**20} MB", "" if state == GOOD else "请清理磁盘"
    )


def ledger_findings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether the ledger is there, whole, of this version, and sent from."""
    from reminder.backup.guard import HOLD_REMEDY, hold_of, hold_text, open_ledger
    from reminder.backup.highwater import read_mark
    from reminder.ledger.errors import LedgerError, LedgerMissing
    from reminder.plan.heading import heading_of

    what = "台账"
    try:
        ledger = open_ledger(settings.ledger, settings.high_water, now, create=False)
    except LedgerMissing as error:
        if read_mark(settings.high_water) is None:
            yield Finding(what, GOOD, "还没有（reminder run 首次启动时建立）")
        else:
            yield trouble(what, error)
        return
    except LedgerError as error:
        yield trouble(what, error)
        return
    try:
        faults = ledger.integrity()
        if faults:
            remedy = "停止守护进程，另存此文件，执行 reminder restore 恢复最近的备份"
            yield Finding(what, BAD, f"{ledger.place} 已损坏：{faults[0]}", remedy)
            return
        heading = heading_of(settings.schedules)
        # Over for this office, it may be.
        hold = hold_of(ledger, settings.high_water, now, heading.plan_id or "")
        if hold is not None:
            yield Finding(what, BAD, hold_text(hold, heading.zone), HOLD_REMEDY)
            return
        if ledger.file is None:
            yield Finding(what, GOOD, f"{ledger.place} 可用，未暂停")
            return
        size = ledger.file.stat().st_size / 2**20
        yield Finding(what, GOOD, f"{ledger.place} 完整（{size:.1f} MB），未暂停")
    except LedgerError as error:
        yield trouble(what, error)
    finally:
        ledger.close()


def clock_findings(edition: Edition, settings: Settings, now: datetime) -> Iterator[Finding]:
    from reminder.agenda.instants import zone_of

    local = now.astimezone(zone_of(edition.plan.head.timezone))
    text = f"{local:%Y-%m-%d %H:%M:%S}（{edition.plan.head.timezone}）"
    if local.year < EARLIEST_PLAUSIBLE_YEAR:
        yield Finding("时钟", BAD, text, "系统时间明显有误，请校时（如启用 NTP）")
        return
    newest = _newest_in_ledger(edition, settings, now)
    if newest is not None and (newest - now).total_seconds() > 120:
        yield Finding(
            "时钟", BAD, f"{text}，早于台账最后记录 {newest:%Y-%m-%d %H:%M} UTC", "系统时间倒退了，请校时"
        )
        return
    yield Finding("时钟", GOOD, text)


def _newest_in_ledger(edition: Edition, settings: Settings, now: datetime) -> datetime | None:
    from reminder.backup.guard import open_ledger
    from reminder.ledger.errors import LedgerError

    try:
        ledger = open_ledger(settings.ledger, settings.high_water, now, create=False)
        try:
            notes = ledger.notes(edition.plan.id, limit=1)
            return notes[0].at if notes else None
        finally:
            ledger.close()
    except LedgerError:  # said above, with its remedy
        return None
