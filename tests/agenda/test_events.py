"""Events: what a registration starts, when it is reminded of, and what moving it does."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminder.agenda.alarms import Alarm, expand, next_alarm
from reminder.agenda.duties import after_rotation, standings
from reminder.agenda.facts import DutyAction, DutyEvent, DutyState, Facts, Registered, Way
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.plan.loader import load_plan
from reminder.plan.model import Plan
from tests.editions import ROOT
from tests.plans import CALENDAR, DIRECTORY, at, day, item_yaml, plan_of

SHIPPED = load_plan(ROOT / "schedules").plan
assert SHIPPED is not None
STEP = "private: true\nduty:\n  each: person\n  gate: true\n  of:\n    - person:p-clerk"
LADDER = """
- id: registered
  from: opens
  workdays: 0
  to: owing
- from: due
  workdays:
    - -10
    - -5
    - -1
  to: owing
"""
APPOINTMENT = item_yaml("step", "event: appointment", LADDER, STEP)


def registered(
    on: str, recorded: str, *, event: str = "appointment", subject: str = "任前-2026-03", turn: int = 1
) -> Registered:
    return Registered(event, subject, day(on), at(recorded), "p-clerk", turn)


def alarms(plan: Plan, *events: Registered, item: str = "") -> list[Alarm]:
    found = expand(plan, CALENDAR, at("2025-06-01"), at("2028-06-01"), Facts(events=events))
    wanted = {each.event for each in events}
    return [
        alarm
        for alarm in found
        if getattr(alarm.item.spec.when, "event", "") in wanted and item in ("", alarm.item.id)
    ]


def times(found: list[Alarm]) -> dict[str, str]:
    return {alarm.rung.id: f"{alarm.at:%m-%d %H:%M}" for alarm in found}


def only(plan: Plan, *events: Registered) -> Occurrence:
    head = plan.head
    (found,) = occurrences(plan.items[0], head, CALENDAR, head.from_, head.until, Facts(events=events))
    return found


# ---- the ladders of the clauses


def test_the_shipped_appointment_ladder_counts_from_its_day() -> None:
    """2026-05-20: T-10 lies before May Day's break, over its makeup Saturday 05-09; T-1 is Tuesday."""
    found = alarms(SHIPPED, registered("2026-05-20", "2026-04-20 08:00"), item="appointment-talk")
    assert times(found) == {
        "registered": "04-20 09:00",
        "due-10wd": "05-07 09:00",
        "talker": "05-07 09:00",
        "due-5wd": "05-13 09:00",
        "due-1wd": "05-19 09:00",
        "gate": "05-19 09:00",
        "passed": "05-21 09:00",
    }


def test_the_shipped_circular_ladder_counts_from_its_day() -> None:
    """Received on 2026-05-20: T0, +5, +8, due after ten working days."""
    event = registered("2026-05-20", "2026-05-20 08:30", event="circular", subject="通报-2026-07")
    found = alarms(SHIPPED, event)
    assert times(found) == {
        "event+0wd": "05-20 09:00",
        "event+5wd": "05-27 09:00",
        "event+8wd": "06-01 09:00",
    }
    assert {f"{alarm.occurrence.due_at:%m-%d %H:%M}" for alarm in found} == {"06-03 17:00"}
    assert {alarm.occurrence.id for alarm in found} == {"case-circular/通报-2026-07"}


def test_three_steps_have_each_their_own_ladder() -> None:
    found = alarms(SHIPPED, registered("2026-05-20", "2026-04-20 08:00"))
    assert {alarm.occurrence.id for alarm in found} == {
        "appointment-talk/任前-2026-03",
        "appointment-exam/任前-2026-03",
        "appointment-statement/任前-2026-03",
    }
    assert all(
        item.spec.duty is not None and item.spec.duty.gate
        for item in SHIPPED.items
        if getattr(item.spec.when, "event", "") == "appointment"
    )


# ---- nobody is reminded before the registration


def test_what_is_registered_in_the_afternoon_is_told_at_once_and_not_late() -> None:
    found = alarms(plan_of(APPOINTMENT), registered("2026-05-20", "2026-04-20 14:30"))
    assert times(found)["registered"] == "04-20 14:30"


def test_rungs_that_are_past_at_the_registration_come_with_it() -> None:
    """Three working days ahead: T-10 and T-5 would lie before anybody knew."""
    found = alarms(plan_of(APPOINTMENT), registered("2026-05-20", "2026-05-15 10:00"))
    assert times(found) == {
        "registered": "05-15 10:00",
        "due-10wd": "05-15 10:00",
        "due-5wd": "05-15 10:00",
        "due-1wd": "05-19 09:00",
    }


def test_what_is_registered_on_a_rest_day_is_told_on_the_next_working_day() -> None:
    """Saturday 2026-05-16, for the Wednesday after."""
    found = alarms(plan_of(APPOINTMENT), registered("2026-05-20", "2026-05-16 10:00"))
    assert times(found)["registered"] == "05-18 09:00"


