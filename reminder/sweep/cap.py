"""The daily cap: not more than so many messages for one person in one day.

What is over it waits for the next working day.  It never waits past its use:
the due day and later, what stays alone or was approved, and what would be of no
use by then go out all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from reminder.agenda.reasons import Action, Reason
from reminder.ledger.records import NewClaim
from reminder.sweep.shares import Share


@dataclass(slots=True)
class DailyCap:
    """Counts of today by (receiver, channel), and what is admitted beyond them.

    ``today`` is the plan's day; ``next_morning`` (aware) the next working day's
    time for alarms.
    """

    limit: int
    sent: Mapping[tuple[str, str], int]
    today: date
    next_morning: datetime
    _admitted: dict[tuple[str, str], int] = field(default_factory=dict)

    def admits(self, bundle: Sequence[Share]) -> bool:
        """Whether these shares, one message, may go out today; if so they are counted."""
        first = bundle[0]
        key = (first.addressee.id, first.channel)
        full = self.sent.get(key, 0) + self._admitted.get(key, 0) >= self.limit
        if full and first.addressee.kind == "person" and not any(self._exempt(share) for share in bundle):
            return False
        self._admitted[key] = self._admitted.get(key, 0) + 1
        return True

    def _exempt(self, share: Share) -> bool:
        alarm = share.alarm
        return (
            alarm.item.spec.alone
            or share.as_of is not None  # approved for its hour
            or self.today >= alarm.occurrence.due
            or self.next_morning >= alarm.useful_until
        )

    def claim(self, share: Share) -> NewClaim:
        """What is recorded of a share that has to wait."""
        return NewClaim(
            share.addressee.id, share.channel, Action.POSTPONE, Reason.DAILY_CAP, until=self.next_morning
        )
