"""On PostgreSQL, old messages by month: parts of the same tables, which nobody who asks has to know of.

The tables that grow without end are partitioned by the number of the delivery.
What is made goes into the *live* part, numbers from 0 on: an insert never lacks
a part, and never waits for a calendar.  A message that is settled and old is
filed: it gets a number below 0 that says its month (:func:`number_in`), in its
tables and in those that refer to it, and so stands in the part of that month.
Numbers keep their order, and are as unique as before.

What may be filed never changes again, and a month's part says so in its CHECKs:
by them the planner leaves out all months where something is asked for that is
to be sent, is being sent, or was made within other days.

Identities stay where they were: alarms and claims are not partitioned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import ColumnElement, Connection, Integer, literal_column, or_, text, true

OFFICE = timezone(timedelta(hours=8))
"""By whose calendar a month begins: for all plans alike, one database has one layout."""
FIRST_YEAR, LAST_YEAR = 2000, 2099
_MONTHS = (LAST_YEAR - FIRST_YEAR + 1) * 12
_ROOM = 2**36
"""Numbers in a month: more than were ever given when it is filed."""

AGE = 4
"""A month is filed when so many have begun since: three are over, and what was tried later stays live."""

MARGIN = timedelta(days=1)

KEYS = {"deliveries": "id", "contents": "delivery_id", "attempts": "delivery_id", "receivers": "delivery_id"}
"""The tables that have parts, and the column that has the delivery's number."""
REFERRING = ("contents", "attempts", "receivers", "refusals", "resolutions", "troubles")
"""The tables whose ``delivery_id`` names a delivery."""
_OWN_UNIQUE = {"deliveries": "plan_id, delivery", "attempts": "id"}
"""Keys without the number in them are unique in each part; whole they are by claims, and by the sequence."""


def month_of(instant: datetime) -> int | None:
    """A month as a number that grows by one from month to month; None outside of what can be filed."""
    local = instant.astimezone(OFFICE)
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        return None
    return (local.year - FIRST_YEAR) * 12 + local.month - 1


def begin_of(month: int) -> datetime:
    """The first instant of a month."""
    year, index = divmod(month, 12)
    return datetime(FIRST_YEAR + year, index + 1, 1, tzinfo=OFFICE).astimezone(UTC)


def offset_of(month: int) -> int:
    """What is added to the number of a delivery that is filed in this month."""
    return (month - _MONTHS) * _ROOM


def fits(number: int) -> bool:
    """Whether a live number leaves room for the month."""
    return 0 < number < _ROOM


def among(number: ColumnElement[int], first: datetime, last: datetime) -> ColumnElement[bool]:
    """For PostgreSQL: a delivery's number is live, or of a month in which these instants are, or next to them."""
    months = [month_of(each) for each in (first - MARGIN, last + MARGIN)]
    if None in months:
        return true()
    low, high = (offset_of(month) for month in months if month is not None)
    return or_(number >= literal_column("0", Integer), number.between(low, high + _ROOM - 1))


def part_of(table: str, month: int) -> str:
    """The name of a month's part."""
    year, index = divmod(month, 12)
    return f"{table}_{FIRST_YEAR + year}_{index + 1:02d}"


def is_part(table: str) -> bool:
    """Whether a table is a part of one."""
    base, _, rest = table.partition("_")
    return base in KEYS and (rest == "live" or rest.replace("_", "").isdecimal())


def divide(connection: Connection) -> None:
    """Give the tables their parts: what is there becomes the live part as it is; nothing is copied.

    For the revision that brought it and for a ledger that is made anew; nothing on SQLite.  Every row is
    counted before and after; raises ``ValueError`` if one is missing.
    """
    if connection.dialect.name != "postgresql":
        return
    before = _counted(connection)
    for table in REFERRING:
        _run(connection, f"ALTER TABLE {table} DROP CONSTRAINT fk_{table}_delivery_id_deliveries")
    for table in KEYS:
        _divide(connection, table)
    for table in REFERRING:
        _run(
            connection,
            f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_delivery_id_deliveries "
            "FOREIGN KEY (delivery_id) REFERENCES deliveries (id)",
        )
    if (after := _counted(connection)) != before:
        raise ValueError(f"rows before and after do not agree: {before}, {after}")


