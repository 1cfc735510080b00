"""Approvals: what waits for a word, its text, and the word."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from reminder.sweep.approvals import ApprovalRefused, Waiting, approve, find, pending
from reminder.sweep.request import people_count, shown_to
from reminder.views.look import Look
from reminder.web.api.caller import Approving, Caller, Reader
from reminder.web.api.models import Approval, ApprovalText, Decided, Decision, Owner
from reminder.web.api.problems import ApiError, not_found

router = APIRouter(prefix="/approvals", tags=["审批"])

Code = Annotated[str, Path(max_length=64, description="审批编号，如 506e3291")]


@router.get("", summary="待审批的内容")
def approvals(
    caller: Reader,
    *,
    ahead: Annotated[int, Query(ge=0, le=60, description="也列出今后多少天内发出的")] = 0,
    decided: Annotated[bool, Query(description="也列出已批准、尚未发出的")] = False,
) -> list[Approval]:
    """按发出时间排列。"""
    look = caller.look
    found = pending(look.ledger, look.edition, look.now, ahead=timedelta(days=ahead), decided=decided)
    return [_approval(each) for each in found if look.sees(each.said.first.item)]


@router.get("/{code}", summary="一件内容的原文")
def text(caller: Reader, code: Code) -> ApprovalText:
    """发给其中一人的全文，以及其他收件人的有何不同。"""
    look = caller.look
    waiting = _found(look, code)
    person = look.edition.plan.directory.person(look.user.id)
    shown = shown_to(person, waiting, look.edition, look.facts, look.now)
    sample = shown.sample
    return ApprovalText(
        approval=_approval(waiting),
        receiver=sample.addressee.name if sample is not None else "",
        subject=sample.message.subject if sample is not None else "",
        text=sample.message.text if sample is not None else "",
        differences=list(shown.differences),
        hidden=shown.hidden,
    )


@router.post("/{code}/decision", summary="批准或退回")
def decision(caller: Approving, code: Code, wanted: Decision) -> Decided:
    """须是这件内容的审批人；提交计划的人不能审批。程序的令牌不能审批。"""
    if caller.program:
        raise ApiError(403, "审批须由人作出，令牌不能审批；没有执行")
    look = caller.look
    _found(look, code)
    given = approve(
        look.ledger,
        look.edition,
        look.user.id,
        code,
        look.now,
        granted=wanted.granted,
        remark=wanted.remark,
    )
    again = Caller(caller.site, caller.user, program=False).look
    return Decided(already=given.already, approval=_approval(_found(again, code)))


def _found(look: Look, code: str) -> Waiting:
    try:
        waiting = find(look.ledger, look.edition, code, look.now)
    except ApprovalRefused:
        if look.private:
            raise  # what else waits is named in it
        raise not_found(f"审批编号“{code}”") from None
    if not look.sees(waiting.said.first.item):
        raise not_found(f"审批编号“{code}”")
    return waiting


def _approval(waiting: Waiting) -> Approval:
    return Approval(
        code=waiting.said.code,
        title=waiting.title,
        item=waiting.said.first.item.id,
        state=waiting.state.value,
        goes_at=waiting.goes_at,
        useful_until=waiting.useful_until,
        asks_at=waiting.asks_at,
        approvers=[Owner(id=each.id, name=each.name) for each in waiting.panel.able],
        submitter=waiting.panel.submitter,
        remark=waiting.word.remark if waiting.word is not None else "",
        people=people_count(waiting.said),
    )
