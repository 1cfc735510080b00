"""Old messages by month on PostgreSQL: whoever asks sees one table; what is hot asks the live part alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import event

from reminder.backup.months import Wanted, retire, verify
from reminder.daemon.filing import EVERY, Filing
from reminder.ledger import filing, parts, schema
from reminder.ledger.errors import LedgerError, LedgerLocked
from reminder.ledger.ledger import Ledger
from reminder.ledger.proving import contents, rows_of
from reminder.ledger.records import AttemptEnd, DeliveryState, LedgerKind, Quota, Refusal, Transport
from reminder.ledger.shown import EntryFilter
from reminder.ledger.storage_postgres import PostgresStorage
from reminder.ledger.tables import attempts, deliveries, metadata
from tests.harness.postgres import Server, stamp
from tests.ledger.moves import DAEMON, fill, move

LIVE = Transport.LIVE
NOW = datetime(2026, 9, 24, 1, 30, tzinfo=UTC)
MONTHS = ("2026-02", "2026-03", "2026-04", "2026-05", "2026-06", "2026-08")
FILED = ("2026-02", "2026-03", "2026-04", "2026-05")
PLAN = "lianjie"


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    made = postgres.new_database()
    stamp(made, LedgerKind.DAEMON, datetime(2026, 1, 1, tzinfo=UTC))
    yield made
    postgres.drop(made)


@pytest.fixture
def ledger(url: str, sample: Any) -> Iterator[Ledger]:
    """Two messages in each of six months, sent; a row of every table that refers to one."""
    with Ledger.open(url, kind=DAEMON, now=NOW) as opened:
        for month in MONTHS:
            at = datetime.fromisoformat(f"{month}-10T09:00+08:00")
            for each in "ab":
                say(opened, sample, f"{month}{each}", at)
            end(opened, f"{month}a", at, refused=(Refusal("p-b", "550", "no"),))
            end(opened, f"{month}b", at, outcome="permanent", state=DeliveryState.FAILED)
            opened.spool.leave(PLAN, f"{month}b", by="x", now=at)
        told(opened)
        yield opened


def say(ledger: Ledger, sample: Any, key: str, at: datetime, plan: str = PLAN) -> None:
    made = sample.message(
        key,
        planned_at=at,
        not_before=at,
        expires_at=at + timedelta(days=1),
        receivers=(("p-a", "a"), ("p-b", "b")),
    )
    alarms = tuple(replace(each, planned_at=at, due=at) for each in made.alarms)
    ledger.settle(plan, LIVE, replace(made, alarms=alarms), at)


def end(ledger: Ledger, key: str, at: datetime, plan: str = PLAN, **changes: Any) -> None:
    assert ledger.spool.begin(plan, key, at) == 1
    done = AttemptEnd(key, 1, at, "accepted", DeliveryState.ACCEPTED)
    assert ledger.spool.finish_many(plan, [replace(done, **changes)])


def told(ledger: Ledger) -> None:
    ledger.told(PLAN, [each.id for each in ledger.troubles(PLAN, LIVE)], NOW)


def file_all(ledger: Ledger, limit: int = 3) -> int:
    total = 0
    while some := ledger.months.file_away(PLAN, NOW, limit):
        total += some
    return total


def where(url: str, table: str = "deliveries") -> dict[str, int]:
    """How many rows stand in which part."""
    with psycopg.connect(url) as connection:
        return dict(
            connection.execute(
                f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1"
            ).fetchall()
        )


def seen(ledger: Ledger) -> Any:
    """Everything that people and programs are shown of all messages."""
    keys = [f"{month}{each}" for month in MONTHS for each in "ab"]
    return (
        [replace(each, mark=None) for each in ledger.book.entries(PLAN, EntryFilter())],
        [
            (
                ledger.book.leaf(PLAN, key),
                ledger.book.attempts_of(PLAN, key),
                ledger.book.payload_of(PLAN, key),
            )
            for key in keys
        ],
        ledger.book.counts(PLAN, LIVE),
        ledger.book.stuck(PLAN, LIVE, datetime(2026, 1, 1, tzinfo=UTC)),
        ledger.book.outcomes_planned(PLAN, LIVE, datetime(2026, 1, 1, tzinfo=UTC), NOW),
        ledger.unreached(PLAN, LIVE, datetime(2026, 1, 1, tzinfo=UTC)),
    )


def named(month: str) -> str:
    return f"deliveries_{month.replace('-', '_')}"


# -- what is filed -----------------------------------------------------------------------


def test_what_is_old_and_settled_stands_in_its_month_and_everything_reads_as_before(
    ledger: Ledger, url: str
) -> None:
    """Three whole months stay with what is new; no row is lost, whatever table it is in."""
    before, standing = seen(ledger), ledger.holds.standing().changes
    with ledger._storage.read() as connection:
        rows = {name: each.rows for name, each in contents(connection).items()}
    assert file_all(ledger) == 8
    assert where(url) == {named(month): 2 for month in FILED} | {"deliveries_live": 4}
    for table in ("contents", "attempts", "receivers"):
        assert sum(where(url, table).values()) == rows[table]
        assert set(where(url, table)) == {name.replace("deliveries", table) for name in where(url)}
    with ledger._storage.read() as connection:
        assert {name: each.rows for name, each in contents(connection).items()} == rows
    assert seen(ledger) == before
    assert ledger.holds.standing().changes == standing
    assert file_all(ledger) == 0


def test_numbers_keep_their_order_and_stay_below_those_of_what_is_new(ledger: Ledger) -> None:
    file_all(ledger)
    with ledger._storage.read() as connection:
        found = [(row.id, row.delivery) for row in rows_of(connection, deliveries)]
        tries = list(rows_of(connection, attempts))
    assert [key for _, key in found] == [f"{month}{each}" for month in MONTHS for each in "ab"]
    assert [number < 0 for number, _ in found] == [True] * 8 + [False] * 4
    assert len(tries) == 12


def test_what_is_not_settled_stays_where_it_is_sent_from(url: str, sample: Any) -> None:
    """Nor what was tried long after it was made, nor what nobody was told of, nor another plan's."""
    at = datetime(2026, 2, 20, 1, tzinfo=UTC)
    with Ledger.open(url, kind=DAEMON, now=NOW) as ledger:
        for key in ("settled", "pending", "uncertain", "untold", "late"):
            say(ledger, sample, key, at)
        end(ledger, "settled", at)
        end(ledger, "uncertain", at, outcome="uncertain", state=DeliveryState.UNCERTAIN)
        told(ledger)
        end(ledger, "untold", at, outcome="permanent", state=DeliveryState.FAILED)
        ledger.spool.postpone(PLAN, "late", at + timedelta(hours=1), NOW)
        ledger.spool.expire(PLAN, LIVE, at)
        say(ledger, sample, "theirs", at, "other")
        end(ledger, "theirs", at, "other")
        say(ledger, sample, "newest", NOW)
        assert file_all(ledger) == 1
        assert where(url) == {"deliveries_2026_02": 1, "deliveries_live": 6}
        assert ledger.months.file_away("other", NOW) == 1
        told(ledger)
        assert file_all(ledger) == 1
        for key in ("pending", "late"):
            assert ledger.spool.begin(PLAN, key, at + timedelta(hours=2)) == 1
        ledger.spool.finish(PLAN, "late", 1, NOW, outcome="accepted", state=DeliveryState.ACCEPTED)
        ledger.spool.finish(PLAN, "pending", 1, at, outcome="accepted", state=DeliveryState.ACCEPTED)
        assert file_all(ledger) == 1
        assert ledger.book.leaf(PLAN, "late") is not None
        assert where(url) == {"deliveries_2026_02": 4, "deliveries_live": 3}


