"""From decisions to frozen messages: who gets which words on which channel.

Nothing is written here and nothing is sent.  The result is a
:class:`~reminder.ledger.records.Settlement`, which goes into the ledger in one
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reminder.agenda.alarms import Alarm
from reminder.agenda.policy import is_late, needs_approval
from reminder.agenda.reach import Reached
from reminder.agenda.reasons import Action, Decision, Reason, in_place_of
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.ledger.postponing import Postponed
from reminder.ledger.records import NewAlarm, NewClaim, NewDelivery, Settlement, Transport
from reminder.plan.via import channels_of
from reminder.sweep.batches import batches_of, freeze_batch
from reminder.sweep.cap import DailyCap
from reminder.sweep.rendering import Rendered, render_bundle
from reminder.sweep.shares import Failure, Share, address_of, reached_by, shares_of

__all__ = [
    "Composed",
    "Failure",
    "Share",
    "address_of",
    "compose",
    "compose_shares",
    "shares_of",
]


@dataclass(frozen=True, slots=True)
class Composed:
    """What a sweep wants written, and what it must tell the admins."""

    settlement: Settlement
    failures: tuple[Failure, ...] = ()


def compose(
    decided: Iterable[tuple[Alarm, Decision]],
    edition: Edition,
    channels: Mapping[str, Channel],
    transport: Transport,
    now: datetime,
    *,
    reaching: Callable[[Alarm], Reached] | None = None,
    again: Sequence[Again] = (),
    approved: Callable[[Alarm, Reached], bool] | None = None,
    cap: DailyCap | None = None,
) -> Composed:
    """Render and freeze everything that is to be sent, and record everything that is not.

    Alarms due together for one receiver on one channel become one message,
    except those of items marked ``alone``; what waited and comes ``again`` joins
    them, if it is still ``approved`` or need not be.  What is on hold is left out.
    """
    reaching = reaching or (lambda alarm: reached_by(alarm, edition, now=now))
    alarms: dict[str, NewAlarm] = {}
    shares: list[Share] = []
    failures: list[Failure] = []
    claims: dict[str, list[NewClaim]] = {}
    for alarm, decision in decided:
        if decision.action is Action.HOLD:
            continue
        alarms[alarm.key] = new_alarm(alarm, decision)
        if decision.action is not Action.SEND:
            continue
        reached = reaching(alarm)
        due, failed = shares_of(alarm, edition, reached)
        shares += as_approved(due, alarm, reached)
        failures += failed
        claims[alarm.key] = _withheld(alarm, reached)
        if not due and not failed and not claims[alarm.key]:
            alarms[alarm.key] = new_alarm(alarm, Decision(Action.SUPPRESS, reached.reason or Reason.NOBODY))
    waited: dict[str, NewAlarm] = {}
    for each in again:
        waited[each.key] = (
            new_alarm(each.alarm, Decision(Action.SEND, Reason.DUE), each.key) if each.alarm else _gone(each)
        )
        due, settled = _again(each, edition, reaching, approved, now)
        shares += due
        claims[each.key] = settled
    written = compose_shares(shares, failures, edition, channels, transport, now, cap)

    def with_claims(of: Mapping[str, NewAlarm]) -> tuple[NewAlarm, ...]:
        return tuple(
            replace(each, claims=(*claims.get(key, ()), *written.claims.get(key, ())))
            for key, each in of.items()
        )

    settlement = Settlement(with_claims(alarms), written.deliveries, again=with_claims(waited))
    return Composed(settlement, written.failures)


@dataclass(frozen=True, slots=True)
class Again:
    """Claims of one alarm whose time has come.

    ``key`` is the alarm's in the ledger; ``alarm`` is None when the plan no
    longer has it.
    """

    key: str
    alarm: Alarm | None
    waiting: tuple[Postponed, ...]


def _gone(each: Again) -> NewAlarm:
    """Only its key and its claims are looked at: the alarm itself stands in the ledger."""
    at = each.waiting[0].until
    return NewAlarm(each.key, "", "", "", at, at, Action.SUPPRESS, Reason.NOBODY)


def _withheld(alarm: Alarm, reached: Reached) -> list[NewClaim]:
    """Who is not told now, on each channel, and why."""
    return [
        NewClaim(
            each.receiver.person.id,
            channel,
            Action.POSTPONE if each.until is not None else Action.SUPPRESS,
            each.reason,
            until=each.until,
        )
        for each in reached.withheld
        for channel in channels_of(alarm.rung.via)[:1]
    ]


def _again(
    each: Again,
    edition: Edition,
    reaching: Callable[[Alarm], Reached],
    approved: Callable[[Alarm, Reached], bool] | None,
    now: datetime,
) -> tuple[list[Share], list[NewClaim]]:
    """What of it is sent now, and what is decided of the rest."""

    def all_are(action: Action, reason: Reason) -> list[NewClaim]:
        return [NewClaim(one.receiver, one.channel, action, reason) for one in each.waiting]

    if each.alarm is None:
        return [], all_are(Action.SUPPRESS, Reason.NOBODY)
    reached = reaching(each.alarm)
    if reached.reason is not None:
        return [], all_are(Action.SUPPRESS, reached.reason)
    if now >= each.alarm.useful_until:
        return [], all_are(Action.MISS, Reason.EXPIRED)
    if approved is not None and not approved(each.alarm, reached):
        return [], all_are(Action.MISS, Reason.NOT_APPROVED)  # changed since it was approved
    due, _ = shares_of(each.alarm, edition, reached)
    due = as_approved(due, each.alarm, reached)
    later = {claim.receiver: claim for claim in _withheld(each.alarm, reached)}
    shares: list[Share] = []
    settled: list[NewClaim] = []
    for one in each.waiting:
        mine = [share for share in due if (share.addressee.id, share.channel) == (one.receiver, one.channel)]
        if mine:
            shares += [replace(share, alarm=replace(share.alarm, key=each.key)) for share in mine]
        elif one.receiver in later:
            settled.append(replace(later[one.receiver], channel=one.channel))
        else:
            settled.append(NewClaim(one.receiver, one.channel, Action.SUPPRESS, Reason.NOTHING_OPEN))
    return shares, settled


@dataclass(frozen=True, slots=True)
class Written:
    """Frozen messages, the claims by alarm, and all that could not be made."""

    deliveries: tuple[NewDelivery, ...]
    claims: Mapping[str, tuple[NewClaim, ...]]
    failures: tuple[Failure, ...]


def compose_shares(
    shares: Iterable[Share],
    failures: Iterable[Failure],
    edition: Edition,
    channels: Mapping[str, Channel],
    transport: Transport,
    now: datetime,
    cap: DailyCap | None = None,
) -> Written:
    """Merge, render, batch and freeze; every share and every failure gets its claim.

    What is over a receiver's daily ``cap`` waits for the next working day.
    """
    bundles: dict[object, list[Share]] = {}
    for share in shares:
        alone = share.section_key if share.alarm.item.spec.alone or share.as_of is not None else None
        bundles.setdefault((share.addressee.id, share.channel, alone, share.chain), []).append(share)
    failed = list(failures)
    rendered: list[Rendered] = []
    claims: dict[str, list[NewClaim]] = {}
    for bundle in bundles.values():
        if cap is not None and not cap.admits(bundle):
            for share in bundle:
                claims.setdefault(share.alarm.key, []).append(cap.claim(share))
            continue
        made, lost = render_bundle(bundle, edition, now)
        failed += lost
        if made is not None:
            rendered.append(made)
    deliveries: list[NewDelivery] = []
    for batch in batches_of(rendered, channels):
        frozen, lost = freeze_batch(batch, edition, channels[batch[0].channel], transport, now)
        failed += lost
        for each, identity, parts in frozen:
            deliveries += parts
            for share in each.shares:
                claims.setdefault(share.alarm.key, []).extend(_claims(share, each, identity, now))
    for failure in failed:
        claim = NewClaim(failure.receiver, failure.channel, Action.FAIL, failure.reason)
        claims.setdefault(failure.alarm.key, []).append(claim)
    by_alarm = {key: tuple(dict.fromkeys(each)) for key, each in claims.items()}
    return Written(tuple(deliveries), by_alarm, tuple(failed))


def as_approved(shares: Iterable[Share], alarm: Alarm, reached: Reached | None) -> list[Share]:
    """What has to be approved is said as at its alarm's own time, by itself: as its approvers read it."""
    as_of = alarm.at if needs_approval(alarm, reached) else None
    return [replace(share, as_of=as_of) for share in shares]


def new_alarm(alarm: Alarm, decision: Decision, key: str = "") -> NewAlarm:
    """The alarm as the ledger records it, without claims; ``key`` if it stands there under a former one."""
    return NewAlarm(
        key=key or alarm.key,
        item=alarm.item.id,
        occurrence=alarm.occurrence.id,
        rung=alarm.rung.id,
        planned_at=alarm.at,
        due=alarm.occurrence.due_at,
        decision=decision.action,
        reason=decision.reason,
    )


def _claims(share: Share, made: Rendered, identity: str, now: datetime) -> list[NewClaim]:
    """The share's own claim, and those of the channel that was passed over for want of an address."""
    merged = len({each.alarm.key for each in made.shares}) > 1
    action = Action.MERGE if merged else Action.SEND
    passed = [
        NewClaim(receiver, share.replaces, Action.SUPPRESS, Reason.NO_ADDRESS) for receiver in share.passed
    ]
    reason = _claim_reason(share, now)
    return [*passed, NewClaim(share.addressee.id, share.channel, action, reason, identity)]


def _claim_reason(share: Share, now: datetime) -> str:
    if share.replaces:
        return in_place_of(share.replaces)
    return Reason.CAUGHT_UP if is_late(share.alarm, now) else Reason.DUE
