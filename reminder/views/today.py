"""今天: the day at a glance, and the week ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from reminder.agenda.reasons import Action
from reminder.calendars.arrangement import DayStatus
from reminder.ledger.outcomes import Outcome
from reminder.plan.model import Item
from reminder.status import Status
from reminder.views.agenda import (
    AFTER_PLAN,
    DAY,
    Lots,
    alarms_between,
    alarms_on,
    dues_on,
    labels_around,
    lots_between,
    start_of,
)
from reminder.views.ledger import OWN_ITEMS
from reminder.views.lines import (
    AlarmLine,
    DueLine,
    Mood,
    alarm_lines,
    due_lines,
    outcome_words,
    recorded_receivers,
)
from reminder.views.look import Look
from reminder.views.progress import Tally, progress, sum_of
from reminder.views.troubles import (
    PauseLine,
    StuckLine,
    WaitingLine,
    pause_lines,
    refusal_lines,
    stuck_lines,
    waiting_lines,
)
from reminder.views.wording import day_words

WEEK = 7
LOOKED_AT = 40
"""Coming alarms that are asked whom they reach, until one reaches somebody."""
_SENT = (Action.SEND, Action.MERGE)


@dataclass(frozen=True, slots=True)
class SentLine:
    """What was tried today for one alarm, or what was decided not to send, and where it stands."""

    planned_at: datetime
    title: str
    item: str
    label: str
    receivers: str
    mood: Mood
    state: str


@dataclass(frozen=True, slots=True)
class OverdueLine:
    """An occurrence past its due date with something still owed."""

    item: Item
    occurrence: str
    label: str
    due: date
    tally: Tally


@dataclass(frozen=True, slots=True)
class Group:
    """Alarms of one instant that come at the same distance: ``09:00 截止后1个工作日``."""

    at: datetime
    rung: str
    lines: tuple[AlarmLine, ...]


@dataclass(frozen=True, slots=True)
class DayLine:
    """One of the days ahead."""

    day: date
    words: str
    rest: bool
    provisional: bool
    groups: tuple[Group, ...]
    dues: tuple[DueLine, ...]

    @property
    def alarms(self) -> tuple[AlarmLine, ...]:
        return tuple(line for group in self.groups for line in group.lines)


@dataclass(frozen=True, slots=True)
class Daemon:
    """Whether the daemon does its work: a word for it, and what to do if it does not."""

    well: bool
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Today:
    """Everything of the page."""

    words: str
    daemon: Daemon
    refused: tuple[str, ...]
    missing_year: int | None
    pauses: tuple[PauseLine, ...]
    waiting: tuple[WaitingLine, ...]
    stuck: tuple[StuckLine, ...]
    overdue: tuple[OverdueLine, ...]
    sent: tuple[SentLine, ...]
    unsent: tuple[SentLine, ...]
    following: AlarmLine | None
    """The next alarm that reaches somebody as things stand."""
    week: tuple[DayLine, ...]
    lots: tuple[Lots, ...]

    @property
    def overdue_cells(self) -> int:
        return sum_of(line.tally for line in self.overdue).overdue

    @property
    def uncertain(self) -> int:
        return sum(line.uncertain for line in self.stuck)

    @property
    def failed(self) -> int:
        return len(self.stuck) - self.uncertain


def today_of(look: Look, status: Status | None) -> Today:
    """The day as it stands; ``status`` is the daemon's last word, None if there is none."""
    week = _week(look)
    last = look.today + (WEEK - 1) * DAY
    return Today(
        day_words(look.edition.calendar.day(look.today)),
        _daemon(status),
        refusal_lines(look, status),
        look.edition.calendar.missing_year(look.today),
        pause_lines(look),
        waiting_lines(look),
        stuck_lines(look),
        _overdue(look),
        _sent(look),
        _unsent(look),
        _following(look, week),
        week,
        lots_between(look, look.today, last),
    )


