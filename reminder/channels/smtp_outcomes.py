"""What an SMTP server's reply means for the message: the retry table of mail.

RFC 5321 §4.2.1: 4yz, try again; 5yz, do not.  Chinese providers also answer 5yz
to what only needs time, so the words are read before the number.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from reminder.channels.base import OutcomeKind, Reach

CHANNEL_FAULT_SECONDS = 1800.0
"""Between tries while the account or the server is set up wrongly: long enough
not to lock the account, short enough that mending it sends what waits."""


class Stage(enum.StrEnum):
    """How far an attempt came; the words say it to the admin."""

    CONNECT = "连接服务器"
    TLS = "建立加密"
    GREETING = "等待问候"
    EHLO = "问候"
    AUTH = "登录"
    MAIL = "提交发件人"
    RCPT = "提交收件人"
    DATA = "开始传送"
    TEXT = "传送正文"
    REPLY = "等待答复"
    """After the final dot: from here on the server may have taken the message."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row of the table: the kind, and seconds to wait if the table asks for some."""

    kind: OutcomeKind
    retry_after: float | None = None
    channel_fault: bool = False
    """The channel is at fault, not this message: every other would meet it too."""
    reach: Reach = Reach.MESSAGE


_CHANNEL_FAULT = Verdict(OutcomeKind.TRANSIENT, CHANNEL_FAULT_SECONDS, channel_fault=True)
_LOGIN = Verdict(OutcomeKind.TRANSIENT, CHANNEL_FAULT_SECONDS, channel_fault=True, reach=Reach.LOGIN)


def _row(pattern: str, seconds: float, reach: Reach = Reach.THROTTLED) -> tuple[re.Pattern[str], Verdict]:
    return re.compile(pattern, re.IGNORECASE), Verdict(OutcomeKind.TRANSIENT, seconds, reach=reach)


_BY_WORDS = [
    # NetEase: the day's quota of the sender is used up; of a quarter of an hour; of this connection.
    _row(r"MI:STC", 4 * 3600),
    _row(r"MI:SFQ|RP:QRC", 900),
    _row(r"MI:DMC|MI:CCL|RP:DRC|RP:CCL", 60),
    # Tencent: Ip / Domain / Connection / User frequency limited.
    _row(r"frequency\s+limit", 900),
    # Aliyun and others.
    _row(r"too\s+(frequent(ly)?|many\s+(messages|mails|e-?mails|connections|requests|sends))", 900),
    _row(r"\brate\s*(is\s+)?limit|send(ing)?\s+(rate|limit)|\bthrottl", 900),
    _row(r"(daily|hourly|sending)\s+(sending\s+)?(quota|limit)", 3600),
    _row(r"频率|过于频繁|发送数量超|发信数量超", 900),
    # RFC 6647: greylisting asks for some minutes, of this sender and receiver only.
    _row(r"gr[ea]ylist", 300, Reach.MESSAGE),
]
_SENDER_NOT_OWNER = re.compile(
    r"(same\s+as|equal|match)\w*\s.*(authori[sz]|user|login)|authori[sz]ed\s+user|auth(entication)?\s+(is\s+)?required",
    re.IGNORECASE,
)


def verdict(stage: Stage, code: int, words: str) -> Verdict:
    """What a refusal means.  ``code`` is the reply's, ``words`` its text.

    A refused login is the channel's fault and not the message's: the message
    stays transient with a long wait, so that it goes out once the password is
    mended, and expires like any other if it never is.  The same holds for a
    server that refuses the connection, the greeting or the sender's address.
    """
    family = code // 100
    for pattern, row in _BY_WORDS:
        if family in (4, 5) and pattern.search(words):
            return row
    # 454 (RFC 4954 §6) as well: whatever keeps one message from logging in keeps all of them.
    if code in (530, 534, 535, 538) or (family in (4, 5) and stage is Stage.AUTH and code != 421):
        return _LOGIN
    if family == 5 and stage in (Stage.GREETING, Stage.EHLO, Stage.TLS):
        return _CHANNEL_FAULT
    if stage is Stage.MAIL and family == 5 and _SENDER_NOT_OWNER.search(words):
        return _LOGIN
    if family == 5:
        return Verdict(OutcomeKind.PERMANENT)
    if family == 4:
        return Verdict(OutcomeKind.TRANSIENT)
    # No reply of this protocol. After the final dot it says nothing of the message.
    return Verdict(OutcomeKind.UNCERTAIN if stage is Stage.REPLY else OutcomeKind.TRANSIENT)
