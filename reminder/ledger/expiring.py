"""Deliveries that are of no more use: given up, and remembered for the admins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from reminder.ledger.prepared import Prepared
from reminder.ledger.queue import PENDING, made_of, whole
from reminder.ledger.records import Delivery, DeliveryState, Transport, TroubleKind
from reminder.ledger.statements import chunks
from reminder.ledger.tables import deliveries
from reminder.ledger.trouble import remember

_OVERDUE = (*PENDING, deliveries.c.expires_at <= bindparam("now"))
_ANY = Prepared(select(deliveries.c.id).where(*_OVERDUE).limit(1))
_ALL = (
    whole()
    .where(*_OVERDUE)
    .order_by(deliveries.c.expires_at, deliveries.c.id)
    .with_for_update(skip_locked=True, of=deliveries)
)


def any_expired(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> bool:
    """Whether :func:`expire` has anything to do."""
    return bool(_ANY.rows(connection, {"plan": plan_id, "way": transport.value, "now": now}))


def expire(connection: Connection, plan_id: str, transport: Transport, now: datetime) -> list[Delivery]:
    """Give up what is no longer useful; each delivery as it now stands."""
    rows = connection.execute(_ALL, {"plan": plan_id, "way": transport.value, "now": now}).all()
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
