"""A history checker: what the plan promised against what the receivers got.

Expectations come from the plan, arrivals from the receiving side; the daemon's
own ledger is not asked.  Every expectation is matched with a distinct arrival in
its time; every loss, every duplicate and every arrival nobody expected is named.

A duplicate is excused only by a kill between the two arrivals, and a kill
excuses no more of them than sends could be in flight.  Two *different* messages
about the same thing are never excused: a repeat must be recognisable.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, late, repeated without excuse or unexplained."""
        return not (self.lost or self.untimely or self.duplicates or self.repeated or self.extras)

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
    kills: Sequence[datetime] = (),
    *,
    in_flight: int = 1,
) -> Report:
    """Judge a history.  ``in_flight`` is how many sends of a channel may run at once."""
    report = Report()
    messages: dict[tuple[str, str, str], list[Arrival]] = {}
    for arrival in sorted(arrivals, key=lambda each: each.at):
        messages.setdefault((arrival.receiver, arrival.channel, arrival.identity), []).append(arrival)
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
    excuses = {(kill, channel): in_flight for kill in kills for channel in {key[1] for key in messages}}
    for key, copies in messages.items():
        if key not in explained:
            report.extras.extend(copies)
        for before, again in itertools.pairwise(copies):
            excuse = next(
                (
                    (kill, key[1])
                    for kill in kills
                    if before.at <= kill <= again.at and excuses[kill, key[1]] > 0
                ),
                None,
            )
            if excuse is None:
                report.duplicates.append(again)
            else:
                excuses[excuse] -= 1
                report.excused.append(again)
    return report
