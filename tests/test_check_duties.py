"""What the check says of duties: chains that end nowhere, lists that would be read by a group."""

from __future__ import annotations

from pathlib import Path

from reminder.check import examine
from tests.editions import TEMPLATES
from tests.plans import item_yaml, write_plan

UNITS = "duty:\n  each: unit\n  of:\n    - role:责任单位"
PAIRS = "duty:\n  each: pair\n  of: supervision"
UP = "- id: up\n  from: due\n  workdays: {offset}\n  to: escalation"


APPROVERS = "  approvers: post:第一党支部书记\n"


def found(folder: Path, *items: str, head: str = "", **options: str) -> list[str]:
    write_plan(folder, *items, head=APPROVERS + head, **options)
    return [str(problem) for problem in examine(folder, TEMPLATES).problems]


def test_a_duty_with_somebody_above_has_no_problem(tmp_path: Path) -> None:
    assert found(tmp_path, item_yaml("x", "every: month", UP.format(offset="+1"), UNITS)) == []


def test_a_talk_that_escalates_to_nobody_is_an_error_that_names_it(tmp_path: Path) -> None:
    problems = found(tmp_path, item_yaml("x", "every: half-year", UP.format(offset="+1"), PAIRS))
    assert [problem.split(": ", 2)[2].split("；")[0] for problem in problems] == [
        "“分管副部长与办公室主任”没有可提请关注的人（承担者本人不算）",
        "“分管副部长与理论科科长”没有可提请关注的人（承担者本人不算）",
    ]
    assert problems[0].startswith("plan.yaml:17:")
    assert problems[0].endswith("请写 plan.in_charge 或本项的 escalate_to")


def test_the_obligor_is_not_above_themselves(tmp_path: Path) -> None:
    head = "  in_charge: person:p-leader\n"
    problems = found(tmp_path, item_yaml("x", "every: half-year", UP.format(offset="+1"), PAIRS), head=head)
    assert len(problems) == 2
    head = "  in_charge: post:第一党支部书记\n"
    assert found(tmp_path, item_yaml("x", "every: half-year", UP.format(offset="+1"), PAIRS), head=head) == []


def test_who_still_owes_is_never_told_to_a_group(tmp_path: Path) -> None:
    for rung in (
        "- from: due\n  workdays: 0\n  to: owing\n  via:\n    - group",
        UP.format(offset="+1") + "\n  via:\n    - mail\n    - group",
        "- from: due\n  workdays: 0\n  to: person:p-clerk\n  template: missing-list\n  via:\n    - group",
    ):
        (problem,) = found(tmp_path, item_yaml("x", "every: month", rung, UNITS))
        assert "点到未办结的人，而通道里有群：group" in problem
        assert "owing、escalation 和 missing-list 只能逐人发送" in problem


def test_a_private_item_goes_to_no_group(tmp_path: Path) -> None:
    rung = "- from: due\n  workdays: 0\n  to: person:p-clerk\n  via:\n    - group"
    (problem,) = found(tmp_path, item_yaml("x", "date: 2026-06-10", rung, "private: true"))
    assert "本项不公开（private），而提醒会发到群：group" in problem


def test_a_condition_without_a_duty_is_an_error(tmp_path: Path) -> None:
    rung = "- from: due\n  workdays: 0\n  to: person:p-clerk\n  if: open"
    (problem,) = found(tmp_path, item_yaml("x", "date: 2026-06-10", rung))
    assert "写了 if: open，而本项没有写 duty" in problem


def test_an_escalation_before_the_due_date_is_doubted(tmp_path: Path) -> None:
    (problem,) = found(tmp_path, item_yaml("x", "every: month", UP.format(offset="-1"), UNITS))
    assert "在截止之前就提请上级关注" in problem


def test_a_cap_that_lets_nothing_out_is_an_error(tmp_path: Path) -> None:
    (problem,) = found(
        tmp_path,
        item_yaml("x", "date: 2026-06-10", "- from: due\n  workdays: 0\n  to: everyone"),
        head="  daily_cap: 0\n",
    )
    assert "daily_cap 是 0，那就一条也发不出" in problem
