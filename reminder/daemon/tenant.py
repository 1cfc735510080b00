"""One office of many: taken in when its turn comes, kept going by itself, and named where it cannot be.

What is wrong with one office stays with it.  One whose plan is refused goes on
with the last that was accepted; one that never had any is tried again when its
files change.
"""

from __future__ import annotations

import enum
import logging
import os
from contextlib import suppress
from datetime import datetime

from reminder.check import Edition, examine
from reminder.checked import note_checked, was_linked_otherwise
from reminder.daemon.daemon import Daemon
from reminder.daemon.hosting import Kept, one_of_many
from reminder.daemon.shared import Shared
from reminder.daemon.worker import Worker, has_link_key
from reminder.editing.store import PlanStore
from reminder.errors import ReminderError
from reminder.ledger.errors import LedgerError
from reminder.ledger.records import Transport
from reminder.offices import DATA, host_of, settings_of_office
from reminder.status import write_status
from reminder.watch import Watcher

log = logging.getLogger(__package__)

AGAIN_SECONDS = 5.0
"""Before an office in trouble is looked after again."""
START_AGAIN_SECONDS = 60.0
"""Before one that could not be taken in is tried again although its files are the same, if they were good."""


class State(enum.Enum):
    """Where an office stands in the process: new -> running, or new -> broken -> running."""

    NEW = "new"
    RUNNING = "running"
    BROKEN = "broken"


class Unsound(ReminderError):
    """Its files are not good, and will be no better before somebody changes them."""


