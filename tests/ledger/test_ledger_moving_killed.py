"""A move that is killed: one ledger to send from or none, never two, and nothing lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reminder.ledger.errors import LedgerMissing, LedgerNotEmpty, LedgerUnfinished
from reminder.ledger.ledger import Ledger
from reminder.ledger.moving import MOVED, LedgersDiffer
from tests.amounts import amount
from tests.ledger.conftest import Sample
from tests.ledger.moves import DAEMON, carried, fill, move, opened, tables_of, usable

CHILD = """
import os, signal, sys
from datetime import datetime
from reminder.ledger import moving, pouring
at, now, old, url = sys.argv[1], datetime.fromisoformat(sys.argv[2]), sys.argv[3], sys.argv[4]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if at == "rows":
    given = pouring.rows_of
    def some(connection, table):
        for number, row in enumerate(given(connection, table)):
            if table.name == "deliveries" and number == 3:
                die()
            yield row
    pouring.rows_of = some
elif at == "proof":
    moving._compared = die
elif at == "hold":
    moving._Move._supersede = die
elif at == "held":
    given_hold = moving.standing.put_on_hold_anew
    moving.standing.put_on_hold_anew = lambda *a: (given_hold(*a), die())
elif at == "finish":
    moving._Move._finish = die
elif at == "finished":
    noted = moving._Move._note
    def note(self, connection, tables):
        noted(self, connection, tables)
        if connection.dialect.name == "postgresql":
            die()
    moving._Move._note = note
print("begun", flush=True)
moving.move_up(old, url, now, lambda _: None)
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("at", "sendable", "left"),
    [
        ("rows", True, "nothing"),
        ("proof", True, "nothing"),
        ("hold", True, "marked"),
        ("held", True, "marked"),
        ("finish", False, "marked"),
        ("finished", False, "marked"),
    ],
)
def test_killed_in_the_middle_there_is_one_ledger_to_send_from_and_it_can_be_taken_up(
    at: str, sendable: bool, left: str, old: Path, empty: str, sample: Sample, child: Callable[..., Any]
) -> None:
    """Until the proof is committed the old one as it was; afterwards the call once more finishes."""
    before = carried(old)
    killed = child(CHILD, at, sample.at(hours=1).isoformat(), old, empty)
    assert killed.end() == -9
    if left == "nothing":
        assert tables_of(empty) == []
    else:
        with pytest.raises(
            LedgerUnfinished, match=r"迁移还没有完成，不能使用：请重新执行 reminder migrate --from"
        ):
            opened(empty, sample)
    with Ledger.open(old, kind=DAEMON, now=sample.now) as ledger:
        assert (ledger.holds.standing().hold is None) is sendable
    if sendable:
        assert usable(old, sample)  # and goes on
        before = carried(old)
    moved = move(old, empty, sample)
    assert moved.resumed is not sendable
    assert carried(empty) == before
    with opened(empty, sample) as ledger:
        assert ledger.holds.standing().hold is None
        assert len(ledger.notes(sample.plan, MOVED)) == 1


def test_what_was_changed_since_an_unfinished_move_is_found(
    old: Path, empty: str, sample: Sample, child: Callable[..., Any]
) -> None:
    """The hold stands in the old one, the marker in the new one: it is looked at once more."""
    assert child(CHILD, "finish", sample.at(hours=1).isoformat(), old, empty).end() == -9
    with psycopg.connect(empty) as connection:
        connection.execute("UPDATE deliveries SET state = 'pending' WHERE state = 'accepted'")
    with pytest.raises(LedgersDiffer, match=r"上次迁移中断之后被改动：deliveries.*reminder resume"):
        move(old, empty, sample)
    with pytest.raises(LedgerUnfinished):
        opened(empty, sample)


def test_another_ledger_s_unfinished_move_is_not_gone_on_with(
    old: Path, empty: str, sample: Sample, child: Callable[..., Any], tmp_path: Path
) -> None:
    assert child(CHILD, "hold", sample.at(hours=1).isoformat(), old, empty).end() == -9
    fill(tmp_path / "other", sample, 1)
    with pytest.raises(LedgerNotEmpty, match="另一份台账未完成的迁移"):
        move(tmp_path / "other", empty, sample)


def test_killed_at_any_moment_nothing_is_lost(
    old: Path, empty: str, sample: Sample, child: Callable[..., Any]
) -> None:
    """Again and again, wherever it happens to be; the last call is let through."""
    before = carried(old)
    pick = random.Random(7)
    for _ in range(amount(60, 4)):
        mover = child(CHILD, "nowhere", sample.at(hours=1).isoformat(), old, empty)
        assert mover.line() == "begun"
        time.sleep(pick.random() * 0.5)
        mover.process.kill()
        mover.end()
        with Ledger.open(old, kind=DAEMON, now=sample.now) as ledger:
            held = ledger.holds.standing().hold is not None
        try:
            with opened(empty, sample) as new:
                assert held
                assert new.holds.standing().previous
            break
        except (LedgerMissing, LedgerUnfinished):
            pass
    else:
        move(old, empty, sample)
    assert carried(empty) == before


def test_an_open_ledger_is_refused_by_its_marker_as_well(virgin: str, sample: Sample) -> None:
    """Every command opens it the same way; ``reminder migrate`` alone does not finish a move."""
    with psycopg.connect(virgin) as connection:
        connection.execute("INSERT INTO ledger_info VALUES ('moving', '{}')")
    for upgrade in (False, True):
        with pytest.raises(LedgerUnfinished):
            Ledger.open(virgin, kind=DAEMON, now=sample.now, upgrade=upgrade)
