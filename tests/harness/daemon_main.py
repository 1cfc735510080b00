"""The daemon as a process, wired as ``reminder run`` wires it, on a clock that tests may move.

:func:`live` is the whole life of the process.  With :data:`ROLE` it is a worker, as ``reminder
worker`` wires it.  The file ``clock`` of its data
folder holds what to add to the machine's clock, in seconds.  The
offset is read anew at every look at the clock, so a test makes time jump by
writing the file.  APScheduler does not see that clock; SIGUSR1 stands for its
job, which wakes the sweeper at the instant an alarm comes due.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from reminder import log
from reminder.backup.guard import open_ledger
from reminder.check import examine
from reminder.cli.wiring import (
    channels_for,
    furnish,
    heartbeat_of,
    page_of,
    page_of_tenancy,
    secrets_mark_of,
)
from reminder.clock import SystemClock
from reminder.daemon import Daemon
from reminder.daemon.tenancy import Tenancy
from reminder.daemon.worker import Worker
from reminder.lock import DataFolderLock
from reminder.settings import Settings
from reminder.status import WORKER
from tests.editions import TEMPLATES
from tests.harness import crashes, shims
from tests.harness.links import Namespaces
from tests.harness.warm import warm

warm()

ROLE = "REMINDER_TEST_ROLE"
"""Variable: what the process is; empty for the daemon."""


class ShiftedClock(SystemClock):
    """The machine's clock plus what the file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = timedelta(0)

    def now(self) -> datetime:
        with contextlib.suppress(OSError, ValueError):  # without a file the last offset still holds
            self._offset = timedelta(seconds=float(self._file.read_text()))
        return super().now() + self._offset


def live(
    schedules: Path, data: Path, output: Path, environment: Mapping[str, str], ready: Connection
) -> NoReturn:
    """Run until a signal ends it; what it prints and logs goes to ``output``."""
    assert threading.current_thread() is threading.main_thread()
    with output.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    Namespaces.enter()
    sys.exit(_run(schedules, data, ready))


def _run(schedules: Path, data: Path, ready: Connection) -> int:
    templates = Path(os.environ.get("REMINDER_TEMPLATES") or TEMPLATES)
    settings = replace(Settings.from_environment(), schedules=schedules, templates=templates, data=data)
    log.set_up(settings.log_level, "text")
    crashes.install()
    shims.install(data)
    if settings.offices is not None:
        return _keep_tenancy(settings, ready)
    edition = examine(schedules, templates, settings.public_url).edition
    assert edition is not None
    lock = DataFolderLock(settings.lock)
    lock.acquire()
    clock = ShiftedClock(data / "clock")
    ledger = open_ledger(settings.ledger, settings.high_water, clock.now())
    if os.environ.get(ROLE) == WORKER:
        return _work(Worker(settings, edition, ledger, clock, channels_for(settings)), ready)
    daemon = Daemon(
        settings,
        edition,
        ledger,
        clock,
        channels_for(settings),
        heartbeat_of(settings),
        secrets_mark_of(settings),
    )
    signal.signal(signal.SIGUSR1, lambda *_: daemon.life.wake())
    try:
        code = daemon.run(lambda: ready.send("ready"), page_of(settings, daemon, clock))
        if daemon.left_in_flight:
            ledger.close()
            os._exit(code)  # as the command does: Python would wait for threads that a silent server holds
        return code
    finally:
        ledger.close()
        lock.release()


def _keep_tenancy(settings: Settings, ready: Connection) -> int:
    lock = DataFolderLock(settings.lock)
    lock.acquire()
    clock = ShiftedClock(settings.data / "clock")
    ledger = open_ledger(settings.ledger, settings.high_water, clock.now())
    works_only = os.environ.get(ROLE) == WORKER
    tenancy = Tenancy(settings, ledger, clock, furnish, heartbeat_of(settings), works_only=works_only)
    signal.signal(signal.SIGUSR1, lambda *_: tenancy.life.wake())
    code = tenancy.run(
        lambda: ready.send("ready"), None if works_only else page_of_tenancy(settings, tenancy, clock)
    )
    if tenancy.left_in_flight:
        os._exit(code)
    return code


def _work(worker: Worker, ready: Connection) -> int:
    signal.signal(signal.SIGUSR1, lambda *_: worker.life.wake())
    code = worker.run(lambda: ready.send("ready"))
    if worker.left_in_flight:
        os._exit(code)
    return code
