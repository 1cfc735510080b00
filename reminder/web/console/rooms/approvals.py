"""审批: messages that wait for somebody's word, each as its receivers will see it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.ledger.records import Transport
from reminder.views import approvals as views
from reminder.views.approvals import REMARK_LENGTH, ApprovalRefused, Reading
from reminder.web.console.ask import Ask, Method, Route
from reminder.web.console.mail import mail_frame

AHEAD = (0, 30, 90, 400)
"""Days ahead that may be looked at; an approval may be given weeks before."""
WORDS = {"approve": True, "return": False}


def show(ask: Ask) -> Response:
    """What waits, and what has been said of it."""
    text = ask.query.get("ahead", "")
    ahead = next((days for days in AHEAD if str(days) == text), 0)
    found = views.cases(ask.look, timedelta(days=ahead))
    return ask.page(
        "approvals",
        waiting=[each for each in found if each.mark == "wait"],
        spoken=[each for each in found if each.mark != "wait"],
        ahead=ahead,
        aheads=AHEAD,
        rehearsal=ask.look.transport is Transport.OUTBOX,
    )


def one(ask: Ask, remark: str = "", refused: str = "", status: int = 200) -> Response:
    """One text."""
    code = ask.params["code"]
    try:
        found = views.reading(ask.look, code, _number(ask))
    except ApprovalRefused as error:
        return _gone(ask, code, error)
    return ask.page(
        "approval",
        status,
        reading=found,
        remark=remark,
        refused=refused,
        longest_remark=REMARK_LENGTH,
        rehearsal=ask.look.transport is Transport.OUTBOX,
    )


def mail(ask: Ask) -> Response:
    """The formatted mail of the chosen receiver, for its frame."""
    try:
        found: Reading = views.reading(ask.look, ask.params["code"], _number(ask))
    except ApprovalRefused:
        raise HTTPException(404) from None
    if found.letter.html is None:
        raise HTTPException(404)
    return mail_frame(found.letter.html)


def decide(ask: Ask) -> Response:
    """Approve, or send back with a remark; what was typed is kept if it is refused."""
    code, action, remark = ask.params["code"], ask.form.get("action", ""), ask.form.get("remark", "")
    if action not in WORDS:
        return one(ask, remark, "请用页面上的按钮；未作更改", 422)
    granted = WORDS[action]
    if not granted and not remark.strip():
        return one(ask, remark, "退回须写明理由，提交人才知道改什么；未作更改", 422)
    try:
        views.say(ask.look, code, remark, granted=granted)
    except ApprovalRefused as error:
        if error.instead is not None:
            return _gone(ask, code, error)
        return one(ask, remark, str(error), 422)
    return ask.redirect(f"approvals/{quote(code)}", said="approved" if granted else "sent-back")


def _gone(ask: Ask, code: str, error: ApprovalRefused) -> Response:
    """The text of a code waits no longer; what it has become, if the reader may see that."""
    code_now = ""
    if error.instead is not None:
        try:
            code_now = views.reading(ask.look, error.instead.said.code).case.code
        except ApprovalRefused:
            code_now = ""
    return ask.page("approval-gone", 404, code=code, code_now=code_now)


def _number(ask: Ask) -> int:
    text = ask.query.get("to", "")
    return int(text) if text.isdecimal() and len(text) < 6 else -1


ROUTES = (
    Route(Method.GET, "/approvals", Right.READ, show),
    Route(Method.GET, "/approvals/{code}", Right.READ, one),
    Route(Method.GET, "/approvals/{code}/mail", Right.READ, mail),
    Route(Method.POST, "/approvals/{code}", Right.APPROVE, decide),
)
