"""Which ledger this is, how far it has come, and whether it may be sent from.

A ledger that comes back from a backup does not know what was sent after it was
copied.  Sent from, it would say everything a second time.  So each ledger has
an identity and counts its changes; whoever keeps both outside of it can tell an
older ledger from the newest.  A copy carries its hold in itself, wherever it is
put.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, reduce
from operator import add
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, inspect, select, text, update

from reminder.ledger import recovery, register
from reminder.ledger.errors import LedgerError, explained, not_a_ledger
from reminder.ledger.holds import Hold, HoldReason, Release, Standing
from reminder.ledger.prepared import Prepared
from reminder.ledger.records import DeliveryState, HandDecision, Note, Transport
from reminder.ledger.settling import alarm_row
from reminder.ledger.statements import insert_new
from reminder.ledger.storage import Storage
from reminder.ledger.tables import (
    alarms,
    attempts,
    deliveries,
    ledger_info,
    logins,
    metadata,
    notes,
    plan_versions,
    sessions,
)

IDENTITY, CHANGES, HOLD = "identity", "changes", "hold"
PREVIOUS, ENDED, MARKED = "previous", "released", "marked"
OF_PLAN = "released/"
"""Before a plan's id: the hold that is over for this plan, while others are on it still."""
RELEASED = "hold-released"
"""Kind of the note that a person let a held ledger go on."""

_COUNT = Prepared(
    text("UPDATE ledger_info SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'changes'")
)


def new_identity() -> str:
    """Random, and never given twice."""
    return uuid.uuid4().hex


def birth() -> list[dict[str, str]]:
    """The rows of ``ledger_info`` with which a ledger begins."""
    return [{"key": IDENTITY, "value": new_identity()}, {"key": CHANGES, "value": "0"}]


def complete(storage: Storage) -> None:
    """Give identity and count to a ledger made before there were any."""
    with storage.read() as connection:
        if not _lacking(connection):
            return
    with storage.write() as connection:
        insert_new(connection, ledger_info, ("key",), _lacking(connection), ledger_info.c.key)


def _lacking(connection: Connection) -> list[dict[str, str]]:
    known = set(connection.execute(select(ledger_info.c.key)).scalars())
    return [row for row in birth() if row["key"] not in known]


def count(connection: Connection) -> None:
    """One more transaction that changed something."""
    _COUNT.run(connection, {})


def standing(connection: Connection, plan_id: str = "") -> Standing:
    """As it stands in the snapshot of this connection; for a plan, without a hold that is over for it."""
    info = _info(connection)
    if plan_id and not _held(info, plan_id):
        info.pop(HOLD, None)
    if connection.dialect.name == "postgresql":
        info[CHANGES] = str(rows_ever(connection))
    return _standing(info)


def _info(connection: Connection) -> dict[str, str]:
    return {row.key: row.value for row in connection.execute(select(ledger_info))}


def _held(info: Mapping[str, str], plan_id: str) -> bool:
    """Whether there is a hold that is not over for this plan."""
    return HOLD in info and info.get(OF_PLAN + plan_id) != info[HOLD]


def rows_ever(connection: Connection) -> int:
    """How far a ledger has come by the numbers of its rows: never less than before, whoever commits first.

    For several nodes: a count that all of them moved along would have each wait
    for the other.  The login log is left out, which is shortened.
    """
    return int(connection.execute(_rows_ever()).scalar_one())


@cache
def _rows_ever() -> Select[Any]:
    numbers = [
        func.coalesce(select(func.max(table.c.id)).scalar_subquery(), 0)
        for table in metadata.sorted_tables
        if "id" in table.c and table is not logins
    ]
    return select(reduce(add, numbers))


def standing_in_file(path: Path) -> Standing:
    """As it stands in the file alone, without the log beside it; touches neither.

    Behind the truth by what has not been folded into the file yet, never ahead
    of it; of a new ledger all is in the log, and the file has no identity and no
    changes.  Raises ``LedgerCorrupt`` if the file is no ledger, or is just being
    written; ``LedgerError`` if it cannot be read.
    """
    try:
        connection = sqlite3.connect(path.absolute().as_uri() + "?mode=ro&immutable=1", uri=True)
        try:
            known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_info'").fetchone()
            rows = connection.execute("SELECT key, value FROM ledger_info").fetchall() if known else []
        finally:
            connection.close()
        return _standing(dict(rows))
    except sqlite3.Error as error:
        raise explained(error, path) from error
    except (ValueError, KeyError) as error:
        raise not_a_ledger(path) from error


def _standing(info: dict[str, str]) -> Standing:
    return Standing(
        info.get(IDENTITY, ""),
        int(info.get(CHANGES, "0")),
        hold_from_text(info.get(HOLD)),
        hold_from_text(info.get(ENDED)),
        info.get(PREVIOUS, ""),
        MARKED in info,
    )


def hold_from_text(text: str | None) -> Hold | None:
    """What :func:`hold_to_text` wrote; None for nothing."""
    if text is None:
        return None
    value = json.loads(text)
    return Hold(
        HoldReason(value["reason"]),
        datetime.fromisoformat(value["at"]).astimezone(UTC),
        datetime.fromisoformat(value["since"]).astimezone(UTC),
    )


