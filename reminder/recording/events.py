"""Events: an appointment ahead, a circular received.  What an admin registers starts its items.

An event has a name, which the plan's items wait for, and a subject, which is a
code.  It is registered once, may be moved to another day or be called off; of
all that the ledger keeps who did it and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from reminder.agenda.alarms import Alarm, ladder
from reminder.agenda.duties import Standing, standings
from reminder.agenda.facts import CalledOff, DutyState, Facts, Registered
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.check import Edition
from reminder.ledger.facts import FactKind, happening_key
from reminder.ledger.ledger import Ledger
from reminder.plan.fields import did_you_mean
from reminder.plan.model import Item
from reminder.plan.when import EventWhen
from reminder.recording.recorder import LONGEST_NOTE, Refused
from reminder.recording.subjects import fault_of, name_in, normal

NOTHING_DONE = "没有登记"


@dataclass(frozen=True, slots=True)
class Start:
    """What an event starts of one item: who owes it until when, and when they are reminded."""

    item: Item
    occurrence: Occurrence
    owed: tuple[Standing, ...]
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """An event that stands in the ledger, and what it starts; not ``new`` if it stood there before."""

    event: Registered
    starts: tuple[Start, ...]
    new: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One item of an event, and how far it is.  ``gate``: it has to be done by the event's day."""

    item: Item
    gate: bool
    cells: tuple[Standing, ...]

    @property
    def done(self) -> bool:
        """Everything is done; a waiver is not."""
        return bool(self.cells) and all(each.state is DutyState.DONE for each in self.cells)

    @property
    def open(self) -> bool:
        """Something is still owed, or nobody is there to owe it."""
        return not self.cells or any(each.owed for each in self.cells)

    @property
    def done_on(self) -> date | None:
        """The day of the last deed, once all is done."""
        return max(each.done_on for each in self.cells if each.done_on) if self.done else None


@dataclass(frozen=True, slots=True)
class Listed:
    """One event as it stands; ``called_off`` if it does not take place."""

    event: Registered
    steps: tuple[Step, ...] = ()
    past: bool = False
    called_off: CalledOff | None = None

    @property
    def gate(self) -> tuple[Step, ...]:
        """The steps that have to be done by the event's day."""
        return tuple(step for step in self.steps if step.gate)

    @property
    def complete(self) -> bool:
        """Whether all steps of the gate are done."""
        return all(step.done for step in self.gate)


