"""From alarms to the variables a template sees.  Pure; ``docs/templates.md`` is the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import wraps
from operator import is_
from typing import Any, TypeVarTuple

from reminder.agenda.alarms import Alarm
from reminder.agenda.duties import Cell
from reminder.agenda.instants import zone_of
from reminder.agenda.policy import is_late
from reminder.agenda.reach import asks_above
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.audience import TermKind
from reminder.plan.model import Item, Plan
from reminder.plan.sending import INTERNET

Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a message addresses: a person, or a group as a whole."""

    id: str
    name: str
    kind: str
    """``person`` or ``group``."""
    named: bool = True
    """Whether the message greets the person by name."""


def section_context(
    plan: Plan,
    calendar: WorkCalendar,
    alarms: Sequence[Alarm],
    addressee: Addressee,
    cells: Sequence[Cell],
    wording: Mapping[str, Any],
    now: datetime,
    *,
    hidden: bool = False,
    deputy_for: Sequence[str] = (),
    link: str | None = None,
) -> dict[str, Any]:
    """The variables of one section.

    ``alarms`` are one alarm, or those of one rung whose festivals share a break
    (国庆 and 中秋): these are said in one text.  ``hidden``: the receiver may know
    how many cells are open and not whose.  ``deputy_for`` are names of absent
    persons the receiver acts for.  ``link`` is where the receiver says that
    something of this section is done; None if nothing of it is theirs to record,
    or if messages have no links.
    """
    today = now.astimezone(zone_of(plan.head.timezone)).date()
    same = _of_alarms(calendar, tuple(alarms), today, now)
    return {
        **_common(plan, addressee, today, wording),
        **same,
        "alarm": {**same["alarm"], "reader": reader_of(alarms[0], addressee, cells, deputy_for)},
        "cells": [] if hidden else [_cell(cell, addressee) for cell in cells],
        "count": len(cells),
        "hidden": hidden,
        "deputy_for": list(deputy_for),
        "link": link,
        "variants": plan.head.variants,
    }


def _keeping_last(make: Callable[[*Ts], dict[str, Any]]) -> Callable[[*Ts], dict[str, Any]]:
    """The same object again for the arguments of last time: an alarm's receivers come one after another."""
    kept: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    @wraps(make)
    def made(*given: *Ts) -> dict[str, Any]:
        for arguments, result in kept:
            if all(map(_is, arguments, given)):
                return result
        result = make(*given)
        kept[:] = [(given, result)]
        return result

    return made


def _is(one: object, other: object) -> bool:
    """The very same, or as many of the very same, or the same day; equal instants may differ in their zones."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(is_, one, other))
    return one is other or (type(one) is type(other) is date and one == other)


@_keeping_last
def _of_alarms(
    calendar: WorkCalendar, alarms: tuple[Alarm, ...], today: date, now: datetime
) -> dict[str, Any]:
    """What a section says of its matter, whoever reads it.  Not to be changed."""
    first = alarms[0]
    item, occurrence, spec = first.item, first.occurrence, first.item.spec
    phase = "before" if today < occurrence.due else "day" if today == occurrence.due else "after"
    provisional = any(alarm.status is DayStatus.PROVISIONAL for alarm in alarms)
    return {
        "item": {
            "id": item.id,
            "clause": spec.clause,
            "basis": spec.basis,
            "title": spec.title,
            "brief": spec.brief,
            "done_when": spec.done_when,
            "leaders": list(spec.responsible.leaders),
            "units": list(spec.responsible.units),
            "private": spec.private,
            "collects": list(item.collects),
        },
        "occurrence": {
            "id": occurrence.id,
            "label": occurrence.label,
            "opens": occurrence.opens,
            "due": occurrence.due,
            "due_at": occurrence.due_at,
        },
        "festival": _festival(alarms, provisional=provisional),
        "alarm": {
            "id": first.rung.id,
            "phase": phase,
            "workdays_left": calendar.workdays_between(today, occurrence.due),
            "planned": first.at.date(),
            "late": is_late(first, now),
            "repetition": first.repetition,
        },
        "drawn": occurrence.drawn,
        "provisional": provisional,
    }


_OF_UNITS = (TermKind.HEAD, TermKind.CONTACT)
PRIVATE_TEMPLATE = "private"
"""What is rendered of a private item on a channel that goes over the internet."""
MASKED_TITLE = "一项工作事项"


def confined(item: Item, network: str, template: str, context: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The template to render, and with what: of a private item only the least goes over the internet.

    Decided here and by no template, so that none can forget it.
    """
    if item.spec.private and network == INTERNET:
        return PRIVATE_TEMPLATE, masked(context)
    return template, context


_TRAVELS = ("plan", "office", "receiver", "today", "wording", "provisional", "link", "variants")
"""Variables that say nothing of the matter itself; any other is left behind, one thought of later too."""


