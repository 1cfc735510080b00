"""``doctor``: why it does not work, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    settings_of,
)
from reminder.cli.condition import daemon_findings, waiting_findings
from reminder.cli.findings import BAD, GOOD, MARKS, WARN, Finding
from reminder.cli.usage import Command
from reminder.errors import ReminderError, UsageError, system_reason

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.cli.wiring import Secrets
    from reminder.settings import Settings

LEAST_ADMINS = 2
SMALLEST_FREE_BYTES = 200 * 1024 * 1024
FULL_BYTES = 4 * 1024 * 1024
EARLIEST_PLAUSIBLE_YEAR = 2026
"""The clock of a machine with a dead battery starts at 1970 or 2000."""


@app.command(cls=Command)
def doctor(
    send_to: Annotated[str | None, typer.Option("--send-to", help="向此邮箱真实发送一封测试邮件")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="不连接邮件服务器和机器人")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """诊断：计划、密钥、邮件登录、机器人、日历、时钟、数据目录；给出处理办法。"""
    from reminder.cli.output import print_json, print_table
    from reminder.clock import SystemClock
    from reminder.log import redactor

    if send_to is not None:
        _check_address(send_to)
        if offline:
            raise UsageError("--offline 不连接服务器，不能同时用 --send-to 发送测试邮件；请删去其一")
    settings = settings_of(schedules, templates, data)
    findings = list(examine_all(settings, SystemClock().now(), offline=offline, send_to=send_to))
    if format is Format.JSON:
        keys = ("what", "state", "found", "remedy")
        print_json([{key: redactor(getattr(each, key)) for key in keys} for each in findings])
    else:
        rows = [
            (MARKS[each.state], each.what, redactor(each.found), redactor(each.remedy)) for each in findings
        ]
        print_table(("状态", "项目", "情况", "处理办法"), rows)
    if any(each.state == BAD for each in findings):
        raise typer.Exit(1)


def _check_address(address: str) -> None:
    from reminder.channels.errors import HeaderError
    from reminder.channels.headers import wire_address

    try:
        wire_address(address)
    except HeaderError as error:
        raise UsageError(f"--send-to：{error}") from None


def examine_all(
    settings: Settings, now: datetime, *, offline: bool, send_to: str | None
) -> Iterator[Finding]:
    """Every finding, most basic first."""
    from zoneinfo import ZoneInfo

    from reminder.agenda.instants import zone_of
    from reminder.cli.planning import examined
    from reminder.cli.wiring import secrets_of

    yield Finding(
        "运行环境", GOOD, f"Python {sys.version.split()[0]}，计划 {settings.schedules}，数据 {settings.data}"
    )
    yield from daemon_findings(settings, now)
    yield from _data_folder(settings)
    yield from _ledger(settings, now)
    try:
        examination = examined(settings)
    except ReminderError as error:  # it is taken from the ledger, and cannot be
        yield _trouble("计划", error)
        return
    errors, others = len(examination.errors), len(examination.problems) - len(examination.errors)
    if examination.edition is None:
        yield Finding(
            "计划", BAD, f"有 {errors} 处错误，不能采用", "执行 reminder check 查看每处错误的位置与改法"
        )
        yield from waiting_findings(settings, now, ZoneInfo("Asia/Shanghai"))
        if send_to is not None:
            yield Finding("测试邮件", BAD, "未发送：计划有误，不知道发信的设置", "更正计划后再试")
        return
    edition = examination.edition
    yield Finding(
        "计划",
        GOOD,
        f"{len(edition.plan.items)} 项任务，无错误；提示 {others} 处（reminder check）",
    )
    yield from _people(edition, now)
    yield from _calendar(edition, now)
    yield from _clock(edition, settings, now)
    yield from waiting_findings(settings, now, zone_of(edition.plan.head.timezone), edition.plan.id)
    yield from _wording(settings, now)
    yield _links(settings)
    yield from _draws(edition, settings)
    secrets = secrets_of(settings)
    yield from _channels(edition, secrets, now, offline=offline)
    if send_to is not None:
        yield _send(edition, secrets, send_to, now)


def _links(settings: Settings) -> Finding:
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
    if mode & 0o077:
        found = f"密钥 {settings.link_key} 可被他人读取，读到的人可代任何人登记"
        return Finding(what, WARN, found, f"chmod 600 {settings.link_key}")
    return Finding(what, GOOD, f"{settings.public_url}，{served}")


def _draws(edition: Edition, settings: Settings) -> Iterator[Finding]:
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
    if mode & 0o077:
        found = f"种子文件 {settings.draws} 可被他人读取，读到的人可预知抽查的日期和单位"
        yield Finding(what, WARN, found, f"chmod 600 {settings.draws}")
    else:
        yield Finding(what, GOOD, "种子只有运行服务的用户可读；承诺见 reminder draw list")


def _data_folder(settings: Settings) -> Iterator[Finding]:
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


def _ledger(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether the ledger is there, whole, of this version, and sent from."""
    from zoneinfo import ZoneInfo

    from reminder.backup.guard import HOLD_REMEDY, hold_of, hold_text, open_ledger
    from reminder.backup.highwater import read_mark
    from reminder.ledger.errors import LedgerError, LedgerMissing
    from reminder.plan.loader import load_plan

    what = "台账"
    try:
        ledger = open_ledger(settings.ledger, settings.high_water, now, create=False)
    except LedgerMissing as error:
        if read_mark(settings.high_water) is None:
            yield Finding(what, GOOD, "还没有（reminder run 首次启动时建立）")
        else:
            yield _trouble(what, error)
        return
    except LedgerError as error:
        yield _trouble(what, error)
        return
    try:
        faults = ledger.integrity()
        if faults:
            remedy = "停止守护进程，另存此文件，执行 reminder restore 恢复最近的备份"
            yield Finding(what, BAD, f"{ledger.place} 已损坏：{faults[0]}", remedy)
            return
        hold = hold_of(ledger, settings.high_water, now)
        plan = load_plan(settings.schedules).plan if hold is not None else None
        if plan is not None:
            hold = hold_of(ledger, settings.high_water, now, plan.id)  # over for this office, it may be
        if hold is not None:
            zone = ZoneInfo(plan.head.timezone if plan else "Asia/Shanghai")
            yield Finding(what, BAD, hold_text(hold, zone), HOLD_REMEDY)
            return
        if ledger.file is None:
            yield Finding(what, GOOD, f"{ledger.place} 可用，未暂停")
            return
        size = ledger.file.stat().st_size / 2**20
        yield Finding(what, GOOD, f"{ledger.place} 完整（{size:.1f} MB），未暂停")
    except LedgerError as error:
        yield _trouble(what, error)
    finally:
        ledger.close()


