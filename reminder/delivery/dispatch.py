"""What sends, over reloads: the engine in force, and those of earlier editions that still carry something.

What is in flight goes on over the channels it began with: a server that hangs
must not hold up the others' reminders.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from reminder.channels.base import Channel
from reminder.clock import Clock
from reminder.delivery.conduct import conduct_of
from reminder.delivery.deliver import Deliverer
from reminder.delivery.engines import Engine
from reminder.delivery.engines.threads import ThreadEngine
from reminder.delivery.unrecorded import Unrecorded
from reminder.errors import ReminderError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.ledger.work_schema import MISSING
from reminder.plan.model import Plan

if TYPE_CHECKING:
    from reminder.delivery.engines.node import Node

log = logging.getLogger(__name__)

STEP_SECONDS = 0.05
"""Between two looks while the last deliveries finish."""


class EngineMissing(ReminderError):
    """The ledger asks for an engine that is not installed."""


class Dispatch:
    """Used by one thread, and at the end by the main one; :meth:`use` comes before everything else."""

    def __init__(self, clock: Clock, wake: Callable[[], None], node: Node | None = None) -> None:
        """``node``: this process among several, where others send over it as well; they end it."""
        self._clock = clock
        self._wake = wake
        self._unrecorded = Unrecorded()
        self._in_use: tuple[Engine, Mapping[str, Channel]] | None = None
        self._retired: list[tuple[Engine, Mapping[str, Channel]]] = []
        self._node = node
        self._owns_node = node is None

    def use(self, ledger: Ledger, plan: Plan, transport: Transport, channels: Mapping[str, Channel]) -> None:
        """Send over these from now on; what was in use finishes what it carries."""
        self._retire()
        node = self._node = self._node_of(ledger)
        self._deliverer = Deliverer(
            ledger,
            plan.id,
            transport,
            channels,
            self._clock,
            conduct_of(plan),
            self._unrecorded,
            None if node is None else lambda: node.id,
        )
        self._engine: Engine
        if node is None:
            self._engine = ThreadEngine(ledger, plan.id, transport, self._deliverer, self._wake)
        else:
            from reminder.delivery.engines.queue import QueueEngine

            self._engine = QueueEngine(
                ledger, plan.id, transport, self._deliverer, node, self._clock, channels
            )
        self._in_use = self._engine, channels

    def _node_of(self, ledger: Ledger) -> Node | None:
        """This process among several, where the ledger is one that several share; the same over reloads.

        Raises ``EngineMissing`` where what that needs is not installed.
        """
        if ledger.queue is None or self._node is not None:
            return self._node
        try:
            from reminder.delivery.engines.node import Node
        except ImportError as error:
            raise EngineMissing(MISSING) from error
        return Node(ledger.queue)

    def _retire(self) -> None:
        if self._in_use is not None:
            self._in_use[0].close(wait=False)
            self._retired.append(self._in_use)
            self._in_use = None

    @property
    def broken(self) -> tuple[str, ...]:
        """Channels that somebody has to mend, at the last look."""
        return self._deliverer.broken

    def take_up(self, now: datetime) -> int:
        """What a killed daemon left in flight goes the way of its channel's policy; how many."""
        return self._deliverer.take_up(now)

    def kick(self, now: datetime, *, own_only: bool = False) -> None:
        """Submit what is due, or only that on channels of this plan.  Raises ``LedgerError`` as the engine does."""
        for engine, channels in [each for each in self._retired if not each[0].in_flight]:
            for channel in channels.values():
                channel.close()
            self._retired.remove((engine, channels))
        self._engine.kick(now, self.left_in_flight, own_only=own_only)

    def rest(self, now: datetime, longest: float) -> float:
        """Seconds until there may be something to send, at most ``longest``."""
        return self._engine.rest(now, longest)

    def give_back(self) -> None:
        """What is queued is not to be sent until the next kick."""
        self._engine.give_back()

    def stand_aside(self) -> None:
        """Send nothing until the next kick, and leave what is due to other nodes."""
        self._engine.stand_aside()

    @property
    def left_in_flight(self) -> frozenset[str]:
        """Deliveries of retired engines whose threads have not finished."""
        return frozenset(delivery for engine, _ in self._retired for delivery in engine.in_flight)

    def drain(self, seconds: float) -> None:
        """Let what is being sent finish, for so long; the rest is taken up at the next start."""
        self._retire()
        deadline = self._clock.monotonic() + seconds
        done = threading.Event()  # never set: only its waiting is used
        while self.left_in_flight and self._clock.monotonic() < deadline:
            self._clock.wait(done, STEP_SECONDS)
        for engine, channels in self._retired:
            engine.close(wait=False)
            for channel in channels.values():
                channel.close()
        if self._node is not None and self._owns_node:
            # What is in flight stays this node's until the others find it dead: it may yet arrive.
            self._node.close(leave=not self.left_in_flight)
            self._node = None
        if self.left_in_flight:
            log.warning("stopped with deliveries in flight", extra={"deliveries": len(self.left_in_flight)})
