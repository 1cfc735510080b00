"""The one-machine engine: a few threads a channel, draining the ledger's due deliveries."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from reminder.delivery.conduct import ABREAST
from reminder.delivery.deliver import Deliverer
from reminder.ledger.errors import LedgerError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd, Delivery, Transport

log = logging.getLogger(__name__)

FETCH = 1000
"""Deliveries read from the ledger at once."""
ENOUGH = FETCH // 5
"""A channel with so many in hand is not read for: its backlog must not crowd out the others.

What is in hand is due longest and read again with the rest, so it should be few."""
A_THREAD_MORE = 8
"""Deliveries in line that are worth another thread, and with it another login at the server."""


@dataclass(slots=True)
class _Lane:
    """One channel's threads and what is left for them.  Guarded by the engine's lock."""

    pool: ThreadPoolExecutor
    abreast: int
    queue: deque[Delivery] = field(default_factory=deque)
    working: int = 0
    """Threads at work, or about to be."""
    in_hand: int = 0
    """Deliveries of the channel in flight, those in the queue included."""


class ThreadEngine:
    """Hands due deliveries to threads.  A channel that hangs holds up only itself.

    ``wake`` is called when a channel's threads run out of work, so that the
    sweeper looks for more without waiting for its next tick.
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
        self._lanes: dict[str, _Lane] = {}
        self._in_flight: set[str] = set()
        self._done_since: set[str] = set()
        """Done since the last kick began: what it reads may still show them as due."""
        self._trouble: LedgerError | None = None
        self._lock = threading.Lock()
        self._closing = False

    def kick(
        self,
        now: datetime,
        elsewhere: Collection[str] = (),
        *,
        own_only: bool = False,  # noqa: ARG002 - there is nobody else
    ) -> int:
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
            self._done_since.clear()
            trouble, self._trouble = self._trouble, None
        self._deliverer.take_up_orphans(now, running)
        self._ledger.spool.expire(self._plan_id, self._transport, now)
        due = self._ledger.spool.due(
            self._plan_id,
            self._transport,
            now,
            limit=FETCH if trouble is None else 1,
            skip_channels=tuple(self._busy_channels()),
        )
        with self._lock:
            submitted = sum(self._submit(delivery) for delivery in due)
        if trouble is not None:
            raise trouble
        return submitted

    def _submit(self, delivery: Delivery) -> bool:
        """Under the lock: nothing is put into the pool of a lane that :meth:`close` has shut down."""
        if self._closing or delivery.id in self._in_flight or delivery.id in self._done_since:
            return False
        lane = self._lanes.get(delivery.channel)
        if lane is None:
            abreast = self._deliverer.abreast(delivery.channel)
            pool = ThreadPoolExecutor(abreast, thread_name_prefix=f"send-{delivery.channel}")
            lane = self._lanes[delivery.channel] = _Lane(pool, abreast)
        self._in_flight.add(delivery.id)
        lane.in_hand += 1
        lane.queue.append(delivery)
        if lane.working < min(lane.abreast, ABREAST + len(lane.queue) // A_THREAD_MORE):
            lane.working += 1
            lane.pool.submit(self._work, lane)
        return True

    def _busy_channels(self) -> list[str]:
        with self._lock:
            return [channel for channel, lane in self._lanes.items() if lane.in_hand >= ENOUGH]

    def _work(self, lane: _Lane) -> None:
        """Until the lane is empty.  A try's outcome is committed together with the intent of the next."""
        last: AttemptEnd | None = None
        while (delivery := self._next(lane)) is not None:
            ended, last = last, None
            try:
                begun = self._deliverer.begin(delivery, ended)
                if isinstance(begun, int):
                    last = self._deliverer.attempt(delivery, begun)
                elif begun is None or begun.whole_channel:
                    # None of the others has a slot either; or they are no longer as they were read.
                    self._give_back(lane)
            except LedgerError as error:
                # The intent could not be written, so nothing was sent.  What is queued is given
                # back; the next kick tries one.
                log.error("nothing is sent that cannot be recorded", extra={"error": str(error)})
                self.give_back()
                with self._lock:
                    self._trouble = error
            except Exception:
                # Found again as an orphan if its intent stands in the ledger.
                log.exception("delivery broke off", extra={"delivery": delivery.id})
            finally:
                if ended is not None:
                    self._done(lane, ended.delivery)
                if last is None:
                    self._done(lane, delivery.id)
        if last is not None:
            self._deliverer.end(last)
            self._done(lane, last.delivery)
        with self._lock:
            idle = not lane.in_hand and self._trouble is None
        if idle:
            self._wake()

    def _next(self, lane: _Lane) -> Delivery | None:
        """What is longest due of the lane; None, and one thread less, if there is nothing."""
        with self._lock:
            if lane.queue:
                return lane.queue.popleft()
            lane.working -= 1
            return None

    def _done(self, lane: _Lane, delivery_id: str) -> None:
        with self._lock:
            self._in_flight.discard(delivery_id)
            self._done_since.add(delivery_id)
            lane.in_hand -= 1
            low = lane.in_hand == ENOUGH - 1 and self._trouble is None
        if low:
            self._wake()

    def _give_back(self, lane: _Lane) -> None:
        with self._lock:
            self._forget(lane)

    def _forget(self, lane: _Lane) -> None:
        self._in_flight.difference_update(delivery.id for delivery in lane.queue)
        lane.in_hand -= len(lane.queue)
        lane.queue.clear()

    def give_back(self) -> None:
        """What is queued is not to be sent until the next kick."""
        with self._lock:
            for lane in self._lanes.values():
                self._forget(lane)

    def stand_aside(self) -> None:
        """There is nobody else: as :meth:`give_back`."""
        self.give_back()

    def rest(self, now: datetime, most: float) -> float:
        """Seconds until something is to be kicked again, at most ``most``.

        A slot that opens in the middle of a tick is not left unused until its end.
        """
        upcoming = self._ledger.spool.next_after(self._plan_id, self._transport, now)
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
            for lane in self._lanes.values():
                self._forget(lane)
            pools = [lane.pool for lane in self._lanes.values()]
        for pool in pools:
            pool.shutdown(wait=wait)
        try:
            self._deliverer.record_ends()
        except LedgerError as error:
            log.error("outcomes not recorded at the end", extra={"error": str(error)})
