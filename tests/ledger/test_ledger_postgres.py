"""A ledger on PostgreSQL: its tables, its transactions, and whatever befalls the connection."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from reminder.ledger import schema, sending, storage_postgres
from reminder.ledger.errors import (
    LedgerAddressError,
    LedgerError,
    LedgerGone,
    LedgerLocked,
    LedgerMissing,
    LedgerReadOnly,
    LedgerSchemaError,
    LedgerUnreachable,
    LedgerUnsure,
)
from reminder.ledger.ledger import Ledger
from reminder.ledger.parts import is_part
from reminder.ledger.records import AttemptEnd, DeliveryState, LedgerKind, Note, Quota
from reminder.ledger.storage_postgres import PostgresStorage
from reminder.ledger.storage_sqlite import SqliteStorage
from reminder.ledger.tables import metadata
from tests.harness.postgres import Server, stamp
from tests.ledger.moves import HEAD

DAEMON = LedgerKind.DAEMON


@pytest.fixture
def url(postgres: Server, sample: Any) -> Iterator[str]:
    """A ledger in a database of its own."""
    made = postgres.new_database()
    stamp(made, DAEMON, sample.now)
    yield made
    postgres.drop(made)


@pytest.fixture
def empty(postgres: Server) -> Iterator[str]:
    made = postgres.empty_database()
    yield made
    postgres.drop(made)


def opened(address: str, sample: Any, **options: Any) -> Ledger:
    return Ledger.open(address, kind=DAEMON, now=sample.now, **options)


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


# -- the tables ---------------------------------------------------------------------


def alike(connection: Connection) -> dict[str, Any]:
    """What both databases can say of their tables: columns, keys, indexes with their conditions."""
    found = inspect(connection)
    shape: dict[str, Any] = {}
    for table in filter(_is_ours, found.get_table_names()):
        columns = [(each["name"], each["nullable"]) for each in found.get_columns(table)]
        indexes = sorted(
            (each["name"], tuple(each["column_names"]), each["unique"], _condition(each))
            for each in found.get_indexes(table)
            if "duplicates_constraint" not in each
        )
        # A key without the number that parts are made by is one of each part.
        live = f"{table}_live" if found.has_table(f"{table}_live") else table
        unique = sorted(
            (each["name"].removesuffix("_live"), tuple(each["column_names"]))
            for each in found.get_unique_constraints(live)
        )
        foreign = sorted(
            (each["name"], tuple(each["constrained_columns"]), each["referred_table"])
            for each in found.get_foreign_keys(table)
            if not is_part(each["referred_table"])
        )
        primary = found.get_pk_constraint(live)["constrained_columns"]
        shape[table] = (columns, primary, indexes, unique, foreign)
    return shape


def _condition(index: Any) -> str:
    """``((state = 'pending'::text))`` and ``state = 'pending'`` are one."""
    options = index.get("dialect_options", {})
    found = options.get("postgresql_where", options.get("sqlite_where", ""))
    return str(found).replace("::text", "").replace("(", "").replace(")", "")


def _is_ours(table: str) -> bool:
    """Not one of the queue's beside them, and no part of one."""
    return not table.startswith("procrastinate_") and not is_part(table.partition(".")[0])


def _is_whole(_item: Any, name: str | None, kind: str, _reflected: bool, _against: Any) -> bool:
    """Not the key that stands in each part instead of in all of them, nor what PostgreSQL notes of each part."""
    of_a_part = kind == "foreign_key_constraint" and re.search(r"_deliveries_\d+$", str(name)) is not None
    return not of_a_part and (kind, name) != ("unique_constraint", "uq_deliveries_plan_id_delivery")


def migrated(storage: Any) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS).replace("%", "%%"))
    with storage.rebuild() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def test_migrated_or_made_at_once_on_either_database_it_is_one_schema(
    url: str, empty: str, tmp_path: Path
) -> None:
    """Four ways to the same tables; and what Alembic would still change is nothing."""
    made, by_steps, lite = (
        PostgresStorage(url),
        PostgresStorage(empty),
        SqliteStorage(tmp_path / "l", create=True),
    )
    migrated(by_steps)
    migrated(lite)
    shapes = []
    for storage in (made, by_steps, lite):
        with storage.read() as connection:
            shapes.append(alike(connection))
            ours = {
                "compare_type": True,
                "include_object": _is_whole if connection.dialect.name == "postgresql" else None,
                "include_name": lambda name, kind, _: kind != "table" or _is_ours(name),
            }
            context = MigrationContext.configure(connection, opts=ours)
            assert compare_metadata(context, metadata) == []
        storage.close()
    assert shapes[0] == shapes[1] == shapes[2]
    assert set(shapes[0]) == {*metadata.tables, "alembic_version"}


