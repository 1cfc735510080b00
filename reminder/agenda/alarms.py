"""Alarms: one rung of the ladder of one occurrence (RFC 5545 §3.6.6).

``expand`` is the whole agenda: pure, and with three laws that tests hold.  A
window split anywhere gives the same alarms; the order of items does not matter;
a second expansion changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from reminder.agenda.duties import after_rotation
from reminder.agenda.facts import NOTHING, Facts
from reminder.agenda.occurrences import Occurrence, occurrences, widest_day_span, zone_of
from reminder.agenda.steps import steps_of
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.model import Anchor, Item, Plan, Rung
from reminder.plan.when import EventWhen, EveryWhen, FestivalsWhen, WindowWhen


@dataclass(frozen=True, slots=True)
class Alarm:
    """One rung of one occurrence.

    ``key`` is identity (``former_keys`` are those under which a renamed item or
    rung may stand in the ledger); ``at`` and ``useful_until`` are aware, in the
    plan's zone.  ``status`` says how firm ``at`` is.
    """

    key: str
    former_keys: tuple[str, ...]
    item: Item
    occurrence: Occurrence
    rung: Rung
    at: datetime
    useful_until: datetime
    status: DayStatus
    repetition: int = 1
    """Which time a rung with ``repeat`` comes, from 1."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The key in force first, then those under which the ledger may hold it."""
        return (self.key, *self.former_keys)

    @property
    def text_key(self) -> object:
        """Alarms with equal keys are said in one text: festivals of one rung that share a break."""
        festival = self.occurrence.festival
        of_break = (festival.rest.first, festival.rest.last) if festival else self.occurrence.id
        return (self.item.id, self.rung.id, self.repetition, self.at, of_break)

    @property
    def order(self) -> tuple[datetime, str]:
        """By time, then by key: the same whatever the order of items."""
        return (self.at, self.key)


def expand(
    plan: Plan, calendar: WorkCalendar, since: datetime, until: datetime, facts: Facts = NOTHING
) -> tuple[Alarm, ...]:
    """Every alarm with ``since`` ≤ ``at`` < ``until`` (aware), in order."""
    # A year has few instants and many alarms in each: sorting the keys within them is the cheaper way.
    at_once: dict[datetime, list[Alarm]] = {}
    for item in plan.items:
        for alarm in alarms_of(item, plan, calendar, since, until, facts):
            at_once.setdefault(alarm.at, []).append(alarm)
    found: list[Alarm] = []
    for at in sorted(at_once):
        found += sorted(at_once[at], key=_key)
    return tuple(found)


def _key(alarm: Alarm) -> str:
    return alarm.key


def alarms_of(
    item: Item,
    plan: Plan,
    calendar: WorkCalendar,
    since: datetime,
    until: datetime,
    facts: Facts = NOTHING,
) -> Iterator[Alarm]:
    """The alarms of one item with ``since`` ≤ ``at`` < ``until``, unordered."""
    rungs = item.rungs
    if not rungs or since >= until:
        return
    zone = zone_of(plan.head.timezone)
    before, after = _reach(rungs, item)
    first, last = since.astimezone(zone).date() - after, until.astimezone(zone).date() + before
    for each in occurrences(item, plan.head, calendar, first, last, facts):
        for occurrence in (each, *after_rotation(item, each, plan.directory, calendar)):
            for alarm in ladder(item, rungs, occurrence, calendar, zone):
                if since <= alarm.at < until:
                    yield alarm


def ladder(
    item: Item, rungs: tuple[Rung, ...], occurrence: Occurrence, calendar: WorkCalendar, zone: ZoneInfo
) -> list[Alarm]:
    """All alarms of one occurrence, whenever they are; one after a rotation has none before it."""
    found = []
    for step in steps_of(rungs, occurrence, calendar, zone):
        rung = rungs[step.index]
        again = f"~{step.number}" if step.number > 1 else ""
        key = f"{occurrence.id}#{rung.id}{again}"
        former: tuple[str, ...] = ()
        if occurrence.former_ids or rung.was:
            names = [f"{each}#{name}{again}" for each in occurrence.ids for name in (rung.id, *rung.was)]
            former = tuple(names[1:])
        found.append(
            Alarm(key, former, item, occurrence, rung, step.at, step.useful_until, step.status, step.number)
        )
    return found


def _repeated(rungs: tuple[Rung, ...]) -> tuple[int, int]:
    """Days and working days over which rungs come again, at most."""
    repeats = [rung.repeat for rung in rungs if rung.repeat is not None]
    days = [(each.every_days or 0) * (each.at_most - 1) for each in repeats]
    workdays = [(each.every_workdays or 0) * (each.at_most - 1) for each in repeats]
    return max(days, default=0), max(workdays, default=0)


_LONGEST = {"month": 31, "quarter": 92, "half-year": 184, "year": 366}


def _reach(rungs: tuple[Rung, ...], item: Item) -> tuple[timedelta, timedelta]:
    """How far the rungs can lie before and after a due date: (before, after)."""
    days = [rung.days or 0 for rung in rungs]
    workdays = [rung.workdays or 0 for rung in rungs]
    before = widest_day_span(max(0, *(-n for n in days)), max(0, *(-n for n in workdays)))
    grace = item.spec.duty.on_rotation if item.spec.duty is not None else 0
    after = widest_day_span(max(0, *days), max(0, *workdays))
    after += widest_day_span(*_repeated(rungs)) + widest_day_span(0, grace if isinstance(grace, int) else 0)
    if all(rung.anchor is Anchor.DUE for rung in rungs):
        return before, after
    # Other anchors lie as far from the due date as the period is long.
    match item.spec.when:
        case EveryWhen(every=every):
            span = timedelta(days=_LONGEST[every])
        case WindowWhen():
            span = timedelta(days=366)
        case FestivalsWhen():
            span = timedelta(days=45)
        case EventWhen():
            span = timedelta(days=400)
        case _:
            span = timedelta(0)
    return before + span, after + span


def next_alarm(
    item: Item, plan: Plan, calendar: WorkCalendar, after: datetime, facts: Facts = NOTHING
) -> datetime | None:
    """The first alarm of an item strictly after an instant, or None if there is none."""
    zone = zone_of(plan.head.timezone)
    end = datetime.combine(plan.head.until, time.max, tzinfo=zone) + timedelta(days=740)
    since = after + timedelta(microseconds=1)
    step = timedelta(days=100)
    while since < end:
        # In steps, so that an item with many dates is not expanded to its end each time.
        found = [alarm.at for alarm in alarms_of(item, plan, calendar, since, min(since + step, end), facts)]
        if found:
            return min(found)
        since += step
    return None
