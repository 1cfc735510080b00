"""The ledger itself, plans as they came into force, and what their files said."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from reminder.ledger.columns import Json, RowId, UtcDateTime
from reminder.ledger.tables.base import metadata

ledger_info = Table(
    "ledger_info",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What this ledger is for (``kind``) and when it was made (``created``)."""


plan_versions = Table(
    "plan_versions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("files", Json, nullable=False),
    Column("diff", Json, nullable=False),
    Index("ix_plan_versions_plan_id_id", "plan_id", "id"),
)
"""Each plan that was in force: from when, by whom, the hash of every file, what changed."""


adoptions = Table(
    "adoptions",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("transport", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("rung", Text, primary_key=True),
    Column("adopted_at", UtcDateTime, nullable=False),
)
"""When a rung first stood in an accepted plan; instants before that are never sent."""


file_contents = Table(
    "file_contents",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""What a file of the plan, its calendar or its templates said, once for each content."""


file_versions = Table(
    "file_versions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("remark", Text, nullable=False),
    Index("ix_file_versions_name", "plan_id", "name", "id"),
)
"""Which content stood in which file from when on, who put it there, and why."""


published_plans = Table(
    "published_plans",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("edition", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("remark", Text, nullable=False),
    Column("files", Json, nullable=False),
    UniqueConstraint("plan_id", "number"),
)
"""Each version of a plan that the nodes take from the ledger: all its files by name and SHA-256.

What they say stands in ``file_contents``.  ``edition`` is the digest under which
it comes into force.
"""


published_in_force = Table(
    "published_in_force",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("remark", Text, nullable=False),
)
"""Which of them is in force, since when, and who put it so; number 0: none any more."""
