"""Work for several nodes: jobs of Procrastinate that say which deliveries are to be tried.

A job is a batch of at most :data:`BATCH` deliveries of one channel of one plan.
It holds nothing: ``deliveries.job`` says what is in it, so a batch that is run
twice, or half, or by two nodes finds in the ledger what is still to be done.
Jobs are written in the transaction that writes their deliveries.  What becomes
due later (a retry, quiet hours, a limit) has no job until then; what is due and
has none, for whatever reason, is given one by :func:`put_up_due`, which every
node asks for again and again, and whenever it has finished a batch.

Who carries a try is a *node*: a row in Procrastinate's table of workers, with
its last heartbeat by the clock of the database.  What a node without a fresh
heartbeat has in hand is nobody's.

On SQLite there is one machine, and nothing of this is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    Text,
    column,
    exists,
    func,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from reminder.ledger import pausing
from reminder.ledger.errors import LedgerAddressError
from reminder.ledger.queue import made_of, of_plan, whole
from reminder.ledger.records import Delivery, DeliveryState, Transport
from reminder.ledger.statements import chunks, in_state
from reminder.ledger.tables import attempts, deliveries
from reminder.ledger.work_schema import MISSING

if TYPE_CHECKING:
    from procrastinate import App

TASK = "reminder.deliver"
BATCH = 20
"""Deliveries in a job: few enough that others' turn comes soon, enough that a job's own cost is small."""
OPEN = 8
"""Jobs of one channel of one plan that may wait at once: a long list holds up nobody else's one message."""
HEARTBEAT_SECONDS = 2.0
STALLED_SECONDS = 8.0
"""A node that was not heard for so long is dead, or as good as dead."""
BEAT = "UPDATE procrastinate_workers SET last_heartbeat = clock_timestamp() WHERE id = %(node)s RETURNING id"
"""Says that a node is alive; no row if the others have given it up."""

_jobs = table(
    "procrastinate_jobs",
    column("id", BigInteger),
    column("queue_name", Text),
)
_workers = table("procrastinate_workers", column("id", BigInteger), column("last_heartbeat"))
# As literals: partial indexes serve only what the planner can see.
_WAITS = text("procrastinate_jobs.status = 'todo'")
_LIVE = text("procrastinate_jobs.status IN ('todo', 'doing')")
_ON = "postgresql"


def queue_of(plan_id: str, transport: Transport, channel: str) -> str:
    """The queue of one channel of one plan; short, since PostgreSQL bounds what it notifies of."""
    key = f"{plan_id}\0{transport.value}\0{channel}"
    return f"send-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def put_up(connection: Connection, plan_id: str, transport: Transport, new: Iterable[tuple[int, str]]) -> int:
    """Jobs for these deliveries (number of the row, channel), in the caller's transaction; how many got one.

    A queue holds at most :data:`OPEN` jobs that wait: what finds no room is
    given one by :func:`put_up_due`, when there is.  The later a batch stands in
    its queue, the lower its priority: a worker that serves several plans takes
    the first of each before the second of any.
    """
    if connection.dialect.name != _ON:
        return 0
    by_channel: dict[str, list[int]] = {}
    for row, channel in new:
        by_channel.setdefault(channel, []).append(row)
    made = 0
    for channel, rows in sorted(by_channel.items()):
        queue = queue_of(plan_id, transport, channel)
        waiting = _waiting(connection, queue)
        batches = list(chunks(rows, BATCH))[: max(0, OPEN - waiting)]
        arguments = {"plan": plan_id, "transport": transport.value, "channel": channel}
        for job, batch in zip(
            _defer(connection, queue, waiting, len(batches), arguments), batches, strict=True
        ):
            connection.execute(update(deliveries).where(deliveries.c.id.in_(batch)).values(job=job))
            made += len(batch)
    return made


def _waiting(connection: Connection, queue: str) -> int:
    """Jobs of a queue that nobody has fetched; never counted further than matters."""
    some = select(_jobs.c.id).where(_jobs.c.queue_name == queue, _WAITS).limit(OPEN).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _defer(
    connection: Connection, queue: str, waiting: int, count: int, arguments: dict[str, Any]
) -> Iterable[int]:
    """Defer jobs over the transaction's own connection; their numbers."""
    import procrastinate

    app = _app()
    driver = connection.connection.driver_connection
    try:
        for number in range(count):
            yield app.configure_task(
                TASK, queue=queue, priority=-(waiting + number), connection=driver
            ).defer(**arguments)
    except procrastinate.exceptions.ConnectorException as error:
        cause = error.__cause__
        assert isinstance(cause, Exception)
        raise DBAPIError("defer", None, cause) from error


_APP: list[App] = []


