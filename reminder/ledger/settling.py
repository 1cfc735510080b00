"""Writing down what a sweep decided: whole, once, or not at all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select

from reminder.ledger import work
from reminder.ledger.errors import AlreadySettled
from reminder.ledger.postponing import decide_again
from reminder.ledger.prepared import Prepared
from reminder.ledger.records import DeliveryState, NewAlarm, NewDelivery, Settlement, Transport
from reminder.ledger.recovery import give_up_replaced
from reminder.ledger.statements import chunks, insert_new
from reminder.ledger.tables import alarms, claims, contents, deliveries, receivers

_CLAIM = Prepared(
    insert(claims),
    columns=(
        "alarm_id", "plan_id", "transport", "receiver", "channel", "decision", "reason", "message", "until",
        "recorded_at",
    ),
)  # fmt: skip
_CONTENT = Prepared(insert(contents), columns=("delivery_id", "plan_id", "text", "payload", "payload_sha256"))


def settle(
    connection: Connection, plan_id: str, transport: Transport, settlement: Settlement, now: datetime
) -> None:
    """Alarms, claims and frozen deliveries of one sweep.

    Raises :class:`AlreadySettled` if any alarm stands in the ledger already, or
    a claim of ``again`` waits no longer (the caller's transaction is to be rolled back), ``ValueError`` for a
    settlement that contradicts itself.
    """
    coherent(settlement)
    new = insert_new(
        connection,
        alarms,
        ("plan_id", "transport", "alarm"),
        [alarm_row(plan_id, transport, alarm, now) for alarm in settlement.alarms],
        alarms.c.alarm,
        alarms.c.id,
    )
    ids: dict[str, int] = {row.alarm: row.id for row in new}
    known = {alarm.key for alarm in settlement.alarms} - ids.keys()
    if known:
        raise AlreadySettled(known)
    claim_rows = [
        {
            "alarm_id": ids[alarm.key],
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
        for alarm in settlement.alarms
        for claim in alarm.claims
    ]
    _CLAIM.run(connection, *claim_rows)
    if late := decide_again(connection, plan_id, transport, settlement.again, now):
        raise AlreadySettled(late)
    freeze(connection, plan_id, transport, settlement.deliveries, now)
    give_up_replaced(connection, plan_id, transport, settlement.replaced, now)


def settled(connection: Connection, plan_id: str, transport: Transport, since: datetime | None) -> set[str]:
    """Keys of the alarms in the ledger; of those planned or recorded from ``since`` on."""
    query = select(alarms.c.alarm).where(alarms.c.plan_id == plan_id, alarms.c.transport == transport.value)
    if since is not None:
        # Recorded as well as planned: a recomputed date or a clock set back moves either one.
        query = query.where(or_(alarms.c.planned_at >= since, alarms.c.recorded_at >= since))
    return set(connection.execute(query).scalars())


def settled_of(connection: Connection, plan_id: str, transport: Transport, keys: Iterable[str]) -> set[str]:
    """Of these keys, those of alarms in the ledger."""
    found: set[str] = set()
    for some in chunks(sorted(set(keys))):
        query = select(alarms.c.alarm).where(
            alarms.c.plan_id == plan_id, alarms.c.transport == transport.value, alarms.c.alarm.in_(some)
        )
        found.update(connection.execute(query).scalars())
    return found


def coherent(settlement: Settlement) -> None:
    """Raises ``ValueError`` for a settlement that contradicts itself."""
    twice = [key for key, count in Counter(alarm.key for alarm in settlement.alarms).items() if count > 1]
    if twice:
        raise ValueError(f"one settlement decides an alarm twice: {twice}")
    made = {delivery.message for delivery in settlement.deliveries}
    promised = {
        claim.message
        for alarm in (*settlement.alarms, *settlement.again)
        for claim in alarm.claims
        if claim.message is not None
    }
    if promised - made:
        # It would be shown as on its way and never be sent.
        raise ValueError(f"claims name messages without a delivery: {sorted(promised - made)}")


def alarm_row(plan_id: str, transport: Transport, alarm: NewAlarm, now: datetime) -> dict[str, Any]:
    """An alarm's row, without its number."""
    return {
        "plan_id": plan_id,
        "transport": transport.value,
        "alarm": alarm.key,
        "item": alarm.item,
        "occurrence": alarm.occurrence,
        "rung": alarm.rung,
        "planned_at": alarm.planned_at,
        "due": alarm.due,
        "decision": alarm.decision,
        "reason": alarm.reason,
        "recorded_at": now,
    }


def freeze(
    connection: Connection, plan_id: str, transport: Transport, new: Iterable[NewDelivery], now: datetime
) -> None:
    """Write deliveries with their bytes, pending."""
    by_id = {delivery.id: delivery for delivery in new}
    if not by_id:
        return
    rows = [
        {
            "plan_id": plan_id,
            "transport": transport.value,
            "delivery": delivery.id,
            "message": delivery.message,
            "channel": delivery.channel,
            "receiver": delivery.receiver,
            "address": delivery.address,
            "part": delivery.part,
            "parts": delivery.parts,
            "message_id": delivery.message_id,
            "subject": delivery.subject,
            "planned_at": delivery.planned_at,
            "not_before": delivery.not_before,
            "expires_at": delivery.expires_at,
            "state": DeliveryState.PENDING.value,
            "attempts": 0,
            "late": delivery.late,
            "created_at": now,
            "updated_at": now,
        }
        for delivery in by_id.values()
    ]
    made = connection.execute(
        insert(deliveries).returning(deliveries.c.id, deliveries.c.delivery), rows
    ).all()
    due = [(row.id, each.channel) for row in made if (each := by_id[row.delivery]).not_before <= now]
    work.put_up(connection, plan_id, transport, due)
    _CONTENT.run(
        connection,
        *(
            {
                "delivery_id": row.id,
                "plan_id": plan_id,
                "text": by_id[row.delivery].text,
                "payload": by_id[row.delivery].payload,
                "payload_sha256": hashlib.sha256(by_id[row.delivery].payload).hexdigest(),
            }
            for row in made
        ),
    )
    batch = [
        {"delivery_id": row.id, "plan_id": plan_id, "receiver": receiver, "address": address}
        for row in made
        for receiver, address in by_id[row.delivery].receivers
    ]
    if batch:
        connection.execute(insert(receivers), batch)
