"""What stands beside the messages: transport, adoption, plan versions, remarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from reminder.ledger.agreement import accepted_last, as_published, was_in_force
from reminder.ledger.errors import PlanOutdated
from reminder.ledger.records import Note, PlanVersion, Transport
from reminder.ledger.statements import insert_new
from reminder.ledger.tables import adoptions, notes, plan_versions

TRANSPORT = "transport"
"""Kind of the note that switches the transport; the last one counts."""


def plan_ids(connection: Connection) -> list[str]:
    """Every plan that was ever in force here."""
    found = connection.execute(select(plan_versions.c.plan_id).distinct().order_by(plan_versions.c.plan_id))
    return [str(row[0]) for row in found]


def transport(connection: Connection, plan_id: str) -> Transport:
    """Where messages go: outbox until somebody goes live."""
    query = (
        select(notes.c.transport)
        .where(notes.c.plan_id == plan_id, notes.c.kind == TRANSPORT)
        .order_by(notes.c.id.desc())
        .limit(1)
    )
    last = connection.execute(query).scalar()
    return Transport(last) if last is not None else Transport.OUTBOX


def switch(connection: Connection, plan_id: str, to: Transport, *, by: str, now: datetime) -> bool:
    """Append the switch; False, and nothing, if it stands so already."""
    if transport(connection, plan_id) is to:
        return False
    note(connection, plan_id, Note(TRANSPORT, now, by, {"transport": to.value}), to)
    return True


def adopt(
    connection: Connection,
    plan_id: str,
    under: Transport,
    rungs: Iterable[tuple[str, str]],
    now: datetime,
) -> int:
    """Record (item, rung) pairs that stand in the plan for the first time; how many were new."""
    new = insert_new(
        connection,
        adoptions,
        ("plan_id", "transport", "item", "rung"),
        [
            {"plan_id": plan_id, "transport": under.value, "item": item, "rung": rung, "adopted_at": now}
            for item, rung in set(rungs)
        ],
        adoptions.c.rung,
    )
    return len(new)


def adopted(connection: Connection, plan_id: str, under: Transport) -> dict[tuple[str, str], datetime]:
    """Since when each (item, rung) is in force."""
    query = select(adoptions.c.item, adoptions.c.rung, adoptions.c.adopted_at).where(
        adoptions.c.plan_id == plan_id, adoptions.c.transport == under.value
    )
    return {(row.item, row.rung): row.adopted_at for row in connection.execute(query)}


def last_plan(connection: Connection, plan_id: str) -> PlanVersion | None:
    """The plan accepted last."""
    table = plan_versions.c
    query = accepted_last(plan_id, table.digest, table.accepted_at, table.author, table.files, table.diff)
    row = connection.execute(query).first()
    return PlanVersion(*row) if row is not None else None


def plan_versions_until(connection: Connection, plan_id: str, until: datetime) -> list[PlanVersion]:
    """Every plan accepted before an instant, the newest last."""
    table = plan_versions.c
    query = (
        select(table.digest, table.accepted_at, table.author, table.files, table.diff)
        .where(table.plan_id == plan_id, table.accepted_at < until)
        .order_by(table.id)
    )
    return [PlanVersion(*row) for row in connection.execute(query)]


def accept_plan(
    connection: Connection,
    plan_id: str,
    digest: str,
    files: Mapping[str, Any],
    author: str,
    diff: Any,
    now: datetime,
    *,
    signed: bool = False,
    back: bool = True,
    published: int | None = None,
) -> bool:
    """Record a plan that comes into force; False, and nothing, if it was the last one already.

    ``signed``: its author answers for it, and is recorded though the plan itself is in force.
    ``back``: it may be one that was replaced before; else that raises ``PlanOutdated``.
    ``published``: the number of the version it was made from, see :func:`~reminder.ledger.agreement.as_published`.
    """
    back = as_published(connection, plan_id, digest, published) or back
    last = last_plan(connection, plan_id)
    if last is not None and last.digest == digest and (not signed or last.author == author):
        return False
    if not back and (last is None or last.digest != digest) and was_in_force(connection, plan_id, digest):
        raise PlanOutdated(digest)
    connection.execute(
        insert(plan_versions),
        {
            "plan_id": plan_id,
            "digest": digest,
            "accepted_at": now,
            "author": author,
            "files": dict(files),
            "diff": diff,
        },
    )
    return True


def note(connection: Connection, plan_id: str, remark: Note, under: Transport | None = None) -> None:
    """Append a remark."""
    connection.execute(
        insert(notes),
        {
            "plan_id": plan_id,
            "transport": under.value if under is not None else None,
            "at": remark.at,
            "kind": remark.kind,
            "author": remark.author,
            "detail": dict(remark.detail),
        },
    )


def remarks(
    connection: Connection, plan_id: str, kind: str | None, since: datetime | None, limit: int
) -> list[Note]:
    """Remarks, the one written last first."""
    query = (
        select(notes.c.kind, notes.c.at, notes.c.author, notes.c.detail)
        .where(notes.c.plan_id == plan_id)
        .order_by(notes.c.id.desc())
        .limit(limit)
    )
    if kind is not None:
        query = query.where(notes.c.kind == kind)
    if since is not None:
        query = query.where(notes.c.at >= since)
    return [Note(*row) for row in connection.execute(query)]