def _app() -> App:
    """For deferring only: it has no connection of its own, and is never opened."""
    if not _APP:
        try:
            from procrastinate import App, SyncPsycopgConnector
        except ImportError as error:
            raise LedgerAddressError(MISSING) from error
        _APP.append(App(connector=SyncPsycopgConnector()))
    return _APP[0]


def put_up_due(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> int:
    """Jobs for what is due, on no paused channel, and in no job that waits or runs; how many deliveries."""
    made = 0
    for channel, room in _wanting(connection, plan_id, transport, now):
        query = _without_job(plan_id, transport, channel, now, room * BATCH)
        rows = connection.execute(query.with_for_update(skip_locked=True, of=deliveries)).scalars()
        made += put_up(connection, plan_id, transport, [(row, channel) for row in rows])
    return made


def any_without_job(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> bool:
    """Whether :func:`put_up_due` has anything to do."""
    return any(
        connection.execute(_without_job(plan_id, transport, channel, now, 1)).first() is not None
        for channel, _ in _wanting(connection, plan_id, transport, now)
    )


def _wanting(
    connection: Connection, plan_id: str, transport: Transport, now: datetime
) -> list[tuple[str, int]]:
    """Channels with something due that are not paused, and how many jobs more each may have.

    One that has half of them still is left alone: it is filled up at once.
    """
    held = pausing.holding(connection, plan_id, transport, now)
    found = []
    for channel in waiting_channels(connection, plan_id, transport, now):
        waiting = OPEN if channel in held else _waiting(connection, queue_of(plan_id, transport, channel))
        if waiting <= OPEN // 2:
            found.append((channel, OPEN - waiting))
    return found


def _without_job(plan_id: str, transport: Transport, channel: str, now: datetime, limit: int) -> Select[Any]:
    live = exists().where(_jobs.c.id == deliveries.c.job, _LIVE)
    return (
        select(deliveries.c.id)
        .where(
            *of_plan(plan_id, transport),
            deliveries.c.channel == channel,
            in_state(DeliveryState.PENDING),
            deliveries.c.not_before <= now,
            deliveries.c.expires_at > now,
            ~live,
        )
        .order_by(deliveries.c.not_before, deliveries.c.id)
        .limit(limit)
    )


def batch(
    connection: Connection, plan_id: str, transport: Transport, job: int, now: datetime
) -> list[Delivery]:
    """What is still to be tried of a job, longest due first."""
    query = (
        whole()
        .where(
            *of_plan(plan_id, transport),
            in_state(DeliveryState.PENDING),
            deliveries.c.job == job,
            deliveries.c.not_before <= now,
            deliveries.c.expires_at > now,
        )
        .order_by(deliveries.c.not_before, deliveries.c.id)
    )
    return made_of(connection, connection.execute(query).all())


def waiting_channels(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> list[str]:
    """Channels with something due."""
    query = (
        select(deliveries.c.channel)
        .where(*of_plan(plan_id, transport), in_state(DeliveryState.PENDING), deliveries.c.not_before <= now)
        .distinct()
    )
    return list(connection.execute(query).scalars())


def is_heard(connection: Connection, node: int) -> bool:
    """Whether the others know a node; they go on to, until this transaction has ended and a while longer."""
    found = connection.execute(
        select(_workers.c.last_heartbeat < func.clock_timestamp() - _seconds(HEARTBEAT_SECONDS))
        .where(_workers.c.id == node)
        .with_for_update(key_share=True, read=True)
    ).first()
    if found is not None and found[0]:
        found = connection.exec_driver_sql(BEAT, {"node": node}).first()
    return found is not None


def in_hand(connection: Connection, plan_id: str, transport: Transport, node: int) -> set[str]:
    """Deliveries whose try this node has begun and not ended."""
    query = select(deliveries.c.delivery).where(
        *of_plan(plan_id, transport), in_state(DeliveryState.SENDING), deliveries.c.node == node
    )
    return set(connection.execute(query).scalars())


def left_behind(connection: Connection, plan_id: str, transport: Transport) -> set[str]:
    """Deliveries in the middle of a try that no living node has in hand."""
    carried = exists().where(
        attempts.c.delivery_id == deliveries.c.id,
        attempts.c.finished_at.is_(None),
        _workers.c.id == deliveries.c.node,
        _workers.c.last_heartbeat >= func.clock_timestamp() - _seconds(STALLED_SECONDS),
    )
    query = select(deliveries.c.delivery).where(
        *of_plan(plan_id, transport), in_state(DeliveryState.SENDING), ~carried
    )
    return set(connection.execute(query).scalars())


def _seconds(number: float) -> Any:
    return text(f"interval '{number:g} seconds'")
