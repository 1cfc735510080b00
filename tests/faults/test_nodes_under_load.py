"""Three nodes under a load that does not end, while one thing after another happens to them.

What must hold is the same as for one machine: nothing is lost, and nothing comes
twice but what a node had begun and not ended when it was killed or stopped.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.amounts import amount, report
from tests.harness.history import Kill
from tests.harness.nodes import MAIL, MINUTE, NINE, Nodes, cluster
from tests.harness.office import Office
from tests.harness.postgres import Server
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import item_yaml

EACH = 24
"""Messages that come due in a round, more than are sent until the next."""
SLOW = 0.05
FATES = ("kill",) * 6 + ("restart",) * 2 + ("pause",)
"""What happens in a life, one in each of its rounds, in an order drawn for it."""
PAUSED_FOR = 3
"""Rounds; by then others have taken up what it had."""


def plan() -> list[str]:
    """:data:`EACH` items come due in each minute from nine on."""
    found = []
    for number in range(len(FATES) * EACH):
        rung = f"- from: due\n  workdays: 0\n  at: 09:{number // EACH:02d}\n  to: person:p-office\n{MAIL}"
        found.append(item_yaml(f"n{number:04d}", "date: 2026-06-10\nat: 23:59", rung, "alone: true"))
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that syncs to disk, and that a test may stop."""
    made = Server(fast=False)
    yield made
    made.stop()


class Life:
    """One life of the cluster: what has happened, and who is stopped."""

    def __init__(self, office: Office, nodes: Nodes, server: Server, dice: random.Random) -> None:
        self._office, self._nodes, self._server, self._dice = office, nodes, server, dice
        self._stopped: tuple[DaemonProcess, int, Kill] | None = None
        self.met = 0
        """Of the kills and stops, those that met a send."""

    def happen(self, fate: str, number: int) -> None:
        """In the round of this number, while messages are on their way."""
        nodes = self._nodes
        if self._stopped is not None and number - self._stopped[1] >= PAUSED_FOR:
            self.go_on()
        awake = [each for each in nodes.all if self._stopped is None or each is not self._stopped[0]]
        wait_for(lambda: any(nodes.in_hand(each) for each in awake), "a send", every=0.01)
        if fate == "restart":
            self._server.crash()
            self._server.start()
            return
        victim = self._dice.choice([each for each in awake if nodes.in_hand(each)] or awake)
        end = nodes.end(victim, signal.SIGKILL if fate == "kill" else signal.SIGSTOP)
        self.met += bool(end.in_flight)
        if fate == "kill":
            nodes.start(victim)
        else:
            self._stopped = victim, number, end

    def go_on(self) -> None:
        """Whoever is stopped goes on."""
        if self._stopped is not None:
            process, _, stop = self._stopped
            self._nodes.is_back(process, stop)
            process.signal(signal.SIGCONT)
            self._stopped = None


@pytest.mark.long_only("a node that the machine leaves no time is taken for dead, and says things twice")
def test_under_load_nothing_is_lost_and_only_what_was_in_flight_comes_twice(
    tmp_path: Path, server: Server
) -> None:
    """Kills, pauses and restarts of PostgreSQL in an order that the seed draws."""
    lives = amount(50, 1)
    happened: Counter[str] = Counter()
    messages = twice = met = 0
    for number in range(lives):
        dice = random.Random(number)
        fates = dice.sample(FATES, len(FATES))
        with cluster(tmp_path / str(number), server, plan()) as (office, nodes):
            office.smtp.pause = SLOW
            life = Life(office, nodes, server, dice)
            for round_, fate in enumerate(fates):
                nodes.come_due(NINE + round_ * MINUTE)
                life.happen(fate, round_)
                happened[fate] += 1
            life.go_on()
            found = office.judge(NINE + len(fates) * MINUTE, in_flight=2, patience=90).without_alerts()
            assert found.clean, f"seed {number}: {found}"
            assert all(process.alive for process in nodes.all)
            messages += len(FATES) * EACH
            twice += len(found.excused)
            met += life.met
    report(
        f"nodes under load: {happened['kill']} kills, {happened['pause']} pauses, {happened['restart']} restarts"
        f" of PostgreSQL in {lives} lives; {messages} messages, 0 lost, {twice} twice, all in one of the {met} sends"
        " that were met"
    )
