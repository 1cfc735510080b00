"""The console over HTTP: who is asking, may they, did the form come from our page, then the page.

Cookies carry a session's token and nothing else; every form carries a token
made from it.  What a page shows is never kept by a browser.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from reminder.access.login import Door, Entered, LoginRefused
from reminder.editing.errors import EditRefused
from reminder.errors import ReminderError
from reminder.recording.recorder import Refused
from reminder.views.look import Look
from reminder.web.console.ask import Ask, Method, Route, frame, root_of
from reminder.web.console.forms import Arrived, read_arrived
from reminder.web.console.render import STATIC, VERSION, render
from reminder.web.console.rooms import ROUTES
from reminder.web.console.said import SAID
from reminder.web.console.site import SESSION, Site
from reminder.web.peer import Peer, peer_of

log = logging.getLogger(__name__)

R = TypeVar("R", bound="Ask | Response")

DOORMAT, DEVICE = "reminder_door", "reminder_device"
"""Cookies beside the session's: to whom the login form was given; and who has come in here before."""
DEVICE_SECONDS = 180 * 24 * 3600
OWN_PASSWORD = "/settings/password"  # noqa: S105 - an address
"""Where whoever came in with a password of somebody else's making is led first."""
DOOR_FORM = 4096
"""Octets of the forms at the door."""
THREADS = 4
"""Pages made at once; whoever comes later waits for a moment."""
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def add_console(app: FastAPI, site: Site, prefix: str = "") -> None:
    """Put the console's addresses into an application, with the proxy's prefix and without."""
    console = _Console(site, prefix)
    for path in dict.fromkeys(("", prefix)):
        app.add_api_route(f"{path}/static/{{version}}/{{name}}", _static, methods=["GET", "HEAD"])
        app.add_api_route(f"{path}/login", console.door, methods=["GET", "HEAD"])
        app.add_api_route(f"{path}/login", console.enter, methods=["POST"])
        app.add_api_route(f"{path}/logout", console.leave, methods=["POST"])
        for route in ROUTES:
            methods = ["GET", "HEAD"] if route.method is Method.GET else ["POST"]
            app.add_api_route(f"{path}{route.path}", console.handler(route), methods=methods)
    if prefix:
        # Without the slash every relative address of the page would lead astray.
        slash = prefix.rpartition("/")[2] + "/"
        app.add_api_route(prefix, partial(_to_slash, slash), methods=["GET", "HEAD"])


