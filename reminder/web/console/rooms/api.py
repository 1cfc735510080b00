"""接口说明: the interface's description as a page, for people who program against it."""

from __future__ import annotations

from fastapi import Response

from reminder.access.rights import Right
from reminder.web.api.app import ROOT
from reminder.web.api.manual import manual
from reminder.web.console.ask import Ask, Method, Route


def show(ask: Ask) -> Response:
    """Everything that may be called."""
    url = ask.site.settings.public_url or ""
    return ask.page("api", manual=manual(), base=f"{url}{ROOT}")


ROUTES = (Route(Method.GET, "/api/docs", Right.READ, show),)