def test_instants_octets_and_truths_have_types_of_their_own(url: str) -> None:
    """Not texts and numbers, as in SQLite; and rows are numbered by the database, in 64 bits."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name || '.' || column_name, data_type, column_default FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        ).fetchall()
    rows = [row for row in rows if _is_ours(row[0])]
    types = {name: kind for name, kind, _ in rows}
    assert types["deliveries.not_before"] == "timestamp with time zone"
    assert types["deliveries.late"] == "boolean"
    assert types["contents.payload"] == "bytea"
    assert types["deliveries.id"] == types["contents.delivery_id"] == "bigint"
    counted = {name for name, _, default in rows if default}
    assert counted == {f"{table.name}.id" for table in metadata.tables.values() if "id" in table.c}


def test_only_migrate_makes_the_tables(empty: str, sample: Any) -> None:
    """A node that was pointed to the wrong database fills nothing; once asked, it is made, and once only."""
    with pytest.raises(LedgerMissing, match="reminder migrate"):
        opened(empty, sample)
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(lambda _: opened(empty, sample, upgrade=True), range(4)):
            each.close()
    with opened(empty, sample) as ledger:
        assert ledger.created == sample.now
        assert ledger.holds.standing().identity
        assert ledger.integrity() == []


def test_an_older_shape_is_named_and_migrated_only_when_asked(
    url: str, sample: Any, monkeypatch: pytest.MonkeyPatch, next_version: Callable[..., None]
) -> None:
    next_version()
    with pytest.raises(
        LedgerSchemaError, match=rf"结构版本是 {HEAD}，本程序需要 9000：请执行 reminder migrate"
    ):
        opened(url, sample)
    opened(url, sample, upgrade=True).close()
    monkeypatch.undo()
    # The program before it goes on, as long as the newer one says that it can.
    with opened(url, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        assert ledger.spool.begin(sample.plan, "d1", sample.now) == 1
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE ledger_info SET value = '9000' WHERE key = 'serves'")
    for upgrade in (False, True):
        with pytest.raises(LedgerSchemaError, match="更新的版本"):
            opened(url, sample, upgrade=upgrade)


def test_a_migration_that_fails_leaves_everything_as_it_was(
    url: str, sample: Any, next_version: Callable[..., None]
) -> None:
    next_version(more="raise RuntimeError('power cut')")
    with pytest.raises(LedgerSchemaError, match=r"power cut.*已全部撤回"):
        opened(url, sample, upgrade=True)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert not connection.execute(
            "SELECT 1 FROM information_schema.columns WHERE column_name = 'remark' AND table_name = 'deliveries'"
        ).fetchall()


def test_a_database_that_cannot_hold_every_sign_is_refused(postgres: Server, sample: Any) -> None:
    """And told how to make one that can, and that sorts as the ledger does."""
    postgres.execute(
        "CREATE DATABASE western TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    try:
        with pytest.raises(LedgerAddressError, match=r"编码须为 UTF8.*CREATE DATABASE"):
            opened(postgres.url("western"), sample, upgrade=True)
    finally:
        postgres.drop(postgres.url("western"))


# -- transactions -------------------------------------------------------------------


def test_who_writes_for_a_plan_is_alone_in_it_and_in_no_other(url: str, sample: Any) -> None:
    """Another node waits for the same plan, goes on for another one, and reads whatever it likes."""
    with opened(url, sample) as one, opened(url, sample, busy_timeout=0.2) as two:
        with one._storage.write("a"):
            with pytest.raises(LedgerLocked, match="占用"), two._storage.write("a"):
                pass
            two.note("b", Note("daemon", sample.now, "系统"))
            assert two.notes("a") == []
            with pytest.raises(LedgerLocked), two._storage.write():
                pass
        two.note("a", Note("daemon", sample.now, "系统"))


def test_tries_of_two_nodes_are_recorded_beside_each_other(url: str, sample: Any) -> None:
    """One never waits for the other's commit, and never gets what it has; a limit is counted by one at a time."""
    quotas = {"mail": [Quota(9, timedelta(minutes=1))]}
    with opened(url, sample) as one, opened(url, sample, busy_timeout=0.2) as two:
        for key in ("d1", "d2", "d3"):
            one.settle(sample.plan, sample.live, sample.message(key), sample.now)
        with one._storage.write(sample.plan, beside=True) as connection:
            assert sending.begin_many(connection, sample.plan, ["d1"], sample.now, {}).numbers == {"d1": 1}
            assert two.spool.begin_many(sample.plan, ["d1", "d2"], sample.now) == {"d2": 1}
            end = AttemptEnd("d2", 1, sample.now, "accepted", DeliveryState.ACCEPTED)
            assert two.spool.finish_many(sample.plan, [end]) == {"d2"}
            with pytest.raises(LedgerLocked):
                two.spool.begin(sample.plan, "d3", sample.now, quotas)
            failed = replace(end, delivery="d1", outcome="permanent", state=DeliveryState.FAILED)
            with pytest.raises(LedgerLocked):
                two.spool.finish_many(sample.plan, [failed])
        assert two.spool.begin(sample.plan, "d1", sample.now) is None
        assert two.spool.begin(sample.plan, "d3", sample.now, quotas) == 1


