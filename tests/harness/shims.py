"""Faults of the machine beneath the daemon, set from outside: the product knows nothing of them.

``REMINDER_TEST_HOSTS=mail.example.com=10.0.0.8`` answers for a name server, and
the file ``DATA/standstill`` holds up the sweeper for as long as it is there.
``REMINDER_TEST_DRAIN`` is for how many seconds a stop drains, ``REMINDER_TEST_TICK``
how long the sweeper rests at most (a test that moves time in many steps waits less),
``REMINDER_TEST_HEARTBEAT`` how long the heartbeat does, and ``REMINDER_TEST_BUSY``
how long a transaction waits for another program that writes.  A database that is asked
for the time is as far from the machine's clock as the file ``DATA/database-clock`` says, and
without it as the daemon's own: a test that moves time moves it for both.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from reminder import progress
from reminder.daemon import life
from reminder.ledger.agreement import Common
from reminder.ledger.ledger import Ledger
from reminder.sweep.sweeper import Sweeper

HOSTS = "REMINDER_TEST_HOSTS"
DRAIN = "REMINDER_TEST_DRAIN"
TICK = "REMINDER_TEST_TICK"
HEARTBEAT = "REMINDER_TEST_HEARTBEAT"
BUSY = "REMINDER_TEST_BUSY"


def install(data: Path) -> None:
    """Put the faults that the environment names between the daemon and its machine."""
    if hosts := os.environ.get(HOSTS):
        _resolve(dict(each.split("=", 1) for each in hosts.split(",")))
    life.DRAIN_SECONDS = float(os.environ.get(DRAIN) or life.DRAIN_SECONDS)
    life.TICK_SECONDS = float(os.environ.get(TICK) or life.TICK_SECONDS)
    progress.HEARTBEAT_SECONDS = float(os.environ.get(HEARTBEAT) or progress.HEARTBEAT_SECONDS)
    if busy := os.environ.get(BUSY):
        Ledger.open.__func__.__kwdefaults__["busy_timeout"] = float(busy)  # type: ignore[attr-defined]
    _stand_still_while(data / "standstill")
    _shift_database(data / "database-clock", data / "clock")


def _shift_database(*files: Path) -> None:
    real = Ledger.common

    def common(self: Ledger, plan_id: str) -> Common:
        found = real(self, plan_id)
        for file in files:
            with contextlib.suppress(OSError, ValueError):
                return replace(found, at=found.at + timedelta(seconds=float(file.read_text())))
        return found

    Ledger.common = common  # type: ignore[method-assign]


def _resolve(hosts: dict[str, str]) -> None:
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        return real(hosts.get(host, host), port, *args, **options)

    socket.getaddrinfo = answer


def _stand_still_while(file: Path) -> None:
    real = Sweeper.sweep

    def sweep(self: Sweeper, *args: Any) -> Any:
        while file.exists():
            time.sleep(0.05)
        return real(self, *args)

    Sweeper.sweep = sweep  # type: ignore[method-assign]
