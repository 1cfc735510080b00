"""Start, move through time, kill and stop a daemon process; only ever its own.

A daemon is forked from a server that has imported everything once: imports are
two thirds of what a start costs, and some tests start hundreds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Self

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import Entry, EntryFilter
from tests.harness.crashes import VARIABLE
from tests.harness.daemon_main import live

PATIENCE = 30.0
"""Seconds to wait for what takes a second or two: tests share the machine."""

SHORTEST, LONGEST = 0.05, 0.3
"""Seconds between two looks, at first and after a while."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.harness.daemon_main"])
_LOCK = threading.Lock()
"""Two threads must not reap at once: each would find the exit code of the other's process gone."""


def wait_for(
    condition: Callable[[], object], what: str, seconds: float = PATIENCE, *, every: float | None = None
) -> None:
    """Poll until something is true; the test fails saying what never came.

    Less and less often, unless ``every`` says how often: a look may open a ledger, and
    many tests wait side by side.
    """
    deadline = time.monotonic() + seconds
    pause = every or SHORTEST
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(pause)
        if every is None:
            pause = min(1.5 * pause, LONGEST)


class DaemonProcess:
    """One daemon on a plan folder and a data folder."""

    def __init__(self, schedules: Path, data: Path, environment: dict[str, str] | None = None) -> None:
        self.schedules, self.data = schedules, data
        # Daemons of several tests run side by side: one that serves pages is told where.
        self.environment = {**os.environ, "REMINDER_LISTEN": "off", **(environment or {})}
        self._process: ForkServerProcess | None = None
        self._ready: Connection | None = None
        data.mkdir(parents=True, exist_ok=True)
        self.log = data / "daemon.log"

    def set_clock(self, now: datetime) -> None:
        """Make the daemon believe that it is now this instant."""
        scratch = self.data / "clock.new"
        scratch.write_text(str((now - datetime.now(UTC)).total_seconds()))
        scratch.replace(self.data / "clock")

    def start(self, crash: str = "", *, wait: bool = True) -> Self:
        """Start it; with a crash switch (see :mod:`tests.harness.crashes`) it may never become ready."""
        environment = {**self.environment, VARIABLE: crash}
        self._ready, theirs = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(
            target=live, args=(self.schedules, self.data, self.log, environment, theirs)
        )
        with _LOCK:
            self._process.start()
        theirs.close()
        if not wait:
            return self
        assert self._ready.poll(PATIENCE), self.log.read_text()
        try:
            self._ready.recv()
        except EOFError:
            raise AssertionError(f"ended at its start\n{self.log.read_text()}") from None
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process is not None and self._exit_code() is None

    def _exit_code(self) -> int | None:
        assert self._process is not None
        with _LOCK:
            return self._process.exitcode

    def wait_for_end(self) -> int:
        """Wait until it ends by itself; its exit code."""
        wait_for(lambda: not self.alive, "the end of the process")
        code = self._exit_code()
        assert code is not None
        assert self._ready is not None
        self._ready.close()
        self._process = self._ready = None
        return code

    def kill(self) -> None:
        """kill -9: nothing is flushed, nothing is said."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self.signal(number)
        return self.wait_for_end()

    def signal(self, number: signal.Signals) -> None:
        """Nothing happens if it has ended already."""
        if self.alive:
            os.kill(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ledger(self) -> Ledger:
        """The daemon's ledger, opened from outside."""
        return Ledger.open(self._address, kind=LedgerKind.DAEMON, now=datetime.now(UTC), create=False)

    @property
    def _address(self) -> str | Path:
        return self.environment.get("REMINDER_DATABASE_URL") or self.data / "ledger.sqlite3"

    def entries(self, **wanted: str) -> list[Entry]:
        with self.ledger() as ledger:
            return ledger.book.entries("test", EntryFilter(**wanted))  # type: ignore[arg-type]

    def go_live(self, now: datetime) -> None:
        """The recorded act, before the daemon's first start."""
        with Ledger.open(self._address, kind=LedgerKind.DAEMON, now=now) as ledger:
            ledger.go_live("test", by="test", now=now)
            assert ledger.transport("test") is Transport.LIVE
