"""A stretch of the agenda that moves on with the days: what it held before is not worked out again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from operator import attrgetter

from reminder.agenda.alarms import Alarm
from reminder.agenda.facts import NOTHING, Facts

WorkOut = Callable[[datetime, datetime, Facts], Iterable[Alarm]]
"""The alarms with ``since`` ≤ ``at`` < ``until``; of facts it looks at events and draws alone."""

IN_STORE = timedelta(days=30)
"""How much more than is asked for is worked out: a month costs hardly more than a day."""


class Stretch:
    """The alarms between two instants of one edition, in order.

    It stands on the law that a window split anywhere gives the same alarms
    (:mod:`reminder.agenda.alarms`): moved on, it works out what has come into
    sight, and a month beyond.  All is worked out anew when what starts alarms
    of its own has changed, and when its beginning moves back.
    """

    def __init__(self, work_out: WorkOut) -> None:
        self._work_out = work_out
        self._alarms: list[Alarm] = []
        self._span: tuple[datetime, datetime] | None = None
        """From where to where everything is worked out."""
        self._facts = NOTHING

    def move(
        self, since: datetime, until: datetime, facts: Facts, settled: Collection[str] = ()
    ) -> list[Alarm]:
        """The alarms with ``since`` ≤ ``at`` < ``until`` (aware); those with a ``settled`` key never again."""
        if self._span is None or not self._moves_on(self._span, since, facts):
            self._alarms, self._span, self._facts = [], (since, since), facts
        last = self._span[1]
        if last < until:
            last = until + IN_STORE
            self._alarms += sorted(self._work_out(self._span[1], last, facts), key=_order)
        self._span, self._facts = (since, last), facts
        self._alarms = [
            alarm
            for alarm in self._alarms
            if alarm.at >= since and not any(key in settled for key in alarm.keys)
        ]
        return self._alarms[: bisect_left(self._alarms, until, key=_at)]

    def _moves_on(self, span: tuple[datetime, datetime], since: datetime, facts: Facts) -> bool:
        same = (facts.events, facts.draws) == (self._facts.events, self._facts.draws)
        return same and span[0] <= since <= span[1]


_order, _at = attrgetter("order"), attrgetter("at")
