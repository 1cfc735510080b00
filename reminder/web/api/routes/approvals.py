"""Approvals: what waits for a word, its text, and the word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from reminder.sweep.request import people_count
from reminder.views.approvals import ApprovalRefused, Case, cases, reading, say
from reminder.views.approvals import Reading as Opened
from reminder.views.look import Look
from reminder.web.api.caller import Approving, Reader
from reminder.web.api.models import Approval, ApprovalText, Decided, Decision, Owner
from reminder.web.api.problems import not_found

router = APIRouter(prefix="/approvals", tags=["审批"])

Code = Annotated[str, Path(max_length=64, description="审批编号，如 506e3291")]


@router.get("", summary="待审批的内容")
def approvals(
    caller: Reader,
    ahead: Annotated[int, Query(ge=0, le=60, description="也列出今后多少天内发出的")] = 0,
) -> list[Approval]:
    """待审批、已退回，以及已批准而尚未发出的，按发出时间排列。"""
    return [_approval(each) for each in cases(caller.look, timedelta(days=ahead))]


@router.get("/{code}", summary="一件内容的原文")
def text(caller: Reader, code: Code) -> ApprovalText:
    """发给其中一人的全文，以及其他收件人的有何不同。"""
    found = _opened(caller.look, code)
    return ApprovalText(
        approval=_approval(found.case),
        receiver=found.letter.receiver,
        subject=found.letter.subject,
        text=found.letter.text,
        differences=list(found.others),
        hidden=found.hidden,
    )


@router.post("/{code}/decision", summary="批准或退回")
def decision(caller: Approving, code: Code, wanted: Decision) -> Decided:
    """须是这件内容的审批人；提交计划的人不能审批。程序的令牌不能审批。"""
    _opened(caller.look, code)
    given = say(caller.look, code, wanted.remark, granted=wanted.granted)
    again = replace(caller).look
    return Decided(already=given.already, approval=_approval(_opened(again, code).case))


def _opened(look: Look, code: str) -> Opened:
    try:
        return reading(look, code)
    except ApprovalRefused:
        if look.private:
            raise  # it names what else waits
        raise not_found(f"审批编号“{code}”") from None


def _approval(case: Case) -> Approval:
    waiting = case.waiting
    return Approval(
        code=case.code,
        title=case.title,
        item=waiting.said.first.item.id,
        state=waiting.state.value,
        goes_at=case.goes_at,
        useful_until=case.useful_until,
        asks_at=case.asks_at,
        approvers=[Owner(id=each.id, name=each.name) for each in waiting.panel.able],
        submitter=waiting.panel.submitter,
        remark=waiting.word.remark if waiting.word is not None else "",
        people=people_count(waiting.said),
    )
