"""A ledger that moves up from its file into PostgreSQL: whole, proven, and never two to send from."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from reminder.backup.guard import Guard, open_ledger
from reminder.backup.highwater import compared, read_mark
from reminder.ledger import moving, pouring, proving, schema, work_schema
from reminder.ledger.errors import (
    LedgerAddressError,
    LedgerCorrupt,
    LedgerKindError,
    LedgerLocked,
    LedgerMissing,
    LedgerNotEmpty,
    LedgerUnreachable,
)
from reminder.ledger.holds import Hold, HoldReason, Release
from reminder.ledger.ledger import Ledger
from reminder.ledger.moving import MOVED, LedgersDiffer, move_up
from reminder.ledger.proving import content_of
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.standing import new_identity
from reminder.ledger.storage_postgres import PostgresStorage
from reminder.ledger.storage_sqlite import SqliteStorage
from reminder.ledger.tables import adoptions, metadata
from tests.amounts import amount
from tests.harness.postgres import Server
from tests.harness.rows import Filler
from tests.ledger.conftest import Sample
from tests.ledger.moves import DAEMON, carried, fill, move, opened, rows_in, tables_of, usable
from tests.plans import SHANGHAI

# -- everything comes over -------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(
    max_examples=amount(60, 8),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 12),
    texts=st.lists(_TEXT, min_size=1),
    blobs=st.lists(st.binary(), min_size=1),
    documents=st.lists(_JSON, min_size=1),
)
def test_every_row_of_every_table_is_as_it_was(
    postgres: Server,
    path: Path,
    sample: Sample,
    seed: int,
    count: int,
    texts: list[str],
    blobs: list[bytes],
    documents: list[Any],
) -> None:
    """Whatever stands in it; what is numbered next gets a number that nothing has."""
    shutil.rmtree(path.parent, ignore_errors=True)
    fill(path, sample, count, Filler(seed, texts, blobs, documents))
    url = postgres.shared_database()
    before = carried(path)
    with mock.patch.object(proving, "BATCH", 5):
        moved = move(path, url, sample)
    assert carried(path) == carried(url) | {"sessions": []}  # nobody is in at the old one
    assert carried(url) == before
    assert all(each.equal for each in moved.tables)
    assert {each.table: each.new.rows for each in moved.tables if each.table != "ledger_info"} == {
        name: count for name in metadata.tables if name != "ledger_info"
    }
    with psycopg.connect(url) as connection:
        for table in metadata.sorted_tables:
            if "id" in table.c:
                (following,) = connection.execute(
                    f"SELECT nextval(pg_get_serial_sequence('{table.name}', 'id'))"
                ).fetchone() or (0,)
                highest = max((row["id"] for row in rows_in(url)[table.name]), default=0)
                assert following == highest + 1


@pytest.mark.parametrize("target", ["empty", "virgin"])
def test_the_new_one_goes_on_where_the_old_one_stopped(
    target: str, request: pytest.FixtureRequest, old: Path, sample: Sample
) -> None:
    """In a bare database or one with tables that nobody used: live, with what waits, and nothing again."""
    url = request.getfixturevalue(target)
    before = rows_in(old)
    moved = move(old, url, sample)
    assert (moved.hold, moved.resumed, moved.source) == (None, False, old)
    with opened(url, sample) as ledger:
        assert ledger.created == sample.now
        assert ledger.transport(sample.plan) is sample.live
        assert [each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)] == ["d2"]
        assert ledger.spool.begin(sample.plan, "d1", sample.now) is None
        assert ledger.spool.begin(sample.plan, "d2", sample.now) == 1
        assert ledger.settled(sample.plan, sample.live) == {"alarm-d1", "alarm-d2"}
        ledger.settle(sample.plan, sample.live, sample.message("d3"), sample.now)
        assert ledger.integrity() == []
    assert len(rows_in(url)["sessions"]) == len(before["sessions"]) == 3


def test_the_new_one_can_be_migrated_later(old: Path, empty: str, sample: Sample) -> None:
    """It knows how far the queue's tables are, which it did not bring along: the next version makes none twice."""
    move(old, empty, sample)
    with psycopg.connect(empty) as connection:
        known = connection.execute("SELECT value FROM ledger_info WHERE key = 'queue'").fetchone()
    assert known == (work_schema._shipped()[1][-1].name,)
    Ledger.open(empty, kind=LedgerKind.DAEMON, now=sample.now, upgrade=True).close()


