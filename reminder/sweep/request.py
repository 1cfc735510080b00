"""The message by which approvers are asked: one receiver's text, and where the others' differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reminder.agenda.approvals import may_read
from reminder.agenda.facts import Facts
from reminder.agenda.instants import zone_of
from reminder.check import APPROVAL_TEMPLATE, Edition
from reminder.messages.context import MASKED_TITLE, Addressee, Request, layout_context, request_context
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel, WecomAppChannel
from reminder.plan.directory import Directory, Person
from reminder.plan.sending import INTERNET
from reminder.plan.via import steps
from reminder.sweep.approvals import Waiting
from reminder.sweep.texts import Said, Text, reached_then, said

NAMES_SHOWN = 6
DIFFERENCES_SHOWN = 20
GREETING = "您好。"
OWN_LINK = "（收件人本人的链接）"
_KINDS: dict[type, str] = {EmailChannel: "邮件", WecomAppChannel: "企业微信"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person is shown of a text.

    ``hidden`` says that names were left out: the item is private and the person
    is not the one in charge.  ``sample`` is None where a private item's text may
    not travel: over the internet only the least of it does.
    """

    title: str
    sample: Text | None
    differences: tuple[str, ...]
    hidden: bool


def shown_to(
    person: Person | None,
    waiting: Waiting,
    edition: Edition,
    facts: Facts,
    now: datetime,
    channel: str | None = None,
) -> Shown:
    """The text of the first person it goes to, and the differing parts, as ``person`` may read them.

    A ``person`` of None is anybody at the command line; ``channel`` is over which
    it is shown, None for the office's own machine.
    """
    made = waiting.said
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    item = made.first.item
    hidden = item.spec.private and (person is None or not may_read(person, item, edition.plan, today))
    if hidden:
        made = without_names(made, edition, facts)
    texts = made.texts
    if confines(waiting, edition, channel):
        texts = tuple(each for each in texts if edition.plan.channels[each.channel].network == INTERNET)
    sample = next((each for each in texts if each.addressee.kind == "person"), None) or next(
        iter(texts), None
    )
    others = [each for each in texts if each is not sample]
    if edition.link is not None and sample is not None:
        sample = _without_link(sample, edition.link)
        others = [_without_link(each, edition.link) for each in others]
    found = tuple(differences(sample, others)) if sample is not None else ()
    return Shown(title_on(waiting, edition, channel), sample, found, hidden=hidden)


def _without_link(text: Text, link: str) -> Text:
    """A link is its receiver's own: whoever reads the text beforehand sees only that there is one."""
    words = text.message.text.replace(link, OWN_LINK)
    return replace(text, message=replace(text.message, text=words))


def confines(waiting: Waiting, edition: Edition, channel: str | None) -> bool:
    """Whether only the least of a text may be said over a channel."""
    private = waiting.said.first.item.spec.private
    return private and channel is not None and edition.plan.channels[channel].network == INTERNET


def title_on(waiting: Waiting, edition: Edition, channel: str | None) -> str:
    """What a text is about, as far as a channel may know."""
    return MASKED_TITLE if confines(waiting, edition, channel) else waiting.title


def without_names(made: Said, edition: Edition, facts: Facts) -> Said:
    """The texts as for one who may know how many cells are open and not whose."""
    reached = [reached_then(alarm, edition, facts) for alarm in made.alarms]
    return said(made.alarms, edition, reached, hidden=True)


def differences(sample: Text, others: Iterable[Text]) -> list[str]:
    """How the other texts differ from the sample, salutations aside, most of them first."""
    groups: dict[tuple[str, ...], list[Text]] = {}
    base = _lines(sample)
    for each in others:
        groups.setdefault(tuple(_differing(base, _lines(each))), []).append(each)
    found = []
    for parts, texts in sorted(groups.items(), key=lambda group: (bool(group[0]), -len(group[1]))):
        who = _who(texts)
        found.append(f"{who}：{'；'.join(parts)}" if parts else f"{who}：除称呼外，文字完全相同")
    if len(found) > DIFFERENCES_SHOWN:
        rest = len(found) - DIFFERENCES_SHOWN
        found[DIFFERENCES_SHOWN:] = [f"另有{rest}处，见 reminder approve --show"]
    return found