def test_the_newest_of_all_is_never_filed(url: str, sample: Any) -> None:
    """By its number the ledger is known from an older one, also by the program before this."""
    with Ledger.open(url, kind=DAEMON, now=NOW) as ledger:
        for key in ("one", "two"):
            say(ledger, sample, key, datetime(2026, 1, 5, tzinfo=UTC))
            end(ledger, key, datetime(2026, 1, 5, tzinfo=UTC))
        before = ledger.holds.standing().changes
        assert file_all(ledger) == 1
        assert ledger.holds.standing().changes == before


def test_a_message_of_any_time_finds_its_place(url: str, sample: Any) -> None:
    """Also of a century for which there are no months, and on a ledger that nobody ever filed in."""
    with Ledger.open(url, kind=DAEMON, now=NOW) as ledger:
        for year in (1999, 2000, 2099, 2100):
            at = datetime(year, 6, 1, tzinfo=UTC)
            say(ledger, sample, str(year), at)
            end(ledger, str(year), at)
        assert ledger.months.file_away(PLAN, datetime(2150, 1, 1, tzinfo=UTC)) == 0
        assert where(url) == {"deliveries_live": 4}


def test_a_file_knows_no_months(tmp_path: Path, sample: Any) -> None:
    with Ledger.open(tmp_path / "l", kind=DAEMON, now=NOW) as ledger:
        say(ledger, sample, "x", datetime(2026, 1, 5, tzinfo=UTC))
        assert ledger.months.file_away(PLAN, NOW) == 0
        assert ledger.months.drop_empty() == []


