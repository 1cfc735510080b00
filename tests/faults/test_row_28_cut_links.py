"""Row 28: a node whose link is pulled out in the middle of a batch, and put in again later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.ledger.storage_postgres import IDLE_SECONDS
from tests.amounts import amount, report
from tests.harness.nodes import LAST_WORDS, MINUTE, NINE, TAKEN_UP, cluster, due_together
from tests.harness.postgres import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that syncs to disk."""
    made = Server(fast=False)
    yield made
    made.stop()


def test_row_28_a_node_that_is_cut_off_in_a_batch_is_replaced_and_comes_back(
    tmp_path: Path, server: Server
) -> None:
    """Neither end is told.  Others send what it had; afterwards it works again, and repeats nothing else."""
    lives = amount(10, 1)
    seconds: list[float] = []
    twice = 0
    for number in range(lives):
        with cluster(tmp_path / str(number), server, due_together(), linked=True) as (office, nodes):
            links = nodes.links
            assert links is not None
            nodes.come_due(NINE)
            lonely = nodes.busy()
            links.cut(nodes.all.index(lonely))
            time.sleep(LAST_WORDS)
            cut = nodes.note(nodes.in_hand(lonely))
            nodes.settled(1)
            seconds += nodes.taken_up_after(cut)
            nodes.is_back(lonely, cut)
            links.mend(nodes.all.index(lonely))

            nodes.come_due(NINE + MINUTE)
            nodes.settled(2)
            found = office.judge(NINE + 2 * MINUTE)
            assert found.clean, found
            twice += len(found.excused)
            assert all(process.alive for process in nodes.all)
            kind = type(links).__name__.lower()
    # What its transaction held is free only when the database has noticed that nobody is there.
    assert max(seconds, default=0) < TAKEN_UP + IDLE_SECONDS
    report(
        f"nodes: {lives} cut off ({kind}), {len(seconds)} sends taken up after "
        f"{min(seconds, default=0):.1f} to {max(seconds, default=0):.1f} s, {twice} came twice"
    )
