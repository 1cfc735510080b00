"""Lives that end by kill -9 near a send, again and again, and what came of them.

The alarm clock rings at the due instant; the daemon decides, renders and sends.
On an idle machine a mail is in its send window some 40 to 100 ms after the ring
and a post some 100 to 170 ms, the server's pause before it answers included.
Half of the kills come 50 to 140 ms after the ring (the fault matrix's figures)
and meet every stage of that.  On a busy machine they all come too early, so the
other half come within some milliseconds of the first word to a server.
:class:`Tally` counts what they met.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from reminder.ledger.records import DeliveryState, Transport
from tests.harness.history import Report
from tests.harness.office import BOTH, Office, items
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
AFTER_THE_RING = (0.05, 0.14)
AFTER_THE_FIRST_WORD = (0.0, 0.08)
"""Seconds."""
PAUSE = 0.05
"""Seconds a server takes from having a message to saying so: while they last, nobody knows the outcome."""


@dataclass(frozen=True)
class Kind:
    """What comes due in a life.

    ``single``: one message at a time, since what the last kill left behind is
    finished before the next alarm comes due; a kill can then repeat one message
    at most.  Otherwise the alarms come due up to a second after the start, when
    some of what was left behind is finished, some in flight and some still waits.
    """

    name: str
    via: str
    alarms: int
    single: bool

    @property
    def channels(self) -> int:
        return self.via.count("- ")


KINDS = (
    Kind("mail", "  via:\n    - mail\n", 1, single=True),
    Kind("robot", "  via:\n    - group\n", 1, single=True),
    Kind("both at once", BOTH, 2, single=False),
)


@dataclass
class Tally:
    """Kills by what they met, and what the receivers saw of them."""

    kills: int = 0
    before: int = 0
    """Kills that met nothing of this life begun."""
    inside: int = 0
    """Kills with at least one intent whose outcome was unknown."""
    after: int = 0
    uncertain: int = 0
    """Deliveries whose outcome was unknown, over all kills."""
    repeated: int = 0
    """Messages that were received once more."""
    most: int = 0
    """The most that one kill repeated."""
    faults: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kills + other.kills,
            self.before + other.before,
            self.inside + other.inside,
            self.after + other.after,
            self.uncertain + other.uncertain,
            self.repeated + other.repeated,
            max(self.most, other.most),
            self.faults + other.faults,
        )

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.before} before a send, {self.inside} inside, {self.after} after), "
            f"{self.uncertain} sends uncertain, {self.repeated} repeated, at most {self.most} by one kill; "
            f"{len(self.faults)} losses or other faults"
        )


def lives(folder: Path, kind: Kind, count: int, seed: int) -> Tally:
    """One office, killed ``count`` times, then left to finish and judged by its receivers."""
    dice = random.Random(seed)
    tally = Tally()
    with Office(folder, items(count * kind.alarms, via=kind.via)) as office:
        office.smtp.pause = office.robot.pause = PAUSE
        office.adopt()
        now = NINE - timedelta(minutes=1)
        for life in range(count):
            office.daemon.start()
            if kind.single:
                _settle(office, life * kind.alarms * kind.channels)
            else:
                time.sleep(dice.random())
            now += timedelta(minutes=kind.alarms)
            _let_come_due(office, now, dice)
            _count(tally, office, kind, (life + 1) * kind.alarms)
        office.daemon.start()
        _settle(office, count * kind.alarms * kind.channels)
        report = office.judge(now + timedelta(seconds=30))
        assert office.daemon.stop() == 0
    _judge(tally, report, f"{kind.name}, seed {seed}")
    print(f"{kind.name}, office {seed}: {tally}", flush=True)  # for who watches a long run
    return tally


def _let_come_due(office: Office, now: datetime, dice: random.Random) -> None:
    """Ring, and return at the moment to kill."""
    heard = office.heard
    office.come_due(now)
    if dice.random() < 0.5:
        time.sleep(dice.uniform(*AFTER_THE_RING))
    else:
        wait_for(lambda: office.heard > heard, "a send", every=0.001)
        time.sleep(dice.uniform(*AFTER_THE_FIRST_WORD))


def _settle(office: Office, finished: int) -> None:
    """Wait until everything that came due so far has its outcome."""

    def settled() -> bool:
        with office.daemon.ledger() as ledger:
            return ledger.book.counts("test", Transport.LIVE).get(DeliveryState.ACCEPTED, 0) == finished

    wait_for(settled, "the end of what the last kill left behind")


def _count(tally: Tally, office: Office, kind: Kind, alarms: int) -> None:
    kill = office.kill()
    tally.kills += 1
    tally.uncertain += len(kill.in_flight)
    with office.daemon.ledger() as ledger:
        assert ledger.integrity() == []
        counts = ledger.book.counts("test", Transport.LIVE)
    if kill.in_flight:
        tally.inside += 1
    elif counts.get(DeliveryState.ACCEPTED, 0) == alarms * kind.channels:
        tally.after += 1
    else:
        tally.before += 1


def _judge(tally: Tally, report: Report, where: str) -> None:
    tally.repeated = len(report.excused)
    tally.most = max(report.by_kill.values(), default=0)
    if not report.clean:
        tally.faults.append(f"{where}: {report}")