def masked(context: Mapping[str, Any]) -> dict[str, Any]:
    """A private item's variables for a text that travels over the internet.

    What the matter is, whom it concerns and under which clause it stands is
    left out here, whatever a template does with the rest: it can say that
    something waits, until when, and whom to ask.
    """
    occurrence = context["occurrence"]
    return {
        **{name: context[name] for name in _TRAVELS},
        "item": {
            "id": "",
            "clause": "",
            "basis": "",
            "title": MASKED_TITLE,
            "brief": None,
            "done_when": None,
            "leaders": [],
            "units": [],
            "private": True,
            "collects": [],
        },
        "occurrence": {
            "id": "",
            "label": "",
            "opens": occurrence["opens"],
            "due": occurrence["due"],
            "due_at": occurrence["due_at"],
        },
        "alarm": {**context["alarm"], "id": ""},
        "festival": None,
        "cells": [],
        "count": 0,
        "hidden": True,
        "deputy_for": [],
        "drawn": "",
    }


def _cell(cell: Cell, addressee: Addressee) -> dict[str, Any]:
    own = any(owner.id == addressee.id for owner in cell.owners)
    return {"label": cell.label if own else cell.title, "own": own, "unit": cell.subject}


OWNER, DEPUTY, SUPERIOR, HEAD, OTHER = "owner", "deputy", "superior", "head", "other"


def reader_of(alarm: Alarm, addressee: Addressee, cells: Sequence[Cell], deputy_for: Sequence[str]) -> str:
    """As what somebody reads of open cells, which decides what they can be asked to do about them.

    ``owner`` owes one of them and ``deputy`` acts for somebody who does;
    ``superior`` is told because they are not done; ``head`` answers for a unit
    whose contact owes; ``other`` is everybody else, a group as well.
    """
    owners = [owner for cell in cells for owner in cell.owners]
    if any(owner.id == addressee.id for owner in owners):
        return OWNER
    if any(owner.name in deputy_for for owner in owners):
        return DEPUTY
    if cells and asks_above(alarm.rung):
        return SUPERIOR
    if cells and alarm.rung.condition is not None and any(term.kind in _OF_UNITS for term in alarm.rung.to):
        return HEAD
    return OTHER


def layout_context(
    plan: Plan,
    addressee: Addressee,
    sections: Sequence[Any],
    wording: Mapping[str, Any],
    now: datetime,
    *,
    owes: bool = False,
    link: str | None = None,
) -> dict[str, Any]:
    """The variables of the frame around one or several sections.

    ``owes``: something in them is the receiver's to record; ``link`` is where.
    """
    today = now.astimezone(zone_of(plan.head.timezone)).date()
    return {
        **_common(plan, addressee, today, wording),
        "sections": list(sections),
        "owes": owes,
        "link": link,
    }


@dataclass(frozen=True, slots=True)
class Request:
    """What approvers are told of a text: the variable ``approval`` of the template of that name.

    Instants are in the plan's zone.  ``to`` says how many get it on each channel,
    ``text`` and ``subject`` are those of ``receiver``, ``differences`` how the
    others' differ; all empty where a private text may not travel.  ``changed``:
    an earlier text was shown before.  ``hidden``: names were left out.
    ``deputy_for`` are absent approvers.  ``link`` is where to say yes or no.
    """

    title: str
    goes_at: datetime
    late: bool
    useful_until: datetime
    changed: bool
    people: int
    to: str
    submitter: str
    code: str
    receiver: str
    subject: str
    text: str
    differences: tuple[str, ...] = ()
    hidden: bool = False
    deputy_for: tuple[str, ...] = ()
    rehearsal: bool = False
    link: str | None = None


def request_context(
    plan: Plan, addressee: Addressee, request: Request, wording: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The variables of the template ``approval``, which has no item."""
    return {**layout_context(plan, addressee, (), wording, now), "approval": asdict(request)}


@_keeping_last
def _of_plan(plan: Plan) -> dict[str, Any]:
    """What every text can say of its office.  Not to be changed."""
    office = plan.head.office
    return {
        "plan": {"title": plan.head.title},
        "office": {
            "sign_off": office.sign_off,
            "contact": office.contact,
            "mailbox": office.mailbox,
            "phone": office.phone,
        },
    }


def _common(plan: Plan, addressee: Addressee, today: date, wording: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_of_plan(plan),
        "receiver": {
            "id": addressee.id,
            "name": addressee.name,
            "kind": addressee.kind,
            "named": addressee.named,
        },
        "today": today,
        "wording": wording,
    }


def _festival(alarms: Sequence[Alarm], *, provisional: bool) -> dict[str, Any] | None:
    festivals = [alarm.occurrence.festival for alarm in alarms if alarm.occurrence.festival]
    if not festivals:
        return None
    festivals.sort(key=lambda each: each.day)
    rest = festivals[0].rest
    return {
        "name": "".join(each.name for each in festivals),
        "names": [each.name for each in festivals],
        "days": [{"name": each.name, "date": each.day} for each in festivals],
        "break_first": rest.first,
        "break_last": rest.last,
        "break_days": (rest.last - rest.first).days + 1,
        "makeup": list(rest.makeup),
        "provisional": provisional,
    }
