"""What a ledger holds, table by table, as sums that are the same whatever database keeps it.

A row is written down in one way only: instants in UTC, truths as truths, octets
in hexadecimal, JSON with its keys in order.  The rows of a table follow each
other by their key, which both databases order by code point.

One sign is written down as another: PostgreSQL keeps U+FFFD where a text (a
server's answer) held NUL, which it has not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, literal, select, tuple_

from reminder.ledger import work_schema
from reminder.ledger.schema import MOVING, SERVING
from reminder.ledger.tables import AnyRow, ledger_info, metadata

BATCH = 200
"""Rows held at a time; the largest are messages, of some tens of kilobytes each."""
OF_THE_DATABASE = (MOVING, SERVING, work_schema.STEP)
"""What ``ledger_info`` says of the place where a ledger is kept, and not of the ledger."""


@dataclass(frozen=True, slots=True)
class Content:
    """How many rows a table has, and the SHA-256 of all of them."""

    rows: int
    sha256: str


Conditions = Sequence[ColumnElement[bool]]
"""Which rows of a table; none: all of them."""


def rows_of(connection: Connection, table: Table, where: Conditions = ()) -> Iterator[AnyRow]:
    """Every row in the order of the table's key, a batch at a time in memory.

    Each batch begins behind the last one's key: either database finds that by
    its index, and no cursor stays open between them.
    """
    keys = list(table.primary_key.columns)
    places = [list(table.columns).index(key) for key in keys]
    query: Select[Any] = select(table).where(*where).order_by(*keys).limit(BATCH)
    if table is ledger_info:
        query = query.where(ledger_info.c.key.not_in(OF_THE_DATABASE))
    some = connection.execute(query).all()
    while some:
        yield from some
        if len(some) < BATCH:
            return
        last = [literal(some[-1][place], key.type) for place, key in zip(places, keys, strict=True)]
        some = connection.execute(query.where(tuple_(*keys) > tuple_(*last))).all()


def lines_of(connection: Connection, table: Table, where: Conditions = ()) -> Iterator[bytes]:
    """A table written down: the names of its columns, then a line for each row."""
    # The shape comes first: the same values under other names are not the same.
    yield _line([column.name for column in table.columns])
    for row in rows_of(connection, table, where):
        yield _line(list(row))


def content_of(connection: Connection, table: Table, where: Conditions = ()) -> Content:
    """Count and sum of one table."""
    return measured(lines_of(connection, table, where))[0]


def measured(lines: Iterable[bytes]) -> tuple[Content, int]:
    """Count and sum of what :func:`lines_of` gave, and its size in octets; the first line is no row."""
    digest, size, rows = hashlib.sha256(), 0, -1
    for line in lines:
        digest.update(line)
        size += len(line)
        rows += 1
    return Content(rows, digest.hexdigest()), size


def contents(connection: Connection) -> Mapping[str, Content]:
    """Count and sum of every table, in an order in which each comes after those it refers to."""
    return {table.name: content_of(connection, table) for table in metadata.sorted_tables}


def _line(values: list[Any]) -> bytes:
    line = _ENCODER.encode(values)
    if _NUL in line:  # seldom: a look at each value would cost more than the sum
        line = _ENCODER.encode(
            [value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values]
        )
    return line.encode("utf-8", "surrogatepass") + b"\n"


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"the ledger has no column for {type(value).__name__}")


_NUL = "\\u0000"
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_written)
