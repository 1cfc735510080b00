"""Migrations: the same shape by either way, forward with a copy, never backward."""

from __future__ import annotations

import hashlib
import resource
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from reminder.ledger import schema
from reminder.ledger.errors import LedgerCorrupt, LedgerError, LedgerFull, LedgerKindError, LedgerSchemaError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import DeliveryState, HandDecision, LedgerKind
from reminder.ledger.shown import EntryFilter
from reminder.ledger.storage_sqlite import SqliteStorage
from reminder.ledger.tables import metadata

pytestmark = pytest.mark.sqlite_only(
    "how a file is copied and migrated; PostgreSQL has test_ledger_postgres.py"
)


def shape(path: Path) -> dict[str, str]:
    """Every table and index with its SQL, white space apart."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: " ".join(sql.split()) for name, sql in found}


def scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS).replace("%", "%%"))
    return config


def test_the_migrations_end_where_the_tables_stand(path: Path, sample: Any, tmp_path: Path) -> None:
    """From nothing: ``alembic upgrade head`` and the tables made at once are one schema."""
    assert ScriptDirectory.from_config(scripts()).get_heads() == [schema.HEAD]
    Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now).close()

    migrated = SqliteStorage(tmp_path / "migrated.sqlite", create=True)
    config = scripts()
    with migrated.rebuild() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with migrated.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    migrated.close()

    assert shape(migrated.path) == shape(path)
    assert len(shape(path)) > 15


def test_an_older_ledger_is_copied_and_brought_forward(path: Path, sample: Any, next_version: Any) -> None:
    """A parent table is rebuilt without losing its children, and the old file stays beside it."""
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        ledger.spool.begin(sample.plan, "d1", sample.now)
    old, before = shape(path), schema.HEAD
    next_version()

    with Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.at(days=1)) as ledger:
        (entry,) = ledger.book.entries(sample.plan, EntryFilter())
        assert (entry.state, entry.attempts) == ("sending", 1)
        assert ledger.book.payload_of(sample.plan, "d1") == sample.delivery().payload
        assert len(ledger.book.attempts_of(sample.plan, "d1")) == 1
        assert ledger.integrity() == []
        with ledger._storage.write() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    new = shape(path)
    assert "remark" in new["deliveries"]
    assert new["ix_deliveries_pending"].endswith("WHERE state = 'pending'")
    assert new.keys() == old.keys()

    (copy,) = path.parent.glob("*.bak")
    assert copy.name == f"ledger.sqlite.{before}.20260925T013000Z.bak"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert shape(copy) == old

    # Opened again there is nothing left to do.
    Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.at(days=2)).close()
    assert len(list(path.parent.glob("*.bak"))) == 1


def test_also_a_command_that_only_looks_copies_first(path: Path, sample: Any, next_version: Any) -> None:
    """Whoever opens it first after the upgrade brings it forward; there is one way to do that."""
    Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now).close()
    old = shape(path)
    next_version()
    Ledger.open(path, kind=None, now=sample.now, create=False).close()
    (copy,) = path.parent.glob("*.bak")
    assert shape(copy) == old
    assert "remark" in shape(path)["deliveries"]


def test_without_a_copy_there_is_no_migration(
    path: Path, sample: Any, next_version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk too full for the copy leaves the ledger as it is, and no half of a copy."""
    Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now).close()
    old = shape(path)
    next_version()

    def refuse(_: SqliteStorage, target: Path) -> None:
        raise LedgerFull(f"{target}")

    monkeypatch.setattr(SqliteStorage, "copy_to", refuse)
    with pytest.raises(LedgerFull):
        Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now)
    assert shape(path) == old
    assert list(path.parent.glob("*.bak")) == []


def test_a_copy_that_does_not_fit_is_not_left_half(path: Path, sample: Any) -> None:
    """What was begun of it is removed."""
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1", payload=bytes(200_000)), sample.now)
        target = path.with_name("copy.bak")
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        try:
            with pytest.raises(LedgerError):
                ledger.copy_to(target)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert list(path.parent.glob("copy*")) == []
        assert ledger.integrity() == []