def test_a_reader_sees_one_moment_and_cannot_write(url: str, sample: Any) -> None:
    with opened(url, sample) as ledger:
        count = "SELECT count(*) FROM notes"
        with ledger._storage.read() as connection:
            before = connection.exec_driver_sql(count).scalar()
            ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
            assert connection.exec_driver_sql(count).scalar() == before == 0
        with pytest.raises(LedgerReadOnly, match="只能读"), ledger._storage.read() as connection:
            connection.exec_driver_sql("DELETE FROM notes")


def test_a_node_that_stops_in_a_transaction_frees_its_plan(
    url: str, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends what lies idle; another goes on, and the stopped one is told that nothing was kept."""
    monkeypatch.setattr(storage_postgres, "IDLE_SECONDS", 0.3)
    stopped = opened(url, sample)

    def stop_in_the_middle() -> None:
        with stopped._storage.write(sample.plan) as held:
            with opened(url, sample) as other:
                other.note(sample.plan, Note("daemon", sample.now, "系统"))
            held.exec_driver_sql("SELECT 1")

    with pytest.raises(LedgerUnreachable, match="一条也没有写入"):
        stop_in_the_middle()
    assert len(stopped.notes(sample.plan)) == 1
    stopped.close()


def test_its_count_of_changes_never_goes_back_and_needs_no_common_row(url: str, sample: Any) -> None:
    with opened(url, sample) as ledger:
        seen = [ledger.holds.standing().changes]
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        seen.append(ledger.holds.standing().changes)
        ledger.spool.begin(sample.plan, "d1", sample.now)
        seen.append(ledger.holds.standing().changes)
        assert seen[0] < seen[1] < seen[2]


# -- the connection -----------------------------------------------------------------


def test_connections_that_were_ended_are_made_anew_without_a_word(
    url: str, sample: Any, postgres: Server
) -> None:
    with opened(url, sample) as ledger:
        ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
        for _ in range(3):
            assert postgres.throw_out(name_of(url))
            assert len(ledger.notes(sample.plan)) == 1
            postgres.throw_out(name_of(url))
            ledger.try_writing()


def test_a_connection_that_ends_in_a_transaction_keeps_nothing_of_it(
    url: str, sample: Any, postgres: Server
) -> None:
    with opened(url, sample) as ledger:

        def lose_the_connection() -> None:
            with ledger._storage.write() as connection:
                connection.exec_driver_sql("DELETE FROM ledger_info")
                postgres.throw_out(name_of(url))
                connection.exec_driver_sql("SELECT 1")

        with pytest.raises(LedgerUnreachable, match="一条也没有写入"):
            lose_the_connection()
        assert ledger.holds.standing().identity


class Relay:
    """A way to the server that can lose what stands next: a COMMIT, or the answer to it."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.lose: str | None = None
        self.refusing = False
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._open += (client, server)
            lost = threading.Event()
            threading.Thread(target=self._out, args=(client, server, lost), daemon=True).start()
            threading.Thread(target=self._back, args=(server, client, lost), daemon=True).start()

    def _out(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        while data := _received(client):
            if self.lose is not None and b"COMMIT\0" in data:
                how, self.lose = self.lose, None
                if how == "for good":
                    self.refusing = True
                    _end(*(each for each in self._open if each not in (client, server)))
                if how == "question":
                    break
                lost.set()
            with suppress(OSError):  # cut meanwhile
                server.sendall(data)
        if not lost.is_set():
            _end(server, client)

    def _back(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        while data := _received(server):
            if lost.is_set():
                break
            with suppress(OSError):
                client.sendall(data)
        _end(server, client)

    def close(self) -> None:
        self._listener.close()


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@pytest.fixture
def relay(postgres: Server) -> Iterator[Relay]:
    made = Relay(str(postgres.folder / "data" / ".s.PGSQL.5432"))
    yield made
    made.close()


@pytest.fixture
def through(relay: Relay, url: str, sample: Any) -> Iterator[Ledger]:
    address = (
        f"postgresql://postgres@127.0.0.1:{relay.port}/{name_of(url)}?sslmode=disable&gssencmode=disable"
    )
    with opened(address, sample) as ledger:
        yield ledger


def test_a_commit_whose_answer_was_lost_is_asked_for_and_found(
    through: Ledger, relay: Relay, sample: Any
) -> None:
    """The caller never learns of it: what is committed is committed, once."""
    through.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    relay.lose = "answer"
    assert through.spool.begin(sample.plan, "d1", sample.now) == 1
    assert relay.lose is None
    assert [each.number for each in through.book.attempts_of(sample.plan, "d1")] == [1]


def test_a_commit_that_never_arrived_is_known_not_to_have_been_made(
    through: Ledger, relay: Relay, sample: Any
) -> None:
    through.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    relay.lose = "question"
    with pytest.raises(LedgerUnreachable, match="已查明本次一条也没有写入"):
        through.spool.begin(sample.plan, "d1", sample.now)
    assert through.spool.begin(sample.plan, "d1", sample.now) == 1


def test_a_commit_of_which_nobody_can_tell_is_said_to_be_unknown(
    through: Ledger, relay: Relay, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once the database is back, asking again for the same thing does nothing twice."""
    monkeypatch.setattr(storage_postgres, "ASK_AGAIN", (0.0, 0.05))
    through.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    relay.lose = "for good"
    with pytest.raises(LedgerUnsure, match="不知道这一次是否已写入"):
        through.spool.begin(sample.plan, "d1", sample.now)
    with pytest.raises(LedgerUnreachable, match="连不上"):
        through.spool.begin(sample.plan, "d1", sample.now)
    relay.refusing = False
    assert through.spool.begin(sample.plan, "d1", sample.now) is None
    assert through.spool.sending(sample.plan, sample.live) == {"d1"}


@pytest.fixture
def durable(sample: Any) -> Iterator[tuple[Server, Ledger]]:
    """A server that a test may crash, and what it has on disk then."""
    server = Server(fast=False)
    address = server.new_database()
    stamp(address, DAEMON, sample.now)
    with opened(address, sample) as ledger:
        yield server, ledger
    server.stop()


def test_after_a_crash_the_number_of_a_lost_transaction_may_be_anothers_and_is_not_believed(
    durable: tuple[Server, Ledger], sample: Any
) -> None:
    """Nothing of it had reached the disk, its number was given away, and that one committed."""
    server, ledger = durable

    def crash_in_the_middle() -> None:
        with ledger._storage.write(sample.plan) as connection:
            number = connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar()
            server.crash()
            server.start()
            while server.execute("SELECT pg_current_xact_id() < %s::xid8", str(number))[0][0]:
                pass
            assert server.execute("SELECT pg_xact_status(%s::xid8)", str(number))[0][0] == "committed"

    with pytest.raises(LedgerUnsure, match="数据库重新启动过"):
        crash_in_the_middle()


def test_an_intent_that_outlived_a_crash_is_found_and_one_that_somebody_took_is_left(
    through: Ledger, url: str, relay: Relay, sample: Any, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what stands in the ledger, since the number is not to be believed."""
    real = storage_postgres.PostgresStorage._read_again

    def after_a_checkpoint(self: Any, *values: Any) -> None:
        postgres.execute("CHECKPOINT")
        real(self, *values)

    monkeypatch.setattr(storage_postgres.PostgresStorage, "_read_again", after_a_checkpoint)
    for each in ("d1", "d2"):
        through.settle(sample.plan, sample.live, sample.message(each), sample.now)
    relay.lose = "answer"
    assert through.spool.begin(sample.plan, "d1", sample.now) == 1

    def taken_meanwhile(self: Any, *values: Any) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE deliveries SET node = 7 WHERE delivery = 'd2'")
        after_a_checkpoint(self, *values)

    monkeypatch.setattr(storage_postgres.PostgresStorage, "_read_again", taken_meanwhile)
    relay.lose = "answer"
    with pytest.raises(LedgerUnsure):
        through.spool.begin(sample.plan, "d2", sample.now)


# -- what is said -------------------------------------------------------------------

SECRET = "s3cr3t/pass@word"


def test_a_wrong_password_is_told_without_it(postgres: Server, url: str, sample: Any) -> None:
    postgres.execute("DROP ROLE IF EXISTS somebody")
    postgres.execute("CREATE ROLE somebody LOGIN PASSWORD 'another'")
    postgres.ask_passwords("somebody")
    with pytest.raises(LedgerUnreachable, match=r"拒绝登录.*DATABASE_PASSWORD") as caught:
        opened(postgres.url(name_of(url), "somebody", SECRET), sample)
    assert_says_nothing(caught.value)


def test_who_may_not_touch_the_tables_is_told_so(postgres: Server, url: str, sample: Any) -> None:
    postgres.execute("DROP ROLE IF EXISTS guest")
    postgres.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(LedgerReadOnly, match="权限"):
        opened(postgres.url(name_of(url), "guest"), sample)
    postgres.execute("DROP ROLE guest")


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/x", LedgerAddressError, "看不懂"),
        ("postgresql://u:s3cr3t%2Fpass%40word@127.0.0.1:1/x", LedgerUnreachable, "连不上.*127.0.0.1:1/x"),
        ("postgresql://u:s3cr3t%2Fpass%40word@127.0.0.1:99999/x", LedgerUnreachable, "连不上"),
        ("postgresql://u:s3cr3t@h/x?nonsense=1", LedgerAddressError, "看不懂"),
        ("postgres://u:s3cr3t word@h/x", LedgerAddressError, "看不懂"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(
    sample: Any, address: str, error: type[LedgerError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        opened(address, sample)
    assert_says_nothing(caught.value)


def assert_says_nothing(error: BaseException | None) -> None:
    """Neither the error nor what it came from, as a trace would show it."""
    while error is not None:
        for part in (SECRET, "s3cr3t", "pass@word", "pass%40word"):
            assert part not in str(error)
        error = None if error.__suppress_context__ else error.__cause__ or error.__context__


def test_a_database_that_is_not_there_is_named(postgres: Server, sample: Any) -> None:
    with pytest.raises(LedgerAddressError, match=r"没有台账所在的数据库 .*/nowhere：.*reminder migrate"):
        opened(postgres.url("nowhere"), sample)


def test_tables_that_vanish_under_an_open_ledger_stop_the_sending(url: str, sample: Any) -> None:
    with opened(url, sample) as ledger:
        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE attempts CASCADE")
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        with pytest.raises(LedgerGone, match="已停止发送"):
            ledger.spool.begin(sample.plan, "d1", sample.now)
        assert ledger.spool.sending(sample.plan, sample.live) == set()


def test_what_a_row_held_is_in_no_error(url: str, sample: Any) -> None:
    """PostgreSQL would name the values that met; they are people's."""
    with opened(url, sample) as ledger:
        ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
        with pytest.raises(LedgerError, match="相抵触") as caught:
            ledger.settle(
                sample.plan, sample.live, type(sample.message("x"))((), (sample.delivery("d1"),)), sample.now
            )
        assert "lilunke" not in str(caught.value)
        assert "d1" not in str(caught.value)


def test_a_file_is_asked_for_only_where_there_is_one(url: str, sample: Any, tmp_path: Path) -> None:
    with opened(url, sample) as ledger:
        assert ledger.file is None
        with pytest.raises(LedgerError, match="不是文件"):
            ledger.copy_to(tmp_path / "copy")
        ledger.abandon_log()
