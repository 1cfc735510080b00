"""What keeps a ledger: the small interface behind which SQLite and PostgreSQL stand.

Everything above it speaks SQLAlchemy Core to a connection and does not ask
which database it is; what only a file can do (be copied, be overwritten) is
asked of :class:`~reminder.ledger.storage_sqlite.SqliteStorage` alone.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

BUSY_TIMEOUT = 30.0
"""Seconds to wait for another program that writes."""


class Storage(Protocol):
    """One open ledger, safe to use from several threads."""

    @property
    def place(self) -> str:
        """Where the ledger is, as people are told: a file, or an address without its password."""

    @property
    def queue(self) -> str | None:
        """What a queue beside the ledger is connected to, with the password; None where there is none."""

    @property
    def upgrades_itself(self) -> bool:
        """Whether opening makes and migrates it; else only ``reminder migrate`` does."""

    def write(self, plan_id: str = "", *, beside: bool = False) -> AbstractContextManager[Connection]:
        """One transaction; committed, and on disk, when the block ends; rolled back when it raises.

        While it lasts nobody else writes for this plan, or for any plan if
        ``plan_id`` is empty: what was read in it is still so when it commits.
        ``beside`` is for what depends on nothing but rows that it locks itself,
        and on what is only ever written without it (a channel's pause): others of
        that kind may then write at the same time, and their numbers become
        visible in any order.
        """

    def read(self) -> AbstractContextManager[Connection]:
        """One snapshot; cannot write, and does not wait for writers."""

    def make(self) -> AbstractContextManager[Connection]:
        """One write transaction in which the first tables are made."""

    def rebuild(self) -> AbstractContextManager[Connection]:
        """One write transaction for migrating the tables: nobody else writes meanwhile."""

    def keep(self, revision: str, now: datetime) -> str:
        """Inside :meth:`rebuild`, keep the ledger as it was; what to tell people of it, if it goes wrong."""

    def faults(self) -> list[str]:
        """What is wrong with what is stored, mostly in the database's own words; may read all of it."""

    def fold(self) -> None:
        """Bring what was committed to where a copy of the ledger would find it, if that can be done."""

    def close(self) -> None:
        """Give back every connection."""


def plain_json(value: object) -> str:
    """JSON with Chinese left readable."""
    return json.dumps(value, ensure_ascii=False)