def _trouble(what: str, error: ReminderError) -> Finding:
    found, _, remedy = str(error).partition("：")
    return Finding(what, BAD, found, remedy)


def _people(edition: Edition, now: datetime) -> Iterator[Finding]:
    from reminder.agenda.instants import zone_of
    from reminder.sweep.notices import told_of_trouble

    plan = edition.plan
    today = now.astimezone(zone_of(plan.head.timezone)).date()
    reachable = [each for each in told_of_trouble(plan, today) if each.address]
    names = "、".join(each.person.name for each in reachable)
    if not reachable:
        remedy = "在 plan.admins 中写明管理员，并在 directory.yaml 中补齐邮箱"
        yield Finding("管理员", BAD, "没有能收到故障通知的管理员", remedy)
    elif len(reachable) < LEAST_ADMINS:
        remedy = "在 plan.admins 中至少写两人：一人离任或休假，故障就没有人知道；见 reminder handover"
        yield Finding("管理员", WARN, f"只有 {names} 能收到故障通知", remedy)
    elif len({(each.channel, each.address.casefold()) for each in reachable}) < LEAST_ADMINS:
        remedy = "给其中一人写自己的邮箱，或在 plan.admins 中另加一人；见 reminder handover"
        yield Finding("管理员", WARN, f"{names} 共用一个地址 {reachable[0].address}", remedy)
    else:
        yield Finding("管理员", GOOD, names)


