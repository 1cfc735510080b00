"""Cells follow the directory: rotation, vacancy, acting heads, and what became of each."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.agenda.alarms import expand
from reminder.agenda.duties import departed, occurrence_cells, standings, transfers
from reminder.agenda.facts import (
    OWED,
    TRANSITIONS,
    DutyAction,
    DutyEvent,
    DutyState,
    Facts,
    Way,
    state_after,
)
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.plan.model import Item, Plan
from tests.plans import CALENDAR, DIRECTORY, at, day, item_yaml, plan_of

PAIR = "duty:\n  each: pair\n  of: supervision"
WINDOW = "- from: due\n  workdays:\n    - -5\n    - 0\n  to: owing"


def rotated(on: str, post: str = "理论科科长", leaves: str = "p-theory", comes: str = "p-clerk") -> str:
    """The directory with one post handed over: the last day before ``on`` is the leaver's."""
    last = date.fromordinal(day(on).toordinal() - 1)
    before = f"  - post: {post}\n    person: {leaves}\n"
    assert before in DIRECTORY
    after = f"{before}    until: {last}\n  - post: {post}\n    person: {comes}\n    from: {on}\n"
    return DIRECTORY.replace(before, after)


def the_item(
    directory: str = DIRECTORY, duty: str = PAIR, when: str = "every: half-year"
) -> tuple[Plan, Item]:
    plan = plan_of(item_yaml("x", when, WINDOW, duty), directory=directory)
    return plan, plan.items[0]


def first_half(plan: Plan, item: Item) -> Occurrence:
    return next(iter(occurrences(item, plan.head, CALENDAR, day("2026-06-01"), day("2026-06-30"))))


def ids(plan: Plan, item: Item, on: str) -> list[str]:
    cells = occurrence_cells(item, first_half(plan, item), plan.directory, CALENDAR, day(on))
    return [cell.id for cell in cells]


def test_a_rotation_closes_the_old_cell_and_opens_a_new_one() -> None:
    plan, item = the_item(rotated("2026-05-11"))
    assert ids(plan, item, "2026-05-10") == ["p-leader/p-office", "p-leader/p-theory"]
    assert ids(plan, item, "2026-05-11") == ["p-leader/p-office", "p-leader/p-clerk"]
    assert ids(plan, item, "2026-07-20") == ["p-leader/p-office", "p-leader/p-clerk"]
    found = [
        (each.on, each.cell.id, each.opens)
        for each in transfers(item, first_half(plan, item), plan.directory, CALENDAR)
    ]
    assert found == [
        (day("2026-05-11"), "p-leader/p-theory", False),
        (day("2026-05-11"), "p-leader/p-clerk", True),
    ]


def test_who_comes_late_in_a_period_has_twenty_working_days_and_a_ladder_of_their_own() -> None:
    """From 2026-06-15 twenty working days lead to 07-14, past the due date of 06-30."""
    plan, item = the_item(rotated("2026-06-15"))
    assert ids(plan, item, "2026-06-20") == ["p-leader/p-office"]
    alarms = expand(plan, CALENDAR, at("2026-06-01"), at("2026-08-01"))
    assert [(alarm.key, alarm.at.date()) for alarm in alarms] == [
        ("x/2026H1#due-5wd", day("2026-06-23")),
        ("x/2026H1#due+0wd", day("2026-06-30")),
        ("x/2026H1+2026-06-15#due-5wd", day("2026-07-07")),
        ("x/2026H1+2026-06-15#due+0wd", day("2026-07-14")),
    ]
    late = alarms[-1].occurrence
    cells = occurrence_cells(item, late, plan.directory, CALENDAR, day("2026-07-07"))
    assert [(cell.id, cell.due) for cell in cells] == [("p-leader/p-clerk", day("2026-07-14"))]
    assert late.recorded_under == ("x/2026H1",)


def test_an_item_may_leave_newcomers_to_the_next_period_or_give_another_grace() -> None:
    plan, item = the_item(rotated("2026-05-11"), PAIR + "\n  on_rotation: next-period")
    assert ids(plan, item, "2026-05-11") == ["p-leader/p-office"]
    plan, item = the_item(rotated("2026-06-29"), PAIR + "\n  on_rotation: 1")
    assert ids(plan, item, "2026-06-29") == ["p-leader/p-office", "p-leader/p-clerk"]


def test_a_vacant_post_owes_nothing_until_somebody_holds_it() -> None:
    vacant = DIRECTORY.replace(
        "  - post: 理论科科长\n    person: p-theory\n",
        "  - post: 理论科科长\n    person: p-theory\n    until: 2026-02-28\n"
        "  - post: 理论科科长\n    person: p-clerk\n    from: 2026-04-01\n",
    )
    plan, item = the_item(vacant)
    assert ids(plan, item, "2026-03-15") == ["p-leader/p-office"]
    assert ids(plan, item, "2026-04-01") == ["p-leader/p-office", "p-leader/p-clerk"]


