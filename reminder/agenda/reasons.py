"""What is done with an alarm or with one receiver's share of it, and why.

The ledger keeps the words; what people read is the Chinese beside them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Action(enum.StrEnum):
    """What is done with an alarm, or with one receiver's share of it."""

    SEND = "send"
    MERGE = "merge"
    """Sent as a section of a message together with others."""
    HOLD = "hold"
    """Waits for an approval; not settled."""
    POSTPONE = "postpone"
    """One receiver's share waits for its time: their own wish, or a full day."""
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
    NOT_APPROVED = "not-approved"
    """Nobody approved it while it was of use."""
    NOTHING_OPEN = "nothing-open"
    """Everything it asks for is done or waived."""
    BOOKED = "booked"
    """It asks for a date, and one is arranged."""
    NO_OWNER = "no-owner"
    """Something is owed and nobody can be reminded of it: a vacant post."""
    DRAWN = "drawn"
    """They belong to the unit that a draw fell on."""
    SILENCED = "silenced"
    SNOOZED = "snoozed"
    DAILY_CAP = "daily-cap"
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
    Reason.NOT_APPROVED: "到期未获审批",
    Reason.NOTHING_OPEN: "已全部办结",
    Reason.BOOKED: "已安排日期",
    Reason.NO_OWNER: "承担单位或岗位无人",
    Reason.DRAWN: "属抽中的单位，不予告知",
    Reason.SILENCED: "已设静默",
    Reason.SNOOZED: "本人要求暂缓",
    Reason.DAILY_CAP: "当日消息已满，顺延",
    Reason.CONFIRMED_SENT: "经确认此前已发出",
    Reason.FALLBACK: "改用备用通道",
}

ACTION_TEXT: dict[str, str] = {
    Action.SEND: "发送",
    Action.MERGE: "合并发送",
    Action.HOLD: "待审批",
    Action.POSTPONE: "暂缓",
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
