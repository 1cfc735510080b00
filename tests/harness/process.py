"""Start, move through time, kill and stop a daemon process; only ever its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Entry, EntryFilter, LedgerKind, Transport
from tests.editions import ROOT
from tests.harness.crashes import VARIABLE

PATIENCE = 30.0
"""Seconds to wait for what takes a second or two: tests share the machine."""


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Poll until something is true; the test fails saying what never came."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.05)


class DaemonProcess:
    """One daemon on a plan folder and a data folder."""

    def __init__(self, schedules: Path, data: Path, environment: dict[str, str] | None = None) -> None:
        self.schedules, self.data = schedules, data
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
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
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.daemon_main", str(self.schedules), str(self.data)],
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        if not wait:
            return self
        line = self._process.stdout.readline()
        assert line == "ready\n", (line, self.log.read_text())
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process is not None and self._process.poll() is None

    def wait_for_end(self) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self._process is not None
        code = self._process.wait(timeout=PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9: nothing is flushed, nothing is said."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        code = process.wait(timeout=PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        self._process = None
        return code

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ledger(self) -> Ledger:
        """The daemon's ledger, opened from outside."""
        return Ledger.open(
            self.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=datetime.now(UTC), create=False
        )

    def entries(self, **wanted: str) -> list[Entry]:
        with self.ledger() as ledger:
            return ledger.entries("test", EntryFilter(**wanted))  # type: ignore[arg-type]

    def go_live(self, now: datetime) -> None:
        """The recorded act, before the daemon's first start."""
        with Ledger.open(self.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=now) as ledger:
            ledger.go_live("test", by="test", now=now)
            assert ledger.transport("test") is Transport.LIVE
