"""All rows of one ledger into the empty tables of another one on PostgreSQL.

By ``COPY``, which takes a row at a time and keeps none of them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Connection, Table, delete, func, select, text

from reminder.ledger import work_schema
from reminder.ledger.errors_postgres import explained
from reminder.ledger.proving import rows_of
from reminder.ledger.storage import plain_json
from reminder.ledger.tables import ledger_info, metadata


def empty_all(connection: Connection) -> None:
    """No row in any of the ledger's tables, the first number next.

    What says how far the queue's own tables are stays with them, or the next
    migration would make them again.
    """
    tables = [table for table in metadata.sorted_tables if table is not ledger_info]
    names = ", ".join(_quoted(connection, table.name) for table in tables)
    connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    connection.execute(delete(ledger_info).where(ledger_info.c.key != work_schema.STEP))


def pour(source: Connection, target: Connection, place: str) -> None:
    """Every row of ``source`` (either database) into ``target``, whose tables are empty.

    ``place``: how people are told of the target.  Raises ``LedgerError``.
    """
    for table in metadata.sorted_tables:
        _pour(source, target, table, place)
        if "id" in table.c:
            _number_on(target, table)


def _pour(source: Connection, target: Connection, table: Table, place: str) -> None:
    import psycopg

    names = ", ".join(_quoted(target, column.name) for column in table.columns)
    # A JSON value is a text to COPY; that of nothing is "null", which is not the lack of a value.
    texts = frozenset(n for n, column in enumerate(table.columns) if isinstance(column.type, JSON))
    driver: Any = target.connection.driver_connection
    try:
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {_quoted(target, table.name)} ({names}) FROM STDIN") as copy,
        ):
            for row in rows_of(source, table):
                copy.write_row(
                    [plain_json(value) if number in texts else value for number, value in enumerate(row)]
                    if texts
                    else row
                )
    except psycopg.Error as error:
        raise explained(error, place, lost=driver.closed) from None


def _number_on(target: Connection, table: Table) -> None:
    """The next row gets a number that none of those poured in has."""
    highest = select(func.max(table.c.id)).scalar_subquery()
    sequence = func.pg_get_serial_sequence(_quoted(target, table.name), "id")
    # Of an empty table the first number is still to be given.
    target.execute(
        select(
            func.setval(sequence, func.coalesce(highest, 1), select(highest.is_not(None)).scalar_subquery())
        )
    )


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
