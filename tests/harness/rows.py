"""Rows for every table of a ledger, of any values that its columns can hold."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Connection, LargeBinary, Table, insert, select

from reminder.ledger.columns import UtcDateTime
from reminder.ledger.tables import ledger_info, metadata

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
MOST_SECONDS = 400 * 86_400


class Filler:
    """Writes ``count`` rows into each table, numbered with gaps; the values are picked by ``seed``.

    ``texts``, ``blobs`` and ``documents`` are what it picks from.
    """

    def __init__(
        self, seed: int, texts: Sequence[str], blobs: Sequence[bytes], documents: Sequence[Any]
    ) -> None:
        self._seed, self._random = seed, random.Random(seed)
        self._texts, self._blobs, self._documents = texts, blobs, documents
        self._made = 0

    def fill(self, connection: Connection, count: int) -> None:
        """Into every table but ``ledger_info``, those first that others refer to."""
        keys: dict[str, list[int]] = {}
        for table in metadata.sorted_tables:
            if table is ledger_info or not count:
                continue
            # Of its own: a new table changes no other's rows.
            self._random, self._made = random.Random(f"{self._seed}/{table.name}"), 0
            rows = [self._row(table, keys, number) for number in range(count)]
            connection.execute(insert(table), rows)
            if "id" in table.c:
                keys[table.name] = [row["id"] for row in rows]

    def _row(self, table: Table, keys: Mapping[str, list[int]], number: int) -> dict[str, Any]:
        return {column.name: self._value(table, column, keys, number) for column in table.columns}

    def _value(self, table: Table, column: Any, keys: Mapping[str, list[int]], number: int) -> Any:
        pick = self._random
        self._made += 1
        if column.nullable and pick.random() < 0.3:
            return None
        for key in column.foreign_keys:
            parents = keys[key.column.table.name]
            # A key of its own that refers to another table's: each of those once.
            return parents[number % len(parents)]
        if isinstance(column.type, UtcDateTime):
            return BEGINNING + timedelta(
                seconds=pick.randrange(MOST_SECONDS), microseconds=pick.randrange(10**6)
            )
        if isinstance(column.type, Boolean):
            return pick.random() < 0.5
        if isinstance(column.type, LargeBinary):
            return pick.choice(self._blobs)
        if isinstance(column.type, JSON):
            return pick.choice(self._documents)
        if column.name == "id":
            return 1 + number * 3 + pick.randrange(3)
        if column.type.python_type is int:
            return self._made
        # Unique keys hold: the number makes every text another one.
        return f"{pick.choice(self._texts)}{self._made}"


def all_rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Every table's rows as Python has them, in no order that a database gave."""
    return {
        table.name: sorted((dict(row) for row in connection.execute(select(table)).mappings()), key=repr)
        for table in metadata.sorted_tables
    }
