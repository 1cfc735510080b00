"""Old ledgers on PostgreSQL that come back: each node's own mark tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reminder.backup.guard import Guard, LedgerForeign, hold_of, open_ledger
from reminder.ledger.errors import LedgerMissing
from reminder.ledger.holds import Hold, HoldReason, Release
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note, Transport
from reminder.ledger.standing import new_identity
from tests.harness.postgres import Server, stamp

NOW = datetime(2026, 9, 24, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    made = postgres.new_database()
    stamp(made, LedgerKind.DAEMON, NOW)
    yield made
    postgres.drop(made)


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def note(ledger: Ledger) -> None:
    ledger.note("test", Note("daemon", NOW, "系统"))


def checked(mark: Path, ledger: Ledger) -> HoldReason | None:
    """What one look of a node finds; it leaves its mark."""
    hold = Guard(mark).check(ledger, LATER, live=True)
    return hold.reason if hold is not None else None


def test_an_older_state_of_the_database_is_held(postgres: Server, url: str, tmp_path: Path) -> None:
    """Restored by the administrator, it lacks what the node saw; the hold stands in it for all nodes."""
    mark = tmp_path / "high-water.json"
    with open_ledger(url, mark, NOW) as ledger:
        note(ledger)
        assert checked(mark, ledger) is None
    saved = f"{name_of(url)}_saved"
    postgres.execute(f"CREATE DATABASE {saved} TEMPLATE {name_of(url)}")
    with open_ledger(url, mark, NOW) as ledger:
        note(ledger)
        assert checked(mark, ledger) is None
    postgres.drop(url)
    postgres.execute(f"ALTER DATABASE {saved} RENAME TO {name_of(url)}")
    with open_ledger(url, mark, LATER) as ledger:
        assert checked(mark, ledger) is HoldReason.OLDER
        assert checked(tmp_path / "another-node.json", ledger) is HoldReason.OLDER


def test_a_node_that_joins_needs_no_mark(url: str, tmp_path: Path) -> None:
    """Nor does one whose data folder was copied from another's."""
    with open_ledger(url, tmp_path / "one.json", NOW) as ledger:
        note(ledger)
        assert checked(tmp_path / "one.json", ledger) is None
        assert checked(tmp_path / "two.json", ledger) is None
        (tmp_path / "three.json").write_bytes((tmp_path / "one.json").read_bytes())
        assert checked(tmp_path / "three.json", ledger) is None


def test_what_a_person_released_on_one_node_goes_on_on_all(url: str, tmp_path: Path) -> None:
    """The other nodes' marks still name what the ledger was called before."""
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    with open_ledger(url, one, NOW) as ledger:
        note(ledger)
        assert (checked(one, ledger), checked(two, ledger)) == (None, None)
        ledger.holds.put(Hold(HoldReason.OLDER, NOW, NOW))
        assert checked(two, ledger) is HoldReason.OLDER
        ledger.holds.release("test", Transport.LIVE, Release("p-clerk", None, (), (), new_identity()), LATER)
        assert (checked(one, ledger), checked(two, ledger)) == (None, None)


def test_another_ledger_in_its_place_is_refused_and_left_alone(url: str, tmp_path: Path) -> None:
    """It may be another cluster's, whose nodes go on; a person may take it over, as one that came back."""
    mark = tmp_path / "high-water.json"
    with open_ledger(url, mark, NOW) as ledger:
        note(ledger)
        assert checked(mark, ledger) is None
        stamp(url, LedgerKind.DAEMON, NOW)
        with pytest.raises(LedgerForeign, match=r"另一本台账.*没有改动这本台账.*REMINDER_DATABASE_URL"):
            checked(mark, ledger)
        assert ledger.holds.standing().hold is None
        assert checked(tmp_path / "a-node-of-theirs.json", ledger) is None
        hold = hold_of(ledger, mark, LATER)
        assert hold is not None
        assert hold.reason is HoldReason.OTHER


def test_a_database_without_its_tables_is_not_taken_for_a_new_one(postgres: Server, tmp_path: Path) -> None:
    mark = tmp_path / "high-water.json"
    full, bare = postgres.new_database(), postgres.empty_database()
    try:
        with open_ledger(full, mark, NOW) as ledger:
            note(ledger)
            assert checked(mark, ledger) is None
        with pytest.raises(LedgerMissing, match=r"表明这里有过台账.*REMINDER_DATABASE_URL"):
            open_ledger(bare, mark, NOW)
    finally:
        postgres.drop(full)
        postgres.drop(bare)
