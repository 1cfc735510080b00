"""What the robot and the app of WeCom have in common: the host, the limits, the answers.

Failure is HTTP 200 with an ``errcode`` other than 0.  The ``errmsg`` is for
people and is never matched on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from reminder.channels.base import Outcome, OutcomeKind, Reach
from reminder.channels.errors import ChannelSettingError, ContentError
from reminder.channels.http import HttpError, Reply
from reminder.messages.limits import size, split_bytes
from reminder.plan.networks import is_loopback

Scrub = Callable[[str | bytes], str]
"""Takes secrets out of words, as :class:`~reminder.channels.words.Scrubber` does."""

THROTTLE_SECONDS = 60.0
"""More than a minute allows is refused for this long."""
PORTAL_SECONDS = 1800.0
UNKNOWN_SECONDS = 300.0
UNKNOWN = "没有说明过的错误码，稍后再试"
LONGEST_WAIT_SECONDS = 3600.0

REASONS = {
    "timeout": "超过总时限",
    "dns": "找不到服务器，请核对 base_url 和网络",
    "forbidden": "未连接，所得地址不在许可之内，请核对 base_url、proxy 和 allow_networks",
    "connect": "连不上服务器，请核对 base_url 和网络",
    "proxy": "代理不予转接，请核对 proxy、proxy_secret，或请代理管理员放行",
    "tls": "加密连接未建立，请核对服务器证书",
    "connection": "连接中断",
    "too-long": "答复过长，已停止读取",
}
"""What an :class:`HttpError` means, by its ``reason``."""

_NOT_THE_SERVICE = frozenset({401, 403, 404, 405, 407, 410})
"""A wrong base_url or something in between says so, and not the service: it says 200. People mend it."""

_USERID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
"""Begins with a letter or a figure: ``@all`` would be everybody."""
_MOST_PARTS = 99
_NUMBER = "（{part}/{parts}）\n"


def checked_base_url(channel_id: str, base_url: str) -> str:
    """The base URL without a trailing slash.

    Raises ``ChannelSettingError`` for one that would give the secret away.
    """
    where = f"通道“{channel_id}”的 base_url“{base_url}”"
    try:
        parts = urlsplit(base_url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ChannelSettingError(f"{where}不是网址；应如 https://wecom.example.com") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise ChannelSettingError(f"{where}不合要求；应为 https:// 加主机名，不含用户名、? 和 #")
    if parts.scheme == "http" and not is_loopback(host):
        raise ChannelSettingError(
            f"{where}未加密，密钥会在网络上明文传送；请改用 https://（http 只允许用于本机）"
        )
    return base_url.rstrip("/")


def checked_userid(userid: str) -> str:
    """The userid itself; ``ContentError`` for what is none."""
    if not _USERID.fullmatch(userid):
        raise ContentError(
            f"“{userid[:40]}”不是企业微信账号（userid）；以字母或数字开头，只含字母、数字和 . - _ @，请核对通讯录的 wecom"
        )
    return userid


def checked_text(channel_id: str, text: str) -> str:
    """The text as it can be posted; ``ContentError`` for an empty or a broken one."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise ContentError(f"通道“{channel_id}”：消息正文为空；请检查模板的企业微信文本")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ContentError(f"通道“{channel_id}”：消息正文里有残缺的字符，无法发送；请检查模板") from None
    return text


def numbered(text: str, limit: int) -> tuple[str, ...]:
    """The parts of a text, each at most ``limit`` bytes, its number counted in.

    Raises ``ContentError`` for an endless text.
    """
    if size(text) <= limit:
        return (text,)
    room = limit - size(_NUMBER.format(part=_MOST_PARTS, parts=_MOST_PARTS))
    parts = split_bytes(text, room)
    if len(parts) > _MOST_PARTS:
        raise ContentError(f"消息正文过长：要分成 {len(parts)} 条，最多 {_MOST_PARTS} 条；请精简模板")
    return tuple(_NUMBER.format(part=n, parts=len(parts)) + part for n, part in enumerate(parts, start=1))


def body(content: dict[str, Any]) -> bytes:
    """JSON as it is sent: UTF-8 without escapes, the same bytes for the same content."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def no_reply(error: HttpError, *, harmless: bool = False) -> Outcome:
    """The outcome when no whole reply came; ``harmless``: the request sent nothing to anybody."""
    detail = REASONS[error.reason] + (f"：{error.words}" if error.words else "")
    if error.sent and error.reason != "too-long" and not harmless:
        return Outcome(OutcomeKind.UNCERTAIN, error.reason, f"{detail}；消息已全部发出，是否收下不明")
    # A reply of 64 KiB and more is a web page of something in between, which did not pass the post on.
    mending = error.reason in ("tls", "forbidden", "proxy")
    return Outcome(OutcomeKind.TRANSIENT, error.reason, detail, PORTAL_SECONDS if mending else None)


def answer_of(reply: Reply, scrub: Scrub) -> tuple[int, dict[str, Any]] | Outcome:
    """The service's own answer with its errcode, or the outcome if something else answered."""
    status = reply.status
    if 200 <= status < 300:
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            answer = None
        errcode = answer.get("errcode") if isinstance(answer, dict) else None
        if isinstance(errcode, int) and not isinstance(errcode, bool):
            return errcode, answer
        # Not the service: a proxy or a portal stands in between, and the post did not get through it.
        words = scrub(reply.body[:2000])
        return Outcome(OutcomeKind.TRANSIENT, "reply", f"答复不是企业微信的格式：{words}"[:500])
    detail = scrub(reply.body[:2000])
    code = f"http {status}"
    if 300 <= status < 400:
        # An office's login portal redirects everything, a wrong base_url too: mended by people, later.
        return Outcome(
            OutcomeKind.TRANSIENT, code, "服务器要求转向，已拒绝；请核对 base_url 和上网认证", PORTAL_SECONDS
        )
    if status == 429 or status >= 500:
        wait = reply.retry_after
        if wait is None and status == 429:
            wait = THROTTLE_SECONDS
        return Outcome(
            OutcomeKind.TRANSIENT,
            code,
            detail,
            None if wait is None else min(wait, LONGEST_WAIT_SECONDS),
            reach=Reach.THROTTLED if status == 429 else Reach.MESSAGE,
        )
    if status in _NOT_THE_SERVICE:
        words = f"服务器不接受这个请求，请核对 base_url 和上网认证：{detail}".rstrip("：")[:500]
        return Outcome(OutcomeKind.TRANSIENT, code, words, PORTAL_SECONDS)
    return Outcome(OutcomeKind.PERMANENT, code, detail or "服务器不接受这个请求；请核对 base_url")