def _lines(text: Text) -> list[str]:
    """The lines with words, without the salutation; the subject as the first."""
    greeting = {f"{text.addressee.name}：", GREETING}
    body = (line.strip() for line in text.message.text.splitlines())
    return [f"主题：{text.message.subject}", *(line for line in body if line and line not in greeting)]


def _differing(base: Sequence[str], other: Sequence[str]) -> list[str]:
    found = []
    matcher = difflib.SequenceMatcher(None, base, other, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "delete":
            found += [f"没有“{line}”" for line in base[first:last]]
        elif kind != "equal":
            found += [f"“{line}”" for line in other[start:end]]
    return found


def _who(texts: Sequence[Text]) -> str:
    names = list(dict.fromkeys(each.addressee.name for each in texts))
    if len(names) > NAMES_SHOWN:
        return f"{'、'.join(names[:NAMES_SHOWN])}等{len(names)}个收件人"
    return "、".join(names)


def to_whom(made: Said, edition: Edition) -> str:
    """``mail 36人，机关工作群（群）``: how many on each channel; of a chain, how many on each to begin with."""
    channels: dict[str, set[str]] = {}
    for each in made.texts:
        channels.setdefault(each.channel, set()).add(each.addressee.id)
    parts = []
    for route in made.first.rung.via:
        first, *others = steps(route)
        reached = channels.get(first, set())
        parts += _count(first, reached, edition)
        for other in others:
            parts += _count(other, channels.get(other, set()) - reached, edition)
            if reached:
                parts.append(f"{_name(first, edition)}没有送到的改用{_name(other, edition)}")
    return "，".join(parts)


def _count(channel: str, receivers: set[str], edition: Edition) -> list[str]:
    if not receivers:
        return []
    personal = edition.plan.channels[channel].personal
    return [f"{_name(channel, edition)}{len(receivers)}人" if personal else f"群“{_name(channel, edition)}”"]


def _name(channel: str, edition: Edition) -> str:
    config = edition.plan.channels[channel]
    return _KINDS.get(type(config), getattr(config, "name", None) or channel)


def people_count(made: Said) -> int:
    """How many persons it goes to, over whatever channel."""
    return len({each.addressee.id for each in made.texts if each.addressee.kind == "person"})


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as one approver gets it."""

    waiting: Waiting
    shown: Shown
    now: datetime
    rehearsal: bool
    for_: tuple[Person, ...] = ()
    """Absent approvers in whose place they are asked."""


def ask_message(ask: Ask, to: Addressee, edition: Edition) -> Message:
    """Render a request; raises ``ReminderError`` if its template fails."""
    context = request_context(edition.plan, to, _request(ask, edition), edition.wording, ask.now)
    sections = [edition.templates.section(APPROVAL_TEMPLATE, context)]
    return edition.templates.message(
        sections, layout_context(edition.plan, to, sections, edition.wording, ask.now)
    )


def _request(ask: Ask, edition: Edition) -> Request:
    waiting, sample = ask.waiting, ask.shown.sample
    zone = zone_of(edition.plan.head.timezone)
    return Request(
        title=ask.shown.title,
        goes_at=waiting.goes_at.astimezone(zone),
        late=ask.now >= waiting.goes_at,
        useful_until=waiting.useful_until.astimezone(zone),
        changed=waiting.earlier is not None,
        people=people_count(waiting.said),
        to=to_whom(waiting.said, edition),
        submitter=named(waiting.panel.submitter, edition),
        code=waiting.said.code,
        receiver=sample.addressee.name if sample is not None else "",
        subject=sample.message.subject if sample is not None else "",
        text=sample.message.text.rstrip("\n") if sample is not None else "",
        differences=ask.shown.differences,
        hidden=ask.shown.hidden,
        deputy_for=tuple(each.name for each in ask.for_),
        rehearsal=ask.rehearsal,
        link=edition.approval_link,
    )


def named(person_id: str, edition: Edition) -> str:
    """The name of a person by id; whatever else it is, as it stands."""
    directory: Directory = edition.plan.directory
    person = directory.person(person_id)
    return person.name if person is not None else person_id
