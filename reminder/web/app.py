"""The page over HTTP: one address, GET shows, POST records, everything else is refused.

No scripts, no cookies, nothing from elsewhere; nothing is kept in a browser.
Links are opened by mail scanners and previews: only a submitted form changes
anything, and only a submitted form is shown what is private.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reminder.clock import Clock
from reminder.errors import ReminderError
from reminder.recording.recorder import Refused
from reminder.sweep.approving import ApprovalRefused
from reminder.web.api.app import ROOT, add_api
from reminder.web.api.problems import no_such_address
from reminder.web.approvals import ApprovalDesk
from reminder.web.console.app import add_console
from reminder.web.console.site import Site
from reminder.web.desk import ACTIONS, Desk, Visit
from reminder.web.forms import MAX_BODY, BadForm, Form, read_form
from reminder.web.pages import STYLE_HASH, approval_page, duties_page, message_page

log = logging.getLogger(__name__)

T = TypeVar("T")

WORDS = {"approve": True, "return": False}
"""What an approver may say, by the word of the form."""
THREADS = 4
"""That read and write the ledger at once; whoever comes later waits for a moment."""
BODY_SECONDS = 10.0
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow, noarchive",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "geolocation=(), camera=(), microphone=()",
}
"""On every answer, errors included."""

_SHUT = (
    "链接无效或已过期",
    "请打开最近一次提醒中的链接；复制链接时，请复制完整。",
    "仍打不开的，请与下面的联系人联系，也可以直接告知办结情况。",
)
_NO_PAGE = (
    "没有这一页",
    "地址不对，或者所指的内容已经没有了。",
    "管理台请从首页重新进入；从提醒中的链接进入的，请打开最近一次提醒，并把链接复制完整。",
)
_TROUBLE = ("暂时不能登记", "系统正在维护，您刚才的登记没有保存。请过几分钟再试，或直接告知下面的联系人。")
_BAD_FORM = ("没有登记", "收到的内容不完整。请返回上一页，重新填写后再提交。")


def create_app(desk: Desk, clock: Clock, prefix: str = "", console: Site | None = None) -> ASGIApp:
    """The recipients' page, and the console beside it, as one application.

    ``prefix`` is the path of the public URL: a reverse proxy may take it off,
    or leave it on.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    page = _Page(desk, clock, prefix, console=console is not None)
    for path in dict.fromkeys(("", prefix)):
        app.add_api_route(f"{path}/d/{{token}}", page.show, methods=["GET", "HEAD"])
        app.add_api_route(f"{path}/d/{{token}}", page.record, methods=["POST"])
        app.add_api_route(f"{path}/a/{{token}}", page.read, methods=["GET", "HEAD"])
        app.add_api_route(f"{path}/a/{{token}}", page.say, methods=["POST"])
    app.add_api_route("/robots.txt", _robots, methods=["GET", "HEAD"])
    if console is not None:
        add_console(app, console, prefix)
        add_api(app, console, prefix)
    app.add_exception_handler(HTTPException, page.refused)
    app.add_exception_handler(ReminderError, page.in_trouble)
    app.add_exception_handler(Exception, page.in_trouble)
    return Guarded(app)


