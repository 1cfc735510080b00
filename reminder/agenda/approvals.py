"""Approvals: whose text somebody reads first, when they are asked, and who may say yes.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from reminder.agenda.alarms import Alarm
from reminder.agenda.reach import asks_above, in_charge
from reminder.agenda.steps import day_from
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.audience import Audience
from reminder.plan.directory import Directory, Person, unique
from reminder.plan.model import Anchor, Approval, Item, Plan, Rung

ESCALATION_LEAD_WORKDAYS = 1
"""How long before its hour an escalation that concerns a leader is shown.

Asked at its hour it could never go out on time, and asked much earlier it would
be about what is still going to be done.
"""


def covered(item: Item, rung: Rung) -> Approval | None:
    """The item's approval, if it is asked for this rung."""
    approval = item.spec.approval
    if approval is None or (approval.rungs and not {rung.id, *rung.was} & set(approval.rungs)):
        return None
    return approval


def may_be_asked(item: Item, rung: Rung) -> bool:
    """Whether the rung may have to be approved; of an escalation that depends on who still owes."""
    return covered(item, rung) is not None or (item.spec.duty is not None and asks_above(rung))


def may_need(alarm: Alarm) -> bool:
    """Whether the alarm may have to be approved."""
    return may_be_asked(alarm.item, alarm.rung)


def asks_at(alarm: Alarm, calendar: WorkCalendar) -> datetime:
    """When its approvers are asked: never later than the alarm itself."""
    approval = covered(alarm.item, alarm.rung)
    if approval is None:
        day = calendar.before(alarm.at.date(), ESCALATION_LEAD_WORKDAYS)
        return datetime.combine(day, alarm.at.timetz())
    anchor = Anchor(approval.from_)
    day = day_from(anchor, approval.workdays, approval.days, alarm.occurrence, calendar)
    return min(datetime.combine(day, approval.at, tzinfo=alarm.at.tzinfo), alarm.at)


def approvers(item: Item, rung: Rung, plan: Plan) -> Audience:
    """Who approves: as the item says, else the plan's ``approvers``."""
    approval = covered(item, rung)
    return approval.by if approval is not None else plan.head.approvers or ()


@dataclass(frozen=True, slots=True)
class Panel:
    """Who approves on a day.

    ``named`` are those the plan names; ``asked`` those who are shown the text:
    whoever is absent is replaced by their deputies.  ``submitter`` is the author
    of the plan, empty when nobody knows; ``barred`` are the ids of those who may
    not approve: whoever submitted it, then or now, and every admin unless the
    submitter is a known person.
    """

    named: tuple[Person, ...]
    asked: tuple[Person, ...]
    submitter: str
    barred: frozenset[str]

    @property
    def able(self) -> tuple[Person, ...]:
        """Everybody who may approve."""
        return tuple(each for each in unique((*self.asked, *self.named)) if each.id not in self.barred)

    def for_(self, person: Person, directory: Directory, on: date) -> tuple[Person, ...]:
        """In whose place a person approves; nobody's, if they are named themselves."""
        if any(each.id == person.id for each in self.named):
            return ()
        return tuple(
            each
            for each in self.named
            if any(deputy.id == person.id for deputy in directory.deputies_of(each.id, on))
        )


def panel(alarm: Alarm, plan: Plan, on: date, submitter: str, first_submitter: str = "") -> Panel:
    """Who approves an alarm's text on a day.

    ``submitter`` is the author of the plan in force, ``first_submitter`` of the
    one in force when this very text was first shown.
    """
    directory: Directory = plan.directory
    named = directory.people_meant(approvers(alarm.item, alarm.rung, plan), on)
    asked = unique(person for each in named for person in directory.deputies_of(each.id, on) or (each,))
    admins = directory.people_meant(plan.head.admins, on) if plan.head.admins is not None else ()
    barred = {submitter, first_submitter}
    if directory.person(submitter) is None:
        barred |= {each.id for each in admins}
    return Panel(named, asked, submitter, frozenset(barred))


def superiors(people: tuple[Person, ...], plan: Plan, on: date) -> tuple[Person, ...]:
    """Who stands above approvers: those who supervise their units.

    For whom nobody does: who is in charge, or else the admins.
    """
    directory: Directory = plan.directory
    found: list[Person] = []
    for person in people:
        units = [unit.id for unit in directory.units_led(person.id, on)]
        units += [person.unit] if person.unit and person.unit not in units else []
        above = [each for unit in units for each in directory.supervisors_of(unit, on)]
        above = [each for each in above if each.id != person.id]
        for audience in (plan.head.in_charge, plan.head.admins):
            if not above and audience is not None:
                above = [each for each in directory.people_meant(audience, on) if each.id != person.id]
        found += above
    return unique(found)


def may_read(person: Person, item: Item, plan: Plan, on: date) -> bool:
    """Whether a person may read whose cells a private item's text names."""
    return not item.spec.private or person.id in in_charge(plan, on)