def test_months_begin_by_the_offices_clock(sample: Any) -> None:
    for month in (0, 7, 313, 1199):
        begin = parts.begin_of(month)
        assert begin.astimezone(parts.OFFICE).day == 1
        assert (parts.month_of(begin), parts.month_of(begin - timedelta(seconds=1))) == (
            month,
            month - 1 if month else None,
        )
        assert parts.offset_of(month) < 0
        assert parts.offset_of(month + 1) - parts.offset_of(month) == 2**36


# -- what is asked -----------------------------------------------------------------------


@pytest.fixture
def touched(ledger: Ledger) -> Callable[[Callable[[], Any]], set[str]]:
    """Which parts the statements of a call would read: planned for these values, and for any."""
    file_all(ledger)
    tape: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, sql: str, values: Any, _context: Any, many: bool) -> None:
        tape.append((sql, values[0] if many else values))

    for engine in (ledger._storage._writer, ledger._storage._reader):  # type: ignore[attr-defined]
        event.listen(engine, "before_cursor_execute", note)

    def parts_of(call: Callable[[], Any]) -> set[str]:
        tape.clear()
        call()
        asked = [
            each for each in tape if re.match(r"\s*(SELECT|UPDATE)", each[0]) and "advisory" not in each[0]
        ]
        assert asked
        found: set[str] = set()
        for sql, values in asked:
            with ledger._storage._writer.connect() as connection:  # type: ignore[attr-defined]
                lines = connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql}", values
                ).scalars()
                found |= {
                    name
                    for line in lines
                    if "never executed" not in line
                    for name in re.findall(r" on (\w+_(?:live|\d{4}_\d{2}))", line)
                }
                connection.rollback()
        return found

    return parts_of


@pytest.mark.parametrize(
    "ask",
    [
        lambda it, s: it.settle(PLAN, LIVE, s.message("y"), NOW),
        lambda it, s: it.spool.due(PLAN, LIVE, NOW, limit=9),
        lambda it, s: it.spool.next_instant(PLAN, LIVE),
        lambda it, s: it.spool.next_after(PLAN, LIVE, NOW),
        lambda it, s: it.spool.begin(PLAN, "x", NOW, {"mail": (Quota(9, timedelta(minutes=1)),)}),
        lambda it, s: (
            it.spool.begin(PLAN, "x", NOW),
            it.spool.finish(PLAN, "x", 1, NOW, outcome="a", state=DeliveryState.ACCEPTED),
        ),
        lambda it, s: it.spool.expire(PLAN, LIVE, NOW + timedelta(days=3)),
        lambda it, s: it.spool.sending(PLAN, LIVE),
        lambda it, s: (it.spool.begin(PLAN, "x", NOW), it.spool.interrupted(PLAN, LIVE, NOW)),
        lambda it, s: it.nodes.put_up_due(PLAN, LIVE, NOW),
        lambda it, s: it.nodes.batch(PLAN, LIVE, 1, NOW),
        lambda it, s: it.nodes.waiting_channels(PLAN, LIVE, NOW),
        lambda it, s: it.nodes.left_behind(PLAN, LIVE, NOW),
        lambda it, s: it.spool.postpone(PLAN, "x", NOW + timedelta(hours=1), NOW),
        lambda it, s: it.spool.attempts_since(PLAN, "mail", NOW - timedelta(days=1), LIVE),
        lambda it, s: it.unreached(PLAN, LIVE, NOW - timedelta(days=3)),
        lambda it, s: it.retrying(PLAN, LIVE, ["mail"]),
    ],
)
def test_a_hot_statement_reads_no_month(
    touched: Callable[[Callable[[], Any]], set[str]], ledger: Ledger, sample: Any, ask: Callable[..., Any]
) -> None:
    say(ledger, sample, "x", NOW)
    assert {name for name in touched(lambda: ask(ledger, sample)) if not name.endswith("_live")} == set()


