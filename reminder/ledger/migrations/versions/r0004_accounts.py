"""Accounts, sessions, the log of logins, tokens of programs; indexes by which pages read the ledger."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def row_id() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def instant() -> sa.types.TypeEngine[Any]:
    return sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("changed_at", instant(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("initial", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "user", name="pk_accounts"),
    )
    op.create_table(
        "sessions",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("began_at", instant(), nullable=False),
        sa.Column("seen_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "token", name="pk_sessions"),
    )
    op.create_table(
        "logins",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_logins"),
    )
    op.create_index("ix_logins_user", "logins", ["plan_id", "user", "id"])
    op.create_index("ix_logins_at", "logins", ["plan_id", "at"])
    op.create_table(
        "tokens",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("made_at", instant(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("expires_at", instant(), nullable=False),
        sa.Column("used_at", instant(), nullable=True),
        sa.Column("revoked_at", instant(), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("plan_id", "name", name="pk_tokens"),
        sa.UniqueConstraint("token", name="uq_tokens_token"),
    )
    op.create_index("ix_alarms_item", "alarms", ["plan_id", "item", "planned_at"])
    op.create_index("ix_alarms_transport", "alarms", ["plan_id", "transport", "planned_at"])
    op.create_index("ix_claims_receiver", "claims", ["plan_id", "receiver", "alarm_id"])
    op.create_index(
        "ix_claims_unsent",
        "claims",
        ["plan_id", "decision", "alarm_id"],
        sqlite_where=sa.text("message IS NULL"),
        postgresql_where=sa.text("message IS NULL"),
    )
