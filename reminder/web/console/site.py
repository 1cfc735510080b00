"""What the console stands on: the edition in force, the ledger, the clock.  Asked anew for every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reminder.access.login import Door
from reminder.agenda.instants import zone_of
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.clock import Clock
from reminder.ledger.accounts import LoginEvent
from reminder.ledger.ledger import Ledger
from reminder.settings import Settings

SESSION = "reminder_session"
"""The cookie by which a browser is known that is in, to the pages and the interface alike."""


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
    channel: Callable[[Edition, str], Channel]
    told_of_logins: Callable[[LoginEvent], None] | None = None
    """Who hears of logins besides the ledger; returns at once."""

    def door(self, edition: Edition) -> Door:
        """Where users come in; whoever has left the directory does not."""
        today = self.clock.now().astimezone(zone_of(edition.plan.head.timezone)).date()
        directory = edition.plan.directory
        return Door(
            self.ledger(),
            edition.plan.id,
            lambda user: directory.belongs(user, today),
            self.told_of_logins,
        )
