"""Deliveries on their way: what is due, the intent before each try and its outcome, and what becomes of the rest.

Every method is one transaction; those that write have committed, synced to disk,
when they return.  Times come in aware, and come back in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from reminder.ledger import expiring, queue, recovery, sending, slots
from reminder.ledger.errors import LedgerError, LedgerUnsure
from reminder.ledger.records import AttemptEnd, Delivery, DeliveryState, HandDecision, Quota, Transport, Wait
from reminder.ledger.sending import Begun
from reminder.ledger.storage import Storage


class Spool:
    """Of one open ledger.  Safe to use from several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def due(
        self,
        plan_id: str,
        transport: Transport,
        now: datetime,
        *,
        limit: int,
        skip_channels: Collection[str] = (),
    ) -> list[Delivery]:
        """Pending with ``not_before`` ≤ now < ``expires_at`` on no paused channel, longest due first."""
        with self._storage.read() as connection:
            return queue.due(connection, plan_id, transport, now, limit=limit, skip_channels=skip_channels)

    def next_instant(self, plan_id: str, transport: Transport) -> datetime | None:
        """When a pending delivery next becomes due or expires; past if one is due already."""
        with self._storage.read() as connection:
            return queue.next_instant(connection, plan_id, transport)

    def next_after(self, plan_id: str, transport: Transport, now: datetime) -> datetime | None:
        """The first instant after ``now`` at which a pending delivery becomes due."""
        with self._storage.read() as connection:
            return queue.next_after(connection, plan_id, transport, now)

    def begin(
        self,
        plan_id: str,
        delivery_id: str,
        now: datetime,
        quotas: Mapping[str, Sequence[Quota]] | None = None,
    ) -> int | Wait | None:
        """Commit the intent to try; the attempt's number (from 1), a wait, or None.

        A wait: it has no slot under the ``quotas`` of its channel and its
        ``not_before`` was moved to when it has, or the channel is paused; no try
        is counted.
        None: somebody else has it, or it is not pending and due at ``now`` (any
        more).
        """
        begun = self.advance(plan_id, (), [delivery_id], now, quotas or {})
        return begun.numbers.get(delivery_id) or begun.waits.get(delivery_id)

    def begin_many(
        self,
        plan_id: str,
        delivery_ids: Iterable[str],
        now: datetime,
        quotas: Mapping[str, Sequence[Quota]] | None = None,
    ) -> dict[str, int]:
        """:meth:`begin` for many in one transaction, ``quotas`` by channel; holds only those that were won."""
        return dict(self.advance(plan_id, (), delivery_ids, now, quotas or {}).numbers)

    def advance(
        self,
        plan_id: str,
        ends: Iterable[AttemptEnd],
        delivery_ids: Iterable[str],
        now: datetime,
        quotas: Mapping[str, Sequence[Quota]],
        node: int | None = None,
    ) -> Begun:
        """:meth:`finish_many` and then :meth:`begin_many`, in one transaction.

        ``quotas`` are those of the channels of these deliveries.  ``node`` is who
        tries, where there are several; one that the others have given up begins
        nothing.
        """
        ends = list(ends)
        # Counted slots must not be counted twice; other nodes' tries are no matter of this one's.
        beside = not quotas and all(map(sending.is_plain, ends))
        begun: Begun | None = None
        try:
            with self._storage.write(plan_id, beside=beside) as connection:
                begun = sending.advance(connection, plan_id, ends, delivery_ids, now, quotas, node)
        except LedgerUnsure:
            # What was begun can be seen: it is this node's, since this instant, and nobody else's.
            found = False
            if begun is not None and begun.numbers:
                with suppress(LedgerError), self._storage.read() as connection:
                    found = sending.stands(connection, plan_id, begun, now, node)
            if begun is None or not found:
                raise
        return begun

    def postpone(self, plan_id: str, delivery_id: str, until: datetime, now: datetime) -> bool:
        """Let a pending delivery wait until an instant; False if it waits as long already."""
        with self._storage.write(plan_id) as connection:
            return slots.postpone(connection, plan_id, delivery_id, until, now)

    def finish(
        self,
        plan_id: str,
        delivery_id: str,
        number: int,
        now: datetime,
        *,
        outcome: str,
        code: str = "",
        detail: str = "",
        state: DeliveryState,
        not_before: datetime | None = None,
    ) -> bool:
        """Commit what came of an attempt, and where the delivery stands after it.

        False, and nothing changed, if the delivery is no longer in that attempt.
        Raises ``ValueError`` for a state no attempt ends in, and for pending
        without ``not_before``.
        """
        end = AttemptEnd(delivery_id, number, now, outcome, state, code, detail, not_before)
        return bool(self.finish_many(plan_id, [end]))

    def finish_many(self, plan_id: str, ends: Iterable[AttemptEnd]) -> set[str]:
        """:meth:`finish` for many in one transaction; the deliveries whose end was taken."""
        ends = list(ends)
        with self._storage.write(plan_id, beside=all(map(sending.is_plain, ends))) as connection:
            return sending.finish_many(connection, plan_id, ends)

    def sending(self, plan_id: str, transport: Transport) -> set[str]:
        """Deliveries whose try is open, or was left open by whoever began it."""
        with self._storage.read() as connection:
            return recovery.sending(connection, plan_id, transport)

    def interrupted(
        self, plan_id: str, transport: Transport, now: datetime, only: Collection[str] | None = None
    ) -> list[Delivery]:
        """What was left in sending; its open attempts are closed as uncertain.

        Without ``only`` all of it: call that before anything is sent.  Decide
        each with :meth:`resolve`.
        """
        if not self.sending(plan_id, transport):
            return []
        with self._storage.write(plan_id) as connection:
            return recovery.interrupted(connection, plan_id, transport, now, only)

    def resolve(
        self,
        plan_id: str,
        delivery_id: str,
        state: DeliveryState,
        not_before: datetime | None,
        now: datetime,
    ) -> bool:
        """Decide an interrupted delivery (any end of an attempt) or an uncertain one (pending).

        False if there was nothing to decide: decided already, or being sent.
        Raises ``ValueError`` as :meth:`finish` does.
        """
        with self._storage.write(plan_id) as connection:
            return recovery.resolve(connection, plan_id, delivery_id, state, not_before, now)

    def decide(
        self, plan_id: str, delivery_id: str, decision: HandDecision, *, by: str, now: datetime
    ) -> bool:
        """A person decides about an uncertain delivery; recorded with the name.

        False, and nothing changed, if it is not uncertain, or is to be sent
        again past its ``expires_at``.
        """
        with self._storage.write(plan_id) as connection:
            return recovery.decide(connection, plan_id, delivery_id, decision, by, now)

    def put_up(self, plan_id: str, delivery_id: str, *, by: str, now: datetime) -> bool:
        """A person puts up once more what failed for good; recorded with the name.

        False, and nothing changed, if it has not failed, is past its
        ``expires_at``, or another channel took its place.
        """
        with self._storage.write(plan_id) as connection:
            return recovery.put_up(connection, plan_id, delivery_id, by, now)

    def leave(self, plan_id: str, delivery_id: str, *, by: str, now: datetime) -> bool:
        """A person lets rest what failed: no other channel takes it over; recorded with the name, once."""
        with self._storage.write(plan_id) as connection:
            return recovery.leave(connection, plan_id, delivery_id, by, now)

    def delivery(self, plan_id: str, delivery_id: str) -> Delivery | None:
        """One delivery as it stands."""
        with self._storage.read() as connection:
            return queue.one(connection, plan_id, delivery_id)

    def expire(self, plan_id: str, transport: Transport, now: datetime) -> list[Delivery]:
        """Give up pending deliveries past ``expires_at``; those that were given up."""
        with self._storage.read() as connection:
            if not expiring.any_expired(connection, plan_id, transport, now):
                return []
        with self._storage.write(plan_id) as connection:
            return expiring.expire(connection, plan_id, transport, now)

    def attempts_since(
        self, plan_id: str, channel: str, since: datetime, transport: Transport
    ) -> list[datetime]:
        """When tries on a channel began, retries included, at or after ``since``; oldest first."""
        with self._storage.read() as connection:
            return queue.attempts_since(connection, plan_id, channel, since, transport)
