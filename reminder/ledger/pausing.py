"""Channels on which nothing is tried for a while, or until somebody mends them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from reminder.ledger.prepared import Prepared
from reminder.ledger.records import AttemptEnd, Pause, PauseKind, Transport, TroubleKind
from reminder.ledger.tables import pauses
from reminder.ledger.trouble import remember

RECOVERED = "recovered"
"""Author of the end of a pause when a message got through."""


_OPEN = Prepared(
    select(
        pauses.c.channel,
        pauses.c.kind,
        pauses.c.since,
        pauses.c.until,
        pauses.c.strikes,
        pauses.c.lasting,
        pauses.c.code,
        pauses.c.detail,
        pauses.c.fingerprint,
    )
    .where(
        pauses.c.plan_id == bindparam("plan"),
        pauses.c.transport == bindparam("transport"),
        pauses.c.ended_at.is_(None),
    )
    .order_by(pauses.c.id)
)


def open_pauses(connection: Connection, plan_id: str, transport: Transport) -> list[Pause]:
    """Pauses that nobody and nothing has ended, whether they hold at this moment or not."""
    return [
        Pause(
            row.channel,
            PauseKind(row.kind),
            row.since,
            row.until,
            row.strikes,
            row.lasting,
            row.code,
            row.detail,
            row.fingerprint,
        )
        for row in _OPEN.rows(connection, {"plan": plan_id, "transport": transport.value})
    ]


def holding(
    connection: Connection, plan_id: str, transport: Transport, now: datetime
) -> dict[str, datetime | None]:
    """Channels on which nothing may be tried at ``now``, and until when (None: until resumed)."""
    held: dict[str, datetime | None] = {}
    for pause in open_pauses(connection, plan_id, transport):
        if not pause.holds(now):
            continue
        known = held.get(pause.channel, pause.until)
        both = None if known is None or pause.until is None else max(known, pause.until)
        held[pause.channel] = both
    return held


def pause(connection: Connection, plan_id: str, transport: Transport, channel: str, end: AttemptEnd) -> None:
    """Begin the pause an attempt's end asks for, or lengthen the one it ran into again.

    Two tries that met the trouble together are one strike.
    """
    asked = end.pause
    if asked is None:
        return
    row = connection.execute(
        select(pauses.c.id, pauses.c.since, pauses.c.until, pauses.c.strikes, pauses.c.lasting)
        .where(
            pauses.c.plan_id == plan_id,
            pauses.c.transport == transport.value,
            pauses.c.channel == channel,
            pauses.c.ended_at.is_(None),
            pauses.c.kind == asked.kind.value,
        )
        .order_by(pauses.c.id.desc())
        .limit(1)
        .with_for_update()
    ).first()
    if row is not None and (row.until is None or row.since <= end.at < row.until):
        return
    strikes = 1 if row is None else row.strikes + 1
    until = end.at + asked.waits[min(strikes, len(asked.waits)) - 1] if asked.waits else None
    lasting = 0 < asked.lasting_from <= strikes
    values = {
        "until": until,
        "strikes": strikes,
        "lasting": lasting,
        "code": end.code,
        "detail": end.detail,
        "fingerprint": asked.fingerprint,
    }
    if row is None or row.since > end.at:
        values |= {"since": end.at}
    if row is None:
        key = {"plan_id": plan_id, "transport": transport.value, "channel": channel, "kind": asked.kind.value}
        connection.execute(insert(pauses), values | key)
    else:
        connection.execute(update(pauses).where(pauses.c.id == row.id).values(**values))
    if lasting and not (row is not None and row.lasting):
        remember(connection, plan_id, transport, TroubleKind.PAUSED, channel, end.at, end.code, end.detail)


def recover(
    connection: Connection, plan_id: str, transport: Transport, channel: str, began: datetime, now: datetime
) -> None:
    """A try that began after a pause got through.

    One that was on its way when the channel was blocked says nothing about it.
    """
    connection.execute(
        update(pauses)
        .where(
            pauses.c.plan_id == plan_id,
            pauses.c.transport == transport.value,
            pauses.c.channel == channel,
            pauses.c.ended_at.is_(None),
            pauses.c.until <= began,
        )
        .values(ended_at=now, ended_by=RECOVERED)
    )


def resume(
    connection: Connection, plan_id: str, transport: Transport, channel: str, by: str, now: datetime
) -> bool:
    """End every pause of a channel; False if there was none."""
    changed = connection.execute(
        update(pauses)
        .where(
            pauses.c.plan_id == plan_id,
            pauses.c.transport == transport.value,
            pauses.c.channel == channel,
            pauses.c.ended_at.is_(None),
        )
        .values(ended_at=now, ended_by=by)
        .returning(pauses.c.id)
    )
    return changed.first() is not None
