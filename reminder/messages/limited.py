"""Rendering in a process of its own, so that a bomb stops one text and not the daemon.

One child a process, started at the first request, kept while it is used and
ended after a minute without: templates that loop without end, pad a text to a
gigabyte or nest until the interpreter gives up cost two seconds, a hundred
megabytes or a restart of the child, and one :class:`TemplateError`.

What the child sends is taken as text of unknown origin: JSON, of bounded size,
of the expected shape.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import reminder
from reminder.clock import SystemClock
from reminder.errors import Position, Problem
from reminder.messages import frames
from reminder.messages.forms import FORMS, Bundle
from reminder.messages.trouble import RendererUnavailable, TemplateError, TemplateStopped

monotonic = SystemClock().monotonic
"""Always the machine's: a process does not run on a simulated clock."""

_START = """
import sys
sys.path[:] = sys.argv[3:]
from reminder.messages.child import main
main(int(sys.argv[1]), int(sys.argv[2]))
"""
_KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What an interpreter outside the usual places needs to start; everything else may be a secret."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost, and how long an unused child is kept."""

    seconds: float = 2.0
    """Of wall clock, as long as the child had the processor for half of it."""
    patience: float = 20.0
    """Of wall clock on a machine so busy that the child hardly ran."""
    memory: int = 96 * 1024 * 1024
    """Octets of address space beyond the interpreter's own."""
    start_seconds: float = 30.0
    idle_seconds: float = 60.0


