"""One delivery as people look at it: what it was made for, how it fared, who decided about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, and_, select

from reminder.ledger.records import DeliveryState, Refusal, Transport
from reminder.ledger.shown import Leaf, Made, Resolution
from reminder.ledger.statements import chunks
from reminder.ledger.tables import alarms, claims, contents, deliveries, receivers, refusals, resolutions


def leaf(connection: Connection, plan_id: str, delivery_id: str) -> Leaf | None:
    """A delivery without its bytes; None for one that is not here."""
    row = connection.execute(
        select(deliveries).where(deliveries.c.plan_id == plan_id, deliveries.c.delivery == delivery_id)
    ).first()
    if row is None:
        return None
    mine = (
        deliveries.c.plan_id == plan_id,
        deliveries.c.transport == row.transport,
        deliveries.c.message == row.message,
    )
    parts = connection.execute(
        select(deliveries.c.delivery).where(*mine).order_by(deliveries.c.part, deliveries.c.id)
    ).scalars()
    batch = connection.execute(
        select(receivers.c.receiver, receivers.c.address)
        .where(receivers.c.delivery_id == row.id)
        .order_by(receivers.c.receiver)
    ).all()
    refused = connection.execute(
        select(refusals.c.receiver, refusals.c.code, refusals.c.detail)
        .where(refusals.c.delivery_id == row.id)
        .order_by(refusals.c.id)
    ).all()
    decided = connection.execute(
        select(resolutions.c.at, resolutions.c.author, resolutions.c.decision)
        .where(resolutions.c.delivery_id == row.id)
        .order_by(resolutions.c.id)
    ).all()
    transport = Transport(row.transport)
    return Leaf(
        id=row.delivery,
        transport=transport,
        message=row.message,
        channel=row.channel,
        receiver=row.receiver,
        address=row.address,
        part=row.part,
        parts=row.parts,
        message_id=row.message_id,
        subject=row.subject,
        planned_at=row.planned_at,
        not_before=row.not_before,
        expires_at=row.expires_at,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        late=row.late,
        made=tuple(made_for(connection, plan_id, transport, [row.message]).get(row.message, ())),
        others=tuple(each for each in parts if each != row.delivery),
        receivers=tuple((each.receiver, each.address) for each in batch),
        refused=tuple(Refusal(each.receiver, each.code, each.detail) for each in refused),
        resolutions=tuple(Resolution(each.at, each.author, each.decision) for each in decided),
    )


def made_for(
    connection: Connection, plan_id: str, transport: Transport, messages: Iterable[str]
) -> dict[str, list[Made]]:
    """The claims that each of these messages was made for, in the order in which they were made."""
    found: dict[str, list[Made]] = defaultdict(list)
    for some in chunks(sorted(set(messages))):
        query = (
            select(
                claims.c.message,
                alarms.c.item,
                alarms.c.occurrence,
                alarms.c.alarm,
                claims.c.receiver,
                claims.c.decision,
                claims.c.reason,
            )
            .select_from(claims.join(alarms, claims.c.alarm_id == alarms.c.id))
            .where(
                claims.c.plan_id == plan_id,
                claims.c.transport == transport.value,
                claims.c.message.in_(some),
            )
            .order_by(claims.c.id)
        )
        for row in connection.execute(query):
            made = Made(row.item, row.occurrence, row.alarm, row.receiver, row.decision, row.reason)
            found[row.message].append(made)
    return dict(found)


def letter_text(
    connection: Connection, plan_id: str, transport: Transport, keys: Iterable[str]
) -> str | None:
    """What a person reads of the first message that was made for one of these alarms."""
    for some in chunks(sorted(set(keys))):
        query = (
            select(contents.c.text)
            .select_from(alarms)
            .join(claims, claims.c.alarm_id == alarms.c.id)
            .join(
                deliveries,
                and_(
                    deliveries.c.plan_id == claims.c.plan_id,
                    deliveries.c.transport == claims.c.transport,
                    deliveries.c.message == claims.c.message,
                ),
            )
            .join(contents, contents.c.delivery_id == deliveries.c.id)
            .where(
                alarms.c.plan_id == plan_id, alarms.c.transport == transport.value, alarms.c.alarm.in_(some)
            )
            .order_by(deliveries.c.id)
            .limit(1)
        )
        found: str | None = connection.execute(query).scalar()
        if found is not None:
            return found
    return None
