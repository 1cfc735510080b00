"""One office of many: taken in when its turn comes, kept going by itself, and named where it cannot be.

What is wrong with one office stays with it.  One whose plan is refused goes on
with the last that was accepted; one that never had any is tried again when its
files change.
"""

from __future__ import annotations

import enum
import logging
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from reminder.agenda.facts import Facts
from reminder.backup.guard import LedgerForeign
from reminder.calendars.workdays import WorkCalendar
from reminder.check import Edition, examine
from reminder.checked import note_checked, was_linked_otherwise
from reminder.clock import Clock
from reminder.daemon.daemon import Daemon
from reminder.daemon.filing import Filing
from reminder.daemon.hosting import Hosting, Kept
from reminder.daemon.outfit import BuildChannels, SecretsMark
from reminder.daemon.worker import Worker, has_link_key
from reminder.delivery.dispatch import Dispatch, EngineMissing
from reminder.editing.store import PlanStore
from reminder.errors import ReminderError
from reminder.ledger.errors import LedgerError
from reminder.ledger.holds import Hold
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.ledger.work_schema import MISSING
from reminder.offices import DATA, host_of, settings_of_office
from reminder.settings import Settings
from reminder.status import write_status
from reminder.watch import Watcher

if TYPE_CHECKING:
    from reminder.delivery.engines.turns import TurnNode

log = logging.getLogger(__package__)

Furnish = Callable[[Settings], tuple[BuildChannels, SecretsMark]]
"""How the channels of an office are built, and what tells that a secret of theirs has changed."""

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


class Taken(ReminderError):
    """Another office has the plan id, or the host name."""


@dataclass
class Shared:
    """What all offices of a process have in common.  Used by several threads."""

    settings: Settings
    ledger: Ledger
    clock: Clock
    furnish: Furnish
    wake: Callable[[], None]
    works_only: bool = False
    """Whether other processes decide, and this one sends."""
    held: Hold | None = None
    foreign: LedgerForeign | None = None
    """That the ledger is another cluster's, while it is."""
    filing: Filing = field(default_factory=Filing)
    _node: TurnNode | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _plans: dict[str, str] = field(default_factory=dict)
    _hosts: dict[str, Tenant] = field(default_factory=dict)
    _calendars: weakref.WeakValueDictionary[str, WorkCalendar] = field(
        default_factory=weakref.WeakValueDictionary
    )

    def node(self) -> TurnNode:
        """This process among several.  Raises ``EngineMissing`` where what that needs is not installed."""
        with self._lock:
            if self._node is None:
                try:
                    from reminder.delivery.engines.turns import TurnNode
                except ImportError as error:
                    raise EngineMissing(MISSING) from error
                assert self.ledger.queue is not None
                self._node = TurnNode(self.ledger.queue)
            return self._node

    def close(self, *, leave: bool) -> None:
        """The node is heard no more."""
        if self._node is not None:
            self._node.close(leave=leave)

    def plan_ids(self) -> list[str]:
        """The plans of the offices that run."""
        with self._lock:
            return list(self._plans)

    def by_host(self, host: str) -> Tenant | None:
        """The running office whose public URL names this host."""
        with self._lock:
            return self._hosts.get(host.lower())

    def claim(self, tenant: Tenant, plan_id: str, host: str) -> None:
        """It has this plan and this host from now on.  Raises :class:`Taken`."""
        with self._lock:
            owner = self._plans.get(plan_id, tenant.name)
            if owner != tenant.name:
                raise Taken(
                    f"计划编号 {plan_id} 已由单位“{owner}”使用：台账按编号分开，每个单位须各有编号（plan.yaml 的 id）"
                )
            if host and self._hosts.get(host, tenant) is not tenant:
                raise Taken(
                    f"网址中的主机名 {host} 已由单位“{self._hosts[host].name}”使用："
                    "网页按主机名分开，每个单位须各有主机名（office.env 的 REMINDER_PUBLIC_URL）"
                )
            self._plans[plan_id] = tenant.name
            if host:
                self._hosts[host] = tenant

    def give_up(self, tenant: Tenant) -> None:
        """It was not taken in after all."""
        with self._lock:
            for plan_id in [each for each, name in self._plans.items() if name == tenant.name]:
                del self._plans[plan_id]
            for host in [each for each, other in self._hosts.items() if other is tenant]:
                del self._hosts[host]

    def with_common(self, edition: Edition) -> Edition:
        """The edition over a calendar that others have as well, if it is the same."""
        with self._lock:
            calendar = self._calendars.setdefault(edition.calendar.fingerprint, edition.calendar)
        return replace(edition, calendar=calendar)


class _NoAlarms:
    """The process has one alarm clock for all offices, set by :attr:`Tenant.due`."""

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
            self._dispatch = Dispatch(shared.clock, self._on_wake, shared.node())
            hosting = Hosting(
                _NoAlarms(),
                _Watchman(shared, plan_id),
                self._dispatch,
                shared.filing,
                self._say,
                shared.settings.health,
            )
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
