"""Duties: who owes what, and what is recorded of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from reminder.agenda.facts import DutyAction, Way
from reminder.recording.recorder import Actor, Entry, Recorder, Row
from reminder.recording.view import Refused
from reminder.views.look import Look
from reminder.web.api.caller import Caller, Reader, Recording
from reminder.web.api.models import Duties, Duty, Owner, Recorded, Snooze, Transition
from reminder.web.api.paging import Cursor, Limit, cursor_of, lost, parts_of
from reminder.web.api.problems import not_found

router = APIRouter(prefix="/duties", tags=["督办"])


@router.get("", summary="承担情况")
def duties(
    caller: Reader,
    *,
    item: Annotated[str | None, Query(max_length=200, description="任务编号")] = None,
    unit: Annotated[str | None, Query(max_length=200, description="单位编号")] = None,
    person: Annotated[str | None, Query(max_length=200, description="人员编号")] = None,
    open: Annotated[bool, Query(description="只列未办结的")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Duties:
    """已经开始的各期中，每个承担者各一件；非公开事项须有查看的权限。"""
    look = caller.look
    items = {each.id for each in look.items}
    if item is not None:
        found = look.edition.plan.item(item)
        if found is None or found.id not in items:
            raise not_found(f"任务“{item}”")
        items = {found.id}
    directory = look.edition.plan.directory
    if unit is not None and directory.unit(unit) is None:
        raise not_found(f"单位“{unit}”")
    if person is not None and directory.person(person) is None:
        raise not_found(f"人员“{person}”")
    recorder = Recorder(look.ledger, look.edition)
    rows = recorder.board(look.now, items=items, person=person, unit=unit, open_only=open)
    start = 0
    if cursor is not None:
        key = parts_of(cursor, str, str)
        places = (place for place, row in enumerate(rows) if [row.occurrence.id, row.standing.cell.id] == key)
        place = next(places, None)
        if place is None:
            raise lost()
        start = place + 1
    page = rows[start : start + limit]
    last = page[-1] if start + limit < len(rows) else None
    return Duties(
        duties=[_duty(look, row) for row in page],
        next=cursor_of((last.occurrence.id, last.standing.cell.id)) if last is not None else None,
    )


@router.post("/transitions", summary="登记一件")
def transition(caller: Recording, wanted: Transition) -> Recorded:
    """登记办结、安排、退回、免办或撤销登记；登记人为令牌的名称或登录的人。重复登记不会记两次。"""
    look = caller.look
    _visible(look, wanted.occurrence)
    recorder = Recorder(look.ledger, look.edition)
    entry = Entry(wanted.occurrence, wanted.cell, DutyAction(wanted.action), wanted.on, wanted.note)
    recorded = recorder.record(_actor(caller), entry, look.now)
    try:
        row = recorder.find(wanted.occurrence, wanted.cell, look.now)
    except Refused:  # the directory changed at this very moment
        row = None
    return Recorded(
        effect="recorded" if recorded.effect == "recorded" else "already",
        duty=_duty(look, row) if row is not None else None,
    )


@router.post("/snooze", summary="暂缓提醒")
def snooze(caller: Recording, wanted: Snooze) -> Snooze:
    """一人在一期事项上，到某天早上为止不提醒；不改变截止日期。"""
    look = caller.look
    _visible(look, wanted.occurrence)
    if look.edition.plan.directory.person(wanted.person) is None:
        raise not_found(f"人员“{wanted.person}”")
    recorder = Recorder(look.ledger, look.edition)
    recorder.snooze(_actor(caller), wanted.occurrence, wanted.person, wanted.until, look.now)
    return wanted


def _actor(caller: Caller) -> Actor:
    return Actor(caller.user.id, Way.CONSOLE)


def _visible(look: Look, occurrence: str) -> None:
    """Before anything else is said of it: a private item is not there for whoever may not see it."""
    item = look.edition.plan.item(occurrence.partition("/")[0])
    if item is None or not look.sees(item):
        raise not_found(f"期次“{occurrence}”")


def _duty(look: Look, row: Row) -> Duty:
    standing, cell = row.standing, row.standing.cell
    last = standing.last
    due: date = cell.due or row.occurrence.due
    return Duty(
        occurrence=row.occurrence.id,
        cell=cell.id,
        item=row.item.id,
        title=row.item.spec.title,
        label=row.occurrence.label,
        who=cell.title,
        unit=cell.subject,
        owners=[Owner(id=each.id, name=each.name) for each in cell.owners],
        due=due,
        state=standing.state.value,
        overdue=standing.overdue,
        done_on=standing.done_on,
        booked_on=standing.booked_on,
        note=last.note if last is not None else "",
        recorded_at=last.at.astimezone(look.zone) if last is not None else None,
        recorded_by=last.by if last is not None else "",
    )