def _calendar(edition: Edition, now: datetime) -> Iterator[Finding]:
    from reminder.calendars.arrangement import STATUS_TEXT

    missing = edition.calendar.missing_year(now.date())
    for year in (now.year, now.year + 1):
        status = edition.calendar.year_status(year)
        lacking = year == missing
        remedy = "录入国务院办公厅通知：reminder calendar import 文件" if lacking else ""
        yield Finding(f"{year}年日历", WARN if lacking else GOOD, STATUS_TEXT[status], remedy)


def _clock(edition: Edition, settings: Settings, now: datetime) -> Iterator[Finding]:
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


def _wording(settings: Settings, now: datetime) -> Iterator[Finding]:
    from reminder.messages.wording import load_wording

    wording, _ = load_wording(settings.templates)
    if due := wording.review_due(now.date()):
        yield Finding(
            "提法", WARN, f"wording.yaml 应于 {due} 前复核", "请审核人复核提法后更新 reviewed 与 next_review"
        )
    else:
        yield Finding("提法", GOOD, "在复核有效期内")


def _channels(edition: Edition, secrets: Secrets, now: datetime, *, offline: bool) -> Iterator[Finding]:
    from reminder.cli.golive import is_sample
    from reminder.cli.reachability import Probing, probe_findings, settings_findings
    from reminder.cli.wiring import live_channel
    from reminder.plan.channels import EmailChannel

    for channel_id, config in edition.plan.channels.items():
        what = f"通道 {channel_id}"
        yield from settings_findings(config, edition.authorities.of_channel.get(channel_id), now)
        try:
            channel = live_channel(edition, channel_id, secrets)
        except ReminderError as error:
            yield Finding(what, WARN, str(error), "试运行不需要密钥；正式发送前必须补齐")
            continue
        try:
            if isinstance(config, EmailChannel) and is_sample(config.host):
                yield Finding(
                    what, WARN, f"服务器 {config.host} 是示例地址", "在 channels.yaml 中换成真实的服务器"
                )
                continue
            if offline:
                yield Finding(what, GOOD, "密钥已找到（未连接）")
                continue
            yield from probe_findings(config, cast("Probing", channel), now)
        finally:
            channel.close()


def _send(edition: Edition, secrets: Secrets, address: str, now: datetime) -> Finding:
    """One real message, outside plan and ledger."""
    import uuid

    from reminder.agenda.instants import zone_of
    from reminder.channels.base import OutcomeKind, Parcel, Recipient, Stamp
    from reminder.channels.diagnosis import diagnosis
    from reminder.cli.wiring import live_channel
    from reminder.plan.channels import EmailChannel
    from reminder.sweep.proof import proof_message

    config = next((each for each in edition.plan.channels.values() if isinstance(each, EmailChannel)), None)
    if config is None:
        return Finding("测试邮件", BAD, "channels.yaml 中没有邮件通道", "增加一个 kind: email 的通道")
    office = edition.plan.head.office
    identity = uuid.uuid4().hex
    local = now.astimezone(zone_of(edition.plan.head.timezone)).replace(microsecond=0)
    try:
        channel = live_channel(edition, config.id, secrets)
        stamp = Stamp(f"<{identity}@{office.mailbox.rpartition('@')[2]}>", local)
        (payload,) = channel.compose(
            proof_message(edition), Recipient("doctor", "测试收件人", address), stamp
        )
        try:
            outcome = channel.send(Parcel(identity, "doctor", address, payload, local))
        finally:
            channel.close()
    except ReminderError as error:
        return Finding("测试邮件", BAD, f"未发送：{error}")
    words = f"{outcome.code} {outcome.detail}".strip()
    if outcome.kind is OutcomeKind.ACCEPTED:
        return Finding("测试邮件", GOOD, f"服务器已接收（{words}）", f"请到 {address} 查收；接收不等于送达")
    if outcome.kind is OutcomeKind.UNCERTAIN:
        return Finding("测试邮件", BAD, f"不知是否送达：{words}", f"请到 {address} 查收；没有收到时再试一次")
    cause, cure = diagnosis(config, outcome)
    return Finding("测试邮件", BAD, f"未能发出（{cause}）：{words}", cure)
