"""Batches, refused receivers, decisions by hand, pauses of channels, what to tell.

New tables and an index only: no row that was written before is touched.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def row_id() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def instant() -> sa.types.TypeEngine[Any]:
    return sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_index("ix_claims_message", "claims", ["plan_id", "transport", "message"])
    op.create_table(
        "receivers",
        sa.Column("delivery_id", row_id(), nullable=False, autoincrement=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "receiver", name="pk_receivers"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_receivers_delivery_id_deliveries"
        ),
    )
    op.create_table(
        "refusals",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("delivery_id", row_id(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refusals"),
        sa.UniqueConstraint("delivery_id", "receiver", name="uq_refusals_delivery_id_receiver"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_refusals_delivery_id_deliveries"
        ),
    )
    op.create_index("ix_refusals_at", "refusals", ["plan_id", "transport", "at"])
    op.create_index("ix_refusals_message", "refusals", ["plan_id", "transport", "message"])
    op.create_table(
        "resolutions",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("delivery_id", row_id(), nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_resolutions"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_resolutions_delivery_id_deliveries"
        ),
    )
    op.create_index("ix_resolutions_delivery", "resolutions", ["delivery_id", "id"])
    still_open = sa.text("ended_at IS NULL")
    op.create_table(
        "pauses",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("since", instant(), nullable=False),
        sa.Column("until", instant(), nullable=True),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.Column("lasting", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("ended_at", instant(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_pauses"),
    )
    op.create_index(
        "ix_pauses_open",
        "pauses",
        ["plan_id", "transport", "channel"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    untold = sa.text("told_at IS NULL")
    op.create_table(
        "troubles",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("delivery_id", row_id(), nullable=True),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("told_at", instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_troubles"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_troubles_delivery_id_deliveries"
        ),
    )
    op.create_index(
        "ix_troubles_untold",
        "troubles",
        ["plan_id", "transport"],
        sqlite_where=untold,
        postgresql_where=untold,
    )
