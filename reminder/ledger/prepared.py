"""Statements of every try and every mail: composed once, and then given to the driver as they are.

SQLAlchemy keeps what it has composed, and still spends several times as long
on looking it up, on the values and on the rows as SQLite on the statement
itself.  So what is carried out for each mail is written in SQLAlchemy as
everything else is, and made into text by it, once for each database; values and
rows go through the same column types.

SQLite's driver is spoken to directly.  PostgreSQL's is reached over SQLAlchemy,
which knows by its errors when a connection is lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import ClauseElement, Connection, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from reminder.ledger.tables import AnyRow

Values = Mapping[str, Any]
_Convert = Callable[[Any], Any] | None
_ASKED_FOR: Final = object()


@dataclass(frozen=True, slots=True)
class _Composed:
    """A statement as one database takes it."""

    text: str
    binds: tuple[tuple[str, _Convert, Any], ...]
    """Of each value its name, what makes it one that the driver takes, and the value where it is always the same."""
    by_name: bool
    row: Callable[[Sequence[Any]], AnyRow] | None

    def values(self, given: Values) -> Any:
        """In the driver's form: by name, or in the order of the text."""
        found = [
            (given[name] if convert is None else convert(given[name])) if fixed is _ASKED_FOR else fixed
            for name, convert, fixed in self.binds
        ]
        if not self.by_name:
            return tuple(found)
        return {name: value for (name, _, _), value in zip(self.binds, found, strict=True)}


class Prepared:
    """One statement with named values, which :meth:`rows` or :meth:`run` are given.

    ``columns`` are those that an INSERT is to fill.  ``each`` is the name of
    the values of an :func:`~reminder.ledger.statements.among`, if there is one.
    A statement whose text depends on its values (``IN`` with a list) cannot be prepared.
    """

    def __init__(
        self, statement: ClauseElement, *, columns: Sequence[str] | None = None, each: str | None = None
    ) -> None:
        self.statement = statement
        self._columns = columns
        self._each = each
        self._composed: dict[str, _Composed] = {}

    def rows(self, connection: Connection, values: Values) -> list[AnyRow]:
        """What a SELECT finds, each row with its columns by name; one after another of ``each``, in no order."""
        composed = self._for(connection)
        assert composed.row is not None, "gives no rows"
        return [
            composed.row(row)
            for one in self._spread(connection, values)
            for row in carry_out(connection, self, composed.text, composed.values(one), many=False).fetchall()
        ]

    def run(self, connection: Connection, *given: Values) -> None:
        """Change what it changes, once for each of the values given."""
        composed = self._for(connection)
        found = [composed.values(one) for values in given for one in self._spread(connection, values)]
        if found:
            many = len(found) > 1
            carry_out(connection, self, composed.text, found if many else found[0], many=many)

    def _spread(self, connection: Connection, values: Values) -> Iterable[Values]:
        if self._each is None or connection.dialect.name == "postgresql":
            return (values,)
        return ({**values, self._each: one} for one in dict.fromkeys(values[self._each]))

    def _for(self, connection: Connection) -> _Composed:
        dialect = connection.dialect
        found = self._composed.get(dialect.name)
        if found is None:
            found = self._composed[dialect.name] = self._compose(dialect)
        return found

    def _compose(self, dialect: Dialect) -> _Composed:
        compiled = self.statement.compile(dialect=dialect, column_keys=self._columns)
        assert isinstance(compiled, SQLCompiler)
        assert not compiled.literal_execute_params | compiled.post_compile_params, compiled.string
        names = compiled.positiontup
        binds = []
        for name in compiled.bind_names.values() if names is None else names:
            kind = compiled.binds[name]
            convert = kind.type.dialect_impl(dialect).bind_processor(dialect)
            fixed = _ASKED_FOR if kind.required else kind.value
            if fixed is not _ASKED_FOR and convert is not None:
                fixed = convert(fixed)
            binds.append((name, convert, fixed))
        return _Composed(compiled.string, tuple(binds), names is None, _row_of(self.statement, dialect))


def carry_out(connection: Connection, what: Prepared, text: str, values: Any, *, many: bool) -> Any:  # noqa: ARG001 (for who watches)
    """Give the driver one statement; every prepared one comes through here.  A cursor, or what stands for it."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        if not connection.in_transaction():  # SQLAlchemy would begin by itself: what follows sees the same
            connection.begin()
        return driver.executemany(text, values) if many else driver.execute(text, values)
    return connection.exec_driver_sql(text, values or None)


def _row_of(statement: ClauseElement, dialect: Dialect) -> Callable[[Sequence[Any]], AnyRow] | None:
    """Makes a row of what the driver gives; None for a statement that gives none."""
    if not isinstance(statement, Select):
        return None
    columns = list(statement.selected_columns)
    converts = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    kind: Any = NamedTuple("Row", [(str(column.key), Any) for column in columns])  # type: ignore[misc]

    def row(found: Sequence[Any]) -> AnyRow:
        return cast(
            "AnyRow",
            kind._make(
                value if convert is None else convert(value)
                for value, convert in zip(found, converts, strict=True)
            ),
        )

    return row