def mark(connection: Connection) -> None:
    """From now on a mark is kept beside it, without which it is not to be gone on with."""
    insert_new(connection, ledger_info, ("key",), [{"key": MARKED, "value": "1"}], ledger_info.c.key)


def last_record(connection: Connection) -> datetime | None:
    """When anything was last recorded; None if nothing was."""
    found = [
        connection.execute(select(column).order_by(column.table.c.id.desc()).limit(1)).scalar()
        for column in (
            alarms.c.recorded_at,
            attempts.c.started_at,
            notes.c.at,
            plan_versions.c.accepted_at,
        )
    ]
    return max((instant for instant in found if instant is not None), default=None)


def put_on_hold(connection: Connection, hold: Hold) -> None:
    """Unless it is on hold already."""
    row = {"key": HOLD, "value": hold_to_text(hold)}
    if insert_new(connection, ledger_info, ("key",), [row], ledger_info.c.key):
        _end_sessions(connection)


def put_on_hold_anew(connection: Connection, hold: Hold) -> None:
    """In place of any hold there is."""
    _set(connection, HOLD, hold_to_text(hold))
    _end_sessions(connection)


def _end_sessions(connection: Connection) -> None:
    """Nobody is in: an old ledger does not know who has left, or was shut out, since."""
    if inspect(connection).has_table(sessions.name):  # a copy may be older than the table
        connection.execute(delete(sessions))


def _set(connection: Connection, key: str, value: str) -> None:
    connection.execute(delete(ledger_info).where(ledger_info.c.key == key))
    connection.execute(insert(ledger_info), {"key": key, "value": value})


def hold_to_text(hold: Hold) -> str:
    """As it stands in the ledger."""
    value = {
        "reason": hold.reason.value,
        "at": hold.at.astimezone(UTC).isoformat(),
        "since": hold.since.astimezone(UTC).isoformat(),
    }
    return json.dumps(value)


def succeed(connection: Connection, before: str) -> None:
    """This ledger goes on in place of the one called ``before``, under a name of its own."""
    _rename(connection, before, new_identity())


def _rename(connection: Connection, before: str, identity: str) -> None:
    _set(connection, PREVIOUS, before)
    _set(connection, IDENTITY, identity)


def release(
    connection: Connection, plan_id: str, transport: Transport, release: Release, now: datetime
) -> int:
    """Record what was confirmed and end the plan's hold; how many deliveries will not be sent."""
    found = standing(connection, plan_id)
    hold = found.hold
    if hold is None:
        raise LedgerError("台账没有暂停，不需要确认；可能刚由别人确认过")
    new = insert_new(
        connection,
        alarms,
        ("plan_id", "transport", "alarm"),
        [alarm_row(plan_id, transport, alarm, now) for alarm in release.alarms],
        alarms.c.id,
    )
    closed = 0
    if release.sent_until is not None:
        closed = _arrived(connection, plan_id, transport, release.sent_until, release.by, now)
    register.adopt(connection, plan_id, transport, release.rungs, hold.since)
    detail: dict[str, Any] = {
        "reason": hold.reason.value,
        "since": hold.since.isoformat(),
        "held_at": hold.at.isoformat(),
        "sent_until": release.sent_until.astimezone(UTC).isoformat() if release.sent_until else None,
        "alarms": len(new),
        "deliveries": closed,
    }
    register.note(connection, plan_id, Note(RELEASED, now, release.by, detail), transport)
    if others_held(connection, plan_id):
        _set(connection, OF_PLAN + plan_id, hold_to_text(hold))
        return closed
    connection.execute(
        delete(ledger_info).where((ledger_info.c.key == HOLD) | ledger_info.c.key.startswith(OF_PLAN))
    )
    _set(connection, ENDED, hold_to_text(hold))
    _rename(connection, found.identity, release.identity)
    mark(connection)
    return closed


def others_held(connection: Connection, plan_id: str) -> set[str]:
    """The other plans that a hold holds still: one ledger on PostgreSQL may hold many offices.

    A plan that was never in force has nothing to be asked about.
    """
    if connection.dialect.name != "postgresql":
        return set()
    info = _info(connection)
    return {each for each in register.plan_ids(connection) if each != plan_id and _held(info, each)}


def _arrived(
    connection: Connection, plan_id: str, transport: Transport, until: datetime, by: str, now: datetime
) -> int:
    """What was to go out at or before ``until``, and waits or was left in flight, counts as arrived.

    What was put off until later (a limit, quiet hours, a retry) was not sent by then.
    """
    rows = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.transport == transport.value,
            deliveries.c.state.in_([DeliveryState.PENDING.value, DeliveryState.SENDING.value]),
            deliveries.c.planned_at <= until,
            deliveries.c.not_before <= until,
        )
        .values(state=DeliveryState.ACCEPTED.value, updated_at=now)
        .returning(deliveries.c.id)
    ).all()
    ids = [row.id for row in rows]
    recovery.close_attempts(connection, ids, now)
    recovery.record_decisions(connection, plan_id, ids, HandDecision.ARRIVED.value, by, now)
    return len(ids)
