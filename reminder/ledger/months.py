"""Months that are over: what of the ledger belongs to them, and how it leaves the ledger for an archive.

Nothing ever leaves by itself.  What is retired are the messages of one plan
that were made before an instant, with all that befell them: the tables that
grow without end.  What they were decided by stays: an alarm and its claims are
the identity by which nothing is said twice, and are only copied.

The rows of an archive are written down as :mod:`~reminder.ledger.proving` does,
so that the sum of a member is the sum of the rows in the ledger.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, not_, or_, select

from reminder.ledger import filing, register
from reminder.ledger.errors import LedgerError
from reminder.ledger.postponing import POSTPONE
from reminder.ledger.proving import Content, content_of, lines_of
from reminder.ledger.records import RETIRED as GONE
from reminder.ledger.records import SETTLED, DeliveryState, HandDecision, Note
from reminder.ledger.recovery import REPLACED
from reminder.ledger.shown import Entry, EntryFilter
from reminder.ledger.storage import Storage
from reminder.ledger.tables import (
    alarms,
    attempts,
    claims,
    contents,
    deliveries,
    notes,
    receivers,
    refusals,
    resolutions,
    troubles,
)

RETIRED = "months-retired"
"""Kind of the note that says what was retired, by whom, why, and into which archive."""
LEAVE = (troubles, resolutions, refusals, receivers, attempts, contents, deliveries)
"""The tables whose rows leave, children first."""
STAY = (alarms, claims)
"""The tables of which the archive has a copy, and the ledger keeps the rows."""
PARTS = (*STAY, *reversed(LEAVE))
"""The tables of an archive, each after those it refers to."""


class Open(enum.StrEnum):
    """Why months cannot be retired yet."""

    PENDING = "pending"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    """Failed, of use still, and nobody has decided to let it rest."""
    POSTPONED = "postponed"
    """A claim that waits for its time."""
    UNTOLD = "untold"
    """Something went wrong of which the admins have not been told."""


@dataclass(frozen=True, slots=True)
class Months:
    """Which rows: of this plan, made before ``until``.

    ``since`` is where the retirement before this one ended; None for the first.
    """

    plan_id: str
    since: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Retirement:
    """What was retired, as the ledger has it.

    ``before`` is the first month that was kept (``2024-01``), ``until`` the
    instant at which it begins.  ``archive`` is the file's name without its
    folder, ``sha256`` the sum that the file shows.
    """

    before: str
    since: datetime | None
    until: datetime
    archive: str
    sha256: str
    reason: str
    by: str
    at: datetime
    tables: Mapping[str, Content]

    @property
    def messages(self) -> int:
        """How many messages, or parts of them, were retired."""
        return self.tables[deliveries.name].rows

    def concerns(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether anything of [since, until) was retired; None: without end."""
        return (since is None or since < self.until) and (
            until is None or self.since is None or self.since < until
        )

    def told(self, name: str, zone: tzinfo) -> str:
        """What people read in place of what is there no more; ``name``: how whoever did it is called."""
        first = f"{self.since.astimezone(zone):%Y-%m} 至 " if self.since is not None else ""
        last = f"{self.until.astimezone(zone) - timedelta(days=1):%Y-%m}"
        months = f"{first}{last}" if first != f"{last} 至 " else last
        return (
            f"{months}{'' if first else ' 及以前'}的消息（{self.messages} 条）已归档并移出台账："
            f"{self.at.astimezone(zone):%Y-%m-%d %H:%M} 由{name}办理，理由：{self.reason}；"
            f"档案 {self.archive}（SHA-256 {self.sha256}）。提醒和决定仍在台账，消息全文和发送结果见档案"
        )


class MonthsChanged(LedgerError):
    """What is in the ledger is not what was put into the archive; nothing was removed."""


class Held:
    """One snapshot of the rows of some months, as bytes: may be read as often as needed."""

    def __init__(self, connection: Connection, months: Months) -> None:
        self._connection, self._months = connection, months

    def lines(self, name: str) -> Iterator[bytes]:
        """A table as it stands in an archive: its columns, then a line for each row."""
        table = _BY_NAME[name]
        return lines_of(self._connection, table, _belongs(table, self._months))


