"""``resume``: let a held ledger go on, once a person has said what was sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

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
from reminder.cli.planning import edition_of
from reminder.cli.usage import Command
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.agenda.alarms import Alarm
    from reminder.agenda.policy import Decision
    from reminder.sweep.confirm import Concerned

SHOWN = 40
"""Alarms listed for people, the latest; JSON has all."""


@app.command(cls=Command)
def resume(
    sent_until: Annotated[
        str | None,
        typer.Option("--sent-until", help='到此时为止的提醒都已发出，不再发，如 "2026-06-10 09:30"'),
    ] = None,
    nothing_sent: Annotated[
        bool, typer.Option("--nothing-sent", help="台账最后一条记录之后什么也没有发过，该补发的都补发")
    ] = False,
    by: Annotated[str, typer.Option("--by", help="由谁确认（记入台账）")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="不再询问")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """台账是旧的或恢复的而暂停发送时：列出涉及的提醒，确认哪些已经发出，然后继续。"""
    from reminder.backup.guard import Guard, hold_of, open_ledger
    from reminder.clock import SystemClock
    from reminder.ledger.records import Transport
    from reminder.sweep.confirm import concerned
    from reminder.sweep.confirm import confirm as release

    deciding = sent_until is not None or nothing_sent
    if sent_until is not None and nothing_sent:
        raise UsageError("--sent-until 与 --nothing-sent 只能写一个")
    if deciding and not by.strip():
        raise UsageError("请用 --by 写明由谁确认，将记入台账")
    if deciding and format is Format.JSON and not yes:
        raise UsageError("--format json 时不能询问，请加 --yes")
    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    zone = ZoneInfo(edition.plan.head.timezone)
    now = SystemClock().now()
    until = _instant(sent_until, zone) if sent_until is not None else None
    ledger = open_ledger(settings.ledger, settings.high_water, now, create=False)
    try:
        was_live = Guard(settings.high_water).was_live()
        hold = hold_of(ledger, settings.high_water, now, edition.plan.id)
        if hold is None:
            _say_nothing_is_held(format)
            return
        if until is not None:
            _check_instant(until, hold.since, now, zone)
        found = concerned(ledger, edition, hold, now)
        if format is Format.TABLE or not deciding:
            _show(found, zone, until, format)
        if format is Format.TABLE and found.transport is Transport.OUTBOX and was_live:
            print("注意：此前已是正式发送，而这份台账还在试运行；继续后只写 outbox，须再执行 reminder live")
        if not deciding:
            if format is Format.TABLE:
                print(_HOW)
            return
        if not yes:
            confirm("以上核对无误，继续发送？")
        # What only the mark tells is recorded first: it is the ledger's hold that is ended.
        ledger.holds.put(hold)
        deliveries = release(
            ledger, edition, found, by=by.strip(), sent_until=until, high_water=settings.high_water, now=now
        )
    finally:
        ledger.close()
    alarms = sum(until is not None and alarm.at <= until for alarm, _ in found.alarms)
    if format is Format.JSON:
        from reminder.cli.output import print_json

        print_json({"held": False, "alarms_confirmed": alarms, "deliveries_confirmed": deliveries})
        return
    print(
        f"已继续，记入台账：{alarms} 次提醒和 {deliveries} 条待发消息按“此前已发出”处理，不再发；"
        "其余仍然有效的由守护进程补发。正在运行的守护进程一两秒内自动继续，不必重启。"
    )


def _instant(text: str, zone: ZoneInfo) -> datetime:
    """``2026-06-10 09:30`` in the plan's zone."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}", text.strip(), re.ASCII):
            raise ValueError
        return datetime.fromisoformat(text.strip()).replace(tzinfo=zone)
    except ValueError:
        raise UsageError(
            f'--sent-until 的值“{text}”不是时刻；写作 --sent-until "2026-06-10 09:30"（含引号）'
        ) from None


