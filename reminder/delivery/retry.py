"""When to try again: exponential back-off with jitter (RFC 5321 §4.5.4.1 asks for patience)."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
MOST_TRIES = 30
"""With an hour between tries more than a day; the expiry usually ends it first."""
JITTER = 0.2
"""A share of the wait, up or down, so that what failed together is not retried together."""


def next_try(tries: int, now: datetime, retry_after: float | None, random_source: random.Random) -> datetime:
    """The instant of the next try after ``tries`` have failed.

    ``retry_after`` (seconds) is a floor that a server or a retry table gives;
    jitter only lengthens it.
    """
    wait = min(FIRST_WAIT * 2 ** min(tries - 1, 20), LONGEST_WAIT).total_seconds()
    wait *= 1 + random_source.uniform(-JITTER, JITTER)
    if retry_after is not None:
        wait = max(wait, retry_after * (1 + random_source.uniform(0, JITTER)))
    return now + timedelta(seconds=wait)
