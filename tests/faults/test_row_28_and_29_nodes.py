"""Rows 28 and 29: nodes that are killed, stopped and cut off, and a PostgreSQL that restarts under them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.delivery.engines.node import SWEEP_SECONDS
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.ledger.work import HEARTBEAT_SECONDS, STALLED_SECONDS
from tests.amounts import amount, report
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


def due_together(rounds: int) -> list[str]:
    """:data:`EACH` items due at nine, as many a minute later, and so on."""
    found = []
    for number in range(rounds * EACH):
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
def address(server: Server) -> Iterator[str]:
    made = server.empty_database()
    Ledger.open(made, kind=LedgerKind.DAEMON, now=EIGHT - timedelta(hours=2), upgrade=True).close()
    yield made
    server.drop(made)


def cluster(folder: Path, address: str, rounds: int) -> Office:
    return Office(
        folder,
        due_together(rounds),
        mail={"connections": 2},
        environment={"REMINDER_DATABASE_URL": address},
    )


def settled(office: Office, nodes: Nodes, rounds: int) -> None:
    """Until everything so far has been accepted, and no job is left."""
    query = "SELECT count(*) FROM deliveries WHERE state = 'accepted' AND channel = 'mail'"
    wait_for(lambda: nodes.asked(query)[0][0] >= rounds * EACH, "all of this round", 60)
    wait_for(lambda: nodes.jobs() == 0, "the end of the jobs")


def test_row_28_a_node_killed_or_stopped_in_a_batch_is_replaced_by_the_others(
    tmp_path: Path, address: str
) -> None:
    """kill -9 in mid-batch, then SIGSTOP for longer than others wait; one message a connection may come twice."""
    rounds = amount(25, 1)
    seconds: list[float] = []
    with cluster(tmp_path, address, 2 * rounds) as office:
        office.adopt()
        with Nodes(office, tmp_path, address) as nodes:
            office.smtp.pause = SLOW
            for number in range(rounds):
                nodes.come_due(NINE + 2 * number * MINUTE)
                killed = nodes.busy()
                kill = nodes.end(killed, signal.SIGKILL)
                settled(office, nodes, 2 * number + 1)
                seconds += nodes.taken_up_after(kill)
                nodes.start(killed)

                nodes.come_due(NINE + (2 * number + 1) * MINUTE)
                stopped = nodes.busy()
                stop = nodes.end(stopped, signal.SIGSTOP)
                settled(office, nodes, 2 * number + 2)
                seconds += nodes.taken_up_after(stop)
                nodes.note(stop.in_flight)  # what it was sending when it was stopped may arrive now
                stopped.signal(signal.SIGCONT)
                time.sleep(HEARTBEAT_SECONDS)
            judged = office.judge(NINE + 2 * rounds * MINUTE)
            assert judged.clean, judged
            assert max(judged.by_kill.values(), default=0) <= 2
            assert most_copies(office.arrivals()) <= 2
            assert office.daemon.alive
            assert all(other.stop() == 0 for other in nodes.others)
    assert seconds, "no kill met a send: nothing was tried"
    # A second for the next poll, and some for a busy machine.
    assert max(seconds) < TAKEN_UP + 5
    report(
        f"nodes: {2 * rounds} killed or stopped, {len(seconds)} sends taken up after "
        f"{min(seconds):.1f} to {max(seconds):.1f} s, {len(judged.excused)} came twice"
    )


def test_row_29_postgresql_throws_everybody_out_and_restarts_under_three_nodes(
    tmp_path: Path, server: Server, address: str
) -> None:
    """Terminated backends and immediate stops kill no node: what is in flight ends, and nothing comes twice."""
    rounds = amount(50, 1)
    with cluster(tmp_path, address, 2 * rounds) as office:
        office.adopt()
        with Nodes(office, tmp_path, address) as nodes:
            office.smtp.pause = SLOW
            for number in range(rounds):
                nodes.come_due(NINE + 2 * number * MINUTE)
                nodes.busy()
                assert server.throw_out(address.partition("@/")[2].partition("?")[0]) > 3
                settled(office, nodes, 2 * number + 1)

                nodes.come_due(NINE + (2 * number + 1) * MINUTE)
                nodes.busy()
                server.crash()
                server.start()
                settled(office, nodes, 2 * number + 2)
            judged = office.judge(NINE + 2 * rounds * MINUTE)
            assert judged.clean, judged
            assert all(process.alive for process in (office.daemon, *nodes.others))
    report(f"nodes: {rounds} times thrown out, {rounds} restarts of PostgreSQL: {judged}")
