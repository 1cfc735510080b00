"""How the daemon and its ledger stand: what ``health`` and ``doctor`` say of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from reminder.cli.findings import BAD, GOOD, WARN, Finding
from reminder.status import RESTART, NoStatus, status_of

if TYPE_CHECKING:
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import Pause, Transport
    from reminder.ledger.shown import Entry
    from reminder.settings import Settings

LOCK_SECONDS = 3.0
"""How long ``doctor`` waits for a ledger that somebody else is writing to."""


def daemon_findings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """The daemon by its own word, or by its silence."""
    what = "守护进程"
    try:
        status = status_of(settings.health, now)
    except NoStatus as error:
        never = not settings.health.exists()
        remedy = "执行 reminder run 启动" if never else RESTART
        yield Finding(what, WARN if never else BAD, str(error), remedy)
        return
    if status.found:
        found, _, remedy = status.found.partition("；")
        yield Finding(what, BAD, found, remedy)
    else:
        yield Finding(what, GOOD, status.summary)
    if status.raw["plan_refused"]:
        remedy = "执行 reminder check，按提示修改后保存，会自动重新读取"
        yield Finding("新计划", WARN, "有错误，未被采用，原计划仍在运行", remedy)


def waiting_findings(
    settings: Settings, now: datetime, zone: tzinfo, plan_id: str | None = None
) -> Iterator[Finding]:
    """What waits in the ledger: paused channels, tries that fail, unknown outcomes; and whether it can be written.

    Times are shown in ``zone``; of any plan when ``plan_id`` is unknown.  A ledger that cannot be opened is somebody else's to tell.
    """
    from reminder.ledger.errors import LedgerError, LedgerLocked, LedgerReadOnly
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind

    try:
        with Ledger.open(
            settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False, busy_timeout=LOCK_SECONDS
        ) as ledger:
            for each in ledger.plan_ids() if plan_id is None else [plan_id]:
                yield from _waiting(ledger, each, zone)
            ledger.try_writing()
    except (LedgerLocked, LedgerReadOnly) as error:
        found, _, remedy = str(error).partition("：")
        yield Finding("台账写入", BAD, found, remedy)
    except LedgerError:
        return


def _waiting(ledger: Ledger, plan_id: str, zone: tzinfo) -> Iterator[Finding]:
    from reminder.ledger.records import DeliveryState

    transport = ledger.transport(plan_id)
    paused = [pause for pause in ledger.pauses(plan_id, transport) if pause.lasting]
    for pause in paused:
        yield _paused(pause, zone)
    yield from _failing(ledger, plan_id, transport, {pause.channel for pause in paused})
    if count := ledger.book.counts(plan_id, transport).get(DeliveryState.UNCERTAIN, 0):
        remedy = "查看 reminder ledger --status uncertain --attempts，向收件人核实后执行 reminder resolve"
        yield Finding("结果不明", WARN, f"{count} 条消息不知是否送达，等待人工决定", remedy)


def _failing(
    ledger: Ledger, plan_id: str, transport: Transport, paused: Collection[str]
) -> Iterator[Finding]:
    """Channels on which tries have failed and are made again, with the last words of the server."""
    from reminder.ledger.shown import EntryFilter

    tried: dict[str, list[Entry]] = {}
    for entry in ledger.book.entries(plan_id, EntryFilter(status="pending", transport=transport)):
        if entry.attempts and entry.last_code and entry.channel not in (None, *paused):
            tried.setdefault(str(entry.channel), []).append(entry)
    for channel, entries in tried.items():
        last = f"{entries[0].last_code} {entries[0].last_detail}".strip()
        remedy = "会自动再试，直到过了有效期；经过见 reminder ledger --status pending --attempts"
        yield Finding(
            f"通道 {channel} 重试", WARN, f"{len(entries)} 条消息还没有发出，最近一次：{last}", remedy
        )


def _paused(pause: Pause, zone: tzinfo) -> Finding:
    """A channel that somebody has to mend, in the server's own words."""
    remedy = (
        "按服务器原话处理；更换了密钥会自动恢复，"
        f"否则处理后执行 reminder channel resume {pause.channel} --by 姓名"
    )
    found = f"自 {pause.since.astimezone(zone):%Y-%m-%d %H:%M} 起暂停，待发的消息都保留着：{pause.code} {pause.detail}".rstrip()
    return Finding(f"通道 {pause.channel} 暂停", BAD, found, remedy)
