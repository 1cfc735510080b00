"""What a daemon or a worker has of the process it lives in, where that process runs several offices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from reminder.agenda.facts import Facts
from reminder.check import Edition
from reminder.daemon.filing import Filing
from reminder.delivery.dispatch import Dispatch
from reminder.ledger.holds import Hold
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport


class Alarms(Protocol):
    """Wakes the sweeper when an alarm comes due."""

    def start(self, edition: Edition, facts: Facts) -> None:
        """Begin."""

    def set(self, edition: Edition, facts: Facts) -> None:
        """These are the items now."""

    def stop(self) -> None:
        """Fire no more."""


class Watchman(Protocol):
    """Says whether the ledger may be gone on with; see :class:`~reminder.backup.guard.Guard`."""

    def check(
        self, ledger: Ledger, now: datetime, monotonic: float | None = None, *, live: bool
    ) -> Hold | None:
        """The hold that stands, or None."""

    def leave(self, ledger: Ledger, now: datetime, *, live: bool) -> None:
        """At the end."""

    def was_live(self) -> bool:
        """Whether messages really went out when this was last known."""


class Kept(Protocol):
    """What a process keeps going for an office: a whole daemon, or only its sending."""

    @property
    def edition(self) -> Edition:
        """What is in use."""

    @property
    def transport(self) -> Transport:
        """Whether messages really go out."""

    @property
    def refused(self) -> str:
        """Why the files as they are now are not in use, in Chinese; empty while they are."""

    @property
    def restless(self) -> bool:
        """Whether the next tick has something to do that no instant tells."""

    @property
    def left_in_flight(self) -> frozenset[str]:
        """Deliveries whose threads have not finished."""

    def tick(self) -> None:
        """Look at everything once."""

    def ask_reload(self) -> None:
        """Read the files at the next tick, whether they have changed or not."""

    def files_differ(self) -> bool:
        """Whether the next tick would find other files; cheap."""

    def next_instant(self, now: datetime) -> datetime:
        """When there is something to do next, as far as is known now.  Raises ``LedgerError``."""

    def leave(self, seconds: float) -> None:
        """The end: let what is being sent finish, for so long."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """One alarm clock, one mark of the ledger, one node and one filing for all, and where the office says how it is."""

    alarm_clock: Alarms
    guard: Watchman
    dispatch: Dispatch
    filing: Filing
    say: Callable[[str], None]
    """Told at each tick: what is wrong, in Chinese, or nothing."""
    health: Path
    """Where the process says that it lives."""