def test_both_ledgers_keep_the_proof(old: Path, empty: str, sample: Sample) -> None:
    moved = move(old, empty, sample)
    wanted = {each.table: {"rows": each.new.rows, "sha256": each.new.sha256} for each in moved.tables}
    assert wanted["deliveries"]["rows"] == 5
    for address in (old, empty):
        with Ledger.open(address, kind=DAEMON, now=sample.now) as ledger:
            (note,) = ledger.notes(sample.plan, MOVED)
        assert note.detail == {"from": str(old), "to": moved.place, "tables": wanted}
        assert "password" not in moved.place


def test_a_sum_is_of_canonical_values_and_the_same_on_both(path: Path, virgin: str, sample: Sample) -> None:
    """An instant is one, in whatever zone it came; the sum is one that anybody can compute."""
    Ledger.open(path, kind=DAEMON, now=sample.now).close()
    east = sample.now.astimezone(SHANGHAI)
    text = (
        '["plan_id","transport","item","rung","adopted_at"]\n'
        '["p","live","Ｂ","r","2026-09-24T01:30:00.000000+00:00"]\n'
        '["p","live","é","r","2026-09-24T01:30:00.000000+00:00"]\n'
    )
    # By code point: é (U+00E9) would come first.
    first, *lines = text.splitlines(keepends=True)
    wanted = hashlib.sha256((first + "".join(sorted(lines))).encode()).hexdigest()
    for storage, now in ((SqliteStorage(path, create=False), sample.now), (PostgresStorage(virgin), east)):
        with storage.write() as connection:
            for item in ("Ｂ", "é"):
                row = {"plan_id": "p", "transport": "live", "item": item, "rung": "r", "adopted_at": now}
                connection.execute(insert(adoptions), row)
            found = content_of(connection, adoptions)
        storage.close()
        assert (found.rows, found.sha256) == (2, wanted)


# -- what is changed on the way is found -----------------------------------------------

TRIGGER = """
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
CREATE TRIGGER meddle BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION meddle();
"""


@pytest.mark.parametrize(
    ("table", "body"),
    [
        ("deliveries", "NEW.subject := NEW.subject || ' '; RETURN NEW;"),
        ("attempts", "IF NEW.id = (SELECT max(id) FROM attempts) THEN RETURN NEW; END IF; RETURN NULL;"),
        ("alarms", "NEW.planned_at := NEW.planned_at + interval '1 microsecond'; RETURN NEW;"),
        ("accounts", "NEW.private := NOT NEW.private; RETURN NEW;"),
        ("contents", "NEW.payload := NEW.payload || '\\x00'::bytea; RETURN NEW;"),
        ("notes", "NEW.detail := '{}'; RETURN NEW;"),
        ("pauses", "NEW.detail := ''; RETURN NEW;"),
        ("ledger_info", "IF NEW.key = 'created' THEN NEW.value := '2026-01-01T00:00:00+00:00'; END IF; RETURN NEW;"),
    ],
)  # fmt: skip
def test_a_row_changed_on_the_way_is_found(
    table: str, body: str, virgin: str, old: Path, sample: Sample
) -> None:
    """By anything in the database: a letter, a row, a microsecond. Nothing is kept, and the old one goes on."""
    with psycopg.connect(virgin) as connection:
        connection.execute(TRIGGER.format(table=table, body=body))
    with pytest.raises(
        LedgersDiffer, match=rf"核对不符：{table}（旧 \d+ 行，新 \d+ 行）。已全部撤回.*未变"
    ) as found:
        move(old, virgin, sample)
    assert [each.table for each in found.value.tables if not each.equal] == [table]
    assert {name for name, rows in rows_in(virgin).items() if rows} == {"ledger_info"}
    assert usable(old, sample)


# -- where it may not go ---------------------------------------------------------------


def test_a_database_with_a_ledger_in_it_is_refused(old: Path, virgin: str, sample: Sample) -> None:
    with opened(virgin, sample) as ledger:
        ledger.note("other", Note("daemon", sample.now, "系统"))
    before = rows_in(virgin)
    with pytest.raises(LedgerNotEmpty, match=r"中已有台账，没有写入任何内容：请另建一个空的数据库"):
        move(old, virgin, sample)
    assert rows_in(virgin) == before
    assert usable(old, sample)


def test_somebody_else_s_tables_are_refused(old: Path, empty: str, sample: Sample) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE TABLE customers (id int)")
    with pytest.raises(LedgerNotEmpty, match="中已有别的程序的表"):
        move(old, empty, sample)
    assert tables_of(empty) == [("customers",)]
    with psycopg.connect(empty) as connection:
        connection.execute("ALTER TABLE customers RENAME TO claims")
    with pytest.raises(LedgerNotEmpty, match="台账的表不全"):
        move(old, empty, sample)


