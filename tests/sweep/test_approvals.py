"""Approvals in a live office: asked, given, refused, late, missed; and the ledger keeps both names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from reminder.ledger.records import Transport
from reminder.ledger.shown import EntryFilter
from reminder.plan.model import Plan
from reminder.sweep.approvals import State
from reminder.sweep.approving import ApprovalRefused, approve
from tests.backends import Backend
from tests.harness.desk import APPROVED, FESTIVAL_RUNG, Desk, festival
from tests.harness.together import at_once
from tests.plans import CHANNELS, DIRECTORY, at, item_yaml, plan_of

EVERYONE = ["p-clerk", "p-leader", "p-liaison", "p-office", "p-secretary", "p-theory"]
ASKED = "请审批：事项f（2026年中秋节）"
AGAIN = "请重新审批：事项f（2026年中秋节）"
UNAPPROVED = "提请关注：“事项f（2026年中秋节）”到时未获审批，没有发出"
DEPUTY = "deputies:\n  - of: p-office\n    deputy: p-theory\n    from: {first}\n    until: {last}\n"

Open = Callable[..., Desk]


@pytest.fixture
def office(backend: Backend) -> Open:
    """Opens a desk on a plan; closed at the end."""

    def build(plan: Plan | None = None, **options: str) -> Desk:
        return Desk(backend, plan or plan_of(festival()), **options)  # type: ignore[arg-type]

    return build


def sent(desk: Desk) -> list[str]:
    return sorted(receiver for receiver, decision, _ in desk.reminders() if decision == "send")


# -- the ordinary way ----------------------------------------------------------------


def test_asked_three_working_days_before_approved_and_sent_at_its_hour(office: Open) -> None:
    """22 September 09:00 the request, 24 September 09:30 the message, to everyone and the group."""
    desk = office()
    desk.until("2026-09-22 08:59")
    assert desk.mail == []
    desk.until("2026-09-22 09:00")
    assert [(to.id, message.subject) for to, message in desk.mail] == [("p-office", ASKED)]
    desk.until("2026-09-23 15:00")
    assert desk.approve().already is False
    desk.until("2026-09-24 09:29")
    assert sent(desk) == []
    desk.until("2026-09-24 09:30")
    assert sent(desk) == ["group:group", *EVERYONE]
    assert {reason for _, _, reason in desk.reminders()} == {"due"}
    assert UNAPPROVED not in desk.subjects("p-office")


def test_what_was_approved_is_what_is_sent(office: Open) -> None:
    """Subject, text, HTML and markdown of every receiver, byte for byte."""
    desk = office()
    desk.until("2026-09-22 10:00")
    (waiting,) = desk.waiting()
    desk.approve()
    before = len(desk.mail)
    desk.until("2026-09-24 09:30")
    approved = {(each.addressee.id, each.channel): each.message for each in waiting.said.texts}
    given = {(to.id, "mail"): message for to, message in desk.mail[before:]}
    given["group:group", "group"] = desk.group[0]
    assert given == approved


def test_the_request_shows_the_text_its_receivers_and_what_differs(office: Open) -> None:
    desk = office()
    desk.until("2026-09-22 09:00")
    (_, message) = desk.mail[0]
    (waiting,) = desk.waiting()
    assert "9月24日（星期四）09:30发出" in message.text
    assert "发给：邮件6人，群“group”" in message.text
    assert "提交人：机关党委办公室干事" in message.text
    assert f"reminder approve {waiting.said.code} --by" in message.text
    assert "｜分管副部长：\n" in message.text
    assert "除称呼外，文字完全相同" in message.text


def test_it_may_be_given_weeks_ahead_and_nobody_is_asked_any_more(office: Open) -> None:
    desk = office(start="2026-08-20")
    desk.until("2026-08-20 10:00")
    assert desk.waiting() == []
    desk.approve(ahead=60)
    desk.until("2026-09-24 09:30")
    assert ASKED not in desk.subjects("p-office")
    assert sent(desk) == ["group:group", *EVERYONE]


def test_the_ledger_keeps_who_submitted_and_who_approved(office: Open) -> None:
    desk = office()
    desk.until("2026-09-22 10:00")
    desk.approve()
    facts = desk.ledger.facts("test", desk.transport)
    (request,) = facts.requests
    (approval,) = facts.approvals
    assert (request.submitter, approval.submitter, approval.by) == ("p-clerk", "p-clerk", "p-office")
    assert request.digest == approval.digest


# -- who may -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "by", "why"),
    [
        (
            "p-clerk",
            "p-theory",
            "理论科科长不是“事项f（2026年中秋节）”的审批人；可审批的是：办公室主任（p-office）",
        ),
        ("p-clerk", "nobody", "名册中没有“nobody”；可审批的是：办公室主任（p-office）"),
        ("p-office", "p-office", "办公室主任是现行计划的提交人，不能审批自己提交的内容；目前没有人可以审批"),
    ],
)
def test_a_refusal_says_who_may_and_changes_nothing(office: Open, author: str, by: str, why: str) -> None:
    desk = office(author=author)
    desk.until("2026-09-22 10:00")
    (waiting,) = desk.waiting()
    with pytest.raises(ApprovalRefused) as refused:
        approve(desk.ledger, desk.edition, by, waiting.said.code, desk.now)
    assert str(refused.value).startswith(why)
    assert desk.ledger.facts("test", desk.transport).approvals == ()


def test_with_no_known_author_the_clerk_may_not_approve(office: Open) -> None:
    """The clerk is named as an approver; until somebody answers for the files, an admin is refused."""
    both = APPROVED.replace("by: person:p-office", "by:\n    - person:p-clerk\n    - person:p-office")
    desk = office(plan_of(festival(both)), author="files")
    desk.until("2026-09-22 10:00")
    with pytest.raises(ApprovalRefused, match="不知由谁提交，管理员机关党委办公室干事因此不能审批"):
        desk.approve("p-clerk")
    desk.adopt("p-theory")
    assert desk.approve("p-clerk").already is False


def test_whoever_submitted_a_text_may_not_approve_it_under_a_later_submitter_either(office: Open) -> None:
    both = APPROVED.replace("by: person:p-office", "by:\n    - person:p-theory\n    - person:p-office")
    desk = office(plan_of(festival(both)), author="p-theory")
    desk.until("2026-09-22 10:00")
    desk.adopt("p-clerk")
    with pytest.raises(ApprovalRefused, match="这一内容是由理论科科长提交的"):
        desk.approve("p-theory")
    assert desk.approve("p-office").already is False


def test_a_changed_file_makes_the_author_unknown_again(office: Open) -> None:
    desk = office(plan_of(festival(APPROVED.replace("p-office", "p-clerk"))), author="p-theory")
    other = item_yaml("y", "date: 2026-06-10", "- from: due\n  workdays: 0\n  to: person:p-office")
    desk.reload(plan_of(festival(APPROVED.replace("p-office", "p-clerk")), other))
    desk.until("2026-09-22 10:00")
    with pytest.raises(ApprovalRefused, match="不知由谁提交"):
        desk.approve("p-clerk")


def test_deputies_of_the_day_are_asked_and_may_approve(office: Open) -> None:
    away = DIRECTORY + DEPUTY.format(first="2026-09-20", last="2026-09-30")
    desk = office(plan_of(festival(), directory=away))
    desk.until("2026-09-22 10:00")
    assert [to.id for to, _ in desk.mail] == ["p-theory"]
    assert "您代办公室主任审批" in desk.mail[0][1].text
    desk.approve("p-theory")
    (approval,) = desk.ledger.facts("test", desk.transport).approvals
    assert (approval.by, approval.for_) == ("p-theory", ("p-office",))


def test_a_deputy_who_comes_later_is_asked_too(office: Open) -> None:
    away = DIRECTORY + DEPUTY.format(first="2026-09-23", last="2026-09-23")
    desk = office(plan_of(festival(), directory=away))
    desk.until("2026-09-23 10:00")
    assert [(to.id, message.subject) for to, message in desk.mail] == [
        ("p-office", ASKED),
        ("p-theory", ASKED),
    ]


def test_a_deputy_of_another_day_is_refused(office: Open) -> None:
    away = DIRECTORY + DEPUTY.format(first="2026-09-01", last="2026-09-10")
    desk = office(plan_of(festival(), directory=away))
    desk.until("2026-09-22 10:00")
    with pytest.raises(ApprovalRefused, match="理论科科长不是"):
        desk.approve("p-theory")


def test_with_nobody_who_may_the_admins_are_told(office: Open) -> None:
    desk = office(author="p-office")
    desk.until("2026-09-22 10:00")
    assert desk.subjects("p-office") == []
    assert desk.subjects("p-clerk") == ["有消息无人可以审批"]


def test_approving_twice_changes_nothing(office: Open) -> None:
    desk = office()
    desk.until("2026-09-22 10:00")
    desk.approve()
    (waiting,) = desk.waiting(decided=True)
    assert desk.approve(code=waiting.said.code).already is True
    assert len(desk.ledger.facts("test", desk.transport).approvals) == 1


def test_fifty_at_once_are_one_approval(office: Open) -> None:
    desk = office()
    desk.until("2026-09-22 10:00")
    (waiting,) = desk.waiting()

    def speak() -> bool:
        return approve(desk.ledger, desk.edition, "p-office", waiting.said.code, desk.now).already

    assert sorted(at_once(speak, 50)) == [False, *[True] * 49]
    assert len(desk.ledger.facts("test", desk.transport).approvals) == 1


# -- not approved --------------------------------------------------------------------


def test_unapproved_at_its_hour_nothing_goes_out_and_approver_superior_and_admin_are_warned(
    office: Open,
) -> None:
    desk = office()
    desk.until("2026-09-24 16:59")
    assert sent(desk) == []
    for person in ("p-office", "p-leader", "p-clerk"):
        assert desk.subjects(person).count(UNAPPROVED) == 1, person
    assert desk.subjects("p-theory") == []


def test_late_but_before_expiry_it_is_sent_at_once_as_approved(office: Open) -> None:
    """No word of being late, the date it was to have; the ledger says 补发."""
    desk = office()
    desk.until("2026-09-24 11:00")
    (waiting,) = desk.waiting()
    desk.approve()
    before = len(desk.mail)
    desk.until(desk.now + timedelta(seconds=1))
    assert sent(desk) == ["group:group", *EVERYONE]
    assert {reason for _, _, reason in desk.reminders()} == {"caught-up"}
    approved = {each.addressee.id: each.message for each in waiting.said.texts if each.channel == "mail"}
    assert {to.id: message for to, message in desk.mail[before:]} == approved


def test_unapproved_until_it_is_of_no_use_it_is_missed_and_told(office: Open) -> None:
    desk = office()
    desk.until("2026-09-24 17:00")
    assert desk.reminders() == [("", "miss", "not-approved")]
    (notice,) = [m for to, m in desk.mail if to.id == "p-clerk" and "错过" in m.subject]
    assert "到期未获审批" in notice.text
    (request,) = desk.ledger.facts("test", desk.transport).requests
    with pytest.raises(ApprovalRefused, match="已作处理或已过有效期"):
        desk.approve(code=request.digest[:8])


def test_a_text_that_is_held_costs_nothing_until_something_happens(office: Open) -> None:
    """A tick with a held alarm decides nothing and renders nothing."""
    desk = office()
    desk.until("2026-09-24 10:00")
    for second in range(5):
        swept = desk.sweeper.sweep(desk.now + timedelta(seconds=second))
        assert (dict(swept.actions), swept.deliveries) == ({}, 0)


def test_a_restart_asks_and_warns_nobody_twice(office: Open) -> None:
    desk = office()
    desk.until("2026-09-22 10:00")
    desk.restart()
    desk.until("2026-09-24 10:00")
    desk.restart()
    desk.until("2026-09-24 11:00")
    found = desk.ledger.book.entries("test", EntryFilter(item="approval"))
    assert sorted(each.receiver or "" for each in found) == ["p-clerk", "p-leader", "p-office", "p-office"]


def test_what_is_sent_back_does_not_go_out_and_its_author_reads_why(office: Open) -> None:
    desk = office(author="p-theory")
    desk.until("2026-09-22 10:00")
    desk.send_back("p-office", "请把放假时间写在最前")
    desk.until("2026-09-24 12:00")
    assert sent(desk) == []
    for person in ("p-theory", "p-clerk"):
        (told,) = [m for to, m in desk.mail if to.id == person]
        assert told.subject == "“事项f（2026年中秋节）”被退回，不会发出"
        assert "办公室主任退回" in told.text
        assert "理由：请把放假时间写在最前" in told.text
    assert desk.waiting()[0].state is State.RETURNED


def test_sending_back_needs_a_reason(office: Open) -> None:
    desk = office()
    desk.until("2026-09-22 10:00")
    with pytest.raises(ApprovalRefused, match="退回须写明理由"):
        desk.send_back("p-office", "  ")


def test_an_approval_may_be_taken_back_before_its_hour(office: Open) -> None:
    desk = office()
    desk.until("2026-09-22 10:00")
    desk.approve()
    (waiting,) = desk.waiting(decided=True)
    approve(desk.ledger, desk.edition, "p-office", waiting.said.code, desk.now, granted=False, remark="缓发")
    desk.until("2026-09-24 10:00")
    assert sent(desk) == []


# -- what has to be approved ---------------------------------------------------------


def test_festivals_that_share_a_break_are_one_request_and_one_approval(office: Open) -> None:
    """2025: 国庆 and 中秋 are one text, asked for once; one word lets both out."""
    plan = plan_of(festival(names=("中秋", "国庆")))
    days = {"from_": at("2025-01-01").date(), "until": at("2025-12-31").date()}
    desk = office(replace(plan, head=plan.head.model_copy(update=days)), start="2025-09-01")
    desk.until("2025-09-29 10:00")
    assert desk.subjects("p-office") == ["请审批：事项f（2025年中秋节、2025年国庆节）"]
    desk.approve()
    desk.until("2025-09-30 09:30")
    assert len(desk.group) == 1
    assert {
        e.alarm for e in desk.ledger.book.entries("test", EntryFilter(item="f", receiver="p-theory"))
    } == {
        "f/2025/中秋#message",
        "f/2025/国庆#message",
    }


def test_only_the_rungs_that_an_approval_names_wait_for_it(office: Open) -> None:
    close = "- id: close\n  from: break\n  workdays: +2\n  to: person:p-clerk\n  via:\n    - mail\n"
    item = festival(APPROVED + "\n  rungs:\n    - message", rung=FESTIVAL_RUNG + close)
    desk = office(plan_of(item))
    desk.until("2026-10-05")
    assert desk.reminders() == [("", "miss", "not-approved"), ("p-clerk", "send", "due")]


def test_an_approved_message_is_not_merged_with_others(office: Open) -> None:
    """What was approved stands alone, though the item is not marked so."""
    rung = "- from: due\n  workdays: 0\n  to: person:p-theory"
    approval = "approval:\n  by: person:p-office\n  from: due\n  workdays: -2"
    plan = plan_of(
        item_yaml("a", "date: 2026-06-10", rung, approval), item_yaml("b", "date: 2026-06-10", rung)
    )
    desk = office(plan, start="2026-06-01")
    desk.until("2026-06-08 10:00")
    desk.approve()
    desk.until("2026-06-10 09:00")
    assert len([message for to, message in desk.mail if to.id == "p-theory"]) == 2


PAIRS = "duty:\n  each: pair\n  of: supervision"
UP = "- id: up\n  from: due\n  workdays: +2\n  to: escalation\n"
INTERNET = CHANNELS.replace("network: intranet", "network: internet")
LEADERS = "  approvers:\n    - person:p-secretary\n  in_charge:\n    - person:p-theory\n"


def test_an_escalation_that_concerns_a_leader_is_approved_by_default(office: Open) -> None:
    """Asked one working day before; who is not in charge reads counts, who is gets the names."""
    item = item_yaml("t", "every: half-year", UP, PAIRS + "\nprivate: true")
    plan = plan_of(item, head=LEADERS, channels=CHANNELS)
    desk = office(plan, start="2026-06-20")
    desk.until("2026-07-01 08:59")
    assert desk.mail == []
    desk.until("2026-07-01 09:00")
    (to, message) = desk.mail[0]
    assert to.id == "p-secretary"
    assert "姓名只发给掌握名单的岗位" in message.text
    assert "分管副部长" not in message.text
    desk.approve("p-secretary")
    desk.until("2026-07-02 09:00")
    assert desk.reminders("t") == [("p-theory", "send", "due")]
    assert "分管副部长" in desk.mail[-1][1].text


def test_of_a_private_matter_only_the_least_is_said_over_the_internet(office: Open) -> None:
    """Neither the request nor the warning names it; at the office's own machine it can be read."""
    item = item_yaml("t", "every: half-year", UP, PAIRS + "\nprivate: true")
    desk = office(plan_of(item, head=LEADERS, channels=INTERNET), start="2026-06-20")
    desk.until("2026-07-02 10:00")
    (request, *warnings) = [message for _, message in desk.mail]
    assert request.subject == "请审批：一项工作事项"
    assert len(warnings) == 3
    for message in (request, *warnings):
        assert not any(
            "事项t" in text for text in (message.subject, message.text, message.html, message.markdown)
        )
    assert desk.waiting()[0].title == "事项t（2026年上半年）"


def test_an_escalation_about_a_section_needs_no_approval(office: Open) -> None:
    units = "duty:\n  each: unit\n  of: role:责任单位"
    plan = plan_of(item_yaml("r", "every: month", UP, units))
    desk = office(plan, start="2026-06-20")
    desk.until("2026-07-03")
    assert [each for each in desk.reminders("r") if each[0]] == [("p-leader", "send", "due")]


# -- rehearsal -----------------------------------------------------------------------


def test_a_rehearsal_needs_no_approval_and_shows_the_request(office: Open) -> None:
    desk = office(transport=Transport.OUTBOX)
    desk.until("2026-09-24 10:00")
    assert desk.subjects("p-office")[0] == f"（试运行）{ASKED}"
    assert "试运行" in desk.mail[0][1].text
    assert sent(desk) == ["group:group", *EVERYONE]
    assert not any(UNAPPROVED in message.subject for _, message in desk.mail)
