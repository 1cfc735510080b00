"""One HTTP request: no redirects, a total deadline, a capped reply, a URL that stays secret.

``requests`` alone follows redirects to anywhere, waits for a dripping server
without end, reads whatever is sent, and puts the whole URL (which holds a
webhook's key) into every error's text.  Here connections and replies stand
under the :class:`~reminder.channels.deadline.Budget` of the attempt, go only
where the :class:`~reminder.channels.route.Route` allows, and only
:class:`HttpError` leaves, which knows no URL.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reminder.channels.deadline import Budget
from reminder.channels.route import Peer, Route
from reminder.channels.words import Scrubber

if TYPE_CHECKING:
    import requests

    from reminder.channels.http_transport import Attempt


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. ``retry_after``: seconds, if the server gave a number."""

    status: int
    body: bytes
    retry_after: float | None = None


class HttpError(Exception):
    """No whole reply came.

    ``reason`` is ``timeout``, ``dns``, ``forbidden`` (an address or a host that
    the route does not allow), ``connect``, ``proxy``, ``tls``, ``connection``
    or ``too-long``; ``sent`` says whether every octet of the request was handed
    to the network, so that the server may have acted on it.  ``words`` say more
    of ``forbidden``, ``proxy`` and ``tls``, and never hold the URL.
    """

    def __init__(self, reason: str, *, sent: bool, words: str = "") -> None:
        super().__init__(reason)
        self.reason, self.sent, self.words = reason, sent, words


class HttpClient:
    """Sends requests one by one; safe to use from several threads."""

    def __init__(self, *, context: ssl.SSLContext | None = None, route: Route | None = None) -> None:
        """``context`` is trusted besides the bundled authorities.

        ``route`` is where connections may go; default: the public net, and this
        machine when the URL names it.
        """
        self._context = context
        self._route = route or Route()
        login = self._route.proxy_login
        self._scrub = Scrubber([login, login.partition(":")[2]] if login else [])
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self.peer: Peer | None = None
        """Whom the last request reached; the proxy, if there is one."""

    def post(self, url: str, body: bytes, *, content_type: str, seconds: float) -> Reply:
        """POST ``body``; the whole exchange ends within ``seconds``.  Raises :class:`HttpError`."""
        return self._exchange("POST", url, body, {"Content-Type": content_type}, seconds)

    def get(self, url: str, *, seconds: float) -> Reply:
        """GET; the whole exchange ends within ``seconds``.  Raises :class:`HttpError`."""
        return self._exchange("GET", url, None, {}, seconds)

    def close(self) -> None:
        """Drop kept connections; the client may be used again."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self) -> requests.Session:
        with self._lock:
            if self._session is None:
                from reminder.channels.http_transport import session_of

                self._session = session_of(self._context, self._route)
            return self._session

    def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> Reply:
        # Importing takes longer than an attempt may: its clock starts afterwards.
        session = self._open()
        from reminder.channels.http_transport import Attempt, current

        attempt = Attempt(Budget(seconds), self._route)
        current.attempt = attempt
        headers = headers | {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "reminder",
        }
        try:
            self._check_host(url, attempt)
            with session.request(
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
            error = HttpError(_reason(attempt), sent=attempt.sent, words=self._scrub(attempt.words))
        finally:
            self.peer = attempt.peer
        # Outside the handler, so that the new error does not carry the old one as its context.
        raise error

    def _check_host(self, url: str, attempt: Attempt) -> None:
        host = (urlsplit(url).hostname or "").lower()
        if self._route.hosts is not None and host not in self._route.hosts:
            attempt.note("forbidden", f"{host} 不是本通道的主机")
            raise HttpError("forbidden", sent=False)


def _reason(attempt: Attempt) -> str:
    if attempt.budget.expired:
        return "timeout"
    if attempt.budget.exhausted:
        return "too-long"
    return attempt.reason or "connection"


def _seconds(value: str | None) -> float | None:
    """``Retry-After`` as a number of seconds (RFC 9110 §10.2.3); the form of a date is ignored."""
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None
