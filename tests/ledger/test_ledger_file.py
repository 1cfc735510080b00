"""The file under the ledger: made, opened, misused, deleted, damaged, full, locked."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from reminder.errors import UsageError
from reminder.ledger.errors import (
    LedgerAddressError,
    LedgerCorrupt,
    LedgerFull,
    LedgerGone,
    LedgerKindError,
    LedgerLocked,
    LedgerMissing,
    LedgerReadOnly,
    LedgerUnreadable,
)
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.shown import EntryFilter

pytestmark = pytest.mark.sqlite_only("the file under the ledger")

DAEMON, SIMULATION = LedgerKind.DAEMON, LedgerKind.SIMULATION


def reopened(path: Path, sample: Any, **options: Any) -> Ledger:
    return Ledger.open(path, kind=DAEMON, now=sample.now, **options)


def test_a_new_ledger_is_for_its_owner_only(path: Path, sample: Any) -> None:
    """File, write-ahead log and folder: it names people and addresses."""
    with reopened(path, sample) as ledger:
        ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert set(modes) == {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_ledger_put_back_by_hand_is_closed_to_others_again(path: Path, sample: Any) -> None:
    """Copied back as readable for all, it is not left so."""
    reopened(path, sample).close()
    path.chmod(0o644)
    reopened(path, sample).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_commit_is_synced_and_readers_cannot_write(path: Path, sample: Any) -> None:
    """The settings the guarantee rests on, as the connections have them."""
    with reopened(path, sample) as ledger:
        with ledger._storage.write() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
        with pytest.raises(LedgerReadOnly, match="只能读"), ledger._storage.read() as connection:
            connection.exec_driver_sql("DELETE FROM notes")


def test_a_simulation_is_spared_the_sync(path: Path, sample: Any) -> None:
    """NORMAL: never corrupt, and a rehearsal loses nothing in a power cut."""
    with Ledger.open(path, kind=SIMULATION, now=sample.now) as ledger, ledger._storage.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1


def test_a_reader_does_not_block_the_writer_nor_see_half_of_it(path: Path, sample: Any) -> None:
    """A snapshot held open while others write stays what it was."""
    with reopened(path, sample, busy_timeout=0.1) as ledger:
        with ledger._storage.read() as connection:
            before = connection.exec_driver_sql("SELECT count(*) FROM notes").scalar()
            ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
            assert connection.exec_driver_sql("SELECT count(*) FROM notes").scalar() == before == 0
        assert len(ledger.notes(sample.plan)) == 1


def test_it_is_kept_over_a_restart_with_its_birthday(path: Path, sample: Any) -> None:
    """Opened again later, by path or by address, it is the same ledger."""
    with reopened(path, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    address = f"sqlite:///{path}".replace("%", "%25")
    for where in (path, str(path), address if "%25" not in address else path):
        with Ledger.open(where, kind=DAEMON, now=sample.at(days=1), create=False) as ledger:
            assert ledger.path == path
            assert ledger.created == sample.now
            assert ledger.settled(sample.plan, sample.live) == {"alarm-d1"}
            assert ledger.integrity() == []


@pytest.mark.parametrize(("made", "wanted"), [(DAEMON, SIMULATION), (SIMULATION, DAEMON)])
def test_the_other_kind_is_refused(path: Path, sample: Any, made: LedgerKind, wanted: LedgerKind) -> None:
    """A rehearsal never writes into the office's record, nor the daemon into a rehearsal's."""
    Ledger.open(path, kind=made, now=sample.now).close()
    before = path.read_bytes()
    text = {DAEMON: "正式台账，只供 reminder run", SIMULATION: "模拟台账，只供 reminder simulate"}[made]
    with pytest.raises(LedgerKindError, match=text) as caught:
        Ledger.open(path, kind=wanted, now=sample.now)
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_code == 2
    assert path.read_bytes() == before


def test_a_command_that_only_looks_creates_nothing(path: Path, sample: Any) -> None:
    """Missing or empty: said, not filled."""
    with pytest.raises(LedgerMissing, match=r"没有台账.*reminder run"):
        reopened(path, sample, create=False)
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch()
    with pytest.raises(LedgerMissing, match="空文件"):
        reopened(path, sample, create=False)
    assert path.stat().st_size == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql+pymysql://db.example.com/reminder", "不能使用"),
        ("sqlite://", "不能只在内存里"),
        ("sqlite:///:memory:", "不能只在内存里"),
        ("://", "看不懂"),
    ],
)
def test_an_address_it_cannot_use_is_wrong_use(sample: Any, address: str, words: str) -> None:
    """Said before anything is opened, with what to write instead."""
    with pytest.raises(LedgerAddressError, match=words) as caught:
        Ledger.open(address, kind=DAEMON, now=sample.now)
    assert caught.value.exit_code == 2


def test_a_path_that_cannot_hold_a_ledger_says_why(tmp_path: Path, sample: Any) -> None:
    """A folder in the file's place, a file in the folder's place."""
    with pytest.raises(LedgerUnreadable, match="是目录"):
        reopened(tmp_path, sample)
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerUnreadable, match="建不起来"):
        reopened(tmp_path / "file" / "ledger.sqlite", sample)


@pytest.mark.parametrize(
    "content", [b"plan:\n  id: lianjie\n", os.urandom(16384), b"SQLite format 3\x00" * 400]
)
def test_what_is_no_database_is_named_and_left_alone(path: Path, sample: Any, content: bytes) -> None:
    """The wrong file in the ledger's place is not overwritten."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(LedgerCorrupt, match="不是台账"):
        reopened(path, sample)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_left_alone(path: Path, sample: Any) -> None:
    """Not a byte of it changes."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE salaries (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerCorrupt, match="不是台账"):
        reopened(path, sample)
    assert path.read_bytes() == before


def test_garbage_over_an_open_ledger_stops_the_sending(path: Path, sample: Any) -> None:
    """Overwritten underneath: nothing is begun, and the error says what to do."""
    with reopened(path, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    with reopened(path, sample) as ledger:
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
        with pytest.raises(LedgerCorrupt, match="备份"):
            ledger.spool.begin(sample.plan, "d1", sample.now)
        with pytest.raises(LedgerCorrupt):
            ledger.book.entries(sample.plan, EntryFilter())


def test_a_damaged_page_is_found_by_the_integrity_check(path: Path, sample: Any) -> None:
    """What opening does not read, ``integrity`` does."""
    with reopened(path, sample) as ledger:
        for number in range(50):
            ledger.note(sample.plan, Note("daemon", sample.at(seconds=number), "系统", {"x": "y" * 500}))
    with path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)
    with reopened(path, sample) as ledger:
        assert ledger.integrity() != []


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_deleted_or_replaced_underneath_is_noticed(
    path: Path, sample: Any, tmp_path: Path, replaced: bool
) -> None:
    """SQLite itself would go on writing into nothing; after the file is put back, all goes on."""
    with reopened(path, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        aside = tmp_path / "aside"
        path.rename(aside)
        if replaced:
            path.write_bytes(aside.read_bytes())
        with pytest.raises(LedgerGone, match="换成了另一个文件" if replaced else "不见了"):
            ledger.spool.begin(sample.plan, "d1", sample.now)
        with pytest.raises(LedgerGone, match="已停止发送"):
            ledger.spool.due(sample.plan, sample.live, sample.now, limit=1)
        assert path.exists() is replaced
        aside.rename(path)
        assert ledger.spool.begin(sample.plan, "d1", sample.now) == 1


def test_a_full_disk_records_nothing_and_recovers(path: Path, sample: Any) -> None:
    """All of the settlement or none of it; with room again the same ledger goes on."""
    with reopened(path, sample) as ledger:
        with ledger._storage.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        big = sample.message("d1", payload=bytes(200_000))
        with pytest.raises(LedgerFull, match=r"磁盘已满.*清理磁盘"):
            ledger.settle(sample.plan, sample.live, big, sample.now)
        assert ledger.settled(sample.plan, sample.live) == set()
        # The limit belonged to the connection, which was given up: as if the disk had been freed.
        ledger.settle(sample.plan, sample.live, big, sample.now)
        assert ledger.integrity() == []


def test_another_program_that_writes_is_waited_for_then_named(path: Path, sample: Any) -> None:
    """Locked for longer than the timeout: nothing is lost, and it works once the lock is gone."""
    with reopened(path, sample, busy_timeout=0.05) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerLocked, match="另一个程序占用"):
            ledger.spool.begin(sample.plan, "d1", sample.now)
        assert len(ledger.spool.due(sample.plan, sample.live, sample.now, limit=1)) == 1
        other.execute("ROLLBACK")
        other.close()
        assert ledger.spool.begin(sample.plan, "d1", sample.now) == 1


def test_a_copy_is_whole_and_private(path: Path, sample: Any, tmp_path: Path) -> None:
    """Taken while the ledger is in use; never over a file that is there."""
    target = tmp_path / "copy.sqlite"
    with reopened(path, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        ledger.copy_to(target)
        with pytest.raises(LedgerUnreadable, match="副本"):
            ledger.copy_to(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with reopened(target, sample, create=False) as copy:
        assert copy.settled(sample.plan, sample.live) == {"alarm-d1"}
        assert copy.integrity() == []


def test_a_ledger_that_is_closed_beside_a_turn_is_closed_by_whoever_had_it(path: Path, sample: Any) -> None:
    """A daemon reopens its ledger while threads still have the old one: no connection, and no log, is left over."""
    ledger = reopened(path, sample)
    log = path.with_name(f"{path.name}-wal")
    with ledger._storage.undisturbed():  # type: ignore[attr-defined]
        closer = threading.Thread(target=ledger.close)
        closer.start()
        closer.join(10)
        assert not closer.is_alive(), "closing waits for nobody"
    assert not log.exists()

    ledger = reopened(path, sample)
    with ledger._storage.write() as connection:
        connection.exec_driver_sql("UPDATE ledger_info SET value = value WHERE key = 'changes'")
        ledger.close()
        assert log.exists()
    assert not log.exists()
    ledger.note(sample.plan, Note("daemon", sample.now, "系统"))  # and it still can be written
    assert not log.exists()


def test_a_turn_that_is_interrupted_leaves_the_ledger_to_others(path: Path, sample: Any) -> None:
    """Between the database's lock and the first statement, as in the middle: nobody is kept waiting."""
    with reopened(path, sample) as ledger, reopened(path, sample, busy_timeout=0.2) as other:
        with pytest.raises(KeyboardInterrupt), ledger._storage.write():
            raise KeyboardInterrupt
        other.note(sample.plan, Note("daemon", sample.now, "系统"))

        def interrupt(_: Any) -> None:
            event.remove(ledger._storage._writer, "begin", interrupt)  # type: ignore[attr-defined]
            raise KeyboardInterrupt

        event.listen(ledger._storage._writer, "begin", interrupt)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
        other.note(sample.plan, Note("daemon", sample.now, "系统"))
        ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
