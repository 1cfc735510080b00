"""Approvals, the pure part: which rungs, asked when, by whom, and who stands above."""

from __future__ import annotations

import pytest

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.approvals import Panel, asks_at, may_need, may_read, panel, superiors
from reminder.agenda.facts import Approval, ApprovalRequest, Facts
from reminder.plan.model import Plan
from tests.plans import CALENDAR, DIRECTORY, at, day, item_yaml, plan_of

RUNG = "- id: message\n  from: due\n  workdays: 0\n  to: everyone\n"
LATER = "- id: close\n  from: due\n  workdays: +2\n  to: person:p-clerk\n"
BY = "approval:\n  by: {by}\n  from: due\n  workdays: -3"
UP = "- id: up\n  from: due\n  workdays: +2\n  at: 10:30\n  to: escalation\n"
PAIRS = "duty:\n  each: pair\n  of: supervision"
AWAY = "deputies:\n  - of: p-office\n    deputy: p-theory\n    from: 2026-06-05\n    until: 2026-06-06\n"
TODAY = day("2026-06-05")


def plan_with(rungs: str = RUNG, extra: str = BY.format(by="person:p-office"), **options: str) -> Plan:
    return plan_of(item_yaml("x", "date: 2026-06-10", rungs, extra), **options)


def alarms_of(plan: Plan) -> dict[str, Alarm]:
    found = expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-31"))
    return {alarm.rung.id: alarm for alarm in found}


@pytest.mark.parametrize(
    ("approval", "expected"),
    [
        ("from: due\n  workdays: -3", "2026-06-05 09:00"),
        ("from: due\n  days: -7\n  at: 15:30", "2026-06-03 15:30"),
        ("from: due\n  workdays: +5", "2026-06-10 09:00"),  # never later than the message itself
    ],
)
def test_approvers_are_asked_so_long_before(approval: str, expected: str) -> None:
    plan = plan_with(extra=f"approval:\n  by: person:p-office\n  {approval}")
    assert asks_at(alarms_of(plan)["message"], CALENDAR) == at(expected)


def test_an_escalation_is_shown_one_working_day_before_its_hour() -> None:
    """Due on Friday, 12 June; two working days later is Tuesday: asked on Monday at the same hour."""
    plan = plan_of(item_yaml("x", "date: 2026-06-12", UP, PAIRS), head="  approvers: person:p-secretary\n")
    alarm = alarms_of(plan)["up"]
    assert (alarm.at, asks_at(alarm, CALENDAR)) == (at("2026-06-16 10:30"), at("2026-06-15 10:30"))


def test_an_approval_covers_every_rung_or_those_it_names() -> None:
    every = alarms_of(plan_with(RUNG + LATER))
    named = alarms_of(plan_with(RUNG + LATER, BY.format(by="person:p-office") + "\n  rungs:\n    - message"))
    assert {name: may_need(alarm) for name, alarm in every.items()} == {"message": True, "close": True}
    assert {name: may_need(alarm) for name, alarm in named.items()} == {"message": True, "close": False}


def panel_on(submitter: str = "p-clerk", by: str = "person:p-office", directory: str = DIRECTORY) -> Panel:
    plan = plan_with(extra=BY.format(by=by), directory=directory)
    return panel(alarms_of(plan)["message"], plan, TODAY, submitter)


def ids(people: object) -> list[str]:
    return [each.id for each in people]  # type: ignore[attr-defined]


def test_the_absent_are_asked_through_their_deputies_and_both_may_approve() -> None:
    found = panel_on(directory=DIRECTORY + AWAY)
    assert (ids(found.named), ids(found.asked), ids(found.able)) == (
        ["p-office"],
        ["p-theory"],
        ["p-theory", "p-office"],
    )
    plan = plan_with(directory=DIRECTORY + AWAY)
    person = plan.directory.person("p-theory")
    assert ids(found.for_(person, plan.directory, TODAY)) == ["p-office"]
    assert found.for_(plan.directory.person("p-office"), plan.directory, TODAY) == ()


@pytest.mark.parametrize(
    ("submitter", "able"),
    [
        ("p-clerk", ["p-office"]),
        ("p-office", ["p-clerk"]),
        ("p-theory", ["p-office", "p-clerk"]),
        ("", ["p-office"]),  # nobody knows: no admin
        ("某办公室", ["p-office"]),  # nobody of the directory: as little known
    ],
)
def test_the_submitter_may_not_approve_nor_an_admin_while_the_submitter_is_unknown(
    submitter: str, able: list[str]
) -> None:
    found = panel_on(submitter, "\n    - person:p-office\n    - person:p-clerk")
    assert ids(found.able) == able


@pytest.mark.parametrize(
    ("person", "head", "above"),
    [
        ("p-office", "", ["p-leader"]),  # who supervises the section
        ("p-secretary", "", ["p-leader"]),  # of a branch
        ("p-leader", "", ["p-clerk"]),  # nobody supervises a leader: the admins
        ("p-leader", "  in_charge: person:p-secretary\n", ["p-secretary"]),
        ("p-clerk", "", []),  # an admin of no unit has none above in this directory
    ],
)
def test_above_an_approver_stands_who_supervises_their_unit(person: str, head: str, above: list[str]) -> None:
    plan = plan_with(head=head)
    assert ids(superiors((plan.directory.person(person),), plan, TODAY)) == above


def test_of_a_private_item_only_who_is_in_charge_reads_names() -> None:
    plan = plan_with(
        extra=BY.format(by="person:p-office") + "\nprivate: true", head="  in_charge: person:p-leader\n"
    )
    item = plan.items[0]
    assert [
        may_read(plan.directory.person(each), item, plan, TODAY) for each in ("p-office", "p-leader")
    ] == [False, True]
    open_plan = plan_with()
    assert may_read(plan.directory.person("p-office"), open_plan.items[0], open_plan, TODAY)


def test_the_last_word_about_a_text_counts_and_only_about_that_text() -> None:
    now = at("2026-06-05")
    words = (
        Approval("x#a", "one", True, now, "p-office"),
        Approval("x#a", "two", True, now, "p-office"),
        Approval("x#a", "one", False, now, "p-office", "缓发"),
    )
    facts = Facts(requests=(ApprovalRequest("x#a", "one", now, ""),), approvals=words)
    assert not facts.approved(("x#a",), "one")
    assert facts.approved(("y#a", "x#a"), "two")
    assert not facts.approved(("y#a",), "two")
    assert len(facts.said_of(("x#a",))) == 3
    assert len(facts.asked_of(("x#a",))) == 1
