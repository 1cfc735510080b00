"""What the console stands on: the edition in force, the ledger, the clock.  Asked anew for every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from reminder.access.login import Door
from reminder.agenda.occurrences import zone_of
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.clock import Clock
from reminder.ledger.accounts import LoginEvent
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
    told_of_logins: Callable[[LoginEvent], None] | None = None
    """Who hears of logins besides the ledger; returns at once."""

    def door(self) -> Door:
        """Where users come in; whoever has left the directory does not."""
        edition, today = self.edition(), self.today(self.clock.now())

        def belongs(user: str) -> bool:
            person = edition.plan.directory.person(user)
            return person is not None and person.holds(today)

        return Door(self.ledger(), edition.plan.id, belongs, self.told_of_logins)

    def today(self, now: datetime) -> date:
        """The office's date."""
        return now.astimezone(zone_of(self.edition().plan.head.timezone)).date()
