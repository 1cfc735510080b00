"""What carries due deliveries to the deliverer: threads on one machine, a queue on several."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol


class Engine(Protocol):
    """Has due deliveries sent.  A channel that hangs holds up only itself."""

    def kick(self, now: datetime, elsewhere: Collection[str] = (), *, own_only: bool = False) -> int:
        """Have everything due sent that is not on its way; how many deliveries were handed on.

        ``elsewhere`` are deliveries that an engine retired by a reload still
        carries.  ``own_only``: another plan is in force, and what is on channels
        that this one does not have is left to others.  Nothing is sent before the first kick.  Raises ``LedgerError``
        while outcomes or intents cannot be written.
        """

    def rest(self, now: datetime, most: float) -> float:
        """Seconds until something is to be kicked again, at most ``most``."""

    @property
    def in_flight(self) -> frozenset[str]:
        """Deliveries that this process has in hand and has not finished."""

    def give_back(self) -> None:
        """What is not being sent yet is not to be sent until the next kick."""

    def stand_aside(self) -> None:
        """As :meth:`give_back`; where others can send, what is due is left to them."""

    def close(self, *, wait: bool = True) -> None:
        """Let what is being sent finish; what only waits stays pending in the ledger.

        Without ``wait`` it finishes by itself: :attr:`in_flight` says what still is.
        """
