"""``resolve`` and ``channel``: what only a person can decide about sending."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from reminder.cli.app import DataOption, Format, FormatOption, SchedulesOption, app, settings_of
from reminder.cli.usage import Command, Group
from reminder.errors import ReminderError, UsageError

if TYPE_CHECKING:
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import Pause
    from reminder.settings import Settings

channel_app = typer.Typer(
    cls=Group,
    name="channel",
    help="通道：查看暂停的通道，修好后恢复发送。",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(channel_app)

ByOption = Annotated[str, typer.Option("--by", help="由谁决定（记入台账）")]


@app.command(cls=Command)
def resolve(
    delivery: Annotated[
        str,
        typer.Argument(metavar="NUMBER", help="消息编号（见 reminder ledger --status uncertain --attempts）"),
    ],
    by: ByOption = "",
    resend: Annotated[bool, typer.Option("--resend", help="再发一次")] = False,
    arrived: Annotated[bool, typer.Option("--arrived", help="已核实收到，不必再发")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="不再发")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
) -> None:
    """对“结果不明”或“发送失败”的消息作出决定：重发、认定已收到（限结果不明），或不再发。"""
    from reminder.clock import SystemClock
    from reminder.ledger.records import HandDecision
    from reminder.recording.sending import DECIDED_TEXT, decide_sending

    chosen = [
        decision
        for decision, given in (
            (HandDecision.RESEND, resend),
            (HandDecision.ARRIVED, arrived),
            (HandDecision.DROP, drop),
        )
        if given
    ]
    if len(chosen) != 1:
        raise UsageError("请写明一种决定：--resend（重发）、--arrived（已核实收到）或 --drop（不再发）")
    _named(by)
    settings = settings_of(schedules, data=data)
    now = SystemClock().now()
    ledger, plan_id, zone = _opened(settings, now)
    with ledger:
        decide_sending(ledger, plan_id, delivery, chosen[0], by.strip(), now, zone)
    print(DECIDED_TEXT[chosen[0]])


@channel_app.command("list", cls=Command)
def list_paused(
    data: DataOption = None, schedules: SchedulesOption = None, format: FormatOption = Format.TABLE
) -> None:
    """列出暂停的通道和原因。"""
    from reminder.cli.output import print_json, print_table
    from reminder.clock import SystemClock

    now = SystemClock().now()
    ledger, plan_id, zone = _opened(settings_of(schedules, data=data), now)
    with ledger:
        pauses = [
            pause
            for pause in ledger.pauses(plan_id, ledger.transport(plan_id))
            if pause.lasting or pause.holds(now)
        ]
    if format is Format.JSON:
        print_json(
            [
                {
                    "channel": pause.channel,
                    "kind": str(pause.kind),
                    "since": pause.since.astimezone(zone).isoformat(),
                    "until": pause.until.astimezone(zone).isoformat() if pause.until else None,
                    "lasting": pause.lasting,
                    "code": pause.code,
                    "detail": pause.detail,
                }
                for pause in pauses
            ]
        )
        return
    if not pauses:
        print("没有暂停的通道。")
        return
    rows = [
        (
            pause.channel,
            f"{pause.since.astimezone(zone):%Y-%m-%d %H:%M}",
            _next_try(pause, zone),
            f"{pause.code} {pause.detail}".strip(),
        )
        for pause in pauses
    ]
    print_table(("通道", "暂停于", "何时再试", "服务器原话"), rows, "暂停的通道")


def _next_try(pause: Pause, zone: ZoneInfo) -> str:
    if pause.until is None:
        return "修好后执行 reminder channel resume"
    return f"{pause.until.astimezone(zone):%Y-%m-%d %H:%M} 自动再试"


@channel_app.command(cls=Command)
def resume(
    name: Annotated[str, typer.Argument(metavar="CHANNEL", help="通道编号")],
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
) -> None:
    """恢复一个暂停的通道；待发的消息随即发出。"""
    from reminder.clock import SystemClock

    _named(by)
    now = SystemClock().now()
    ledger, plan_id, _ = _opened(settings_of(schedules, data=data), now)
    with ledger:
        if not ledger.resume(plan_id, ledger.transport(plan_id), name, by=by.strip(), now=now):
            raise ReminderError(f"通道“{name}”没有暂停；暂停的通道见 reminder channel list")
    print(f"通道“{name}”已恢复，待发的消息会在一秒内继续发送。")


def _named(by: str) -> None:
    if not by.strip():
        raise UsageError("请用 --by 写明由谁决定，将记入台账")


def _opened(settings: Settings, now: datetime) -> tuple[Ledger, str, ZoneInfo]:
    """The daemon's ledger, the plan it is of, and the zone in which times are shown."""
    from reminder.cli.records import only_plan
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind
    from reminder.plan.heading import heading_of

    heading = heading_of(settings.schedules)
    ledger = Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False)
    try:
        return ledger, heading.plan_id or only_plan(ledger, settings), heading.zone
    except BaseException:
        ledger.close()
        raise
