"""The ledger line by line, and one delivery with its attempts."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from reminder.ledger.records import HandDecision, Transport
from reminder.ledger.shown import Mark, mark_of
from reminder.recording.sending import decide_sending
from reminder.views.delivery import Sent, sent
from reminder.views.ledger import STATUS_TEXT, Wanted, page, titles_of
from reminder.views.ledger import Line as Shown
from reminder.views.look import Look
from reminder.web.api.caller import Operating, Reader
from reminder.web.api.models import Attempt, Claim, DayIn, Delivery, Line, Lines, SendingDecision
from reminder.web.api.paging import Cursor, Limit, cursor_of, lost, parts_of
from reminder.web.api.problems import ApiError, not_found

router = APIRouter(tags=["台账"])

DeliveryId = Annotated[str, Path(max_length=200, description="消息编号，见台账")]
STATUSES = "、".join(f"{word}（{text}）" for word, text in STATUS_TEXT.items())


@router.get("/ledger", summary="台账")
def ledger(
    caller: Reader,
    since: Annotated[DayIn | None, Query(alias="from", description="计划时间从哪一天起")] = None,
    until: Annotated[DayIn | None, Query(alias="to", description="到哪一天（含当日）")] = None,
    item: Annotated[str, Query(max_length=200, description="任务编号")] = "",
    receiver: Annotated[str, Query(max_length=200, description="收件人编号")] = "",
    channel: Annotated[str, Query(max_length=200, description="通道编号")] = "",
    status: Annotated[str, Query(max_length=20, description=f"结果：{STATUSES}")] = "",
    transport: Annotated[
        Literal["live", "outbox"] | None, Query(description="live：正式；outbox：试运行")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Lines:
    """发了什么、给谁、结果如何，没有发的是为什么；新的在前，用 next 翻页。"""
    if status and status not in STATUS_TEXT:
        raise ApiError(422, f"没有“{status}”这种结果；可用：{STATUSES}")
    wanted = Wanted(
        since, until, item, receiver, channel, status, Transport(transport) if transport is not None else None
    )
    found = page(caller.look, wanted, after=_mark(cursor) if cursor is not None else None, size=limit)
    return Lines(
        lines=[_line(each) for each in found.lines],
        next=cursor_of((found.older.planned_at.isoformat(), found.older.alarm, found.older.claim))
        if found.older is not None
        else None,
    )


@router.get("/deliveries/{delivery_id}", summary="一条消息")
def delivery(caller: Reader, delivery_id: DeliveryId) -> Delivery:
    """一条消息的原文和每次发送的经过；文中的链接以占位符代替。"""
    return _delivery(caller.look, _sent(caller.look, delivery_id))


@router.post("/deliveries/{delivery_id}/decision", summary="决定一条消息")
def decide(caller: Operating, delivery_id: DeliveryId, wanted: SendingDecision) -> Delivery:
    """结果不明或发送失败的消息：再发一次、认定已收到，或不再发；决定的人记入台账。"""
    look = caller.look
    if _sent(look, delivery_id).text is None:
        raise ApiError(422, "这条消息含不在您查看范围内的内容，由有权限的人决定；未作更改")
    decision = HandDecision(wanted.decision)
    decide_sending(look.ledger, look.plan_id, delivery_id, decision, look.user.id, look.now, look.zone)
    return _delivery(look, _sent(look, delivery_id))


def _sent(look: Look, delivery_id: str) -> Sent:
    found = sent(look, delivery_id)
    if found is None:
        raise not_found(f"消息“{delivery_id}”")
    return found


def _delivery(look: Look, found: Sent) -> Delivery:
    leaf, titles = found.leaf, titles_of(look)
    return Delivery(
        id=leaf.id,
        message=leaf.message,
        channel=leaf.channel,
        receiver=leaf.receiver,
        address=leaf.address,
        part=leaf.part,
        parts=leaf.parts,
        subject=found.subject,
        text=found.text,
        state=leaf.state.value,
        transport=leaf.transport.value,
        planned_at=found.planned_at,
        not_before=found.not_before,
        expires_at=found.expires_at,
        late=leaf.late,
        claims=[
            Claim(
                item=each.item,
                title=titles.get(each.item, each.item),
                occurrence=each.occurrence,
                alarm=each.alarm,
                receiver=each.receiver,
                reason=each.reason,
            )
            for each in found.seen
        ],
        attempts=[
            Attempt(
                number=each.number,
                started_at=each.started_at.astimezone(look.zone),
                finished_at=each.finished_at.astimezone(look.zone) if each.finished_at is not None else None,
                outcome=each.outcome,
                code=each.code,
                detail=each.detail,
            )
            for each in found.attempts
        ],
    )


def _mark(cursor: str) -> Mark:
    at, alarm, claim = parts_of(cursor, str, int, int)
    mark = mark_of(str(at), int(alarm), int(claim))
    if mark is None:
        raise lost()
    return mark


def _line(line: Shown) -> Line:
    known = line.known
    return Line(
        planned_at=line.planned_at,
        recorded_at=line.recorded_at,
        item=line.item,
        title=line.title,
        occurrence=line.occurrence,
        alarm=line.alarm,
        receiver=known.receiver or "",
        channel=line.channel,
        transport=known.transport.value,
        decision=known.decision,
        reason=known.reason,
        state=known.state,
        words=line.state,
        subject=line.subject,
        attempts=line.attempts,
        late=line.late,
        deliveries=list(line.deliveries),
    )