class MonthsOver:
    """The months of a ledger that are over; ``ledger.months`` makes it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def retirements(self, plan_id: str) -> tuple[Retirement, ...]:
        """What was retired so far, the oldest first."""
        with self._storage.read() as connection:
            return _retirements(connection, plan_id)

    def concerning(
        self, plan_id: str, lines: Sequence[Entry], asked: EntryFilter, *, whole: bool
    ) -> list[Retirement]:
        """The retirements that concern these lines, or what was asked for and is here no more.

        ``whole``: the lines go on to the end of what was asked for.
        """
        if not whole and all(each.state != GONE for each in lines):
            return []
        first = asked.since if whole else min(each.recorded_at for each in lines)
        return [each for each in self.retirements(plan_id) if each.concerns(first, asked.until)]

    def open_matters(self, months: Months, now: datetime) -> Mapping[Open, int]:
        """What stands in the way of retiring them, and how often."""
        with self._storage.read() as connection:
            return _open_matters(connection, months, now)

    def first(self, plan_id: str) -> datetime | None:
        """When the oldest message that is still here was made."""
        query = select(func.min(deliveries.c.created_at)).where(deliveries.c.plan_id == plan_id)
        with self._storage.read() as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def file_away(self, plan_id: str, now: datetime, limit: int = filing.BATCH) -> int:
        """On PostgreSQL, put some old settled messages into the part of their month; how many, 0: there are none."""
        return filing.file_away(self._storage, plan_id, now, limit)

    def drop_empty(self) -> list[str]:
        """On PostgreSQL, take away the parts of months that are empty; which months."""
        return filing.drop_empty(self._storage)

    @contextmanager
    def held(self, months: Months) -> Iterator[Held]:
        """The rows of these months in one snapshot, whoever writes meanwhile."""
        with self._storage.read() as connection:
            _take_your_time(connection)
            yield Held(connection, months)

    @contextmanager
    def retire(self, months: Months, made: Retirement) -> Iterator[None]:
        """Remove the rows and record it, in one transaction, which commits when the block has ended.

        In the block the archive gets its name.  First it is looked once more
        whether nothing stands in the way and whether these are the rows that
        ``made`` tells of; if not, :class:`MonthsChanged`.
        """
        with self._storage.write(months.plan_id) as connection:
            _take_your_time(connection)
            waits = _open_matters(connection, months, made.at)
            found = {table.name: content_of(connection, table, _belongs(table, months)) for table in PARTS}
            if waits or found != made.tables or last_end(connection, months.plan_id) != months.since:
                raise MonthsChanged(
                    "归档期间台账中这几个月的记录有变动，没有移除任何记录，档案也没有留下：请重新执行"
                )
            _go_on_counting(connection, months)
            for table in LEAVE:
                connection.execute(delete(table).where(*_belongs(table, months)))
            _record(connection, months.plan_id, made)
            yield


def _take_your_time(connection: Connection) -> None:
    """A whole table takes longer than any question of the daemon does."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _belongs(table: Table, months: Months) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the rows of these months."""
    if table is claims:
        return (claims.c.plan_id == months.plan_id, _recorded(claims, months))
    if table is alarms:
        # With those that were recorded before, and of which something was decided only now.
        claimed = exists().where(claims.c.alarm_id == alarms.c.id, _recorded(claims, months))
        return (
            alarms.c.plan_id == months.plan_id,
            alarms.c.recorded_at < months.until,
            or_(_recorded(alarms, months), claimed.correlate(alarms)),
        )
    made = (deliveries.c.plan_id == months.plan_id, deliveries.c.created_at < months.until)
    if table is deliveries:
        return made
    # Asked row by row: a list of all those deliveries would be made anew for each batch of rows.
    return (exists().where(deliveries.c.id == table.c.delivery_id, *made).correlate(table),)


def _recorded(table: Table, months: Months) -> ColumnElement[bool]:
    ended = table.c.recorded_at < months.until
    return ended if months.since is None else and_(table.c.recorded_at >= months.since, ended)


