"""Alarms: one rung of the ladder of one occurrence (RFC 5545 §3.6.6).

``expand`` is the whole agenda: pure, and with three laws that tests hold.  A
window split anywhere gives the same alarms; the order of items does not matter;
a second expansion changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from operator import attrgetter
from zoneinfo import ZoneInfo

from reminder.agenda.duties import after_rotation, may_rotate
from reminder.agenda.facts import NOTHING, Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence, occurrence_of, occurrences
from reminder.agenda.spans import PlannedWhen, Span, spans, widest_day_span
from reminder.agenda.steps import Step, steps_of, timing
from reminder.agenda.value import value
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.model import Anchor, Item, Plan, Rung
from reminder.plan.when import DrawWhen, EventWhen, EveryWhen, FestivalsWhen, WindowWhen


@value
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
    at_once: defaultdict[datetime, list[Alarm]] = defaultdict(list)
    window = Window(plan, calendar, since, until, facts)
    for item in plan.items:
        for alarm in window.alarms_of(item):
            at_once[alarm.at].append(alarm)
    found: list[Alarm] = []
    for at in sorted(at_once):
        found += sorted(at_once[at], key=_key)
    return tuple(found)


_key = attrgetter("key")


def alarms_of(
    item: Item,
    plan: Plan,
    calendar: WorkCalendar,
    since: datetime,
    until: datetime,
    facts: Facts = NOTHING,
) -> list[Alarm]:
    """The alarms of one item with ``since`` ≤ ``at`` < ``until``, unordered; of many, ask one :class:`Window`."""
    return Window(plan, calendar, since, until, facts).alarms_of(item)


@value
class _Place:
    """A span, the steps of a ladder in it that lie in the window, and whether the directory changes in it."""

    span: Span
    steps: tuple[Step, ...]
    rotates: bool


class Window:
    """The alarms with ``since`` ≤ ``at`` < ``until`` (aware), and what the items of a plan share there.

    Ten thousand items have a few dozen whens and ladders: where each pair of
    them puts its alarms is found for the first item that has it, and an item
    more costs its keys and names.
    """

    def __init__(
        self, plan: Plan, calendar: WorkCalendar, since: datetime, until: datetime, facts: Facts = NOTHING
    ) -> None:
        self._plan, self._calendar, self._facts = plan, calendar, facts
        self._since, self._until = since, until
        self._zone = zone_of(plan.head.timezone)
        self._first, self._last = since.astimezone(self._zone).date(), until.astimezone(self._zone).date()
        self._known: dict[object, tuple[_Place, ...]] = {}
        self._reaches: dict[object, tuple[timedelta, timedelta]] = {}

    def alarms_of(self, item: Item) -> list[Alarm]:
        """Those of one item, unordered."""
        found: list[Alarm] = []
        if not item.rungs or self._since >= self._until:
            return found
        when = item.spec.when
        if not isinstance(when, EventWhen | DrawWhen):
            for place in self._places(item, when):
                occurrence = occurrence_of(item, place.span)
                found += _made(item, item.rungs, occurrence, place.steps)
                if place.rotates:
                    found += self._rotated(item, occurrence)
            return found
        head, (first, last) = self._plan.head, self._days(item)
        for occurrence in occurrences(item, head, self._calendar, first, last, self._facts):
            found += _made(item, item.rungs, occurrence, self._steps(item, occurrence))
            found += self._rotated(item, occurrence)
        return found

    def _places(self, item: Item, when: PlannedWhen) -> tuple[_Place, ...]:
        """Where the alarms of an item lie; spans without any are left out."""
        duty = item.spec.duty
        key = (when, timing(item.rungs), None if duty is None else duty.on_rotation)
        places = self._known.get(key)
        if places is None:
            places = self._known[key] = tuple(self._found(item, when))
        return places

    def _found(self, item: Item, when: PlannedWhen) -> Iterator[_Place]:
        for span in spans(when, self._plan.head, self._calendar, *self._days(item)):
            occurrence = occurrence_of(item, span)
            steps = self._steps(item, occurrence)
            rotates = may_rotate(item, occurrence, self._plan.directory)
            if steps or rotates:
                yield _Place(span, steps, rotates)

    def _days(self, item: Item) -> tuple[date, date]:
        """Between which due dates an occurrence can have an alarm in the window."""
        when, duty = item.spec.when, item.spec.duty
        every = when.every if isinstance(when, EveryWhen) else None
        key = (timing(item.rungs), type(when), every, None if duty is None else duty.on_rotation)
        reach = self._reaches.get(key)
        if reach is None:
            reach = self._reaches[key] = _reach(item.rungs, item)
        before, after = reach
        return self._first - after, self._last + before

    def _steps(self, item: Item, occurrence: Occurrence) -> tuple[Step, ...]:
        """The steps in the window."""
        steps = steps_of(item.rungs, occurrence, self._calendar, self._zone)
        return tuple([step for step in steps if self._since <= step.at < self._until])

    def _rotated(self, item: Item, occurrence: Occurrence) -> list[Alarm]:
        """The alarms for those who came to their post within an occurrence."""
        found = []
        for each in after_rotation(item, occurrence, self._plan.directory, self._calendar):
            found += _made(item, item.rungs, each, self._steps(item, each))
        return found


def ladder(
    item: Item, rungs: tuple[Rung, ...], occurrence: Occurrence, calendar: WorkCalendar, zone: ZoneInfo
) -> list[Alarm]:
    """All alarms of one occurrence, whenever they are; one after a rotation has none before it."""
    return _made(item, rungs, occurrence, steps_of(rungs, occurrence, calendar, zone))


def _made(
    item: Item, rungs: tuple[Rung, ...], occurrence: Occurrence, steps: tuple[Step, ...]
) -> list[Alarm]:
    """An alarm for each step."""
    found = []
    for step in steps:
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