def _check_instant(until: datetime, since: datetime, now: datetime, zone: ZoneInfo) -> None:
    if until > now:
        raise UsageError(
            f"--sent-until（{until:%Y-%m-%d %H:%M}）晚于现在（{now.astimezone(zone):%Y-%m-%d %H:%M}）"
        )
    # The last record has seconds, what is written on the command line has none.
    if until < since.astimezone(zone).replace(second=0, microsecond=0):
        raise UsageError(
            f"--sent-until（{until:%Y-%m-%d %H:%M}）早于台账的最后一条记录（{since.astimezone(zone):%Y-%m-%d %H:%M}）："
            "此后什么也没有发过的，请用 --nothing-sent"
        )


def _say_nothing_is_held(format: Format) -> None:
    if format is Format.JSON:
        from reminder.cli.output import print_json

        print_json({"held": False})
    else:
        print("台账没有暂停，不需要确认。")


def _show(found: Concerned, zone: ZoneInfo, until: datetime | None, format: Format) -> None:
    from reminder.backup.guard import hold_text
    from reminder.cli.output import print_json, print_table
    from reminder.status import LIVE_TEXT

    if format is Format.JSON:
        print_json(_as_json(found, zone))
        return
    print(f"{hold_text(found.hold, zone)}。")
    print(f"台账中的发送方式：{LIVE_TEXT[found.transport]}")
    if found.alarms:
        rows = [_row(alarm, decision, until) for alarm, decision in found.alarms[-SHOWN:]]
        columns = (
            ("时间", "事项", "期次", "如未发过，继续后")
            if until is None
            else ("时间", "事项", "期次", "继续后")
        )
        print_table(
            columns,
            rows,
            f"台账中没有、而时间已到的提醒，共 {len(found.alarms)} 次{_more(len(found.alarms))}",
        )
    else:
        print("台账中没有、而时间已到的提醒：无")
    if found.waiting:
        waiting = [
            (f"{entry.planned_at.astimezone(zone):%Y-%m-%d %H:%M}", entry.subject or "", entry.receiver or "")
            for entry in found.waiting[:SHOWN]
        ]
        title = f"台账中记为尚未发完的消息，共 {found.deliveries} 条{_more(found.deliveries)}"
        print_table(("计划时间", "主题", "收件人"), waiting, title)


def _more(count: int) -> str:
    return f"，只列出最近 {SHOWN} 行" if count > SHOWN else ""


_HOW = """\
请向收件人或原机器的记录核实，然后二选一：
  reminder resume --sent-until "年-月-日 时:分" --by 姓名   到此时为止的都已发出，不再发；之后的补发
  reminder resume --nothing-sent --by 姓名                  最后一条记录之后什么也没有发过，都补发
拿不准时写得晚一些：少发一次可以人工通知，重发收不回来。"""


def _row(alarm: Alarm, decision: Decision, until: datetime | None) -> Sequence[str]:
    sent = until is not None and alarm.at <= until
    return (
        f"{alarm.at:%Y-%m-%d %H:%M}",
        alarm.item.spec.title,
        alarm.occurrence.label,
        "按已发出处理，不再发" if sent else _outcome(decision),
    )


def _outcome(decision: Decision) -> str:
    from reminder.agenda.policy import ACTION_TEXT, Action, reason_text

    if decision.action is Action.SEND:
        return "补发"
    return f"{ACTION_TEXT[decision.action]}（{reason_text(decision.reason)}）"


def _as_json(found: Concerned, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "held": True,
        "reason": str(found.hold.reason),
        "held_at": found.hold.at.astimezone(zone).isoformat(),
        "last_record": found.hold.since.astimezone(zone).isoformat(),
        "transport": str(found.transport),
        "deliveries_waiting": found.deliveries,
        "alarms": [
            {
                "alarm": alarm.key,
                "item": alarm.item.id,
                "at": alarm.at.isoformat(),
                "if_not_sent": str(decision.action),
                "reason": str(decision.reason),
            }
            for alarm, decision in found.alarms
        ],
    }
