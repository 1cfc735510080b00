"""WeCom on loopback, with its limits and its moods: robots' webhooks, and apps if asked for.

Counts bytes, keeps a sliding window of 20 posts a minute for each key with a
block of 60 seconds, answers 200 with an ``errcode``.  A post counts as received
(``simulator.posts``) once it was shown in the group, even if the answer is lost.
What an app sends is in ``simulator.desk`` (:mod:`tests.servers.wecom_apps`).
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.servers.certificates import server_context
from tests.servers.wecom_apps import AppDesk

ACTIONS = (
    "errcode", "status", "redirect", "html", "huge", "drip", "drip-head",
    "hang", "drop", "drop-unread", "hang-taken", "drop-taken",
)  # fmt: skip


@dataclass
class Trouble:
    """What goes wrong with the next ``times`` requests (None: all): posts, or with ``on`` tokens.

    ``errcode`` and ``status`` take ``code``; ``redirect`` takes ``location``;
    ``hang`` and ``drop`` come after the request was read and lose the post,
    their ``-taken`` forms show it in the group; ``drop-unread`` closes before
    the body is read.
    """

    do: str
    code: int = 0
    text: str = ""
    location: str = ""
    times: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    on: str = "post"

    def __post_init__(self) -> None:
        if self.do not in ACTIONS:
            raise ValueError(f"no such trouble: {self.do}")


@dataclass(frozen=True)
class Post:
    """What the group sees, and the exact body that brought it."""

    key: str
    msgtype: str
    content: str
    body: bytes
    at: float


class WecomSimulator:
    """The service.  ``keys`` are the robots that exist; ``clock`` gives seconds."""

    host = "127.0.0.1"

    def __init__(
        self,
        *troubles: Trouble,
        keys: tuple[str, ...] = ("robot-key",),
        tls: bool = False,
        per_minute: int = 20,
        block_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        context: ssl.SSLContext | None = None,
        limits: dict[str, int] | None = None,
        apps: dict[int, str] | None = None,
        members: tuple[str, ...] = (),
        corpid: str = "ww0123456789abcdef",
        **desk: Any,
    ) -> None:
        self.keys = keys
        self.per_minute = per_minute
        self.block_seconds = block_seconds
        self.limits = limits or {"text": 2048, "markdown": 4096, "markdown_v2": 4096}
        self.posts: list[Post] = []
        self.desk = AppDesk(corpid, apps or {}, members, clock, **desk)
        self.requests: list[tuple[str, str, bytes]] = []
        """Method, path with query, and body of everything that was asked."""
        self.connections = 0
        self.pause = 0.0
        """Seconds between showing a robot's post in the group and saying so."""
        self._troubles = list(troubles)
        self._clock = clock
        self._context = context or (server_context() if tls else None)
        self._window: dict[str, deque[float]] = defaultdict(deque)
        self._blocked_until: dict[str, float] = {}
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        self._open: set[socket.socket] = set()

    @property
    def base_url(self) -> str:
        return f"{'https' if self._context else 'http'}://{self.host}:{self.port}"

    def misbehave(self, do: str, **details: Any) -> None:
        """From now on; the first trouble set is met first."""
        with self._lock:
            self._troubles.append(Trouble(do, **details))

    def behave(self) -> None:
        """No more trouble."""
        with self._lock:
            self._troubles.clear()

    @property
    def busy(self) -> bool:
        """Whether somebody is connected; what a dead client sent before is read to its end first."""
        with self._lock:
            return bool(self._open)

    def __enter__(self) -> Self:
        simulator = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def get_request(self) -> tuple[socket.socket, Any]:
                sock, address = super().get_request()
                with simulator._lock:
                    simulator.connections += 1
                    simulator._open.add(sock)
                return sock, address

            def finish_request(self, request: Any, client_address: Any) -> None:
                # Here and not on the listener: a slow handshake holds up one thread only.
                if simulator._context is None:
                    super().finish_request(request, client_address)
                    return
                with simulator._context.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                ) as wrapped:
                    with simulator._lock:  # wrapping has emptied the plain one
                        simulator._open.discard(request)
                        simulator._open.add(wrapped)
                    try:
                        wrapped.do_handshake()
                        super().finish_request(wrapped, client_address)
                    finally:
                        with simulator._lock:
                            simulator._open.discard(wrapped)

            def shutdown_request(self, request: Any) -> None:
                with simulator._lock:
                    simulator._open.discard(request)
                super().shutdown_request(request)

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # clients that hang up are what the tests are about

        handler = type("Handler", (_Handler,), {"simulator": simulator})
        self._server = Server((self.host, 0), handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        with self._lock:
            still_open = list(self._open)
        for sock in still_open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join(5)

    def next_trouble(self, on: str = "post") -> Trouble | None:
        with self._lock:
            for trouble in self._troubles:
                if trouble.times != 0 and trouble.on == on:
                    if trouble.times is not None:
                        trouble.times -= 1
                    return trouble
        return None

    def answer(self, key: str, body: bytes) -> tuple[int, str]:
        """What the service makes of a post: errcode and errmsg."""
        if key not in self.keys:
            return 93000, "invalid webhook url"
        with self._lock:
            now = self._clock()
            if now < self._blocked_until.get(key, now):
                return 45009, "api freq out of limit"
            window = self._window[key]
            while window and window[0] <= now - 60:
                window.popleft()
            if len(window) >= self.per_minute:
                self._blocked_until[key] = now + self.block_seconds
                return 45009, "api freq out of limit"
            window.append(now)
        try:
            message = json.loads(body.decode("utf-8"))
            msgtype = message["msgtype"]
        except (ValueError, KeyError, TypeError):
            return 40008, "invalid message type"
        if msgtype not in self.limits:
            return 40008, "invalid message type"
        content = message.get(msgtype, {}).get("content", "")
        if not isinstance(content, str) or not content:
            return 44004, "empty content"
        if len(content.encode("utf-8")) > self.limits[msgtype]:
            return 40058, f"{msgtype}.content exceed max length {self.limits[msgtype]}"
        with self._lock:
            self.posts.append(Post(key, msgtype, content, body, now))
        return 0, "ok"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    simulator: WecomSimulator

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.simulator.requests.append(("GET", self.path, b""))
        url = urlsplit(self.path)
        if url.path != "/cgi-bin/gettoken":
            self._send(200, b"<html></html>", "text/html")
        elif (trouble := self.simulator.next_trouble("token")) is not None:
            self._misbehave(trouble)
        else:
            self._answer(self.simulator.desk.gettoken(parse_qs(url.query)))

    def do_POST(self) -> None:
        simulator = self.simulator
        trouble = simulator.next_trouble()
        if trouble is not None and trouble.do == "drop-unread":
            self._reset()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        simulator.requests.append(("POST", self.path, body))
        url = urlsplit(self.path)
        if trouble is not None and not trouble.do.endswith("-taken"):
            self._misbehave(trouble)
            return
        if url.path == "/cgi-bin/message/send":
            answer = simulator.desk.send(parse_qs(url.query), body)
            if trouble is None:
                self._answer(answer)
            else:
                self._misbehave(trouble)
            return
        if url.path != "/cgi-bin/webhook/send":
            self._send(404, b"no such page", "text/plain")
            return
        if not self.headers.get("Content-Type", "").startswith("application/json"):
            errcode, errmsg = 40008, "invalid message type"
        else:
            errcode, errmsg = simulator.answer(parse_qs(url.query).get("key", [""])[0], body)
            if simulator.pause:
                simulator.stopped.wait(simulator.pause)
        if trouble is not None:
            self._misbehave(trouble)
            return
        self._json(errcode, errmsg)

    def _misbehave(self, trouble: Trouble) -> None:
        match trouble.do:
            case "errcode":
                self._json(trouble.code, trouble.text or "error")
            case "status":
                self._send(trouble.code, trouble.text.encode(), "text/plain", trouble.headers)
            case "redirect":
                self._send(302, b"", "text/plain", (("Location", trouble.location),))
            case "html":
                self._send(200, "<html>请登录</html>".encode(), "text/html")
            case "huge":
                self._head(200, 1 << 30)
                with contextlib.suppress(OSError):
                    while not self.simulator.stopped.is_set():
                        self.wfile.write(b"x" * 65536)
            case "drip":
                self._head(200, 1000)
                self._drip(b" ")
            case "drip-head":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                self._drip(b"x")
            case "hang" | "hang-taken":
                self.simulator.stopped.wait(60)
            case "drop" | "drop-taken":
                pass
        if trouble.do not in ("errcode", "status", "redirect", "html"):
            self.close_connection = True

    def _drip(self, octet: bytes) -> None:
        with contextlib.suppress(OSError):
            while not self.simulator.stopped.wait(0.05):
                self.wfile.write(octet)
                self.wfile.flush()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close_connection = True

    def _json(self, errcode: int, errmsg: str) -> None:
        self._answer({"errcode": errcode, "errmsg": errmsg})

    def _answer(self, answer: dict[str, Any]) -> None:
        body = json.dumps(answer, ensure_ascii=False).encode()
        self._send(200, body, "application/json; charset=UTF-8")

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, status: int, body: bytes, kind: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
