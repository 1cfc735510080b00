"""One SMTP connection under a deadline, and the few that are kept.

``smtplib`` speaks the commands; this module gives it a socket that ends in
time, and keeps what it forgets: how far an attempt came.  Nothing here decides
what a refusal means (:mod:`reminder.channels.smtp_outcomes`).
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import select
import smtplib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from reminder.channels.deadline import Budget, BudgetSocket, connect, monotonic, secured
from reminder.channels.route import ForbiddenAddress, Peer, Route
from reminder.channels.smtp_outcomes import Stage
from reminder.errors import system_reason

_QUIT_SECONDS = 2.0
_IDLE_SECONDS = 60.0
"""Longer than this no connection is trusted: many servers hang up after a minute or two."""
_MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5"]


@dataclass(frozen=True, slots=True)
class Account:
    """Where and as whom to log in. ``tls`` is ``implicit``, ``starttls`` or ``none``."""

    host: str
    port: int
    tls: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    route: Route = field(default_factory=Route)


class Refused(Exception):
    """The server answered, and not with yes."""

    def __init__(self, stage: Stage, code: int, words: bytes) -> None:
        super().__init__(stage, code)
        self.stage, self.code, self.words = stage, code, words


class Lost(Exception):
    """The connection failed, or what came was no reply.

    ``reason`` is ``timeout``, ``dns``, ``forbidden`` (the route allows no
    address), ``connect``, ``tls``, ``connection``, ``reply`` or
    ``unsupported``; ``words`` the system's, possibly empty.
    """

    def __init__(self, stage: Stage, reason: str, words: str = "") -> None:
        super().__init__(stage, reason)
        self.stage, self.reason, self.words = stage, reason, words


class SmtpConnection:
    """A session that is logged in and ready for messages, one at a time."""

    def __init__(self, account: Account, context: ssl.SSLContext, budget: Budget) -> None:
        """Connect, secure and log in.  Raises :class:`Refused` or :class:`Lost`."""
        self._account = account
        self._context = context
        self.idle_since = 0.0
        self._asked_for_more = False
        """The answer to DATA is still to come."""
        with _Watched(Stage.CONNECT, budget):
            sock = connect(account.host, account.port, budget, account.route)
            self._client = smtplib.SMTP(local_hostname=_literal(sock))
            # Whatever was set for all of them: its output holds the login.
            self._client.set_debuglevel(0)
        self._adopt(sock, budget)
        try:
            self._open(budget)
        except BaseException:
            self.discard()
            raise

    def _adopt(self, sock: socket.socket, budget: Budget) -> None:
        self._socket = BudgetSocket(sock, budget)
        self._client.sock = cast("socket.socket", self._socket)

    def _open(self, budget: Budget) -> None:
        client = self._client
        if self._account.tls == "implicit":
            self._secure(budget)
        with _Watched(Stage.GREETING, budget):
            _expect(Stage.GREETING, client.getreply(), 220)
        with _Watched(Stage.EHLO, budget):
            _expect(Stage.EHLO, client.ehlo(), 250)
        if self._account.tls == "starttls":
            # Never in the clear instead: a server that hides STARTTLS may be somebody in between.
            if not client.has_extn("starttls"):
                raise Lost(Stage.TLS, "unsupported", "服务器不支持 STARTTLS")
            with _Watched(Stage.TLS, budget):
                _expect(Stage.TLS, client.docmd("STARTTLS"), 220)
            # RFC 3207 §4.2: what was learned before is forgotten, what was read ahead is dropped.
            client.file, client.ehlo_resp, client.esmtp_features = None, None, {}
            self._secure(budget)
            with _Watched(Stage.EHLO, budget):
                _expect(Stage.EHLO, client.ehlo(), 250)
        if self._account.username is not None:
            self._login(budget)

    def _secure(self, budget: Budget) -> None:
        with _Watched(Stage.TLS, budget):
            self._adopt(secured(self._socket.sock, self._context, self._account.host, budget), budget)

    @property
    def peer(self) -> Peer:
        """Raises ``OSError`` once the connection has gone."""
        return Peer.of(self._socket.sock)

    def _login(self, budget: Budget) -> None:
        client = self._client
        client.user, client.password = self._account.username or "", self._account.password or ""
        offered = client.esmtp_features.get("auth", "").upper().split()
        # One mechanism, once: smtplib tries a refused password with each of them, which
        # locks accounts sooner, and loses the refusal when the server hangs up.
        for mechanism in _MECHANISMS:
            if mechanism in offered:
                method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
                with _Watched(Stage.AUTH, budget):
                    try:
                        client.auth(mechanism, method)
                    except smtplib.SMTPAuthenticationError as error:
                        code, words = error.smtp_code, error.smtp_error
                    else:
                        return
                raise Refused(Stage.AUTH, code, words if isinstance(words, bytes) else words.encode())
        raise Lost(Stage.AUTH, "unsupported", "服务器没有提供可用的登录方式（PLAIN、LOGIN、CRAM-MD5）")

    def transfer(self, sender: str, recipient: str, message: bytes, budget: Budget) -> tuple[int, bytes]:
        """Hand one message over for one recipient; returns the server's 2yz reply.

        Both addresses as :func:`~reminder.channels.headers.wire_address` gives
        them.  Raises :class:`Refused` or :class:`Lost`.  ``Lost`` at ``Stage.REPLY``
        means that every octet was handed to the network and no answer came.
        """
        client = self._client
        self._socket.budget = budget
        octets = _dot_stuffed(message)
        size = f" SIZE={len(message)}" if client.has_extn("size") else ""
        mail, rcpt = f"MAIL FROM:<{sender}>{size}\r\n", f"RCPT TO:<{recipient}>\r\n"
        # RFC 2920: in one go. The text waits for all three answers.
        at_once = client.has_extn("pipelining")
        with _Watched(Stage.MAIL, budget) as watched:
            client.send(f"{mail}{rcpt}DATA\r\n" if at_once else mail)
            _expect(Stage.MAIL, client.getreply(), 250)
            watched.stage = Stage.RCPT
            if not at_once:
                client.send(rcpt)
            self._asked_for_more = at_once
            _expect(Stage.RCPT, client.getreply(), 250, 251, 252)
            self._asked_for_more = False
            watched.stage = Stage.DATA
            if not at_once:
                client.send("DATA\r\n")
            _expect(Stage.DATA, client.getreply(), 354)
            watched.stage = Stage.TEXT
            # Fails unless the system took all of it: a failure here never means that the dot was sent.
            client.send(octets)
            watched.stage = Stage.REPLY
            code, words = client.getreply()
        if code // 100 != 2:
            raise Refused(Stage.REPLY, code, words)
        return code, words

    def reset(self, budget: Budget) -> bool:
        """Forget a message whose receiver was refused (RSET); says whether the session is still good.

        A server that wants the text of a message for nobody (RFC 2920 §3.1 lets it) does not get any.
        """
        self._socket.budget = budget
        try:
            asked, self._asked_for_more = self._asked_for_more, False
            if asked and self._client.getreply()[0] // 100 == 3:
                return False
            return self._client.rset()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False

    @property
    def alive(self) -> bool:
        """Whether nothing has come since the last reply: a server only speaks unasked to say farewell."""
        try:
            poll = select.poll()
            poll.register(self._socket.sock, select.POLLIN | select.POLLERR | select.POLLHUP)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False

    def quit(self) -> None:
        """Say farewell.  Whatever the server answers, messages it accepted stay accepted."""
        self._socket.budget = Budget(_QUIT_SECONDS)
        with contextlib.suppress(smtplib.SMTPException, OSError, ValueError):
            self._client.docmd("QUIT")
        self.discard()

    def discard(self) -> None:
        """Close without a word."""
        with contextlib.suppress(OSError):
            self._client.close()
        self._socket.close()


class KeptConnections:
    """Idle sessions of one account, at most ``idle`` of them; safe to use from several threads."""

    def __init__(self, idle: int) -> None:
        self._most = idle
        self._idle: list[SmtpConnection] = []
        self._lock = threading.Lock()

    def take(self) -> SmtpConnection | None:
        """A session that seems alive, the last used first, or None."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.alive and monotonic() - connection.idle_since < _IDLE_SECONDS:
                return connection
            connection.discard()

    def keep(self, connection: SmtpConnection) -> None:
        connection.idle_since = monotonic()
        with self._lock:
            if len(self._idle) < self._most:
                self._idle.append(connection)
                return
        connection.quit()

    def close(self) -> None:
        with self._lock:
            leaving, self._idle = self._idle, []
        for connection in leaving:
            connection.quit()


