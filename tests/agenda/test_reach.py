"""Whom an alarm reaches, and with what they owe."""

from __future__ import annotations

import textwrap

import pytest

from reminder.agenda.alarms import expand
from reminder.agenda.facts import NOTHING
from reminder.agenda.reach import Reached, reach
from tests.plans import CALENDAR, at, item_yaml, plan_of

PAIR = "duty:\n  each: pair\n  of: supervision"


def reached(audience: list[str], duty: str = PAIR, *more: str) -> Reached:
    rung = "- from: due\n  workdays: 0\n  to:\n" + textwrap.indent(
        "\n".join(f"- {each}" for each in audience), "    "
    )
    plan = plan_of(item_yaml("x", "every: half-year", rung, duty, *more))
    (alarm,) = expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-01"))
    return reach(alarm, plan, CALENDAR, NOTHING, alarm.at)


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (["everyone"], ["p-leader", "p-office", "p-theory", "p-liaison", "p-secretary", "p-clerk"]),
        (["everyone", "not unit:理论科"], ["p-leader", "p-office", "p-secretary", "p-clerk"]),
        (["owing"], ["p-leader"]),
        (["owing", "not person:p-leader"], []),
        (["owing", "post:办公室主任"], ["p-leader", "p-office"]),
        (["head:机关各科室"], ["p-office", "p-theory"]),
        (["contact:机关各科室"], ["p-office", "p-liaison"]),
        (["role:部务会成员"], ["p-leader"]),
        (["escalation"], []),
    ],
)
def test_audiences_are_unions_with_exclusions_in_roster_order(
    audience: list[str], expected: list[str]
) -> None:
    """Each person once, in the order of the directory."""
    assert [each.person.id for each in reached(audience).receivers] == expected


def test_a_receiver_sees_only_the_cells_they_own() -> None:
    """The leader reads both names; the office head, told for information, none."""
    found = {each.person.id: len(each.cells) for each in reached(["owing", "post:办公室主任"]).receivers}
    assert found == {"p-leader": 2, "p-office": 0}


def test_an_escalation_goes_to_those_above_with_the_cells_below_them() -> None:
    unit = "duty:\n  each: unit\n  of:\n    - role:责任单位"
    (above,) = reached(["escalation"], unit).receivers
    assert (above.person.id, [cell.id for cell in above.cells]) == ("p-leader", ["办公室", "理论科"])
