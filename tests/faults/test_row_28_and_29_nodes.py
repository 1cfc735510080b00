"""Rows 28 and 29: nodes that are killed, stopped and cut off, and a PostgreSQL that restarts under them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.delivery.engines.node import SWEEP_SECONDS
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.ledger.work import HEARTBEAT_SECONDS, STALLED_SECONDS
from tests.amounts import amount, report
from tests.harness.history import Report
from tests.harness.nodes import Nodes, most_copies
from tests.harness.office import EIGHT, Office
from tests.harness.postgres import Server
from tests.harness.process import wait_for
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


def due_together() -> list[str]:
    """:data:`EACH` items due at nine, and as many a minute later."""
    found = []
    for number in range(2 * EACH):
        rung = f"- from: due\n  workdays: 0\n  at: 09:{number // EACH:02d}\n  to: person:p-office\n{MAIL}"
        found.append(item_yaml(f"n{number:04d}", "date: 2026-06-10\nat: 23:59", rung, "alone: true"))
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that syncs to disk, and that a test may stop."""
    made = Server(fast=False)
    yield made
    made.stop()


@pytest.fixture
def database(server: Server) -> Iterator[Callable[[], str]]:
    """Makes databases with a new ledger: an office has few messages, so that its nodes start quickly."""
    made: list[str] = []

    def make() -> str:
        made.append(server.empty_database())
        Ledger.open(made[-1], kind=LedgerKind.DAEMON, now=EIGHT - timedelta(hours=2), upgrade=True).close()
        return made[-1]

    yield make
    for address in made:
        server.drop(address)


@contextmanager
def cluster(folder: Path, address: str) -> Iterator[tuple[Office, Nodes]]:
    """Three nodes that have taken the plan into force, and a mail server that takes its time."""
    with Office(
        folder, due_together(), mail={"connections": 2}, environment={"REMINDER_DATABASE_URL": address}
    ) as office:
        office.adopt()
        with Nodes(office, folder, address) as nodes:
            office.smtp.pause = SLOW
            yield office, nodes


def settled(nodes: Nodes, rounds: int) -> None:
    """Until everything so far has been accepted, and no job is left."""
    query = "SELECT count(*) FROM deliveries WHERE state = 'accepted' AND channel = 'mail'"
    wait_for(lambda: nodes.asked(query)[0][0] >= rounds * EACH, "all of this round", 60)
    wait_for(lambda: nodes.jobs() == 0, "the end of the jobs")


def judged(office: Office) -> Report:
    found = office.judge(NINE + 2 * MINUTE)
    assert found.clean, found
    return found


def test_row_28_a_node_killed_or_stopped_in_a_batch_is_replaced_by_the_others(
    tmp_path: Path, database: Callable[[], str]
) -> None:
    """kill -9 in mid-batch, then SIGSTOP for longer than others wait; one message a connection may come twice."""
    lives = amount(25, 1)
    seconds: list[float] = []
    twice = 0
    for number in range(lives):
        with cluster(tmp_path / str(number), database()) as (office, nodes):
            nodes.come_due(NINE)
            killed = nodes.busy()
            kill = nodes.end(killed, signal.SIGKILL)
            settled(nodes, 1)
            seconds += nodes.taken_up_after(kill)
            nodes.start(killed)

            nodes.come_due(NINE + MINUTE)
            stopped = nodes.busy()
            stop = nodes.end(stopped, signal.SIGSTOP)
            settled(nodes, 2)
            seconds += nodes.taken_up_after(stop)
            nodes.note(stop.in_flight)  # what it was sending when it was stopped may arrive now
            stopped.signal(signal.SIGCONT)
            time.sleep(HEARTBEAT_SECONDS)
            found = judged(office)
            twice += len(found.excused)
            assert max(found.by_kill.values(), default=0) <= 2
            assert most_copies(office.arrivals()) <= 2
            assert office.daemon.alive
            assert all(other.stop() == 0 for other in nodes.others)
    assert seconds, "no kill met a send: nothing was tried"
    # A second for the next poll, and some for a busy machine.
    assert max(seconds) < TAKEN_UP + 5
    report(
        f"nodes: {2 * lives} killed or stopped, {len(seconds)} sends taken up after "
        f"{min(seconds):.1f} to {max(seconds):.1f} s, {twice} came twice"
    )


def test_row_29_postgresql_throws_everybody_out_and_restarts_under_three_nodes(
    tmp_path: Path, server: Server, database: Callable[[], str]
) -> None:
    """Terminated backends and immediate stops kill no node: what is in flight ends, and nothing comes twice."""
    lives = amount(50, 1)
    for number in range(lives):
        address = database()
        with cluster(tmp_path / str(number), address) as (office, nodes):
            nodes.come_due(NINE)
            nodes.busy()
            assert server.throw_out(address.partition("@/")[2].partition("?")[0]) > 3
            settled(nodes, 1)

            nodes.come_due(NINE + MINUTE)
            nodes.busy()
            server.crash()
            server.start()
            settled(nodes, 2)
            judged(office)
            assert all(process.alive for process in (office.daemon, *nodes.others))
    report(f"nodes: {lives} times thrown out, {lives} restarts of PostgreSQL: nothing lost, nothing twice")
