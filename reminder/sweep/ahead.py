"""A stretch of the agenda that moves on with the days: what it held before is not worked out again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from operator import attrgetter

from reminder.agenda.alarms import Alarm
from reminder.agenda.facts import NOTHING, Facts

WorkOut = Callable[[datetime, datetime, Facts], Iterable[Alarm]]
"""The alarms with ``since`` ≤ ``at`` < ``until``; of facts it looks at events and draws alone."""


class Stretch:
    """The alarms between two instants of one edition, in order.

    It stands on the law that a window split anywhere gives the same alarms
    (:mod:`reminder.agenda.alarms`): moved on, it works out what has come into
    sight.  All is worked out anew when what starts alarms of its own has
    changed, and when the stretch moves back.
    """

    def __init__(self, work_out: WorkOut) -> None:
        self._work_out = work_out
        self._alarms: list[Alarm] = []
        self._span: tuple[datetime, datetime] | None = None
        self._facts = NOTHING

    def move(self, since: datetime, until: datetime, facts: Facts) -> list[Alarm]:
        """The alarms with ``since`` ≤ ``at`` < ``until`` (aware), less what was dropped."""
        if self._span is not None and self._moves_on(self._span, since, until, facts):
            kept = [alarm for alarm in self._alarms if alarm.at >= since]
            found = [*kept, *self._work_out(self._span[1], until, facts)]
        else:
            found = list(self._work_out(since, until, facts))
        self._alarms = sorted(found, key=attrgetter("order"))
        self._span, self._facts = (since, until), facts
        return self._alarms

    def _moves_on(
        self, span: tuple[datetime, datetime], since: datetime, until: datetime, facts: Facts
    ) -> bool:
        same = (facts.events, facts.draws) == (self._facts.events, self._facts.draws)
        return same and span[0] <= since <= span[1] <= until

    def drop(self, settled: Collection[str]) -> list[Alarm]:
        """What is left without the alarms that have one of these keys; they do not come back."""
        self._alarms = [alarm for alarm in self._alarms if not any(key in settled for key in alarm.keys)]
        return self._alarms
