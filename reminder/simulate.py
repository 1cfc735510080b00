"""Play a span of time: the real sweep, rendering, ledger and channels on a manual clock.

Always a rehearsal.  Time jumps from one instant at which something is due to
the next, so a year takes as long as its messages take to write.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.clock import ManualClock
from reminder.delivery.conduct import conduct_of
from reminder.delivery.deliver import Deliverer
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.sweep.seeds import Seeds, SeedsInMemory
from reminder.sweep.sweeper import Sweeper


@dataclass(frozen=True, slots=True)
class Act:
    """Something a person does at an instant: records a duty, registers an event."""

    at: datetime
    do: Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class Played:
    """What happened: alarms by action, deliveries made and tries."""

    actions: Mapping[str, int]
    deliveries: int
    tries: int


def play(
    edition: Edition,
    ledger: Ledger,
    channels: Mapping[str, Channel],
    since: datetime,
    until: datetime,
    acts: Sequence[Act] = (),
    seeds: Seeds | None = None,
) -> Played:
    """Play ``since`` ≤ t < ``until`` (aware) on a clock of its own, with what people do meanwhile.

    What is drawn by lot is drawn from ``seeds`` of its own, none of the office's.
    """
    ahead = deque(sorted(acts, key=lambda act: act.at))
    clock = ManualClock(since)
    plan_id = edition.plan.id
    ledger.accept_plan(plan_id, edition.digest, edition.files(), "simulate", {}, clock.now())
    sweeper = Sweeper(ledger, edition, channels, Transport.OUTBOX, clock.now(), seeds or SeedsInMemory())
    deliverer = Deliverer(ledger, plan_id, Transport.OUTBOX, channels, clock, conduct_of(edition.plan))
    deliverer.take_up(clock.now())
    actions: Counter[str] = Counter()
    deliveries = tries = 0
    while clock.now() < until:
        while ahead and ahead[0].at <= clock.now():
            ahead.popleft().do(clock.now())
        swept = sweeper.sweep(clock.now())
        actions.update(swept.actions)
        deliveries += swept.deliveries
        # Most days bring nothing: the ledger is asked once, and not by a pass over all that could be due.
        waiting = ledger.spool.next_instant(plan_id, Transport.OUTBOX)
        while waiting is not None and waiting <= clock.now():
            if not (tried := deliverer.drain(clock.now())):
                break
            tries += tried
            waiting = ledger.spool.next_instant(plan_id, Transport.OUTBOX)
        upcoming = [sweeper.next_instant(clock.now())]
        if waiting is not None:
            upcoming.append(waiting)
        if ahead:
            upcoming.append(ahead[0].at)
        clock.set(min(upcoming))
    return Played(dict(actions), deliveries, tries)
