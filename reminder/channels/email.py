"""Mail over SMTP: one message for one person, with an identity that retries keep.

What ``compose`` returns is the whole message as the server receives it, before
dot-stuffing.  ``send`` is at most one message handed over: a kept connection
that turns out dead before the end of the text is replaced once within the same
attempt, never after it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import ssl
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cached_property, lru_cache

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Recipient, Stamp
from reminder.channels.deadline import Budget
from reminder.channels.errors import ChannelSettingError, ContentError, HeaderError
from reminder.channels.headers import (
    Mailbox,
    mailbox_field,
    message_id,
    parse_mailbox,
    structured,
    unstructured,
    wire_address,
)
from reminder.channels.route import Peer, Route
from reminder.channels.smtp import Account, KeptConnections, Lost, Refused, SmtpConnection
from reminder.channels.smtp_outcomes import CHANNEL_FAULT_SECONDS, Stage, verdict
from reminder.channels.words import Scrubber
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel
from reminder.redaction import cores_in_base64

_REASONS = {
    "timeout": "超过总时限",
    "dns": "找不到服务器，请核对 host 和网络",
    "forbidden": "未连接，所得地址不在许可之内，请核对 host 和 allow_networks",
    "connect": "连不上服务器，请核对 host、port 和网络",
    "tls": "加密连接未建立，请核对 tls、port 和服务器证书",
    "connection": "连接中断",
    "reply": "服务器的答复不合规范",
    "unsupported": "服务器不支持所设的方式",
}

_ENCODED = re.compile(
    rb"(?P<head>Content-Transfer-Encoding: base64\r\n\r\n)(?P<body>(?:[A-Za-z0-9+/]+={0,2}\r\n)+)"
)
"""A text part as :func:`_part` makes it."""


class EmailAdapter:
    """The ``email`` channel; safe to use from several threads."""

    suffix = ".eml"
    secret_mark = ""
    """Changes with the secret; set by whoever builds the channel."""

    def __init__(
        self,
        config: EmailChannel,
        *,
        password: str | None,
        office_mailbox: str,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """``office_mailbox`` is where answers go unless the channel says otherwise.

        ``context`` verifies the server; default: the system's authorities.
        Raises ``ChannelSettingError`` or ``HeaderError`` for a channel that
        could never send.
        """
        self.id = config.id
        route = Route.of(config)
        if password is not None and not (password.isascii() and password.isprintable()):
            raise ChannelSettingError(
                f"通道“{config.id}”的密码（密钥 {config.secret}）含中文或不可见字符；"
                "请检查密钥文件末尾有无多余字符，密码或授权码只能是英文字母、数字和符号"
            )
        if config.username is not None and not config.username.isascii():
            raise ChannelSettingError(
                f"通道“{config.id}”的 username“{config.username}”含非英文字符；请填邮箱全称"
            )
        self._sender = parse_mailbox(config.from_)
        self._own_fields = (
            mailbox_field("From", self._sender),
            mailbox_field("Reply-To", parse_mailbox(config.reply_to or office_mailbox)),
        )
        self._seconds = float(config.timeout_seconds)
        self._account = Account(config.host, config.port, config.tls, config.username, password, route)
        self._given_context = context
        self._kept = KeptConnections(config.connections)
        self.peer: Peer | None = None
        """Whom the last probe reached."""
        login = f"\0{config.username}\0{password}" if password else None
        self._words = Scrubber([password, login])

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Made when the first connection needs it: the machine's authorities take a twentieth of a second to read."""
        return self._given_context or ssl.create_default_context()

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:
        """One mail; the same arguments give the same bytes.

        Raises ``HeaderError`` for a header or an address that no mail may carry,
        ``ContentError`` for text that is no Unicode.
        """
        if stamp.date.tzinfo is None:
            raise ValueError("a mail needs an aware date")
        identity = message_id(stamp.message_id)
        sender, reply_to = self._own_fields
        head = [
            sender,
            mailbox_field("To", Mailbox(to.name, to.address)),
            reply_to,
            _subject(message.subject),
            _date(stamp.date, stamp.date.utcoffset()),
            structured("Message-ID", identity),
            # RFC 3834 §5: no vacation notice shall answer; the second line says so to Exchange.
            structured("Auto-Submitted", "auto-generated"),
            structured("X-Auto-Response-Suppress", "All"),
            structured("MIME-Version", "1.0"),
        ]
        parts = [_part("plain", message.text)]
        if message.html.strip():
            parts.append(_part("html", message.html))
        return (b"".join(head) + _alternative(parts, identity),)

    def with_token(self, payload: bytes, placeholder: bytes, token: Callable[[], bytes]) -> bytes:
        """The mail with the token in place of the placeholder, in each of its text parts."""
        if not _may_hold(payload, placeholder):
            return payload

        def replaced(part: re.Match[bytes]) -> bytes:
            octets = base64.b64decode(part["body"])
            if placeholder not in octets:
                return part[0]
            return part["head"] + _wrapped(octets.replace(placeholder, token()))

        return _ENCODED.sub(replaced, payload)

    def send(self, parcel: Parcel) -> Outcome:
        """Try once, within the channel's total deadline, connecting included."""
        try:
            recipient = wire_address(parcel.address)
        except HeaderError as error:
            return Outcome(OutcomeKind.PERMANENT, "address", str(error))
        if self._account.username is not None and not self._account.password:
            return Outcome(
                OutcomeKind.TRANSIENT, "secret", "邮箱密码未设置，未尝试登录", CHANNEL_FAULT_SECONDS
            )
        budget = self._budget()
        connection = self._kept.take()
        if connection is not None:
            try:
                return self._transfer(connection, recipient, parcel.payload, budget)
            except Lost as lost:
                if lost.stage is Stage.REPLY or budget.expired:
                    return self._lost(lost)
            except Refused as refused:
                # 421 to a kept connection is the server's way to close an idle or well-used one.
                if refused.code != 421 or refused.stage is Stage.REPLY:
                    return self._refused(refused)
        try:
            return self._transfer(
                SmtpConnection(self._account, self._context, budget), recipient, parcel.payload, budget
            )
        except Lost as lost:
            return self._lost(lost)
        except Refused as refused:
            return self._refused(refused)

    def probe(self) -> Outcome:
        """Connect, secure and log in, and send nothing: what ``doctor`` asks for."""
        if self._account.username is not None and not self._account.password:
            return Outcome(
                OutcomeKind.TRANSIENT, "secret", "邮箱密码未设置，未尝试登录", CHANNEL_FAULT_SECONDS
            )
        try:
            connection = SmtpConnection(self._account, self._context, self._budget())
            with contextlib.suppress(OSError):
                self.peer = connection.peer
            connection.quit()
        except Lost as lost:
            return self._lost(lost)
        except Refused as refused:
            return self._refused(refused)
        return Outcome(OutcomeKind.ACCEPTED, "login", "已连接并登录，未发送邮件")

    def close(self) -> None:
        self._kept.close()

    def _budget(self) -> Budget:
        return Budget(self._seconds)

    def _transfer(
        self, connection: SmtpConnection, recipient: str, payload: bytes, budget: Budget
    ) -> Outcome:
        """One message over one session, which is kept if it is still good."""
        good = False
        try:
            code, words = connection.transfer(self._sender.address, recipient, payload, budget)
            good = True
        except Refused as refused:
            # A refused receiver is the receiver's matter; the rest may be this connection's (450 MI:DMC).
            good = refused.stage is Stage.RCPT and refused.code != 421 and connection.reset(budget)
            raise
        finally:
            if good:
                self._kept.keep(connection)
            else:
                connection.discard()
        return Outcome(OutcomeKind.ACCEPTED, str(code), self._words(words))

    def _lost(self, lost: Lost) -> Outcome:
        detail = f"{lost.stage.value}时{_REASONS[lost.reason]}"
        if lost.words:
            detail += f"：{lost.words}"
        if lost.stage is Stage.REPLY:
            return Outcome(
                OutcomeKind.UNCERTAIN,
                lost.reason,
                self._words(f"{detail}；正文已全部发出，服务器是否收下不明"),
            )
        mending = lost.reason in ("tls", "unsupported", "forbidden")
        return Outcome(
            OutcomeKind.TRANSIENT,
            lost.reason,
            self._words(detail),
            CHANNEL_FAULT_SECONDS if mending else None,
        )

    def _refused(self, refused: Refused) -> Outcome:
        words = self._words(refused.words)
        row = verdict(refused.stage, refused.code, words)
        code = str(refused.code) if refused.code > 0 else "reply"
        detail = f"{refused.stage.value}时被拒：{words}" if words else f"{refused.stage.value}时被拒"
        return Outcome(row.kind, code, self._words(detail), row.retry_after, reach=row.reach)


