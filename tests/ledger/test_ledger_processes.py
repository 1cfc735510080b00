"""Several processes on one ledger, and processes that die."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import DeliveryState, LedgerKind
from tests.backends import Backend

PRELUDE = """
import sys
from datetime import UTC, datetime
from reminder.ledger.errors import AlreadySettled
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import *
now = datetime.fromisoformat(sys.argv[2])
"""

BEGIN_AND_HANG = (
    PRELUDE
    + """
ledger = Ledger.open(sys.argv[1], kind=LedgerKind.DAEMON, now=now)
print(ledger.spool.begin("lianjie", "d1", now), flush=True)
sys.stdin.readline()
"""
)

HALF_A_SETTLEMENT = (
    PRELUDE
    + """
ledger = Ledger.open(sys.argv[1], kind=LedgerKind.DAEMON, now=now)
with ledger._storage.write() as connection:
    connection.exec_driver_sql("UPDATE deliveries SET state = 'accepted'")
    connection.exec_driver_sql("DELETE FROM claims")
    print("half", flush=True)
    sys.stdin.readline()
"""
)

CONTEND = (
    PRELUDE
    + """
print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger.open(sys.argv[1], kind=LedgerKind.DAEMON, now=now)
mine = 0
for number in range(int(sys.argv[3])):
    alarm = NewAlarm(f"a{number}", "i", "o", "r", now, now, "send", "due")
    try:
        ledger.settle("lianjie", Transport.LIVE, Settlement((alarm,)), now)
        mine += 1
    except AlreadySettled:
        pass
print(mine, flush=True)
"""
)


@pytest.fixture
def address(backend: Backend, sample: Any) -> Path | str:
    return backend.address(LedgerKind.DAEMON, sample.now)


def opened(address: Path | str, sample: Any) -> Ledger:
    return Ledger.open(address, kind=LedgerKind.DAEMON, now=sample.now)


def test_a_kill_between_intent_and_outcome_loses_nothing(
    address: Path | str, sample: Any, child: Any
) -> None:
    """After kill -9 the intent stands, the file is whole, and the next start finds the delivery."""
    with opened(address, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    victim = child(BEGIN_AND_HANG, address, sample.now.isoformat())
    assert victim.line() == "1"
    victim.process.kill()
    assert victim.end() == -signal.SIGKILL

    with opened(address, sample) as ledger:
        assert ledger.integrity() == []
        assert ledger.spool.begin(sample.plan, "d1", sample.now) is None
        (left,) = ledger.spool.interrupted(sample.plan, sample.live, sample.at(minutes=1))
        assert (left.id, left.attempts, left.payload) == ("d1", 1, sample.delivery().payload)
        assert ledger.spool.resolve(sample.plan, "d1", DeliveryState.PENDING, sample.now, sample.now)
        assert ledger.spool.begin(sample.plan, "d1", sample.now) == 2


def test_a_kill_inside_a_transaction_leaves_none_of_it(address: Path | str, sample: Any, child: Any) -> None:
    """Half a transaction is no transaction."""
    with opened(address, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        before = ledger.book.counts(sample.plan, sample.live)
    victim = child(HALF_A_SETTLEMENT, address, sample.now.isoformat())
    assert victim.line() == "half"
    victim.process.kill()
    victim.end()
    with opened(address, sample) as ledger:
        assert ledger.integrity() == []
        assert ledger.book.counts(sample.plan, sample.live) == before


@pytest.mark.parametrize("existing", [False, True])
def test_two_processes_settle_each_alarm_once(
    address: Path | str, sample: Any, child: Any, existing: bool
) -> None:
    """Started at one moment, even on a ledger that neither has made yet, both finish and share."""
    if existing:
        opened(address, sample).close()
    rivals = [child(CONTEND, address, sample.now.isoformat(), 60) for _ in range(2)]
    for rival in rivals:
        assert rival.line() == "ready"
    for rival in rivals:
        rival.say("go")
    shares = [int(rival.line()) for rival in rivals]
    assert [rival.end() for rival in rivals] == [0, 0]
    assert sum(shares) == 60
    with opened(address, sample) as ledger:
        assert ledger.settled(sample.plan, sample.live) == {f"a{number}" for number in range(60)}
        assert ledger.integrity() == []
