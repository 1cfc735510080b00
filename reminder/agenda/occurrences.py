"""Occurrences: one item in one period, window, festival or day (RFC 5545 §3.8.4.4).

Pure.  An occurrence's id never contains a computed date, so that a new
arrangement of the calendar moves its dates and leaves its identity alone.

An occurrence belongs to the plan when its due date lies between the plan's
``from`` and ``until``; the rungs that follow it may lie beyond.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from reminder.agenda.facts import NOTHING, Facts, Registered
from reminder.agenda.instants import instant, zone_of
from reminder.agenda.spans import Festival, Span, spans
from reminder.agenda.value import value
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.periods import PeriodKind, periods
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.model import Item, PlanHead
from reminder.plan.when import DrawWhen, EventWhen


@value
class Occurrence:
    """One item in one period.

    ``first`` and ``last`` bound the period or window; ``opens`` ≤ ``due``;
    ``due_at`` is aware, in the plan's zone.  ``status`` is how firm the dates
    are: official unless a working day or a break of a provisional year was used.
    """

    id: str
    former_ids: tuple[str, ...]
    label: str
    first: date
    last: date
    opens: date
    due: date
    due_at: datetime
    status: DayStatus = DayStatus.OFFICIAL
    festival: Festival | None = None
    record_ids: tuple[str, ...] = ()
    """Under which ids its duties are recorded, if not under its own."""
    rotated: date | None = None
    """The day of the rotation after which it is owed once more (:mod:`~reminder.agenda.duties`)."""
    period: tuple[date, date] | None = None
    """Opening and due date of the occurrence itself, after a rotation."""
    drawn: str = ""
    """The unit that a draw chose."""
    started: datetime | None = None
    """When the event that started it was registered: nobody is reminded before."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The id in force first, then the former ones."""
        return (self.id, *self.former_ids)

    @property
    def recorded_under(self) -> tuple[str, ...]:
        """The ids under which the ledger may hold its duties."""
        return self.record_ids or self.ids

    @property
    def midpoint(self) -> date:
        """The day halfway between opening and due date, rounded down."""
        return self.opens + (self.due - self.opens) // 2


def occurrences(
    item: Item,
    head: PlanHead,
    calendar: WorkCalendar,
    first: date,
    last: date,
    facts: Facts = NOTHING,
) -> Iterator[Occurrence]:
    """Every occurrence of an item whose due date lies in the plan and in [first, last].

    Events start when they are registered, and lots are there once they are
    published: ``facts`` tells of both.
    """
    since, until = max(first, head.from_), min(last, head.until)
    if since > until:
        return
    found: Iterator[Occurrence]
    match item.spec.when:
        case EventWhen() as when:
            started = (event for event in facts.events if event.event == when.event)
            found = (_started(item, when, event, head, calendar) for event in started)
        case DrawWhen() as when:
            found = _drawn(item, when, head, since, until, facts)
        case when:
            found = (occurrence_of(item, span) for span in spans(when, head, calendar, since, until))
    yield from (each for each in found if since <= each.due <= until)


def occurrence_of(item: Item, span: Span) -> Occurrence:
    """An item in one of its spans."""
    current, former = _ids(item, span.suffix)
    return Occurrence(
        current,
        former,
        span.label,
        span.first,
        span.last,
        span.opens,
        span.due,
        span.due_at,
        span.status,
        span.festival,
    )


def _started(
    item: Item, when: EventWhen, event: Registered, head: PlanHead, calendar: WorkCalendar
) -> Occurrence:
    """Open from the day it was registered; ``first`` is the event's own day.

    One that was moved has a ladder of its own; what was done stays done.
    """
    zone = zone_of(head.timezone)
    due = event.on if when.due_workdays is None else calendar.shift(event.on, when.due_workdays)
    at = event.at.astimezone(zone)
    again = f"~{event.turn}" if event.turn > 1 else ""
    current, former = _ids(item, event.subject + again)
    return Occurrence(
        current,
        former,
        event.subject,
        event.on,
        event.on,
        min(at.date(), due),
        due,
        instant(due, when.at, zone),
        DayStatus.OFFICIAL if when.due_workdays is None else calendar.status(due),
        record_ids=tuple(f"{each}/{event.subject}" for each in item.ids) if again else (),
        started=at,
    )


def _drawn(
    item: Item,
    when: DrawWhen,
    head: PlanHead,
    since: date,
    until: date,
    facts: Facts,
) -> Iterator[Occurrence]:
    """The lots that are published; before its day a lot has no occurrence for anybody."""
    for period in periods(PeriodKind(when.draw.per), since, until):
        draw = facts.draw_of(item.ids, period.id)
        for lot in draw.lots if draw is not None else ():
            if lot.day is None:
                continue
            several = f".{lot.number}" if lot.number > 1 else ""
            current, former = _ids(item, period.id + several)
            due_at = instant(lot.day, when.at, zone_of(head.timezone))
            yield Occurrence(
                current, former, period.label, period.first, period.last, lot.day, lot.day, due_at, drawn=lot.unit
            )  # fmt: skip


def _ids(item: Item, suffix: str) -> tuple[str, tuple[str, ...]]:
    spec = item.spec
    return f"{spec.id}/{suffix}", tuple([f"{each}/{suffix}" for each in spec.was]) if spec.was else ()