def test_tables_of_another_version_are_refused(old: Path, virgin: str, sample: Sample) -> None:
    with psycopg.connect(virgin) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    with pytest.raises(LedgerNotEmpty, match=rf"结构版本是 0004，本程序的是 {schema.HEAD}"):
        move(old, virgin, sample)


def test_what_is_no_ledger_to_move_is_refused(path: Path, empty: str, sample: Sample, tmp_path: Path) -> None:
    """Missing, a simulation's, damaged, a database; and a target that is a file."""
    with pytest.raises(LedgerMissing, match="没有台账"):
        move(path, empty, sample)
    Ledger.open(tmp_path / "s", kind=LedgerKind.SIMULATION, now=sample.now).close()
    with pytest.raises(LedgerKindError, match="模拟台账"):
        move(tmp_path / "s", empty, sample)
    (tmp_path / "x").write_bytes(b"x" * 9000)
    with pytest.raises(LedgerCorrupt, match="不是台账，或已损坏"):
        move(tmp_path / "x", empty, sample)
    with pytest.raises(LedgerAddressError, match="不是文件"):
        move_up(empty, empty, sample.now, lambda _: None)
    fill(path, sample, 1)
    with pytest.raises(LedgerAddressError, match=r"只能迁移到 PostgreSQL"):
        move_up(path, f"sqlite:///{tmp_path}/new", sample.now, lambda _: None)
    assert tables_of(empty) == []


def test_a_ledger_whose_rows_do_not_fit_together_is_not_moved(old: Path, empty: str, sample: Sample) -> None:
    connection = sqlite3.connect(old)
    connection.execute("DELETE FROM alarms")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerCorrupt, match=r"没有通过完整性检查.*reminder doctor"):
        move(old, empty, sample)
    assert tables_of(empty) == []


def test_a_sign_that_postgresql_has_not_becomes_the_one_that_stands_for_it(
    old: Path, empty: str, sample: Sample
) -> None:
    """As when the answer of a server is recorded there at once."""
    connection = sqlite3.connect(old)
    connection.execute("UPDATE attempts SET detail = 'a' || char(0) || 'b'")
    connection.commit()
    connection.close()
    assert all(each.equal for each in move(old, empty, sample).tables)
    assert {row["detail"] for row in rows_in(empty)["attempts"]} == {"a\ufffdb"}


