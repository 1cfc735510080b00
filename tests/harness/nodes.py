"""Several nodes on one PostgreSQL: an office's daemon, and beside it another and a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import psycopg

from reminder.delivery.engines.node import SWEEP_SECONDS
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.ledger.work import STALLED_SECONDS
from reminder.status import WORKER
from tests.harness.daemon_main import ROLE
from tests.harness.history import Arrival, Kill
from tests.harness.links import Links, links_for, to_port
from tests.harness.office import EIGHT, Office
from tests.harness.postgres import Server
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import at, item_yaml

NINE = at("2026-06-10 09:00")
MINUTE = timedelta(minutes=1)
EACH = 45
"""Messages that come due together: three batches, one more than a node has threads."""
TAKEN_UP = STALLED_SECONDS + SWEEP_SECONDS
"""Seconds after which others take up what a dead node had, as docs/operations.md says."""
SLOW = 0.15
"""Seconds that the mail server takes for a message: a batch then lasts."""
MAIL = "  via:\n    - mail\n"
SOON = timedelta(seconds=30)
"""By then a node that goes on has said what it had begun."""
LAST_WORDS = 0.5
"""Seconds in which the server has read what a process sent before it was killed."""


def due_together() -> list[str]:
    """:data:`EACH` items due at nine, and as many a minute later."""
    found = []
    for number in range(2 * EACH):
        rung = f"- from: due\n  workdays: 0\n  at: 09:{number // EACH:02d}\n  to: person:p-office\n{MAIL}"
        found.append(item_yaml(f"n{number:04d}", "date: 2026-06-10\nat: 23:59", rung, "alone: true"))
    return found


@contextmanager
def empty_ledger(server: Server) -> Iterator[str]:
    """The address of a database with a new ledger.

    One for each life: an office has few messages then, so that its nodes start quickly.
    """
    address = server.empty_database()
    try:
        Ledger.open(address, kind=LedgerKind.DAEMON, now=EIGHT - timedelta(hours=2), upgrade=True).close()
        yield address
    finally:
        server.drop(address)


class Nodes:
    """``office`` is entered already; its daemon, a second one and a worker are started one after the other."""

    def __init__(self, office: Office, folder: Path, address: str, links: Links | None = None) -> None:
        """``address`` is the test's own way to the database; ``links`` are the nodes', the office's first."""
        self._office = office
        self.address = address
        self.links = links
        self._numbers: dict[DaemonProcess, int] = {}
        daemon = office.daemon
        self.others = [
            DaemonProcess(
                daemon.schedules,
                folder / (role or "second"),
                {**daemon.environment, **(links.environment(number) if links else {}), ROLE: role},
            )
            for number, role in enumerate(("", WORKER), start=1)
        ]

    @property
    def all(self) -> list[DaemonProcess]:
        """The office's daemon and the others."""
        return [self._office.daemon, *self.others]

    def __enter__(self) -> Self:
        try:
            for each in self.all:
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
        with psycopg.connect(self.address, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def come_due(self, now: datetime) -> None:
        """It is now this instant for every node."""
        self._office.set(now)
        for each in self.all:
            each.set_clock(now)
            each.signal(signal.SIGUSR1)

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

    def is_back(self, process: DaemonProcess, stop: Kill) -> None:
        """What it was about to say when it was stopped or cut off it may say now, although others have said it, or will."""
        self._office.kills.remove(stop)
        in_flight = stop.in_flight | self.in_hand(process)
        self._office.kills.append(Kill(stop.at, frozenset(in_flight), self._office.now() + SOON))

    def jobs(self) -> int:
        """How many jobs there are, done ones included."""
        return int(self.asked("SELECT count(*) FROM procrastinate_jobs")[0][0])

    def settled(self, rounds: int) -> None:
        """Wait until everything so far has been accepted, and no job is left."""
        query = "SELECT count(*) FROM deliveries WHERE state = 'accepted' AND channel = 'mail'"
        wait_for(lambda: self.asked(query)[0][0] >= rounds * EACH, "all of this round", 60)
        wait_for(lambda: self.jobs() == 0, "the end of the jobs")

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


@contextmanager
def cluster(
    folder: Path, server: Server, items: Iterable[str], *, linked: bool = False
) -> Iterator[tuple[Office, Nodes]]:
    """Three nodes that have taken the plan into force, and a mail server that takes its time.

    ``linked``: each on a link that a test can pull out.
    """
    with ExitStack() as stack:
        address = stack.enter_context(empty_ledger(server))
        links: Links | None = None
        mail: dict[str, object] = {"connections": 2}
        environment = {"REMINDER_DATABASE_URL": address}
        if linked:
            links = links_for(3, server.socket, server.name_of(address), lambda: to_port(office.smtp.port)())
            stack.callback(links.close)
            mail |= links.mail
            environment = links.environment(0)
        office = stack.enter_context(Office(folder, items, mail=mail, environment=environment))
        office.adopt()
        nodes = stack.enter_context(Nodes(office, folder, address, links))
        office.smtp.pause = SLOW
        yield office, nodes