class _Console:
    """The handlers, which share the site and a bound on how many read the ledger at once."""

    def __init__(self, site: Site, prefix: str) -> None:
        self._site = site
        self._prefix = prefix
        self._limiter = anyio.CapacityLimiter(THREADS)
        # One after the other: whoever guesses passwords slows down logins, and nobody who is in.
        self._doorkeeper = anyio.CapacityLimiter(1)

    def handler(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """What answers a route."""

        async def answer(request: Request) -> Response:
            arrived = Arrived()
            if route.method is Method.POST:
                # Of whoever may not, nothing is taken in.
                met = await self._aside(partial(self._met, route, request))
                if isinstance(met, Response):
                    return met
                try:
                    arrived = await read_arrived(request, route.largest)
                except HTTPException as error:
                    return await self._aside(partial(_not_done, met, error.status_code, str(error.detail)))
            return await self._aside(partial(self._answer, route, request, arrived))

        return answer

    async def door(self, request: Request) -> Response:
        """The login page."""
        return await self._aside(partial(self._door, request))

    async def enter(self, request: Request) -> Response:
        """A name and a password."""
        return await self._with_form(request, self._enter, self._doorkeeper)

    async def leave(self, request: Request) -> Response:
        """End the session."""
        return await self._with_form(request, self._leave, self._limiter)

    async def _with_form(
        self, request: Request, work: Callable[[Request, Arrived], Response], limiter: anyio.CapacityLimiter
    ) -> Response:
        """Work on a small form of somebody who need not be in."""
        try:
            arrived = await read_arrived(request, DOOR_FORM)
        except HTTPException as error:
            return await self._aside(partial(self._door, request, str(error.detail), "", error.status_code))
        return await self._aside(partial(work, request, arrived), limiter)

    async def _aside(self, work: Callable[[], R], limiter: anyio.CapacityLimiter | None = None) -> R:
        """Work in a thread; what it answers is guarded."""
        made = await anyio.to_thread.run_sync(work, limiter=limiter or self._limiter)
        if isinstance(made, Response):
            made.headers.setdefault("content-security-policy", POLICY)  # a mail's frame has one of its own
            made.headers["x-frame-options"] = "SAMEORIGIN"  # the preview of a mail stands in a frame
        return made

    def _peer(self, request: Request) -> Peer:
        return peer_of(request, self._site.settings.proxy or ())

    def _path(self, request: Request) -> str:
        """The address below the console's root."""
        path = request.url.path
        if self._prefix and (path == self._prefix or path.startswith(self._prefix + "/")):
            path = path[len(self._prefix) :]
        return path or "/"

    def _met(self, route: Route, request: Request) -> Ask | Response:
        """Who asks, if they are in and may; else what they are told."""
        path, now = self._path(request), self._site.clock.now()
        edition = self._site.edition()
        entered = self._site.door(edition).who(request.cookies.get(SESSION, ""), now)
        if entered is None:
            return RedirectResponse(root_of(path) + "login", 303)
        if entered.initial and route.path != OWN_PASSWORD:
            return RedirectResponse(root_of(path) + OWN_PASSWORD.removeprefix("/"), 303)
        look = Look(entered.user, edition, self._site.ledger(), now)
        ask = Ask(self._site, look, entered, path, request.path_params, dict(request.query_params))
        if not entered.user.may(route.right):
            return _message(ask, 403, "没有权限", "您的账户不能使用这一页；如确需使用，请联系管理员。")
        return ask

    def _answer(self, route: Route, request: Request, arrived: Arrived) -> Response:
        met = self._met(route, request)
        if isinstance(met, Response):
            return met
        if route.method is Method.POST and not _same(arrived.fields.get("csrf", ""), met.entered.csrf):
            stale = "这一页已经过期，或者不是从本系统的页面提交的。请返回上一页，刷新后再试。"
            return _not_done(met, 403, stale)
        ask = replace(met, form=arrived.fields, many=arrived.many, files=arrived.files)
        try:
            return route.handler(ask)
        except HTTPException as error:
            if error.status_code == 404:
                return _message(ask, 404, *_NOT_FOUND)
            return _not_done(ask, error.status_code, str(error.detail))
        except (Refused, EditRefused) as error:
            return _not_done(ask, 422, str(error))
        except ReminderError as error:
            log.error("console in trouble", extra={"path": route.path, "error": str(error)})
            return _message(ask, 503, "暂时不能完成", str(error))

    def _door(self, request: Request, refused: str = "", user: str = "", status: int = 200) -> Response:
        path, edition = self._path(request), self._site.edition()
        token = request.cookies.get(SESSION, "")
        if not refused and self._site.door(edition).who(token, self._site.clock.now()):
            return RedirectResponse(root_of(path), 303)
        mat = request.cookies.get(DOORMAT) or secrets.token_urlsafe(16)
        response = HTMLResponse(
            render(
                "login",
                {
                    "root": root_of(path),
                    "csrf": _of_mat(mat),
                    "refused": refused,
                    "user": user,
                    "said": _said_at_the_door(request.query_params.get("said", "")),
                    "plan_title": edition.plan.head.title,
                    "office": edition.plan.head.office,
                    "anybody": bool(self._site.ledger().accounts.every(edition.plan.id)),
                },
            ),
            status,
        )
        _set_cookie(response, DOORMAT, mat, self._peer(request))
        return response

    def _enter(self, request: Request, arrived: Arrived) -> Response:
        mat = request.cookies.get(DOORMAT, "")
        if not mat or not _same(arrived.fields.get("csrf", ""), _of_mat(mat)):
            return self._door(request, "登录页已经过期，请重新登录（浏览器须允许本站的 Cookie）", status=403)
        user, peer = arrived.fields.get("user", "").strip(), self._peer(request)
        door = self._site.door(self._site.edition())
        try:
            entered = door.enter(
                user,
                arrived.fields.get("password", ""),
                peer.address,
                self._site.clock.now(),
                request.cookies.get(DEVICE, ""),
            )
        except LoginRefused as error:
            return self._door(request, str(error), user, 429 if error.locked else 403)
        _forget(door, request.cookies.get(SESSION, ""), self._site)
        response = RedirectResponse(root_of(self._path(request)) + "?said=in", 303)
        _set_cookie(response, SESSION, entered.token, peer)
        _set_cookie(response, DEVICE, entered.device, peer, DEVICE_SECONDS)
        response.delete_cookie(DOORMAT)
        return response

    def _leave(self, request: Request, arrived: Arrived) -> Response:
        door, token = self._site.door(self._site.edition()), request.cookies.get(SESSION, "")
        entered: Entered | None = door.who(token, self._site.clock.now())
        if entered is not None and not _same(arrived.fields.get("csrf", ""), entered.csrf):
            return RedirectResponse(root_of(self._path(request)), 303)
        door.leave(token, self._site.clock.now())
        response = RedirectResponse(root_of(self._path(request)) + "login?said=out", 303)
        response.delete_cookie(SESSION)
        return response


def _said_at_the_door(word: str) -> str:
    return SAID[word] if word in ("out", "password-set") else ""


_NOT_FOUND = ("没有这一页", "地址不对，或者所指的内容已经没有了。请从上面的栏目重新进入。")


def _message(ask: Ask, status: int, title: str, text: str) -> HTMLResponse:
    return HTMLResponse(render("message", frame(ask) | {"title": title, "text": text}), status)


def _not_done(ask: Ask, status: int, text: str) -> HTMLResponse:
    return _message(ask, status, "没有执行", text)


def _forget(door: Door, token: str, site: Site) -> None:
    """What the browser was before it logged in is worth nothing after."""
    if token:
        door.leave(token, site.clock.now())


def _same(given: str, meant: str) -> bool:
    return hmac.compare_digest(given.encode(), meant.encode())


def _of_mat(mat: str) -> str:
    return hmac.new(mat.encode(), b"login", hashlib.sha256).hexdigest()


def _set_cookie(response: Response, name: str, value: str, peer: Peer, seconds: int | None = None) -> None:
    # Strict would log everybody out who follows a link from a message.
    response.set_cookie(name, value, seconds, path="/", httponly=True, samesite="lax", secure=peer.secure)


def _static(version: str, name: str) -> Response:
    content = STATIC.get(name)
    if content is None or version != VERSION:
        raise HTTPException(404)
    return Response(
        content,
        media_type=TYPES["." + name.rpartition(".")[2]],
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )


def _to_slash(slash: str) -> Response:
    return RedirectResponse(slash, 307)