def test_a_connection_that_is_lost_on_the_way_leaves_nothing(
    old: Path, postgres: Server, empty: str, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a table, or while the old ledger is read; then it can be done again."""
    given, name = proving.rows_of, empty.partition("@/")[2].partition("?")[0]

    def cut(connection: Any, table: Any, *where: Any) -> Iterator[Any]:
        for row in given(connection, table, *where):
            if table.name == "claims":
                postgres.throw_out(name)
            yield row

    for module in (pouring, proving):
        monkeypatch.setattr(module, "rows_of", cut)
        with pytest.raises(LedgerUnreachable, match="连接中断，本次一条也没有写入"):
            move(old, empty, sample)
        monkeypatch.undo()
        assert tables_of(empty) == []
        assert usable(old, sample)
    assert all(each.equal for each in move(old, empty, sample).tables)


def test_while_another_program_writes_to_the_old_one_nothing_is_moved(
    old: Path, empty: str, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And while it is moved nobody writes: a daemon of another folder finds it occupied."""
    writer = sqlite3.connect(old, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(moving, "SqliteStorage", lambda *a, **k: SqliteStorage(*a, **k, busy_timeout=0.1))
    with pytest.raises(LedgerLocked):
        move(old, empty, sample)
    writer.execute("ROLLBACK")
    poured = moving.pour

    def meanwhile(*arguments: Any) -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(old, timeout=0.1).execute("DELETE FROM notes")
        poured(*arguments)

    monkeypatch.setattr(moving, "pour", meanwhile)
    assert all(each.equal for each in move(old, empty, sample).tables)
    writer.close()


def test_a_wrong_password_is_told_without_it(
    old: Path, postgres: Server, virgin: str, sample: Sample
) -> None:
    postgres.execute("CREATE ROLE mover LOGIN PASSWORD 'right'")
    postgres.ask_passwords("mover")
    name = virgin.partition("@/")[2].partition("?")[0]
    try:
        with pytest.raises(LedgerUnreachable, match="拒绝登录") as refused:
            move(old, postgres.url(name, "mover", "s3cr3t%"), sample)
    finally:
        postgres.execute("DROP ROLE mover")
    chain: BaseException | None = refused.value
    while chain is not None:
        assert "s3cr3t" not in str(chain)
        chain = chain.__cause__
    assert usable(old, sample)


# -- which one may be sent from --------------------------------------------------------


def test_the_old_one_is_on_hold_and_the_new_one_is_not_taken_for_an_old_copy(
    old: Path, empty: str, sample: Sample
) -> None:
    """By the very mark that the daemon left in its folder; and the mark then goes with the new one."""
    mark = old.with_name("high-water.json")
    with open_ledger(old, mark, sample.now) as ledger:
        assert Guard(mark).check(ledger, sample.now, live=True) is None
        last = ledger.holds.last_record()
    move(old, empty, sample, judge=lambda found: compared(found, read_mark(mark)))
    with open_ledger(old, mark, sample.at(hours=2)) as ledger:
        hold = Guard(mark).check(ledger, sample.at(hours=2), live=True)
        assert hold == Hold(HoldReason.SUCCEEDED, sample.at(hours=1), last)
    for _ in range(2):
        with open_ledger(empty, mark, sample.at(hours=2)) as ledger:
            assert Guard(mark).check(ledger, sample.at(hours=2), live=True) is None
            ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
    # Pointed back to the file by mistake: still on hold.
    with open_ledger(old, mark, sample.at(hours=3)) as ledger:
        assert Guard(mark).check(ledger, sample.at(hours=3), live=True) is not None


def test_an_old_copy_stays_one_when_it_moves(old: Path, empty: str, sample: Sample) -> None:
    """What its mark says of it holds the new one; and so does a hold that stood in it."""
    moved = move(old, empty, sample, judge=lambda _: HoldReason.OLDER)
    assert moved.hold is not None
    with opened(empty, sample) as ledger:
        hold = ledger.holds.standing().hold
        assert hold == moved.hold
        assert hold is not None
        assert hold.reason is HoldReason.OLDER
        plans = ledger.plan_ids()
        assert len(plans) > 1
        for each in plans:
            assert ledger.holds.standing().hold == ledger.holds.standing(each).hold == hold
            ledger.holds.release(each, sample.live, Release("p", None, (), (), new_identity()), sample.now)
            assert ledger.holds.standing(each).hold is None
        assert ledger.holds.standing().hold is None


def test_a_hold_of_its_own_goes_with_it(old: Path, empty: str, sample: Sample) -> None:
    hold = Hold(HoldReason.RESTORED, sample.now, sample.at(days=-3))
    with Ledger.open(old, kind=DAEMON, now=sample.now) as ledger:
        ledger.holds.put(hold)
    assert move(old, empty, sample).hold == hold
    with opened(empty, sample) as ledger:
        assert ledger.holds.standing().hold == hold
    with Ledger.open(old, kind=DAEMON, now=sample.now) as ledger:
        assert ledger.holds.standing().hold == Hold(
            HoldReason.SUCCEEDED, sample.at(hours=1), sample.at(days=-3)
        )


def test_it_moves_once(old: Path, empty: str, virgin: str, sample: Sample) -> None:
    """Neither there again nor elsewhere, unless a person lets the old one go on."""
    place = move(old, empty, sample).place
    for url in (empty, virgin):
        with pytest.raises(LedgerNotEmpty) as refused:
            move(old, url, sample)
        assert f"已经迁移到 {place}，不能再迁移" in str(refused.value)
    with Ledger.open(old, kind=DAEMON, now=sample.now) as ledger:
        ledger.holds.release(sample.plan, sample.live, Release("p", None, (), (), new_identity()), sample.now)
    assert move(old, virgin, sample).hold is None


# -- an older program's ledger ---------------------------------------------------------


def test_an_older_shape_is_brought_up_on_a_copy(
    old: Path, empty: str, sample: Sample, next_version: Callable[..., None]
) -> None:
    """The original keeps its shape for the program that wrote it; nothing lies about afterwards."""
    before, was = rows_in(old), schema.HEAD
    next_version()
    with sqlite3.connect(old) as connection:
        shape = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    moved = move(old, empty, sample)
    assert all(each.equal for each in moved.tables)
    with sqlite3.connect(old) as connection:
        assert connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == shape
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(was,)]
        assert connection.execute("SELECT value FROM ledger_info WHERE key = 'hold'").fetchone()
    connection.close()
    assert carried(empty)["deliveries"] == before["deliveries"]
    assert {each.name for each in old.parent.iterdir()} <= {old.name, f"{old.name}-wal", f"{old.name}-shm"}
