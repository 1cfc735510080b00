"""Bounds around the interface: small bodies that come in time, and few requests that read the ledger at once.

A body is read whole before its request is let in, and an answer is whole before
it is sent: a slow program holds up nobody.
"""

from __future__ import annotations

import asyncio

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reminder.web.api.problems import problem

MOST_OCTETS = 16 * 1024
BODY_SECONDS = 10.0
AT_ONCE = 4


class TooLarge(Exception):
    """The body is larger than anything the interface takes."""


class Gone(Exception):
    """Whoever asked has gone before all of the body was here."""


class Bounded:
    """An application behind these bounds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limiter = anyio.CapacityLimiter(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(receive)
        except TooLarge:
            await problem(413, f"内容超过 {MOST_OCTETS // 1024} KB，没有接受")(scope, receive, send)
            return
        except TimeoutError:
            await problem(408, "内容迟迟没有传完，没有接受；请重试")(scope, receive, send)
            return
        except Gone:
            return
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        given = False

        async def give() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            async with self._limiter:
                await self._app(scope, give, keep)
        finally:
            for message in answer:
                await send(message)


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MOST_OCTETS:
            raise TooLarge
        if not message.get("more_body", False):
            return body
