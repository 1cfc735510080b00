"""How the daemon says it is, in the file it leaves at every look: written by it, read by commands and pages alike."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reminder.errors import ReminderError, system_reason

log = logging.getLogger(__name__)

HEALTHY_SECONDS = 60
LIVE_TEXT: Mapping[str, str] = MappingProxyType({"live": "正式发送", "outbox": "试运行"})
RESTART = "请重启守护进程（如 systemctl restart reminder），未发出而仍然有效的提醒会自动补发"


WORKER = "worker"
"""Role of a node that only sends."""


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
        ahead = f"下一次提醒：{self.raw['next'] or '近期没有'}"
        if self.raw.get("role") == WORKER:
            ahead = "工作节点，只发送"
        if (offices := self.raw.get("offices")) is not None:
            return _of_offices(offices, ahead, self.raw.get("page"))
        text = f"正常（{LIVE_TEXT[self.raw['transport']]}），{ahead}"
        if self.raw["plan_refused"]:
            text += "；有一份新计划因错误未被采用"
        if paused := "、".join(self.raw.get("paused", ())):
            text += f"；通道 {paused} 已暂停发送（见 reminder channel list）"
        if (page := self.raw.get("page")) and page["problem"]:
            text += f"；{page['problem']}"
        return text


def status_of(path: Path, now: datetime) -> Status:
    """Read the health file.  Raises :class:`NoStatus`."""
    try:
        raw = json.loads(path.read_text("utf-8"))
        if "host" in raw:
            # One of many offices is looked after when there is something to do: that the process lives, it says itself.
            host = json.loads(Path(raw["host"]).read_text("utf-8"))
            raw |= {"at": host["at"], "pid": host["pid"], "problem": raw["problem"] or host["problem"]}
        status = Status(raw, (now - datetime.fromisoformat(raw["at"])).total_seconds())
        _ = status.found, status.summary  # whatever is missing is missed here
    except OSError:
        raise NoStatus(f"没有运行状况文件 {path}：守护进程未曾在该数据目录运行") from None
    except (ValueError, KeyError, TypeError):
        raise NoStatus(f"运行状况文件 {path} 的内容不完整：请查看守护进程是否正常运行") from None
    return status


def _of_offices(offices: Mapping[str, Any], ahead: str, page: Mapping[str, Any] | None) -> str:
    """How a process with many offices is; those in trouble by their names."""
    text = f"正常：{offices['count']} 个单位，{offices['running']} 个在运行（{offices['live']} 个正式发送），{ahead}"
    if offices["starting"]:
        text += f"；{offices['starting']} 个正在启动"
    if page and page["problem"]:
        text += f"；{page['problem']}"
    for name, trouble in sorted(offices["troubles"].items()):
        text += f"\n单位 {name}：{trouble}"
    return text


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


def write_status(path: Path, status: Mapping[str, Any]) -> None:
    """Exchange the health file as a whole; on a full disk overwrite it in its place.  Raises nothing."""
    text = json.dumps(status, ensure_ascii=False) + "\n"
    scratch = path.with_suffix(".tmp")
    try:
        scratch.write_text(text, "utf-8")
        scratch.replace(path)
    except OSError as error:
        log.error("health file not written", extra={"error": system_reason(error)})
        # On a full disk there is still the room that the file has already.
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
            with path.open("r+b") as file:
                file.write(text.encode("utf-8"))
                file.truncate()
