"""What was decided about each rung of each occurrence, and about each receiver."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from reminder.ledger.columns import RowId, UtcDateTime
from reminder.ledger.tables.base import metadata

alarms = Table(
    "alarms",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("alarm", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("rung", Text, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("due", UtcDateTime, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    UniqueConstraint("plan_id", "transport", "alarm"),
    Index("ix_alarms_planned", "plan_id", "planned_at"),
    Index("ix_alarms_recorded", "plan_id", "recorded_at"),
    # The console pages through the lines of one item, or of one transport, newest first.
    Index("ix_alarms_item", "plan_id", "item", "planned_at"),
    Index("ix_alarms_transport", "plan_id", "transport", "planned_at"),
)
"""One rung of one occurrence, decided once for each transport."""


claims = Table(
    "claims",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("alarm_id", RowId, ForeignKey("alarms.id"), nullable=False),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    UniqueConstraint("alarm_id", "receiver", "channel"),
    # From a delivery that failed back to what it was made for.
    Index("ix_claims_message", "plan_id", "transport", "message"),
    Index("ix_claims_receiver", "plan_id", "receiver", "alarm_id"),
    Index(
        "ix_claims_unsent",
        "plan_id",
        "decision",
        "alarm_id",
        sqlite_where=text("message IS NULL"),
    ),
    Index(
        "ix_claims_postponed",
        "plan_id",
        "transport",
        "until",
        sqlite_where=text("decision = 'postpone'"),
    ),
)
"""Alarm × receiver × channel; many claims may name one message (a digest).

``until`` is when a postponed one is looked at again.
"""
