"""The pass over what has to be approved: ask, ask again, warn at the hour, tell of what was returned.

Everything it says is an alarm of its own in the ledger (item ``approval``), so
that asking again, after a restart or on another node, says nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial

from reminder.agenda.alarms import Alarm
from reminder.agenda.approvals import asks_at, may_need, superiors
from reminder.agenda.facts import NOTHING, Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.policy import approved
from reminder.agenda.reach import Reached
from reminder.agenda.reasons import Action
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.errors import AlreadySettled
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.messages.context import MASKED_TITLE, Addressee
from reminder.messages.message import Message
from reminder.messages.render import RendererUnavailable
from reminder.plan.directory import Person, unique
from reminder.sweep.accept import digest_to_hold
from reminder.sweep.ahead import Stretch
from reminder.sweep.approvals import (
    APPROVAL_ITEM,
    FURTHEST,
    Memory,
    State,
    Waiting,
    approvable,
    in_force,
    letter_key,
    request,
    submitter_of,
    waiting_of,
)
from reminder.sweep.notices import Letter, Notice, called, notice_message, notice_of, settle_letter
from reminder.sweep.request import Ask, ask_message, confines, named, shown_to, title_on
from reminder.sweep.texts import together

log = logging.getLogger(__name__)

Tell = Callable[[Notice, datetime], None]
"""Tells the admins, once."""


class Asking:
    """What has to be approved under one edition.  Used by the sweeper's thread.

    It remembers only what it need not look at again; a new one comes to the same.
    """

    def __init__(
        self,
        ledger: Ledger,
        edition: Edition,
        channels: Mapping[str, Channel],
        transport: Transport,
        tell: Tell,
    ) -> None:
        self._ledger = ledger
        self._edition = edition
        self._channels = channels
        self._transport = transport
        self._tell = tell
        self._zone = zone_of(edition.plan.head.timezone)
        self._memory = Memory(edition)
        self._beyond = Stretch(partial(approvable, edition))
        self._texts: list[tuple[datetime, tuple[Alarm, ...]]] = []
        self._said: set[str] = set()
        self._facts = NOTHING
        self._looked: datetime | None = None
        self._next: datetime | None = None

    def refresh(self, pending: Iterable[Alarm], built_until: datetime, facts: Facts, now: datetime) -> None:
        """Take in an agenda built anew: ``pending`` is what is unsettled before ``built_until``."""
        alarms = [alarm for alarm in pending if may_need(alarm)]
        alarms += self._beyond.move(built_until, now + FURTHEST, facts)
        alarms = [alarm for alarm in alarms if in_force(alarm, facts)]
        self._texts = [
            (min(asks_at(alarm, self._edition.calendar) for alarm in each), each)
            for each in together(alarms).values()
        ]
        self.listen(facts)

    def listen(self, facts: Facts) -> None:
        """Take in what was recorded since."""
        self._facts = facts
        self._looked = None

    def drop(self, settled: Iterable[Alarm]) -> None:
        """These are settled: nobody has to approve them any more."""
        keys = {alarm.key for alarm in settled}
        self._texts = [each for each in self._texts if keys.isdisjoint(alarm.key for alarm in each[1])]

    def digest(self, alarm: Alarm, _reached: Reached) -> str:
        """What binds an approval of the alarm."""
        return self._memory.digest(alarm, self._facts)

    def approved(self, alarm: Alarm, reached: Reached) -> bool:
        """Whether the alarm may go out as it stands."""
        return approved(alarm, reached, self._facts, self.digest)

    def next_instant(self) -> datetime | None:
        """When somebody is to be asked or warned next; None if nobody is."""
        return self._next

    def run(self, now: datetime) -> bool:
        """Ask for, and tell of, whatever is to be at ``now``; whether a fact was recorded."""
        if self._looked is not None and self._looked <= now and (self._next is None or now < self._next):
            return False
        submitter = submitter_of(self._ledger, self._edition.plan.id)
        upcoming: list[datetime] = []
        recorded = False
        for asks, alarms in self._texts:
            if now < asks and not self._facts.asked_of(tuple(key for each in alarms for key in each.keys)):
                upcoming.append(asks)
                continue
            if now < alarms[0].at:
                upcoming.append(alarms[0].at)
            recorded |= self._look_at(alarms[0], submitter, now)
        self._looked, self._next = now, min(upcoming, default=None)
        return recorded

    def _look_at(self, alarm: Alarm, submitter: str, now: datetime) -> bool:
        if now >= alarm.useful_until:
            return False  # the sweep records it as missed, and tells
        try:
            made = self._memory.of(alarm, self._facts)
            if made is None or not made.texts:
                return False
            waiting = waiting_of(made, self._edition, self._facts, submitter, now)
            if waiting.state is State.APPROVED:
                return False
            recorded = request(self._ledger, self._edition.plan.id, waiting, now)
            if waiting.state is State.RETURNED:
                self._tell_returned(waiting, now)
                return recorded
            self._ask(waiting, now)
            if now >= waiting.goes_at and not self._facts.rehearsal:
                self._warn(waiting, now)
        except RendererUnavailable:
            raise
        except ReminderError as error:
            self._tell_unsayable(alarm, error, now)
            return False
        return recorded

    def _ask(self, waiting: Waiting, now: datetime) -> None:
        """Show the text to everybody who is asked and may approve; each once for each text."""
        able = {each.id for each in waiting.panel.able}
        asked = [each for each in waiting.panel.asked if each.id in able]
        unreached = [each for each in asked if not self._ask_one(each, waiting, now)]
        if len(unreached) == len(asked):
            self._tell_nobody(waiting, unreached, now)

    def _ask_one(self, person: Person, waiting: Waiting, now: datetime) -> bool:
        def say(to: Addressee, channel: str) -> Message:
            shown = shown_to(person, waiting, self._edition, self._facts, now, channel)
            for_ = waiting.panel.for_(person, self._edition.plan.directory, self._day(now))
            return ask_message(Ask(waiting, shown, now, self._facts.rehearsal, for_), to, self._edition)

        key = letter_key(waiting, person.id)
        return self._send(key, [person], say, waiting, now)

    def _warn(self, waiting: Waiting, now: datetime) -> None:
        """Its hour has come and nobody has approved: approvers, those above them, and the admins."""
        plan, today = self._edition.plan, self._day(now)
        panel = waiting.panel
        admins = plan.directory.people_meant(plan.head.admins, today) if plan.head.admins else ()
        people = unique((*panel.asked, *superiors(panel.named, plan, today), *admins))
        key = f"{_subject(waiting)}~unapproved"

        def say(to: Addressee, channel: str) -> Message:
            able = "、".join(each.name for each in panel.able) or "（目前没有人可以审批）"
            notice = Notice(
                key,
                f"提请关注：“{title_on(waiting, self._edition, channel)}”到时未获审批，没有发出",
                (
                    f"原定{waiting.goes_at:%Y-%m-%d %H:%M}发出，审批编号{waiting.said.code}。",
                    f"审批人：{able}。",
                ),
                f"批准后立即发出，{waiting.useful_until:%Y-%m-%d %H:%M}后不再发出；"
                f"审阅：reminder approve --show {waiting.said.code}。",
            )
            return notice_message(notice, to, self._edition, now)

        self._send(key, people, say, waiting, now)

    def _tell_returned(self, waiting: Waiting, now: datetime) -> None:
        """The submitter and the admins: what was returned, by whom and why."""
        word = waiting.word
        assert word is not None
        plan, today = self._edition.plan, self._day(now)
        admins = plan.directory.people_meant(plan.head.admins, today) if plan.head.admins else ()
        submitter = plan.directory.person(waiting.panel.submitter)
        people = unique((*((submitter,) if submitter is not None else ()), *admins))
        key = f"{_subject(waiting)}@{waiting.said.code}~returned"

        def say(to: Addressee, channel: str) -> Message:
            why = "见 reminder approve" if confines(waiting, self._edition, channel) else word.remark
            notice = Notice(
                key,
                f"“{title_on(waiting, self._edition, channel)}”被退回，不会发出",
                (
                    f"{named(word.by, self._edition)}退回，审批编号{waiting.said.code}，理由：{why}",
                    f"原定{waiting.goes_at:%Y-%m-%d %H:%M}发出。",
                ),
                "请按理由修改模板或计划，保存后自动重新提请审批。",
            )
            return notice_message(notice, to, self._edition, now)

        self._send(key, people, say, waiting, now)

    def _tell_nobody(self, waiting: Waiting, unreached: Sequence[Person], now: datetime) -> None:
        names = "、".join(each.name for each in unreached)
        why = f"审批人{names}没有邮箱或企业微信账号" if unreached else "没有人可以审批"
        named_ = "、".join(each.name for each in waiting.panel.named) or "（无人）"
        lines = (
            f"“{_told_as(waiting.said.first, waiting.title)}”拟于{waiting.goes_at:%Y-%m-%d %H:%M}发出，{why}；计划写明的审批人：{named_}。",
            "提交人不能审批自己提交的内容；不知由谁提交的，管理员不能审批。",
        )
        remedy = (
            "请在计划中写明另一位审批人（approval.by 或 plan.approvers），"
            "或由提交人执行 reminder plan adopt --by 姓名。"
        )
        self._tell_once(notice_of("no-approver", "有消息无人可以审批", lines, remedy), now)

    def _tell_unsayable(self, alarm: Alarm, error: ReminderError, now: datetime) -> None:
        log.error("approval cannot be asked for", extra={"alarm": alarm.key, "error": str(error)})
        lines = (f"{called(alarm)}：{error}",)
        self._tell_once(notice_of("approval", "有消息不能提请审批", lines, "请更正模板或名册。"), now)

    def _tell_once(self, notice: Notice, now: datetime) -> None:
        if notice.key not in self._said:
            self._tell(notice, now)
            self._said.add(notice.key)

    def _send(
        self,
        key: str,
        people: Sequence[Person],
        say: Callable[[Addressee, str], Message],
        waiting: Waiting,
        now: datetime,
    ) -> bool:
        """Settle a letter, once; whether it can reach somebody."""
        if key in self._said:
            return True
        letter = Letter(APPROVAL_ITEM, key, say, waiting.useful_until)
        settlement = settle_letter(letter, people, self._edition, self._channels, self._transport, now)
        try:
            self._ledger.settle(
                self._edition.plan.id,
                self._transport,
                settlement,
                now,
                plan_digest=digest_to_hold(self._ledger, self._edition),
            )
        except AlreadySettled:
            log.debug("already asked", extra={"key": key})
        else:
            log.info("approval", extra={"key": key, "people": [person.id for person in people]})
        self._said.add(key)
        return settlement.alarms[0].decision != Action.FAIL

    def _day(self, now: datetime) -> date:
        return now.astimezone(self._zone).date()


def _subject(waiting: Waiting) -> str:
    """What a letter is about, as its key begins."""
    return f"{APPROVAL_ITEM}/{waiting.said.first.key}"


def _told_as(alarm: Alarm, title: str) -> str:
    """The name of a matter in a notice, which may travel over the internet."""
    return MASKED_TITLE if alarm.item.spec.private else title
