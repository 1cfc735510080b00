"""The alarm clock: APScheduler with one job per item, at the item's next alarm.

All a job does is to set an event; it is never the memory of what is due.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from reminder.agenda.alarms import next_alarm
from reminder.agenda.facts import NOTHING, Facts
from reminder.check import Edition
from reminder.plan.model import Item


class ItemTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Fires at an item's next alarm, as far as the facts it was made with tell."""

    def __init__(self, item: Item, edition: Edition, facts: Facts = NOTHING) -> None:
        self._item = item
        self._edition = edition
        self._facts = facts

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first alarm after the last one that fired, or after now."""
        after = now if previous_fire_time is None else max(previous_fire_time, now - timedelta(seconds=1))
        return next_alarm(self._item, self._edition.plan, self._edition.calendar, after, self._facts)


class AlarmClock:
    """Calls ``wake`` at every alarm of the items it was last given."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )

    def start(self, edition: Edition, facts: Facts) -> None:
        """Begin, in a thread of its own."""
        self._scheduler.start()
        self.set(edition, facts)

    def set(self, edition: Edition, facts: Facts) -> None:
        """One job per item; replaced by id, so that no due instant is lost between.  Nothing before the start."""
        if not self._scheduler.running:
            return
        ids = {item.id for item in edition.plan.items}
        for job in self._scheduler.get_jobs():
            if job.id not in ids:
                job.remove()
        for item in edition.plan.items:
            trigger = ItemTrigger(item, edition, facts)
            self._scheduler.add_job(self._wake, trigger, id=item.id, replace_existing=True)

    def stop(self) -> None:
        """Fire no more."""
        self._scheduler.shutdown(wait=False)


class Earliest:
    """Calls ``wake`` at one instant, the next of many: one job, however many offices there are."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        self._set: datetime | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._scheduler.start()

    def set(self, instant: datetime | None) -> None:
        """Wake at this instant and no other; None: at none."""
        if instant == self._set or not self._scheduler.running:
            return
        self._set = instant
        if instant is None:
            self._scheduler.remove_all_jobs()
        else:
            self._scheduler.add_job(
                self._wake, "date", run_date=instant, id="earliest", replace_existing=True
            )

    def stop(self) -> None:
        """Fire no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
