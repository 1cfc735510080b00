"""交接: what hangs on one person, before that person leaves."""

from __future__ import annotations

from fastapi import Response

from reminder.access.rights import Right
from reminder.views.handover import handover
from reminder.web.console.ask import Ask, Method, Route


def show(ask: Ask) -> Response:
    """Of everybody, or of the person that was chosen."""
    directory, today = ask.look.edition.plan.directory, ask.look.today
    chosen = directory.person(ask.query.get("person", ""))
    return ask.page(
        "handover",
        found=handover(ask.look, ask.site.settings, chosen),
        people=[each for each in directory.people if each.holds(today)],
        chosen=chosen,
    )


ROUTES = (Route(Method.GET, "/settings/handover", Right.MANAGE, show),)
