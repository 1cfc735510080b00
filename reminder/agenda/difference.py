"""What a new plan or a new arrangement changes in the agenda.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reminder.agenda.alarms import Alarm


@dataclass(frozen=True, slots=True)
class Moved:
    """An alarm whose instant changed."""

    alarm: Alarm
    """As it is now."""
    before: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """Alarms by what happened to them, each list in order of time."""

    added: tuple[Alarm, ...] = ()
    removed: tuple[Alarm, ...] = ()
    moved: tuple[Moved, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.moved)


def difference(before: Iterable[Alarm], after: Iterable[Alarm]) -> Difference:
    """Compare two agendas of the same window by identity.

    A renamed item's alarms are the same alarms: former keys count.
    """
    old = {alarm.key: alarm for alarm in before}
    added: list[Alarm] = []
    moved: list[Moved] = []
    for alarm in after:
        match = next((old.pop(key) for key in (alarm.key, *alarm.former_keys) if key in old), None)
        if match is None:
            added.append(alarm)
        elif match.at != alarm.at:
            moved.append(Moved(alarm, match.at))
    return Difference(tuple(added), tuple(old.values()), tuple(moved))
