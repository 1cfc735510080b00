"""Who may come in, who is in, and who came to the door."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Table,
    Text,
    UniqueConstraint,
)

from reminder.ledger.columns import RowId, UtcDateTime
from reminder.ledger.tables.base import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("roles", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("password", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("initial", Boolean, nullable=False),
)
"""Who may log in to the console: roles, and the hash of a password."""


sessions = Table(
    "sessions",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
"""Who is in, by the hash of the browser's token."""


logins = Table(
    "logins",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("user", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("event", Text, nullable=False),
    Index("ix_logins_user", "plan_id", "user", "id"),
    Index("ix_logins_at", "plan_id", "at"),
)
"""Who came to the door, when, from where, and what came of it.

``origin`` is what failures are counted by: an address, or an IPv6 network.
``device`` names a browser that the user has logged in with before.
"""


tokens = Table(
    "tokens",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", Text),
    UniqueConstraint("token", name="uq_tokens_token"),
)
"""By what programs come in; ``token`` is the SHA-256 of what they show."""
