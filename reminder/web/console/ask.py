"""One request, as the pages see it: who asks, what for, and how to answer.

A handler is a plain function from :class:`Ask` to a response.  It runs in a
thread; rights and the form's token have been checked before it is called.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, urlencode

from fastapi import Response
from fastapi.responses import HTMLResponse, RedirectResponse

from reminder.access.login import Entered
from reminder.access.rights import Right
from reminder.views.look import Look
from reminder.views.settings import may_see_users
from reminder.web.console.render import render
from reminder.web.console.said import SAID
from reminder.web.console.site import Site


class Method(enum.StrEnum):
    """GET shows, POST changes."""

    GET = "GET"
    POST = "POST"


Handler = Callable[["Ask"], Response]
SMALL_FORM = 64 * 1024
"""Octets of a form unless its route says otherwise."""


@dataclass(frozen=True, slots=True)
class Route:
    """An address of the console.

    ``path`` begins with a slash and may have ``{name}`` parts; ``right`` is what
    its user must have; ``largest`` bounds the body of a POST in octets.
    """

    method: Method
    path: str
    right: Right
    handler: Handler
    largest: int = SMALL_FORM


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Ask:
    """A request of a user who is in and has the right.

    ``path`` is the address below the console's root, ``params`` its named parts,
    ``query`` and ``form`` what came with it (the last of equal names),
    ``many`` every value of the form by name.
    """

    site: Site
    look: Look
    entered: Entered
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    many: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)

    @cached_property
    def root(self) -> str:
        """From this page to the console's root: relative, whatever a proxy puts before or takes off."""
        return root_of(self.path)

    def page(self, template: str, status: int = 200, **context: object) -> HTMLResponse:
        """A page in the console's frame."""
        return HTMLResponse(render(template, frame(self) | context), status)

    def redirect(self, path: str, said: str = "", **query: str) -> RedirectResponse:
        """After a POST: on to a page below the root (no slash at its head), with a word of :data:`SAID`."""
        assert not said or said in SAID, said
        pairs = {key: value for key, value in ({**query, "said": said}).items() if value}
        target = self.root + quote(path, safe="/~") + (f"?{urlencode(pairs)}" if pairs else "")
        return RedirectResponse(target, 303)


def root_of(path: str) -> str:
    """The relative way from a path below the root back to the root."""
    depth = path.count("/") - 1
    return "../" * depth if depth > 0 else "./"


def frame(ask: Ask) -> dict[str, object]:
    """What every page's frame shows."""
    rights = ask.entered.user.rights
    head = ask.look.edition.plan.head
    return {
        "root": ask.root,
        "path": ask.path,
        "csrf": ask.entered.csrf,
        "user": ask.entered.user,
        "user_name": ask.look.name_of(ask.entered.user.id),
        "may": {right.name: right in rights for right in Right},
        "may_see_users": may_see_users(ask.look),
        "live": str(ask.look.transport) == "live",
        "plan_title": head.title,
        "office": head.office,
        "today": ask.look.today,
        "now": ask.look.now.astimezone(ask.look.zone),
        "said": SAID.get(ask.query.get("said", ""), ""),
    }
