"""Serve the page from a thread of the daemon's process.

The main thread keeps the signals; uvicorn is stopped by its ``should_exit``.
An address that is taken costs the page and nothing else: it is tried again
while reminders go on.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from reminder.clock import Clock
from reminder.errors import system_reason
from reminder.settings import Listen

log = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0
"""Between two tries to open an address that is taken."""
STOP_SECONDS = 5.0
ANSWER_SECONDS = 3
"""What is being answered when the daemon stops may take this long."""
MOST_CONNECTIONS = 200
IDLE_SECONDS = 5
LONGEST_HEAD = 16 * 1024


class PageServer:
    """One application on one address.  Used by the main thread."""

    def __init__(self, app: ASGIApp, listen: Listen, clock: Clock) -> None:
        self._app = app
        self._listen = listen
        self._clock = clock
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._tried = float("-inf")
        self.address = str(listen)
        """Where it is served; with port 0 the port that was found."""
        self.problem = ""
        """Why it is not served, in Chinese; empty while it is."""

    def tend(self) -> None:
        """Serve, if nobody does: at the start, after an address was taken, after the thread died."""
        if self._thread is not None and self._thread.is_alive():
            return
        now = self._clock.monotonic()
        if now - self._tried < AGAIN_SECONDS:
            return
        self._tried = now
        try:
            sock = _bound(self._listen)
        except OSError as error:
            self._fail(_reason(self._listen, error))
            return
        self.address = str(Listen(self._listen.host, sock.getsockname()[1]))
        self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(
            target=self._serve, args=(self._server, sock), name="page", daemon=True
        )
        self._thread.start()
        self.problem = ""
        log.info("page served", extra={"address": self.address})

    def stop(self) -> None:
        """Finish what is being answered, for a few seconds, and serve no more."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=STOP_SECONDS)

    def _serve(self, server: uvicorn.Server, sock: socket.socket) -> None:
        with sock:
            try:
                server.run(sockets=[sock])
            except Exception:
                log.exception("page broke off")
        if not server.should_exit:
            self._fail("网页意外停止，稍后自动重新打开；消息照常发送")

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            log.error("page not served", extra={"problem": problem})
        self.problem = problem

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,  # it would write down every token
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=ANSWER_SECONDS,
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )


def _bound(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    return socket.create_server((listen.host, listen.port), family=family, backlog=MOST_CONNECTIONS)


def _reason(listen: Listen, error: OSError) -> str:
    why = {
        errno.EADDRINUSE: "已被其他程序占用",
        errno.EADDRNOTAVAIL: "不是本机的地址",
        errno.EACCES: "没有权限（1024 以下的端口需要授权）",
    }.get(error.errno or 0) or system_reason(error)
    return f"网页没有打开：{listen} {why}；请用 REMINDER_LISTEN 换一个地址。消息照常发送"
