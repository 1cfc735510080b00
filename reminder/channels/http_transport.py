"""What ``requests`` does beneath the client: its connections, under our rules.

The only module that imports ``requests``, and imported only once something is
to be sent: a daemon that rehearses does without its 6 MB.
"""

from __future__ import annotations

import base64
import http.client
import http.cookiejar
import io
import logging
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from reminder.channels.deadline import Budget, BudgetReader, connect, monotonic
from reminder.channels.route import ForbiddenAddress, Peer, Route

_IDLE_SECONDS = 10.0
"""A POST may not be repeated, so a kept connection that the server may be closing is no gain."""

# The pool logs the URL of each request (at DEBUG) and of each odd reply (at WARNING): our URLs are
# secrets, and what it has to say comes back as an HttpError anyway.
logging.getLogger("urllib3.connectionpool").addFilter(lambda _record: False)


class Attempt:
    """What the connection under a request notes for the client above it."""

    def __init__(self, budget: Budget, route: Route) -> None:
        self.budget = budget
        self.route = route
        self.sent = False
        self.reason = ""
        self.words = ""
        self.peer: Peer | None = None

    def note(self, reason: str, words: str = "") -> None:
        """The first cause counts; what follows from it does not."""
        if not self.reason:
            self.reason, self.words = reason, words


class _Current(threading.local):
    attempt: Attempt


current = _Current()
"""The attempt that this thread makes."""


class _Response(http.client.HTTPResponse):
    """A reply that is read under the budget, from the status line on."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        budget = current.attempt.budget
        plain, self.fp = self.fp, io.BufferedReader(BudgetReader(sock, lambda: budget))
        plain.close()


class _Noted:
    """Mixed into both kinds of connection."""

    # The library prints the request line, key and all, when this is set for every connection.
    debuglevel = 0
    response_class: Any = _Response
    host: str
    port: int
    sock: Any
    used = 0.0

    def _new_conn(self) -> socket.socket:
        # Through a proxy this is the proxy's host and port; the service's name is the proxy's to resolve.
        attempt = current.attempt
        try:
            return connect(self.host, self.port, attempt.budget, attempt.route)
        except ForbiddenAddress as error:
            attempt.note("forbidden", str(error))
            raise
        except socket.gaierror:
            attempt.note("dns")
            raise
        except TimeoutError:
            attempt.note("timeout")
            raise
        except OSError:
            attempt.note("connect")
            raise

    @property
    def is_connected(self) -> bool:
        fresh = monotonic() - self.used < _IDLE_SECONDS
        return fresh and bool(super().is_connected)  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)  # type: ignore[misc]
        current.attempt.sent = True
        with suppress(OSError, AttributeError):
            current.attempt.peer = Peer.of(self.sock)

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
        except ssl.SSLError as error:
            words = str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or "")
            current.attempt.note("tls", words)
            raise

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            # The library's text ends with the proxy's own status: "407 Proxy Authentication Required".
            said = str(error).rpartition("failed: ")[2] if isinstance(error, OSError) else ""
            current.attempt.note("proxy", said)
            raise


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _PlainPool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """Transport of a session: our connections, our TLS context."""

    def __init__(self, context: ssl.SSLContext | None, route: Route) -> None:
        self._context = context
        self._login = route.proxy_login
        super().__init__(pool_connections=4, pool_maxsize=4, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:  # noqa: ARG002
        if self._login is None:
            return {}
        login = base64.b64encode(self._login.encode("utf-8")).decode("ascii")
        return {"Proxy-Authorization": f"Basic {login}"}  # RFC 7617 §2


def session_of(context: ssl.SSLContext | None, route: Route) -> requests.Session:
    """A session without memory that takes nothing out of the environment."""
    session = requests.Session()
    # No proxy, no .netrc and no certificate bundle out of the environment.
    session.trust_env = False
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    if route.proxy is not None:
        session.proxies = {"https": route.proxy}
    adapter = _Adapter(context, route)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
