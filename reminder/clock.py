"""The only place that reads the clock or waits.

Everything else takes ``now`` as an argument: an aware ``datetime`` in UTC, read
once per tick and passed down.  Ruff bans ``datetime.now``, ``time.time`` and
``time.sleep`` elsewhere.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the daemon needs of time."""

    def now(self) -> datetime:
        """The wall clock: aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; only differences mean anything."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until ``event`` is set, at most ``seconds``; say whether it was."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


class ManualClock:
    """A clock that moves only when told to: simulations and tests run on it.

    Waiting moves it forward, so a wait for a back-off of an hour costs nothing.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if event.is_set():
            return True
        self.advance(timedelta(seconds=seconds))
        return event.is_set()

    def set(self, now: datetime) -> None:
        """Set the wall clock, forwards or backwards, as an operator would."""
        with self._lock:
            self._now = now.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Let time pass on both clocks."""
        with self._lock:
            self._now += by
            self._elapsed += by.total_seconds()
