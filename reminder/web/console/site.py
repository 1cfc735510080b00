"""What the console stands on: the edition in force, the ledger, the clock.  Asked anew for every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reminder.access.login import Door
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.clock import Clock
from reminder.ledger.ledger import Ledger
from reminder.links import Links
from reminder.settings import Settings


@dataclass(frozen=True, slots=True)
class Site:
    """Given by the composition root; safe to use from several threads.

    ``edition`` and ``ledger`` are the daemon's own: a reload, or a ledger that
    was put back, is in force at the next request.  ``channel`` builds the
    adapter of a channel as the transport in force would have it, for a test
    message; raises ``ReminderError`` where a secret is missing.
    """

    settings: Settings
    clock: Clock
    edition: Callable[[], Edition]
    ledger: Callable[[], Ledger]
    links: Callable[[], Links]
    channel: Callable[[Edition, str], Channel]

    def door(self) -> Door:
        """Where users come in."""
        return Door(self.ledger(), self.edition().plan.id)
