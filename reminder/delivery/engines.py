"""The one-machine engine: a few threads a channel, draining the ledger's due deliveries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from reminder.delivery.deliver import Deliverer
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Delivery, Transport

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
        self._lock = threading.Lock()
        self._closing = False

    def kick(self, now: datetime) -> int:
        """Submit what is due and not yet in flight; how many were submitted."""
        self._ledger.expire(self._plan_id, self._transport, now)
        due = self._ledger.due(
            self._plan_id, self._transport, now, limit=FETCH, skip_channels=tuple(self._busy_channels())
        )
        submitted = 0
        for delivery in due:
            with self._lock:
                if self._closing or delivery.id in self._in_flight:
                    continue
                self._in_flight[delivery.id] = delivery.channel
                pool = self._pools.get(delivery.channel)
                if pool is None:
                    pool = ThreadPoolExecutor(
                        THREADS_A_CHANNEL, thread_name_prefix=f"send-{delivery.channel}"
                    )
                    self._pools[delivery.channel] = pool
            pool.submit(self._work, delivery)
            submitted += 1
        return submitted

    def _busy_channels(self) -> list[str]:
        """Channels whose threads have enough to do: their backlog must not crowd out the others."""
        with self._lock:
            counts: dict[str, int] = {}
            for channel in self._in_flight.values():
                counts[channel] = counts.get(channel, 0) + 1
        return [channel for channel, count in counts.items() if count >= FETCH // 2]

    def _work(self, delivery: Delivery) -> None:
        try:
            if not self._closing:
                self._deliverer.deliver(delivery)
        except Exception:
            # The ledger could not be written: the delivery stays in flight there
            # and is taken up when the ledger is well again.
            log.exception("delivery not recorded", extra={"delivery": delivery.id})
        finally:
            with self._lock:
                self._in_flight.pop(delivery.id, None)
                idle = len(self._in_flight) < FETCH // 2
            if idle:
                self._wake()

    @property
    def busy(self) -> int:
        """Deliveries handed to threads and not finished."""
        with self._lock:
            return len(self._in_flight)

    def close(self, *, wait: bool = True) -> None:
        """Let what is being sent finish; what only waits stays pending in the ledger."""
        with self._lock:
            self._closing = True
            pools = list(self._pools.values())
        for pool in pools:
            pool.shutdown(wait=wait, cancel_futures=True)
