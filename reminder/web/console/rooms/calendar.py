"""日历: the year by month, and one day of it."""

from __future__ import annotations

import re
from datetime import date

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.views.year import day_of, year_of, years_shown
from reminder.web.console.ask import Ask, Method, Route


def this_year(ask: Ask) -> Response:
    """The year of today, or the nearest that has a page."""
    shown = years_shown(ask.look)
    return _year(ask, min(max(ask.look.today.year, shown[0]), shown[-1]))


def one(ask: Ask) -> Response:
    """``2026`` or ``2026-06-10``."""
    which = ask.params["which"]
    if re.fullmatch(r"[0-9]{4}", which):
        return _year(ask, int(which))
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", which):
        raise HTTPException(404)
    try:
        day = date.fromisoformat(which)
    except ValueError:
        raise HTTPException(404) from None
    if day.year not in years_shown(ask.look):
        raise HTTPException(404)
    return ask.page("day", found=day_of(ask.look, day))


def _year(ask: Ask, year: int) -> Response:
    if year not in years_shown(ask.look):
        raise HTTPException(404)
    return ask.page("calendar", found=year_of(ask.look, year))


ROUTES = (
    Route(Method.GET, "/calendar", Right.READ, this_year),
    Route(Method.GET, "/calendar/{which}", Right.READ, one),
)