class _Died(Exception):
    """The child ended in the middle of a request; ``code`` as ``Popen.returncode``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Overran(Exception):
    """The child was ended because a request took too long."""


class _Child:
    """One process and the socket to it.  Used by one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ours, theirs = socket.socketpair()
        root = str(Path(reminder.__file__).parent.parent)
        command = [
            sys.executable,
            "-I",
            "-S",
            "-X",
            "utf8",
            "-c",
            _START,
        ]  # no environment, no start-up files
        command += [str(max(1, round(limits.seconds))), str(limits.memory), root, *filter(None, sys.path)]
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - this interpreter
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
            )
        except OSError:
            self._ours.close()
            raise
        finally:
            theirs.close()
        self.owner = os.getpid()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Raises ``_Died`` or ``_Overran``."""
        self._receive(self._limits.start_seconds, self._limits.start_seconds)

    def ask(self, frame: bytes) -> Any:
        """One request and its answer.  Raises ``_Died``, ``_Overran``, ``ValueError`` or ``RecursionError``."""
        try:
            self._ours.settimeout(self._limits.patience)
            self._ours.sendall(frame)
        except TimeoutError:
            self.end()
            raise _Overran from None
        except OSError:
            raise _Died(self.end()) from None
        return frames.decode(self._receive(self._limits.seconds, self._limits.patience))

    def end(self) -> int:
        """Kill it, if it still runs; its return code."""
        self._ours.close()
        self._process.kill()
        return self._process.wait()

    def forget(self) -> None:
        """After a fork: the process is the parent's; only the descriptor is closed here."""
        self._ours.close()
        self._process.returncode = 0  # so that nobody here waits for it

    def _receive(self, seconds: float, patience: float) -> bytes:
        began, worked = monotonic(), self._cpu_seconds()
        deadline = began + seconds
        buffer = bytearray()
        wanted, length = frames.HEAD, None
        while len(buffer) < wanted:
            left = deadline - monotonic()
            if left <= 0:
                now = self._cpu_seconds()
                starved = now is not None and worked is not None and now - worked < seconds / 2
                if not starved or monotonic() - began >= patience:
                    self.end()
                    raise _Overran
                deadline = monotonic() + min(seconds, 0.25)
                continue
            self._ours.settimeout(left)
            try:
                piece = self._ours.recv(min(wanted - len(buffer), 1 << 20))
            except TimeoutError:
                continue
            except OSError:
                piece = b""
            if not piece:
                raise self._gone()
            buffer += piece
            if length is None and len(buffer) == frames.HEAD:
                length = int.from_bytes(buffer, "big")
                if length > frames.MAX_FRAME:
                    self.end()
                    raise ValueError("an answer too long")
                wanted, buffer = length, bytearray()
        return bytes(buffer)

    def _gone(self) -> Exception:
        """Why the socket was closed from the other side."""
        self._ours.close()
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            code = self.end()
        # The kernel's limit on processor time is a second looser than ours.
        return _Overran() if code == -signal.SIGXCPU else _Died(code)

    def _cpu_seconds(self) -> float | None:
        """Processor time the child has had so far; None where the system does not say."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Limited:
    """Renders and checks templates in one child process; safe to use from several threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._timer: threading.Timer | None = None
        self._fresh = False
        self._used = 0.0
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """Of the child that runs now, if one does."""
        child = self._child
        return child.pid if child is not None and child.owner == os.getpid() else None

    def start(self) -> None:
        """Start the child without waiting for it: what is asked soon finds it ready."""
        with self._lock, contextlib.suppress(OSError):
            if self._mine() is None:
                self._spawn()

    def faults(self, bundle: Bundle, name: str) -> list[Problem]:
        """What is wrong with one file of the bundle.  Raises :class:`RendererUnavailable`."""
        where = Position(bundle.shown_as(name))
        try:
            answer = self._ask(bundle, {"faults": name}, where, "文件")
            return [frames.problem_from(each) for each in answer["problems"]]
        except TemplateError as error:
            return [error.problem]
        except (KeyError, TypeError, ValueError):
            return [_unusable(where)]

    def forms(self, bundle: Bundle, folder: str, context: Mapping[str, Any]) -> dict[str, str]:
        """The text of each file of ``FORMS``; as :meth:`Engine.forms` gives them.

        Raises :class:`TemplateError`, also for what went over the limits, and
        :class:`RendererUnavailable`.
        """
        return self._forms(bundle, folder, {"forms": folder, "context": context})[0]

    def common(
        self, bundle: Bundle, folder: str, context: Mapping[str, Any], place: str
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """The same for all receivers who agree in the fields that are named; as :meth:`Engine.common`.

        Raises as :meth:`forms` does.
        """
        forms, answer = self._forms(bundle, folder, {"common": folder, "context": context, "place": place})
        read = answer.get("read")
        if not isinstance(read, list) or not all(isinstance(each, str) for each in read):
            raise TemplateError(_unusable(Position(bundle.shown_as(folder))))
        return forms, tuple(read)

    def _forms(
        self, bundle: Bundle, folder: str, request: dict[str, Any]
    ) -> tuple[dict[str, str], dict[str, Any]]:
        where = Position(bundle.shown_as(folder))
        answer = self._ask(bundle, request, where, "模板")
        try:
            if "problem" in answer:
                raise TemplateError(frames.problem_from(answer["problem"]))
            forms = answer["forms"]
            if forms.keys() == FORMS.keys() and all(isinstance(text, str) for text in forms.values()):
                return dict(forms), answer
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        raise TemplateError(_unusable(where))

    def close(self) -> None:
        """End the child; the next request starts another."""
        with self._lock:
            self._drop()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _ask(self, bundle: Bundle, request: dict[str, Any], where: Position, what: str) -> dict[str, Any]:
        frame = frames.encode({"key": bundle.key, **request})
        with self._lock:
            try:
                answer = self._retried(bundle, frame)
            except _Overran:
                answer = {"stopped": "time"}
            except _Died as died:
                answer = {"stopped": "died", "code": died.code}
            except (ValueError, RecursionError):
                self._drop()
                raise TemplateError(_unusable(where)) from None
            finally:
                self._used = monotonic()
                self._arm()
            if not isinstance(answer, dict):
                self._drop()
                raise TemplateError(_unusable(where))
            if "stopped" in answer:
                self._drop()
                raise TemplateStopped(self._stopped(answer, where, what))
            return answer

    def _retried(self, bundle: Bundle, frame: bytes) -> Any:
        """Once more with a new child if this one ends: it may have been the machine's doing."""
        try:
            return self._exchange(bundle, frame)
        except _Died:
            self._drop()
            return self._exchange(bundle, frame)

    def _exchange(self, bundle: Bundle, frame: bytes) -> Any:
        child = self._ready()
        answer = child.ask(frame)
        if answer == {"unknown": True}:
            child.ask(
                frames.encode({"key": bundle.key, "folder": bundle.folder, "sources": dict(bundle.sources)})
            )
            answer = child.ask(frame)
        return answer

    def _mine(self) -> _Child | None:
        """The child, unless it belongs to the process this one was forked from."""
        if self._child is not None and self._child.owner != os.getpid():
            self._child.forget()
            self._child = self._timer = None
        return self._child

    def _spawn(self) -> _Child:
        self._child = _Child(self._limits)
        self._fresh = True
        self._used = monotonic()
        self._arm()
        return self._child

    def _ready(self) -> _Child:
        child = self._mine()
        for last in (False, True):
            try:
                child = child or self._spawn()
                if self._fresh:
                    child.wait_until_ready()
                    self._fresh = False
                return child
            except (OSError, _Died, _Overran) as error:
                self._drop()
                child = None
                if last:
                    raise RendererUnavailable(
                        f"生成文字的子进程启动不了（{_why(error)}）；模板没有问题，"
                        "请检查内存和进程数限制，稍后再试"
                    ) from error
        raise AssertionError("unreachable")

    def _drop(self) -> None:
        child, self._child = self._mine(), None
        if child is not None:
            child.end()

    def _arm(self) -> None:
        if self._timer is None and self._child is not None:
            self._timer = threading.Timer(self._limits.idle_seconds, self._on_idle)
            self._timer.name = "renderer-idle"
            self._timer.daemon = True
            self._timer.start()

    def _on_idle(self) -> None:
        with self._lock:
            self._timer = None
            if monotonic() - self._used >= self._limits.idle_seconds:
                self._drop()
            self._arm()

    def _stopped(self, answer: Mapping[str, Any], where: Position, what: str) -> Problem:
        match answer:
            case {"stopped": "time"}:
                found = f"{what}在 {self._limits.seconds:g} 秒内没有处理完，已停止"
                hint = "请检查循环、宏和重复替换是否没有尽头"
            case {"stopped": "memory"}:
                found = f"{what}占用内存超过 {self._limits.memory >> 20} MB，已停止"
                hint = "请检查是否反复拼接、填充文字"
            case _:
                found = f"处理{what}的子进程两次中断（{_code(answer.get('code'))}）"
                hint = "请检查模板是否占用内存过多，并查看系统日志"
        return Problem(where, "", found, "", hint)


def _unusable(where: Position) -> Problem:
    return Problem(where, "", "模板生成的内容不合规矩，未予采用", "", "请对照其他模板的写法")


def _why(error: Exception) -> str:
    if isinstance(error, _Died):
        return _code(error.code)
    return "超时" if isinstance(error, _Overran) else str(getattr(error, "strerror", None) or error)


def _code(code: object) -> str:
    """A return code as a person knows it."""
    if isinstance(code, int) and code < 0:
        with contextlib.suppress(ValueError):
            return f"信号 {signal.Signals(-code).name}"
    return f"返回值 {code}"


shared = Limited()
"""The one of this process: the daemon, a command and its reloads use the same child."""
