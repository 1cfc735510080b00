"""``ledger``: what was sent, to whom, when, and what was not."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    parse_day,
    settings_of,
)
from reminder.cli.retiring import retire, verify
from reminder.cli.usage import Command, Group
from reminder.errors import ReminderError, UsageError
from reminder.ledger.records import DELIVERY_TEXT

if TYPE_CHECKING:
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.shown import Entry
    from reminder.settings import Settings

STATUSES = (*DELIVERY_TEXT, "send", "merge", "postpone", "miss", "supersede", "suppress", "fail")
"""What ``--status`` may be: where a delivery stands, or what was decided."""


ledger_app = typer.Typer(
    cls=Group,
    name="ledger",
    help="查看台账：发了什么、给谁、何时、结果如何，以及没有发的和原因。"
    "另有 retire（把过去月份的消息归档后移出台账）、verify（核对归档文件）。",
    invoke_without_command=True,
    add_completion=False,
)
app.add_typer(ledger_app)
ledger_app.command(cls=Command)(retire)
ledger_app.command(cls=Command)(verify)


@ledger_app.callback()
def ledger(
    context: typer.Context,
    item: Annotated[str | None, typer.Option("--item", help="任务编号")] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status", help="状态：accepted、failed、pending、uncertain、expired、miss、suppress……"
        ),
    ] = None,
    receiver: Annotated[str | None, typer.Option("--receiver", help="收件人编号")] = None,
    since: Annotated[str | None, typer.Option("--from", help="计划时间不早于此日")] = None,
    until: Annotated[str | None, typer.Option("--to", help="计划时间不晚于此日（含）")] = None,
    attempts: Annotated[bool, typer.Option("--attempts", help="逐次列出发送经过")] = False,
    limit: Annotated[int, typer.Option("--limit", help="最多列出多少行", min=1)] = 200,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """查看台账：发了什么、给谁、何时、结果如何，以及没有发的和原因。"""
    if context.invoked_subcommand is not None:
        return
    from reminder.cli.output import print_json
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.shown import EntryFilter
    from reminder.plan.heading import heading_of

    if status is not None and status not in STATUSES:
        raise UsageError(f"--status 的值“{status}”不可用；可用：{'、'.join(STATUSES)}")
    first = parse_day(since, "--from") if since else None
    last = parse_day(until, "--to") if until else None
    if first and last and last < first:
        raise UsageError(f"--to（{last}）早于 --from（{first}）")
    settings = settings_of(schedules, templates, data)
    heading = heading_of(settings.schedules)
    zone = heading.zone
    opened = Ledger.open(settings.ledger, kind=None, now=SystemClock().now(), create=False)
    try:
        plan_id = heading.plan_id or only_plan(opened, settings)
        wanted = EntryFilter(
            item=item,
            receiver=receiver,
            status=status,
            since=datetime.combine(first, time.min, zone) if first else None,
            until=datetime.combine(last + timedelta(days=1), time.min, zone) if last else None,
            limit=limit,
        )
        entries = opened.book.entries(plan_id, wanted)
        if format is Format.JSON:
            print_json([_entry_json(opened, plan_id, entry, zone) for entry in entries])
            return
        _print(opened, plan_id, entries, zone, with_attempts=attempts, limit=limit)
        for each in opened.months.concerning(plan_id, entries, wanted, whole=len(entries) < limit):
            print(f"{each.told(each.by, zone)}。")
    finally:
        opened.close()


def only_plan(opened: Ledger, settings: Settings) -> str:
    """The one plan that a ledger is of, when the plan's files do not say.

    Raises ``ReminderError`` where that would be a guess: of many offices it may be another's.
    """
    if settings.plan_wanted:
        return settings.plan_wanted
    if settings.office:
        raise ReminderError(
            f"单位“{settings.office}”的计划文件有误，读不出计划编号；请先执行 reminder check --office {settings.office} 更正计划"
        )
    ids = opened.plan_ids()
    if len(ids) != 1:
        raise ReminderError("计划文件有误，且台账中没有唯一的计划；请先执行 reminder check 更正计划")
    return ids[0]


def _entry_json(opened: Ledger, plan_id: str, entry: Entry, zone: Any) -> dict[str, Any]:
    return {
        "item": entry.item,
        "occurrence": entry.occurrence,
        "alarm": entry.alarm,
        "planned_at": entry.planned_at.astimezone(zone).isoformat(),
        "recorded_at": entry.recorded_at.astimezone(zone).isoformat(),
        "transport": str(entry.transport),
        "rehearsal": entry.transport == "outbox",
        "decision": entry.decision,
        "reason": entry.reason,
        "receiver": entry.receiver,
        "channel": entry.channel,
        "subject": entry.subject,
        "status": entry.state,
        "late": entry.late,
        "decided_by": entry.decided_by,
        "attempts": [
            {
                "delivery": delivery,
                "number": attempt.number,
                "started_at": attempt.started_at.astimezone(zone).isoformat(),
                "finished_at": attempt.finished_at.astimezone(zone).isoformat()
                if attempt.finished_at
                else None,
                "outcome": attempt.outcome,
                "code": attempt.code,
                "detail": attempt.detail,
            }
            for delivery in entry.deliveries
            for attempt in opened.book.attempts_of(plan_id, delivery)
        ],
    }


def _print(
    opened: Ledger, plan_id: str, entries: list[Entry], zone: Any, *, with_attempts: bool, limit: int
) -> None:
    from reminder.cli.output import print_table
    from reminder.views.standing import status_text

    rows = [
        (
            f"{entry.planned_at.astimezone(zone):%Y-%m-%d %H:%M}",
            "试运行" if entry.transport == "outbox" else "正式",
            entry.alarm,
            entry.receiver or "",
            entry.channel or "",
            entry.subject or "",
            status_text(entry),
            str(entry.attempts or ""),
        )
        for entry in entries
    ]
    more = f"，只列出最近 {limit} 行，可用 --limit 增加" if len(entries) == limit else ""
    columns = ("计划时间", "方式", "提醒", "收件人", "通道", "主题", "结果", "次数")
    print_table(columns, rows, f"台账，共 {len(rows)} 行{more}")
    if not with_attempts:
        return
    tries = [
        (
            delivery,
            str(attempt.number),
            f"{attempt.started_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            attempt.outcome or "进行中",
            attempt.code,
            attempt.detail,
        )
        for entry in entries
        for delivery in entry.deliveries
        for attempt in opened.book.attempts_of(plan_id, delivery)
    ]
    print_table(("消息", "次", "开始", "结果", "代码", "服务器原话"), list(dict.fromkeys(tries)), "发送经过")
