"""Rate limits, counted from the attempts in the ledger and from nothing else.

A limit is a sliding window: at most ``limit`` tries in any span of ``window``.
It is therefore exact over restarts and on a clock that a simulation moves, and
a try that nobody recorded cannot exist.

A try reaches the server somewhere between its beginning and its end.  The one
that has to leave the window counts from its end, when that is known: else a
request that was slow on its way would still count on the server's side.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from reminder.ledger.records import DeliveryState, Quota, Transport, Wait
from reminder.ledger.statements import in_state
from reminder.ledger.tables import AnyRow, attempts, deliveries, receivers

LONGEST_TRY = timedelta(minutes=10)
"""A try is taken to last no longer: mail's longest deadline (``timeout_seconds``)."""
ABREAST = 3
"""So many tries more are looked at, since those on their way together may end in another order."""


def free_at(tries: Iterable[datetime], quota: Quota) -> datetime | None:
    """From which instant on one more try keeps within the quota; None if it does at any time."""
    latest = heapq.nlargest(quota.limit, tries)
    return latest[-1] + quota.window if len(latest) == quota.limit else None


def wait_for(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    channel: str,
    delivery_row: int,
    quotas: Sequence[Quota],
    now: datetime,
) -> Wait | None:
    """How long a delivery has to wait for its slot; None if it has one now."""
    wait: Wait | None = None
    for quota in quotas:
        if quota.each_receiver:
            until = _free_for_receivers(connection, plan_id, transport, channel, delivery_row, quota, now)
        else:
            until = _free_for_channel(connection, plan_id, transport, channel, quota, now)
        if until is not None and until > now and (wait is None or wait.until is None or until > wait.until):
            wait = Wait(until, not quota.each_receiver)
    return wait


def postpone_channel(
    connection: Connection, plan_id: str, transport: Transport, channel: str, until: datetime, now: datetime
) -> None:
    """All that waits on a channel without a slot waits until there is one; no try is counted."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.transport == transport.value,
            in_state(DeliveryState.PENDING),
            deliveries.c.channel == channel,
            deliveries.c.not_before < until,
        )
        .values(not_before=until, updated_at=now)
    )


def postpone(connection: Connection, plan_id: str, delivery_id: str, until: datetime, now: datetime) -> bool:
    """One delivery waits until an instant; False if it was not waiting, or no earlier."""
    changed = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.delivery == delivery_id,
            in_state(DeliveryState.PENDING),
            deliveries.c.not_before < until,
        )
        .values(not_before=until, updated_at=now)
        .returning(deliveries.c.id)
    )
    return changed.first() is not None


def _between(
    plan_id: str, transport: Transport, channel: str, quota: Quota, now: datetime
) -> tuple[Any, ...]:
    return (
        attempts.c.plan_id == plan_id,
        attempts.c.transport == transport.value,
        attempts.c.channel == channel,
        attempts.c.started_at > now - quota.window - max(quota.window, LONGEST_TRY),
        # Tries far in the future were begun before the clock was set back; waiting for
        # the clock to get there again would hold the channel up for hours.
        attempts.c.started_at <= now + quota.window,
    )


def _free_for_channel(
    connection: Connection, plan_id: str, transport: Transport, channel: str, quota: Quota, now: datetime
) -> datetime | None:
    query = (
        select(attempts.c.started_at, attempts.c.finished_at)
        .where(*_between(plan_id, transport, channel, quota, now))
        .order_by(attempts.c.started_at.desc())
        .offset(quota.limit - 1)
        .limit(1 + ABREAST)
    )
    rows = connection.execute(query).all()
    return max(map(_counted, rows)) + quota.window if rows else None


def _free_for_receivers(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    channel: str,
    delivery_row: int,
    quota: Quota,
    now: datetime,
) -> datetime | None:
    meant = _receivers_of(connection, [delivery_row])[delivery_row]
    rows = connection.execute(
        select(attempts.c.started_at, attempts.c.finished_at, attempts.c.delivery_id).where(
            *_between(plan_id, transport, channel, quota, now)
        )
    ).all()
    of = _receivers_of(connection, {row.delivery_id for row in rows})
    tries: dict[str, list[datetime]] = {receiver: [] for receiver in meant}
    for row in rows:
        for receiver in of[row.delivery_id] & meant:
            tries[receiver].append(_counted(row))
    return max((at for each in tries.values() if (at := free_at(each, quota)) is not None), default=None)


def _receivers_of(connection: Connection, rows: Iterable[int]) -> Mapping[int, set[str]]:
    """Whom each delivery goes to, by the number of its row."""
    wanted = list(rows)
    found: dict[int, set[str]] = {}
    for start in range(0, len(wanted), 500):
        query = (
            select(deliveries.c.id, func.coalesce(receivers.c.receiver, deliveries.c.receiver))
            .select_from(deliveries.outerjoin(receivers, receivers.c.delivery_id == deliveries.c.id))
            .where(deliveries.c.id.in_(wanted[start : start + 500]))
        )
        for number, receiver in connection.execute(query):
            found.setdefault(number, set()).add(receiver)
    return found


def _counted(row: AnyRow) -> datetime:
    started: datetime = row.started_at
    return max(started, row.finished_at or started)
