"""A node that only works: it carries out deliveries that the daemons of other nodes have decided.

No alarm clock, no sweep, no page.  Everything else is as in the daemon: what
cannot be recorded is not sent, a ledger on hold is left alone, and a changed
plan, transport or secret is taken into use while it runs.  One of many offices
in a process it may be, as a daemon may (:mod:`reminder.daemon.tenancy`).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from reminder.agenda.instants import zone_of
from reminder.backup.guard import LedgerHeld
from reminder.check import Edition
from reminder.clock import Clock
from reminder.daemon import life
from reminder.daemon.agreement import Apart, NotAgreed, PlanDiffers, common_time, same_plan
from reminder.daemon.hosting import Hosting, alone
from reminder.daemon.life import Life
from reminder.daemon.outfit import BuildChannels, Outfit, SecretsMark
from reminder.daemon.plan_source import PlanSource
from reminder.daemon.refusal import text_of
from reminder.errors import ReminderError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.progress import Heartbeat
from reminder.settings import Settings
from reminder.status import WORKER

log = logging.getLogger(__package__)

DAY_SECONDS = 86_400.0


def has_link_key(settings: Settings) -> None:
    """Raises ``ReminderError`` where messages carry links, and what makes them is not here."""
    if settings.public_url and not settings.link_key.exists():
        raise ReminderError(
            f"没有链接密钥 {settings.link_key}，发出的链接将打不开："
            "请从运行 reminder run 的节点复制整个 keys 文件夹到数据目录"
        )


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
        hosting: Hosting | None = None,
    ) -> None:
        """With a ``hosting`` it is one of several in a process, which calls :meth:`tick` and :meth:`leave`."""
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._outfit = Outfit(build_channels, secrets_mark)
        self._heartbeat = heartbeat
        self._reload_asked = threading.Event()
        self.life = Life("worker", clock, self.ask_reload)
        self._source = PlanSource(settings, edition.plan.id)
        self._hosting = hosting or alone(settings, edition.plan.id, clock, self.life.wake)
        self._dispatch = self._hosting.dispatch
        self._rest = life.TICK_SECONDS
        self.refused = ""
        """Why the files as they are now are not in use, in Chinese; empty while they are."""
        self._held = False
        self._apart = Apart()
        self._use(edition, ledger.transport(edition.plan.id))

    def _use(self, edition: Edition, transport: Transport) -> None:
        """Send as this edition says from now on.  Raises ``ReminderError``, and changes nothing, without a secret."""
        channels = self._outfit.build(edition, transport)
        self._dispatch.use(self._ledger, edition.plan, transport, channels)
        self.edition, self.transport = edition, transport
        self._outfit.use(edition, transport, channels)

    def run(self, ready: Callable[[], None] | None = None) -> int:
        """Run until SIGTERM or SIGINT; the exit code.  Must be called in the main thread."""
        return self.life.run(self._look, lambda: None, self._end, ready)

    def _look(self) -> float:
        self.tick()
        return self._rest

    def _end(self) -> None:
        self.leave(life.DRAIN_SECONDS)
        self._ledger.close()

    def leave(self, seconds: float) -> None:
        """The end: let what is being sent finish, for so long."""
        self._dispatch.drain(seconds)
        if not self._held:
            self._hosting.guard.leave(self._ledger, self._clock.now(), live=self.transport is Transport.LIVE)

    def ask_reload(self) -> None:
        """Read the files at the next tick, whether they have changed or not."""
        self._reload_asked.set()

    @property
    def restless(self) -> bool:
        """Whether the next tick has something to do that no instant tells: files that are being changed."""
        return self._reload_asked.is_set() or self._source.moving

    def files_differ(self) -> bool:
        """Whether the next tick would find other files; cheap, and for a look between ticks."""
        return self._source.differs(self._ledger)

    def next_instant(self, now: datetime) -> datetime:
        """When something is to be sent next; in a day, if nothing is known of.  Raises ``LedgerError``."""
        return now + timedelta(seconds=self._dispatch.rest(now, DAY_SECONDS))

    @property
    def left_in_flight(self) -> frozenset[str]:
        """Deliveries whose threads have not finished."""
        return self._dispatch.left_in_flight

    def tick(self) -> None:
        """One look at ledger, files and secrets, and at what needs a job."""
        now = self._clock.now()
        self._rest = life.TICK_SECONDS
        problem = ""
        try:
            self._look_at_ledger(now)
            if self._source.changed(self._ledger, self._clock.monotonic()) or self._reload_asked.is_set():
                self._reload_asked.clear()
                self._reload()
            self._agree(now)
            problem = self._follow() or self._source.problem
            self._dispatch.kick(now, own_only=self._apart.error is not None)
            self._rest = self._dispatch.rest(now, life.TICK_SECONDS)
        except NotAgreed as error:
            problem = str(error)
            self._dispatch.stand_aside()
            self._said(error, now)
        except ReminderError as error:
            # Nothing that cannot be recorded is sent; the next tick tries again.
            problem = str(error)
            log.error("not working", extra={"error": problem})
        self._write_health(now, problem)
        if not problem and self._heartbeat is not None:
            self._heartbeat.progress(self._clock.monotonic())

    def _look_at_ledger(self, now: datetime) -> None:
        """Raises ``LedgerHeld`` while a person has yet to say what was sent, and all of the ledger's troubles."""
        live = self.transport is Transport.LIVE
        hold = self._hosting.hold(self._ledger, now, self._clock.monotonic(), live=live)
        self._held = hold is not None
        if hold is not None:
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
        found = self._source.read(self._ledger, self.edition)
        if found is None:
            return  # it says so, and tells when they are through
        self.refused = text_of(found.problems)
        if found.edition is not None:
            try:
                self._use(found.edition, self.transport)
            except ReminderError as error:
                self.refused = str(error)
                self._outfit.lacks(found.edition, self.transport)
        if self.refused:
            log.error("plan refused, the old one stays in use", extra={"problems": self.refused})
            return
        self._outfit.lacks_nothing()
        log.info("plan reloaded")

    def _follow(self) -> str:
        """Take the ledger's transport and changed secrets into use; what is wrong while one is missing."""
        if self._outfit.no_longer_lacking(self.transport):
            self._reload_asked.set()
        transport = self._ledger.transport(self.edition.plan.id)
        if transport is not self.transport:
            log.warning("transport changed", extra={"transport": str(transport)})
            self._use(self.edition, transport)
        elif self._outfit.changed(self.edition, transport):
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
            "plan_refused": bool(self.refused),
            "paused": list(self._dispatch.broken),
            "page": None,
            "problem": problem,
        }
        self._hosting.report(self._settings.health, status)
