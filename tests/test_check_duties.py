"""What the check says of duties: chains that end nowhere, lists that would be read by a group."""

from __future__ import annotations

from pathlib import Path

from reminder.check import examine
from reminder.errors import Severity
from tests.editions import TEMPLATES
from tests.plans import DIRECTORY, item_yaml, write_plan

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
        "“分管副部长与办公室主任”没有可提请关注的人",
        "“分管副部长与理论科科长”没有可提请关注的人",
    ]
    assert problems[0].startswith("plan.yaml:17:")
    assert problems[0].endswith("请写 plan.in_charge 或本项的 escalate_to")


def test_the_obligor_is_not_above_themselves(tmp_path: Path) -> None:
    head = "  in_charge: person:p-leader\n"
    problems = found(tmp_path, item_yaml("x", "every: half-year", UP.format(offset="+1"), PAIRS), head=head)
    assert len(problems) == 2
    assert all("的上级就是承担者本人，没有可提请关注的人" in problem for problem in problems)
    head = "  in_charge: post:第一党支部书记\n"
    assert found(tmp_path, item_yaml("x", "every: half-year", UP.format(offset="+1"), PAIRS), head=head) == []


def test_who_still_owes_is_never_told_to_a_group(tmp_path: Path) -> None:
    for rung in (
        "- from: due\n  workdays: 0\n  to: owing\n  via:\n    - group",
        UP.format(offset="+1") + "\n  via:\n    - mail\n    - group",
        "- from: due\n  workdays: 0\n  to: person:p-clerk\n  template: missing-list\n  via:\n    - group",
        "- from: due\n  workdays: +1\n  to: head:机关各科室\n  if: open\n  via:\n    - group",
        "- from: due\n  workdays: 0\n  to: owing\n  via:\n    first: mail\n    else: group",
    ):
        (problem,) = found(tmp_path, item_yaml("x", "every: month", rung, UNITS))
        assert "点到未办结的人，而通道里有群：group" in problem
        assert "owing、escalation、if 和 missing-list 只能逐人发送" in problem


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


WITHOUT = DIRECTORY.replace("  - leader: 分管副部长\n    unit: 理论科\n", "")
"""Nobody supervises 理论科."""


def test_a_unit_with_nobody_above_is_named_and_the_others_are_not(tmp_path: Path) -> None:
    (problem,) = found(
        tmp_path, item_yaml("x", "every: month", UP.format(offset="+1"), UNITS), directory=WITHOUT
    )
    assert problem.startswith("plan.yaml:17:5: items[x].duty: “理论科”没有可提请关注的人；")
    assert problem.endswith("请在名录 supervision 中写明谁分管该单位，或写本项的 escalate_to")


def test_what_waits_for_an_event_is_asked_too(tmp_path: Path) -> None:
    """It has no day yet, and its chain must hold on any."""
    when = "event: circular\ndue_workdays: 10"
    (problem,) = found(tmp_path, item_yaml("x", when, UP.format(offset="+1"), UNITS), directory=WITHOUT)
    assert "“理论科”没有可提请关注的人" in problem


def supervised(*spans: str) -> str:
    links = "".join(f"  - leader: 分管副部长\n    unit: 理论科\n{each}" for each in spans)
    return WITHOUT + links


def test_a_chain_that_ends_within_the_plan_is_an_error_from_then_on(tmp_path: Path) -> None:
    ends = supervised("    until: 2026-05-31\n")
    item = item_yaml("x", "every: month", UP.format(offset="+1"), UNITS)
    (problem,) = found(tmp_path, item, directory=ends)
    assert "“理论科”没有可提请关注的人；" in problem


def test_a_gap_that_closes_again_is_a_warning_and_keeps_no_plan_out(tmp_path: Path) -> None:
    """What is past cannot be changed any more."""
    gap = supervised("    until: 2026-03-15\n", "    from: 2026-05-01\n")
    write_plan(tmp_path, item_yaml("x", "every: month", UP.format(offset="+1"), UNITS), directory=gap)
    examined = examine(tmp_path, TEMPLATES)
    assert examined.errors == []
    (problem,) = examined.problems
    assert problem.severity is Severity.WARNING
    assert "“理论科”没有可提请关注的人（2026-03-31 时，其后已有人）" in str(problem)


def test_a_duty_that_no_reminder_asks_for_is_doubted(tmp_path: Path) -> None:
    rung = "- from: due\n  workdays: 0\n  to: {who}"
    (problem,) = found(tmp_path, item_yaml("x", "every: month", rung.format(who="person:p-clerk"), UNITS))
    assert (
        "items[x].duty: 写了 duty（谁承担），而没有一档提醒发给未办结的人；请把一档提醒的 to 写为 owing"
        in problem
    )
    assert found(tmp_path, item_yaml("x", "every: month", rung.format(who="role:责任单位"), UNITS)) == []


def test_an_escalation_on_the_morning_of_the_due_day_is_doubted_and_one_after_it_is_not(
    tmp_path: Path,
) -> None:
    """At 09:00 of the due day it is not due yet; at 17:30 it is over."""
    early = found(tmp_path, item_yaml("x", "every: month", UP.format(offset="0"), UNITS))
    assert ["在截止之前就提请上级关注" in problem for problem in early] == [True]
    late = UP.format(offset="0") + "\n  at: 17:30"
    assert found(tmp_path, item_yaml("x", "every: month", late, UNITS)) == []


def test_a_units_duty_has_no_rotation(tmp_path: Path) -> None:
    duty = UNITS + "\n  on_rotation: 10"
    (problem,) = found(tmp_path, item_yaml("x", "every: month", UP.format(offset="+1"), duty))
    assert "each: unit 而写了 on_rotation" in problem
