"""The agenda as pages show it: alarms and due dates of some days, and the lots that nobody may know yet."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.draws import draw_items, unpublished
from reminder.agenda.duties import after_rotation
from reminder.agenda.facts import Facts
from reminder.agenda.instants import instant
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.agenda.spans import widest_day_span
from reminder.calendars.lunar import FIRST_YEAR, LAST_YEAR
from reminder.calendars.periods import Period
from reminder.check import Edition
from reminder.plan.model import Item
from reminder.views.kept import Kept
from reminder.views.look import Look

DAY = timedelta(days=1)
AFTER_PLAN = 2
"""Years after the plan's last one in which rungs may still follow."""


@dataclass(frozen=True, slots=True)
class Due:
    """An occurrence, by the day on which it is due; ``occurrence`` may be one after a rotation."""

    item: Item
    occurrence: Occurrence


@dataclass(frozen=True, slots=True)
class _Year:
    """All of a year, private items too: alarms by their time, occurrences by their due time."""

    alarms: tuple[Alarm, ...]
    alarm_times: tuple[datetime, ...]
    dues: tuple[Due, ...]
    due_days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Lots:
    """Lots of one item in one period whose day is not published: nobody may know it."""

    item: Item
    period: Period


_years: Kept[_Year] = Kept(24)


def alarms_between(look: Look, since: datetime, until: datetime) -> tuple[Alarm, ...]:
    """The alarms with ``since`` ≤ ``at`` < ``until`` (aware) that the reader may see, in order of time."""
    return tuple(alarm for alarm in every_alarm_between(look, since, until) if look.sees(alarm.item))


def every_alarm_between(look: Look, since: datetime, until: datetime) -> tuple[Alarm, ...]:
    """All of them, those of private items too, whoever looks."""
    found: list[Alarm] = []
    first, last = since.astimezone(look.zone).year, until.astimezone(look.zone).year
    for year in _in_reach(look, first, last):
        known = _year(look, year)
        begin, end = bisect_left(known.alarm_times, since), bisect_left(known.alarm_times, until)
        found += known.alarms[begin:end]
    return tuple(found)


def first_alarm(look: Look, since: datetime, until: datetime) -> Alarm | None:
    """The first of :func:`alarms_between`; no year is reckoned after the one that it is in."""
    first, last = since.astimezone(look.zone).year, until.astimezone(look.zone).year
    for year in _in_reach(look, first, last):
        known = _year(look, year)
        begin, end = bisect_left(known.alarm_times, since), bisect_left(known.alarm_times, until)
        for place in range(begin, end):
            if look.sees(known.alarms[place].item):
                return known.alarms[place]
    return None


def alarms_on(look: Look, first: date, last: date) -> tuple[Alarm, ...]:
    """The alarms of these days, both included."""
    return alarms_between(look, start_of(look, first), start_of(look, last + DAY))


def dues_on(look: Look, first: date, last: date) -> tuple[Due, ...]:
    """The occurrences due on these days, both included, that the reader may see, in order of their due time."""
    found: list[Due] = []
    for year in _in_reach(look, first.year, last.year):
        known = _year(look, year)
        begin, end = bisect_left(known.due_days, first), bisect_left(known.due_days, last + DAY)
        found += (due for due in known.dues[begin:end] if look.sees(due.item))
    return tuple(found)


def lots_between(look: Look, first: date, last: date) -> tuple[Lots, ...]:
    """The lots still to come of periods that share a day with these, that the reader may see."""
    return tuple(
        Lots(item, period)
        for item, when in draw_items(look.edition.plan)
        if look.sees(item)
        for period in unpublished(item, when, look.edition.plan, look.facts, first, last)
    )


def labels_around(look: Look, day: date) -> dict[str, str]:
    """The labels of occurrences by any of their ids, of those due within a year of a day."""
    year = timedelta(days=366)
    return {
        each_id: due.occurrence.label
        for due in dues_on(look, day - year, day + year)
        for each_id in due.occurrence.ids
    }


def start_of(look: Look, day: date) -> datetime:
    """Midnight at the start of a day, in the plan's zone."""
    return instant(day, time.min, look.zone)


def agenda_key(look: Look) -> Hashable:
    """What the agenda depends on: the edition, and of the facts events and lots alone."""
    facts = look.facts
    return (look.digest, facts.events, tuple(facts.draws.items()))


def facts_key(look: Look) -> Hashable:
    """What everything reckoned from facts depends on, beside the time."""
    return (
        look.digest,
        look.ledger.place,
        look.ledger.created,
        look.transport,
        look.facts.number,
    )


def _in_reach(look: Look, first: int, last: int) -> range:
    """The years of [first, last] that can hold anything of the plan."""
    head = look.edition.plan.head
    earliest, latest = head.from_.year - AFTER_PLAN, head.until.year + AFTER_PLAN
    return range(max(first, earliest, FIRST_YEAR), min(last, latest, LAST_YEAR) + 1)


def _year(look: Look, year: int) -> _Year:
    return _years.of((agenda_key(look), year), lambda: _made(look, year))


def _made(look: Look, year: int) -> _Year:
    edition, facts = look.edition, look.facts
    since, until = start_of(look, date(year, 1, 1)), start_of(look, date(year + 1, 1, 1))
    alarms = expand(edition.plan, edition.calendar, since, until, facts)
    dues = sorted(_dues(edition, facts, year), key=lambda due: (due.occurrence.due_at, due.occurrence.id))
    return _Year(
        alarms,
        tuple(alarm.at for alarm in alarms),
        tuple(dues),
        tuple(due.occurrence.due for due in dues),
    )


def _dues(edition: Edition, facts: Facts, year: int) -> Iterator[Due]:
    plan, calendar = edition.plan, edition.calendar
    first, last = date(year, 1, 1), date(year, 12, 31)
    for item in plan.items:
        # Who came late may owe an occurrence of the year before.
        earliest = first - widest_day_span(0, _grace(item))
        for each in occurrences(item, plan.head, calendar, earliest, last, facts):
            again = after_rotation(item, each, plan.directory, calendar)
            for occurrence in chain((each,), again):
                if first <= occurrence.due <= last:
                    yield Due(item, occurrence)


def _grace(item: Item) -> int:
    """Working days that who comes late has beyond the due date, at most."""
    given = item.spec.duty.on_rotation if item.spec.duty is not None else 0
    return given if isinstance(given, int) else 0
