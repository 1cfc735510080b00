"""今天: what went out, what goes out next, what waits for somebody."""

from __future__ import annotations

from fastapi import Response

from reminder.access.rights import Right
from reminder.web.console.ask import Ask, Method, Route


def show(ask: Ask) -> Response:
    """The day at a glance."""
    return ask.page("today")


ROUTES = (Route(Method.GET, "/", Right.READ, show),)
