"""How the daemon and its ledger stand: what ``health`` and ``doctor`` say of them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from reminder.cli.findings import BAD, GOOD, WARN, Finding
from reminder.errors import ReminderError

if TYPE_CHECKING:
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import Entry, Pause, Transport
    from reminder.settings import Settings

HEALTHY_SECONDS = 60
LIVE_TEXT = {"live": "正式发送", "outbox": "试运行"}
LOCK_SECONDS = 3.0
"""How long ``doctor`` waits for a ledger that somebody else is writing to."""
RESTART = "请重启守护进程（如 systemctl restart reminder），未发出而仍然有效的提醒会自动补发"


class NoStatus(ReminderError):
    """There is no health file, or none that can be understood."""


@dataclass(frozen=True, slots=True)
class Status:
    """The daemon's last word about itself; ``raw`` is all of it, ``age`` in seconds."""

    raw: dict[str, Any]
    age: float

    @property
    def found(self) -> str:
        """What is wrong, in one line with what to do; empty if all is well."""
        pid = self.raw["pid"]
        if self.age > HEALTHY_SECONDS:
            if _runs(pid):
                return (
                    f"守护进程已有{_lasting(self.age)}没有动静（进程号 {pid}），其间没有发送任何提醒；"
                    f"{RESTART}；再次发生时请把日志交给维护人员"
                )
            return (
                f"守护进程没有运行：已有{_lasting(self.age)}没有动静（进程号 {pid} 已不存在），其间没有发送任何提醒；"
                "请启动它（reminder run，或 systemctl start reminder），未发出而仍然有效的提醒会自动补发"
            )
        if self.age < -HEALTHY_SECONDS:
            return (
                f"守护进程最后一次动静（{self.raw['at']}）晚于本机时钟{_lasting(-self.age)}："
                "时钟倒退过，且守护进程此后没有动静；请校时并重启守护进程"
            )
        return str(self.raw["problem"])

    @property
    def summary(self) -> str:
        """What a daemon that is well is doing, and what it would rather not do."""
        text = f"正常（{LIVE_TEXT[self.raw['transport']]}），下一次提醒：{self.raw['next'] or '近期没有'}"
        if self.raw["plan_refused"]:
            text += "；有一份新计划因错误未被采用"
        if paused := "、".join(self.raw.get("paused", ())):
            text += f"；通道 {paused} 已暂停发送（见 reminder channel list）"
        if (page := self.raw.get("page")) and page["problem"]:
            text += f"；{page['problem']}"
        return text


def status_of(settings: Settings, now: datetime) -> Status:
    """Read the health file.  Raises :class:`NoStatus`."""
    path = settings.health
    try:
        raw = json.loads(path.read_text("utf-8"))
        status = Status(raw, (now - datetime.fromisoformat(raw["at"])).total_seconds())
        _ = status.found, status.summary  # whatever is missing is missed here
    except OSError:
        raise NoStatus(f"没有运行状况文件 {path}：守护进程未曾在该数据目录运行") from None
    except (ValueError, KeyError, TypeError):
        raise NoStatus(f"运行状况文件 {path} 的内容不完整：请查看守护进程是否正常运行") from None
    return status


def _lasting(seconds: float) -> str:
    """A length of time in the unit in which one would say it."""
    for unit, size in (("天", 86400), ("小时", 3600), ("分钟", 60)):
        if seconds >= 2 * size:
            return f" {int(seconds // size)} {unit}"
    return f" {int(seconds)} 秒"


def _runs(pid: object) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(int(str(pid)), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def daemon_findings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """The daemon by its own word, or by its silence."""
    what = "守护进程"
    try:
        status = status_of(settings, now)
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
    if count := ledger.counts(plan_id, transport).get(DeliveryState.UNCERTAIN, 0):
        remedy = "查看 reminder ledger --status uncertain --attempts，向收件人核实后执行 reminder resolve"
        yield Finding("结果不明", WARN, f"{count} 条消息不知是否送达，等待人工决定", remedy)


def _failing(
    ledger: Ledger, plan_id: str, transport: Transport, paused: Collection[str]
) -> Iterator[Finding]:
    """Channels on which tries have failed and are made again, with the last words of the server."""
    from reminder.ledger.records import EntryFilter

    tried: dict[str, list[Entry]] = {}
    for entry in ledger.entries(plan_id, EntryFilter(status="pending", transport=transport)):
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
