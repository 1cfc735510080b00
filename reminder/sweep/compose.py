"""From decisions to frozen messages: who gets which words on which channel.

Nothing is written here and nothing is sent.  The result is a
:class:`~reminder.ledger.records.Settlement`, which goes into the ledger in one
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reminder.agenda.alarms import Alarm
from reminder.agenda.duties import Cell, Receiver, cells_of, receivers_of
from reminder.agenda.policy import Action, Decision, Reason, is_late
from reminder.channels.base import Channel, Recipient
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.records import NewAlarm, NewClaim, NewDelivery, Settlement, Transport
from reminder.messages.context import Addressee, layout_context, section_context
from reminder.messages.message import Message
from reminder.messages.render import Section
from reminder.plan.audience import TermKind
from reminder.plan.channels import EmailChannel
from reminder.plan.directory import Person
from reminder.sweep.freeze import freeze, message_identity


@dataclass(frozen=True, slots=True)
class Share:
    """One receiver's share of one alarm on one channel, before anything is rendered."""

    alarm: Alarm
    addressee: Addressee
    channel: str
    address: str
    cells: tuple[Cell, ...] = ()
    mentions: tuple[str, ...] = ()

    @property
    def section_key(self) -> object:
        """Shares with equal keys are one text: festivals of one rung that share a break."""
        festival = self.alarm.occurrence.festival
        of_break = (festival.rest.first, festival.rest.last) if festival else self.alarm.occurrence.id
        return (self.alarm.item.id, self.alarm.rung.id, self.alarm.at, of_break)


@dataclass(frozen=True, slots=True)
class Failure:
    """A share that should be sent and cannot be: an admin has to act."""

    alarm: Alarm
    receiver: str
    channel: str
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Composed:
    """What a sweep wants written, and what it must tell the admins."""

    settlement: Settlement
    failures: tuple[Failure, ...] = ()


def address_of(person: Person, config: object) -> str | None:
    """The person's address on a personal channel, or None."""
    return person.mail if isinstance(config, EmailChannel) else person.wecom


def shares_of(alarm: Alarm, edition: Edition) -> tuple[list[Share], list[Failure]]:
    """Who receives an alarm, on each of its channels, with what they owe."""
    directory = edition.plan.directory
    on = alarm.at.date()
    cells = cells_of(alarm.item, directory, alarm.occurrence.due)
    receivers = receivers_of(alarm.rung.to, cells, directory, on)
    shares: list[Share] = []
    failures: list[Failure] = []
    for channel in alarm.rung.via:
        config = edition.plan.channels[channel]
        if not config.personal:
            shares.append(_group_share(alarm, channel, config, receivers))
            continue
        for receiver in receivers:
            address = address_of(receiver.person, config)
            if address is None:
                name = f"{receiver.person.name}（{receiver.person.id}）"
                text = f"{name}在 directory.yaml 中没有 {channel} 通道的地址"
                failures.append(Failure(alarm, receiver.person.id, channel, Reason.NO_ADDRESS, text))
                continue
            addressee = Addressee(receiver.person.id, receiver.person.name, "person")
            shares.append(Share(alarm, addressee, channel, address, receiver.cells))
    return shares, failures


def _group_share(alarm: Alarm, channel: str, config: object, receivers: Sequence[Receiver]) -> Share:
    name = getattr(config, "name", None) or channel
    everyone = any(term.kind is TermKind.EVERYONE for term in alarm.rung.to)
    mentions: tuple[str, ...] = ()
    if getattr(config, "mention", False) and not everyone:
        mentions = tuple(each.person.wecom for each in receivers if each.person.wecom)
    return Share(alarm, Addressee(f"group:{channel}", name, "group"), channel, channel, (), mentions)


