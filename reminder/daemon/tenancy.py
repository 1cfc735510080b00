"""Many offices in one process, on one ledger: whose turn it is, and what they share.

Each office is a :class:`~reminder.daemon.daemon.Daemon`, or where others decide a
:class:`~reminder.daemon.worker.Worker`, that is looked after
when an instant it knows has come, when something was recorded of it, when its
files move (:data:`FILES_IN_TURN` folders are looked at a tick), and otherwise in
turn, :data:`IN_TURN` a tick: what a tick costs does not grow with the offices.  A few threads look after them,
so that one with a thousand messages to write holds up only itself.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import Any

from reminder.backup.guard import Guard, LedgerForeign
from reminder.clock import Clock
from reminder.daemon import life
from reminder.daemon.alarm_clock import Earliest
from reminder.daemon.life import Life
from reminder.daemon.page import Page
from reminder.daemon.shared import Furnish, Shared
from reminder.daemon.tenant import State, Tenant
from reminder.errors import ReminderError
from reminder.ledger.errors import LedgerError
from reminder.ledger.holds import Hold
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.offices import office_names
from reminder.progress import Heartbeat
from reminder.settings import Settings
from reminder.status import WORKER, write_status

log = logging.getLogger(__package__)

THREADS = 4
"""Offices looked after at once; the renderer is one for all, and so is Python's lock."""
IN_TURN = 1
"""Offices that each tick looks after although nothing is known to be due: what was missed is found."""
FILES_IN_TURN = 20
"""Offices whose files each tick looks at."""
OVERLAP = 5
"""Ticks: so old are the numbers since which something is news, since rows become visible out of order."""
MIDDLE_SECONDS = 5.0
"""Between two looks for what dead nodes may have left in the middle."""
NAMES_SECONDS = 10.0
"""Between two looks for new folders."""