def _daemon(status: Status | None) -> Daemon:
    if status is None:
        return Daemon(
            well=False,
            word="没有运行记录",
            text="没有守护进程的运行状况记录，提醒可能没有在发送；请启动它（reminder run）",
        )
    if status.found:
        return Daemon(well=False, word="不正常", text=status.found)
    page = status.raw.get("page")
    return Daemon(well=True, word="正常", text=str(page["problem"]) if page and page["problem"] else "")


def _week(look: Look) -> tuple[DayLine, ...]:
    days = [look.today + number * DAY for number in range(WEEK)]
    lines = alarm_lines(look, alarms_on(look, days[0], days[-1]))
    dues = due_lines(look, dues_on(look, days[0], days[-1]))
    calendar = look.edition.calendar
    return tuple(
        DayLine(
            day,
            day_words(calendar.day(day)),
            not calendar.is_workday(day),
            calendar.status(day) is DayStatus.PROVISIONAL,
            _groups(line for line in lines if line.at.date() == day),
            tuple(line for line in dues if line.at.date() == day),
        )
        for day in days
    )


def _groups(lines: Iterable[AlarmLine]) -> tuple[Group, ...]:
    found: dict[tuple[datetime, str], list[AlarmLine]] = {}
    for line in lines:
        found.setdefault((line.at, line.rung), []).append(line)
    return tuple(Group(at, rung, tuple(alike)) for (at, rung), alike in found.items())


def _following(look: Look, week: Iterable[DayLine]) -> AlarmLine | None:
    coming = [line for day in week for line in day.alarms if line.coming]
    if found := next((line for line in coming if line.heard), None):
        return found
    begin = start_of(look, look.today + WEEK * DAY)
    end = start_of(look, date(look.edition.plan.head.until.year + AFTER_PLAN, 12, 31))
    step = timedelta(days=31)
    left = LOOKED_AT
    while begin < end and left > 0:
        alarms = alarms_between(look, begin, begin + step)[:left]
        for alarm in alarms:
            (line,) = alarm_lines(look, [alarm])
            if line.heard:
                return line
        left -= len(alarms)
        begin += step
    return None


def _overdue(look: Look) -> tuple[OverdueLine, ...]:
    found = [
        OverdueLine(each.item, each.occurrence.id, each.occurrence.label, each.occurrence.due, each.tally)
        for each in progress(look)
        if each.tally.overdue
    ]
    return tuple(sorted(found, key=lambda line: (line.due, line.occurrence)))


def _sent(look: Look) -> tuple[SentLine, ...]:
    """What was tried today, whenever it was planned."""
    since = start_of(look, look.today)
    channels = tuple(look.edition.plan.channels)
    return _lines(
        look, look.ledger.book.outcomes_tried(look.plan_id, look.transport, channels, since, look.now)
    )


def _unsent(look: Look) -> tuple[SentLine, ...]:
    """What was decided today and sends nothing, or nothing yet."""
    since = start_of(look, look.today)
    found = look.ledger.book.outcomes_recorded(look.plan_id, look.transport, since, look.now + DAY)
    return _lines(look, [each for each in found if each.decision not in _SENT])


def _lines(look: Look, outcomes: Iterable[Outcome]) -> tuple[SentLine, ...]:
    alarms: dict[str, list[Outcome]] = {}
    for each in outcomes:
        if look.sees(look.edition.plan.item(each.item)):
            alarms.setdefault(each.alarm, []).append(each)
    labels = labels_around(look, look.today) if alarms else {}
    return tuple(_line(look, found, labels) for found in alarms.values())


def _line(look: Look, found: list[Outcome], labels: Mapping[str, str]) -> SentLine:
    first = found[0]
    item = look.edition.plan.item(first.item)
    mood, state = outcome_words(found)
    return SentLine(
        first.planned_at.astimezone(look.zone),
        item.spec.title if item is not None else OWN_ITEMS.get(first.item, first.item),
        item.id if item is not None else "",
        labels.get(first.occurrence, first.occurrence.partition("/")[2]) if item is not None else "",
        recorded_receivers(look, found),
        mood,
        state,
    )
