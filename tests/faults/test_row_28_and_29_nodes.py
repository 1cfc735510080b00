"""Rows 28 and 29: nodes that are killed, stopped and cut off, and a PostgreSQL that restarts under them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.ledger.work import HEARTBEAT_SECONDS
from tests.amounts import amount, report
from tests.harness.history import Report
from tests.harness.nodes import MINUTE, NINE, TAKEN_UP, cluster, due_together, most_copies
from tests.harness.office import Office
from tests.harness.postgres import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that syncs to disk, and that a test may stop."""
    made = Server(fast=False)
    yield made
    made.stop()


def judged(office: Office) -> Report:
    found = office.judge(NINE + 2 * MINUTE)
    assert found.clean, found
    return found


@pytest.mark.long_only("it waits half a minute; a node that is cut off is tried in every run")
def test_row_28_a_node_killed_or_stopped_in_a_batch_is_replaced_by_the_others(
    tmp_path: Path, server: Server
) -> None:
    """kill -9 in mid-batch, then SIGSTOP for longer than others wait; one message a connection may come twice."""
    lives = amount(25, 1)
    seconds: list[float] = []
    twice = 0
    for number in range(lives):
        with cluster(tmp_path / str(number), server, due_together()) as (office, nodes):
            nodes.come_due(NINE)
            killed = nodes.busy()
            kill = nodes.end(killed, signal.SIGKILL)
            nodes.settled(1)
            seconds += nodes.taken_up_after(kill)
            nodes.start(killed)

            nodes.come_due(NINE + MINUTE)
            stopped = nodes.busy()
            stop = nodes.end(stopped, signal.SIGSTOP)
            nodes.settled(2)
            seconds += nodes.taken_up_after(stop)
            nodes.is_back(stopped, stop)
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
    tmp_path: Path, server: Server
) -> None:
    """Terminated backends and immediate stops kill no node: what is in flight ends, and nothing comes twice."""
    lives = amount(50, 1)
    for number in range(lives):
        with cluster(tmp_path / str(number), server, due_together()) as (office, nodes):
            nodes.come_due(NINE)
            nodes.busy()
            assert server.throw_out(server.name_of(nodes.address)) > 3
            nodes.settled(1)

            nodes.come_due(NINE + MINUTE)
            nodes.busy()
            server.crash()
            server.start()
            nodes.settled(2)
            judged(office)
            assert all(process.alive for process in nodes.all)
    report(f"nodes: {lives} times thrown out, {lives} restarts of PostgreSQL: nothing lost, nothing twice")