class Events:
    """Registers events and tells how far they are.  Safe to use from several threads."""

    def __init__(self, ledger: Ledger, edition: Edition) -> None:
        self._ledger = ledger
        self._edition = edition
        self._plan = edition.plan
        self._names = tuple(person.name for person in edition.plan.directory.people)

    def facts(self) -> Facts:
        """What is known at this moment."""
        return self._ledger.facts(self._plan.id, self._ledger.transport(self._plan.id))

    def items(self) -> Mapping[str, tuple[Item, ...]]:
        """The items that wait for each event's name, in plan order."""
        found: dict[str, list[Item]] = {}
        for item in self._plan.items:
            if isinstance(item.spec.when, EventWhen):
                found.setdefault(item.spec.when.event, []).append(item)
        return {name: tuple(items) for name, items in found.items()}

    # -- what is recorded -------------------------------------------------------

    def register(self, event: str, subject: str, on: date, *, by: str, now: datetime) -> Begun:
        """Start the items that wait for ``event``.  The same again changes nothing.

        Raises :class:`Refused` for an unknown name, a subject that is no code or
        is taken, and a day that is past or beyond the plan.
        """
        name, code, facts = self._known(event), self._code(subject), self.facts()
        if there := _find(facts.events, name, code):
            return self._again(there, on, facts, now)
        before = next((each for each in facts.called_off if _is(each.registered, name, code)), None)
        turn = before.registered.turn + 1 if before is not None else 1
        return self._record(Registered(name, code, on, now, by, turn), {}, now)

    def move(self, event: str, subject: str, on: date, *, by: str, reason: str, now: datetime) -> Begun:
        """The event takes place on another day: its reminders are reckoned anew, what is done stays done.

        Raises :class:`Refused` for an event that is not registered, and a day as :meth:`register`.
        """
        there = self._registered(event, subject)
        if there.on == on:
            return Begun(there, self._starts(there, self.facts(), now), new=False)
        moved = Registered(there.event, there.subject, on, now, by, there.turn + 1)
        detail = {"moved_from": there.on.isoformat(), "reason": self._reason(reason)}
        return self._record(moved, detail, now)

    def cancel(self, event: str, subject: str, *, by: str, reason: str, now: datetime) -> Registered:
        """The event does not take place: nobody is reminded of it any more.

        Raises :class:`Refused` for an event that is not registered, and without a reason.
        """
        there, why = self._registered(event, subject), self._reason(reason)
        detail = {"event": there.event, "subject": there.subject, "turn": there.turn, "reason": why}
        key = happening_key(there.event, there.subject, turn=there.turn)
        self._ledger.remember(self._plan.id, FactKind.EVENT_CANCEL, key, by=by, detail=detail, now=now)
        return there

    def _again(self, there: Registered, on: date, facts: Facts, now: datetime) -> Begun:
        if there.on != on:
            raise Refused(
                f"“{there.subject}”已登记在 {there.on}；要改到 {on}，请用 reminder event move，"
                f"如是另一件事，请另取代号；{NOTHING_DONE}"
            )
        return Begun(there, self._starts(there, facts, now), new=False)

    def _record(self, event: Registered, more: Mapping[str, str], now: datetime) -> Begun:
        self._in_time(event, now)
        facts = Facts(events=(event,))
        starts = self._starts(event, facts, now)
        self._has_use(event, starts, now)
        key = happening_key(event.event, event.subject, turn=event.turn)
        detail = {**detail_of(event), **more}
        if not self._ledger.remember(self._plan.id, FactKind.EVENT, key, by=event.by, detail=detail, now=now):
            facts = self.facts()  # somebody was quicker
            if there := _find(facts.events, event.event, event.subject):
                return self._again(there, event.on, facts, now)
            raise Refused(f"“{event.subject}”刚刚被别处更改；请再看一次 reminder event list；{NOTHING_DONE}")
        facts = self.facts()
        return Begun(event, self._starts(event, facts, now))

    # -- what may be recorded ---------------------------------------------------

    def _known(self, event: str) -> str:
        known = list(self.items())
        if event in known:
            return event
        if not known:
            raise Refused(f"计划中没有由事件触发的事项（when: event）；{NOTHING_DONE}")
        hint = did_you_mean(event, known)
        raise Refused(
            f"计划中没有等待事件“{event}”的事项；可用：{'、'.join(known)}"
            + (f"；{hint}" if hint else "")
            + f"；{NOTHING_DONE}"
        )

    def _code(self, subject: str) -> str:
        code = normal(subject)
        if fault := fault_of(code, self._names):
            raise Refused(f"{fault}；{NOTHING_DONE}")
        return code

    def _reason(self, reason: str) -> str:
        text = " ".join(reason.split())
        if not text:
            raise Refused("须写明理由（--reason）；没有更改")
        if len(text) > LONGEST_NOTE or not text.isprintable():
            raise Refused(f"理由写一行，最多{LONGEST_NOTE}字；没有更改")
        if found := name_in(text, self._names):
            raise Refused(f"理由里有姓名“{found}”：请改用代号或职务；没有更改")
        return text

    def _registered(self, event: str, subject: str) -> Registered:
        name, code, facts = self._known(event), normal(subject), self.facts()
        if there := _find(facts.events, name, code):
            return there
        for each in facts.called_off:
            if _is(each.registered, name, code):
                raise Refused(
                    f"“{code}”已于 {self._day(each.at)} 取消；如又要办理，请重新登记："
                    f"reminder event {name} --on 日期 --subject {code}；没有更改"
                )
        known = [each.subject for each in facts.events if each.event == name]
        shown = f"已登记的有：{'、'.join(known)}" if known else "该事件还没有任何登记"
        hint = did_you_mean(code, known)
        raise Refused(f"没有登记过“{code}”；{shown}{'；' + hint if hint else ''}；没有更改")

    def _in_time(self, event: Registered, now: datetime) -> None:
        today, head = self._day(now), self._plan.head
        if event.on < today:
            raise Refused(
                f"{event.on} 已经过去（今天是 {today}），不能登记：可登记今天及以后的日期；"
                f"收到通报等补登的，请写今天；{NOTHING_DONE}"
            )
        if event.on > head.until:
            raise Refused(
                f"{event.on} 在计划截止日 {head.until} 之后：可登记 {today} 至 {head.until}；{NOTHING_DONE}"
            )

    def _has_use(self, event: Registered, starts: Iterable[Start], now: datetime) -> None:
        dues = [start.occurrence.due_at for start in starts]
        head = self._plan.head
        if not dues:
            raise Refused(
                f"{event.on} 所启动的事项到期日不在计划的起止日期（{head.from_} 至 {head.until}）之内；{NOTHING_DONE}"
            )
        if max(dues) <= now:
            raise Refused(
                f"今天 {max(dues):%H:%M} 的时限已过，不能再登记今天的“{event.event}”：可登记明天及以后的日期；"
                f"{NOTHING_DONE}"
            )

    # -- what it starts, and how far it is --------------------------------------

    def _starts(self, event: Registered, facts: Facts, now: datetime) -> tuple[Start, ...]:
        zone = zone_of(self._plan.head.timezone)
        found = []
        for item, occurrence in self._occurrences(event, facts):
            alarms = ladder(item, item.rungs, occurrence, self._edition.calendar, zone)
            owed = standings(item, occurrence, self._plan.directory, self._edition.calendar, facts, now)
            ordered = tuple(sorted(alarms, key=lambda alarm: alarm.order))
            found.append(Start(item, occurrence, owed, ordered))
        return tuple(found)

    def _occurrences(self, event: Registered, facts: Facts) -> Iterator[tuple[Item, Occurrence]]:
        head = self._plan.head
        only = Facts(events=(event,), duties=facts.duties)
        for item in self.items().get(event.event, ()):
            for occurrence in occurrences(item, head, self._edition.calendar, head.from_, head.until, only):
                yield item, occurrence

    def listed(self, now: datetime) -> list[Listed]:
        """Every event in order of its day, those called off last."""
        facts, today = self.facts(), self._day(now)
        directory, calendar = self._plan.directory, self._edition.calendar
        rows = []
        for event in facts.events:
            steps = tuple(
                Step(
                    item,
                    item.spec.duty is not None and item.spec.duty.gate,
                    standings(item, occurrence, directory, calendar, facts, now),
                )
                for item, occurrence in self._occurrences(event, facts)
                if item.spec.duty is not None
            )
            rows.append(Listed(event, steps, past=event.on < today))
        rows.sort(key=lambda row: (row.event.on, row.event.event, row.event.subject))
        return rows + [Listed(each.registered, called_off=each) for each in facts.called_off]

    def _day(self, at: datetime) -> date:
        return at.astimezone(zone_of(self._plan.head.timezone)).date()


def _is(event: Registered, name: str, subject: str) -> bool:
    return (event.event, event.subject) == (name, subject)


def _find(events: Iterable[Registered], name: str, subject: str) -> Registered | None:
    return next((each for each in events if _is(each, name, subject)), None)


def copy_event(ledger: Ledger, plan_id: str, event: Registered) -> None:
    """Put an event into another ledger as it stands in its own, for a simulation."""
    key = happening_key(event.event, event.subject, turn=event.turn)
    detail = detail_of(event)
    ledger.remember(plan_id, FactKind.EVENT, key, by=event.by, detail=detail, now=event.at)


def detail_of(event: Registered) -> dict[str, str | int]:
    """An event as a row holds it."""
    return {
        "event": event.event,
        "subject": event.subject,
        "on": event.on.isoformat(),
        "turn": event.turn,
    }
