"""Deliveries on their way: what is due, intent before a try, outcome after it.

Every change of state is a compare-and-set: the row is selected in the state it
must be in (locked on PostgreSQL; on SQLite the transaction holds the write lock
from its first statement), and only what was found is changed.  Two threads,
processes or nodes may try; one has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    func,
    insert,
    select,
    update,
)

from reminder.ledger import pausing, reach, slots
from reminder.ledger.errors import LedgerCorrupt
from reminder.ledger.records import (
    AttemptEnd,
    AttemptRecord,
    Delivery,
    DeliveryState,
    Quota,
    Transport,
    TroubleKind,
    Wait,
)
from reminder.ledger.tables import AnyRow, attempts, chunks, contents, deliveries, in_state, receivers
from reminder.ledger.trouble import remember

AFTER_SENDING = frozenset(
    {DeliveryState.ACCEPTED, DeliveryState.PENDING, DeliveryState.FAILED, DeliveryState.UNCERTAIN}
)


def due(
    connection: Connection,
    plan_id: str,
    transport: Transport,
    now: datetime,
    *,
    limit: int,
    skip_channels: Collection[str] = (),
) -> list[Delivery]:
    """Pending, ``not_before`` ≤ now < ``expires_at``, on no paused channel; longest due first."""
    query = (
        whole()
        .where(
            *_of(plan_id, transport),
            in_state(DeliveryState.PENDING),
            deliveries.c.not_before <= now,
            deliveries.c.expires_at > now,
        )
        .order_by(deliveries.c.not_before, deliveries.c.id)
        .limit(limit)
    )
    skipped = {*skip_channels, *pausing.holding(connection, plan_id, transport, now)}
    if skipped:
        query = query.where(deliveries.c.channel.not_in(sorted(skipped)))
    return made_of(connection, connection.execute(query).all())


def next_instant(connection: Connection, plan_id: str, transport: Transport) -> datetime | None:
    """When a pending delivery next becomes due or expires; in the past if one is due now.

    What waits on a paused channel becomes due when the pause ends by itself.
    """
    paused = {pause.channel: pause.until for pause in pausing.open_pauses(connection, plan_id, transport)}
    pending = (*_of(plan_id, transport), in_state(DeliveryState.PENDING))
    free = select(func.min(deliveries.c.not_before)).where(*pending)
    if paused:
        free = free.where(deliveries.c.channel.not_in(sorted(paused)))
    instants = [
        connection.execute(free).scalar(),
        connection.execute(select(func.min(deliveries.c.expires_at)).where(*pending)).scalar(),
    ]
    for channel, until in paused.items():
        waiting = select(func.min(deliveries.c.not_before)).where(*pending, deliveries.c.channel == channel)
        first = connection.execute(waiting).scalar()
        if first is not None and until is not None:
            instants.append(max(first, until))
    return min((instant for instant in instants if instant is not None), default=None)


def one(connection: Connection, plan_id: str, delivery_id: str) -> Delivery | None:
    """One delivery as it stands."""
    query = whole().where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id)
    return next(iter(made_of(connection, connection.execute(query).all())), None)


@dataclass(frozen=True, slots=True)
class Begun:
    """Numbers of the attempts that were begun, and what has to wait, each by delivery."""

    numbers: Mapping[str, int]
    waits: Mapping[str, Wait]


def begin_many(
    connection: Connection,
    plan_id: str,
    delivery_ids: Iterable[str],
    now: datetime,
    quotas: Mapping[str, Sequence[Quota]],
) -> Begun:
    """Commit the intent to try, for each delivery that has its slot and whose channel is not paused.

    ``quotas`` by channel.  What has no slot waits until there is one, with all
    that waits behind it.  Neither begun nor waiting: what somebody else has,
    what is not due at ``now`` (again), what is unknown.
    """
    numbers: dict[str, int] = {}
    waits: dict[str, Wait] = {}
    for ids in chunks(dict.fromkeys(delivery_ids)):
        rows = connection.execute(
            select(
                deliveries.c.id,
                deliveries.c.delivery,
                deliveries.c.attempts,
                deliveries.c.channel,
                deliveries.c.transport,
            )
            .where(
                deliveries.c.plan_id == plan_id,
                deliveries.c.delivery.in_(ids),
                in_state(DeliveryState.PENDING),
                deliveries.c.not_before <= now,
                deliveries.c.expires_at > now,
            )
            .order_by(deliveries.c.id)
            .with_for_update(skip_locked=True)
        ).all()
        gate = _Gate(connection, plan_id, quotas, now)
        free = []
        for row in rows:
            if (wait := gate.wait(row)) is not None:
                waits[row.delivery] = wait
            elif row.channel in quotas:
                _open(connection, plan_id, [row], now)  # the next one's slot depends on it
                numbers[row.delivery] = row.attempts + 1
            else:
                free.append(row)
        if free:
            _open(connection, plan_id, free, now)
            numbers.update({row.delivery: row.attempts + 1 for row in free})
    return Begun(numbers, waits)


class _Gate:
    """Whether a try may be begun now, as far as its channel and its quotas go."""

    def __init__(
        self, connection: Connection, plan_id: str, quotas: Mapping[str, Sequence[Quota]], now: datetime
    ) -> None:
        self._connection, self._plan_id, self._quotas, self._now = connection, plan_id, quotas, now
        self._held: dict[str, dict[str, datetime | None]] = {}

    def wait(self, row: AnyRow) -> Wait | None:
        """None if it may be begun; a wait for a slot is written to the delivery, or to its whole channel."""
        if row.transport not in self._held:
            transport = Transport(row.transport)
            self._held[row.transport] = pausing.holding(self._connection, self._plan_id, transport, self._now)
        held = self._held[row.transport]
        if row.channel in held:
            return Wait(held[row.channel], whole_channel=True)
        if row.channel not in self._quotas:
            return None
        transport = Transport(row.transport)
        wait = slots.wait_for(
            self._connection,
            self._plan_id,
            transport,
            row.channel,
            row.id,
            self._quotas[row.channel],
            self._now,
        )
        if wait is None or wait.until is None:
            return None
        if wait.whole_channel:
            slots.postpone_channel(
                self._connection, self._plan_id, transport, row.channel, wait.until, self._now
            )
            held[row.channel] = wait.until
        else:
            slots.postpone(self._connection, self._plan_id, row.delivery, wait.until, self._now)
        return wait


def _open(connection: Connection, plan_id: str, rows: Sequence[AnyRow], now: datetime) -> None:
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_([row.id for row in rows]))
        .values(state=DeliveryState.SENDING.value, attempts=deliveries.c.attempts + 1, updated_at=now)
    )
    connection.execute(
        insert(attempts),
        [
            {
                "plan_id": plan_id,
                "transport": row.transport,
                "delivery_id": row.id,
                "channel": row.channel,
                "number": row.attempts + 1,
                "started_at": now,
                "code": "",
                "detail": "",
            }
            for row in rows
        ],
    )


def finish_many(connection: Connection, plan_id: str, ends: Iterable[AttemptEnd]) -> set[str]:
    """Commit outcomes; the deliveries whose outcome was taken.

    Not taken: those no longer in that attempt.  An attempt that was closed as
    interrupted, and whose end becomes known before anybody decided, is corrected.

    Raises ``ValueError`` for a state that no attempt can end in, for pending
    without its next instant, and for one delivery twice.
    """
    wanted: dict[str, AttemptEnd] = {}
    for end in ends:
        allowed(end.state, end.not_before)
        if end.delivery in wanted:
            raise ValueError(f"two ends of one delivery in one call: {end.delivery}")
        wanted[end.delivery] = end
    taken: set[str] = set()
    for ids in chunks(wanted):
        rows = [
            row
            for row in connection.execute(
                select(
                    deliveries.c.id,
                    deliveries.c.delivery,
                    deliveries.c.attempts,
                    deliveries.c.not_before,
                    deliveries.c.channel,
                    deliveries.c.transport,
                    deliveries.c.message,
                    deliveries.c.receiver,
                )
                .where(
                    deliveries.c.plan_id == plan_id,
                    deliveries.c.delivery.in_(ids),
                    in_state(DeliveryState.SENDING),
                )
                .order_by(deliveries.c.id)
                .with_for_update()
            )
            if row.attempts == wanted[row.delivery].number
        ]
        if not rows:
            continue
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("row"))
            .values(state=bindparam("to"), not_before=bindparam("again"), updated_at=bindparam("ended")),
            [
                {
                    "row": row.id,
                    "to": wanted[row.delivery].state.value,
                    "again": wanted[row.delivery].not_before or row.not_before,
                    "ended": wanted[row.delivery].at,
                }
                for row in rows
            ],
        )
        connection.execute(
            update(attempts)
            .where(attempts.c.delivery_id == bindparam("row"), attempts.c.number == bindparam("try"))
            .values(
                finished_at=bindparam("ended"),
                outcome=bindparam("outcome_"),
                code=bindparam("code_"),
                detail=bindparam("detail_"),
            ),
            [
                {
                    "row": row.id,
                    "try": end.number,
                    "ended": end.at,
                    "outcome_": end.outcome,
                    "code_": end.code,
                    "detail_": end.detail,
                }
                for row in rows
                for end in (wanted[row.delivery],)
            ],
        )
        for row in rows:
            _follow_up(connection, plan_id, row, wanted[row.delivery])
        taken.update(row.delivery for row in rows)
    return taken


def _follow_up(connection: Connection, plan_id: str, row: AnyRow, end: AttemptEnd) -> None:
    """What an outcome means beyond its delivery: refused receivers, the channel, the admins."""
    transport = Transport(row.transport)
    if end.refused:
        reach.refuse(connection, plan_id, transport, row, end)
    elif end.state in (DeliveryState.FAILED, DeliveryState.UNCERTAIN):
        remember(
            connection,
            plan_id,
            transport,
            TroubleKind(end.state.value),
            row.channel,
            end.at,
            end.code,
            end.detail,
            delivery=row.id,
            receiver=row.receiver,
        )
    if end.recovered is not None:
        pausing.recover(connection, plan_id, transport, row.channel, end.recovered, end.at)
    pausing.pause(connection, plan_id, transport, row.channel, end)


def any_expired(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> bool:
    """Whether :func:`expire` has anything to do."""
    query = select(deliveries.c.id).where(*_overdue(plan_id, transport, now)).limit(1)
    return connection.execute(query).first() is not None


def expire(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> list[Delivery]:
    """Give up what is no longer useful; each delivery as it now stands."""
    rows = connection.execute(
        whole()
        .where(*_overdue(plan_id, transport, now))
        .order_by(deliveries.c.expires_at, deliveries.c.id)
        .with_for_update(skip_locked=True, of=deliveries)
    ).all()
    for ids in chunks([row.id for row in rows]):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids))
            .values(state=DeliveryState.EXPIRED.value, updated_at=now)
        )
    for row in rows:
        remember(
            connection,
            plan_id,
            transport,
            TroubleKind.EXPIRED,
            row.channel,
            now,
            TroubleKind.EXPIRED.value,
            "",
            delivery=row.id,
            receiver=row.receiver,
        )
    return made_of(connection, rows, DeliveryState.EXPIRED)


def attempts_since(
    connection: Connection, plan_id: str, channel: str, since: datetime, transport: Transport
) -> list[datetime]:
    """When tries on a channel began, retries included, from ``since`` on; oldest first."""
    query = (
        select(attempts.c.started_at)
        .where(
            attempts.c.plan_id == plan_id,
            attempts.c.transport == transport.value,
            attempts.c.channel == channel,
            attempts.c.started_at >= since,
        )
        .order_by(attempts.c.started_at)
    )
    return list(connection.execute(query).scalars())


def attempts_of(connection: Connection, plan_id: str, delivery_id: str) -> list[AttemptRecord]:
    """Every try of one delivery, first to last."""
    query = (
        select(
            attempts.c.number,
            attempts.c.started_at,
            attempts.c.finished_at,
            attempts.c.outcome,
            attempts.c.code,
            attempts.c.detail,
        )
        .join(deliveries, attempts.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id)
        .order_by(attempts.c.number)
    )
    return [AttemptRecord(*row) for row in connection.execute(query)]


def content_of(connection: Connection, plan_id: str, delivery_id: str) -> tuple[str, bytes]:
    """The text a person reads and the frozen bytes, which are verified.

    Raises ``KeyError`` for an unknown delivery, :class:`LedgerCorrupt` for bytes
    that are no longer those that were frozen.
    """
    query = (
        select(contents.c.text, contents.c.payload, contents.c.payload_sha256)
        .join(deliveries, contents.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise KeyError(delivery_id)
    if hashlib.sha256(row.payload).hexdigest() != row.payload_sha256:
        raise LedgerCorrupt(f"消息 {delivery_id} 的内容与封存时不符，台账被改动过或已损坏：请用备份核对")
    return row.text, row.payload


def _of(plan_id: str, transport: Transport) -> tuple[Any, Any]:
    return deliveries.c.plan_id == plan_id, deliveries.c.transport == transport.value


def _overdue(plan_id: str, transport: Transport, now: datetime) -> tuple[Any, ...]:
    return (*_of(plan_id, transport), in_state(DeliveryState.PENDING), deliveries.c.expires_at <= now)


def whole() -> Select[Any]:
    """Everything of deliveries that :func:`made_of` needs."""
    return select(
        deliveries.c.delivery,
        deliveries.c.id,
        deliveries.c.message,
        deliveries.c.channel,
        deliveries.c.receiver,
        deliveries.c.address,
        deliveries.c.part,
        deliveries.c.parts,
        deliveries.c.message_id,
        contents.c.payload,
        deliveries.c.planned_at,
        deliveries.c.not_before,
        deliveries.c.expires_at,
        deliveries.c.state,
        deliveries.c.attempts,
    ).join(contents, contents.c.delivery_id == deliveries.c.id)


def made_of(
    connection: Connection, rows: Sequence[AnyRow], state: DeliveryState | None = None
) -> list[Delivery]:
    """Rows of :func:`whole` as values, each with everyone it goes to."""
    batches: dict[int, list[tuple[str, str]]] = {}
    for some in chunks(row.id for row in rows):
        query = (
            select(receivers.c.delivery_id, receivers.c.receiver, receivers.c.address)
            .where(receivers.c.delivery_id.in_(some))
            .order_by(receivers.c.delivery_id, receivers.c.receiver)
        )
        for number, receiver, address in connection.execute(query):
            batches.setdefault(number, []).append((receiver, address))
    return [
        Delivery(
            id=row.delivery,
            message=row.message,
            channel=row.channel,
            receiver=row.receiver,
            address=row.address,
            part=row.part,
            parts=row.parts,
            message_id=row.message_id,
            payload=row.payload,
            planned_at=row.planned_at,
            not_before=row.not_before,
            expires_at=row.expires_at,
            state=state or DeliveryState(row.state),
            attempts=row.attempts,
            receivers=tuple(batches.get(row.id, [(row.receiver, row.address)])),
        )
        for row in rows
    ]


def allowed(state: DeliveryState, again: datetime | None) -> None:
    """Raises ``ValueError`` for a state in which no attempt ends, and for pending without its instant."""
    if state not in AFTER_SENDING:
        raise ValueError(f"no attempt ends in {state.value}")
    if state is DeliveryState.PENDING and again is None:
        raise ValueError("a delivery that is to be tried again needs the instant (not_before)")