class Tenant:
    """One office.  Looked after by one thread at a time; its attributes are read by others."""

    def __init__(self, name: str, shared: Shared) -> None:
        self.name = name
        self._shared = shared
        self.settings = shared.settings
        """The office's own, once it was taken in."""
        self.state = State.NEW
        self.kept: Kept | None = None
        """What is kept going, while it runs."""
        self.busy = False
        """A thread has it in hand, or is about to."""
        self.due: datetime | None = None
        """When it has something to do next, as far as it knows."""
        self.trouble = ""
        """What is wrong, in Chinese; empty if all is well."""
        self._problem = ""
        self.tried_at = float("-inf")
        """When it was last tried to take it in, in monotonic seconds."""
        self._woken = False
        self._asked = False
        self._again_at = float("inf")
        self._watcher: Watcher | None = None

    @property
    def daemon(self) -> Daemon | None:
        """The daemon, if that is what is kept going."""
        return self.kept if isinstance(self.kept, Daemon) else None

    @property
    def live(self) -> bool:
        """Whether its messages really go out."""
        return self.kept is not None and self.kept.transport is Transport.LIVE

    @property
    def left_in_flight(self) -> frozenset[str]:
        """Deliveries whose threads have not finished."""
        return self.kept.left_in_flight if self.kept is not None else frozenset()

    def wants(self, now: datetime, monotonic: float, stirred: set[str]) -> bool:
        """Whether it has something to do now.  Costs a few comparisons."""
        kept = self.kept
        assert kept is not None
        return (
            self._woken
            or monotonic >= self._again_at
            or (self.due is not None and self.due <= now)
            or kept.edition.plan.id in stirred
            or kept.restless
        )

    def files_differ(self) -> bool:
        """Whether its files are others than those in force; for whoever has it in hand."""
        return self.kept is not None and self.kept.files_differ()

    def may_start(self, monotonic: float) -> bool:
        """Whether it is worth trying to take it in."""
        if self.busy or self.state is State.RUNNING:
            return False
        return self.state is State.NEW or self._asked or monotonic >= self._again_at

    @property
    def is_being_mended(self) -> bool:
        """While it is broken: whether the last look saw files that were being changed."""
        return self.state is State.BROKEN and self._watcher is not None and self._watcher.moving

    def look_at_files(self, monotonic: float) -> None:
        """While it is broken: whether somebody has changed its files, and is through."""
        if self.state is State.BROKEN and not self.busy and self._watcher is not None:
            self._asked |= self._watcher.at_rest(monotonic)

    def ask_reload(self) -> None:
        """Read the files again, whether they have changed or not."""
        self._asked = True
        if self.kept is not None:
            self.kept.ask_reload()

    def look(self) -> None:
        """Take it in, or look after it.  Raises nothing."""
        self._woken = self._asked = False
        starting = self.state is not State.RUNNING
        try:
            if starting:
                self.tried_at = self._shared.clock.monotonic()
                self._start()
            else:
                self._tick()
        except Unsound as error:
            self._in_trouble(str(error), float("inf"))
        except ReminderError as error:
            self._in_trouble(str(error))
        except Exception as error:
            log.exception("office broke off", extra={"office": self.name})
            self._in_trouble(f"程序内部出错（{type(error).__name__}），稍后再试；请把日志交给维护人员")
        finally:
            self.busy = False
            if starting:
                self._shared.wake()  # the next may be taken in

    def hush(self) -> None:
        """Begin no more sends."""
        self._dispatch.stand_aside()

    def leave(self, seconds: float) -> None:
        """The end: let what is being sent finish, for so long."""
        assert self.kept is not None
        self.kept.leave(seconds)

    # -- in a thread of the tenancy -------------------------------------------------

    def _start(self) -> None:
        shared = self._shared
        assert shared.settings.offices is not None
        self._watcher = Watcher([shared.settings.offices / self.name])
        settings = settings_of_office(shared.settings, self.name)
        if settings.follows_ledger:
            PlanStore(settings.published).bring(shared.ledger, settings.plan_wanted)
            settings = settings.laid_out()
        self.settings = settings
        found = examine(settings.schedules, settings.templates, settings.public_url, known=self._is_known)
        if found.edition is None:
            first, count = found.errors[0], len(found.errors)
            # What was published is mended elsewhere, and moves no file here; what passes moves none either.
            passes = settings.follows_ledger or any(each.passing for each in found.errors)
            refused = ReminderError if passes else Unsound
            raise refused(f"计划有错，尚未运行：{first}" + (f"（共 {count} 处）" if count > 1 else ""))
        edition = shared.with_common(found.edition)
        plan_id = edition.plan.id
        shared.claim(self, plan_id, host_of(settings))
        try:
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            hosting = one_of_many(shared, plan_id, self._on_wake, self._say)
            self._dispatch = hosting.dispatch
            channels, mark = shared.furnish(settings)
            if shared.works_only:
                has_link_key(settings)
            keep = Worker if shared.works_only else Daemon
            kept = keep(settings, edition, shared.ledger, shared.clock, channels, None, mark, hosting=hosting)
        except OSError as error:
            shared.give_up(self)
            raise ReminderError(f"数据目录 {settings.data} 建不了（{error.strerror}）；请检查权限") from None
        except BaseException:
            shared.give_up(self)
            raise
        self.kept, self.state = kept, State.RUNNING
        note_checked(settings.checked, edition.digest, edition.public_url)
        log.info("office runs", extra={"office": self.name, "plan": plan_id})
        self._tick()

    def _is_known(self, edition: Edition) -> bool:
        """Whether it was accepted last: then some node looked through it, and this one need not, a thousand times.

        Unless it has links now that it had not then.
        """
        if was_linked_otherwise(self.settings.checked, edition.public_url):
            return False
        return self._shared.ledger.common(edition.plan.id).digest == edition.digest

    def _tick(self) -> None:
        kept = self.kept
        assert kept is not None
        kept.tick()
        self.trouble = self._problem
        if kept.refused:
            self.trouble = self.trouble or f"新的计划有错，仍按原计划运行：{kept.refused.splitlines()[0]}"
        self._again_at = self._shared.clock.monotonic() + AGAIN_SECONDS if self._problem else float("inf")
        try:
            self.due = kept.next_instant(self._shared.clock.now())
        except LedgerError:
            self.due = None

    def _in_trouble(self, problem: str, seconds: float | None = None) -> None:
        """What is wrong, and after how long it is tried again although no file has changed."""
        if problem != self.trouble:
            log.error("office in trouble", extra={"office": self.name, "problem": problem})
        self.trouble = problem
        if seconds is None:
            seconds = AGAIN_SECONDS if self.state is State.RUNNING else START_AGAIN_SECONDS
        self._again_at = self._shared.clock.monotonic() + seconds
        if self.state is not State.RUNNING:
            self.state = State.BROKEN
        self._write_health(problem)

    def _write_health(self, problem: str) -> None:
        """In place of the daemon, which did not come to it: commands and pages read it there."""
        shared = self._shared
        file = shared.settings.data / DATA / self.name / shared.settings.health.name
        with suppress(OSError):  # what else is wrong with the folder the process says
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = {
                "at": shared.clock.now().isoformat(),
                "pid": os.getpid(),
                "transport": str(Transport.LIVE if self.live else Transport.OUTBOX),
                "plan": None,
                "next": None,
                "plan_refused": False,
                "paused": [],
                "page": None,
                "problem": problem,
                "host": str(shared.settings.health.absolute()),
            }
            write_status(file, status)

    def _say(self, problem: str) -> None:
        self._problem = problem

    def _on_wake(self) -> None:
        self._woken = True
        self._shared.wake()
