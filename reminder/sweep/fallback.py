"""Chains (``first``, ``else``): the other channel for exactly those whom the first did not reach.

The ledger says whom a channel did not reach; from the plan it follows over what
else they may be told, and until when that is of use.  Each step is a claim of
its own, so that asking again, after a restart or on another node, changes
nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from reminder.agenda.alarms import Alarm
from reminder.agenda.facts import NOTHING, Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.policy import Action, Decision, Reason
from reminder.agenda.reach import Reached
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Settlement, Transport, Unreached
from reminder.plan.via import Chain
from reminder.sweep.accept import digest_to_hold
from reminder.sweep.compose import as_approved, compose_shares, new_alarm
from reminder.sweep.known import BEFORE_PLAN, KnownAlarms
from reminder.sweep.shares import Failure, Share, other_shares
from reminder.sweep.texts import reached_for

log = logging.getLogger(__name__)

PATIENCE = timedelta(hours=2)
"""For how long tries may fail before the other channel is used."""
OVERLAP = timedelta(minutes=10)
"""What the last look may have missed: failures are dated by the thread that met them."""


def chain_from(alarm: Alarm, channel: str) -> Chain | None:
    """The chain of an alarm that begins with a channel."""
    return next((each for each in alarm.rung.via if isinstance(each, Chain) and each.first == channel), None)


def patience_ends(first_try: datetime, useful_until: datetime) -> datetime:
    """When failing tries have been going on for too long: two hours, or half of what time there was."""
    return first_try + min(PATIENCE, max(useful_until - first_try, timedelta(0)) / 2)


@dataclass(frozen=True, slots=True)
class Fallen:
    """Who is to be told over another channel, of what, and which messages that replaces."""

    shares: tuple[Share, ...]
    failures: tuple[Failure, ...]
    replaced: tuple[str, ...]


def fallen(
    unreached: Iterable[Unreached],
    alarm_of: Callable[[str], Alarm | None],
    edition: Edition,
    now: datetime,
    facts: Facts = NOTHING,
    approved: Callable[[Alarm, Reached], bool] | None = None,
) -> Fallen:
    """The shares on the other channels.  Pure.

    An alarm that the plan no longer has, or that is of no use any more, or that
    is not ``approved`` as it stands now, has none; neither has a receiver whom it
    no longer concerns.
    """
    meant: dict[tuple[str, str], dict[str, None]] = {}
    alarms: dict[str, Alarm] = {}
    replaced: dict[str, None] = {}
    for each in unreached:
        alarm = alarm_of(each.alarm)
        chain = chain_from(alarm, each.channel) if alarm else None
        if alarm is None or chain is None or now >= alarm.useful_until:
            continue
        # As the ledger knows it: an item renamed since stands there under its former id.
        alarms[each.alarm] = replace(alarm, key=each.alarm)
        meant.setdefault((each.alarm, each.channel), {})[each.receiver] = None
        if each.message:
            replaced[each.message] = None
    shares: list[Share] = []
    failures: list[Failure] = []
    for (key, channel), ids in meant.items():
        alarm = alarms[key]
        chain = chain_from(alarm, channel)
        assert chain is not None  # it was there a moment ago
        reached = reached_for(alarm, edition, facts, now)
        if approved is not None and not approved(alarm, reached):
            continue
        receivers = reached.receivers
        if f"group:{channel}" not in ids:
            receivers = tuple(each for each in receivers if each.person.id in ids)
        if receivers:
            more, failed = other_shares(alarm, chain, receivers, edition)
            shares += as_approved(more, alarm, reached)
            failures += failed
    return Fallen(tuple(shares), tuple(failures), tuple(replaced))


@dataclass(slots=True)
class Fallback:
    """The pass over what the ledger says was not reached.  Used by the sweeper's thread.

    It remembers only what it need not look at again; a new one comes to the same.
    """

    ledger: Ledger
    edition: Edition
    channels: Mapping[str, Channel]
    transport: Transport
    facts: Facts = NOTHING
    """As the sweeper has them; it keeps them up to date."""
    approved: Callable[[Alarm, Reached], bool] | None = None
    """Whether an alarm may go out as it stands."""
    firsts: frozenset[str] = field(init=False)
    """Channels with which a chain of the plan begins."""
    _looked: datetime | None = None
    _done: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.firsts = frozenset(
            route.first
            for item in self.edition.plan.items
            for rung in item.rungs
            for route in rung.via
            if isinstance(route, Chain)
        )

    def run(self, now: datetime) -> tuple[int, tuple[Failure, ...]]:
        """Claim what is to go over another channel; deliveries made, and who cannot be told at all."""
        firsts = self.firsts
        if not firsts:  # nothing is asked of the ledger, in most plans
            return 0, ()
        plan_id = self.edition.plan.id
        since = self._since(now)
        found = [
            each
            for each in self.ledger.unreached(plan_id, self.transport, since)
            if each.channel in firsts and (each.alarm, each.receiver, each.channel) not in self._done
        ]
        alarms = KnownAlarms(self.edition, now, self.facts)
        for each in self.ledger.retrying(plan_id, self.transport, firsts):
            alarm = alarms.of(each.alarm)
            if alarm is None or (each.alarm, each.receiver, each.channel) in self._done:
                continue
            if now >= patience_ends(each.at, alarm.useful_until):
                found.append(each)
        if not found:
            self._looked = now
            return 0, ()
        return self._claim(found, fallen(found, alarms.of, self.edition, now, self.facts, self.approved), now)

    def _since(self, now: datetime) -> datetime:
        """Everything at the first look, and after the clock was set back."""
        if self._looked is None or now < self._looked:
            head = self.edition.plan.head
            first = datetime.combine(head.from_, time.min, tzinfo=zone_of(head.timezone))
            return min(first, now) - BEFORE_PLAN
        return self._looked - OVERLAP

    def _claim(
        self, found: list[Unreached], wanted: Fallen, now: datetime
    ) -> tuple[int, tuple[Failure, ...]]:
        plan_id = self.edition.plan.id
        written = compose_shares(
            wanted.shares, wanted.failures, self.edition, self.channels, self.transport, now
        )
        decision = Decision(Action.SEND, Reason.FALLBACK)
        known = {share.alarm.key: share.alarm for share in wanted.shares}
        known |= {failure.alarm.key: failure.alarm for failure in written.failures}
        settlement = Settlement(
            tuple(
                replace(new_alarm(known[key], decision), claims=each) for key, each in written.claims.items()
            ),
            written.deliveries,
            wanted.replaced,
        )
        steps = {
            (key, claim.receiver, claim.channel) for key, each in written.claims.items() for claim in each
        }
        digest = digest_to_hold(self.ledger, self.edition)
        stands = (
            self.ledger.extend(plan_id, self.transport, settlement, now, plan_digest=digest)
            if steps
            else set()
        )
        if not steps <= stands:
            return 0, ()  # being sent at this moment, or settled by somebody else in part: the next look sees
        self._done |= {(each.alarm, each.receiver, each.channel) for each in found}
        self._looked = now
        for each in found:
            log.info(
                "fallback",
                extra={
                    "alarm": each.alarm,
                    "receiver": each.receiver,
                    "channel": each.channel,
                    "reason": each.reason,
                },
            )
        return len(settlement.deliveries), written.failures
