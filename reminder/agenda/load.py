"""What each person would get if nothing were ever done: the most that a plan can send.  Pure.

Messages are counted as the sweep makes them: what falls on one instant for one
person on one channel is one message, what is marked ``alone`` is one for itself,
and what is over the daily cap waits for the next working day.

A week is judged by its reminders.  A message to everyone (the word before a
festival) asks nothing of anybody and does not come more often to who is late:
it counts in the year's total and not in the week.

Nobody knows beforehand when an event is registered; those are left out.  A lot
is taken to fall in the middle of its period.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from reminder.agenda.alarms import Alarm, Window, ladder
from reminder.agenda.approvals import asks_at, panel
from reminder.agenda.facts import NOTHING
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence
from reminder.agenda.policy import needs_approval
from reminder.agenda.reach import Reached, reach
from reminder.calendars.periods import PeriodKind, periods
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.audience import Audience, TermKind
from reminder.plan.directory import Person
from reminder.plan.model import DEFAULT_ALARM_TIME, Item, Plan
from reminder.plan.via import Chain, Route, steps
from reminder.plan.when import DrawWhen

AT_MOST_A_WEEK = 2
"""Reminders in a week that a person can be asked to read, even one who does nothing about them."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one person: when (aware), over which channel, the keys of what it is about.

    ``to_all``: everybody gets it; it is no reminder of anything the person owes.
    """

    at: datetime
    channel: str
    about: tuple[str, ...]
    to_all: bool = False

    @property
    def week(self) -> date:
        """The Monday of its week."""
        day = self.at.date()
        return day - timedelta(days=day.weekday())


@dataclass(frozen=True, slots=True)
class Load:
    """Everything that one person would get, in order of time."""

    person: Person
    letters: tuple[Letter, ...]

    @property
    def reminders(self) -> tuple[Letter, ...]:
        """Those that are about this person's own matters."""
        return tuple(letter for letter in self.letters if not letter.to_all)

    @property
    def weeks(self) -> Mapping[date, int]:
        """Reminders by the Monday of their week, whatever the channel."""
        return Counter(letter.week for letter in self.reminders)

    @property
    def busiest(self) -> tuple[date, int] | None:
        """The week with most reminders (the first of several) and how many; None without any."""
        weeks = self.weeks
        if not weeks:
            return None
        week = min(weeks, key=lambda monday: (-weeks[monday], monday))
        return week, weeks[week]

    @property
    def by_channel(self) -> Mapping[str, int]:
        """All messages by channel."""
        return Counter(letter.channel for letter in self.letters)


def load_of(plan: Plan, calendar: WorkCalendar, since: date, until: date) -> tuple[Load, ...]:
    """What each person gets from ``since`` to ``until``, both included, in roster order.

    Those who get nothing are left out.  A chain is counted on the first channel
    that has the person's address; posts in groups are nobody's.
    """
    start, end = _instants(plan, since, until)
    waiting: dict[datetime, list[_Share]] = {}
    for share in _shares(plan, calendar, start, end):
        waiting.setdefault(share.at, []).append(share)
    letters: dict[str, list[Letter]] = {}
    for person, letter in _delivered(waiting, plan, calendar):
        if letter.at < end:
            letters.setdefault(person.id, []).append(letter)
    return tuple(
        Load(person, tuple(letters[person.id])) for person in plan.directory.people if person.id in letters
    )


def group_posts(plan: Plan, calendar: WorkCalendar, since: date, until: date) -> Mapping[str, int]:
    """Posts in each group channel; each takes the time of everybody there."""
    start, end = _instants(plan, since, until)
    posts = {
        (channel, alarm.at, _apart(alarm))
        for alarm in _alarms(plan, calendar, start, end)
        for channel in (steps(route)[0] for route in alarm.rung.via)
        if not plan.channels[channel].personal
    }
    return Counter(channel for channel, _, _ in posts)


def _instants(plan: Plan, since: date, until: date) -> tuple[datetime, datetime]:
    zone = zone_of(plan.head.timezone)
    start = datetime.combine(since, time.min, tzinfo=zone)
    return start, datetime.combine(until + timedelta(days=1), time.min, tzinfo=zone)


def _alarms(plan: Plan, calendar: WorkCalendar, start: datetime, end: datetime) -> Iterator[Alarm]:
    window = Window(plan, calendar, start, end)
    for item in plan.items:
        yield from window.alarms_of(item)
        for occurrence in _examples(item, plan, calendar, start, end):
            for alarm in ladder(item, item.rungs, occurrence, calendar, zone_of(plan.head.timezone)):
                if start <= alarm.at < end:
                    yield alarm


