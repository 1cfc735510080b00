"""What a WeCom group robot's answer means: the retry table of the webhook.

Failure is HTTP 200 with an ``errcode`` other than 0.  The ``errmsg`` is for
people and is never matched on.
"""

from __future__ import annotations

import json

from reminder.channels.base import Outcome, OutcomeKind
from reminder.channels.http import Reply
from reminder.channels.words import Scrubber

THROTTLE_SECONDS = 60.0
"""More than 20 posts in a minute block a robot for this long."""
PORTAL_SECONDS = 1800.0
UNKNOWN_SECONDS = 300.0
LONGEST_WAIT_SECONDS = 3600.0

DEAD_ROBOT_ERRCODES = frozenset({93000, 93004, 93008})
"""The key is wrong or the robot was taken out of its group: no post will ever get through."""

_TRANSIENT: dict[int, float | None] = {
    -1: None,  # the system is busy
    45009: THROTTLE_SECONDS,  # more posts than a minute allows
    45033: 10.0,  # too many at the same time
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
    status = reply.status
    if 200 <= status < 300:
        return _classify_body(reply.body, scrub)
    detail = scrub(reply.body[:2000])
    code = f"http {status}"
    if 300 <= status < 400:
        # An office's login portal redirects everything, a wrong base_url too: mended by people, later.
        return Outcome(
            OutcomeKind.TRANSIENT, code, "服务器要求转向，已拒绝；请核对 base_url 和上网认证", PORTAL_SECONDS
        )
    if status == 429 or status >= 500:
        wait = (
            reply.retry_after
            if reply.retry_after is not None
            else (THROTTLE_SECONDS if status == 429 else None)
        )
        return Outcome(
            OutcomeKind.TRANSIENT, code, detail, None if wait is None else min(wait, LONGEST_WAIT_SECONDS)
        )
    return Outcome(OutcomeKind.PERMANENT, code, detail or "服务器不接受这个请求；请核对 base_url")


def _classify_body(body: bytes, scrub: Scrubber) -> Outcome:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    errcode = answer.get("errcode") if isinstance(answer, dict) else None
    if not isinstance(errcode, int) or isinstance(errcode, bool):
        # Not the robot's service: a proxy or a portal stands in between, and the post did not get through it.
        return Outcome(OutcomeKind.TRANSIENT, "reply", f"答复不是企业微信的格式：{scrub(body[:2000])}"[:500])
    words = scrub(str(answer.get("errmsg", "")))
    code = f"errcode {errcode}"
    if errcode == 0:
        return Outcome(OutcomeKind.ACCEPTED, code, words)
    if errcode in _TRANSIENT:
        return Outcome(OutcomeKind.TRANSIENT, code, words, _TRANSIENT[errcode])
    if errcode in DEAD_ROBOT_ERRCODES:
        return Outcome(
            OutcomeKind.PERMANENT, code, f"机器人已失效，请在群里重新添加并更换密钥：{words}"[:500]
        )
    if errcode in _PERMANENT:
        return Outcome(OutcomeKind.PERMANENT, code, f"{_PERMANENT[errcode]}：{words}"[:500])
    # An errcode that nobody has documented may be a new kind of limit. Giving up would lose the post
    # for sure; waiting costs some tries, which the delivery's own last useful moment ends.
    return Outcome(OutcomeKind.TRANSIENT, code, words, UNKNOWN_SECONDS)
