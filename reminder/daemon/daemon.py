"""The daemon: an alarm clock, one sweeper, reload.

APScheduler is the alarm clock: one job per item, at the item's next alarm, and
all a job does is to set an event.  One thread sweeps whenever the event is set,
and at least once a second by the monotonic clock: no jump of the wall clock
goes unnoticed.  What is due is always plan less ledger.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reminder.agenda.difference import Difference
from reminder.agenda.instants import zone_of
from reminder.backup.guard import LedgerHeld, hold_text, open_ledger
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.clock import Clock
from reminder.daemon import life
from reminder.daemon.agreement import Apart, ClockDiffers, NotAgreed, PlanDiffers, common_time, same_plan
from reminder.daemon.hosting import Hosting, alone
from reminder.daemon.life import Life
from reminder.daemon.outfit import BuildChannels, Outfit, SecretsMark
from reminder.daemon.page import Page
from reminder.daemon.plan_source import PlanSource
from reminder.daemon.refusal import FILES, LACKING, OUTDATED, UNREADABLE, Words, notice_of_refusal, text_of
from reminder.editing.continuity import changes
from reminder.editing.history import keep_adopted
from reminder.editing.shelf import Shelf
from reminder.errors import Position, Problem, ReminderError
from reminder.ledger.agreement import Common
from reminder.ledger.errors import LedgerError, LedgerGone, PlanOutdated, PlanReplaced
from reminder.ledger.holds import Hold
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Note, Transport
from reminder.progress import Heartbeat
from reminder.recording.transfers import brought_by
from reminder.settings import Settings
from reminder.sweep.accept import PlanOfAnother, accept
from reminder.sweep.alerts import HoldAlert, StorageAlert
from reminder.sweep.notices import handover_notice, moved_notice
from reminder.sweep.seeds import SeedFile
from reminder.sweep.sweeper import Sweeper
from reminder.sweep.trouble import tell_troubles
from reminder.watch import ClockWatch

log = logging.getLogger(__package__)

HANDOVERS_AHEAD = timedelta(days=366)


class Daemon:
    """Runs one plan on one ledger until it is told to stop."""

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
        self.life = Life("sweeper", clock, self.ask_reload)
        self._reload_asked = threading.Event()
        self._clock_watch = ClockWatch()
        self._source = PlanSource(settings, edition.plan.id)
        self._hosting = hosting or alone(settings, edition.plan.id, clock, self.life.wake)
        self._alarm_clock, self._dispatch = self._hosting.alarm_clock, self._hosting.dispatch
        now = clock.now()
        self._edition = edition
        self._transport = ledger.transport(edition.plan.id)
        self._guard = self._hosting.guard
        self.held: Hold | None = None
        """Why nothing is swept and nothing sent, if that is so."""
        held = self._guard.check(ledger, now, live=self._transport is Transport.LIVE)
        self._hold(held)
        channels = self._first_channels()
        self._outfit.use(edition, self._transport, channels)
        self._half_in_force = False
        """The ledger failed while an edition came into force: nothing is swept until that is made up for."""
        self._shelf = Shelf(settings.schedules, settings.templates)
        self._apart = Apart()
        if held is None:
            self._accept_at_start(now)
        self._seeds = SeedFile(settings.draws)
        self._sweeper = Sweeper(ledger, edition, channels, self._transport, now, self._seeds)
        self._rest = life.TICK_SECONDS
        self._dispatch.use(ledger, edition.plan, self._transport, channels)
        self._refused = ""
        self._alert, self._hold_alert = StorageAlert(), HoldAlert()
        self._taken_up = False
        self._heartbeat = heartbeat

    def _first_channels(self) -> Mapping[str, Channel]:
        """Those of the ledger's transport; on hold, those that really went out before.

        An old ledger may know nothing of going live, and the admins are to be
        told all the same.
        """
        if self.held is not None and self._guard.was_live():
            try:
                channels = self._outfit.build(self._edition, Transport.LIVE)
            except ReminderError as error:
                log.error("admins cannot be told of the hold", extra={"error": str(error)})
            else:
                self._transport = Transport.LIVE
                return channels
        return self._outfit.build(self._edition, self._transport)

    @property
    def sweeper(self) -> Sweeper:
        return self._sweeper

    @property
    def transport(self) -> Transport:
        return self._transport

    @property
    def edition(self) -> Edition:
        """The edition in force."""
        return self._edition

    @property
    def ledger(self) -> Ledger:
        """The ledger as it is open now: another one after the file was put back."""
        return self._ledger

    # -- life ---------------------------------------------------------------

    def run(self, ready: Callable[[], None] | None = None, page: Page | None = None) -> int:
        """Run until SIGTERM or SIGINT; the exit code.  Must be called in the main thread.

        ``ready`` is called once signals are heard and the sweep has begun; a
        ``page`` is served by then, or says why it is not.
        """
        return self.life.run(self._look, self._begin, self._end, ready, page)

    def _look(self) -> float:
        self.tick()
        return self._rest

    def _begin(self) -> None:
        self._alarm_clock.start(self._edition, self._sweeper.facts)

    def _end(self) -> None:
        self._alarm_clock.stop()
        self.leave(life.DRAIN_SECONDS)
        self._ledger.close()

    def leave(self, seconds: float) -> None:
        """The end: let what is being sent finish, for so long, and say so in the ledger."""
        self._dispatch.drain(seconds)
        if self.held is None:
            self._note("daemon-stopped", {})
            self._guard.leave(self._ledger, self._clock.now(), live=self._transport is Transport.LIVE)

    @property
    def left_in_flight(self) -> frozenset[str]:
        """Deliveries whose threads have not finished."""
        return self._dispatch.left_in_flight

    def ask_reload(self) -> None:
        """Read the files at the next tick, whether they have changed or not."""
        self._reload_asked.set()

    @property
    def refused(self) -> str:
        """Why the files as they are now are not in force, in Chinese; empty while they are."""
        return self._refused

    @property
    def restless(self) -> bool:
        """Whether the next tick has something to do that no instant tells: files that are being changed."""
        return self._reload_asked.is_set() or self._half_in_force or self._source.moving

    def files_differ(self) -> bool:
        """Whether the next tick would find other files; cheap, and for a look between ticks."""
        return self._source.differs(self._ledger)

    def next_instant(self, now: datetime) -> datetime:
        """When there is something to do next, as far as is known now.  Raises ``LedgerError``."""
        rest = self._dispatch.rest(now, HANDOVERS_AHEAD.total_seconds())
        return min(self._sweeper.next_instant(now), now + timedelta(seconds=rest))

    def tick(self) -> None:
        """One look at everything: files, transport, what is due, what is to be sent."""
        now = self._clock.now()
        problem = ""
        self._rest = life.TICK_SECONDS
        jump = self._clock_watch.jump(now, self._clock.monotonic())
        if jump is not None:
            log.warning("clock was set", extra={"seconds": round(jump.total_seconds(), 1)})
        try:
            self._look_at_ledger(now)
            common = common_time(self._ledger, self._edition.plan.id, self._clock)
            if jump is not None:
                self._note("clock-set", {"seconds": round(jump.total_seconds(), 1)})
            if self._source.changed(self._ledger, self._clock.monotonic()) or self._reload_asked.is_set():
                self._reload_asked.clear()
                self.reload(now)
                common = common_time(self._ledger, self._edition.plan.id, self._clock)
            self._follow_transport(now)
            if self._half_in_force:
                self._put_into_force(now)
            lacking = self._follow_secrets(now)
            self._agree(common, now)
            problem = self._send_what_is_due(now) or lacking or self._source.problem
            self._storage_is_well(now)
        except LedgerHeld as error:
            problem = str(error)
            text = hold_text(error.hold, zone_of(self._edition.plan.head.timezone))
            self._hold_alert.held(error.hold, text, self._ledger, self._edition, self._outfit.channels, now)
        except NotAgreed as error:
            problem = self._stand_apart(error, now)
        except LedgerError as error:
            # Nothing that cannot be recorded is sent; the next tick tries again.
            problem = str(error)
            log.error("ledger in trouble", extra={"error": problem})
            self._alert.trouble(problem, self._edition, self._outfit.channels, now)
            if isinstance(error, LedgerGone):
                try:
                    self._reopen_ledger(now)
                except ReminderError as again:  # put back, and in trouble still: the next tick tries again
                    log.error("ledger in trouble", extra={"error": str(again)})
        except ReminderError as error:
            problem = str(error)
            log.error("sweep failed", extra={"error": problem})
        self._write_health(now, problem)
        if not problem and self._heartbeat is not None:
            self._heartbeat.progress(self._clock.monotonic())

    def _send_what_is_due(self, now: datetime) -> str:
        """Sweep, send, tell; a lasting problem in Chinese, or nothing."""
        if not self._taken_up:
            self._take_up(now)
        known = self._sweeper.facts
        try:
            swept = self._sweeper.sweep(now)
        except PlanReplaced as error:
            return str(error)  # the next tick says by what
        if (known.events, known.draws) != (self._sweeper.facts.events, self._sweeper.facts.draws):
            self._alarm_clock.set(
                self._edition, self._sweeper.facts
            )  # what was registered has alarms of its own
        if swept.actions:
            log.info("swept", extra={"actions": dict(swept.actions), "deliveries": swept.deliveries})
        self._dispatch.kick(now)
        tell_troubles(self._ledger, self._sweeper, now)
        self._hosting.filing.tend(self._ledger, self._edition.plan.id, now)
        self._rest = self._dispatch.rest(now, life.TICK_SECONDS)
        if self._sweeper.exhausted:
            return "计划中已没有任何后续提醒，请拟定新的计划（reminder plan new-year）"
        return ""

    def _take_up(self, now: datetime) -> None:
        """Once, before the first sends: what a killed daemon left in flight."""
        self._taken_up = True
        if taken_up := self._dispatch.take_up(now):
            log.warning("taken up after an unclean stop", extra={"deliveries": taken_up})

    # -- other nodes --------------------------------------------------------

    def _accept_at_start(self, now: datetime) -> None:
        """The edition comes into force; one that is old or strange does not, which :meth:`_agree` tells."""
        try:
            self._accept(self._edition, "start", now)
        except PlanReplaced:
            self._reload_asked.set()  # another version came while this one was read
        except (PlanOutdated, PlanOfAnother) as error:
            log.error("plan not put into force", extra={"problem": str(error)})
        else:
            keep_adopted(self._ledger, self._edition, self._shelf, now)

    def _accept(
        self, edition: Edition, author: str, now: datetime, moves: Mapping[str, int] | None = None
    ) -> None:
        source = self._source
        accept(self._ledger, edition, source.author(author), now, moves, published=source.version_of(edition))

    def _agree(self, common: Common | None, now: datetime) -> None:
        """Raises ``PlanDiffers``, and goes on sending what is frozen, while another plan is in force."""
        try:
            same_plan(self._ledger, common, self._edition, published=self._source.published)
        except PlanDiffers:
            self._dispatch.kick(now, own_only=True)
            self._rest = self._dispatch.rest(now, life.TICK_SECONDS)
            raise
        if self._apart.ended():
            log.warning("agrees with the other nodes again")
            self._put_into_force(now)

    def _stand_apart(self, error: NotAgreed, now: datetime) -> str:
        """Say why this node decides nothing, and tell the admins once; what is wrong, in Chinese."""
        if not isinstance(error, PlanDiffers):
            self._dispatch.stand_aside()
        if self._apart.found(error, now):
            log.error("apart from the other nodes", extra={"problem": str(error)})
        notice = self._apart.to_tell(self._edition, now)
        if notice is not None:
            try:
                # By the database's time: others are to send it, and send it now.
                common = self._ledger.common(self._edition.plan.id)
                self._sweeper.tell(notice, common.at if isinstance(error, ClockDiffers) else now)
            except LedgerError as trouble:
                log.error("not told", extra={"error": str(trouble)})
        return str(error)

    # -- storage ------------------------------------------------------------

    def _storage_is_well(self, now: datetime) -> None:
        since = self._alert.well()
        if since is not None:
            log.warning("ledger well again")
            self._note("storage-alert", {"since": since.isoformat(), "until": now.isoformat()})

    def _look_at_ledger(self, now: datetime) -> None:
        """Raises ``LedgerHeld`` while a person has yet to say what was sent, and all of the ledger's troubles."""
        live = self._transport is Transport.LIVE
        hold = self._hosting.hold(self._ledger, now, self._clock.monotonic(), live=live)
        if hold is not None:
            self._hold(hold)
            raise LedgerHeld(hold, zone_of(self._edition.plan.head.timezone))
        if self.held is not None:
            self._go_on(now)

    def _hold(self, hold: Hold | None) -> None:
        if hold is not None and hold != self.held:
            text = hold_text(hold, zone_of(self._edition.plan.head.timezone))
            log.error("ledger held", extra={"problem": text})
        self.held = hold

    def _go_on(self, now: datetime) -> None:
        """A person has confirmed: everything is taken from the ledger anew."""
        self.held = None
        self._hold_alert.ended()
        self._transport = self._ledger.transport(self._edition.plan.id)
        self._accept_at_start(now)
        self._put_into_force(now)
        self._taken_up = False
        log.warning("ledger released")

    def _reopen_ledger(self, now: datetime) -> None:
        """A file put back in place of a lost one has to be opened anew.

        A missing file is never made anew here: an empty ledger would forget
        what was sent.
        """
        try:
            self._ledger.abandon_log()
            ledger = open_ledger(self._settings.ledger, self._settings.high_water, now, create=False)
        except ReminderError as error:
            log.debug("ledger still in trouble", extra={"error": str(error)})
            return
        lost, self._ledger = self._ledger, ledger
        lost.close()
        try:
            self._hold(self._guard.check(ledger, now, live=self._transport is Transport.LIVE))
        except LedgerError as error:
            log.error("ledger in trouble", extra={"error": str(error)})
            return
        log.warning("ledger opened anew", extra={"held": self.held is not None})
        if self.held is None:
            self._transport = ledger.transport(self._edition.plan.id)
        self._sweeper = Sweeper(
            ledger, self._edition, self._outfit.channels, self._transport, now, self._seeds
        )
        self._put_into_force(now)
        self._taken_up = False

    # -- reload -------------------------------------------------------------

    def reload(self, now: datetime) -> None:
        """Take a changed plan into force, or keep the old one and say why.

        Raises ``LedgerError``, and tries again at the next tick, when that cannot be recorded.
        """
        try:
            self._reload(now)
        except LedgerError:
            self._reload_asked.set()
            raise

    def _reload(self, now: datetime) -> None:
        found = self._source.read(self._ledger, self._edition)
        if found is None:
            return  # it says so, and tells when they are through
        edition = found.edition
        if edition is None:
            self._refuse(found.problems, now, UNREADABLE if self._source.published else FILES)
            return
        try:
            channels = self._outfit.build(edition, self._transport)
        except ReminderError as error:
            # Nothing of the new plan is taken; it is tried again once the secret is there.
            self._outfit.lacks(edition, self._transport)
            problem = Problem(Position("channels.yaml"), "", str(error))
            self._refuse([problem], now, LACKING)
            return
        moves = changes(self._edition, edition, self._sweeper.facts, now)
        handed = brought_by(self._edition, edition, self._sweeper.facts, now, HANDOVERS_AHEAD)
        # What has to be recorded comes first: if it cannot be, the old plan is in force as it was.
        try:
            self._accept(edition, "files", now, _summary(moves))
        except PlanReplaced:
            self._reload_asked.set()  # another version came while this one was read: that one next
            return
        except (PlanOutdated, PlanOfAnother) as error:
            problem = Problem(Position("计划文件夹"), "", str(error))
            self._refuse([problem], now, OUTDATED)
            return
        keep_adopted(self._ledger, edition, self._shelf, now)
        if moves.moved:
            self._sweeper.tell(moved_notice(moves), now)
        if handed:
            self._sweeper.tell(handover_notice(handed), now)
        self._edition = edition
        self._put_into_force(now, channels)
        self._refused = ""
        self._outfit.lacks_nothing()
        log.info("plan reloaded", extra=_summary(moves))

    def _refuse(self, problems: Iterable[Problem], now: datetime, words: Words) -> None:
        text = text_of(problems)
        log.error("plan refused, the old one stays in force", extra={"problems": text})
        if text == self._refused:
            return
        self._sweeper.tell(notice_of_refusal(text, words), now)
        self._refused = text
        self._note("plan-refused", {"problems": text})

    def _put_into_force(self, now: datetime, channels: Mapping[str, Channel] | None = None) -> None:
        """Channels, agenda and jobs of the edition.

        What is in flight goes on over the channels it began with: a server that
        hangs must not hold up the others' reminders.
        """
        # What may fail comes first: an engine that is closed sends nothing any more.
        self._half_in_force = True
        channels = self._outfit.again(self._edition, self._transport) if channels is None else channels
        self._sweeper.load(self._edition, channels, self._transport, now)
        self._outfit.use(self._edition, self._transport, channels)
        self._dispatch.use(self._ledger, self._edition.plan, self._transport, channels)
        self._half_in_force = False
        self._alarm_clock.set(self._edition, self._sweeper.facts)

    def _follow_transport(self, now: datetime) -> None:
        """Going live is a recorded act of another process: the ledger says it.

        Raises ``ReminderError``, and changes nothing, while a secret is missing for it.
        """
        transport = self._ledger.transport(self._edition.plan.id)
        if transport is not self._transport:
            channels = self._outfit.build(self._edition, transport)
            log.warning("transport changed", extra={"transport": str(transport)})
            self._transport = transport
            self._put_into_force(now, channels)

    def _follow_secrets(self, now: datetime) -> str:
        """Take changed secrets into use; what is wrong while one is missing, in Chinese.

        Meanwhile the channels go on with those they have.
        """
        if self._outfit.no_longer_lacking(self._transport):
            self._reload_asked.set()
        if not self._outfit.changed(self._edition, self._transport):
            return ""
        try:
            channels = self._outfit.build(self._edition, self._transport)
        except ReminderError as error:
            return f"{error}；在此之前仍使用原来的密钥发送"
        self._put_into_force(now, channels)
        log.warning("secrets changed")
        return ""

    # -- health -------------------------------------------------------------

    def _note(self, kind: str, detail: Mapping[str, Any]) -> None:
        try:
            note = Note(kind, self._clock.now(), "daemon", dict(detail))
            self._ledger.note(self._edition.plan.id, note)
        except ReminderError as error:
            log.error("note not recorded", extra={"kind": kind, "error": str(error)})

    def _write_health(self, now: datetime, problem: str) -> None:
        upcoming = self._sweeper.next_alarm_at
        status = {
            "at": now.isoformat(),
            "pid": os.getpid(),
            "transport": str(self._transport),
            "plan": self._edition.plan.id,
            "next": upcoming.isoformat() if upcoming is not None else None,
            "plan_refused": bool(self._refused),
            "paused": list(self._dispatch.broken),
            "held": str(self.held.reason) if self.held is not None else None,
            "page": self.life.page,
            "problem": problem,
        }
        self._hosting.report(self._settings.health, status)


def _summary(changes: Difference) -> dict[str, int]:
    return {"added": len(changes.added), "removed": len(changes.removed), "moved": len(changes.moved)}
