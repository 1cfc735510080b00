"""Who gets an alarm, over which channel, at which address.  Nothing is rendered here.

Of a chain the first channel is used; whoever has no address on it gets the
alarm over the second at once.  Whom the first fails later,
:mod:`reminder.sweep.fallback` brings here again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reminder.agenda.acting import role_of
from reminder.agenda.alarms import Alarm
from reminder.agenda.duties import Cell
from reminder.agenda.facts import NOTHING, Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.reach import Reached, Receiver, listens, reach
from reminder.agenda.reasons import Reason
from reminder.check import Edition
from reminder.messages.context import Addressee
from reminder.plan.audience import TermKind
from reminder.plan.channels import WecomAppChannel
from reminder.plan.directory import Person
from reminder.plan.via import Chain, steps


@dataclass(frozen=True, slots=True)
class Share:
    """One receiver's share of one alarm on one channel, before anything is rendered.

    ``chain`` is set while another channel can still follow: such messages are
    kept apart from others, because they are given up as a whole.  ``replaces``
    is the channel in whose place this one is used, ``passed`` those who have no
    address there.
    """

    alarm: Alarm
    addressee: Addressee
    channel: str
    address: str
    cells: tuple[Cell, ...] = ()
    mentions: tuple[str, ...] = ()
    chain: Chain | None = None
    replaces: str = ""
    passed: tuple[str, ...] = ()
    hidden: bool = False
    """The receiver may know how many cells are open, and not whose."""
    deputy_for: tuple[str, ...] = ()
    """Names of absent persons the receiver acts for."""
    as_of: datetime | None = None
    """Said as at this instant whenever it goes out, and in no message with others: as it was approved."""

    @property
    def section_key(self) -> object:
        """Shares with equal keys are one text."""
        return self.alarm.text_key


@dataclass(frozen=True, slots=True)
class Failure:
    """A share that should be sent and cannot be: an admin has to act."""

    alarm: Alarm
    receiver: str
    channel: str
    reason: Reason
    text: str


def address_of(person: Person, config: Any) -> str | None:
    """The person's address on a personal channel, or None."""
    address: str | None = getattr(person, config.address_key)
    return address


def reached_by(
    alarm: Alarm, edition: Edition, facts: Facts = NOTHING, now: datetime | None = None
) -> Reached:
    """Whom an alarm reaches: at ``now``, or at its own time for a look ahead."""
    return reach(alarm, edition.plan, edition.calendar, facts, now or alarm.at)


def shares_of(
    alarm: Alarm, edition: Edition, reached: Reached | None = None
) -> tuple[list[Share], list[Failure]]:
    """Who receives an alarm, on each of its channels, with what they owe.

    Without ``reached`` as the plan alone has it, at the alarm's own time.
    """
    reached = reached if reached is not None else reached_by(alarm, edition)
    receivers = reached.receivers
    shares: list[Share] = []
    failures: list[Failure] = []
    for route in alarm.rung.via:
        chain = route if isinstance(route, Chain) else None
        channel = steps(route)[0]
        config = edition.plan.channels[channel]
        if not config.personal:
            shares.append(_group_share(alarm, channel, config, receivers, chain))
            continue
        lacking = [each for each in receivers if address_of(each.person, config) is None]
        for receiver in receivers:
            if receiver not in lacking:
                follows = (
                    chain if chain and _reaches(edition.plan.channels[chain.otherwise], receiver) else None
                )
                shares.append(_personal_share(alarm, channel, config, receiver, follows))
        if chain and lacking:
            more, failed = other_shares(alarm, chain, lacking, edition, passed=True)
            shares += more
            failures += failed
        else:
            failures += [_no_address(alarm, each, channel, channel) for each in lacking]
    failures += [_no_owner(alarm, cell) for cell in reached.unowned]
    return shares, failures


def other_shares(
    alarm: Alarm, chain: Chain, receivers: Sequence[Receiver], edition: Edition, *, passed: bool = False
) -> tuple[list[Share], list[Failure]]:
    """The shares of those whom a chain's first channel does not reach, on the other one.

    ``passed`` says that they have no address there, so that it was never tried.
    """
    channel = chain.otherwise
    config = edition.plan.channels[channel]
    if not config.personal:
        ids = tuple(each.person.id for each in receivers) if passed else ()
        share = _group_share(alarm, channel, config, receivers, None, chain.first, ids)
        return [share], []
    shares: list[Share] = []
    failures: list[Failure] = []
    for receiver in receivers:
        if address_of(receiver.person, config) is None:
            lacking = f"{chain.first} 和 {channel}" if passed else channel
            failures.append(_no_address(alarm, receiver, channel, lacking))
            continue
        ids = (receiver.person.id,) if passed else ()
        shares.append(_personal_share(alarm, channel, config, receiver, None, chain.first, ids))
    return shares, failures


def owes_something(share: Share, edition: Edition, now: datetime) -> bool:
    """Whether the receiver may record something of what the share is about."""
    if share.addressee.kind != "person" or share.hidden:
        return False
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    item, directory = share.alarm.item, edition.plan.directory
    return any(role_of(share.addressee.id, cell, item, directory, today) for cell in share.cells)


def _reaches(config: Any, receiver: Receiver) -> bool:
    return not config.personal or address_of(receiver.person, config) is not None


def _personal_share(
    alarm: Alarm,
    channel: str,
    config: Any,
    receiver: Receiver,
    chain: Chain | None,
    replaces: str = "",
    passed: tuple[str, ...] = (),
) -> Share:
    person = receiver.person
    # Greeting nobody by name, an app's message is the same for many, and one request.
    addressee = Addressee(person.id, person.name, "person", named=not isinstance(config, WecomAppChannel))
    address = address_of(person, config) or ""
    for_ = tuple(each.name for each in receiver.for_)
    return Share(
        alarm, addressee, channel, address, receiver.cells, (), chain, replaces, passed, receiver.counts_only, for_
    )  # fmt: skip


def _group_share(
    alarm: Alarm,
    channel: str,
    config: Any,
    receivers: Sequence[Receiver],
    chain: Chain | None,
    replaces: str = "",
    passed: tuple[str, ...] = (),
) -> Share:
    name = config.name or channel
    everyone = any(term.kind is TermKind.EVERYONE for term in alarm.rung.to)
    mentions: tuple[str, ...] = ()
    # To be mentioned by a reminder of what is still owed is to be shown up; the check refuses it, too.
    if config.mention and not everyone and not listens(alarm.rung):
        mentions = tuple(each.person.wecom for each in receivers if each.person.wecom)
    addressee = Addressee(f"group:{channel}", name, "group")
    return Share(alarm, addressee, channel, channel, (), mentions, chain, replaces, passed)


def _no_owner(alarm: Alarm, cell: Cell) -> Failure:
    text = f"{cell.label}尚未办结，但 directory.yaml 中该单位或岗位没有可提醒的人"
    return Failure(alarm, f"cell:{cell.id}", "-", Reason.NO_OWNER, text)


def _no_address(alarm: Alarm, receiver: Receiver, channel: str, lacking: str) -> Failure:
    name = f"{receiver.person.name}（{receiver.person.id}）"
    text = f"{name}在 directory.yaml 中没有 {lacking} 通道的地址"
    return Failure(alarm, receiver.person.id, channel, Reason.NO_ADDRESS, text)
