"""Adding claims to alarms that were settled before: another channel in a failing one's place.

Identity stays the UNIQUE key alarm × receiver × channel: what stands there is
never written again, so that a chain falls back once however often it is asked.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, and_, insert, select

from reminder.ledger.reach import claimed
from reminder.ledger.records import DeliveryState, NewClaim, Settlement, Transport, Unreached
from reminder.ledger.recovery import give_up_replaced
from reminder.ledger.settling import coherent, freeze
from reminder.ledger.statements import chunks, in_state
from reminder.ledger.tables import alarms, attempts, claims, deliveries

Step = tuple[str, str, str]
"""Alarm, receiver and channel: one claim."""


def extend(
    connection: Connection, plan_id: str, transport: Transport, settlement: Settlement, now: datetime
) -> set[Step]:
    """Add the claims and deliveries of a settlement to alarms in the ledger; those that now stand there.

    A claim that is there already is left as it is, and so is a whole message if
    one of its claims is: its other claims are not among the result and may be
    asked for again.  Nothing at all is written while a message that is to be
    replaced is being sent.  Raises ``ValueError`` for an alarm that is not in
    the ledger, and for a settlement that contradicts itself.
    """
    coherent(settlement)
    if _being_sent(connection, plan_id, transport, settlement.replaced):
        return set()
    numbers = _alarm_rows(connection, plan_id, transport, {alarm.key for alarm in settlement.alarms})
    wanted: list[tuple[Step, NewClaim]] = [
        ((alarm.key, claim.receiver, claim.channel), claim)
        for alarm in settlement.alarms
        for claim in alarm.claims
    ]
    known = _known(connection, numbers) & {step for step, _ in wanted}
    spoilt = {claim.message for step, claim in wanted if step in known and claim.message is not None}
    new = [(step, claim) for step, claim in wanted if step not in known and claim.message not in spoilt]
    rows = [
        {
            "alarm_id": numbers[step[0]],
            "plan_id": plan_id,
            "transport": transport.value,
            "receiver": claim.receiver,
            "channel": claim.channel,
            "decision": claim.decision,
            "reason": claim.reason,
            "message": claim.message,
            "until": claim.until,
            "recorded_at": now,
        }
        for step, claim in new
    ]
    if rows:
        connection.execute(insert(claims), rows)
    made = [delivery for delivery in settlement.deliveries if delivery.message not in spoilt]
    freeze(connection, plan_id, transport, made, now)
    give_up_replaced(connection, plan_id, transport, settlement.replaced, now)
    return known | {step for step, _ in new}


def retrying(
    connection: Connection, plan_id: str, transport: Transport, channels: Collection[str]
) -> list[Unreached]:
    """Claims whose message was tried on one of these channels and still waits; ``at``: its first try."""
    if not channels:
        return []
    query = (
        claimed(attempts.c.started_at, "retrying")
        .join(attempts, and_(attempts.c.delivery_id == deliveries.c.id, attempts.c.number == 1))
        .where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.transport == transport.value,
            deliveries.c.channel.in_(sorted(channels)),
            in_state(DeliveryState.PENDING),
        )
        .order_by(attempts.c.started_at, alarms.c.alarm, claims.c.receiver)
    )
    return [Unreached(*row) for row in connection.execute(query) if row.alarm is not None]


def _being_sent(
    connection: Connection, plan_id: str, transport: Transport, messages: Collection[str]
) -> bool:
    for some in chunks(messages):
        query = select(deliveries.c.id).where(
            deliveries.c.plan_id == plan_id,
            deliveries.c.transport == transport.value,
            deliveries.c.message.in_(some),
            in_state(DeliveryState.SENDING),
        )
        if connection.execute(query.limit(1)).first() is not None:
            return True
    return False


def _alarm_rows(
    connection: Connection, plan_id: str, transport: Transport, keys: Collection[str]
) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(sorted(keys)):
        query = select(alarms.c.alarm, alarms.c.id).where(
            alarms.c.plan_id == plan_id, alarms.c.transport == transport.value, alarms.c.alarm.in_(some)
        )
        # Locked on PostgreSQL, so that two nodes do not add the same claims at once.
        found.update({row.alarm: row.id for row in connection.execute(query.with_for_update())})
    if missing := set(keys) - found.keys():
        raise ValueError(f"alarms that are not in the ledger cannot be extended: {sorted(missing)}")
    return found


def _known(connection: Connection, numbers: dict[str, int]) -> set[Step]:
    names = {number: key for key, number in numbers.items()}
    found: set[Step] = set()
    for some in chunks(names):
        query = select(claims.c.alarm_id, claims.c.receiver, claims.c.channel).where(
            claims.c.alarm_id.in_(some)
        )
        found |= {(names[row.alarm_id], row.receiver, row.channel) for row in connection.execute(query)}
    return found