def test_the_newest_lines_read_their_own_months(
    touched: Callable[[Callable[[], Any]], set[str]], ledger: Ledger
) -> None:
    newest = touched(lambda: ledger.book.entries(PLAN, EntryFilter(limit=3)))
    assert {name for name in newest if not name.endswith("_live")} == set()
    since, until = (datetime.fromisoformat(f"2026-03-{day}T00:00+08:00") for day in ("05", "15"))
    march = touched(lambda: ledger.book.entries(PLAN, EntryFilter(since=since, until=until)))
    assert {name for name in march if "_2026" in name} == {"deliveries_2026_03", "attempts_2026_03"}


def test_the_statements_of_the_program_before_read_no_month_either(ledger: Ledger, url: str) -> None:
    """They do not speak of numbers; the CHECKs of the months say that nothing there waits or is being sent."""
    file_all(ledger)
    with psycopg.connect(url) as connection:
        for state in ("pending", "sending", "uncertain"):
            plan = connection.execute(
                f"EXPLAIN SELECT * FROM deliveries WHERE plan_id = 'x' AND transport = 'live' AND state = '{state}'"
            ).fetchall()
            assert "_2026_" not in str(plan)
            assert "deliveries_live" in str(plan)


def test_a_month_refuses_what_is_not_settled(ledger: Ledger, url: str) -> None:
    file_all(ledger)
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE deliveries SET state = 'pending' WHERE id < 0")


# -- killed, raced, in the way -----------------------------------------------------------

CHILD = """
import os, signal, sys
from datetime import datetime
from reminder.ledger import filing
from reminder.ledger.ledger import Ledger
at, url, now = sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[3])

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if at == "made":
    filing._file = die
elif at == "moved":
    given = filing._move
    filing._move = lambda *each: (given(*each), die())
elif at == "half":
    filing._CHILDREN = (*filing._CHILDREN[:2], None)
    given = filing.update
    filing.update = lambda table: die() if table is None else given(table)
Ledger.open(url, kind=None, now=now, create=False).months.file_away("lianjie", now)
"""


@pytest.mark.parametrize("at", ["made", "half", "moved"])
def test_killed_in_the_middle_a_batch_is_filed_or_not(
    at: str, ledger: Ledger, url: str, child: Callable[..., Any]
) -> None:
    before = seen(ledger)
    assert child(CHILD, at, url, NOW.isoformat()).end() == -9
    assert where(url) == {"deliveries_live": 12}
    assert seen(ledger) == before
    assert file_all(ledger) == 8
    assert seen(ledger) == before


def test_two_nodes_file_side_by_side(ledger: Ledger, url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    before = seen(ledger)
    with Ledger.open(url, kind=DAEMON, now=NOW) as other, ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda it: file_all(it, 1), (ledger, other))) == 8
    assert seen(ledger) == before