def _open_matters(connection: Connection, months: Months, now: datetime) -> Counter[Open]:
    mine = _belongs(deliveries, months)
    found: Counter[Open] = Counter()
    unsettled = (
        select(deliveries.c.state, func.count())
        .where(*mine, deliveries.c.state.not_in([each.value for each in SETTLED]))
        .group_by(deliveries.c.state)
    )
    for state, number in connection.execute(unsettled):
        found[Open(state)] += number
    at_rest = exists().where(
        resolutions.c.delivery_id == deliveries.c.id,
        resolutions.c.decision.in_([HandDecision.DROP.value, REPLACED]),
    )
    questions = (
        (
            Open.FAILED,
            select(func.count())
            .select_from(deliveries)
            .where(
                *mine,
                deliveries.c.state == DeliveryState.FAILED.value,
                deliveries.c.expires_at > now,
                ~at_rest,
            ),
        ),
        (
            Open.POSTPONED,
            select(func.count())
            .select_from(claims.join(alarms, alarms.c.id == claims.c.alarm_id))
            .where(
                claims.c.plan_id == months.plan_id,
                claims.c.decision == POSTPONE,
                or_(claims.c.recorded_at < months.until, alarms.c.recorded_at < months.until),
            ),
        ),
        (
            Open.UNTOLD,
            select(func.count())
            .select_from(troubles.join(deliveries, deliveries.c.id == troubles.c.delivery_id))
            .where(*mine, troubles.c.told_at.is_(None)),
        ),
    )
    for what, query in questions:
        if number := connection.execute(query).scalar_one():
            found[what] += number
    return found


def _go_on_counting(connection: Connection, months: Months) -> None:
    """A ledger on PostgreSQL is known by the numbers of its rows: what is removed must not make it look older.

    So many numbers of notes are passed over, one by one: other offices write
    meanwhile, and the sequence may never be set behind what it has given them.
    Before anything is removed, and in one statement, which sees one moment.
    """
    if connection.dialect.name != "postgresql":
        return
    numbered = [table for table in LEAVE if "id" in table.c]
    highest = [select(func.coalesce(func.max(table.c.id), 0)).scalar_subquery() for table in numbered]
    staying = [
        select(func.coalesce(func.max(table.c.id), 0))
        .where(not_(and_(*_belongs(table, months))))
        .scalar_subquery()
        for table in numbered
    ]
    lost = connection.execute(select(reduce(add, highest) - reduce(add, staying))).scalar_one()
    if lost > 0:
        sequence = func.pg_get_serial_sequence(notes.name, "id")
        numbers = func.generate_series(1, lost).alias()
        connection.execute(select(func.max(func.nextval(sequence))).select_from(numbers))


def _record(connection: Connection, plan_id: str, made: Retirement) -> None:
    detail: dict[str, Any] = {
        "before": made.before,
        "since": made.since.isoformat() if made.since is not None else None,
        "until": made.until.isoformat(),
        "archive": made.archive,
        "sha256": made.sha256,
        "reason": made.reason,
        "tables": {
            name: {"rows": each.rows, "sha256": each.sha256, "removed": _BY_NAME[name] in LEAVE}
            for name, each in made.tables.items()
        },
    }
    register.note(connection, plan_id, Note(RETIRED, made.at, made.by, detail))


def _retirements(connection: Connection, plan_id: str) -> tuple[Retirement, ...]:
    query = (
        select(notes.c.at, notes.c.author, notes.c.detail)
        .where(notes.c.plan_id == plan_id, notes.c.kind == RETIRED)
        .order_by(notes.c.id)
    )
    return tuple(_retirement(*row) for row in connection.execute(query))


def _retirement(at: datetime, author: str, detail: Mapping[str, Any]) -> Retirement:
    since = detail["since"]
    return Retirement(
        detail["before"],
        datetime.fromisoformat(since) if since is not None else None,
        datetime.fromisoformat(detail["until"]),
        detail["archive"],
        detail["sha256"],
        detail["reason"],
        author,
        at,
        {name: Content(each["rows"], each["sha256"]) for name, each in detail["tables"].items()},
    )


def last_end(connection: Connection, plan_id: str) -> datetime | None:
    """Before which messages were retired; None if none ever were."""
    found = _retirements(connection, plan_id)
    return found[-1].until if found else None


_BY_NAME = {table.name: table for table in PARTS}
