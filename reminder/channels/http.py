"""One HTTP request: no redirects, a total deadline, a capped reply, a URL that stays secret.

``requests`` alone follows redirects to anywhere, waits for a dripping server
without end, reads whatever is sent, and puts the whole URL (which holds a
webhook's key) into every error's text.  Here connections and replies stand
under the :class:`~reminder.channels.deadline.Budget` of the attempt, and only
:class:`HttpError` leaves, which knows no URL.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import io
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from reminder.channels.deadline import Budget, BudgetReader, connect, monotonic

_IDLE_SECONDS = 10.0
"""A POST may not be repeated, so a kept connection that the server may be closing is no gain."""

# The pool logs the URL of each request (at DEBUG) and of each odd reply (at WARNING): our URLs are
# secrets, and what it has to say comes back as an HttpError anyway.
logging.getLogger("urllib3.connectionpool").addFilter(lambda _record: False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. ``retry_after``: seconds, if the server gave a number."""

    status: int
    body: bytes
    retry_after: float | None = None


class HttpError(Exception):
    """No whole reply came.

    ``reason`` is ``timeout``, ``dns``, ``connect``, ``tls``, ``connection`` or
    ``too-long``; ``sent`` says whether every octet of the request was handed to
    the network, so that the server may have acted on it.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason, self.sent = reason, sent


class _Attempt:
    """What the connection under a request notes for the client above it."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.sent = False
        self.reason = ""


class _Current(threading.local):
    attempt: _Attempt


_current = _Current()


class _Response(http.client.HTTPResponse):
    """A reply that is read under the budget, from the status line on."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        budget = _current.attempt.budget
        plain, self.fp = self.fp, io.BufferedReader(BudgetReader(sock, lambda: budget))
        plain.close()


class _Noted:
    """Mixed into both kinds of connection."""

    response_class: Any = _Response
    host: str
    port: int
    used = 0.0

    def _new_conn(self) -> socket.socket:
        attempt = _current.attempt
        try:
            return connect(self.host, self.port, attempt.budget)
        except socket.gaierror:
            attempt.reason = "dns"
            raise
        except TimeoutError:
            attempt.reason = "timeout"
            raise
        except OSError:
            attempt.reason = "connect"
            raise

    @property
    def is_connected(self) -> bool:
        fresh = monotonic() - self.used < _IDLE_SECONDS
        return fresh and bool(super().is_connected)  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)  # type: ignore[misc]
        _current.attempt.sent = True

    def getresponse(self) -> Any:
        self.used = monotonic()
        return super().getresponse()  # type: ignore[misc]


class _PlainConnection(_Noted, HTTPConnection):
    pass


class _SecureConnection(_Noted, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise  # hung up during the handshake: nothing is set up wrongly
        except ssl.SSLError:
            _current.attempt.reason = "tls"
            raise


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    """Transport of a session: our connections, our TLS context."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=4, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


class HttpClient:
    """Sends requests one by one; safe to use from several threads."""

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """``context`` is trusted besides the bundled authorities."""
        self._session = requests.Session()
        # No proxy, no .netrc and no certificate bundle out of the environment.
        self._session.trust_env = False
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        adapter = _Adapter(context)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def post(self, url: str, body: bytes, *, content_type: str, seconds: float) -> Reply:
        """POST ``body``; the whole exchange ends within ``seconds``.  Raises :class:`HttpError`."""
        return self._exchange("POST", url, body, {"Content-Type": content_type}, seconds)

    def get(self, url: str, *, seconds: float) -> Reply:
        """GET; the whole exchange ends within ``seconds``.  Raises :class:`HttpError`."""
        return self._exchange("GET", url, None, {}, seconds)

    def close(self) -> None:
        """Drop kept connections; the client may be used again."""
        self._session.close()

    def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> Reply:
        attempt = _Attempt(Budget(seconds))
        _current.attempt = attempt
        headers = headers | {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "reminder",
        }
        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=seconds,
                allow_redirects=False,
                stream=True,
                verify=True,
            ) as response:
                # Undecoded: a compressed bomb stays small, and is then no JSON.
                content: bytes = response.raw.read(decode_content=False)
                return Reply(response.status_code, content, _seconds(response.headers.get("Retry-After")))
        except Exception:  # whatever it is, its text and its frames may hold the URL
            error = HttpError(self._reason(attempt), sent=attempt.sent)
        # Outside the handler, so that the new error does not carry the old one as its context.
        raise error

    @staticmethod
    def _reason(attempt: _Attempt) -> str:
        if attempt.budget.expired:
            return "timeout"
        if attempt.budget.exhausted:
            return "too-long"
        return attempt.reason or "connection"


def _seconds(value: str | None) -> float | None:
    """``Retry-After`` as a number of seconds (RFC 9110 §10.2.3); the form of a date is ignored."""
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None
