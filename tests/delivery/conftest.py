"""A ledger on a manual clock, and deliveries to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Reach
from reminder.clock import ManualClock
from reminder.delivery.conduct import Conduct
from reminder.delivery.deliver import Deliverer
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    AttemptRecord,
    DeliveryState,
    LedgerKind,
    NewAlarm,
    NewClaim,
    NewDelivery,
    Settlement,
    Transport,
)
from reminder.ledger.shown import Entry, EntryFilter
from tests.backends import Backend
from tests.editions import Remembering

PLAN, LIVE = "test", Transport.LIVE
START = datetime(2026, 9, 24, 1, 0, tzinfo=UTC)
"""09:00 on a Thursday in Shanghai."""


class Bench:
    """One ledger, one clock, and what a test needs to say in few words."""

    def __init__(self, ledger: Ledger) -> None:
        self.clock = ManualClock(START)
        self.ledger = ledger

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def add(
        self, key: str, channel: str = "mail", *, useful: timedelta = timedelta(days=1), **changes: Any
    ) -> None:
        """One alarm for one receiver (or for all of ``receivers``), and its delivery."""
        self.ledger.settle(PLAN, LIVE, self._made(key, channel, useful, changes), self.now)

    def add_together(self, keys: Iterable[str], channel: str = "mail") -> None:
        """:meth:`add` for many, in one transaction."""
        made = [self._made(key, channel, timedelta(days=1), {}) for key in keys]
        alarms = tuple(alarm for each in made for alarm in each.alarms)
        whole = Settlement(alarms, tuple(delivery for each in made for delivery in each.deliveries))
        self.ledger.settle(PLAN, LIVE, whole, self.now)

    def _made(self, key: str, channel: str, useful: timedelta, changes: Mapping[str, Any]) -> Settlement:
        values: dict[str, Any] = {
            "id": key,
            "message": f"m-{key}",
            "channel": channel,
            "receiver": "p-office",
            "address": "office@example.com",
            "part": 1,
            "parts": 1,
            "message_id": f"<{key}@example.com>",
            "subject": f"提醒{key}",
            "text": "文",
            "payload": f"payload of {key}".encode(),
            "planned_at": self.now,
            "not_before": self.now,
            "expires_at": self.now + useful,
        }
        made = NewDelivery(**values | dict(changes))
        whom = [receiver for receiver, _ in made.receivers] or [made.receiver]
        claims = tuple(NewClaim(each, channel, "send", "due", made.message) for each in whom)
        alarm = NewAlarm(
            f"alarm-{key}", "x", "x/2026", f"rung-{key}", self.now, self.now, "send", "due", claims
        )
        return Settlement((alarm,), (made,))

    def deliverer(
        self, *channels: Any, conduct: Mapping[str, Conduct] | None = None, **options: Any
    ) -> Deliverer:
        by_name = {channel.id: channel for channel in channels}
        return Deliverer(self.ledger, PLAN, LIVE, by_name, self.clock, conduct, **options)

    def entry(self, key: str, receiver: str | None = None) -> Entry:
        found = self.ledger.book.entries(PLAN, EntryFilter(receiver=receiver))
        (entry,) = [each for each in found if each.alarm == f"alarm-{key}"]
        return entry

    def state(self, key: str) -> str:
        return str(self.entry(key).state)

    def tries(self, key: str) -> list[AttemptRecord]:
        return self.ledger.book.attempts_of(PLAN, key)

    def counts(self) -> dict[str, int]:
        return {
            state: number
            for state, number in self.ledger.book.counts(PLAN, LIVE).items()
            if state in set(DeliveryState)
        }


@pytest.fixture
def bench(backend: Backend) -> Bench:
    return Bench(backend.open(LedgerKind.SIMULATION, START))


ACCEPTED = Outcome(OutcomeKind.ACCEPTED, "250", "OK")
BUSY = Outcome(OutcomeKind.TRANSIENT, "451", "try again later")
NO_SUCH_USER = Outcome(OutcomeKind.PERMANENT, "550", "no such user")
UNKNOWN = Outcome(OutcomeKind.UNCERTAIN, "connection", "连接中断")
DEAD = Outcome(OutcomeKind.PERMANENT, "errcode 93000", "机器人已失效", reach=Reach.DEAD)
BLOCKED = Outcome(
    OutcomeKind.TRANSIENT, "errcode 45009", "api freq out of limit", 60.0, reach=Reach.THROTTLED
)
LOGIN = Outcome(OutcomeKind.TRANSIENT, "535", "authentication failed", 1800.0, reach=Reach.LOGIN)


def answering(channel: str, *outcomes: Outcome) -> Remembering:
    """A channel that gives these answers in turn, and the last one for ever."""
    left = list(outcomes)

    def answer(_: Parcel) -> Outcome:
        return left.pop(0) if len(left) > 1 else left[0]

    return Remembering(channel, answer)


Answer = Callable[[Parcel], Outcome]
