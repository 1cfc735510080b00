"""The engine of several nodes: jobs of Procrastinate over the ledger on PostgreSQL.

A job is a batch of one channel, written with its deliveries by whoever swept;
any node that runs the plan may fetch it.  Each channel has its own queue and its
own threads, so one that hangs holds up only itself, and so has each plan: its
backlog is before nobody else's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from datetime import datetime

from reminder.clock import Clock
from reminder.delivery.deliver import Deliverer
from reminder.delivery.engines.node import Lane, Node
from reminder.ledger.errors import LedgerError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd, Transport
from reminder.ledger.work import queue_of

log = logging.getLogger(__name__)


class QueueEngine:
    """Carries out jobs of one plan.  ``node`` outlives it."""

    def __init__(
        self,
        ledger: Ledger,
        plan_id: str,
        transport: Transport,
        deliverer: Deliverer,
        node: Node,
        clock: Clock,
        channels: Collection[str],
    ) -> None:
        self._ledger = ledger
        self._plan_id = plan_id
        self._transport = transport
        self._deliverer = deliverer
        self._node = node
        self._clock = clock
        self._channels = frozenset(channels)
        self._lanes: dict[str, Lane] = {}
        self._in_flight: set[str] = set()
        self._trouble: LedgerError | None = None
        self._lock = threading.Lock()
        self._resting = True
        self._closing = False

    def kick(self, now: datetime, elsewhere: Collection[str] = (), *, own_only: bool = False) -> int:
        """Serve the channels; give what is due a job if it has none, and take up what dead nodes left.

        How many deliveries were given one.  Harmless when every node does it.
        Raises ``LedgerError`` if the last batch could not be recorded.
        """
        self._deliverer.record_ends()
        self._deliverer.look(now)
        with self._lock:
            running = {*self._in_flight, *elsewhere}
            trouble, self._trouble = self._trouble, None
            self._resting = self._closing
        if self._node.is_time_to_sweep(self._plan_id):
            self._deliverer.take_up_orphans(now, running)
            self._deliverer.take_up_left_behind(now)
        self._ledger.spool.expire(self._plan_id, self._transport, now)
        waiting = self._ledger.nodes.waiting_channels(self._plan_id, self._transport, now)
        if own_only:
            self._leave_lanes(but=self._channels, wait=False)
        for channel in self._channels if own_only else self._channels.union(waiting):
            self._serve(channel)
        put_up = 0
        if waiting and not self._closing:
            put_up = self._ledger.nodes.put_up_due(self._plan_id, self._transport, now)
        self._node.stir()
        if trouble is not None:
            raise trouble
        return put_up

    def _serve(self, channel: str) -> None:
        with self._lock:
            if self._closing or channel in self._lanes:
                return
            queue = queue_of(self._plan_id, self._transport, channel)
            self._lanes[channel] = self._node.lane(
                queue, self._deliverer.abreast(channel), f"send-{channel}", self._work
            )

    def _work(self, job: int) -> None:
        """What is still to be tried of a batch.  A try's outcome is committed with the intent of the next.

        What is not tried, for whatever reason, is given another job when it is due.
        """
        last: AttemptEnd | None = None
        mine: set[str] = set()
        went_on = False
        try:
            for delivery in self._ledger.nodes.batch(self._plan_id, self._transport, job, self._clock.now()):
                if not self._take(delivery.id):
                    break
                mine.add(delivery.id)
                ended, last = last, None
                begun = self._deliverer.begin(delivery, ended)
                went_on |= begun is not None
                if isinstance(begun, int):
                    last = self._deliverer.attempt(delivery, begun)
                elif begun is None or begun.whole_channel:
                    # Somebody else has the batch, or none of the others has a slot either.
                    break
        except LedgerError as error:
            # The intent could not be written, so nothing was sent.
            log.error("nothing is sent that cannot be recorded", extra={"error": str(error)})
            with self._lock:
                self._trouble, self._resting = error, True
        except Exception:
            # Found again as an orphan if its intent stands in the ledger.
            log.exception("delivery broke off", extra={"job": job})
        finally:
            self._deliverer.end(last)
            with self._lock:
                self._in_flight -= mine
                resting = self._resting
            # Where nothing could even be begun, the same would be fetched again at once: the next kick does it.
            if went_on and not resting:
                self._go_on()

    def _go_on(self) -> None:
        """What found no room among the jobs has it now."""
        try:
            if self._ledger.nodes.put_up_due(self._plan_id, self._transport, self._clock.now()):
                self._node.stir()
        except LedgerError as error:
            log.debug("not put up", extra={"error": str(error)})  # every kick does it again

    def _take(self, delivery_id: str) -> bool:
        """Whether it may be tried now; then it is in flight until its batch has ended.

        Not what another thread has: a job that was taken from this node while it was
        not heard may come back to it before its first thread has noticed.
        """
        with self._lock:
            if self._resting or delivery_id in self._in_flight:
                return False
            self._in_flight.add(delivery_id)
            return True

    def rest(self, now: datetime, most: float) -> float:
        """Until the next delivery is due, which then needs a job; at most ``most`` seconds."""
        upcoming = self._ledger.spool.next_after(self._plan_id, self._transport, now)
        return most if upcoming is None else min(most, (upcoming - now).total_seconds())

    @property
    def in_flight(self) -> frozenset[str]:
        """Deliveries that this node is trying."""
        with self._lock:
            return frozenset(self._in_flight)

    def give_back(self) -> None:
        """Begin nothing more until the next kick."""
        with self._lock:
            self._resting = True

    def stand_aside(self) -> None:
        """Begin and fetch nothing until the next kick: other nodes do it meanwhile."""
        self.give_back()
        self._leave_lanes(wait=False)

    def close(self, *, wait: bool = True) -> None:
        """Let what is being sent finish, and fetch no more; other nodes take the rest."""
        self._closing = True
        self.give_back()
        self._leave_lanes(wait=wait)
        try:
            self._deliverer.record_ends()
        except LedgerError as error:
            log.error("outcomes not recorded at the end", extra={"error": str(error)})

    def _leave_lanes(self, *, but: Collection[str] = (), wait: bool) -> None:
        with self._lock:
            lanes = [self._lanes.pop(channel) for channel in [*self._lanes] if channel not in but]
        for lane in lanes:
            lane.close(wait=wait)
