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
from reminder.cli.findings import BAD, GOOD, MARKS, WARN, Finding, trouble
from reminder.cli.machine import clock_findings, draw_findings, folder_findings, ledger_findings, link_finding
from reminder.cli.testmail import check_address, send_test
from reminder.cli.usage import Command
from reminder.errors import ReminderError, UsageError

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.cli.wiring import Secrets
    from reminder.settings import Settings

LEAST_ADMINS = 2


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
        check_address(send_to)
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
    yield from folder_findings(settings)
    yield from ledger_findings(settings, now)
    try:
        examination = examined(settings)
    except ReminderError as error:  # it is taken from the ledger, and cannot be
        yield trouble("计划", error)
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
    yield from clock_findings(edition, settings, now)
    yield from waiting_findings(settings, now, zone_of(edition.plan.head.timezone), edition.plan.id)
    yield from _wording(settings, now)
    yield link_finding(settings)
    yield from draw_findings(edition, settings)
    secrets = secrets_of(settings)
    yield from _channels(edition, secrets, now, offline=offline)
    if send_to is not None:
        yield send_test(edition, secrets, send_to, now)


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