def compose(
    decided: Iterable[tuple[Alarm, Decision]],
    edition: Edition,
    channels: Mapping[str, Channel],
    transport: Transport,
    now: datetime,
) -> Composed:
    """Render and freeze everything that is to be sent, and record everything that is not.

    Alarms due together for one receiver on one channel become one message,
    except those of items marked ``alone``.  What is on hold is left out.
    """
    alarms: dict[str, NewAlarm] = {}
    claims: dict[str, list[NewClaim]] = {}
    bundles: dict[object, list[Share]] = {}
    failures: list[Failure] = []
    for alarm, decision in decided:
        if decision.action is Action.HOLD:
            continue
        alarms[alarm.key] = _new_alarm(alarm, decision)
        if decision.action is not Action.SEND:
            continue
        shares, failed = shares_of(alarm, edition)
        failures.extend(failed)
        if not shares and not failed:
            alarms[alarm.key] = _new_alarm(alarm, Decision(Action.SUPPRESS, Reason.NOBODY))
        for share in shares:
            alone = share.section_key if alarm.item.spec.alone else None
            bundles.setdefault((share.addressee.id, share.channel, alone), []).append(share)
    deliveries: list[NewDelivery] = []
    for bundle in bundles.values():
        made, made_claims, failed = _bundle(bundle, edition, channels[bundle[0].channel], transport, now)
        deliveries.extend(made)
        failures.extend(failed)
        for key, claim in made_claims:
            claims.setdefault(key, []).append(claim)
    for failure in failures:
        claim = NewClaim(failure.receiver, failure.channel, Action.FAIL, failure.reason)
        claims.setdefault(failure.alarm.key, []).append(claim)
    written = tuple(replace(each, claims=tuple(claims.get(key, ()))) for key, each in alarms.items())
    return Composed(Settlement(written, tuple(deliveries)), tuple(failures))


def _new_alarm(alarm: Alarm, decision: Decision) -> NewAlarm:
    return NewAlarm(
        key=alarm.key,
        item=alarm.item.id,
        occurrence=alarm.occurrence.id,
        rung=alarm.rung.id,
        planned_at=alarm.at,
        due=alarm.occurrence.due_at,
        decision=decision.action,
        reason=decision.reason,
    )


def _bundle(
    bundle: Sequence[Share], edition: Edition, channel: Channel, transport: Transport, now: datetime
) -> tuple[list[NewDelivery], list[tuple[str, NewClaim]], list[Failure]]:
    """One message for one receiver on one channel, its claims, and what failed of it."""
    sections: list[Section] = []
    included: list[Share] = []
    failures: list[Failure] = []
    for group in sections_of(bundle):
        try:
            sections.append(render_section(group, edition, now))
            included.extend(group)
        except ReminderError as error:
            failures.extend(
                Failure(each.alarm, each.addressee.id, each.channel, Reason.TEMPLATE, str(error))
                for each in group
            )
    if not included:
        return [], [], failures
    first = included[0]
    identity = message_identity(
        edition.plan.id,
        transport,
        (f"{share.alarm.key}|{share.addressee.id}|{share.channel}" for share in included),
    )
    mentions = tuple(dict.fromkeys(each for share in included for each in share.mentions))
    try:
        deliveries = freeze(
            frame(sections, first.addressee, edition, now),
            Recipient(first.addressee.id, first.addressee.name, first.address, mentions),
            channel,
            edition.plan,
            identity,
            now=now,
            planned_at=min(share.alarm.at for share in included),
            # The part that stays useful longest keeps the whole message alive.
            expires_at=max(share.alarm.useful_until for share in included),
            late=any(is_late(share.alarm, now) for share in included),
        )
    except ReminderError as error:
        text = str(error)
        failures.extend(
            Failure(each.alarm, each.addressee.id, each.channel, Reason.UNSENDABLE, text) for each in included
        )
        return [], [], failures
    merged = len({share.alarm.key for share in included}) > 1
    action = Action.MERGE if merged else Action.SEND
    claims = [
        (
            share.alarm.key,
            NewClaim(share.addressee.id, share.channel, action, _claim_reason(share, now), identity),
        )
        for share in included
    ]
    return deliveries, claims, failures


def _claim_reason(share: Share, now: datetime) -> Reason:
    return Reason.CAUGHT_UP if is_late(share.alarm, now) else Reason.DUE


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
    )
    return edition.templates.section(first.alarm.rung.template, context)


def frame(sections: Sequence[Section], addressee: Addressee, edition: Edition, now: datetime) -> Message:
    """Put salutation and signature around the sections."""
    context = layout_context(edition.plan, addressee, sections, edition.wording, now)
    return edition.templates.message(sections, context)
