"""督办: who still owes what; one cell with its history, and what may be recorded of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.agenda.facts import DutyAction, Way
from reminder.recording.recorder import LONGEST_NOTE, Actor, Entry, Recorder, Refused
from reminder.views.board import CellView, board, cell, half_of, sheet, visible_edition
from reminder.web.console.ask import Ask, Method, Route

SNOOZE = "snooze"
WORDS = {action.value: action for action in DutyAction}
_REASONED = (DutyAction.RETURN, DutyAction.WAIVE, DutyAction.REOPEN)


def show(ask: Ask) -> Response:
    """A half-year at a glance."""
    found = board(ask.look, half_of(ask.look, ask.query.get("period", "")))
    return ask.page("duties", board=found)


def one_occurrence(ask: Ask) -> Response:
    """All the cells of one occurrence."""
    found = sheet(ask.look, ask.query.get("occurrence", ""))
    if found is None:
        raise HTTPException(404)
    return ask.page("occurrence", sheet=found)


def one_cell(ask: Ask) -> Response:
    """One cell: its history, and the forms."""
    return _page(ask, _cell(ask, ask.query))


def record(ask: Ask) -> Response:
    """Record one thing of one cell; what was typed is kept if it is refused."""
    found = _cell(ask, ask.form)
    look, form = ask.look, ask.form
    action = form.get("action", "")
    try:
        recorder = Recorder(look.ledger, visible_edition(look))
        actor = Actor(look.user.id, Way.CONSOLE)
        occurrence, cell_id = found.chip.occurrence, found.chip.cell
        if action == SNOOZE:
            person = form.get("person", "")
            if person not in {each for each, _ in found.owners}:
                raise Refused("请选择给谁暂缓；没有登记")
            until = _day(form, "暂缓至")
            if until is None:
                raise Refused("请写明暂缓到哪一天；没有登记")
            recorder.snooze(actor, occurrence, person, until, look.now)
        elif action in WORDS:
            meant = WORDS[action]
            note = form.get("note", "")
            if meant in _REASONED and not found.private and not note.strip():
                raise Refused("请写明理由；没有登记")
            entry = Entry(occurrence, cell_id, meant, _day(form, "日期"), note)
            recorder.record(actor, entry, look.now)
        else:
            raise Refused("请用页面上的按钮登记；没有登记")
    except Refused as error:
        return _page(ask, found, action, str(error), 422)
    return ask.redirect("duties/cell", said=f"duty-{action}", occurrence=occurrence, cell=cell_id)


def _cell(ask: Ask, given: Mapping[str, str]) -> CellView:
    found = cell(ask.look, given.get("occurrence", ""), given.get("cell", ""))
    if found is None:
        raise HTTPException(404)
    return found


def _page(ask: Ask, found: CellView, action: str = "", refused: str = "", status: int = 200) -> Response:
    return ask.page(
        "cell",
        status,
        cell=found,
        refused=refused,
        action=action,
        typed=ask.form if refused else {},
        longest_note=LONGEST_NOTE,
        tomorrow=ask.look.today + timedelta(days=1),
    )


def _day(form: Mapping[str, str], what: str) -> date | None:
    text = form.get("on", "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(f"{what}“{text[:20]}”看不懂，写作 2026-06-30；没有登记") from None


ROUTES = (
    Route(Method.GET, "/duties", Right.READ, show),
    Route(Method.GET, "/duties/occurrence", Right.READ, one_occurrence),
    Route(Method.GET, "/duties/cell", Right.READ, one_cell),
    Route(Method.POST, "/duties/cell", Right.RECORD, record),
)
