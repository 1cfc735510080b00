"""The one-machine engine: a few threads a channel, draining the ledger's due deliveries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from reminder.delivery.deliver import Deliverer
from reminder.ledger.errors import LedgerError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Delivery, Transport, Wait

log = logging.getLogger(__name__)

THREADS_A_CHANNEL = 2
FETCH = 200
"""Deliveries read from the ledger at once."""


class ThreadEngine:
    """Hands due deliveries to threads.  A channel that hangs holds up only itself.

    ``wake`` is called when a thread has finished, so that the sweeper looks for
    more without waiting for its next tick.
    """

    def __init__(
        self,
        ledger: Ledger,
        plan_id: str,
        transport: Transport,
        deliverer: Deliverer,
        wake: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._plan_id = plan_id
        self._transport = transport
        self._deliverer = deliverer
        self._wake = wake
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._in_flight: dict[str, str] = {}
        self._waiting: set[str] = set()
        """Channels found to have no slot since the last kick: the others of that batch need not ask."""
        self._trouble: LedgerError | None = None
        self._resting = False
        self._lock = threading.Lock()
        self._closing = False

    def kick(self, now: datetime, elsewhere: Collection[str] = ()) -> int:
        """Submit what is due and not yet in flight; how many were submitted.

        ``elsewhere`` are deliveries that an engine retired by a reload still carries.

        Raises ``LedgerError`` while outcomes or intents cannot be written.  Then
        a single delivery was submitted, or none: its intent is the probe by
        which the engine notices that the ledger is well again.
        """
        self._deliverer.record_ends()
        self._deliverer.look(now)
        with self._lock:
            running = {*self._in_flight, *elsewhere}
            self._waiting.clear()
            self._resting = False
            trouble, self._trouble = self._trouble, None
        self._deliverer.take_up_orphans(now, running)
        self._ledger.expire(self._plan_id, self._transport, now)
        due = self._ledger.due(
            self._plan_id,
            self._transport,
            now,
            limit=FETCH if trouble is None else 1,
            skip_channels=tuple(self._busy_channels()),
        )
        submitted = sum(self._submit(delivery) for delivery in due)
        if trouble is not None:
            raise trouble
        return submitted

    def _submit(self, delivery: Delivery) -> bool:
        with self._lock:
            if self._closing or delivery.id in self._in_flight:
                return False
            self._in_flight[delivery.id] = delivery.channel
            pool = self._pools.get(delivery.channel)
            if pool is None:
                pool = ThreadPoolExecutor(THREADS_A_CHANNEL, thread_name_prefix=f"send-{delivery.channel}")
                self._pools[delivery.channel] = pool
            # Under the lock: a pool that close() has shut down takes nothing any more.
            pool.submit(self._work, delivery)
        return True

    def _busy_channels(self) -> list[str]:
        """Channels whose threads have enough to do: their backlog must not crowd out the others."""
        with self._lock:
            counts: dict[str, int] = {}
            for channel in self._in_flight.values():
                counts[channel] = counts.get(channel, 0) + 1
        return [channel for channel, count in counts.items() if count >= FETCH // 2]

    def _work(self, delivery: Delivery) -> None:
        try:
            if not (self._closing or self._resting or self._trouble or delivery.channel in self._waiting):
                came_of_it = self._deliverer.deliver(delivery)
                if isinstance(came_of_it, Wait) and came_of_it.whole_channel:
                    with self._lock:
                        self._waiting.add(delivery.channel)
        except LedgerError as error:
            # The intent could not be written, so nothing was sent.  What is queued behind it is
            # given back; the next kick tries one.
            log.error("nothing is sent that cannot be recorded", extra={"error": str(error)})
            with self._lock:
                self._trouble = error
        except Exception:
            # Found again as an orphan if its intent stands in the ledger.
            log.exception("delivery broke off", extra={"delivery": delivery.id})
        finally:
            with self._lock:
                self._in_flight.pop(delivery.id, None)
                idle = len(self._in_flight) < FETCH // 2 and self._trouble is None
            if idle:
                self._wake()

    def give_back(self) -> None:
        """What is queued is not to be sent until the next kick."""
        with self._lock:
            self._resting = True

    def rest(self, now: datetime, most: float) -> float:
        """Seconds until something is to be kicked again, at most ``most``.

        A slot that opens in the middle of a tick is not left unused until its end.
        """
        upcoming = self._ledger.next_after(self._plan_id, self._transport, now)
        return most if upcoming is None else min(most, (upcoming - now).total_seconds())

    @property
    def in_flight(self) -> frozenset[str]:
        """Deliveries handed to threads and not finished."""
        with self._lock:
            return frozenset(self._in_flight)

    def close(self, *, wait: bool = True) -> None:
        """Let what is being sent finish; what only waits stays pending in the ledger.

        Without ``wait`` it finishes by itself: :attr:`in_flight` says what still is.
        """
        with self._lock:
            self._closing = True
            pools = list(self._pools.values())
        for pool in pools:
            # What is queued runs, sees that the engine is closing, and gives its delivery back.
            pool.shutdown(wait=wait)
        try:
            self._deliverer.record_ends()
        except LedgerError as error:
            log.error("outcomes not recorded at the end", extra={"error": str(error)})
