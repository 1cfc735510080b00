"""What a WeCom group robot's answer means: the retry table of the webhook."""

from __future__ import annotations

from reminder.channels.base import Outcome, OutcomeKind, Reach
from reminder.channels.http import Reply
from reminder.channels.wecom import THROTTLE_SECONDS, UNKNOWN, UNKNOWN_SECONDS, answer_of
from reminder.channels.words import Scrubber

DEAD_ROBOT_ERRCODES = frozenset({93000, 93004, 93008})
"""The key is wrong or the robot was taken out of its group: no post will ever get through."""

THROTTLED_ERRCODE = 45009
"""More posts than a minute allows: the robot is blocked, whatever the post."""

_TRANSIENT: dict[int, tuple[str, float | None]] = {
    -1: ("系统繁忙", None),
    THROTTLED_ERRCODE: ("发送过于频繁，一分钟内不再接收", THROTTLE_SECONDS),
    45033: ("同时发送过多", 10.0),
}
_PERMANENT = {
    40008: "消息类型不合法",
    40058: "参数不合法",
    40063: "参数为空",
    44004: "正文为空",
    45002: "正文超过长度上限",
}


def classify(reply: Reply, scrub: Scrubber) -> Outcome:
    """The outcome of a whole reply."""
    answered = answer_of(reply, scrub)
    if isinstance(answered, Outcome):
        return answered
    errcode, answer = answered
    words = scrub(str(answer.get("errmsg", "")))
    code = f"errcode {errcode}"
    if errcode == 0:
        return Outcome(OutcomeKind.ACCEPTED, code, words)
    if errcode in _TRANSIENT:
        reach = Reach.THROTTLED if errcode == THROTTLED_ERRCODE else Reach.MESSAGE
        meaning, wait = _TRANSIENT[errcode]
        return Outcome(OutcomeKind.TRANSIENT, code, f"{meaning}：{words}"[:500], wait, reach=reach)
    if errcode in DEAD_ROBOT_ERRCODES:
        detail = f"机器人已失效，请在群里重新添加并更换密钥：{words}"[:500]
        return Outcome(OutcomeKind.PERMANENT, code, detail, reach=Reach.DEAD)
    if errcode in _PERMANENT:
        return Outcome(OutcomeKind.PERMANENT, code, f"{_PERMANENT[errcode]}：{words}"[:500])
    # An errcode that nobody has documented may be a new kind of limit. Giving up would lose the post
    # for sure; waiting costs some tries, which the delivery's own last useful moment ends.
    return Outcome(OutcomeKind.TRANSIENT, code, f"{UNKNOWN}：{words}"[:500], UNKNOWN_SECONDS)
