"""Several nodes: which job of the queue a delivery is in, and which node has its try in hand."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def row_id() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("job", row_id(), nullable=True))
    op.add_column("deliveries", sa.Column("node", row_id(), nullable=True))
    queued = sa.text("state = 'pending' AND job IS NOT NULL")
    op.create_index("ix_deliveries_job", "deliveries", ["job"], sqlite_where=queued, postgresql_where=queued)
