"""What ``check`` says of approvals once calendar and directory are known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reminder.check import examine
from tests.editions import TEMPLATES
from tests.plans import item_yaml, write_plan

RUNG = "- id: message\n  from: due\n  workdays: 0\n  to: person:p-office\n"
UP = "- id: up\n  from: due\n  workdays: +2\n  to: escalation\n"
APPROVAL = "approval:\n  by: person:p-office\n  from: due\n  workdays: {workdays}\n  at: {at}"
PAIRS = "duty:\n  each: pair\n  of: supervision"
UNITS = "duty:\n  each: unit\n  of: role:责任单位"
HEADS = "duty:\n  each: person\n  of: head:机关各科室"
LEADERS = "duty:\n  each: person\n  of: role:部务会成员\n  escalate_to: person:p-secretary"


def problems(
    folder: Path, item: str, *, head: str = "", templates: Path = TEMPLATES
) -> list[tuple[str, str]]:
    """(severity, text) of everything found about approvals."""
    write_plan(folder / "schedules", item, head=head)
    found = examine(folder / "schedules", templates).problems
    return [(str(each.severity), str(each)) for each in found]


def test_approvers_asked_at_the_messages_own_hour_are_an_error_with_the_place(tmp_path: Path) -> None:
    item = item_yaml("x", "date: 2026-06-10", RUNG, APPROVAL.format(workdays=0, at="09:00"))
    text = (
        "plan.yaml:16:5: items[x].approval: 提请审批的时间不早于提醒“message”的发出时间"
        "（2026年6月10日：2026-06-10 09:00 发出）；提请须早于发出；"
        "请把 approval 的日子提前，或用 approval.rungs 写明只审批哪几档提醒"
    )
    assert problems(tmp_path, item) == [("error", text)]


def test_asked_in_time_there_is_nothing_to_say(tmp_path: Path) -> None:
    item = item_yaml("x", "date: 2026-06-10", RUNG, APPROVAL.format(workdays=0, at="08:30"))
    assert problems(tmp_path, item) == []


@pytest.mark.parametrize(
    ("duty", "concerns"), [(PAIRS, True), (LEADERS, True), (UNITS, False), (HEADS, False)]
)
def test_an_escalation_about_leaders_needs_somebody_to_approve_it(
    duty: str, concerns: bool, tmp_path: Path
) -> None:
    """A pair's obligor is a leader; a section's head is none."""
    duty += "" if "escalate_to" in duty else "\n  escalate_to: person:p-secretary"
    found = problems(tmp_path, item_yaml("x", "every: half-year", UP, duty))
    text = (
        "plan.yaml:16:5: items[x].up: 提请关注涉及分管领导，须经审批，而计划没有写由谁审批；"
        "在 plan 下写 approvers，如 post:机关党委书记；或在本项写 approval"
    )
    assert found == ([("error", text)] if concerns else [])


def test_the_plans_approvers_or_the_items_own_will_do(tmp_path: Path) -> None:
    duty = PAIRS + "\n  escalate_to: person:p-secretary"
    by_plan = problems(
        tmp_path / "a", item_yaml("x", "every: half-year", UP, duty), head="  approvers: person:p-office\n"
    )
    own = item_yaml("x", "every: half-year", UP, duty + "\n" + APPROVAL.format(workdays=0, at="09:00"))
    assert (by_plan, problems(tmp_path / "b", own)) == ([], [])


def test_approvers_that_are_nobody_are_an_error(tmp_path: Path) -> None:
    duty = PAIRS + "\n  escalate_to: person:p-secretary"
    head = "  approvers:\n    - everyone\n    - not everyone\n"
    ((severity, text),) = problems(tmp_path, item_yaml("x", "every: half-year", UP, duty), head=head)
    assert severity == "error"
    assert "plan.approvers“everyone、not everyone”在 2026-01-01 没有任何人" in text


def test_without_the_template_for_requests_nobody_can_be_asked(tmp_path: Path) -> None:
    templates = tmp_path / "message_templates"
    shutil.copytree(TEMPLATES, templates)
    shutil.rmtree(templates / "approval")
    item = item_yaml("x", "date: 2026-06-10", RUNG, APPROVAL.format(workdays=-2, at="09:00"))
    ((severity, text),) = problems(tmp_path, item, templates=templates)
    assert severity == "error"
    assert "items[x].approval: 不能提请审批：" in text
    assert "没有名为“approval”的模板" in text


def test_a_slip_in_the_template_for_requests_is_found_before_anybody_is_asked(tmp_path: Path) -> None:
    templates = tmp_path / "message_templates"
    shutil.copytree(TEMPLATES, templates)
    words = templates / "approval" / "words.j2"
    words.write_text(words.read_text("utf-8").replace("approval.submitter", "approval.submiter"), "utf-8")
    item = item_yaml("x", "date: 2026-06-10", RUNG, APPROVAL.format(workdays=-2, at="09:00"))
    ((severity, text),) = problems(tmp_path, item, templates=templates)
    assert severity == "error"
    assert "submiter" in text
    assert "submitter" in text
