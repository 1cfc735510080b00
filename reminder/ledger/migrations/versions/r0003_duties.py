"""Duties and other facts, and claims that wait for their time.

New tables, one new column that is empty in every row there is, one index.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def row_id() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def instant() -> sa.types.TypeEngine[Any]:
    return sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("claims", sa.Column("until", instant(), nullable=True))
    op.create_index(
        "ix_claims_postponed",
        "claims",
        ["plan_id", "transport", "until"],
        sqlite_where=sa.text("decision = 'postpone'"),
        postgresql_where=sa.text("decision = 'postpone'"),
    )
    op.create_table(
        "duty_events",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("on_day", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("in_place_of", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_duty_events"),
        sa.UniqueConstraint(
            "plan_id", "occurrence", "cell", "turn", name="uq_duty_events_plan_id_occurrence_cell_turn"
        ),
    )
    op.create_index("ix_duty_events_plan_id_id", "duty_events", ["plan_id", "id"])
    op.create_table(
        "happenings",
        sa.Column("id", row_id(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", instant(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_happenings"),
        sa.UniqueConstraint("plan_id", "kind", "key", name="uq_happenings_plan_id_kind_key"),
    )
    op.create_index("ix_happenings_plan_id_id", "happenings", ["plan_id", "id"])
