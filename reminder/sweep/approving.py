"""The one service by which an approver speaks, for the command line and the pages alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminder.agenda.instants import zone_of
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.facts import FactKind
from reminder.ledger.ledger import Ledger
from reminder.plan.directory import Directory, Person
from reminder.sweep.approvals import FURTHEST, Memory, Waiting, pending, request
from reminder.sweep.texts import CODE_LENGTH

REMARK_LENGTH = 200
TRIES = 20
"""Of recording a word while others speak at the same moment."""


class ApprovalRefused(ReminderError):
    """An approval that cannot be taken; the text says who may, or what is possible.

    ``instead`` is what the text of a code has become since.
    """

    def __init__(self, text: str, instead: Waiting | None = None) -> None:
        super().__init__(text)
        self.instead = instead


def find(ledger: Ledger, edition: Edition, code: str, now: datetime, memory: Memory | None = None) -> Waiting:
    """The text of a code, asked for or not yet.

    Raises ``ApprovalRefused``: no such code, changed since, gone out.
    """
    wanted = code.strip().lower()
    plan_id = edition.plan.id
    facts = ledger.facts(plan_id, ledger.transport(plan_id))
    long_enough = len(wanted) >= CODE_LENGTH
    shown = {each.alarm for each in facts.requests if long_enough and each.digest.startswith(wanted)}
    # What nobody was asked for yet may be one of what is to come.
    ahead = FURTHEST if long_enough and not shown else timedelta(0)
    known = pending(ledger, edition, now, ahead=ahead, decided=True, memory=memory)
    for waiting in known:
        if long_enough and waiting.said.digest.startswith(wanted):
            return waiting
    raise _unknown(wanted, shown, known)


def _unknown(wanted: str, shown: set[str], known: Iterable[Waiting]) -> ApprovalRefused:
    for waiting in known:
        if shown & set(waiting.said.keys):
            return ApprovalRefused(
                f"审批编号 {wanted} 的内容、收件人或日期已有变动，原审批作废；“{waiting.title}”"
                f"现在的编号是 {waiting.said.code}，请先审阅：reminder approve --show {waiting.said.code}",
                waiting,
            )
    if shown:
        return ApprovalRefused(
            f"审批编号 {wanted} 的消息已经发出、已作处理或已过有效期，不能再审批；见 reminder ledger"
        )
    codes = "、".join(each.said.code for each in known if each.asked is not None) or "（没有）"
    return ApprovalRefused(f"没有审批编号“{wanted}”；待审批的编号：{codes}（reminder approve 列出全部）")


@dataclass(frozen=True, slots=True)
class Given:
    """What came of an approver's word: ``already`` says that it stood so before and nothing was written."""

    waiting: Waiting
    already: bool


def approve(
    ledger: Ledger,
    edition: Edition,
    person_id: str,
    code: str,
    now: datetime,
    *,
    granted: bool = True,
    remark: str = "",
    memory: Memory | None = None,
) -> Given:
    """Record that a person approves the text of a code, or returns it with a remark.

    Of fifty who say the same at once, one is recorded.  Raises
    ``ApprovalRefused`` in words that say who may, or what is possible; nothing
    has changed then.
    """
    remark = " ".join(remark.split())
    if len(remark) > REMARK_LENGTH:
        raise ApprovalRefused(f"说明有 {len(remark)} 个字，最多 {REMARK_LENGTH} 个字；未作更改")
    if not granted and not remark:
        raise ApprovalRefused("退回须写明理由（--remark），提交人才知道改什么；未作更改")
    plan_id = edition.plan.id
    waiting = find(ledger, edition, code, now, memory)
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    directory: Directory = edition.plan.directory
    person = directory.person(person_id)
    if person is None or person.id not in {each.id for each in waiting.panel.able}:
        raise ApprovalRefused(why_not(person, waiting, person_id))
    for_ = waiting.panel.for_(person, directory, today)
    made = waiting.said
    for _ in range(TRIES):
        facts = ledger.facts(plan_id, ledger.transport(plan_id))
        words = facts.said_of(made.first.keys, made.digest)
        if words and words[-1].granted is granted:
            return Given(waiting, already=True)
        request(ledger, plan_id, waiting, now)
        detail = {
            "alarms": [alarm.key for alarm in made.alarms],
            "digest": made.digest,
            "granted": granted,
            "remark": remark,
            "submitter": waiting.panel.submitter,
            "name": person.name,
            "for": [each.id for each in for_],
        }
        key = f"{made.first.key}@{made.digest}@{len(words)}"
        if ledger.remember(plan_id, FactKind.APPROVAL, key, by=person.id, detail=detail, now=now):
            return Given(waiting, already=False)
    raise ApprovalRefused("此刻有多人在审批同一件事，未作更改；请再试一次")


def why_not(person: Person | None, waiting: Waiting, given: str) -> str:
    """Why somebody may not approve, and who may."""
    panel = waiting.panel
    may = "、".join(f"{each.name}（{each.id}）" for each in panel.able)
    who = f"可审批的是：{may}" if may else "目前没有人可以审批，请更正计划的 approval.by 或 plan.approvers"
    if person is None:
        return f"名册中没有“{given}”；{who}"
    meant = {each.id for each in (*panel.named, *panel.asked)}
    if person.id not in meant:
        return f"{person.name}不是“{waiting.title}”的审批人；{who}"
    if panel.submitter == person.id:
        return f"{person.name}是现行计划的提交人，不能审批自己提交的内容；{who}"
    if waiting.asked is not None and waiting.asked.submitter == person.id:
        return f"这一内容是由{person.name}提交的，不能由本人审批；{who}"
    return (
        f"现行计划是直接改文件生效的，不知由谁提交，管理员{person.name}因此不能审批；{who}。"
        "提交人也可先执行 reminder plan adopt --by 姓名"
    )
