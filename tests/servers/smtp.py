"""An SMTP server on loopback that misbehaves on command, stage by stage.

``with SmtpStub() as stub`` listens on an ephemeral port of 127.0.0.1; faults may
be given at the start or set at any time with ``stub.misbehave(...)``.  A message
counts as received (``stub.messages``) once the server has taken it over, even
if the reply is then lost: what really arrived is what histories are checked by.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.servers.certificates import server_context

STAGES = ("connect", "tls", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "text", "dot", "quit")
"""``text`` is while the message is read, ``dot`` when it is complete."""
ACTIONS = ("reply", "hold", "hang", "drop", "reset", "drip", "flood")


@dataclass
class Fault:
    """What goes wrong at a stage.

    ``do``: ``reply`` (answer with ``text``), ``hold`` (the same, once the stub is
    told to :meth:`~SmtpStub.go_on`), ``hang`` (say nothing more),
    ``drop`` (close), ``reset`` (close with RST), ``drip`` (a byte of an endless
    reply every 50 ms), ``flood`` (an endless reply).  ``times`` bounds how often
    it happens, None is for ever.  ``taken`` says whether a message that meets
    the fault at ``dot`` is taken over; default: unless the server refuses it.
    ``only`` limits it to commands that hold this text (one recipient's address).
    """

    stage: str
    do: str
    text: str = ""
    times: int | None = None
    taken: bool | None = None
    only: str = ""

    def __post_init__(self) -> None:
        if self.stage not in STAGES or self.do not in ACTIONS:
            raise ValueError(f"no such fault: {self.stage} {self.do}")


@dataclass(frozen=True)
class Received:
    """A message the server took over: envelope, octets without dot-stuffing, and how it came."""

    sender: str
    recipient: str
    content: bytes
    encrypted: bool
    user: str | None
    connection: int


class _Gone(Exception):
    """The session is over."""


@dataclass
class _Session:
    sock: socket.socket
    number: int
    encrypted: bool = False
    user: str | None = None
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    buffer: bytes = b""


class SmtpStub:
    """The server.  ``accounts`` (user to password) makes login required."""

    host = "127.0.0.1"

    def __init__(
        self,
        *faults: Fault,
        tls: str = "none",
        accounts: dict[str, str] | None = None,
        mechanisms: str = "PLAIN LOGIN",
        context: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
        pipelining: bool = True,
        eager: bool = False,
    ) -> None:
        """``eager``: takes a text for nobody, as RFC 2920 §3.1 warns that a server may."""
        self._tls = tls
        self._pipelining = pipelining
        self._eager = eager
        self.accounts = accounts
        self._mechanisms = mechanisms
        self._context = context or (server_context() if tls != "none" else None)
        self._receive_buffer = receive_buffer
        self._faults = list(faults)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._released = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.messages: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.together = 0
        """Commands that came with the one before them (RFC 2920)."""
        self.pause = 0.0
        """Seconds between taking a message over and saying so."""

    def misbehave(
        self,
        stage: str,
        do: str,
        text: str = "",
        *,
        times: int | None = None,
        taken: bool | None = None,
        only: str = "",
    ) -> None:
        """From now on; the first fault of a stage is met first."""
        with self._lock:
            self._faults.append(Fault(stage, do, text, times, taken, only))

    def go_on(self) -> None:
        """Give the answers that were held back, and hold none back any more."""
        self._released.set()

    def behave(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()

    @property
    def busy(self) -> bool:
        """Whether somebody is connected; what a dead client sent before is read to its end first."""
        with self._lock:
            return bool(self._open)

    def hang_up(self) -> None:
        """Close every open connection, as a server does with idle ones."""
        with self._lock:
            idle = list(self._open)
        for sock in idle:
            _shut(sock)

    def __enter__(self) -> Self:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self._listener.bind((self.host, 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._released.set()
        _shut(self._listener)
        self._listener.close()
        self._accepting.join(5)
        self.hang_up()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(sock)
                session = _Session(sock, self.connections)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(session,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, session: _Session) -> None:
        try:
            self._meet(session, "connect")
            if self._tls == "implicit":
                self._meet(session, "tls")
                self._secure(session)
            self._reply(session, "220 stub ready")
            while True:
                self._command(session, self._line(session))
        except (_Gone, OSError, UnicodeDecodeError):
            pass
        finally:
            with self._lock:
                self._open.discard(session.sock)
            with contextlib.suppress(OSError):
                session.sock.close()

    def _secure(self, session: _Session) -> None:
        assert self._context is not None
        plain = session.sock
        wrapped = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:  # wrapping has emptied the plain one
            self._open.discard(plain)
            self._open.add(wrapped)
        session.sock = wrapped
        wrapped.do_handshake()
        session.encrypted = True
        session.buffer = b""

    def _line(self, session: _Session) -> str:
        while b"\r\n" not in session.buffer:
            self._read(session)
        line, _, session.buffer = session.buffer.partition(b"\r\n")
        if session.buffer:
            with self._lock:
                self.together += 1
        return line.decode("ascii")

    def _read(self, session: _Session) -> None:
        octets = session.sock.recv(65536)
        if not octets:
            raise _Gone
        session.buffer += octets

    def _reply(self, session: _Session, text: str) -> None:
        session.sock.sendall(text.encode("utf-8").replace(b"\n", b"\r\n") + b"\r\n")

    def _fault(self, stage: str, about: str = "") -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.stage == stage and fault.times != 0 and fault.only in about:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def _meet(self, session: _Session, stage: str, about: str = "") -> bool:
        """Commit the stage's fault, if one is set; says whether it answered in place of the server."""
        fault = self._fault(stage, about)
        if fault is None:
            return False
        self._commit(session, fault)
        return True

    def _commit(self, session: _Session, fault: Fault) -> None:
        match fault.do:
            case "reply" | "hold":
                if fault.do == "hold":
                    self._released.wait(60)
                self._reply(session, fault.text)
                if fault.text.startswith("421") or fault.stage == "connect":
                    raise _Gone
                return
            case "reset":
                session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            case "hang":
                self._stopped.wait(60)
            case "drip":
                session.sock.sendall(b"250-")
                while not self._stopped.wait(0.05):
                    session.sock.sendall(b"x")
            case "flood":
                while not self._stopped.is_set():
                    session.sock.sendall(b"250-more\r\n" * 1000)
        raise _Gone

    def _command(self, session: _Session, line: str) -> None:
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        with self._lock:
            self.commands.append(verb)
        stage = {"HELO": "ehlo"}.get(verb, verb.lower())
        if stage in STAGES and stage != "auth" and self._meet(session, stage, argument):
            if verb == "QUIT":
                raise _Gone
            return
        match verb:
            case "EHLO" | "HELO":
                self._reply(session, self._capabilities(session))
            case "STARTTLS":
                self._reply(session, "220 go ahead")
                self._meet(session, "tls")
                self._secure(session)
            case "AUTH":
                self._auth(session, argument)
            case "MAIL":
                if self.accounts is not None and session.user is None:
                    self._reply(session, "530 Authentication required")
                else:
                    session.sender = argument.partition("<")[2].partition(">")[0]
                    session.recipients = []
                    self._reply(session, "250 sender ok")
            case "RCPT":
                session.recipients.append(argument.partition("<")[2].partition(">")[0])
                self._reply(session, "250 recipient ok")
            case "DATA":
                self._data(session)
            case "RSET" | "NOOP":
                self._reply(session, "250 ok")
            case "QUIT":
                self._reply(session, "221 bye")
                raise _Gone
            case _:
                self._reply(session, "502 what?")

    def _capabilities(self, session: _Session) -> str:
        lines = ["stub"]
        if self._tls == "starttls" and not session.encrypted:
            lines.append("STARTTLS")
        elif self.accounts is not None:
            lines.append(f"AUTH {self._mechanisms}")
        lines += ["SIZE 50000000", "8BITMIME", *(["PIPELINING"] if self._pipelining else [])]
        return "\n".join(
            f"250{'-' if n < len(lines) else ' '}{line}" for n, line in enumerate(lines, start=1)
        )

    def _auth(self, session: _Session, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        if self._meet(session, "auth"):
            return
        if mechanism == "PLAIN":
            _, user, password = base64.b64decode(initial).decode().split("\0")
        else:
            user = base64.b64decode(initial).decode()
            self._reply(session, "334 " + base64.b64encode(b"Password:").decode())
            password = base64.b64decode(self._line(session)).decode()
        if self.accounts is not None and self.accounts.get(user) == password:
            session.user = user
            self._reply(session, "235 welcome")
        else:
            # Some servers echo what they were told.
            self._reply(session, f"535 Error: authentication failed for {user} {password} {initial}")

    def _data(self, session: _Session) -> None:
        if not session.recipients and not self._eager:
            self._reply(session, "554 no valid recipients")
            return
        self._reply(session, "354 end with .")
        self._meet(session, "text")
        # The first line may be the dot itself; a line end before it belongs to the message.
        octets = b"\r\n" + session.buffer
        searched = 0
        while octets.find(b"\r\n.\r\n", searched) < 0:
            searched = max(0, len(octets) - 4)
            session.buffer = b""
            self._read(session)
            octets += session.buffer
        content, _, session.buffer = octets.partition(b"\r\n.\r\n")
        content = (content + b"\r\n").replace(b"\r\n..", b"\r\n.")[2:]
        fault = self._fault("dot")
        refused = fault is not None and fault.do in ("reply", "hold") and not fault.text.startswith("2")
        taken = not refused if fault is None or fault.taken is None else fault.taken
        if taken:
            with self._lock:
                self.messages += [
                    Received(
                        session.sender, recipient, content, session.encrypted, session.user, session.number
                    )
                    for recipient in session.recipients
                ]
            if self.pause:
                self._stopped.wait(self.pause)
        if fault is not None:
            self._commit(session, fault)
        else:
            self._reply(session, "250 queued")


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
