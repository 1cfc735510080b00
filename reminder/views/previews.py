"""A message as somebody would receive it, of an item that may be seen, over templates as edited."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reminder.agenda.alarms import ladder
from reminder.agenda.occurrences import occurrences
from reminder.check import TEMPLATES_FOLDER, Edition, sample_occurrence
from reminder.editing.shelf import Shelf, text_of
from reminder.errors import ReminderError, UsageError
from reminder.messages.wording import load_wording
from reminder.plan.model import Item
from reminder.plan.via import channels_of
from reminder.sweep.preview import Preview, preview_message
from reminder.sweep.shares import shares_of
from reminder.views.look import Look


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which message; empty for the first there is."""

    item: str = ""
    rung: str = ""
    channel: str = ""
    receiver: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen, as (value, text), and what is chosen."""

    items: tuple[tuple[str, str], ...]
    rungs: tuple[tuple[str, str], ...]
    channels: tuple[tuple[str, str], ...]
    receivers: tuple[tuple[str, str], ...]
    chosen: Wanted


def choices(look: Look, template: str, wanted: Wanted) -> Choices:
    """What can be previewed of a template: the items that send it, or every item for a shared part."""
    using = [item for item in look.items if any(_sends(rung.template, template) for rung in item.rungs)] or [
        item for item in look.items if item.rungs
    ]
    item = next((each for each in using if each.id == wanted.item), using[0] if using else None)
    if item is None:
        return Choices((), (), (), (), Wanted())
    rungs = [each for each in item.rungs if _sends(each.template, template)] or list(item.rungs)
    rung = next((each for each in rungs if each.id == wanted.rung), rungs[0])
    channels = channels_of(rung.via)
    channel = wanted.channel if wanted.channel in channels else channels[0]
    receivers = _receivers(look, item, rung.id, channel)
    known = [each for each, _ in receivers]
    receiver = wanted.receiver if wanted.receiver in known else (known[0] if known else "")
    return Choices(
        tuple((each.id, each.spec.title) for each in using),
        tuple((each.id, each.id) for each in rungs),
        tuple((each, look.edition.plan.channels[each].id) for each in channels),
        receivers,
        Wanted(item.id, rung.id, channel, receiver),
    )


def _sends(used: str, template: str) -> bool:
    return template.startswith("_") or used == template


def _receivers(look: Look, item: Item, rung_id: str, channel: str) -> tuple[tuple[str, str], ...]:
    edition = look.edition
    head = edition.plan.head
    known = occurrences(item, head, edition.calendar, head.from_, head.until, look.facts)
    occurrence = next(iter(known), None) or sample_occurrence(item, edition)
    if occurrence is None:
        return ()
    rungs = tuple(each for each in item.rungs if each.id == rung_id)
    alarm = ladder(item, rungs, occurrence, edition.calendar, look.zone)[0]
    shares, _ = shares_of(alarm, edition)
    found = {each.addressee.id: each.addressee.name for each in shares if each.channel == channel}
    return tuple(found.items())


def preview(look: Look, wanted: Wanted, edition: Edition | None = None) -> Preview:
    """The message.  Raises ``ReminderError`` where there is none, or the template fails."""
    edition = edition or look.edition
    item = edition.plan.item(wanted.item)
    if item is None or not look.sees(look.edition.plan.item(wanted.item)):
        raise UsageError("没有可以预览的任务")
    return preview_message(
        edition,
        item,
        look.facts,
        None,
        wanted.channel or None,
        wanted.rung or None,
        wanted.receiver or None,
        frozen=False,
    )


def edited(look: Look, shelf: Shelf, name: str, content: bytes) -> Edition:
    """The edition in force with one template, or the wording, as it is being edited: not checked.

    Raises ``ReminderError`` for a text that cannot be one.
    """
    _, _, inner = name.partition(f"{TEMPLATES_FOLDER}/")
    if inner.endswith(".j2"):
        return replace(look.edition, templates=look.edition.templates.with_source(inner, text_of(content)))
    wording, problems = load_wording(shelf.templates, content)
    if problems:
        raise ReminderError(str(problems[0]))
    return replace(look.edition, wording=wording.terms)
