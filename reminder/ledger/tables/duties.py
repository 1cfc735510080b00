"""What happened beside the sending: duties, what else the agenda listens to, and notes."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from reminder.ledger.columns import Json, RowId, UtcDateTime
from reminder.ledger.tables.base import metadata

duty_events = Table(
    "duty_events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("cell", Text, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("way", Text, nullable=False),
    Column("on_day", Text),
    Column("note", Text, nullable=False),
    Column("in_place_of", Text, nullable=False),
    UniqueConstraint("plan_id", "occurrence", "cell", "turn"),
    Index("ix_duty_events_plan_id_id", "plan_id", "id"),
)
"""What became of what is owed: one row a transition, numbered within its cell.

``note`` is empty for every private item: of a talk the date is kept, and who
recorded it, and nothing else.
"""


happenings = Table(
    "happenings",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("detail", Json, nullable=False),
    UniqueConstraint("plan_id", "kind", "key"),
    Index("ix_happenings_plan_id_id", "plan_id", "id"),
)
"""Events registered, lots, silences, snoozes, approvals: what else the agenda listens to."""


notes = Table(
    "notes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("detail", Json, nullable=False),
    Index("ix_notes_kind", "plan_id", "kind", "id"),
)
"""Anything else that happened."""
