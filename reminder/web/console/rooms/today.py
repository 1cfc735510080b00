"""今天: what went out, what goes out next, what waits for somebody."""

from __future__ import annotations

from fastapi import Response

from reminder.access.rights import Right
from reminder.status import NoStatus, Status, status_of
from reminder.views.today import today_of
from reminder.web.console.ask import Ask, Method, Route
from reminder.web.console.words import until_words


def show(ask: Ask) -> Response:
    """The day at a glance."""
    return ask.page("today", day=today_of(ask.look, _status(ask)), until_words=until_words)


def _status(ask: Ask) -> Status | None:
    try:
        return status_of(ask.site.settings.health, ask.look.now)
    except NoStatus:
        return None


ROUTES = (Route(Method.GET, "/", Right.READ, show),)
