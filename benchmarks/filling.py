"""A ledger with as many deliveries as are wanted, filled in one transaction.

Years of alarms of the plan's own items to its own people, twenty receivers
each, up to now; one in 500 failed, one in 999 is uncertain.  The texts are
short: what a question has to read lies in the other tables.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

from benchmarks.figures import ROOT
from reminder.check import Edition, examine
from reminder.ledger.columns import UtcDateTime
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.tables import alarms, attempts, claims, contents, deliveries
from reminder.plan.model import Plan

PER_ALARM = 20
YEARS = 5
TEXT = "正文" * 20
PAYLOAD = TEXT.encode()
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()
_SQLITE = sqlite.dialect()
AT_ONCE = 1000
"""Alarms made before their rows are handed over."""


@dataclass(frozen=True)
class Filling:
    """What the rows are made of.  ``now`` is aware."""

    plan: Plan
    now: datetime
    deliveries: int

    @property
    def alarms(self) -> int:
        return self.deliveries // PER_ALARM


def shipped() -> Edition:
    """The plan that comes with the product."""
    edition = examine(ROOT / "schedules", ROOT / "message_templates").edition
    assert edition is not None
    return edition


def fill(path: Path, filling: Filling) -> None:
    """A new ledger at ``path``, filled, folded and closed."""
    Ledger.open(path, kind=LedgerKind.DAEMON, now=filling.now).close()
    with closing(sqlite3.connect(path)) as connection:
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "cache_size = -1000000",
            "foreign_keys = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        for start in range(0, filling.alarms, AT_ONCE):
            rows: dict[str, list[tuple[Any, ...]]] = {}
            for number in range(start, min(start + AT_ONCE, filling.alarms)):
                for name, row in _rows(filling, number):
                    rows.setdefault(name, []).append(row)
            for table in (alarms, claims, deliveries, contents, attempts):
                connection.executemany(_insert(table, len(rows[table.name][0])), rows[table.name])
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")


def _insert(table: Table, width: int) -> str:
    """Into the first ``width`` columns; those behind them, which later versions brought, stay empty."""
    columns = ", ".join(table.columns.keys()[:width])
    return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' * width)})"


def _stored(instant: datetime) -> str:
    found: str = UtcDateTime().process_bind_param(instant, _SQLITE)
    return found


def _rows(filling: Filling, number: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """One alarm's rows, with the columns in the order of the tables."""
    plan, live = filling.plan, str(Transport.LIVE)
    people = plan.directory.people
    item = plan.items[number % len(plan.items)].id
    age = timedelta(days=365 * YEARS) * (filling.alarms - number) / filling.alarms
    at = filling.now - age
    then, expires = _stored(at), _stored(at + timedelta(days=30))
    occurrence = f"{item}/B{number}"
    alarm = number + 1
    yield (
        "alarms",
        (
            alarm, plan.id, live, f"{occurrence}#due", item, occurrence, "due", then, then, "send", "due", then,
        ),
    )  # fmt: skip
    for share in range(PER_ALARM):
        own = number * PER_ALARM + share + 1
        person = people[(number + share) % len(people)].id
        message = hashlib.sha256(str(own).encode()).hexdigest()[:32]
        state = "failed" if own % 500 == 0 else "uncertain" if own % 999 == 0 else "accepted"
        good = state == "accepted"
        yield "claims", (own, alarm, plan.id, live, person, "mail", "send", "due", message, then, None)
        yield (
            "deliveries",
            (
                own, plan.id, live, f"{message}-1", message, "mail", person, f"{person}@example.com", 1, 1,
                f"<{message}@example.com>", f"{item}：请按期办理", then, then, expires, state, 1, 0, then, then,
            ),
        )  # fmt: skip
        yield "contents", (own, plan.id, TEXT, PAYLOAD, DIGEST)
        yield (
            "attempts",
            (
                own, plan.id, live, own, "mail", 1, then, then, "accepted" if good else "permanent",
                "250" if good else "550", "",
            ),
        )  # fmt: skip
