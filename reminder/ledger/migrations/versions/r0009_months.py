"""Months that leave the ledger: what refers to a delivery is found by its number."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_troubles_delivery", "troubles", ["delivery_id"])
