"""A node that only works: it carries out deliveries that the daemons of other nodes have decided.

No alarm clock, no sweep, no page.  Everything else is as in the daemon: what
cannot be recorded is not sent, a ledger on hold is left alone, and a changed
plan, transport or secret is taken into use while it runs.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from types import FrameType

from reminder.agenda.instants import zone_of
from reminder.backup.guard import Guard, LedgerHeld
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.clock import Clock
from reminder.daemon.agreement import Apart, NotAgreed, PlanDiffers, common_time, same_plan
from reminder.daemon.daemon import DRAIN_SECONDS, TICK_SECONDS, BuildChannels, SecretsMark
from reminder.daemon.plan_source import PlanSource
from reminder.delivery.dispatch import Dispatch
from reminder.editing.continuity import continuity
from reminder.errors import ReminderError, errors_of
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.progress import Heartbeat, notify_systemd
from reminder.settings import Settings
from reminder.status import WORKER, write_status

log = logging.getLogger(__package__)


class Worker:
    """Runs one plan's deliveries over one shared ledger until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        edition: Edition,
        ledger: Ledger,
        clock: Clock,
        build_channels: BuildChannels,
        heartbeat: Heartbeat | None = None,
        secrets_mark: SecretsMark = lambda _edition, _transport: "",
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._build_channels = build_channels
        self._secrets_mark = secrets_mark
        self._heartbeat = heartbeat
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._source = PlanSource(settings, edition.plan.id)
        self._reload_asked = threading.Event()
        self._guard = Guard(settings.high_water, edition.plan.id)
        self._dispatch = Dispatch(clock, self._wake.set)
        self._rest = TICK_SECONDS
        self._refused = ""
        self._held = False
        self._apart = Apart()
        self._use(edition, ledger.transport(edition.plan.id))

    def _use(self, edition: Edition, transport: Transport) -> None:
        """Send as this edition says from now on.  Raises ``ReminderError``, and changes nothing, without a secret."""
        channels: Mapping[str, Channel] = self._build_channels(edition, transport)
        self._dispatch.use(self._ledger, edition.plan, transport, channels)
        self.edition, self.transport = edition, transport
        self._mark = self._secrets_mark(edition, transport)

    def run(self, ready: Callable[[], None] | None = None) -> int:
        """Run until SIGTERM or SIGINT; the exit code.  Must be called in the main thread."""
        previous = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._on_stop),
            signal.SIGINT: signal.signal(signal.SIGINT, self._on_stop),
            signal.SIGHUP: signal.signal(signal.SIGHUP, self._on_reload),
        }
        try:
            self.tick()
            notify_systemd("READY=1")
            if ready is not None:
                ready()
            while not self._stop.is_set():
                self._clock.wait(self._wake, self._rest)
                self._wake.clear()
                if not self._stop.is_set():
                    self.tick()
        finally:
            notify_systemd("STOPPING=1")
            self._dispatch.drain(DRAIN_SECONDS)
            if not self._held:
                self._guard.leave(self._ledger, self._clock.now(), live=self.transport is Transport.LIVE)
            self._ledger.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        log.info("stopped")
        return 0

    @property
    def left_in_flight(self) -> frozenset[str]:
        """Deliveries whose threads have not finished."""
        return self._dispatch.left_in_flight

    def stop(self) -> None:
        """Ask it to stop; what is being sent is finished first."""
        self._stop.set()
        self._wake.set()

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        log.info("stopping", extra={"signal": signal.Signals(number).name})
        self.stop()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload_asked.set()
        self._wake.set()

    def tick(self) -> None:
        """One look at ledger, files and secrets, and at what needs a job."""
        now = self._clock.now()
        self._rest = TICK_SECONDS
        problem = ""
        try:
            self._look_at_ledger(now)
            if self._source.changed(self._ledger, self._clock.monotonic()) or self._reload_asked.is_set():
                self._reload_asked.clear()
                self._reload()
            self._agree(now)
            problem = self._follow() or self._source.problem
            self._dispatch.kick(now)
            self._rest = self._dispatch.rest(now, TICK_SECONDS)
        except NotAgreed as error:
            problem = str(error)
            self._dispatch.stand_aside()
            self._said(error, now)
        except ReminderError as error:
            # Nothing that cannot be recorded is sent; the next tick tries again.
            problem = str(error)
            log.error("not working", extra={"error": problem})
        self._write_health(now, problem)
        notify_systemd("WATCHDOG=1")
        if not problem and self._heartbeat is not None:
            self._heartbeat.progress(self._clock.monotonic())

    def _look_at_ledger(self, now: datetime) -> None:
        """Raises ``LedgerHeld`` while a person has yet to say what was sent, and all of the ledger's troubles."""
        try:
            hold = self._guard.check(
                self._ledger, now, self._clock.monotonic(), live=self.transport is Transport.LIVE
            )
        except ReminderError:
            self._dispatch.give_back()
            raise
        self._held = hold is not None
        if hold is not None:
            self._dispatch.give_back()
            raise LedgerHeld(hold, zone_of(self.edition.plan.head.timezone))

    def _agree(self, now: datetime) -> None:
        """Raises ``NotAgreed``.  A plan that only differs is said: what is frozen is sent by any."""
        try:
            common = common_time(self._ledger, self.edition.plan.id, self._clock)
            same_plan(self._ledger, common, self.edition, published=self._source.published)
        except PlanDiffers as error:
            self._said(error, now)
        else:
            if self._apart.ended():
                log.warning("agrees with the other nodes again")

    def _said(self, error: NotAgreed, now: datetime) -> None:
        if self._apart.found(error, now):
            log.error("apart from the other nodes", extra={"problem": str(error)})

    def _reload(self) -> None:
        """Take changed files into use, or keep the old ones and say so; the daemon tells the admins."""
        found = self._source.read(self._ledger)
        problems = list(found.problems)
        if found.edition is not None and not self._source.published:
            problems += continuity(self.edition, found.edition, self._settings.schedules)
        self._refused = "\n".join(str(problem) for problem in errors_of(problems))
        if found.edition is None or self._refused:
            log.error("plan refused, the old one stays in force", extra={"problems": self._refused})
            return
        self._use(found.edition, self.transport)
        log.info("plan reloaded")

    def _follow(self) -> str:
        """Take the ledger's transport and changed secrets into use; what is wrong while one is missing."""
        transport = self._ledger.transport(self.edition.plan.id)
        if transport is not self.transport:
            log.warning("transport changed", extra={"transport": str(transport)})
            self._use(self.edition, transport)
        elif self._secrets_mark(self.edition, transport) != self._mark:
            try:
                self._use(self.edition, transport)
            except ReminderError as error:
                return f"{error}；在此之前仍使用原来的密钥发送"
            log.warning("secrets changed")
        return ""

    def _write_health(self, now: datetime, problem: str) -> None:
        status = {
            "at": now.isoformat(),
            "pid": os.getpid(),
            "role": WORKER,
            "transport": str(self.transport),
            "plan": self.edition.plan.id,
            "next": None,
            "plan_refused": bool(self._refused),
            "paused": list(self._dispatch.broken),
            "page": None,
            "problem": problem,
        }
        write_status(self._settings.health, status)
