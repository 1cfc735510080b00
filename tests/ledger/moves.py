"""What the tests of a ledger that moves up share: where from, where to, and what is in both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from reminder.ledger import schema, work_schema
from reminder.ledger.ledger import Ledger
from reminder.ledger.moving import MOVED, Moved, move_up
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.storage_postgres import PostgresStorage
from reminder.ledger.storage_sqlite import SqliteStorage
from tests.harness.rows import Filler, all_rows

DAEMON = LedgerKind.DAEMON
HEAD = schema.HEAD
"""As it is before a test pretends that there is a later one."""
TEXTS = ("", "中秋将至", "a\tb\\N\n'\"", "\r\n\\.\n", "🌕", "Ｂ", "b", "B", "é", "\x7f\x01")
BLOBS = (b"", b"\x00\xff\\x", "主题".encode(), bytes(range(256)))
DOCUMENTS = (None, {}, [], {"b": 1, "a": [1.5, None, True, "节\n"]}, "文", 2**40, {"\u0000": "\\"})


def fill(path: Path, sample: Any, count: int, filler: Filler | None = None) -> None:
    Ledger.open(path, kind=DAEMON, now=sample.now).close()
    storage = SqliteStorage(path, create=False)
    with storage.write() as connection:
        (filler or Filler(1, TEXTS, BLOBS, DOCUMENTS)).fill(connection, count)
    storage.close()


def move(old: Path, url: str, sample: Any, **options: Any) -> Moved:
    return move_up(old, url, sample.at(hours=1), options.get("judge", lambda _: None))


def rows_in(address: Path | str) -> dict[str, list[dict[str, Any]]]:
    storage = PostgresStorage(address) if isinstance(address, str) else SqliteStorage(address, create=False)
    with storage.read() as connection:
        found = all_rows(connection)
    storage.close()
    return found


def carried(address: Path | str) -> dict[str, list[dict[str, Any]]]:
    """Without what the move itself writes."""
    found = rows_in(address)
    found["notes"] = [row for row in found["notes"] if row["kind"] != MOVED]
    mine = ("identity", "previous", "hold", "changes", schema.SERVING, schema.MOVING, work_schema.STEP)
    found["ledger_info"] = [row for row in found["ledger_info"] if row["key"] not in mine]
    return found


def tables_of(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()


def usable(path: Path, sample: Any) -> bool:
    """Whether it may be sent from, and takes records."""
    with Ledger.open(path, kind=DAEMON, now=sample.now) as ledger:
        ledger.note(sample.plan, Note("daemon", sample.now, "系统"))
        return ledger.holds.standing().hold is None


def opened(url: str, sample: Any) -> Ledger:
    return Ledger.open(url, kind=DAEMON, now=sample.now)
