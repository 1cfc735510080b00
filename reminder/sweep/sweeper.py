"""One pass: due − ledger → decide → render → claim.

The sweeper holds the agenda of the edition in force, in order, less what the
ledger has settled.  A tick with nothing due costs a comparison.  It remembers
nothing that plan and ledger do not say: :meth:`Sweeper.load` builds it all anew.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import takewhile

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.facts import Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.policy import decide_all
from reminder.agenda.reach import Reached
from reminder.agenda.reasons import Action, Decision, Reason, reason_text
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.errors import AlreadySettled, FactsChanged, PlanReplaced
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Settlement, Transport
from reminder.plan.model import DEFAULT_ALARM_TIME
from reminder.sweep.accept import digest_to_hold
from reminder.sweep.ahead import Stretch
from reminder.sweep.asking import Asking
from reminder.sweep.cap import DailyCap
from reminder.sweep.compose import Again, Failure, compose
from reminder.sweep.draws import Draws
from reminder.sweep.fallback import Fallback
from reminder.sweep.known import BEFORE_PLAN, KnownAlarms
from reminder.sweep.notices import Notice, called, notice_of, settle_notice, standing_notices
from reminder.sweep.seeds import Seeds
from reminder.sweep.texts import reached_for

log = logging.getLogger(__name__)

LOOK_AHEAD = timedelta(days=40)
"""How far the pending agenda reaches; it is moved on once a day."""
UNSENT_AT_ONCE = 2000
"""Alarms that send nothing, written in one transaction: a plan adopted late has many."""
LINES_SHOWN = 20
"""Lines of a notice; beyond it only their number is given."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep settled: alarms by action, and how many deliveries it made."""

    actions: Mapping[str, int] = field(default_factory=dict)
    deliveries: int = 0


