"""计划 › 模板: what a template says to a chosen receiver, as it stands and as it is being edited."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.check import Edition
from reminder.editing.shelf import content_of
from reminder.errors import ReminderError
from reminder.sweep.preview import Preview
from reminder.views import files as views
from reminder.views.previews import Wanted, choices, edited, preview
from reminder.web.console.ask import Ask, Method, Route
from reminder.web.console.render import render
from reminder.web.console.rooms import plan
from reminder.web.console.rooms.panel import template_of, wanted_of

POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""Of a page that shows a template's own HTML: whatever it says, it runs nothing, fetches nothing, leads nowhere."""


def folder(ask: Ask) -> Response:
    """One template: its files, and what it says to whom."""
    shelf, name = plan.shelf_of(ask), ask.params["folder"]
    line = next((each for each in views.templates(ask.look, shelf) if each.name == name), None)
    if line is None:
        raise HTTPException(404)
    return ask.page(
        "plan_template",
        folder=line,
        state_text=views.STATE_TEXT,
        choices=choices(ask.look, name, wanted_of(ask)),
    )


def shown(ask: Ask) -> Response:
    """The message by the templates in force, for the frame of :func:`folder`."""
    name = ask.params["folder"]
    return _message(ask, choices(ask.look, name, wanted_of(ask)).chosen)


def tried(ask: Ask) -> Response:
    """The message by what was typed, for the frame beside the editor; nothing is saved, nothing checked."""
    shelf, name = plan.shelf_of(ask), plan.name_of(ask)
    view = plan.found(ask, shelf, name)
    content = content_of(ask.form.get("content", ""), view.document.content)
    template = template_of(view.document) or ""
    try:
        edition = edited(ask.look, shelf, name, content)
    except ReminderError as error:
        return _framed(ask, None, str(error))
    return _message(ask, choices(ask.look, template, wanted_of(ask)).chosen, edition)


def _message(ask: Ask, wanted: Wanted, edition: Edition | None = None) -> Response:
    try:
        return _framed(ask, preview(ask.look, wanted, edition), "")
    except ReminderError as error:
        return _framed(ask, None, str(error))


def _framed(ask: Ask, made: Preview | None, refused: str) -> Response:
    html = render("preview", {"root": ask.root, "preview": made, "refused": refused})
    return HTMLResponse(html, headers={"content-security-policy": POLICY})


ROUTES = (
    Route(Method.GET, "/plan/templates/{folder}/preview", Right.READ, shown),
    Route(Method.POST, "/plan/templates/wording.yaml/preview", Right.EDIT_PLAN, tried, plan.LARGEST),
    Route(Method.POST, "/plan/templates/{folder}/{file}/preview", Right.EDIT_PLAN, tried, plan.LARGEST),
    Route(Method.GET, "/plan/templates/{folder}", Right.READ, folder),
)
