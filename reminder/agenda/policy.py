"""What to do with an alarm that has come due: a decision with a named reason.  Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminder.agenda.alarms import Alarm
from reminder.agenda.facts import Facts

LATE_AFTER = timedelta(minutes=15)
"""Sent this much after its time, an alarm says so; less is the pace of sending."""


class Action(enum.StrEnum):
    """What is done with an alarm, or with one receiver's share of it."""

    SEND = "send"
    MERGE = "merge"
    """Sent as a section of a message together with others."""
    HOLD = "hold"
    """Waits for an approval; not settled."""
    MISS = "miss"
    """Its usefulness ended before anything could be sent."""
    SUPERSEDE = "supersede"
    """A later rung of the same occurrence says the same and goes out instead."""
    SUPPRESS = "suppress"
    """Nothing is sent, and that is right."""
    FAIL = "fail"
    """It should be sent and cannot be: somebody has to act."""


class Reason(enum.StrEnum):
    """Why; the ledger keeps the word, pages show the Chinese of :data:`REASON_TEXT`."""

    DUE = "due"
    CAUGHT_UP = "caught-up"
    BEFORE_ADOPTION = "before-adoption"
    EXPIRED = "expired"
    LATER_RUNG = "later-rung"
    NOBODY = "nobody"
    NO_ADDRESS = "no-address"
    UNSENDABLE = "unsendable"
    TEMPLATE = "template"
    NEEDS_APPROVAL = "needs-approval"
    CONFIRMED_SENT = "confirmed-sent"
    """A person said so of what an old ledger does not know."""
    FALLBACK = "fallback"
    """In place of a channel that did not reach the receiver: :func:`in_place_of`."""


REASON_TEXT: dict[str, str] = {
    Reason.DUE: "按计划",
    Reason.CAUGHT_UP: "补发",
    Reason.BEFORE_ADOPTION: "早于该提醒启用",
    Reason.EXPIRED: "停机期间已过有效期",
    Reason.LATER_RUNG: "由后一次提醒替代",
    Reason.NOBODY: "没有应收的人",
    Reason.NO_ADDRESS: "收件人没有该通道的地址",
    Reason.UNSENDABLE: "内容不能由该通道发送",
    Reason.TEMPLATE: "模板出错",
    Reason.NEEDS_APPROVAL: "待审批",
    Reason.CONFIRMED_SENT: "经确认此前已发出",
    Reason.FALLBACK: "改用备用通道",
}

ACTION_TEXT: dict[str, str] = {
    Action.SEND: "发送",
    Action.MERGE: "合并发送",
    Action.HOLD: "待审批",
    Action.MISS: "错过",
    Action.SUPERSEDE: "被替代",
    Action.SUPPRESS: "不发送",
    Action.FAIL: "未能发送",
}


def in_place_of(channel: str) -> str:
    """The reason of a claim that is sent because ``channel`` did not reach its receiver."""
    return f"{Reason.FALLBACK}:{channel}"


def reason_text(reason: str) -> str:
    """The Chinese of a reason as the ledger keeps it; an unknown word as it stands."""
    word, _, channel = reason.partition(":")
    text = REASON_TEXT.get(word)
    if text is None:
        return reason
    return f"{text}（代替 {channel}）" if channel else text


@dataclass(frozen=True, slots=True)
class Decision:
    """An action and the reason for it."""

    action: Action
    reason: Reason


def decide(alarm: Alarm, facts: Facts, now: datetime) -> Decision:
    """What to do with one due alarm, without looking at its siblings.

    An alarm whose instant lies before its rung's adoption is recorded and never
    sent, so that an item added late does not fire its old rungs at once.
    """
    adopted = facts.adopted_at(alarm.item.ids, (alarm.rung.id, *alarm.rung.was))
    if adopted is None or alarm.at < adopted:
        return Decision(Action.SUPPRESS, Reason.BEFORE_ADOPTION)
    if now >= alarm.useful_until:
        return Decision(Action.MISS, Reason.EXPIRED)
    if alarm.item.spec.approval is not None and not facts.rehearsal:
        return Decision(Action.HOLD, Reason.NEEDS_APPROVAL)
    return Decision(Action.SEND, Reason.CAUGHT_UP if is_late(alarm, now) else Reason.DUE)


def is_late(alarm: Alarm, now: datetime) -> bool:
    """Whether a message sent now must say that it comes late."""
    return now - alarm.at > LATE_AFTER


def decide_all(alarms: Iterable[Alarm], facts: Facts, now: datetime) -> list[tuple[Alarm, Decision]]:
    """Decide for all alarms due in one sweep.

    Of several useful rungs of an occurrence with the same audience and template
    only the latest goes out; the others are superseded by it.
    """
    decided = [(alarm, decide(alarm, facts, now)) for alarm in sorted(alarms, key=lambda each: each.order)]
    latest: dict[object, str] = {}
    for alarm, decision in decided:
        if decision.action is Action.SEND:
            latest[_say_the_same(alarm)] = alarm.key
    return [
        (alarm, Decision(Action.SUPERSEDE, Reason.LATER_RUNG))
        if decision.action is Action.SEND and latest[_say_the_same(alarm)] != alarm.key
        else (alarm, decision)
        for alarm, decision in decided
    ]


def _say_the_same(alarm: Alarm) -> object:
    return (alarm.occurrence.id, alarm.rung.to, alarm.rung.template)