class _Page:
    """The handlers, which share the desk and a bound on how many read the ledger at once."""

    def __init__(self, desk: Desk, clock: Clock, prefix: str, *, console: bool) -> None:
        self._desk = desk
        links = ("/d/", "/a/") if console else ("/",)
        self._links = (*links, *(prefix + each for each in links))
        """What addresses begin with that only messages lead to."""
        self._approvals = ApprovalDesk(desk)
        self._clock = clock
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def show(self, token: str) -> Response:
        """What the link opens; changes nothing."""
        return await self._aside(partial(self._shown, token))

    async def record(self, token: str, request: Request) -> Response:
        """Record one thing, and lead back to the page by GET."""
        body = await _body(request)
        return await self._aside(
            partial(self._recorded, token, request.headers.get("content-type", ""), body)
        )

    async def read(self, token: str) -> Response:
        """The text that an approver is asked about; changes nothing."""
        return await self._aside(partial(self._text, token))

    async def say(self, token: str, request: Request) -> Response:
        """Record an approver's word, and lead back to the page by GET."""
        body = await _body(request)
        return await self._aside(partial(self._spoken, token, request.headers.get("content-type", ""), body))

    async def refused(self, request: Request, error: Exception) -> Response:
        """An address that is none, a method that is none, a form that is too long."""
        assert isinstance(error, HTTPException)
        if f"{ROOT}/" in request.url.path:  # with a line break in it, an address is not even the interface's
            return no_such_address(error.status_code)
        shut = _SHUT if request.url.path.startswith(self._links) else _NO_PAGE
        words = shut if error.status_code == 404 else _BAD_FORM
        return await self._aside(partial(self._message, words, error.status_code))

    async def in_trouble(self, _request: Request, error: Exception) -> Response:
        """The ledger or the key file cannot be read or written at this moment."""
        log.error(
            "page in trouble",
            extra={"error": str(error) if isinstance(error, ReminderError) else type(error).__name__},
        )
        return await self._aside(
            partial(self._message, _TROUBLE, 503 if isinstance(error, ReminderError) else 500)
        )

    async def _aside(self, work: Callable[[], Response]) -> Response:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def _shown(self, token: str) -> Response:
        visit = self._desk.open(token, self._clock.now())
        return HTMLResponse(duties_page(visit)) if visit is not None else self._message(_SHUT, 404)

    def _recorded(self, token: str, content_type: str, body: bytes) -> Response:
        visit = self._desk.open(token, self._clock.now())
        if visit is None:
            return self._message(_SHUT, 404)
        try:
            form = read_form(content_type, body)
        except BadForm:
            return self._message(_BAD_FORM, 400)
        if form.action == "show":
            return HTMLResponse(duties_page(visit, unfolded=True))
        private = visit.is_private(form.occurrence)
        try:
            self._carry_out(visit, form)
        except Refused as error:
            return HTMLResponse(duties_page(visit, form, str(error), unfolded=private), 422)
        if private:
            # Where a GET would lead shows nothing private: the answer itself says what was recorded.
            again = self._desk.open(token, visit.now)
            return HTMLResponse(duties_page(again or visit, unfolded=True))
        # Relative to the address that was asked for: whatever prefix a proxy has put before it.
        return RedirectResponse(token, 303)

    def _text(self, token: str) -> Response:
        reading = self._approvals.open(token, self._clock.now())
        return HTMLResponse(approval_page(reading)) if reading is not None else self._message(_SHUT, 404)

    def _spoken(self, token: str, content_type: str, body: bytes) -> Response:
        reading = self._approvals.open(token, self._clock.now())
        if reading is None:
            return self._message(_SHUT, 404)
        try:
            form = read_form(content_type, body)
            if form.action not in WORDS:
                raise BadForm
        except BadForm:
            return self._message(_BAD_FORM, 400)
        try:
            self._approvals.say(reading, form.note, granted=WORDS[form.action])
        except ApprovalRefused as error:
            return HTMLResponse(approval_page(reading, form.note, str(error)), 422)
        return RedirectResponse(token, 303)

    def _carry_out(self, visit: Visit, form: Form) -> None:
        if form.action == "snooze":
            self._desk.snooze(visit, form.occurrence, form.day())
        elif form.action in ACTIONS:
            self._desk.record(visit, form.occurrence, form.cell, ACTIONS[form.action], form.day(), form.note)
        else:
            raise Refused("请用页面上的按钮登记；没有登记")

    def _message(self, words: tuple[str, ...], status: int) -> Response:
        return HTMLResponse(message_page(self._desk.edition, *words), status)


def _robots() -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


async def _body(request: Request) -> bytes:
    """The body, at most ``MAX_BODY`` octets, within ``BODY_SECONDS``."""
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    except ClientDisconnect:
        raise HTTPException(400) from None
    return body


class Guarded:
    """Puts :data:`HEADERS` on every answer, those of the framework's own errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in own
                    ),
                ]
            await send(message)

        await self._app(scope, receive, guarded)
