"""The pages of many offices on one address: whose they are is told by the host that was asked for.

Each office is an application of its own, with its own ledger view, users and
links, made when it is first asked for; the few asked for last are kept.  A host
that is nobody's gets a plain answer that names no office.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import anyio.to_thread
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from reminder.web.app import Guarded

KEPT = 16
"""Applications kept: each has a hundred addresses, made in a tenth of a second."""
NOBODY = "没有这个网址。请核对地址，或从收到的消息中的链接进入。\n"

Found = tuple[str, Callable[[], ASGIApp]]
"""An office's name, and how its application is made."""


class Hosts:
    """``find`` says whose a host is (in small letters, without port); None for nobody's."""

    def __init__(self, find: Callable[[str], Found | None]) -> None:
        self._find = find
        self._made: OrderedDict[str, ASGIApp] = OrderedDict()
        self._lock = threading.Lock()
        self._nobody = Guarded(PlainTextResponse(NOBODY, 404))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(_host(scope))
        if found is None:
            await self._nobody(scope, receive, send)
            return
        name, make = found
        app = await anyio.to_thread.run_sync(self._of, name, make)
        await app(scope, receive, send)

    def _of(self, name: str, make: Callable[[], ASGIApp]) -> ASGIApp:
        with self._lock:
            app = self._made.get(name) or make()
            self._made[name] = app
            self._made.move_to_end(name)
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
            return app


def _host(scope: Scope) -> str:
    """The host that was asked for; empty where it was not said once and plainly."""
    said: list[bytes] = [value for name, value in scope["headers"] if name == b"host"]
    if len(said) != 1:
        return ""
    host = said[0].decode("ascii", "replace").lower()
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[")
    return host.partition(":")[0].removesuffix(".")
