"""Shares as words: sections, the frame around them, one message for one receiver on one channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reminder.agenda.policy import is_late
from reminder.agenda.reasons import Reason
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.messages.context import Addressee, confined, layout_context, section_context
from reminder.messages.message import Message
from reminder.messages.render import RendererUnavailable, Section
from reminder.sweep.shares import Failure, Share, owes_something


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message for one receiver on one channel, made of several shares."""

    message: Message
    shares: tuple[Share, ...]
    late: bool
    planned_at: datetime
    expires_at: datetime
    linked: bool = False
    """It holds a link of its receiver's own, and is nobody else's."""

    @property
    def channel(self) -> str:
        return self.shares[0].channel

    @property
    def address(self) -> str:
        return self.shares[0].address

    @property
    def receiver(self) -> str:
        return self.shares[0].addressee.id

    @property
    def batch_key(self) -> object:
        """Messages with equal keys may be one: the same words, for as long, with the same channel to follow."""
        times = (self.planned_at, self.expires_at, self.late)
        return (self.channel, self.shares[0].chain, self.message, times)


def render_bundle(
    bundle: Sequence[Share], edition: Edition, now: datetime
) -> tuple[Rendered | None, list[Failure]]:
    """One message for one receiver on one channel, and what failed of it."""
    said_at = bundle[0].as_of or now
    sections: list[Section] = []
    included: list[Share] = []
    failures: list[Failure] = []
    for group in sections_of(bundle):
        try:
            section = render_section(group, edition, said_at)
            included.extend(group)
            # Steps of one event that read the same are said once: of a private matter no step is named.
            if group[0].alarm.occurrence.started is None or section not in sections:
                sections.append(section)
        except RendererUnavailable:
            raise  # the machine's trouble, not the text's: all of it stays due, and the next tick tries again
        except ReminderError as error:
            failures += failures_of(group, Reason.TEMPLATE, error)
    if not included:
        return None, failures
    owes = any(owes_something(share, edition, said_at) for share in included)
    try:
        message = frame(sections, included[0].addressee, edition, said_at, owes=owes)
    except RendererUnavailable:
        raise
    except ReminderError as error:
        return None, failures + failures_of(included, Reason.TEMPLATE, error)
    made = Rendered(
        message,
        tuple(included),
        late=any(is_late(share.alarm, now) for share in included),
        planned_at=min(share.alarm.at for share in included),
        # The part that stays useful longest keeps the whole message alive.
        expires_at=max(share.alarm.useful_until for share in included),
        linked=owes and edition.link is not None,
    )
    return made, failures


def failures_of(shares: Iterable[Share], reason: Reason, error: ReminderError) -> list[Failure]:
    return [Failure(each.alarm, each.addressee.id, each.channel, reason, str(error)) for each in shares]


def sections_of(bundle: Sequence[Share]) -> list[list[Share]]:
    """Shares that are said in one text, most urgent first."""
    groups: dict[object, list[Share]] = {}
    for share in sorted(bundle, key=lambda each: (each.alarm.occurrence.due_at, each.alarm.key)):
        groups.setdefault(share.section_key, []).append(share)
    return list(groups.values())


def render_section(group: Sequence[Share], edition: Edition, now: datetime) -> Section:
    """Render the one text of a group of shares."""
    first = group[0]
    context = section_context(
        edition.plan,
        edition.calendar,
        [share.alarm for share in group],
        first.addressee,
        first.cells,
        edition.wording,
        now,
        hidden=first.hidden,
        deputy_for=first.deputy_for,
        link=edition.link if any(owes_something(share, edition, now) for share in group) else None,
    )
    network = edition.plan.channels[first.channel].network
    template, context = confined(first.alarm.item, network, first.alarm.rung.template, context)
    return edition.templates.section(template, context)


def frame(
    sections: Sequence[Section],
    addressee: Addressee,
    edition: Edition,
    now: datetime,
    *,
    owes: bool = False,
) -> Message:
    """Put salutation and signature around the sections; ``owes``: something in them is theirs to record."""
    link = edition.link if owes else None
    context = layout_context(edition.plan, addressee, sections, edition.wording, now, owes=owes, link=link)
    return edition.templates.message(sections, context)