def _divide(connection: Connection, table: str) -> None:
    live, key = f"{table}_live", KEYS[table]
    _run(connection, f"ALTER TABLE {table} RENAME TO {live}")
    constraints = connection.execute(
        text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = CAST(:live AS regclass) AND contype IN ('p', 'u') ORDER BY conname"
        ),
        {"live": live},
    ).all()
    indexes = connection.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = :live"
            " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname) ORDER BY indexname"
        ),
        {"live": live},
    ).all()
    for name, _ in constraints:
        _run(connection, f"ALTER TABLE {live} RENAME CONSTRAINT {name} TO {name}_live")
    for name, _ in indexes:
        _run(connection, f"ALTER INDEX {name} RENAME TO {name}_live")
    _run(connection, f"CREATE TABLE {table} (LIKE {live} INCLUDING DEFAULTS) PARTITION BY RANGE ({key})")
    if "id" in _columns(connection, live):
        _run(connection, f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
    _run(connection, f"ALTER TABLE {table} ATTACH PARTITION {live} FOR VALUES FROM (0) TO (MAXVALUE)")
    for name, definition in constraints:
        # One in which the number does not stand cannot hold for all parts: each has its own.
        if key in re.findall(r"\w+", definition):
            _run(connection, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for _, definition in indexes:
        # What the live part has already is taken, and not made once more.
        _run(connection, re.sub(r" ON \S+ USING ", f" ON {table} USING ", definition, count=1))


def is_made(connection: Connection, month: int) -> bool:
    """Whether a month has its parts."""
    asked = {"it": part_of("deliveries", month)}
    return connection.execute(text("SELECT to_regclass(:it)"), asked).scalar() is not None


def make_month(connection: Connection, month: int) -> bool:
    """The parts of a month, in a transaction of their own; False if they are there."""
    if is_made(connection, month):
        return False
    low, high = offset_of(month), offset_of(month + 1)
    for table in KEYS:
        part = part_of(table, month)
        _run(
            connection,
            f"CREATE TABLE {part} PARTITION OF {table} FOR VALUES FROM ({low}) TO ({high})",
        )
        for number, condition in enumerate(_settled(table, month)):
            _run(connection, f"ALTER TABLE {part} ADD CONSTRAINT ck_{part}_{number} CHECK ({condition})")
        if table in _OWN_UNIQUE:
            _run(connection, f"ALTER TABLE {part} ADD CONSTRAINT uq_{part} UNIQUE ({_OWN_UNIQUE[table]})")
    return True


def _settled(table: str, month: int) -> Iterator[str]:
    """What holds for every row of a month's part."""
    first, last = (begin_of(each).isoformat() for each in (month, month + 1))
    if table == "deliveries":
        yield "state IN ('accepted', 'failed', 'expired')"
        yield f"created_at >= TIMESTAMPTZ '{first}' AND created_at < TIMESTAMPTZ '{last}'"
        yield f"updated_at < TIMESTAMPTZ '{begin_of(month + AGE).isoformat()}'"
    if table == "attempts":
        yield "finished_at IS NOT NULL"
        yield f"started_at < TIMESTAMPTZ '{begin_of(month + AGE).isoformat()}'"


def empty_months(connection: Connection) -> list[str]:
    """Months that have parts, with nothing in any of them; as they stand in the parts' names."""
    names = connection.execute(
        text(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = CAST('deliveries' AS regclass) AND relname <> 'deliveries_live' ORDER BY relname"
        )
    ).scalars()
    months = [str(name).removeprefix("deliveries_") for name in names]
    return [
        month
        for month in months
        if not any(
            connection.exec_driver_sql(f"SELECT 1 FROM {table}_{month} LIMIT 1").first()  # noqa: S608
            for table in KEYS
        )
    ]


def drop_empty(connection: Connection) -> list[str]:
    """Take away the parts of months of which nothing is left; which months."""
    gone = empty_months(connection)
    for month in gone:
        # Those that refer first; the deliveries of a month are the last.
        for table in reversed(KEYS):
            _run(connection, f"ALTER TABLE {table} DETACH PARTITION {table}_{month}")
            _run(connection, f"DROP TABLE {table}_{month}")
    return gone


def _counted(connection: Connection) -> dict[str, int]:
    return {
        table: int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608
        for table in KEYS
    }


def _columns(connection: Connection, table: str) -> set[str]:
    found = connection.execute(
        text(
            "SELECT attname FROM pg_attribute"
            " WHERE attrelid = CAST(:it AS regclass) AND attnum > 0 AND NOT attisdropped"
        ),
        {"it": table},
    )
    return set(found.scalars())


def _run(connection: Connection, statement: str) -> None:
    """A statement of names and numbers of our own."""
    connection.exec_driver_sql(statement.replace("%", "%%"))
