"""Who owes."""

from __future__ import annotations

from reminder.agenda.duties import cells_of
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