def test_an_acting_head_is_the_head_while_the_acting_holds() -> None:
    """The one who is away on a secondment keeps the post and owes no talk meanwhile."""
    acting = DIRECTORY.replace(
        "  - post: 理论科科长\n    person: p-theory\n",
        "  - post: 理论科科长\n    person: p-theory\n"
        "  - post: 理论科科长\n    person: p-clerk\n    acting: true\n    from: 2026-03-01\n    until: 2026-04-30\n",
    )
    plan, item = the_item(acting)
    assert ids(plan, item, "2026-02-28")[1] == "p-leader/p-theory"
    assert ids(plan, item, "2026-03-01")[1] == "p-leader/p-clerk"
    assert ids(plan, item, "2026-05-01")[1] == "p-leader/p-theory"


def test_nobody_owes_a_talk_with_themselves() -> None:
    both = rotated("2026-05-11", post="理论科科长", comes="p-leader")
    plan, item = the_item(both)
    assert ids(plan, item, "2026-05-11") == ["p-leader/p-office"]


def test_a_units_duty_stays_the_units_when_its_contact_changes() -> None:
    duty = "duty:\n  each: unit\n  of:\n    - role:责任单位"
    plan, item = the_item(rotated("2026-05-11", "理论科联络员", "p-liaison"), duty)
    cells = occurrence_cells(item, first_half(plan, item), plan.directory, CALENDAR, day("2026-05-11"))
    assert [(cell.id, cell.since, [p.id for p in cell.owners]) for cell in cells] == [
        ("办公室", day("2026-01-01"), ["p-office"]),
        ("理论科", day("2026-01-01"), ["p-clerk"]),
    ]


def event(number: int, cell: str, action: DutyAction, on: str | None = None) -> DutyEvent:
    when = at("2026-05-01")
    return DutyEvent(number, "x/2026H1", cell, action, when, "p-clerk", Way.COMMAND, day(on) if on else None)


def facts_of(*events: DutyEvent) -> Facts:
    found: dict[tuple[str, str], tuple[DutyEvent, ...]] = {}
    for each in events:
        found[each.occurrence, each.cell] = (*found.get((each.occurrence, each.cell), ()), each)
    return Facts(duties=found)


def test_whoever_left_keeps_their_record() -> None:
    plan, item = the_item(rotated("2026-05-11"))
    facts = facts_of(event(1, "p-leader/p-theory", DutyAction.DONE, "2026-03-03"))
    occurrence = first_half(plan, item)
    cells = occurrence_cells(item, occurrence, plan.directory, CALENDAR, day("2026-06-01"))
    ((cell, events),) = departed(occurrence, cells, facts)
    assert (cell, events[0].on) == ("p-leader/p-theory", day("2026-03-03"))


def test_a_cell_is_overdue_from_its_due_instant_on_and_only_while_it_is_owed() -> None:
    plan, item = the_item()
    occurrence = first_half(plan, item)
    done = facts_of(event(1, "p-leader/p-office", DutyAction.DONE, "2026-05-05"))

    def overdue(now: datetime) -> list[bool]:
        return [each.overdue for each in standings(item, occurrence, plan.directory, CALENDAR, done, now)]

    assert overdue(at("2026-06-30 17:00")) == [False, False]
    assert overdue(at("2026-06-30 17:01")) == [False, True]


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ("", DutyState.OPEN),
        ("book", DutyState.IN_PROGRESS),
        ("book done", DutyState.DONE),
        ("done return", DutyState.RETURNED),
        ("done return done", DutyState.DONE),
        ("waive", DutyState.WAIVED),
        ("waive done", DutyState.DONE),
        ("waive reopen", DutyState.OPEN),
        ("done reopen", DutyState.OPEN),
        ("return", DutyState.OPEN),
        ("done waive", DutyState.DONE),
    ],
)
def test_a_state_is_folded_from_what_happened(actions: str, state: DutyState) -> None:
    events = [event(number, "c", DutyAction(each)) for number, each in enumerate(actions.split())]
    assert state_after(tuple(events)) is state


@given(st.lists(st.sampled_from(list(DutyAction)), max_size=12))
def test_doing_the_same_twice_is_doing_it_once(actions: list[DutyAction]) -> None:
    """Every action leads to its state or leaves the state alone."""
    state = DutyState.OPEN
    for number, action in enumerate(actions):
        events = tuple(event(n, "c", each) for n, each in enumerate(actions[: number + 1]))
        once = state_after(events)
        assert once is state_after((*events, event(99, "c", action)))
        assert once in (state, TRANSITIONS[action][1])
        state = once


def test_what_is_owed_is_what_can_still_be_done() -> None:
    assert TRANSITIONS[DutyAction.WAIVE][0] == OWED
    assert TRANSITIONS[DutyAction.DONE][0] > OWED