@lru_cache(64)  # one alarm's messages agree in both
def _date(date: datetime, _offset: timedelta | None) -> bytes:
    # The offset is said, and is no part of what makes two instants equal.
    return structured("Date", format_datetime(date))


@lru_cache(64)
def _subject(subject: str) -> bytes:
    return unstructured("Subject", subject)


def _may_hold(payload: bytes, text: bytes) -> bool:
    """Whether a text part says it; most mails have no link, and are looked through at every try."""
    joined = payload.replace(b"\r\n", b"")
    return any(core in joined for core in _cores_of(text))


@lru_cache(4)
def _cores_of(text: bytes) -> tuple[bytes, ...]:
    return tuple(core.encode("ascii") for core in cores_in_base64(text))


def _part(subtype: str, text: str) -> tuple[bytes, bytes]:
    """Header and body of one text part, lines ended by CRLF (RFC 2046 §4.1.1) before they are encoded."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    canonical = text.replace("\n", "\r\n")
    try:
        octets = canonical.encode("utf-8")
    except UnicodeEncodeError:
        raise ContentError("邮件正文里有残缺的字符，无法发送；请检查模板和所引用的文字") from None
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return header.encode("ascii"), _wrapped(octets)


def _wrapped(octets: bytes) -> bytes:
    """In base64, lines of 76 characters (RFC 2045 §6.8)."""
    encoded = base64.b64encode(octets)
    return b"\r\n".join([*_lines(len(encoded)).unpack(encoded), b""])


@lru_cache(256)
def _lines(characters: int) -> struct.Struct:
    """So many characters in lines; taken apart this way in half the time of slices."""
    whole, rest = divmod(characters, 76)
    return struct.Struct("76s" * whole + (f"{rest}s" if rest else ""))


def _alternative(parts: list[tuple[bytes, bytes]], identity: str) -> bytes:
    """The rest of the header and the body; the plainest form first (RFC 2046 §5.1.4)."""
    if len(parts) == 1:
        return b"".join(parts[0])
    # "=_" cannot occur in base64: the boundary need not be searched for in the text.
    boundary = b"=_" + hashlib.sha256(identity.encode("ascii")).hexdigest()[:32].encode("ascii")
    between = b"--" + boundary + b"\r\n"
    pieces = [b'Content-Type: multipart/alternative;\r\n boundary="', boundary, b'"\r\n\r\n']
    for header, content in parts:
        pieces += (between, header, content)
    return b"".join([*pieces, b"--", boundary, b"--\r\n"])