class Tenancy:
    """Runs every office of ``settings.offices`` until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        clock: Clock,
        furnish: Furnish,
        heartbeat: Heartbeat | None = None,
        *,
        works_only: bool = False,
    ) -> None:
        """``works_only``: other processes decide what their offices are to be told, and this one sends."""
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._heartbeat = heartbeat
        self.life = Life("tenancy", clock, self._ask_reload)
        self._guard = Guard(settings.high_water)
        self._alarm_clock = Earliest(self.life.wake)
        self._shared = Shared(settings, ledger, clock, furnish, self.life.wake, works_only)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="office")
        self._tenants: dict[str, Tenant] = {}
        self._turns: deque[Tenant] = deque()
        self._files: deque[Tenant] = deque()
        self._numbers: deque[Mapping[str, int]] = deque(maxlen=OVERLAP)
        self._middle_at = self._names_at = float("-inf")
        self._names_problem = ""
        self._find(0.0)

    # -- for the page and the command -------------------------------------------

    @property
    def tenants(self) -> Mapping[str, Tenant]:
        """Every office by its name, those that are not running as well."""
        return dict(self._tenants)

    def by_host(self, host: str) -> Tenant | None:
        """The running office whose public URL names this host."""
        return self._shared.by_host(host)

    @property
    def held(self) -> Hold | None:
        """Why nothing is sent for those offices that have not been spoken for."""
        return self._shared.held

    @property
    def left_in_flight(self) -> frozenset[str]:
        """Deliveries whose threads have not finished."""
        return frozenset(each for tenant in self._tenants.values() for each in tenant.left_in_flight)

    # -- life ---------------------------------------------------------------

    def run(self, ready: Callable[[], None] | None = None, page: Page | None = None) -> int:
        """Run until SIGTERM or SIGINT; the exit code.  Must be called in the main thread.

        ``ready`` is called once signals are heard and the first offices run.
        """
        return self.life.run(self._look, self._alarm_clock.start, self.close, ready, page)

    def _look(self) -> float:
        self.tick()
        return life.TICK_SECONDS

    def close(self) -> None:
        """Let what is being sent finish, and leave."""
        self._alarm_clock.stop()
        self._pool.shutdown(wait=True)
        deadline = self._clock.monotonic() + life.DRAIN_SECONDS
        running = [each for each in self._tenants.values() if each.kept is not None]
        for each in running:
            each.hush()
        for each in running:
            each.leave(max(0.0, deadline - self._clock.monotonic()))
        self._shared.close(leave=not self.left_in_flight)
        if self.held is None:
            self._guard.leave(self._ledger, self._clock.now(), live=self._live)
        self._ledger.close()

    def _ask_reload(self) -> None:
        for each in list(self._tenants.values()):
            each.ask_reload()
        self._names_at = float("-inf")

    # -- a tick ---------------------------------------------------------------

    def tick(self) -> list[Future[None]]:
        """Begin to look after every office that has something to do; what was begun."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        problem, stirred = "", None
        try:
            if monotonic - self._names_at >= NAMES_SECONDS:
                self._find(monotonic)
            held = self._guard.check(self._ledger, now, monotonic, live=self._live)
            if held != self._shared.held and held is not None:
                self._hush()
            self._shared.held, self._shared.foreign = held, None
            stirred = self._stirred(now, monotonic)
        except LedgerError as error:
            if isinstance(error, LedgerForeign):
                self._shared.foreign = error
                self._hush()
            problem = str(error)
            log.error("ledger in trouble", extra={"error": problem})
        begun = [self._begin(each) for each in self._chosen(now, monotonic, stirred or set())]
        ahead = (each.due for each in self._tenants.values() if each.due is not None and each.due > now)
        self._alarm_clock.set(min(ahead, default=None))
        self._write_health(now, problem or self._names_problem)
        if not problem and self._heartbeat is not None:
            self._heartbeat.progress(monotonic)
        return [each for each in begun if each is not None]

    def look(self) -> None:
        """A tick, waited for: what it begins has ended."""
        wait(self.tick())

    def _hush(self) -> None:
        """No office begins a send until it was looked after: what it then finds says whether it may."""
        for each in self._tenants.values():
            if each.kept is not None:
                each.hush()

    def _find(self, monotonic: float) -> None:
        """Take in the folders that there are now; one that has gone keeps its last plan, and says so."""
        assert self._settings.offices is not None
        self._names_at = monotonic
        try:
            names = office_names(self._settings.offices)
        except ReminderError as error:
            self._names_problem = str(error)
            return
        self._names_problem = ""
        for name in names:
            if name not in self._tenants:
                self._tenants[name] = tenant = Tenant(name, self._shared)
                self._turns.append(tenant)
                self._files.append(tenant)

    @property
    def _live(self) -> bool:
        return any(each.live for each in self._tenants.values())

    def _stirred(self, now: datetime, monotonic: float) -> set[str]:
        """Plans that have something to do by the ledger."""
        found: set[str] = set()
        known = self._ledger.nodes.numbers()
        if self._numbers:
            found = self._ledger.nodes.stirred(self._numbers[0], now)
        self._numbers.append(known)
        if monotonic - self._middle_at >= MIDDLE_SECONDS:
            self._middle_at = monotonic
            found |= self._ledger.nodes.in_the_middle(self._shared.plan_ids())
        return found

    def _chosen(self, now: datetime, monotonic: float, stirred: set[str]) -> list[Tenant]:
        """Those with something to do, some in turn, and one that is not running yet, if none is being taken in."""
        chosen = {
            each.name: each
            for each in self._tenants.values()
            if each.state is State.RUNNING and not each.busy and each.wants(now, monotonic, stirred)
        }
        for each in _next(self._turns, IN_TURN):
            if each.state is State.RUNNING and not each.busy:
                chosen[each.name] = each
        looked = _next(self._files, FILES_IN_TURN)
        for each in {*looked, *(each for each in self._tenants.values() if each.is_being_mended)}:
            each.look_at_files(monotonic)
        for each in looked:
            if (
                each.state is State.RUNNING
                and not each.busy
                and each.name not in chosen
                and each.files_differ()
            ):
                chosen[each.name] = each
        resting = [each for each in self._tenants.values() if each.state is not State.RUNNING]
        if not any(each.busy for each in resting):
            # Whoever was never tried comes first, then who has waited longest: those in trouble bar nobody's way.
            ready = (each for each in resting if each.may_start(monotonic))
            first = min(ready, key=lambda each: each.tried_at, default=None)
            if first is not None:
                chosen[first.name] = first
        return [each for each in chosen.values() if not each.busy]

    def _begin(self, tenant: Tenant) -> Future[None] | None:
        tenant.busy = True
        try:
            return self._pool.submit(tenant.look)
        except RuntimeError:  # it is being stopped
            tenant.busy = False
            return None

    # -- health -------------------------------------------------------------

    def _write_health(self, now: datetime, problem: str) -> None:
        tenants = self._tenants.values()
        dues = [each.due for each in tenants if each.due is not None and not self._shared.works_only]
        status: dict[str, Any] = {
            "at": now.isoformat(),
            "pid": os.getpid(),
            "node": socket.gethostname(),
            **({"role": WORKER} if self._shared.works_only else {}),
            "transport": str(Transport.LIVE if self._live else Transport.OUTBOX),
            "plan": None,
            "next": min(dues).isoformat() if dues else None,
            "plan_refused": False,
            "paused": [],
            "held": str(self.held.reason) if self.held is not None else None,
            "page": self.life.page,
            "problem": problem,
            "offices": {
                "count": len(tenants),
                "running": sum(each.state is State.RUNNING for each in tenants),
                "live": sum(each.live for each in tenants),
                "starting": sum(each.state is State.NEW for each in tenants),
                "troubles": {each.name: each.trouble for each in tenants if each.trouble},
            },
        }
        write_status(self._settings.health, status)


def _next(line: deque[Tenant], count: int) -> list[Tenant]:
    """The first of a line, who then stand at its end."""
    found = [line[number] for number in range(min(count, len(line)))]
    line.rotate(-count)
    return found