def _expect(stage: Stage, reply: tuple[int, bytes], *codes: int) -> None:
    if reply[0] not in codes:
        raise Refused(stage, *reply)


class _Watched:
    """Turns what the network and ``smtplib`` raise into :class:`Lost`, at the ``stage`` that was reached."""

    __slots__ = ("_budget", "stage")

    def __init__(self, stage: Stage, budget: Budget) -> None:
        self.stage = stage
        self._budget = budget

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | ValueError):  # what smtplib raises is an OSError too
            raise _lost(error, self.stage, self._budget) from None


def _lost(error: OSError | ValueError, stage: Stage, budget: Budget) -> Lost:
    match error:
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Lost(stage, "connection")  # hung up during the handshake: nothing is set up wrongly
        case ssl.SSLError():
            words = str(getattr(error, "verify_message", "")) or str(error.reason or "")
            return Lost(Stage.TLS, "tls", words)
        case smtplib.SMTPServerDisconnected():
            return Lost(stage, "timeout" if budget.expired else "reply" if budget.exhausted else "connection")
        case smtplib.SMTPException() | ValueError():
            return Lost(stage, "reply")
        case ForbiddenAddress():
            return Lost(stage, "forbidden", str(error))
        case socket.gaierror():
            return Lost(stage, "dns")
        case TimeoutError():
            return Lost(stage, "timeout")
        case _:
            reason = "connect" if stage is Stage.CONNECT else "connection"
            return Lost(stage, reason, system_reason(error) if error.errno else "")


def _literal(sock: socket.socket) -> str:
    """The address literal for EHLO (RFC 5321 §4.1.4): asks no resolver, tells no machine's name."""
    address = ipaddress.ip_address(str(sock.getsockname()[0]).partition("%")[0])
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


def _dot_stuffed(message: bytes) -> bytes:
    """A message as DATA carries it, its final dot included (RFC 5321 §4.5.2)."""
    octets = message
    if message.startswith(b".") or b"\n." in message:  # seldom: what is encoded has no dots
        octets = re.sub(rb"(?m)^\.", b"..", message)
    return octets + (b".\r\n" if octets.endswith(b"\r\n") else b"\r\n.\r\n")
