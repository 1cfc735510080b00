"""Statements that both databases take: insert once, conditions their planners can see, values in bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.dialects import sqlite

from reminder.ledger.records import DeliveryState
from reminder.ledger.tables import claims, deliveries

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")


def in_state(state: DeliveryState) -> ColumnElement[bool]:
    """``deliveries.state`` is this one, as a literal.

    A partial index serves a query only when the planner can see its condition;
    a bound value it cannot see.
    """
    return deliveries.c.state == literal_column(f"'{state.value}'", Text)


def postponed() -> ColumnElement[bool]:
    """A claim that waits, as a literal: see :func:`in_state`."""
    return claims.c.decision == literal_column("'postpone'", Text)


def insert_once(dialect: str, table: Table, key: Sequence[str]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that leaves out rows whose key is there already.

    Both databases spell it alike, SQLAlchemy builds it for each of them apart.
    """
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # a daemon with a file does without it

        return postgresql.insert(table).on_conflict_do_nothing(index_elements=list(key))
    return sqlite.insert(table).on_conflict_do_nothing(index_elements=list(key))


def insert_new(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *returning: Column[Any],
) -> list[Row[Any]]:
    """Insert the rows whose key is new; give back ``returning`` of exactly those.

    Sorted by key, so that two writers on PostgreSQL take their locks in one
    order and never wait for each other crosswise.
    """
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in key))
    if not ordered:
        return []
    statement = insert_once(connection.dialect.name, table, key).returning(*returning)
    return list(connection.execute(statement, ordered))


def chunks(values: Iterable[T], size: int = 500) -> Iterator[Sequence[T]]:
    """At most ``size`` at a time: both databases bound the number of values in a statement."""
    every = list(values)
    for start in range(0, len(every), size):
        yield every[start : start + size]
