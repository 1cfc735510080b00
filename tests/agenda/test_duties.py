"""Who owes, and who is reminded."""

from __future__ import annotations

import pytest

from reminder.agenda.duties import cells_of, receivers_of
from reminder.plan.audience import parse_term
from tests.plans import ON_DUE_DAY, day, item_yaml, plan_of

ON = day("2026-06-10")


def plan_with(duty: str):
    return plan_of(item_yaml("x", "every: half-year", ON_DUE_DAY, duty))


def test_a_unit_owes_through_its_contact_or_else_its_head() -> None:
    """理论科 has a contact; 办公室 has none, so its head is reminded."""
    plan = plan_with("duty:\n  each: unit\n  of:\n    - role:责任单位")
    cells = cells_of(plan.items[0], plan.directory, ON)
    assert [(cell.label, [p.id for p in cell.owners]) for cell in cells] == [
        ("办公室", ["p-office"]),
        ("理论科", ["p-liaison"]),
    ]


def test_a_leader_owes_a_talk_to_each_section_head_and_none_to_a_branch() -> None:
    """Pairs are leader × section head; a branch secretary is supervised and owes no talk."""
    plan = plan_with("duty:\n  each: pair\n  of: supervision")
    cells = cells_of(plan.items[0], plan.directory, ON)
    assert [(cell.id, cell.label) for cell in cells] == [
        ("p-leader/p-office", "办公室主任"),
        ("p-leader/p-theory", "理论科科长"),
    ]


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
    plan = plan_with("duty:\n  each: pair\n  of: supervision")
    cells = cells_of(plan.items[0], plan.directory, ON)
    terms = tuple(parse_term(each) for each in audience)
    found = receivers_of(terms, cells, plan.directory, ON)
    assert [receiver.person.id for receiver in found] == expected


def test_a_receiver_sees_only_the_cells_they_own() -> None:
    """The leader reads both names; the office head, told for information, none."""
    plan = plan_with("duty:\n  each: pair\n  of: supervision")
    cells = cells_of(plan.items[0], plan.directory, ON)
    terms = (parse_term("owing"), parse_term("post:办公室主任"))
    found = {each.person.id: len(each.cells) for each in receivers_of(terms, cells, plan.directory, ON)}
    assert found == {"p-leader": 2, "p-office": 0}
