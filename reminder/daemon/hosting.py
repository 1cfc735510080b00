"""What a daemon or a worker has of the process it lives in, where that process runs several offices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from reminder.agenda.facts import Facts
from reminder.backup.guard import Guard, LedgerForeign
from reminder.check import Edition
from reminder.clock import Clock
from reminder.daemon.alarm_clock import AlarmClock
from reminder.daemon.filing import Filing
from reminder.daemon.shared import Shared
from reminder.delivery.dispatch import Dispatch
from reminder.errors import ReminderError
from reminder.ledger.holds import Hold
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.settings import Settings
from reminder.status import write_status


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


def _unheard(_problem: str) -> None:
    """The process is the daemon's own: what is wrong stands in its health file."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """Alarm clock, mark of the ledger, node and filing, of its own or one for all; and where it says how it is."""

    alarm_clock: Alarms
    guard: Watchman
    dispatch: Dispatch
    filing: Filing
    say: Callable[[str], None] = _unheard
    """Told at each tick: what is wrong, in Chinese, or nothing."""
    health: Path | None = None
    """Where the process says that it lives, if it runs several."""

    def hold(self, ledger: Ledger, now: datetime, monotonic: float, *, live: bool) -> Hold | None:
        """The hold that stands; while there is one, or the ledger is in trouble, nothing more is begun.

        Raises the ledger's troubles.
        """
        try:
            found = self.guard.check(ledger, now, monotonic, live=live)
        except LedgerForeign:
            self.dispatch.stand_aside()
            raise
        except ReminderError:
            self.dispatch.give_back()
            raise
        if found is not None:
            self.dispatch.give_back()
        return found

    def report(self, file: Path, status: Mapping[str, Any]) -> None:
        """Say how it is; ``problem`` of the status is what is wrong.  Raises nothing."""
        self.say(str(status["problem"]))
        host = {"host": str(self.health.absolute())} if self.health is not None else {}
        write_status(file, {**status, **host})


def alone(settings: Settings, plan_id: str, clock: Clock, wake: Callable[[], None]) -> Hosting:
    """What the only daemon or worker of a process has."""
    return Hosting(AlarmClock(wake), Guard(settings.high_water, plan_id), Dispatch(clock, wake), Filing())


def one_of_many(
    shared: Shared, plan_id: str, wake: Callable[[], None], say: Callable[[str], None]
) -> Hosting:
    """What a daemon or worker has beside others in its process.

    Raises ``EngineMissing`` where what several nodes need is not installed.
    """
    return Hosting(
        _NoAlarms(),
        _Watchman(shared, plan_id),
        Dispatch(shared.clock, wake, shared.node()),
        shared.filing,
        say,
        shared.settings.health,
    )


class _NoAlarms:
    """The process has one alarm clock for all offices, set by ``Tenant.due``."""

    def start(self, edition: Edition, facts: Facts) -> None:
        """Nothing."""

    def set(self, edition: Edition, facts: Facts) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class _Watchman:
    """The process looks at the ledger once for all: here it is asked what that means for one plan."""

    def __init__(self, shared: Shared, plan_id: str) -> None:
        self._shared, self._plan_id = shared, plan_id

    def check(
        self,
        ledger: Ledger,
        now: datetime,  # noqa: ARG002
        monotonic: float | None = None,  # noqa: ARG002
        *,
        live: bool,  # noqa: ARG002
    ) -> Hold | None:
        """The hold, until it is over for this plan.  Raises ``LedgerForeign`` while the ledger is another cluster's."""
        if (foreign := self._shared.foreign) is not None:  # another thread looks after it
            raise foreign
        return None if self._shared.held is None else ledger.holds.standing(self._plan_id).hold

    def leave(self, ledger: Ledger, now: datetime, *, live: bool) -> None:
        """The process leaves its mark itself."""

    def was_live(self) -> bool:
        """Not known of one office: while it is held it tells its admins as the ledger has it."""
        return False