class Sweeper:
    """The agenda in force and the pass over it.  Used by one thread."""

    def __init__(
        self,
        ledger: Ledger,
        edition: Edition,
        channels: Mapping[str, Channel],
        transport: Transport,
        now: datetime,
        seeds: Seeds | None = None,
    ) -> None:
        """Without ``seeds`` nothing is drawn."""
        self._ledger = ledger
        self._draws = Draws(ledger, seeds) if seeds is not None else None
        self._looked_on: date | None = None
        self.load(edition, channels, transport, now)

    def load(
        self, edition: Edition, channels: Mapping[str, Channel], transport: Transport, now: datetime
    ) -> None:
        """Take an edition into force: adopt its rungs, build what is pending."""
        self.edition, self.channels, self.transport = edition, channels, transport
        self._zone = zone_of(edition.plan.head.timezone)
        self._ahead = Stretch(partial(expand, edition.plan, edition.calendar))
        plan_id = edition.plan.id
        self._digest = digest_to_hold(self._ledger, edition)
        facts = Facts(self._ledger.adoptions(plan_id, transport))
        new = [
            (item.id, rung.id)
            for item in edition.plan.items
            for rung in item.rungs
            if facts.adopted_at(item.ids, (rung.id, *rung.was)) is None
        ]
        if new:
            with suppress(PlanReplaced):  # what is not in force adopts nothing; it is loaded anew when it is
                self._ledger.adopt(plan_id, transport, new, now, self._digest)
        self._facts = self._ledger.facts(plan_id, transport)
        self._asking = Asking(self._ledger, edition, channels, transport, self.tell)
        self._fallback = Fallback(
            self._ledger, edition, channels, transport, self._facts, self._asking.approved
        )
        self._rebuild(now)

    def _listen(self, now: datetime) -> None:
        """Take in what was recorded since; what starts alarms of its own changes the agenda."""
        if self._ledger.facts_number(self.edition.plan.id) == self._facts.number:
            return
        before, self._facts = self._facts, self._ledger.facts(self.edition.plan.id, self.transport)
        self._fallback.facts = self._facts
        self._asking.listen(self._facts)
        self._held.clear()
        if (before.events, before.draws) != (self._facts.events, self._facts.draws):
            self._rebuild(now)

    def _draw(self, now: datetime) -> None:
        """Commit to seeds and publish what has its day; the agenda then has it."""
        while self._draws is not None:
            drawn = self._draws.run(self.edition, self._facts, now)
            for notice in drawn.notices:
                self.tell(notice, now)
            if not drawn.recorded:
                return
            self._listen(now)

    def _rebuild(self, now: datetime) -> None:
        plan = self.edition.plan
        first = datetime.combine(plan.head.from_, time.min, tzinfo=self._zone)
        settled = self._ledger.settled(plan.id, self.transport, None)
        self._pending = deque(self._ahead.move(first - BEFORE_PLAN, now + LOOK_AHEAD, self._facts, settled))
        self._held: set[str] = set()
        self._asking.refresh(self._pending, now + LOOK_AHEAD, self._facts, now)
        self._built_on = self._day(now)
        # A plan that has run out is trouble, not peace; look to its very end before saying so.
        self.exhausted = not self._pending and not expand(
            plan,
            self.edition.calendar,
            now,
            datetime.combine(plan.head.until, time.max, tzinfo=self._zone) + BEFORE_PLAN,
            self._facts,
        )

    def _day(self, now: datetime) -> date:
        return now.astimezone(self._zone).date()

    def next_instant(self, now: datetime) -> datetime:
        """When there is something to do next: an alarm, a claim that waits, an approval, the daily look."""
        day = self._day(now)
        daily = datetime.combine(day, DEFAULT_ALARM_TIME, tzinfo=self._zone)
        if self._looked_on == day or daily <= now:
            daily = datetime.combine(day + timedelta(days=1), DEFAULT_ALARM_TIME, tzinfo=self._zone)
        waiting = self._ledger.next_postponed(self.edition.plan.id, self.transport)
        # What is on hold came due first and stands before all the rest, of which the first is enough.
        held = [e.useful_until for e in takewhile(lambda each: each.key in self._held, self._pending)]
        alarm = self._pending[len(held)].at if len(held) < len(self._pending) else None
        # A lot's day: that instant is for whoever moves the clock, and for no eyes.
        lot = self._draws.next_instant(self.edition, now) if self._draws is not None else None
        found = (daily, alarm, waiting, min(held, default=None), self._asking.next_instant(), lot)
        return min(instant for instant in found if instant is not None)

    @property
    def facts(self) -> Facts:
        """What was known at the last sweep."""
        return self._facts

    @property
    def next_alarm_at(self) -> datetime | None:
        """When the first of what is still ahead comes; None if nothing is, as far as the agenda is built."""
        return self._pending[0].at if self._pending else None

    def pending(self) -> Sequence[Alarm]:
        """What is still ahead, in order, as far as the agenda is built."""
        return tuple(self._pending)

    def sweep(self, now: datetime) -> Swept:
        """Settle everything that is due.  ``now`` is aware, read once by the caller."""
        self._listen(now)
        self._draw(now)
        if self._day(now) != self._built_on:
            self._rebuild(now)
        if self._asking.run(now):
            self._listen(now)
        self._daily_look(now)
        due = self._due(now)
        again = self._again(now)
        try:
            swept = self._settle_all(due, again, now) if due or again else Swept()
        except FactsChanged:
            # Somebody recorded something in this very moment: it is decided anew, with that.
            self._pending.extendleft(reversed(due))
            return self.sweep(now)
        except BaseException:
            # What could not be written is still due: the next tick tries again.
            self._pending.extendleft(reversed(due))
            raise
        fallen, failures = self._fallback.run(now)
        self._tell_failed(failures, now)
        return Swept(swept.actions, swept.deliveries + fallen)

    def _due(self, now: datetime) -> list[Alarm]:
        """What has come due, taken out of what is pending; what is on hold only if it may have changed."""
        due: list[Alarm] = []
        held: list[Alarm] = []
        while self._pending and self._pending[0].at <= now:
            alarm = self._pending.popleft()
            (held if alarm.key in self._held and now < alarm.useful_until else due).append(alarm)
        self._pending.extendleft(reversed(held))
        return due

    def _again(self, now: datetime) -> list[Again]:
        """Claims that waited for this moment, by alarm."""
        waiting = self._ledger.postponed(self.edition.plan.id, self.transport, now)
        if not waiting:
            return []
        known = KnownAlarms(self.edition, now, self._facts)
        keys = dict.fromkeys(each.alarm for each in waiting)
        return [
            Again(key, known.of(key), tuple(each for each in waiting if each.alarm == key)) for key in keys
        ]

    def _settle_all(self, due: Sequence[Alarm], again: Sequence[Again], now: datetime) -> Swept:
        reaching = self._reaching(now)
        decided = decide_all(due, self._facts, now, reaching, self._asking.digest)
        held = [alarm for alarm, decision in decided if decision.action is Action.HOLD]
        self._pending.extendleft(reversed(held))
        self._held.update(alarm.key for alarm in held)
        silent = [(a, d) for a, d in decided if d.action not in (Action.SEND, Action.HOLD)]
        for start in range(0, len(silent), UNSENT_AT_ONCE):
            self._settle(silent[start : start + UNSENT_AT_ONCE], now, reaching)
        sent = [(a, d) for a, d in decided if d.action is Action.SEND]
        deliveries, failures = self._settle(sent, now, reaching, again)
        self._asking.drop(alarm for alarm, decision in decided if decision.action is not Action.HOLD)
        self._tell_missed([(a, d) for a, d in silent if d.action is Action.MISS], now)
        self._tell_failed(failures, now)
        actions = Counter(str(decision.action) for _, decision in decided)
        return Swept(dict(actions), deliveries)

    def _reaching(self, now: datetime) -> Callable[[Alarm], Reached]:
        """Whom an alarm reaches; found once for each alarm of a sweep."""
        known: dict[str, Reached] = {}

        def reaching(alarm: Alarm) -> Reached:
            if alarm.key not in known:
                known[alarm.key] = reached_for(alarm, self.edition, self._facts, now)
            return known[alarm.key]

        return reaching

    def _cap(self, now: datetime) -> DailyCap:
        head, today = self.edition.plan.head, self._day(now)
        midnight = datetime.combine(today, time.min, tzinfo=self._zone)
        tomorrow = datetime.combine(today + timedelta(days=1), time.min, tzinfo=self._zone)
        sent = self._ledger.messages_between(self.edition.plan.id, self.transport, midnight, tomorrow)
        next_day = self.edition.calendar.after(today, 1)
        return DailyCap(
            head.daily_cap, sent, today, datetime.combine(next_day, DEFAULT_ALARM_TIME, tzinfo=self._zone)
        )

    def _settle(
        self,
        decided: list[tuple[Alarm, Decision]],
        now: datetime,
        reaching: Callable[[Alarm], Reached],
        again: Sequence[Again] = (),
    ) -> tuple[int, tuple[Failure, ...]]:
        """Write decisions with their deliveries; what somebody else settled is left to them.

        Raises ``FactsChanged`` if anything was recorded since the facts were read,
        and ``PlanReplaced`` if another node put another plan into force.
        """
        plan_id = self.edition.plan.id
        while decided or again:
            sends = again or any(decision.action is Action.SEND for _, decision in decided)
            composed = compose(
                decided,
                self.edition,
                self.channels,
                self.transport,
                now,
                reaching=reaching,
                again=again,
                approved=self._asking.approved,
                cap=self._cap(now) if sends else None,
            )
            try:
                self._ledger.settle(
                    plan_id,
                    self.transport,
                    composed.settlement,
                    now,
                    facts_number=self._facts.number,
                    plan_digest=self._digest,
                )
            except AlreadySettled as conflict:
                decided = [(alarm, decision) for alarm, decision in decided if alarm.key not in conflict.keys]
                again = [each for each in again if each.key not in conflict.keys]
                continue
            return len(composed.settlement.deliveries), composed.failures
        return 0, ()

    def _daily_look(self, now: datetime) -> None:
        local = now.astimezone(self._zone)
        if self._looked_on == local.date() or local.time() < DEFAULT_ALARM_TIME:
            return
        if self.edition.calendar.is_workday(local.date()):
            for notice in standing_notices(self.edition, local.date()):
                self.tell(notice, now)
        self._looked_on = local.date()

    def _tell_missed(self, missed: Sequence[tuple[Alarm, Decision]], now: datetime) -> None:
        if not missed:
            return
        lines = [
            f"{a.at:%Y-%m-%d %H:%M} {called(a)}"
            + ("：到期未获审批" if decision.reason is Reason.NOT_APPROVED else "")
            for a, decision in missed
        ]
        remedy = "请查看台账（reminder ledger --status miss），必要时人工通知。"
        self.tell(notice_of("missed", f"有{len(missed)}条提醒错过发送时间", _capped(lines), remedy), now)

    def _tell_failed(self, failures: Sequence[Failure], now: datetime) -> None:
        if not failures:
            return
        lines = [f"{called(each.alarm)}：{_cause(each)}" for each in failures]
        remedy = "请更正名册或模板后人工补发；台账中标为“未能发送”。"
        lines = list(dict.fromkeys(lines))
        self.tell(notice_of("failed", f"有{len(failures)}条提醒未能发出", _capped(lines), remedy), now)

    def tell(
        self, notice: Notice, now: datetime, *, avoid: Collection[str] = (), groups: bool = False
    ) -> None:
        """Tell the admins, once; the same notice again is ignored.

        ``avoid`` and ``groups`` as in :func:`~reminder.sweep.notices.settle_notice`.
        """
        log.warning("notice", extra={"notice": notice.key, "title": notice.title})
        try:
            settlement = settle_notice(
                notice, self.edition, self.channels, self.transport, now, avoid=avoid, groups=groups
            )
        except ReminderError as error:
            log.error("notice cannot be rendered", extra={"notice": notice.key, "error": str(error)})
            return
        self._record(settlement, now)

    def _record(self, settlement: Settlement, now: datetime) -> None:
        try:
            self._ledger.settle(self.edition.plan.id, self.transport, settlement, now)
        except AlreadySettled:
            log.debug("already told")


def _cause(failure: Failure) -> str:
    """What went wrong; of a private item without names, which the ledger has."""
    return reason_text(failure.reason) if failure.alarm.item.spec.private else failure.text


def _capped(lines: Sequence[str]) -> list[str]:
    shown = list(lines[:LINES_SHOWN])
    if len(lines) > LINES_SHOWN:
        shown.append(f"……共{len(lines)}条，其余见台账")
    return shown
