"""Months: on PostgreSQL what grows without end gets parts; what refers to a delivery is found by its number.

The tables become the live parts as they are.  Old messages are filed by month
afterwards, a few at a time: see ``reminder.ledger.parts``, whose ``divide`` belongs
to this revision and changes no more.
"""

from __future__ import annotations

from alembic import op

from reminder.ledger.parts import divide

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_troubles_delivery", "troubles", ["delivery_id"])
    divide(op.get_bind())
