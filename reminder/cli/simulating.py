"""``simulate``: days that are to come, played through without sending."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reminder.cli.app import (
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    parse_days,
    settings_of,
    span_of,
)
from reminder.cli.planning import edition_of
from reminder.cli.running import writable
from reminder.cli.usage import Command
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.agenda.facts import Registered
    from reminder.check import Edition
    from reminder.ledger.ledger import Ledger
    from reminder.settings import Settings


@app.command(cls=Command)
def simulate(
    since: Annotated[str, typer.Option("--from", help="起始日期")],
    until: Annotated[str, typer.Option("--to", help="结束日期（含当日）")],
    data: Annotated[Path | None, typer.Option("--data", help="存放结果的目录；默认为临时目录")] = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """模拟一段日期：按真实流程生成全部消息与台账，绝不发送。台账中登记的事件一并带入；抽取是模拟的。"""
    from reminder import log
    from reminder.agenda.draws import draw_items
    from reminder.agenda.instants import zone_of
    from reminder.cli.known import facts_of
    from reminder.cli.output import print_json
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind, Transport
    from reminder.simulate import Act, play
    from reminder.sweep.rehearsal import rehearsal_channel

    days = parse_days(since, until)
    settings = settings_of(schedules, templates)
    log.set_up("error", settings.log_format)
    edition = edition_of(settings)
    start, end = span_of(days, zone_of(edition.plan.head.timezone))
    if data is not None and _of_daemon(data, settings):
        raise UsageError(
            f"{data} 是守护进程的数据目录，不能用来模拟；请用 --data 指定另一个目录，或不写 --data"
        )
    events = facts_of(settings, edition.plan.id).events
    folder = data or Path(tempfile.mkdtemp(prefix="reminder-simulate-"))
    writable(folder)
    outbox = folder / "outbox"
    # As its ledger: what a power cut takes is simulated again.
    channels = {
        each: rehearsal_channel(edition, each, outbox, durable=False) for each in edition.plan.channels
    }
    ledger = Ledger.open(str(folder / "ledger.sqlite3"), kind=LedgerKind.SIMULATION, now=start)
    try:
        acts = [Act(event.at, partial(_register, ledger, edition.plan.id, event)) for event in events]
        played = play(edition, ledger, channels, start, end, acts)
        counts = ledger.book.counts(edition.plan.id, Transport.OUTBOX)
        summary = _by_item(ledger, edition, start)
    finally:
        ledger.close()
    if format is Format.JSON:
        print_json(
            {
                "from": since,
                "to": until,
                "events": [event.subject for event in events],
                "data": str(folder),
                "outbox": str(outbox),
                "actions": played.actions,
                "deliveries": played.deliveries,
                "tries": played.tries,
                "counts": counts,
                "items": summary,
            }
        )
        return
    _print_played(since, until, folder, summary, counts)
    if events:
        print(f"已带入台账中登记的事件：{'、'.join(event.subject for event in events)}。")
    if any(draw_items(edition.plan)):
        print("随机抽取用的是模拟的种子，所抽日期和单位与正式抽取无关。")


def _register(ledger: Ledger, plan_id: str, event: Registered, _now: datetime) -> None:
    from reminder.recording.events import copy_event

    copy_event(ledger, plan_id, event)


def _of_daemon(folder: Path, settings: Settings) -> bool:
    """Whether a daemon keeps its data there, or would: a simulation's ledger would bar it from starting."""
    its = replace(settings, data=folder)
    return its.lock.exists() or its.health.exists() or folder.resolve() == settings.data.resolve()


def _by_item(ledger: object, edition: Edition, since: datetime) -> list[dict[str, object]]:
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.shown import EntryFilter
    from reminder.views.ledger import OWN_ITEMS

    assert isinstance(ledger, Ledger)
    entries = ledger.book.entries(edition.plan.id, EntryFilter(since=since, limit=10_000_000))
    titles = {item.id: (item.spec.clause, item.spec.title) for item in edition.plan.items}
    rows: dict[str, dict[str, object]] = {}
    people: dict[str, set[str]] = {}
    messages: dict[str, set[str]] = {}
    alarms: dict[str, set[str]] = {}
    unsent: dict[str, int] = {}
    for entry in entries:
        alarms.setdefault(entry.item, set()).add(entry.alarm)
        if entry.message is not None and entry.state == "accepted":
            messages.setdefault(entry.item, set()).add(entry.message)
            people.setdefault(entry.item, set()).add(entry.receiver or "")
        elif entry.decision != "send" or entry.receiver is not None:
            unsent[entry.item] = unsent.get(entry.item, 0) + 1
    order = [*titles, *(each for each in alarms if each not in titles)]
    for item_id in order:
        if item_id not in alarms:
            continue
        clause, title = titles.get(item_id, ("", OWN_ITEMS.get(item_id, item_id)))
        rows[item_id] = {
            "item": item_id,
            "clause": clause,
            "title": title,
            "alarms": len(alarms[item_id]),
            "messages": len(messages.get(item_id, ())),
            "receivers": len(people.get(item_id, ())),
            "not_sent": unsent.get(item_id, 0),
        }
    return list(rows.values())


def _print_played(
    first: str, last: str, folder: Path, summary: list[dict[str, object]], counts: dict[str, int]
) -> None:
    from reminder.cli.output import print_table

    columns = ("条款", "事项", "提醒次数", "消息", "收件人", "未发")
    keys = ("clause", "title", "alarms", "messages", "receivers", "not_sent")
    rows = [[str(row[key]) for key in keys] for row in summary]
    print_table(columns, rows, f"模拟 {first} 至 {last}（试运行，未向任何人发送）")
    total = sum(1 for path in (folder / "outbox").rglob("*") if path.is_file())
    print(f"消息文件：{folder / 'outbox'}（{total} 个，按日期分文件夹，.eml 可用邮件客户端打开）")
    print(f"台账：{folder / 'ledger.sqlite3'}（查看：reminder ledger --data {folder}）")
    if failed := counts.get("failed", 0):
        print(f"其中 {failed} 条发送失败，见台账。")
