"""Statements that both databases take: insert once, conditions their planners can see, values in bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Table,
    Text,
    and_,
    bindparam,
    literal_column,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator

from reminder.ledger.records import SETTLED, DeliveryState
from reminder.ledger.tables import claims, deliveries

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")


class _Live(FunctionElement[bool]):
    """A delivery is in the live part of its table; said to PostgreSQL only, where there are others.

    A function to SQLAlchemy: of elements of one's own it keeps only those compiled.
    """

    inherit_cache = True
    type = Boolean()


@compiles(_Live)
def _anywhere(_element: _Live, _compiler: SQLCompiler, **_: Any) -> str:
    return "1 = 1"


@compiles(_Live, "postgresql")
def _by_number(_element: _Live, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(deliveries.c.id >= literal_column("0", Integer), **options)


class _Walked(FunctionElement[str]):
    """A text that SQLite shall not look up in an index; PostgreSQL knows by itself how many rows there are."""

    inherit_cache = True
    type = Text()


@compiles(_Walked)
def _as_expression(element: _Walked, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)} || '')"


@compiles(_Walked, "postgresql")
def _as_it_is(element: _Walked, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


def walked(text: ColumnElement[str]) -> ColumnElement[str]:
    """The column, compared row by row where SQLite would begin with an index that leads to nearly all rows."""
    return _Walked(text)


class _Several(TypeDecorator[Any]):
    """Several values as one, an array, where the database has arrays; else one of them at a time."""

    impl = NullType
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return list(value) if dialect.name == "postgresql" else value


class _Among(FunctionElement[Any]):
    inherit_cache = True
    type = NullType()  # of a Boolean SQLAlchemy would make "= 1", which no index of SQLite serves


@compiles(_Among)
def _one_at_a_time(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, value = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = {value}"


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({values})"


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The column has one of the values that are given together as ``name`` to a statement that is ``Prepared``.

    As ``IN``, with one text however many they are.  PostgreSQL is asked once.
    SQLite is asked for one after another: of a list it makes a table of its own
    first, which takes it longer than some ten look-ups.
    """
    return _Among(column, bindparam(name, type_=_Several()))


def in_state(state: DeliveryState) -> ColumnElement[bool]:
    """``deliveries.state`` is this one, as a literal.

    A partial index serves a query only when the planner can see its condition;
    a bound value it cannot see.  What is not settled is never filed under its
    month, and by its number PostgreSQL sees at once that no month is concerned.
    """
    stands = deliveries.c.state == literal_column(f"'{state.value}'", Text)
    return stands if state in SETTLED else and_(stands, _Live())


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
