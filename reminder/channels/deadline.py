"""Connections that end in time, whatever the other side does.

A socket's timeout bounds one operation, so a peer that sends a byte now and
then stretches it without end (a two-second timeout was measured to last 22).
Here every read and write sets the socket's timeout to what is left of the whole
attempt, and counts what it reads: no extra thread, and no way around it.
"""

from __future__ import annotations

import errno
import io
import ipaddress
import os
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from reminder.channels.route import Route
from reminder.clock import SystemClock

READ_LIMIT = 64 * 1024
"""Octets read in one attempt; no reply of SMTP or of a webhook comes near it."""

monotonic = SystemClock().monotonic
"""Seconds for deadlines: always the machine's, since a network waits for no simulated clock."""


class DeadlineExceeded(TimeoutError):
    """The time of the whole attempt is used up."""


class TooMuchData(OSError):
    """The peer sent more than any honest reply holds."""


class Budget:
    """Seconds and octets that one attempt may use, counted from its creation."""

    def __init__(self, seconds: float, octets: int = READ_LIMIT) -> None:
        self._ends = monotonic() + seconds
        self._octets = octets

    @property
    def expired(self) -> bool:
        return monotonic() >= self._ends

    @property
    def exhausted(self) -> bool:
        """Whether more was sent than may be read."""
        return self._octets < 0

    def remaining(self) -> float:
        """Seconds left, more than 0. Raises ``DeadlineExceeded`` when none are."""
        left = self._ends - monotonic()
        if left <= 0:
            raise DeadlineExceeded("deadline exceeded")
        return left

    def spend(self, octets: int) -> None:
        """Count octets read. Raises ``TooMuchData`` beyond the limit."""
        self._octets -= octets
        if self._octets < 0:
            raise TooMuchData("reply too long")


class BudgetReader(io.RawIOBase):
    """The reading side of a socket, under a budget that may be another for each attempt."""

    def __init__(self, sock: socket.socket, budget: Callable[[], Budget]) -> None:
        self._sock = sock
        # SocketIO keeps the socket open while it is read, as http.client relies on.
        self._raw: io.RawIOBase = sock.makefile("rb", buffering=0)
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        budget = self._budget()
        self._sock.settimeout(budget.remaining())
        count = self._raw.readinto(buffer)
        budget.spend(count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class BudgetSocket:
    """What ``smtplib`` needs of a socket, under the budget of the attempt in hand."""

    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self.sock = sock
        self.budget = budget

    def sendall(self, octets: bytes) -> None:
        # SSLSocket.sendall grants every record the whole timeout anew: send piece by piece.
        view = memoryview(octets)
        while view:
            self.sock.settimeout(self.budget.remaining())
            view = view[self.sock.send(view) :]

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        return io.BufferedReader(BudgetReader(self.sock, lambda: self.budget))

    def close(self) -> None:
        self.sock.close()


def resolve(host: str, port: int, budget: Budget) -> list[tuple[Any, ...]]:
    """Addresses of a host, within the budget.

    Returns what ``socket.getaddrinfo`` does.  Raises ``socket.gaierror`` or
    ``DeadlineExceeded``.  The system's resolver knows no timeout and cannot be
    interrupted, so it runs in a thread that is left behind when it hangs.
    """
    try:
        ipaddress.ip_address(host)
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except ValueError:
        pass  # a name
    answer: queue.SimpleQueue[list[tuple[Any, ...]] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except UnicodeError:
            answer.put(socket.gaierror(socket.EAI_NONAME, "name not known"))
        except OSError as error:
            answer.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=budget.remaining())
    except queue.Empty:
        raise DeadlineExceeded("deadline exceeded") from None
    if isinstance(found, OSError):
        raise found
    return found


def connect(host: str, port: int, budget: Budget, route: Route) -> socket.socket:
    """A TCP connection to the first allowed address that answers, within the budget.

    The time left is shared among the addresses, so that one that swallows
    packets (often IPv6) does not use up the others' time.  Raises ``OSError``,
    ``ForbiddenAddress`` if the route allows none.
    """
    addresses = route.chosen(host, resolve(host, port, budget))
    trouble: OSError = socket.gaierror(socket.EAI_NONAME, "name not known")
    for tried, (family, kind, protocol, _name, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(budget.remaining() / (len(addresses) - tried))
            sock.connect(address)
            # Small commands, each waited for: without this a long text waits 40 ms for an acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            trouble = error
    raise trouble


class _Wrapped(ssl.SSLSocket):
    """Closed and refused, if the connection was reset before it could be wrapped.

    ``ssl`` would wrap it without a handshake, or fail and leave it open for the
    collector; the first thing it asks is who the peer is.
    """

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None


def secured(sock: socket.socket, context: ssl.SSLContext, host: str, budget: Budget) -> ssl.SSLSocket:
    """TLS over a connection; the handshake as a whole ends within the budget.

    Closes ``sock`` and raises ``OSError`` (``ssl.SSLError`` is one) on failure.
    """
    try:
        sock.settimeout(budget.remaining())
        context.sslsocket_class = _Wrapped
        wrapped = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except OSError:
        sock.close()
        raise
    try:
        wrapped.do_handshake()
    except OSError:
        wrapped.close()
        raise
    return wrapped