def test_unless_that_would_be_too_late() -> None:
    """Saturday, for Sunday: at once."""
    found = alarms(plan_of(APPOINTMENT), registered("2026-05-17", "2026-05-16 10:00"))
    assert set(times(found).values()) == {"05-16 10:00"}


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 20)),
    st.integers(0, 200),
)
@settings(max_examples=200, deadline=None)
def test_no_alarm_lies_before_its_registration_and_all_before_the_day_are_of_use(
    recorded: datetime, ahead: int
) -> None:
    stamp = at(str(recorded))
    on = min(stamp.date() + timedelta(days=ahead), day("2026-12-31"))
    event = Registered("appointment", "任前-1", on, stamp, "p-clerk")
    found = alarms(plan_of(APPOINTMENT), event)
    assert len(found) == 4
    for alarm in found:
        assert alarm.at >= stamp
        assert alarm.at < alarm.useful_until or stamp >= alarm.occurrence.due_at


@given(st.lists(st.integers(1, 11), min_size=1, max_size=3, unique=True))
@settings(max_examples=30, deadline=None)
def test_a_window_split_anywhere_gives_the_same_alarms(cuts: list[int]) -> None:
    """The law of the agenda holds with events in it."""
    plan = plan_of(APPOINTMENT)
    facts = Facts(
        events=(
            registered("2026-05-20", "2026-05-15 10:00"),
            registered("2026-12-20", "2026-02-15 10:00", subject="任前-2"),
            registered("2026-08-03", "2026-07-30 18:20", subject="任前-3", turn=2),
        )
    )
    edges = [
        at("2026-01-01"),
        *(at(f"2026-{month:02d}-13 10:00") for month in sorted(cuts)),
        at("2027-01-01"),
    ]
    whole = expand(plan, CALENDAR, edges[0], edges[-1], facts)
    parts = [expand(plan, CALENDAR, a, b, facts) for a, b in pairwise(edges)]
    assert [alarm for part in parts for alarm in part] == list(whole)
    assert len(whole) == 12


def test_the_next_alarm_of_an_event_is_found() -> None:
    plan = plan_of(APPOINTMENT)
    facts = Facts(events=(registered("2026-05-20", "2026-04-20 08:00"),))
    assert next_alarm(plan.items[0], plan, CALENDAR, at("2026-05-07 09:00"), facts) == at("2026-05-13 09:00")
    assert next_alarm(plan.items[0], plan, CALENDAR, at("2026-05-19 09:00"), facts) is None


# ---- moving


def test_an_event_that_was_moved_has_a_ladder_of_its_own_and_the_record_it_had() -> None:
    """What was done before stays done; the reminders of the new day are new ones."""
    plan = plan_of(APPOINTMENT)
    first, moved = (
        only(plan, registered("2026-05-20", "2026-04-20 08:00")),
        only(plan, registered("2026-06-24", "2026-05-18 08:00", turn=2)),
    )
    assert (first.id, first.recorded_under) == ("step/任前-2026-03", ("step/任前-2026-03",))
    assert (moved.id, moved.recorded_under) == ("step/任前-2026-03~2", ("step/任前-2026-03",))
    assert moved.due == day("2026-06-24")
    done = DutyEvent(
        1,
        "step/任前-2026-03",
        "p-clerk",
        DutyAction.DONE,
        at("2026-05-10"),
        "x",
        Way.COMMAND,
        day("2026-05-10"),
    )
    facts = Facts(duties={("step/任前-2026-03", "p-clerk"): (done,)})
    (standing,) = standings(plan.items[0], moved, plan.directory, CALENDAR, facts, at("2026-06-01"))
    assert (standing.state, standing.done_on) == (DutyState.DONE, day("2026-05-10"))


def test_a_rotation_after_a_move_is_recorded_under_the_same_id() -> None:
    rotated = DIRECTORY.replace(
        "  - post: 理论科科长\n    person: p-theory\n",
        "  - post: 理论科科长\n    person: p-theory\n    until: 2026-06-09\n"
        "  - post: 理论科科长\n    person: p-clerk\n    from: 2026-06-10\n",
    )
    duty = "duty:\n  each: person\n  of:\n    - head:理论科"
    plan = plan_of(item_yaml("step", "event: appointment", LADDER, duty), directory=rotated)
    moved = only(plan, registered("2026-06-15", "2026-05-18 08:00", turn=2))
    (again,) = after_rotation(plan.items[0], moved, plan.directory, CALENDAR)
    assert again.id == "step/任前-2026-03~2+2026-06-10"
    assert again.recorded_under == ("step/任前-2026-03",)


@pytest.mark.parametrize(("on", "there"), [("2026-12-31", True), ("2027-01-04", False)])
def test_an_event_beyond_the_plan_starts_nothing(on: str, there: bool) -> None:
    assert bool(alarms(plan_of(APPOINTMENT), registered(on, "2026-12-01 08:00"))) is there
