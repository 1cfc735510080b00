"""One, two and three nodes on one PostgreSQL: the same festival, from the due instant to the last outcome."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.figures import Figure, median, spread
from benchmarks.mail import office
from benchmarks.postfix import Postfix, Sink, postfix
from reminder.status import WORKER
from tests.harness.daemon_main import ROLE
from tests.harness.nodes import empty_ledger
from tests.harness.postgres import Server
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import at

PEOPLE = 3_000
ROUNDS = 3
COUNTS = (1, 2, 3)
BEFORE, DUE = at("2026-09-24 09:20"), at("2026-09-24 09:30")
PATIENCE = 600.0
LOOK = 0.01
LEFT = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')"
MADE = "SELECT count(*) FROM deliveries"


class Race:
    """A server for all runs; each run has a database, a mail sink and processes of its own."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder, self._server = folder, server
        self._programs: Postfix = postfix(folder)

    def run(self, count: int) -> tuple[float, float]:
        """Mails a second with so many nodes, and seconds until all was claimed."""
        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            sink = stack.enter_context(Sink(self._programs, self._folder))
            address = stack.enter_context(empty_ledger(self._server))
            office(folder, sink.port, PEOPLE)
            nodes = [
                DaemonProcess(
                    folder / "schedules",
                    folder / f"node{number}",
                    {"REMINDER_DATABASE_URL": address, ROLE: WORKER if number else ""},
                )
                for number in range(count)
            ]
            nodes[0].go_live(BEFORE)
            database = stack.enter_context(psycopg.connect(address, autocommit=True))
            for node in nodes:
                stack.callback(node.kill)
                node.set_clock(BEFORE)
                node.start()
            wait_for(lambda: _number(database, LEFT) == 0, "what the first look had to tell", PATIENCE)
            known, arrived = _number(database, MADE), sink.arrived
            begun = time.perf_counter()
            for node in nodes:
                node.set_clock(DUE)
                node.signal(signal.SIGUSR1)
            wait_for(lambda: _number(database, MADE) >= known + PEOPLE, "the claims", PATIENCE, every=LOOK)
            claimed = time.perf_counter() - begun
            wait_for(lambda: sink.arrived >= arrived + PEOPLE, "the last mail", PATIENCE, every=LOOK)
            wait_for(lambda: _number(database, LEFT) == 0, "the last outcome", PATIENCE, every=LOOK)
            seconds = time.perf_counter() - begun
            assert sink.arrived == arrived + PEOPLE, "somebody got it twice"
            return PEOPLE / seconds, claimed


def _number(database: psycopg.Connection[tuple[int]], query: str) -> int:
    row = database.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def nodes(rounds: int = ROUNDS) -> Iterator[Figure]:
    """Mails a second of one, two and three nodes, taken in turn."""
    rates: dict[int, list[float]] = {count: [] for count in COUNTS}
    claims: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the sink runs as somebody else
        server = Server(fast=False)
        try:
            race = Race(folder, server)
            for _ in range(rounds):
                for count in COUNTS:
                    rate, claimed = race.run(count)
                    rates[count].append(rate)
                    claims.append(claimed)
        finally:
            server.stop()
    one = median(rates[1])
    how = f"{PEOPLE:,} mails, median (min–max) of {rounds} rounds in turn; nodes, PostgreSQL and sink share this machine"
    for count in COUNTS:
        beside = f"; {median(rates[count]) / one:.2f} × one node" if count > 1 else ""
        what = "one node" if count == 1 else f"{count} nodes"
        yield Figure(f"{what} on PostgreSQL", spread(rates[count], "/s", 0) + beside, "–", how)
    yield Figure(
        "… of that until all is rendered and claimed", spread(claims), "–", "by whichever node is first"
    )
