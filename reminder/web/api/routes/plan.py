"""The agenda of some days, and the items of the plan."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from reminder.agenda.alarms import Alarm as Due
from reminder.plan.model import Item as PlanItem
from reminder.plan.via import channels_of
from reminder.sweep.shares import reached_by
from reminder.views.agenda import alarms_on, dues_on, lots_between
from reminder.views.lines import due_lines
from reminder.views.look import Look
from reminder.views.wording import audience_words, cadence, duty_words, rung_words
from reminder.web.api.caller import Reader
from reminder.web.api.models import Agenda, Alarm, DayIn, Item, Occurrence, Rung, Tally, Unpublished
from reminder.web.api.problems import ApiError, not_found

router = APIRouter(tags=["计划"])

LONGEST = timedelta(days=366)
MOST = 2000
ItemId = Annotated[str, Path(max_length=200, description="任务编号，如 quarterly-report")]
Since = Annotated[DayIn, Query(alias="from", description="起始日期")]
Until = Annotated[DayIn, Query(alias="to", description="结束日期（含当日），与起始不超过366天")]


@router.get("/agenda", summary="一段日期的日程")
def agenda(
    caller: Reader,
    *,
    since: Since,
    until: Until,
    item: Annotated[str | None, Query(max_length=200, description="只看一项任务")] = None,
    receivers: Annotated[bool, Query(description="也列出收件人；一次至多 31 天")] = False,
) -> Agenda:
    """将发出和已到时的提醒，按时间排列；抽取的，公布之前只在 unpublished 中列出。"""
    look = caller.look
    _span(since, until, timedelta(days=31) if receivers else LONGEST)
    if item is not None:
        item = _item(look, item).id
    alarms = [each for each in alarms_on(look, since, until) if item in (None, each.item.id)]
    if len(alarms) > MOST:
        raise ApiError(422, f"这段日期有 {len(alarms)} 条提醒，一次最多 {MOST} 条；请缩短日期")
    return Agenda(
        since=since,
        until=until,
        alarms=[_alarm(look, each, receivers=receivers) for each in alarms],
        unpublished=[
            Unpublished(
                item=each.item.id,
                title=each.item.spec.title,
                occurrence=f"{each.item.id}/{each.period.id}",
                label=each.period.label,
            )
            for each in lots_between(look, since, until)
            if item in (None, each.item.id)
        ],
    )


def _alarm(look: Look, alarm: Due, *, receivers: bool) -> Alarm:
    reached = None
    if receivers:
        found = reached_by(alarm, look.edition, look.facts)
        reached = list(dict.fromkeys(each.person.id for each in found.receivers))
    return Alarm(
        alarm=alarm.key,
        item=alarm.item.id,
        title=alarm.item.spec.title,
        clause=alarm.item.spec.clause,
        occurrence=alarm.occurrence.id,
        label=alarm.occurrence.label,
        rung=alarm.rung.id,
        at=alarm.at,
        due=alarm.occurrence.due_at,
        channels=list(dict.fromkeys(channels_of(alarm.rung.via))),
        template=alarm.rung.template,
        status=str(alarm.status),
        receivers=reached,
    )


@router.get("/items", summary="全部任务")
def items(caller: Reader) -> list[Item]:
    """计划中的任务，按计划的顺序。"""
    return [_shown(each) for each in caller.look.items]


@router.get("/items/{item_id}", summary="一项任务")
def item(caller: Reader, item_id: ItemId) -> Item:
    """一项任务及其提醒阶梯。"""
    return _shown(_item(caller.look, item_id))


@router.get("/items/{item_id}/occurrences", summary="一项任务的期次")
def occurrences(caller: Reader, item_id: ItemId, since: Since, until: Until) -> list[Occurrence]:
    """截止日期在这段日期内的期次，以及各期办理的数目。"""
    look = caller.look
    _span(since, until, LONGEST)
    wanted = _item(look, item_id)
    dues = [each for each in dues_on(look, since, until) if each.item.id == wanted.id]
    return [
        Occurrence(
            id=line.occurrence,
            label=line.label,
            opens=due.occurrence.opens,
            due=line.at,
            status=str(due.occurrence.status),
            tally=Tally(
                done=line.tally.done,
                late=line.tally.late,
                waived=line.tally.waived,
                open=line.tally.open,
                overdue=line.tally.overdue,
            )
            if line.tally is not None
            else None,
        )
        for due, line in zip(dues, due_lines(look, dues), strict=True)
    ]


def _span(since: date, until: date, longest: timedelta) -> None:
    if until < since:
        raise ApiError(422, f"to（{until}）早于 from（{since}）")
    if until - since > longest:
        raise ApiError(422, f"一次最多 {longest.days} 天，现为 {(until - since).days} 天；请分几次查询")


def _item(look: Look, item_id: str) -> PlanItem:
    found = look.edition.plan.item(item_id)
    if found is None or not look.sees(found):
        raise not_found(f"任务“{item_id}”")
    return found


def _shown(item: PlanItem) -> Item:
    spec = item.spec
    return Item(
        id=item.id,
        clause=spec.clause,
        basis=str(spec.basis),
        title=spec.title,
        brief=spec.brief or "",
        private=spec.private,
        cadence=cadence(item),
        leaders=list(spec.responsible.leaders),
        units=list(spec.responsible.units),
        duty=duty_words(spec.duty) if spec.duty is not None else "",
        rungs=[
            Rung(
                id=each.id,
                words=rung_words(each),
                to=audience_words(each.to),
                channels=list(dict.fromkeys(channels_of(each.via))),
                template=each.template,
            )
            for each in item.rungs
        ],
    )
