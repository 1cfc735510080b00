"""Which of many offices have something to do, asked of all of them at once.

A process that runs a thousand offices looks after those alone that something
has happened to: somebody recorded a fact, put a plan into force or saved a
file; something is to be sent, or was being sent by a node that may be dead.
What is missed here is found by the look that every office gets in turn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, func, select, union

from reminder.ledger.records import DeliveryState, Transport
from reminder.ledger.statements import in_state
from reminder.ledger.tables import (
    deliveries,
    duty_events,
    file_versions,
    happenings,
    notes,
    pauses,
    plan_versions,
    resolutions,
    troubles,
)

WATCHED = (notes, duty_events, happenings, plan_versions, file_versions, pauses, resolutions, troubles)
"""Tables in which a new row means that its office has something to do."""

Numbers = Mapping[str, int]
"""The last number of each watched table."""


def numbers(connection: Connection) -> dict[str, int]:
    """How far each table has come."""
    query = select(*(select(func.max(table.c.id)).scalar_subquery() for table in WATCHED))
    return {
        table.name: found or 0 for table, found in zip(WATCHED, connection.execute(query).one(), strict=True)
    }


def stirred(connection: Connection, since: Numbers, now: datetime) -> set[str]:
    """The plans of which something was written since, and those with something to send at ``now``.

    Costs what was written and what waits, not how many plans there are.
    """
    news = [
        select(table.c.plan_id).where(table.c.id > since[table.name])
        for table in WATCHED
        if since.get(table.name) is not None
    ]
    waits = select(deliveries.c.plan_id).where(
        in_state(DeliveryState.PENDING), (deliveries.c.not_before <= now) | (deliveries.c.attempts > 0)
    )
    return set(connection.execute(union(waits, *news)).scalars())


def in_the_middle(connection: Connection, plan_ids: Collection[str]) -> set[str]:
    """Those of these plans of which something is being sent, by whomever."""
    query = (
        select(deliveries.c.plan_id)
        .where(
            deliveries.c.plan_id.in_(sorted(plan_ids)),
            deliveries.c.transport.in_([each.value for each in Transport]),
            in_state(DeliveryState.SENDING),
        )
        .distinct()
    )
    return set(connection.execute(query).scalars())
