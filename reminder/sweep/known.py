"""The plan's alarms by the keys under which the ledger has them."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from reminder.agenda.alarms import Alarm, alarms_of
from reminder.agenda.facts import NOTHING, Facts
from reminder.agenda.instants import zone_of
from reminder.check import Edition

BEFORE_PLAN = timedelta(days=400)
"""How long before the plan's first day a rung of its first occurrence may lie."""
BEFORE_CLOCK = timedelta(days=2)
"""How far ahead of the clock a settled alarm may lie when the clock was set back."""


class KnownAlarms:
    """The plan's alarms up to now by the keys under which the ledger may have them."""

    def __init__(self, edition: Edition, now: datetime, facts: Facts = NOTHING) -> None:
        self._edition = edition
        self._facts = facts
        self._until = now + BEFORE_CLOCK
        self._known: dict[str, dict[str, Alarm]] = {}

    def of(self, key: str) -> Alarm | None:
        """The alarm, or None when the plan no longer has it."""
        name = key.partition("/")[0]
        if name not in self._known:
            self._known[name] = self._of_item(name)
        return self._known[name].get(key)

    def _of_item(self, name: str) -> dict[str, Alarm]:
        plan = self._edition.plan
        item = plan.item(name)
        if item is None:
            return {}
        first = datetime.combine(plan.head.from_, time.min, tzinfo=zone_of(plan.head.timezone)) - BEFORE_PLAN
        found = alarms_of(item, plan, self._edition.calendar, first, self._until, self._facts)
        return {key: alarm for alarm in found for key in alarm.keys}
