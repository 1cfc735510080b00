"""Whom an alarm reaches, with what they still owe; and whom it does not reach, and why.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from reminder.agenda.alarms import Alarm
from reminder.agenda.duties import Cell, Standing, standings
from reminder.agenda.facts import DutyState, Facts, SilenceKind
from reminder.agenda.reasons import Reason
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.audience import Audience, Term, TermKind
from reminder.plan.directory import Directory, Person, unique
from reminder.plan.model import DEFAULT_ALARM_TIME, MISSING_LIST, Item, Plan, Rung

OPEN, NOT_BOOKED = "open", "not-booked"
_LISTENING = (TermKind.OWING, TermKind.ESCALATION)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A person an alarm goes to, with the cells it is about for them.

    ``for_`` are absent persons they act for.  ``counts_only``: of a private item
    they may know how many cells are open, and not whose.
    """

    person: Person
    cells: tuple[Cell, ...] = ()
    for_: tuple[Person, ...] = ()
    counts_only: bool = False


@dataclass(frozen=True, slots=True)
class Withheld:
    """Somebody who is not told although the rung means them; ``until`` is when to look again, if ever."""

    receiver: Receiver
    reason: Reason
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """Whom an alarm reaches.  With nobody in either list, ``reason`` says why.

    ``unowned`` are open cells that nobody can be reminded of.  ``concerns_leader``
    says that it is an escalation about somebody who supervises units.
    """

    receivers: tuple[Receiver, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    reason: Reason | None = None
    unowned: tuple[Cell, ...] = ()
    concerns_leader: bool = False


def listens(rung: Rung) -> bool:
    """Whether the rung depends on what is still open."""
    return (
        rung.condition is not None
        or rung.template == MISSING_LIST
        or any(term.kind in _LISTENING for term in rung.to if not term.excluded)
    )


def reach(alarm: Alarm, plan: Plan, calendar: WorkCalendar, facts: Facts, now: datetime) -> Reached:
    """Whom ``alarm`` reaches at ``now`` (aware, in any zone), in roster order.

    ``owing`` are those who owe an open cell, each with exactly their open
    cells; ``escalation`` those above them; a missing list has all open cells.
    A rung with ``if`` goes, of the persons it names, to those whom an open cell
    concerns.  Deputies stand in for who is absent.
    """
    item, directory = alarm.item, plan.directory
    today = now.astimezone(alarm.at.tzinfo).date()
    if _silenced(alarm, facts, SilenceKind.ITEM, item.ids):
        return Reached(reason=Reason.SILENCED)
    known = standings(item, alarm.occurrence, directory, calendar, facts, now)
    asked = [each for each in known if each.owed and not _settled_by_booking(each, alarm)]
    cells = tuple(
        each.cell for each in asked if not _silenced(alarm, facts, SilenceKind.UNIT, (each.cell.subject,))
    )
    if listens(alarm.rung) and not cells:
        return Reached(reason=_why_nothing(known, asked))
    found = tuple(_meant(alarm, cells, plan, today))
    present = _with_deputies(found, directory, today)
    receivers: list[Receiver] = []
    withheld: list[Withheld] = []
    for receiver in present:
        if why := _withheld(receiver, alarm, directory, facts, today):
            withheld.append(why)
        else:
            receivers.append(receiver)
    return Reached(
        tuple(receivers),
        tuple(withheld),
        None if present else Reason.NOBODY,
        tuple(cell for cell in cells if not cell.owners) if _asks_owners(alarm.rung) else (),
        concerns_leader=asks_above(alarm.rung) and concerns_leader(cells, directory, today),
    )


def concerns_leader(cells: Iterable[Cell], directory: Directory, on: date) -> bool:
    """Whether one who owes supervises units."""
    return any(directory.supervises(owner.id, on) for cell in cells for owner in cell.owners)


def _asks_owners(rung: Rung) -> bool:
    return any(term.kind is TermKind.OWING and not term.excluded for term in rung.to)


def _settled_by_booking(standing: Standing, alarm: Alarm) -> bool:
    """Whether the rung asks for a date and one is arranged."""
    return alarm.rung.condition == NOT_BOOKED and standing.state is DutyState.IN_PROGRESS


def _why_nothing(known: Sequence[Standing], asked: Sequence[Standing]) -> Reason:
    if asked:
        return Reason.SILENCED
    return Reason.BOOKED if any(each.owed for each in known) else Reason.NOTHING_OPEN


def _silenced(alarm: Alarm, facts: Facts, kind: SilenceKind, names: tuple[str, ...]) -> bool:
    return any(each.kind is kind and each.name in names and each.holds(alarm.at) for each in facts.silences)


def _meant(alarm: Alarm, cells: tuple[Cell, ...], plan: Plan, on: date) -> Iterator[Receiver]:
    """Whom the rung's audience means, before anybody's absence."""
    directory, rung, item = plan.directory, alarm.rung, alarm.item
    owned = _by_person((owner, cell) for cell in cells for owner in cell.owners)
    above = _by_person(escalation(item, cells, plan, on)) if _has(rung.to, TermKind.ESCALATION) else {}
    named = {person.id for person in directory.people_meant(rung.to, on)}
    if rung.condition is not None:
        named &= _concerned(rung.to, cells, directory, on)
    excluded = {
        p.id for term in rung.to if term.excluded for p in directory.people_meant((_plain(term),), on)
    }
    charge = in_charge(plan, on) if item.spec.private else set()
    owing = set(owned) if _has(rung.to, TermKind.OWING) else set()
    meant = (named | owing | set(above)) - excluded
    for person in directory.people:
        if person.id not in meant:
            continue
        if rung.template == MISSING_LIST:
            mine: tuple[Cell, ...] = cells
        elif person.id in above:
            mine = above[person.id]
        elif rung.condition is not None and person.id not in owned:
            mine = _concerning(person, cells, directory, on)
        else:
            mine = owned.get(person.id, ())
        of_others = any(all(owner.id != person.id for owner in cell.owners) for cell in mine)
        hidden = item.spec.private and of_others and person.id not in charge
        yield Receiver(person, mine, counts_only=hidden)


def _has(audience: Audience, kind: TermKind) -> bool:
    return any(term.kind is kind and not term.excluded for term in audience)


def _plain(term: Term) -> Term:
    return Term(term.kind, term.name)


def _by_person(pairs: Iterable[tuple[Person, Cell]]) -> dict[str, tuple[Cell, ...]]:
    found: dict[str, list[Cell]] = {}
    for person, cell in pairs:
        if cell not in found.setdefault(person.id, []):
            found[person.id].append(cell)
    return {person: tuple(cells) for person, cells in found.items()}


def escalation(item: Item, cells: Iterable[Cell], plan: Plan, on: date) -> Iterator[tuple[Person, Cell]]:
    """Who is told of each open cell above its obligor; never the obligor.

    ``escalate_to`` if the duty has it; for a pair the plan's ``in_charge``; else
    those who supervise the unit: 分管部务会成员 of a section, 第一书记 of a branch.
    """
    for cell in cells:
        for person in escalation_of(item, cell, plan, on):
            if all(person.id != owner.id for owner in cell.owners):
                yield person, cell


def escalation_of(item: Item, cell: Cell, plan: Plan, on: date) -> tuple[Person, ...]:
    """The persons above a cell, its obligor not yet taken out."""
    directory: Directory = plan.directory
    duty = item.spec.duty
    if duty is None:
        return ()
    if duty.escalate_to is not None:
        return directory.people_meant(duty.escalate_to, on)
    if duty.each == "pair":
        return directory.people_meant(plan.head.in_charge, on) if plan.head.in_charge is not None else ()
    units = {cell.subject} if cell.subject else set()
    if duty.each == "person":  # a head's own duty is a matter of the unit they lead
        units = {unit.id for owner in cell.owners for unit in directory.units_led(owner.id, on)} or units
    return unique(person for unit in sorted(units) for person in directory.supervisors_of(unit, on))


def asks_above(rung: Rung) -> bool:
    """Whether the rung is an escalation."""
    return _has(rung.to, TermKind.ESCALATION)


def in_charge(plan: Plan, on: date) -> set[str]:
    """Ids of those who may see the names of a private item's cells besides their obligors."""
    audience = plan.head.in_charge
    return {p.id for p in plan.directory.people_meant(audience, on)} if audience is not None else set()


def _concerned(audience: Audience, cells: Iterable[Cell], directory: Directory, on: date) -> set[str]:
    """Of the persons an audience names, those whom an open cell concerns.

    ``head:`` and ``contact:`` ask for the unit's own cell; any other term is
    concerned by every cell.
    """
    subjects = {cell.subject for cell in cells}
    found: set[str] = set()
    for term in audience:
        if term.excluded or term.kind in _LISTENING:
            continue
        if term.kind in (TermKind.HEAD, TermKind.CONTACT):
            for unit in directory.units_of(term.name, on):
                if unit.id in subjects:
                    people = (
                        directory.head_of(unit, on)
                        if term.kind is TermKind.HEAD
                        else directory.contact_of(unit, on)
                    )
                    found |= {person.id for person in people}
        else:
            found |= {person.id for person in directory.people_meant((term,), on)}
    return found


def _concerning(person: Person, cells: tuple[Cell, ...], directory: Directory, on: date) -> tuple[Cell, ...]:
    """The open cells of the units that a person leads or speaks for; all, for anybody else."""
    units = {
        unit.id
        for unit in directory.units
        if unit.holds(on)
        and any(
            each.id == person.id for each in (*directory.head_of(unit, on), *directory.contact_of(unit, on))
        )
    }
    return tuple(cell for cell in cells if cell.subject in units) or cells


def _with_deputies(receivers: Sequence[Receiver], directory: Directory, on: date) -> tuple[Receiver, ...]:
    """Whoever is absent is replaced by their deputies; a deputy who is meant anyway gets both."""
    found: dict[str, Receiver] = {}
    for receiver in receivers:
        deputies = directory.deputies_of(receiver.person.id, on)
        for person in deputies or (receiver.person,):
            for_ = (receiver.person,) if deputies else ()
            before = found.get(person.id)
            if before is None:
                found[person.id] = replace(receiver, person=person, for_=for_)
            else:
                cells = tuple(dict.fromkeys((*before.cells, *receiver.cells)))
                hidden = before.counts_only or receiver.counts_only
                found[person.id] = Receiver(person, cells, (*before.for_, *for_), hidden)
    order = {person.id: number for number, person in enumerate(directory.people)}
    return tuple(sorted(found.values(), key=lambda each: order[each.person.id]))


def _withheld(
    receiver: Receiver, alarm: Alarm, directory: Directory, facts: Facts, today: date
) -> Withheld | None:
    """Why a receiver is not told now, if so.

    They belong to the unit that was drawn, or were muted by the operator, or wished it for later.
    """
    drawn = alarm.occurrence.drawn
    if drawn and directory.belongs_to(receiver.person, drawn, today):
        return Withheld(receiver, Reason.DRAWN)
    if _silenced(alarm, facts, SilenceKind.PERSON, (receiver.person.id,)):
        return Withheld(receiver, Reason.SILENCED)
    until = facts.snoozed_until(receiver.person.id, alarm.occurrence.recorded_under)
    if until is not None and today < until:
        again = datetime.combine(until, DEFAULT_ALARM_TIME, tzinfo=alarm.at.tzinfo)
        return Withheld(receiver, Reason.SNOOZED, again)
    return None
