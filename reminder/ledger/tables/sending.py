"""Messages on their way: where each goes and stands, every try, and what went wrong."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from reminder.ledger.columns import RowId, UtcDateTime
from reminder.ledger.tables.base import metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("delivery", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # On several nodes: the job of the queue it is in, and who has its try in hand (see `work`).
    Column("job", RowId),
    Column("node", RowId),
    UniqueConstraint("plan_id", "delivery"),
    Index("ix_deliveries_message", "plan_id", "transport", "message"),
    Index("ix_deliveries_state", "plan_id", "transport", "state"),
    # What is still to be sent stays small however long the ledger grows.
    Index(
        "ix_deliveries_pending",
        "plan_id",
        "transport",
        "not_before",
        sqlite_where=text("state = 'pending'"),
    ),
    Index(
        "ix_deliveries_job",
        "job",
        sqlite_where=text("state = 'pending' AND job IS NOT NULL"),
    ),
    Index(
        "ix_deliveries_expiring",
        "plan_id",
        "transport",
        "expires_at",
        sqlite_where=text("state = 'pending'"),
    ),
)
"""One message, or one part of a split one: where it goes and where it stands."""


contents = Table(
    "contents",
    metadata,
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("plan_id", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("payload_sha256", Text, nullable=False),
)
"""The frozen bytes of a delivery, and what a person reads of them; never updated."""


attempts = Table(
    "attempts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", Text),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    UniqueConstraint("delivery_id", "number"),
    Index("ix_attempts_started", "plan_id", "transport", "channel", "started_at"),
)
"""One try: its intent, committed before; its outcome, after."""


receivers = Table(
    "receivers",
    metadata,
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("receiver", Text, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("address", Text, nullable=False),
)
"""Everyone a batch goes to; a delivery without rows here goes to its own ``receiver``."""


refusals = Table(
    "refusals",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("receiver", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    UniqueConstraint("delivery_id", "receiver"),
    Index("ix_refusals_message", "plan_id", "transport", "message"),
    Index("ix_refusals_at", "plan_id", "transport", "at"),
)
"""Receivers whom a server refused while it took the message for the others."""


resolutions = Table(
    "resolutions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Index("ix_resolutions_delivery", "delivery_id", "id"),
)
"""What was decided about deliveries beside their tries, and by whom."""


pauses = Table(
    "pauses",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("strikes", Integer, nullable=False),
    Column("lasting", Boolean, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("ended_by", Text),
    Index(
        "ix_pauses_open",
        "plan_id",
        "transport",
        "channel",
        sqlite_where=text("ended_at IS NULL"),
    ),
)
"""When nothing was tried on a channel, why, and who or what ended it."""


troubles = Table(
    "troubles",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("channel", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id")),
    Column("receiver", Text, nullable=False),
    Column("told_at", UtcDateTime),
    # Before a delivery leaves the ledger it is asked for by number whether a trouble names it.
    Index("ix_troubles_delivery", "delivery_id"),
    Index(
        "ix_troubles_untold",
        "plan_id",
        "transport",
        sqlite_where=text("told_at IS NULL"),
    ),
)
"""What the admins must be told of, written with the change that caused it, and when they were."""
