"""What all offices of a process have in common, and which of them has which plan and which host name."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reminder.backup.guard import LedgerForeign
from reminder.calendars.workdays import WorkCalendar
from reminder.check import Edition
from reminder.clock import Clock
from reminder.daemon.filing import Filing
from reminder.daemon.outfit import BuildChannels, SecretsMark
from reminder.delivery.dispatch import EngineMissing
from reminder.errors import ReminderError
from reminder.ledger.holds import Hold
from reminder.ledger.ledger import Ledger
from reminder.ledger.work_schema import MISSING
from reminder.settings import Settings

if TYPE_CHECKING:
    from reminder.daemon.tenant import Tenant
    from reminder.delivery.engines.turns import TurnNode

Furnish = Callable[[Settings], tuple[BuildChannels, SecretsMark]]
"""How the channels of an office are built, and what tells that a secret of theirs has changed."""


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
