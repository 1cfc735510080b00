"""Deliveries on their way: intent before a try, outcome after it.

Every change of state is a compare-and-set: the row is selected in the state it
must be in (locked on PostgreSQL; on SQLite the transaction holds the write lock
from its first statement), and only what was found is changed.  Two threads,
processes or nodes may try; one has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    insert,
    select,
    update,
)

from reminder.ledger import pausing, reach, work
from reminder.ledger.gate import Gate
from reminder.ledger.prepared import Prepared
from reminder.ledger.records import (
    AttemptEnd,
    DeliveryState,
    Quota,
    Transport,
    TroubleKind,
    Wait,
)
from reminder.ledger.statements import among, chunks, in_state
from reminder.ledger.tables import AnyRow, attempts, deliveries
from reminder.ledger.trouble import remember

AFTER_SENDING = frozenset(
    {DeliveryState.ACCEPTED, DeliveryState.PENDING, DeliveryState.FAILED, DeliveryState.UNCERTAIN}
)


@dataclass(frozen=True, slots=True)
class Begun:
    """Numbers of the attempts that were begun, and what has to wait, each by delivery."""

    numbers: Mapping[str, int]
    waits: Mapping[str, Wait]


_DUE = Prepared(
    select(
        deliveries.c.id,
        deliveries.c.delivery,
        deliveries.c.attempts,
        deliveries.c.channel,
        deliveries.c.transport,
    )
    .where(
        deliveries.c.plan_id == bindparam("plan"),
        among(deliveries.c.delivery, "ids"),
        in_state(DeliveryState.PENDING),
        deliveries.c.not_before <= bindparam("now"),
        deliveries.c.expires_at > bindparam("now"),
    )
    .order_by(deliveries.c.id)
    .with_for_update(skip_locked=True),
    each="ids",
)
_OPENED = Prepared(
    update(deliveries)
    .where(among(deliveries.c.id, "rows"), in_state(DeliveryState.PENDING))
    .values(
        state=DeliveryState.SENDING.value,
        attempts=deliveries.c.attempts + 1,
        node=bindparam("by"),
        updated_at=bindparam("now"),
    ),
    each="rows",
)
_TRY = Prepared(
    insert(attempts),
    columns=("plan_id", "transport", "delivery_id", "channel", "number", "started_at", "code", "detail"),
)
_UNDER_WAY = Prepared(
    select(
        deliveries.c.id,
        deliveries.c.delivery,
        deliveries.c.attempts,
        deliveries.c.channel,
        deliveries.c.transport,
        deliveries.c.message,
        deliveries.c.receiver,
    )
    .where(
        deliveries.c.plan_id == bindparam("plan"),
        among(deliveries.c.delivery, "ids"),
        in_state(DeliveryState.SENDING),
    )
    .order_by(deliveries.c.id)
    .with_for_update(),
    each="ids",
)
_STATE = Prepared(
    update(deliveries)
    .where(deliveries.c.id == bindparam("row"))
    .values(
        state=bindparam("to"),
        not_before=func.coalesce(
            bindparam("again", type_=deliveries.c.not_before.type), deliveries.c.not_before
        ),
        updated_at=bindparam("ended"),
    )
)
_END = Prepared(
    update(attempts)
    .where(attempts.c.delivery_id == bindparam("row"), attempts.c.number == bindparam("try"))
    .values(
        finished_at=bindparam("ended"),
        outcome=bindparam("outcome_"),
        code=bindparam("code_"),
        detail=bindparam("detail_"),
    )
)


_number = attrgetter("id")


def begin_many(
    connection: Connection,
    plan_id: str,
    delivery_ids: Iterable[str],
    now: datetime,
    quotas: Mapping[str, Sequence[Quota]],
    node: int | None = None,
) -> Begun:
    """Commit the intent to try, for each delivery that has its slot and whose channel is not paused.

    ``quotas`` by channel.  ``node`` is who tries, where there are several: one
    that the others have given up begins nothing.  What has no slot waits until there is one, with all
    that waits behind it.  Neither begun nor waiting: what somebody else has,
    what is not due at ``now`` (again), what is unknown.
    """
    numbers: dict[str, int] = {}
    waits: dict[str, Wait] = {}
    if node is not None and not work.is_heard(connection, node):
        return Begun(numbers, waits)
    for ids in chunks(dict.fromkeys(delivery_ids)):
        rows = sorted(_DUE.rows(connection, {"plan": plan_id, "ids": ids, "now": now}), key=_number)
        gate = Gate(connection, plan_id, quotas, now)
        free = []
        for row in rows:
            if (wait := gate.wait(row)) is not None:
                waits[row.delivery] = wait
            elif row.channel in quotas:
                _open(connection, plan_id, [row], now, node)  # the next one's slot depends on it
                numbers[row.delivery] = row.attempts + 1
            else:
                free.append(row)
        if free:
            _open(connection, plan_id, free, now, node)
            numbers.update({row.delivery: row.attempts + 1 for row in free})
    return Begun(numbers, waits)


def _open(
    connection: Connection, plan_id: str, rows: Sequence[AnyRow], now: datetime, node: int | None
) -> None:
    _OPENED.run(connection, {"rows": [row.id for row in rows], "now": now, "by": node})
    _TRY.run(
        connection,
        *(
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
        ),
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
        found = _UNDER_WAY.rows(connection, {"plan": plan_id, "ids": ids})
        rows = [row for row in sorted(found, key=_number) if row.attempts == wanted[row.delivery].number]
        if not rows:
            continue
        ended = [(row, wanted[row.delivery]) for row in rows]
        _STATE.run(
            connection,
            *(
                {"row": row.id, "to": end.state.value, "again": end.not_before, "ended": end.at}
                for row, end in ended
            ),
        )
        _END.run(
            connection,
            *(
                {
                    "row": row.id,
                    "try": end.number,
                    "ended": end.at,
                    "outcome_": end.outcome,
                    "code_": end.code,
                    "detail_": end.detail,
                }
                for row, end in ended
            ),
        )
        for row, end in ended:
            _follow_up(connection, plan_id, row, end)
        taken.update(row.delivery for row in rows)
    return taken


def advance(
    connection: Connection,
    plan_id: str,
    ends: Iterable[AttemptEnd],
    delivery_ids: Iterable[str],
    now: datetime,
    quotas: Mapping[str, Sequence[Quota]],
    node: int | None = None,
) -> Begun:
    """Outcomes first, then intents: what those that were asked for together share is one commit."""
    finish_many(connection, plan_id, ends)
    return begin_many(connection, plan_id, delivery_ids, now, quotas, node)


def stands(connection: Connection, plan_id: str, begun: Begun, now: datetime, node: int | None) -> bool:
    """Whether all that was begun at ``now`` by this node is being tried by it, as its one transaction left it."""
    query = (
        select(deliveries.c.delivery, attempts.c.number)
        .join(attempts, attempts.c.delivery_id == deliveries.c.id)
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.delivery.in_(list(begun.numbers)),
            in_state(DeliveryState.SENDING),
            deliveries.c.node.is_not_distinct_from(node),
            attempts.c.number == deliveries.c.attempts,
            attempts.c.started_at == now,
            attempts.c.finished_at.is_(None),
        )
    )
    found: dict[str, int] = {row.delivery: row.number for row in connection.execute(query)}
    return found == dict(begun.numbers)


def is_plain(end: AttemptEnd) -> bool:
    """Whether an outcome changes its own delivery and nothing else."""
    return (
        end.state is DeliveryState.ACCEPTED
        and not end.refused
        and end.pause is None
        and end.recovered is None
    )


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


def allowed(state: DeliveryState, again: datetime | None) -> None:
    """Raises ``ValueError`` for a state in which no attempt ends, and for pending without its instant."""
    if state not in AFTER_SENDING:
        raise ValueError(f"no attempt ends in {state.value}")
    if state is DeliveryState.PENDING and again is None:
        raise ValueError("a delivery that is to be tried again needs the instant (not_before)")
