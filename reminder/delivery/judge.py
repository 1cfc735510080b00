"""What an outcome leads to: the delivery's next state, and what it means for its channel.  Pure."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from reminder.channels.base import Outcome, OutcomeKind, Reach
from reminder.delivery.retry import MOST_TRIES, next_try
from reminder.ledger.records import AttemptEnd, Delivery, DeliveryState, PauseAsked, PauseKind, Refusal

THROTTLE_WAIT = timedelta(seconds=60)
"""Of a server that names no time of its own."""
LONG_THROTTLE = timedelta(hours=1)
"""A day's quota that is used up: from so long a wait on, the admins are told and chains fall back."""
LOGIN_WAITS = (timedelta(minutes=1), timedelta(minutes=30))
"""A login refused once may be a hiccup; refused again, the account is tried seldom enough not to be locked."""
LOGIN_LASTING = 2
LAST_MOMENT = timedelta(minutes=1)
"""Before its last useful moment a delivery gets one more try, if its back-off would miss it."""


def judged(
    delivery: Delivery,
    number: int,
    outcome: Outcome,
    now: datetime,
    chance: random.Random,
    *,
    hold: bool = False,
    fingerprint: str = "",
    recovered: datetime | None = None,
) -> AttemptEnd:
    """The end of attempt ``number``, at ``now``.

    ``hold``: an unknown outcome waits for a person.  ``recovered``: when the
    attempt began, if there are pauses of its channel that a success might end.
    """
    state, not_before = _state(delivery, number, outcome, now, chance, hold=hold)
    got_through = outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.PARTIAL)
    return AttemptEnd(
        delivery.id,
        number,
        now,
        outcome.kind,
        state,
        outcome.code,
        outcome.detail,
        not_before,
        refused=_refusals(delivery, outcome),
        pause=None if got_through else _pause(outcome, fingerprint),
        recovered=recovered if got_through else None,
    )


def _state(
    delivery: Delivery, number: int, outcome: Outcome, now: datetime, chance: random.Random, *, hold: bool
) -> tuple[DeliveryState, datetime | None]:
    if outcome.kind is OutcomeKind.ACCEPTED:
        return DeliveryState.ACCEPTED, None
    if outcome.kind is OutcomeKind.PARTIAL:
        refused = {refusal.receiver for refusal in _refusals(delivery, outcome)}
        reached = any(receiver not in refused for receiver, _ in delivery.receivers)
        return DeliveryState.ACCEPTED if reached else DeliveryState.FAILED, None
    if outcome.kind is OutcomeKind.UNCERTAIN:
        at = next_try(number, now, outcome.retry_after, chance)
        if hold or number >= MOST_TRIES or at >= delivery.expires_at:
            return DeliveryState.UNCERTAIN, None
        return DeliveryState.PENDING, at
    if outcome.reach is not Reach.MESSAGE:
        # The channel's trouble and not this message's: it waits with all the others, as long as it is useful.
        return DeliveryState.PENDING, now
    if outcome.kind is OutcomeKind.PERMANENT or number >= MOST_TRIES:
        return DeliveryState.FAILED, None
    return DeliveryState.PENDING, _in_time(
        next_try(number, now, outcome.retry_after, chance), delivery, outcome, now
    )


def _in_time(at: datetime, delivery: Delivery, outcome: Outcome, now: datetime) -> datetime:
    """The next try, earlier than its back-off if that would be too late and the server allows it."""
    if at < delivery.expires_at:
        return at
    last = delivery.expires_at - LAST_MOMENT
    earliest = now + timedelta(seconds=outcome.retry_after or 0) + LAST_MOMENT
    return last if last >= earliest else at


def _refusals(delivery: Delivery, outcome: Outcome) -> tuple[Refusal, ...]:
    """The refused addresses as receivers; WeCom gives userids back in lower case."""
    if not outcome.refused:
        return ()
    known = {address.casefold(): receiver for receiver, address in delivery.receivers}
    return tuple(
        Refusal(known.get(address.casefold(), address), outcome.code, outcome.detail)
        for address in dict.fromkeys(outcome.refused)
    )


def _pause(outcome: Outcome, fingerprint: str) -> PauseAsked | None:
    match outcome.reach:
        case Reach.MESSAGE:
            return None
        case Reach.THROTTLED:
            wait = THROTTLE_WAIT if outcome.retry_after is None else timedelta(seconds=outcome.retry_after)
            return PauseAsked(PauseKind.THROTTLED, (wait,), 1 if wait >= LONG_THROTTLE else 0, fingerprint)
        case Reach.LOGIN:
            return PauseAsked(PauseKind.LOGIN, LOGIN_WAITS, LOGIN_LASTING, fingerprint)
        case Reach.DEAD:
            return PauseAsked(PauseKind.DEAD, (), 1, fingerprint)
