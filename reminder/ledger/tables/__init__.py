"""The ledger's tables; how to write to them alike on both databases stands in :mod:`~reminder.ledger.statements`.

Every row carries the id of its plan: on a cluster one database holds many
offices.  Identity is a UNIQUE key and nothing else.  No foreign key cascades:
nothing in the ledger is ever deleted by deleting something else.

The bytes of a delivery stand in a table of their own (``contents``): they are
frozen when written, while the row in ``deliveries`` changes its state several
times, and SQLite rewrites a changed row as a whole.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from reminder.ledger.tables.access import accounts, logins, sessions, tokens
from reminder.ledger.tables.base import metadata
from reminder.ledger.tables.decisions import alarms, claims
from reminder.ledger.tables.duties import duty_events, happenings, notes
from reminder.ledger.tables.plans import (
    adoptions,
    file_contents,
    file_versions,
    ledger_info,
    plan_versions,
    published_in_force,
    published_plans,
)
from reminder.ledger.tables.sending import (
    attempts,
    contents,
    deliveries,
    pauses,
    receivers,
    refusals,
    resolutions,
    troubles,
)

__all__ = [
    "AnyRow",
    "accounts",
    "adoptions",
    "alarms",
    "attempts",
    "claims",
    "contents",
    "deliveries",
    "duty_events",
    "file_contents",
    "file_versions",
    "happenings",
    "ledger_info",
    "logins",
    "metadata",
    "notes",
    "pauses",
    "plan_versions",
    "published_in_force",
    "published_plans",
    "receivers",
    "refusals",
    "resolutions",
    "sessions",
    "tokens",
    "troubles",
]

AnyRow = Row[*tuple[Any, ...]]
"""A row of any query."""
