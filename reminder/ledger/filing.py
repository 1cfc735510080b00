"""Filing: settled old messages go from the live part of their tables into the parts of their months.

By ``reminder migrate`` all there are, by the daemons a few at a time; any node
may, as often as it likes.  A batch is one transaction under the lock of its
plan, as everything that is written: whoever is killed has filed it or not.

Parts are made and taken away under the lock of all plans, with hardly any
patience: who asks something meanwhile comes first, and it is tried again later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Select, delete, exists, func, insert, literal, or_, select, update

from reminder.ledger import parts
from reminder.ledger.errors import LedgerCorrupt
from reminder.ledger.records import SETTLED
from reminder.ledger.storage import Storage
from reminder.ledger.tables import (
    attempts,
    contents,
    deliveries,
    receivers,
    refusals,
    resolutions,
    troubles,
)

BATCH = 200
"""Deliveries in a transaction: few enough that others hardly wait."""
_PATIENCE = "SET LOCAL lock_timeout = '500ms'"
"""Less than PostgreSQL waits before it looks for a deadlock and ends somebody's transaction."""
_CHILDREN = (contents, attempts, receivers, refusals, resolutions, troubles)


def file_away(storage: Storage, plan_id: str, now: datetime, limit: int = BATCH) -> int:
    """File some messages of a plan, all of one month; how many, 0 if there are none to be filed.

    Nothing on SQLite.  Raises ``LedgerError``; nothing of the batch was filed then.
    """
    if storage.upgrades_itself:
        return 0
    with storage.read() as connection:
        month = _next_month(connection, plan_id, now)
        if month is None:
            return 0
        known = parts.is_made(connection, month)
    if not known:
        with storage.write() as connection:
            connection.exec_driver_sql(_PATIENCE)
            parts.make_month(connection, month)
    with storage.write(plan_id) as connection:
        return _file(connection, plan_id, month, now, limit)


def drop_empty(storage: Storage) -> list[str]:
    """Take away the parts of months of which nothing is left; nothing on SQLite.  Raises ``LedgerError``."""
    if storage.upgrades_itself:
        return []
    with storage.read() as connection:
        if not parts.empty_months(connection):
            return []
    with storage.write() as connection:
        connection.exec_driver_sql(_PATIENCE)
        return parts.drop_empty(connection)


def _next_month(connection: Connection, plan_id: str, now: datetime) -> int | None:
    """The first month of which a message can be filed."""
    today = parts.month_of(now)
    oldest = select(deliveries.c.created_at).where(deliveries.c.plan_id == plan_id, deliveries.c.id > 0)
    first = connection.execute(oldest.order_by(deliveries.c.id).limit(1)).scalar()
    begun = parts.month_of(first) if first is not None else None
    if today is None or begun is None:
        return None
    for month in range(begun, today - parts.AGE + 1):
        if connection.execute(_fileable(connection, plan_id, month, now).limit(1)).first() is not None:
            return month
    return None


def _last_before(connection: Connection, before: datetime) -> int:
    """A live number up to which all that was made before an instant is found; by halves, by the key alone."""
    low, high = 0, connection.execute(select(func.coalesce(func.max(deliveries.c.id), 0))).scalar_one()
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(
            select(deliveries.c.id, deliveries.c.created_at)
            .where(deliveries.c.id > middle)
            .order_by(deliveries.c.id)
            .limit(1)
        ).first()
        if row is None or row.created_at >= before:
            high = middle
        else:
            low = row.id
    return int(low)


def _fileable(connection: Connection, plan_id: str, month: int, now: datetime) -> Select[tuple[int]]:
    """Made in a month, settled before it counts as old, of no more use, its troubles told.

    Never the newest of all, by whose number a ledger is known.
    """
    first, end, late = (parts.begin_of(each) for each in (month, month + 1, month + parts.AGE))
    every = deliveries.alias()
    newest = select(func.max(every.c.id)).scalar_subquery()
    tried = exists().where(
        attempts.c.delivery_id == deliveries.c.id,
        or_(attempts.c.finished_at.is_(None), attempts.c.started_at >= late),
    )
    untold = exists().where(troubles.c.delivery_id == deliveries.c.id, troubles.c.told_at.is_(None))
    return (
        select(deliveries.c.id)
        .where(
            deliveries.c.plan_id == plan_id,
            # Numbers grow with time: only those up to the last one made by then are looked at.
            deliveries.c.id.between(1, _last_before(connection, end)),
            deliveries.c.id < newest,
            deliveries.c.created_at >= first,
            deliveries.c.created_at < end,
            deliveries.c.updated_at < late,
            deliveries.c.state.in_([each.value for each in SETTLED]),
            deliveries.c.expires_at <= now,
            ~tried.correlate(deliveries),
            ~untold.correlate(deliveries),
        )
        .order_by(deliveries.c.id)
    )


def _file(connection: Connection, plan_id: str, month: int, now: datetime, limit: int) -> int:
    query = _fileable(connection, plan_id, month, now).limit(limit).with_for_update(of=deliveries)
    ids = [row.id for row in connection.execute(query) if parts.fits(row.id)]
    if ids:
        _move(connection, ids, parts.offset_of(month))
    return len(ids)


def _move(connection: Connection, ids: Sequence[int], offset: int) -> None:
    """Give deliveries, and whatever refers to them, the numbers that say their month; raises if a row is missing."""
    others = [column for column in deliveries.c if column is not deliveries.c.id]
    copied = connection.execute(
        insert(deliveries)
        .from_select(
            ["id", *(column.name for column in others)],
            select(deliveries.c.id + literal(offset), *others).where(deliveries.c.id.in_(ids)),
        )
        .execution_options(preserve_rowcount=True)
    )
    for table in _CHILDREN:
        connection.execute(
            update(table)
            .where(table.c.delivery_id.in_(ids))
            .values(delivery_id=table.c.delivery_id + literal(offset))
        )
    removed = connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
    if not copied.rowcount == removed.rowcount == len(ids):
        raise LedgerCorrupt(
            f"按月归置 {len(ids)} 条消息时只移动了 {copied.rowcount} 条，已全部撤回，台账未变："
            "请检查数据库中有无触发器或规则"
        )
