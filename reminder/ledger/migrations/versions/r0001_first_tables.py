"""The first tables.

A revision is frozen once released: it imports no table of the package.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def row_id() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def instant() -> sa.types.TypeEngine[Any]:
    return sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    pending = sa.text("state = 'pending'")
    op.create_table(
        "ledger_info",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_ledger_info"),
    )
    op.create_table(
        "plan_versions",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("accepted_at", instant(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("diff", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plan_versions"),
    )
    op.create_index("ix_plan_versions_plan_id_id", "plan_versions", ["plan_id", "id"])
    op.create_table(
        "adoptions",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("rung", sa.Text(), nullable=False),
        sa.Column("adopted_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "transport", "item", "rung", name="pk_adoptions"),
    )
    op.create_table(
        "alarms",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("alarm", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("rung", sa.Text(), nullable=False),
        sa.Column("planned_at", instant(), nullable=False),
        sa.Column("due", instant(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
        sa.UniqueConstraint("plan_id", "transport", "alarm", name="uq_alarms_plan_id_transport_alarm"),
    )
    op.create_index("ix_alarms_planned", "alarms", ["plan_id", "planned_at"])
    op.create_index("ix_alarms_recorded", "alarms", ["plan_id", "recorded_at"])
    op.create_table(
        "claims",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("alarm_id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("recorded_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
        sa.UniqueConstraint("alarm_id", "receiver", "channel", name="uq_claims_alarm_id_receiver_channel"),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name="fk_claims_alarm_id_alarms"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("planned_at", instant(), nullable=False),
        sa.Column("not_before", instant(), nullable=False),
        sa.Column("expires_at", instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("created_at", instant(), nullable=False),
        sa.Column("updated_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("plan_id", "delivery", name="uq_deliveries_plan_id_delivery"),
    )
    op.create_index(
        "ix_deliveries_expiring",
        "deliveries",
        ["plan_id", "transport", "expires_at"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index("ix_deliveries_message", "deliveries", ["plan_id", "transport", "message"])
    op.create_index(
        "ix_deliveries_pending",
        "deliveries",
        ["plan_id", "transport", "not_before"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index("ix_deliveries_state", "deliveries", ["plan_id", "transport", "state"])
    op.create_table(
        "contents",
        sa.Column("delivery_id", row_id(), nullable=False, autoincrement=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_contents"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_contents_delivery_id_deliveries"
        ),
    )
    op.create_table(
        "attempts",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("delivery_id", row_id(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", instant(), nullable=False),
        sa.Column("finished_at", instant(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.UniqueConstraint("delivery_id", "number", name="uq_attempts_delivery_id_number"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_attempts_delivery_id_deliveries"
        ),
    )
    op.create_index("ix_attempts_started", "attempts", ["plan_id", "transport", "channel", "started_at"])
    op.create_table(
        "notes",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=True),
        sa.Column("at", instant(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
    )
    op.create_index("ix_notes_kind", "notes", ["plan_id", "kind", "id"])