def test_who_reads_for_long_is_not_waited_for(ledger: Ledger, url: str) -> None:
    """A month's part is made when nobody is in the way; a node says so, and tries again in an hour."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM deliveries LIMIT 1")
        with pytest.raises(LedgerLocked):
            ledger.months.file_away(PLAN, NOW)
        tends = Filing()
        assert tends.tend(ledger, PLAN, NOW) == 0
    assert tends.tend(ledger, PLAN, NOW + timedelta(minutes=1)) == 0
    assert tends.tend(ledger, PLAN, NOW + EVERY) == 2


def test_a_daemon_files_batch_after_batch_and_then_rests(
    ledger: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reminder.daemon.filing.BATCH", 2)
    tends = Filing()
    assert [tends.tend(ledger, PLAN, NOW) for _ in range(6)] == [2, 2, 2, 2, 0, 0]


# -- retention ---------------------------------------------------------------------------


def test_retired_months_take_their_parts_with_them(ledger: Ledger, url: str, tmp_path: Path) -> None:
    file_all(ledger)
    before = ledger.holds.standing().changes
    until = datetime.fromisoformat("2026-04-01T00:00+08:00")
    made, _ = retire(
        ledger, Wanted(PLAN, "Asia/Shanghai", "2026-04", until, "x", "y"), tmp_path / "q1.tar.gz", NOW
    )
    assert (made.messages, verify(tmp_path / "q1.tar.gz").manifest.tables) == (4, made.tables)
    with psycopg.connect(url) as connection:
        left = connection.execute(
            "SELECT relname FROM pg_class WHERE relname ~ '_2026_[0-9]+$' AND relkind = 'r'"
        ).fetchall()
    expected = {f"{table}_2026_{month}" for table in parts.KEYS for month in ("04", "05")}
    assert {name for (name,) in left} == expected
    assert ledger.holds.standing().changes > before
    assert ledger.integrity() == []


# -- how it comes to be ------------------------------------------------------------------


def test_an_older_ledger_is_divided_with_all_its_rows(postgres: Server, tmp_path: Path, sample: Any) -> None:
    """What is there becomes the live part as it is, sums and all; if it fails, everything is as it was."""
    url = postgres.empty_database()
    storage = PostgresStorage(url)
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    (months,) = (
        each
        for each in ScriptDirectory.from_config(config).walk_revisions()
        if each.path.endswith("_months.py")
    )
    try:
        with storage.rebuild() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, str(months.down_revision))
        stamp(url, DAEMON, NOW)
        fill(tmp_path / "l", sample, 9)
        lite = Ledger.open(tmp_path / "l", kind=DAEMON, now=NOW)
        from reminder.ledger.pouring import pour

        with lite._storage.read() as old, storage.write() as new:
            new.exec_driver_sql("DELETE FROM ledger_info")
            pour(old, new, "")
        lite.close()
        with storage.read() as connection:
            before = contents(connection)
        with psycopg.connect(url) as other:
            other.execute("CREATE TABLE deliveries_live ()")
        with pytest.raises(LedgerError, match="已全部撤回，台账未变"):
            Ledger.open(url, kind=DAEMON, now=NOW, upgrade=True)
        with psycopg.connect(url) as other:
            other.execute("DROP TABLE deliveries_live")
            kinds = other.execute("SELECT relkind FROM pg_class WHERE relname = 'deliveries'").fetchall()
            assert kinds == [("r",)]
        with Ledger.open(url, kind=DAEMON, now=NOW, upgrade=True) as ledger:
            say(ledger, sample, "new", NOW)
            end(ledger, "new", NOW)
        with storage.read() as connection:
            after = contents(connection)
        written = {"alarms", "claims", "deliveries", "contents", "attempts", "receivers", "ledger_info"}
        assert {name: each for name, each in after.items() if name not in written} == {
            name: each for name, each in before.items() if name not in written
        }
        assert after["deliveries"].rows == before["deliveries"].rows + 1
    finally:
        storage.close()
        postgres.drop(url)


def test_what_was_moved_up_from_a_file_is_filed_afterwards(old: Path, empty: str, sample: Any) -> None:
    move(old, empty, sample)
    later = sample.now + timedelta(days=400)
    with Ledger.open(empty, kind=DAEMON, now=later) as ledger:
        say(ledger, sample, "new", later)
        before = ledger.book.leaf(PLAN, "d1")
        assert ledger.months.file_away(PLAN, later) == 1
        assert ledger.book.leaf(PLAN, "d1") == before
    assert where(empty)["deliveries_2026_09"] == 1


def test_the_tables_that_have_parts_are_those_of_the_ledger() -> None:
    """And what refers to a delivery is all that does."""
    assert set(parts.KEYS) <= set(metadata.tables)
    referring = {
        table.name
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table is deliveries
    }
    assert referring == set(parts.REFERRING) == {table.name for table in filing._CHILDREN}
    assert [
        parts.is_part(each) for each in ("deliveries", "deliveries_live", "attempts_2024_01", "contents_x")
    ] == [
        False,
        True,
        True,
        False,
    ]
