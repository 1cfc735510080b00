"""Whether this node may decide and send beside the others: one plan in force, and one time.

The database is asked at every tick.  A node whose plan is not the one in force
decides nothing; what is frozen it goes on sending.  One whose clock is wrong
does neither, since it would send too early, or give up too early.
"""

from __future__ import annotations

import hashlib
import socket
from datetime import datetime, timedelta

from reminder.agenda.instants import zone_of
from reminder.check import Edition
from reminder.clock import Clock
from reminder.errors import ReminderError
from reminder.ledger.agreement import Common
from reminder.ledger.ledger import Ledger
from reminder.sweep.accept import PlanOfAnother, not_of_another
from reminder.sweep.notices import Notice

CLOCK_BOUND = timedelta(seconds=10)
"""How far a node's clock may be from the database's.

A clock that is kept by NTP is within a second, and one that drifts reaches this
only after days; no reminder minds ten seconds.
"""
TELL_AFTER = timedelta(seconds=30)
"""A folder that is being brought up to date, or a clock that is being set, is not worth a notice."""


class NotAgreed(ReminderError):
    """This node must not do as it would."""


class PlanDiffers(NotAgreed):
    """This node's plan is not the one in force."""


class PlanIsForeign(NotAgreed):
    """The plan in force seems another office's: what is frozen is not this node's to send."""


class ClockDiffers(NotAgreed):
    """This node's clock is not the database's."""


def common_time(ledger: Ledger, plan_id: str, clock: Clock) -> Common | None:
    """What all nodes share; None where there is but one.  Raises :class:`ClockDiffers`.

    However long the answer takes, a clock that is right is never blamed.
    """
    if not ledger.shared:
        return None
    before = clock.now()
    found = ledger.common(plan_id)
    after = clock.now()
    if before - CLOCK_BOUND <= found.at <= after + CLOCK_BOUND:
        return found
    ahead = before - found.at if found.at < before else after - found.at
    seconds = round(abs(ahead).total_seconds())
    raise ClockDiffers(
        f"本机时钟比数据库的{'快' if ahead > timedelta(0) else '慢'} {seconds} 秒"
        f"（最多可差 {CLOCK_BOUND.seconds} 秒），本节点已停止排定和发送，由其他节点继续；"
        "请校准时钟（启用 NTP），校准后自动恢复"
    )


def same_plan(ledger: Ledger, common: Common | None, edition: Edition, *, published: bool = False) -> None:
    """Raises :class:`PlanDiffers` or :class:`PlanIsForeign`.  ``published``: this node takes it from the ledger."""
    if common is None or common.digest == edition.digest:
        return
    try:
        not_of_another(ledger, edition)
    except PlanOfAnother as error:
        raise PlanIsForeign(str(error)) from None
    since = common.since.astimezone(zone_of(edition.plan.head.timezone)) if common.since else None
    raise PlanDiffers(
        f"本节点的计划（校验码 {edition.digest[:12]}）不是现行计划（校验码 {(common.digest or '无')[:12]}"
        + (f"，{since:%Y-%m-%d %H:%M} 起" if since else "")
        + "），本节点已停止排定提醒，由其他节点继续；"
        + (
            "请查看本节点日志中新版计划未被采用的原因（多为程序版本较旧），解决后自动恢复"
            if published
            else "请把计划文件夹更新为现行的一份，更新后自动恢复"
        )
    )


class Apart:
    """Since when this node has been apart from the others, and whether the admins were told."""

    def __init__(self) -> None:
        self.error: NotAgreed | None = None
        self._since: datetime | None = None
        self._told = False

    def found(self, error: NotAgreed, now: datetime) -> bool:
        """It is apart; whether that is new.  ``now`` by the node's own clock."""
        new = type(error) is not type(self.error)
        if new:
            self._since, self._told = now, False
        self.error = error
        return new

    def to_tell(self, edition: Edition, now: datetime) -> Notice | None:
        """What the admins are to be told now, once; nothing over the ledger of another office."""
        if self.error is None or self._told or self._since is None or isinstance(self.error, PlanIsForeign):
            return None
        if timedelta(0) <= now - self._since < TELL_AFTER:
            return None
        self._told = True
        node = socket.gethostname()
        day = self._since.astimezone(zone_of(edition.plan.head.timezone)).date()
        what = "时钟不准" if isinstance(self.error, ClockDiffers) else "计划与现行计划不一致"
        about = edition.digest if isinstance(self.error, PlanDiffers) else str(day)
        key = hashlib.sha256(f"{node}|{what}|{about}".encode()).hexdigest()[:16]
        return Notice(f"notice/apart#{key}", f"节点 {node} 的{what}", (str(self.error),))

    def ended(self) -> bool:
        """It agrees; whether it had not."""
        was, self.error = self.error is not None, None
        return was