def _examples(
    item: Item, plan: Plan, calendar: WorkCalendar, start: datetime, end: datetime
) -> Iterator[Occurrence]:
    """Lots in the middle of their period, since only the day itself knows where they fall."""
    when = item.spec.when
    if not isinstance(when, DrawWhen):
        return
    first, last = max(start.date(), plan.head.from_), min(end.date(), plan.head.until)
    for period in periods(PeriodKind(when.draw.per), first, last):
        middle = period.first + (period.last - period.first) // 2
        for number in range(when.draw.times):
            day = calendar.after(middle, number) if number else calendar.before(middle, 0)
            due_at = datetime.combine(day, when.at, tzinfo=start.tzinfo)
            yield Occurrence(
                f"{item.id}/{period.id}.{number + 1}", (), period.label, period.first, period.last, day, day,
                due_at,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Share:
    """One person's part of one alarm (or of the request to approve it) on one channel."""

    at: datetime
    person: Person
    channel: str
    about: str
    apart: object = None
    """Set for what is never merged with anything else."""
    chain: Chain | None = None
    to_all: bool = False
    due: date | None = None
    """From this day on it goes out although the day is full; None: whenever it comes."""
    useful_until: datetime | None = None


def _shares(plan: Plan, calendar: WorkCalendar, start: datetime, end: datetime) -> Iterator[_Share]:
    asked: dict[tuple[datetime, str], _Share] = {}
    for alarm in _alarms(plan, calendar, start, end):
        reached = reach(alarm, plan, calendar, NOTHING, alarm.at)
        for receiver in reached.receivers:
            for channel, chain in _ways(alarm.rung.via, receiver.person, plan):
                yield _Share(
                    alarm.at,
                    receiver.person,
                    channel,
                    alarm.key,
                    _apart(alarm),
                    chain,
                    to_all=_means_everyone(alarm.rung.to),
                    due=None if alarm.item.spec.alone else alarm.occurrence.due,
                    useful_until=alarm.useful_until,
                )
        for share in _asked(alarm, reached, plan, calendar):
            asked.setdefault((share.at, f"{share.person.id} {share.about}"), share)
    yield from asked.values()


def _ways(via: Sequence[Route], person: Person, plan: Plan) -> Iterator[tuple[str, Chain | None]]:
    """The channels a person is reached on; with a chain, if its second channel can still follow."""
    for route in via:
        channel = next((name for name in steps(route) if _has_address(person, name, plan)), None)
        if channel is not None:
            yield channel, route if isinstance(route, Chain) and channel == route.first else None


def _has_address(person: Person, channel: str, plan: Plan) -> bool:
    config = plan.channels[channel]
    return config.personal and getattr(person, config.address_key) is not None


def _means_everyone(audience: Audience) -> bool:
    return any(term.kind is TermKind.EVERYONE and not term.excluded for term in audience)


def _apart(alarm: Alarm) -> object:
    """What is ``alone`` is apart from all but the festivals that share its break."""
    return alarm.text_key if alarm.item.spec.alone else None


def _asked(alarm: Alarm, reached: Reached, plan: Plan, calendar: WorkCalendar) -> Iterator[_Share]:
    """Those who are shown a text before it goes out; each text is a message of its own."""
    if not needs_approval(alarm, reached):
        return
    mail = next((name for name, config in plan.channels.items() if config.personal), None)
    at, about = asks_at(alarm, calendar), f"{alarm.occurrence.id}#approval"
    for person in panel(alarm, plan, at.date(), "").asked:
        if mail is not None and _has_address(person, mail, plan):
            yield _Share(at, person, mail, about, apart=about)


def _delivered(
    waiting: dict[datetime, list[_Share]], plan: Plan, calendar: WorkCalendar
) -> Iterator[tuple[Person, Letter]]:
    """Each message at its instant, those over the daily cap on the next working day."""
    sent: Counter[tuple[str, str, date]] = Counter()
    while waiting:
        at = min(waiting)
        bundles: dict[object, list[_Share]] = {}
        for share in waiting.pop(at):
            bundles.setdefault((share.person.id, share.channel, share.apart, share.chain), []).append(share)
        morning = datetime.combine(calendar.after(at.date(), 1), DEFAULT_ALARM_TIME, tzinfo=at.tzinfo)
        for bundle in bundles.values():
            first = bundle[0]
            day = (first.person.id, first.channel, at.date())
            if sent[day] >= plan.head.daily_cap and all(_can_wait(share, at, morning) for share in bundle):
                waiting.setdefault(morning, []).extend(bundle)
                continue
            sent[day] += 1
            about = tuple(dict.fromkeys(share.about for share in bundle))
            yield first.person, Letter(at, first.channel, about, all(share.to_all for share in bundle))


def _can_wait(share: _Share, at: datetime, morning: datetime) -> bool:
    """Whether a full day may hold it back: as :mod:`reminder.sweep.cap` decides."""
    if share.due is None or share.useful_until is None:
        return False
    return at.date() < share.due and morning < share.useful_until
