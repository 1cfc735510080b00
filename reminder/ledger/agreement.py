"""On what the nodes of one database must agree: the plan in force, and what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, DateTime, Select, func, select

from reminder.ledger.errors import PlanPublished, PlanReplaced
from reminder.ledger.tables import plan_versions, published_in_force, published_plans


@dataclass(frozen=True, slots=True)
class Common:
    """What the database says: its wall clock, and the plan that is in force since when; in UTC."""

    at: datetime
    digest: str | None
    since: datetime | None


def accepted_last(plan_id: str, *columns: ColumnElement[Any]) -> Select[Any]:
    """Of the plan that was accepted last; no row if none ever was."""
    mine = select(*columns).where(plan_versions.c.plan_id == plan_id)
    return mine.order_by(plan_versions.c.id.desc()).limit(1)


def common(connection: Connection, plan_id: str) -> Common:
    """In one question.  Only of a database that several nodes share."""
    last = accepted_last(plan_id, plan_versions.c.digest, plan_versions.c.accepted_at).subquery()
    clock = select(func.clock_timestamp(type_=DateTime(timezone=True)).label("at")).subquery()
    query = select(clock.c.at, last.c.digest, last.c.accepted_at).select_from(
        clock.outerjoin(last, last.c.digest.is_not(None))
    )
    return Common(*connection.execute(query).one())


def still_in_force(connection: Connection, plan_id: str, digest: str) -> None:
    """Raises ``PlanReplaced`` if another plan was accepted; inside a transaction it stays so to its end."""
    if connection.execute(accepted_last(plan_id, plan_versions.c.digest)).scalar() not in (None, digest):
        raise PlanReplaced


def was_in_force(connection: Connection, plan_id: str, digest: str) -> bool:
    """Whether this plan was ever accepted."""
    query = select(plan_versions.c.id).where(
        plan_versions.c.plan_id == plan_id, plan_versions.c.digest == digest
    )
    return connection.execute(query.limit(1)).first() is not None


def as_published(connection: Connection, plan_id: str, digest: str, number: int | None) -> bool:
    """Whether this plan may come into force because it is the one that the ledger publishes.

    ``number`` is the version it was made from; None: it was read from a folder.
    Raises ``PlanReplaced`` where another version is in force by now, and
    ``PlanPublished`` for a folder's plan that is not the published one.
    """
    query = (
        select(published_in_force.c.number, published_plans.c.edition)
        .join(
            published_plans,
            (published_plans.c.plan_id == published_in_force.c.plan_id)
            & (published_plans.c.number == published_in_force.c.number),
        )
        .where(published_in_force.c.plan_id == plan_id)
    )
    found = connection.execute(query).first()
    if number is not None:
        if found is None or found.number != number:
            raise PlanReplaced
        return True
    if found is None:
        return False
    if found.edition != digest:
        raise PlanPublished(digest, found.number)
    return True
