"""What several nodes share out among themselves: jobs, what each has in hand, and what dead ones left.

On SQLite, where there is one machine, none of it finds anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from reminder.ledger import recovery, tenants, work
from reminder.ledger.records import Delivery, Transport
from reminder.ledger.storage import Storage


class NodesWork:
    """Of one open ledger; safe to use from several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put_up_due(self, plan_id: str, transport: Transport, now: datetime) -> int:
        """Jobs for what is due and in no job that waits or runs; how many deliveries they hold."""
        with self._storage.read() as connection:
            if not work.any_without_job(connection, plan_id, transport, now):
                return 0
        with self._storage.write(plan_id) as connection:
            return work.put_up_due(connection, plan_id, transport, now)

    def numbers(self) -> Mapping[str, int]:
        """How far the tables have come whose rows :meth:`stirred` looks for."""
        with self._storage.read() as connection:
            return tenants.numbers(connection)

    def stirred(self, since: Mapping[str, int], now: datetime) -> set[str]:
        """The plans of which something was recorded since :meth:`numbers`, or is to be sent now."""
        with self._storage.read() as connection:
            return tenants.stirred(connection, since, now)

    def in_the_middle(self, plan_ids: Collection[str]) -> set[str]:
        """Those of these plans of which something is being sent, by whomever."""
        with self._storage.read() as connection:
            return tenants.in_the_middle(connection, plan_ids)

    def batch(self, plan_id: str, transport: Transport, job: int, now: datetime) -> list[Delivery]:
        """What is still to be tried of a job, longest due first."""
        with self._storage.read() as connection:
            return work.batch(connection, plan_id, transport, job, now)

    def waiting_channels(self, plan_id: str, transport: Transport, now: datetime) -> list[str]:
        """Channels with something due."""
        with self._storage.read() as connection:
            return work.waiting_channels(connection, plan_id, transport, now)

    def in_hand(self, plan_id: str, transport: Transport, node: int) -> set[str]:
        """Deliveries whose try this node has begun and not ended."""
        with self._storage.read() as connection:
            return work.in_hand(connection, plan_id, transport, node)

    def left_behind(self, plan_id: str, transport: Transport, now: datetime) -> list[Delivery]:
        """What dead nodes left in sending; its open attempts are closed as uncertain.  Decide each with :meth:`~reminder.ledger.spool.Spool.resolve`."""
        with self._storage.read() as connection:
            if not work.left_behind(connection, plan_id, transport):
                return []
        with self._storage.write(plan_id) as connection:
            # Asked again: nobody begins anything while the plan's lock is held.
            lost = work.left_behind(connection, plan_id, transport)
            return recovery.interrupted(connection, plan_id, transport, now, lost)
