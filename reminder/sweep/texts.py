"""What an alarm says to everybody it is meant for, as at its own time; and the digest that binds an approval.

Alarms that are said in one text (festivals that share a break) are taken
together.  Whoever is silenced or snoozed at the moment is included: they are
told the same later, or not at all, and nobody's wish makes another text of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reminder.agenda.alarms import Alarm
from reminder.agenda.approvals import may_need
from reminder.agenda.facts import Facts
from reminder.agenda.policy import needs_approval
from reminder.agenda.reach import Reached
from reminder.check import Edition
from reminder.messages.context import Addressee
from reminder.messages.message import Message
from reminder.plan.directory import Directory
from reminder.plan.via import Chain
from reminder.sweep.rendering import frame, render_section, sections_of
from reminder.sweep.shares import Share, other_shares, owes_something, reached_by, shares_of

CODE_LENGTH = 8
"""Characters of the digest that a person types."""


def reached_for(alarm: Alarm, edition: Edition, facts: Facts, now: datetime) -> Reached:
    """Whom an alarm reaches at ``now``; what has to be approved, as at its own time: as it was shown."""
    if may_need(alarm):
        then = reached_then(alarm, edition, facts)
        if needs_approval(alarm, then):
            return then
    return reached_by(alarm, edition, facts, now)


def reached_then(alarm: Alarm, edition: Edition, facts: Facts) -> Reached:
    """Whom an alarm reaches at its own time, by what is known now."""
    return reached_by(alarm, edition, facts, alarm.at)


@dataclass(frozen=True, slots=True)
class Text:
    """The message of one receiver on one channel.  ``mentions`` are those a group's post names."""

    addressee: Addressee
    channel: str
    message: Message
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """Everything that alarms of one text say.

    ``digest`` is the SHA-256 of texts, receivers and dates, hexadecimal.
    """

    alarms: tuple[Alarm, ...]
    texts: tuple[Text, ...]
    digest: str

    @property
    def first(self) -> Alarm:
        """The alarm under whose key the ledger has it."""
        return self.alarms[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys under which the ledger may have any of them."""
        return tuple(key for alarm in self.alarms for key in alarm.keys)

    @property
    def code(self) -> str:
        """What a person types."""
        return self.digest[:CODE_LENGTH]


def together(alarms: Iterable[Alarm]) -> dict[object, tuple[Alarm, ...]]:
    """Alarms by the text they are said in, in order of key."""
    found: dict[object, list[Alarm]] = {}
    for alarm in sorted(alarms, key=lambda each: each.key):
        found.setdefault(alarm.text_key, []).append(alarm)
    return {key: tuple(each) for key, each in found.items()}


def said(
    alarms: Sequence[Alarm],
    edition: Edition,
    reached: Sequence[Reached],
    *,
    hidden: bool = False,
) -> Said:
    """Render it all.  ``hidden``: as for one who may know how many cells are open and not whose.

    ``reached`` is of each alarm at its own time.  The digest is that of what is
    sent only if nothing is hidden.  Raises ``ReminderError`` if a template fails.
    """
    bundles: dict[tuple[str, str], list[Share]] = {}
    for alarm, each in zip(alarms, reached, strict=True):
        for share in _shares(alarm, edition, each):
            shown = replace(share, hidden=True) if hidden and share.cells else share
            bundles.setdefault((share.addressee.id, share.channel), []).append(shown)
    texts = tuple(_texts(bundles, edition))
    return Said(tuple(alarms), texts, _digest(alarms, texts))


def _shares(alarm: Alarm, edition: Edition, reached: Reached) -> Iterator[Share]:
    """Those of every receiver, on whatever channel they may be told; of a chain on both."""
    directory: Directory = edition.plan.directory
    order = {person.id: number for number, person in enumerate(directory.people)}
    receivers = (*reached.receivers, *(each.receiver for each in reached.withheld))
    everyone = tuple(sorted(receivers, key=lambda each: order[each.person.id]))
    shares, _ = shares_of(alarm, edition, Reached(everyone))
    for route in alarm.rung.via:
        if isinstance(route, Chain):
            shares += other_shares(alarm, route, everyone, edition)[0]
    seen: set[tuple[str, str]] = set()
    for share in shares:
        if (share.addressee.id, share.channel) not in seen:
            seen.add((share.addressee.id, share.channel))
            yield replace(share, as_of=alarm.at)


def _texts(bundles: Mapping[tuple[str, str], Sequence[Share]], edition: Edition) -> Iterator[Text]:
    for (_, channel), shares in bundles.items():
        addressee, as_of = shares[0].addressee, shares[0].alarm.at
        sections = [render_section(group, edition, as_of) for group in sections_of(shares)]
        owes = any(owes_something(share, edition, as_of) for share in shares)
        mentions = tuple(dict.fromkeys(name for share in shares for name in share.mentions))
        yield Text(addressee, channel, frame(sections, addressee, edition, as_of, owes=owes), mentions)


def _digest(alarms: Sequence[Alarm], texts: Iterable[Text]) -> str:
    messages = sorted(
        [
            each.addressee.id,
            each.channel,
            each.message.subject,
            each.message.text,
            each.message.html,
            each.message.markdown,
            *each.mentions,
        ]
        for each in texts
    )
    dates = sorted(
        [alarm.at.astimezone(UTC).isoformat(), alarm.occurrence.due_at.astimezone(UTC).isoformat()]
        for alarm in alarms
    )
    content = json.dumps([dates, messages], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