def ledger_of_0001(path: Path, sample: Any) -> None:
    """A ledger as the first version left it: one message accepted, one in flight."""
    storage = SqliteStorage(path, create=True)
    config = scripts()
    with storage.rebuild() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO ledger_info VALUES ('kind', 'daemon')")
        created = sample.now.isoformat(timespec="seconds")
        connection.exec_driver_sql("INSERT INTO ledger_info VALUES ('created', ?)", (created,))
        at = sample.now.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        later = sample.at(days=1).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        for number, state in ((1, "accepted"), (2, "sending")):
            connection.exec_driver_sql(
                "INSERT INTO alarms VALUES (?, 'lianjie', 'live', ?, 'festival', 'o', 'r', ?, ?, 'send', 'due', ?)",
                (number, f"alarm-d{number}", at, later, at),
            )
            connection.exec_driver_sql(
                "INSERT INTO claims VALUES (?, ?, 'lianjie', 'live', 'p', 'mail', 'send', 'due', ?, ?)",
                (number, number, f"m{number}", at),
            )
            connection.exec_driver_sql(
                "INSERT INTO deliveries VALUES (?, 'lianjie', 'live', ?, ?, 'mail', 'p', 'p@example.com', 1, 1,"
                " '<x@example.com>', '题', ?, ?, ?, ?, 1, 0, ?, ?)",
                (number, f"d{number}", f"m{number}", at, at, later, state, at, at),
            )
            connection.exec_driver_sql(
                "INSERT INTO contents VALUES (?, 'lianjie', '文', ?, ?)",
                (number, b"bytes", hashlib.sha256(b"bytes").hexdigest()),
            )
            connection.exec_driver_sql(
                "INSERT INTO attempts VALUES (?, 'lianjie', 'live', ?, 'mail', 1, ?, ?, ?, '', '')",
                (number, number, at, at if number == 1 else None, "accepted" if number == 1 else None),
            )
    storage.close()


def test_a_ledger_of_the_first_version_goes_on_where_it_stood(path: Path, sample: Any) -> None:
    """Nothing is lost or told again, what was in flight is taken up, and the new tables work on old rows."""
    ledger_of_0001(path, sample)
    Ledger.open(path.with_name("new.sqlite"), kind=LedgerKind.DAEMON, now=sample.now).close()
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now) as ledger:
        assert ledger.integrity() == []
        assert ledger.book.counts("lianjie", sample.live) == {"accepted": 1, "sending": 1, "send": 2}
        assert ledger.troubles("lianjie", sample.live) == []
        assert ledger.unreached("lianjie", sample.live, sample.at(days=-1)) == []
        (left,) = ledger.spool.interrupted("lianjie", sample.live, sample.now)
        assert (left.id, left.payload, left.receivers) == ("d2", b"bytes", (("p", "p@example.com"),))
        ledger.spool.resolve("lianjie", "d2", DeliveryState.UNCERTAIN, None, sample.now)
        assert ledger.spool.decide("lianjie", "d2", HandDecision.DROP, by="x", now=sample.now)
        assert [
            (e.state, e.decided_by) for e in ledger.book.entries("lianjie", EntryFilter(status="failed"))
        ] == [("failed", "x")]
    assert shape(path) == shape(path.with_name("new.sqlite"))
    assert len(list(path.parent.glob("*.0001.*.bak"))) == 1


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ("raise RuntimeError('broken step')", LedgerSchemaError, "已全部撤回.*副本在"),
        ("op.execute('DELETE FROM deliveries')", LedgerCorrupt, "对不上.*attempts"),
    ],
)
def test_a_migration_that_fails_changes_nothing(
    path: Path, sample: Any, next_version: Any, more: str, error: type[Exception], words: str
) -> None:
    """Neither a step that raises nor one that leaves orphans is kept."""
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        ledger.spool.begin(sample.plan, "d1", sample.now)
    old = shape(path)
    next_version(more=more)
    for _ in range(2):  # the second try finds the first one's copy in its way
        with pytest.raises(error, match=words):
            Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now)
    assert shape(path) == old
    assert len(list(path.parent.glob("*.bak"))) == 2
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM deliveries").fetchone() == (1,)
    connection.close()


def test_the_other_kind_is_not_migrated(path: Path, sample: Any, next_version: Any) -> None:
    """Refused before anything is copied or changed."""
    Ledger.open(path, kind=LedgerKind.SIMULATION, now=sample.now).close()
    old = shape(path)
    next_version()
    with pytest.raises(LedgerKindError):
        Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now)
    assert shape(path) == old
    assert list(path.parent.glob("*.bak")) == []


def test_a_newer_ledger_is_refused_and_left_alone(path: Path, sample: Any) -> None:
    """The text names both versions and what to do."""
    Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerSchemaError, match=rf"更新的版本.*0099.*{schema.HEAD}.*升级前"):
        Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now)
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.bak")) == []


def test_alembic_is_not_loaded_without_need(path: Path, child: Any) -> None:
    """It costs 11 MB: creating and opening a current ledger does without."""
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from reminder.ledger.ledger import Ledger\n"
        "from reminder.ledger.records import LedgerKind\n"
        "for _ in range(2):\n"
        "    Ledger.open(sys.argv[1], kind=LedgerKind.DAEMON, now=datetime(2026, 1, 1, tzinfo=UTC)).close()\n"
        "print('alembic' in sys.modules)\n"
    )
    assert child(code, path).line() == "False"
