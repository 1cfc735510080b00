"""What the answers to a WeCom app mean: the retry tables of ``gettoken`` and ``message/send``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reminder.channels.base import Outcome, OutcomeKind, Reach
from reminder.channels.wecom import THROTTLE_SECONDS, UNKNOWN, UNKNOWN_SECONDS, Scrub

STALE_TOKEN_ERRCODES = frozenset({40014, 42001})
"""The token is not valid, or no longer: another one is asked for, once."""

DEAD_APP_ERRCODES: dict[int, str] = {
    40001: "应用的 secret 不正确，请核对 secret 指向的密钥",
    40013: "企业 ID 不正确，请核对 corpid",
    40056: "应用编号不正确，请核对 agentid",
    40091: "应用的 secret 不正确，请核对 secret 指向的密钥",
    48002: "该应用没有发送消息的权限，请在企业微信管理后台核对",
    60020: "本机的出口 IP 不在应用的“企业可信IP”之内，请在企业微信管理后台添加本机的出口 IP",
    301002: "密钥与应用编号不是同一个应用，或该应用没有权限，请核对 agentid 和 secret",
}
"""No message of this app will get through until a person has mended it."""

THROTTLED_ERRCODE = 45009
_TRANSIENT: dict[int, tuple[str, float | None]] = {
    -1: ("系统繁忙", None),
    THROTTLED_ERRCODE: ("调用过于频繁，稍后再试", THROTTLE_SECONDS),
    45033: ("同时发送过多", 10.0),
}
_PERMANENT = {
    40003: "收件人账号不合法",
    40008: "消息类型不合法",
    40031: "收件人账号不合法",
    40032: "收件人过多",
    40058: "参数不合法",
    40063: "参数为空",
    44004: "正文为空",
    45002: "正文超过长度上限",
    81013: "收件人都不在该应用的可见范围内，或账号不存在；请核对名录的 wecom 和应用的可见范围",
}


def failed(errcode: int, answer: dict[str, Any], scrub: Scrub, step: str = "") -> Outcome:
    """The outcome of an errcode other than 0; ``step`` says in Chinese what was being asked for."""
    words = scrub(str(answer.get("errmsg", "")))
    code = f"errcode {errcode}"
    if errcode in _TRANSIENT:
        reach = Reach.THROTTLED if errcode == THROTTLED_ERRCODE else Reach.MESSAGE
        meaning, wait = _TRANSIENT[errcode]
        return Outcome(OutcomeKind.TRANSIENT, code, f"{step}{meaning}：{words}"[:500], wait, reach=reach)
    for table, reach in ((DEAD_APP_ERRCODES, Reach.DEAD), (_PERMANENT, Reach.MESSAGE)):
        if errcode in table:
            detail = f"{step}{table[errcode]}：{words}"[:500]
            return Outcome(OutcomeKind.PERMANENT, code, detail, reach=reach)
    # Nobody has documented it: it may be a new kind of limit, and giving up would lose the message.
    return Outcome(OutcomeKind.TRANSIENT, code, f"{step}{UNKNOWN}：{words}"[:500], UNKNOWN_SECONDS)


def sent(answer: dict[str, Any], userids: Sequence[str], scrub: Scrub) -> Outcome:
    """The outcome of errcode 0, which is not yet success: some receivers may have been refused.

    ``userids`` are those the message was for; the service gives them back in
    small letters.  ``refused`` holds them as they were given.
    """
    given = {userid.lower(): userid for userid in userids}
    named = [*_names(answer, "invaliduser"), *_names(answer, "unlicenseduser")]
    refused = tuple(dict.fromkeys(given[name.lower()] for name in named if name.lower() in given))
    if not refused:
        return Outcome(OutcomeKind.ACCEPTED, "errcode 0", scrub(str(answer.get("errmsg", ""))))
    detail = scrub("企业微信没有收下这些账号（不存在、不在应用可见范围内或没有许可）：" + "、".join(refused))
    if len(refused) == len(given):
        return Outcome(OutcomeKind.PERMANENT, "invaliduser", detail)
    return Outcome(OutcomeKind.PARTIAL, "invaliduser", detail, refused=refused)


def _names(answer: dict[str, Any], key: str) -> list[str]:
    value = answer.get(key)
    return [name for name in value.split("|") if name] if isinstance(value, str) else []
