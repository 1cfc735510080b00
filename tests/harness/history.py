"""A history checker: what the plan promised against what the receivers got.

Expectations come from the plan, arrivals from the receiving side; the daemon's
own ledger is asked for the send windows, which can only excuse less.  Every expectation is matched with a distinct arrival in
its time; every loss, every duplicate and every arrival nobody expected is named.

A duplicate is excused only by a kill between the two arrivals that came inside
the message's send window: its intent was committed and its outcome was not.  A stop
that was no end is one until the node has gone on and said what it had begun.  A
kill excuses one repeat of such a message, and no more repeats on a channel than
sends could be in flight there.  Two *different* messages about the same thing
are never excused: a repeat must be recognisable.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime


@dataclass(frozen=True)
class Expectation:
    """Something of the plan that one receiver must get on one channel.

    ``mark`` is a text by which the message shows that it is about this; a
    message that carries several marks satisfies several expectations.
    """

    receiver: str
    channel: str
    mark: str
    earliest: datetime
    latest: datetime


@dataclass(frozen=True)
class Arrival:
    """What a receiver got.  ``identity`` is equal for repeats of one message."""

    receiver: str
    channel: str
    identity: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Kill:
    """The end of a life, and the (channel, identity) of what was then inside its send window.

    Of a life that was only stopped ``until`` is when it had gone on, and said what it had begun.
    """

    at: datetime
    in_flight: frozenset[tuple[str, str]]
    until: datetime | None = None


STORAGE_ALERT = "台账不能写入，提醒已暂停发送"
"""No message of the plan: each node tells it by itself, since nothing can be recorded."""


@dataclass
class Report:
    """Everything that is not as it should be; ``excused`` is what a kill explains."""

    lost: list[Expectation] = field(default_factory=list)
    untimely: list[tuple[Expectation, Arrival]] = field(default_factory=list)
    duplicates: list[Arrival] = field(default_factory=list)
    excused: list[Arrival] = field(default_factory=list)
    repeated: list[Expectation] = field(default_factory=list)
    """Said by two different messages."""
    extras: list[Arrival] = field(default_factory=list)
    by_kill: dict[datetime, int] = field(default_factory=dict)
    """How many repeats each kill had to excuse; only those that had to."""

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, late, repeated without excuse or unexplained."""
        return not (self.lost or self.untimely or self.duplicates or self.repeated or self.extras)

    def without_alerts(self) -> Report:
        """The same, but for what admins are told past the ledger while it cannot be written."""

        def promised(told: list[Arrival]) -> list[Arrival]:
            return [each for each in told if STORAGE_ALERT not in each.text]

        return replace(self, duplicates=promised(self.duplicates), extras=promised(self.extras))

    def __str__(self) -> str:
        parts = [
            f"{name}: {entry}"
            for name in ("lost", "untimely", "duplicates", "repeated", "extras")
            for entry in getattr(self, name)
        ]
        return "\n".join(parts) or f"clean ({len(self.excused)} excused duplicates)"


def check(
    expectations: Iterable[Expectation],
    arrivals: Iterable[Arrival],
    kills: Sequence[Kill] = (),
    *,
    in_flight: int = 1,
) -> Report:
    """Judge a history.  ``in_flight`` is how many sends of a channel may run at once."""
    report = Report()
    messages: dict[tuple[str, str, str], list[Arrival]] = {}
    for arrival in sorted(arrivals, key=lambda each: each.at):
        messages.setdefault((arrival.receiver, arrival.channel, arrival.identity), []).append(arrival)
    explained = _match(expectations, messages, report)
    excuses = _Excuses(kills, in_flight)
    for key, copies in messages.items():
        if key not in explained:
            report.extras.extend(copies)
        for before, again in itertools.pairwise(copies):
            kill = excuses.take(before, again)
            if kill is None:
                report.duplicates.append(again)
            else:
                report.excused.append(again)
                report.by_kill[kill.at] = report.by_kill.get(kill.at, 0) + 1
    return report


def _match(
    expectations: Iterable[Expectation],
    messages: Mapping[tuple[str, str, str], list[Arrival]],
    report: Report,
) -> set[tuple[str, str, str]]:
    """The messages that somebody expected; what is wrong with the rest of the expectations is reported."""
    explained: set[tuple[str, str, str]] = set()
    for expected in expectations:
        found = [
            key
            for key, copies in messages.items()
            if key[:2] == (expected.receiver, expected.channel) and expected.mark in copies[0].text
        ]
        explained.update(found)
        if not found:
            report.lost.append(expected)
            continue
        if len(found) > 1:
            report.repeated.append(expected)
        first = messages[found[0]][0]
        if not expected.earliest <= first.at <= expected.latest:
            report.untimely.append((expected, first))
    return explained


class _Excuses:
    """What the kills can explain; each explanation is used once."""

    def __init__(self, kills: Sequence[Kill], in_flight: int) -> None:
        self._kills = kills
        self._in_flight = in_flight
        self._used: Counter[tuple[datetime, str]] = Counter()
        self._spent: set[tuple[datetime, str, str]] = set()

    def take(self, before: Arrival, again: Arrival) -> Kill | None:
        """A kill in the send window of this message, between its two arrivals; or a stop that was no end to it."""
        message = (again.channel, again.identity)
        for kill in self._kills:
            if (
                before.at <= (kill.until or kill.at)
                and kill.at <= again.at
                and message in kill.in_flight
                and (kill.at, *message) not in self._spent
                and self._used[kill.at, again.channel] < self._in_flight
            ):
                self._used[kill.at, again.channel] += 1
                self._spent.add((kill.at, *message))
                return kill
        return None
