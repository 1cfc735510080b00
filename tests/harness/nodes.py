"""Several nodes on one PostgreSQL: an office's daemon, and beside it another and a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import psycopg

from reminder.status import WORKER
from tests.harness.daemon_main import ROLE
from tests.harness.history import Arrival, Kill
from tests.harness.office import Office
from tests.harness.process import DaemonProcess, wait_for

LAST_WORDS = 0.5
"""Seconds in which the server has read what a process sent before it was killed."""


class Nodes:
    """``office`` is entered already; its daemon, a second one and a worker are started one after the other."""

    def __init__(self, office: Office, folder: Path, address: str) -> None:
        self._office = office
        self._address = address
        self._numbers: dict[DaemonProcess, int] = {}
        daemon = office.daemon
        self.others = [
            DaemonProcess(daemon.schedules, folder / (role or "second"), {**daemon.environment, ROLE: role})
            for role in ("", WORKER)
        ]

    def __enter__(self) -> Self:
        try:
            for each in (self._office.daemon, *self.others):
                self.start(each)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for other in self.others:
            other.signal(signal.SIGCONT)
            other.kill()

    def start(self, process: DaemonProcess) -> None:
        """Start it, and find out under which number the others know it."""
        before = self._known()
        process.set_clock(self._office.now())
        process.start()
        wait_for(lambda: self._known() - before, "a node's registration")
        (self._numbers[process],) = self._known() - before

    def _known(self) -> set[int]:
        return {row[0] for row in self.asked("SELECT id FROM procrastinate_workers")}

    def asked(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The database's answer, over a connection of the test's own."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def come_due(self, now: datetime) -> None:
        """It is now this instant for every node."""
        self._office.set(now)
        for other in self.others:
            other.set_clock(now)
            other.signal(signal.SIGUSR1)
        self._office.daemon.signal(signal.SIGUSR1)

    def in_hand(self, process: DaemonProcess) -> set[tuple[str, str]]:
        """Channel and identity of the mails whose try this node has begun and not ended."""
        query = "SELECT channel, message_id FROM deliveries WHERE state = 'sending' AND node = %s"
        return set(self.asked(query, self._numbers[process]))

    def busy(self) -> DaemonProcess:
        """The first of the others that is in the middle of a batch: who fetches one is nobody's choice."""
        found: list[DaemonProcess] = []

        def look() -> bool:
            found[:] = [other for other in self.others if self.in_hand(other)]
            return bool(found)

        wait_for(look, "a try of one of them", every=0.005)
        return found[0]

    def end(self, process: DaemonProcess, how: signal.Signals) -> Kill:
        """SIGKILL or SIGSTOP, and what it caught in flight."""
        os.kill(process.pid, how)
        if how is signal.SIGKILL:
            process.wait_for_end()
        time.sleep(LAST_WORDS)
        return self.note(self.in_hand(process))

    def note(self, in_flight: Iterable[tuple[str, str]]) -> Kill:
        """From now on a repeat of one of these is explained."""
        kill = Kill(self._office.now(), frozenset(in_flight))
        self._office.kills.append(kill)
        return kill

    def jobs(self) -> int:
        """How many jobs there are, done ones included."""
        return int(self.asked("SELECT count(*) FROM procrastinate_jobs")[0][0])

    def taken_up_after(self, kill: Kill) -> list[float]:
        """Seconds from a kill to the next try of each delivery it caught in flight."""
        query = (
            "SELECT a.started_at FROM attempts a JOIN deliveries d ON d.id = a.delivery_id"
            " WHERE d.channel = %s AND d.message_id = %s AND a.started_at > %s ORDER BY a.started_at LIMIT 1"
        )
        found = [self.asked(query, *each, kill.at) for each in kill.in_flight]
        return [(rows[0][0] - kill.at).total_seconds() + LAST_WORDS for rows in found if rows]


def most_copies(arrivals: Iterable[Arrival]) -> int:
    """How often the message that came most often came."""
    counted: dict[tuple[str, str], int] = {}
    for each in arrivals:
        counted[each.receiver, each.identity] = counted.get((each.receiver, each.identity), 0) + 1
    return max(counted.values(), default=0)
