"""任务: the plan by clause, and one item of it."""

from __future__ import annotations

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.views.tasks import task_of, tasks_of
from reminder.web.console.ask import Ask, Method, Route
from reminder.web.console.words import until_words


def every(ask: Ask) -> Response:
    """The items by clause."""
    return ask.page("tasks", found=tasks_of(ask.look), until_words=until_words)


def one(ask: Ask) -> Response:
    """One item; who may not see it is told what is told of one that is not there."""
    item = ask.look.edition.plan.item(ask.params["item"])
    if item is None or not ask.look.sees(item):
        raise HTTPException(404)
    page = ask.query.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 0
    found = task_of(ask.look, item, ask.query.get("occurrence", ""), number)
    return ask.page("task", found=found, item=item, until_words=until_words)


ROUTES = (
    Route(Method.GET, "/tasks", Right.READ, every),
    Route(Method.GET, "/tasks/{item}", Right.READ, one),
)
