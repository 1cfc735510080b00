"""The agenda that moves on with the days is the one that would be worked out anew."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import partial

import pytest

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.facts import NOTHING, Facts, Registered
from reminder.sweep.ahead import IN_STORE, Stretch
from reminder.sweep.approvals import approvable
from tests.editions import edition_of
from tests.plans import CALENDAR, at, item_yaml, plan_of

OWING = """\
- from: due
  workdays:
    - -10
    - 0
  to: owing
- from: due
  workdays: +1
  to: escalation
  repeat:
    every_workdays: 2
    at_most: 3
"""
PLAIN = "- from: due\n  workdays:\n    - -5\n    - 0\n  to: person:p-office\n"
DUTY = "duty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科"
APPROVED = "approval:\n  by: person:p-leader\n  from: break\n  workdays: -3"
PLAN = plan_of(
    item_yaml("monthly", "every: month\ndue: last-workday", OWING, DUTY),
    item_yaml("window", "window:\n  opens: 03-01\n  closes: 06-10", OWING, DUTY),
    item_yaml(
        "festival",
        "festivals:\n  - 春节\n  - 端午",
        "- from: break\n  workdays: -1\n  to: everyone\n  template: festival\n",
        APPROVED,
    ),
    item_yaml("weekly", "rrule: FREQ=WEEKLY;BYDAY=MO", PLAIN),
    item_yaml("talk", "event: appointment\ndue_workdays: 5", PLAIN),
)
EDITION = edition_of(PLAN)
FIRST, AHEAD = at("2025-12-20"), timedelta(days=40)
WAYS = {"expand": partial(expand, PLAN, CALENDAR), "approvable": partial(approvable, EDITION)}


def in_order(alarms: Iterable[Alarm]) -> list[Alarm]:
    return sorted(alarms, key=lambda alarm: alarm.order)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("follows", [False, True], ids=["from the first day", "from today"])
def test_moved_on_day_by_day_it_holds_what_a_new_one_would(way: str, follows: bool) -> None:
    """Over a year with an event in it, registered in June and withdrawn in August."""
    work_out, now = WAYS[way], at("2026-01-01 08:00")
    moved, facts, seen = Stretch(work_out), NOTHING, 0
    event = Registered("appointment", "任前-1", date(2026, 7, 6), at("2026-06-02 09:00"), "p-clerk")
    while now < at("2027-01-01"):
        if now.date() == date(2026, 6, 2):
            facts = Facts(events=(event,))
        elif now.date() == date(2026, 8, 3):
            facts = Facts()
        since = now if follows else FIRST
        found = moved.move(since, now + AHEAD, facts)
        assert found == in_order(work_out(since, now + AHEAD, facts))
        seen = max(seen, len(found))
        now += timedelta(days=1)
    assert seen


def test_only_what_comes_into_sight_is_worked_out_and_a_month_at_once() -> None:
    """Unless events have changed, or it is to begin earlier: then it is all of it."""
    asked: list[tuple[datetime, datetime]] = []

    def work_out(since: datetime, until: datetime, facts: Facts) -> Iterable[Alarm]:
        asked.append((since, until))
        return expand(PLAN, CALENDAR, since, until, facts)

    stretch, day = Stretch(work_out), timedelta(days=1)
    until = FIRST + AHEAD
    for days in range(32):
        stretch.move(FIRST, until + days * day, Facts(number=days))
    registered = Registered("appointment", "任前-1", date(2026, 1, 20), FIRST, "p-clerk")
    known = Facts(events=(registered,))
    stretch.move(FIRST, until, known)
    stretch.move(FIRST, until + day, Facts(events=(registered,)))
    stretch.move(FIRST - day, until, known)
    assert asked == [
        (FIRST, until + IN_STORE),
        (until + IN_STORE, until + 31 * day + IN_STORE),
        (FIRST, until + IN_STORE),
        (FIRST - day, until + IN_STORE),
    ]


def test_a_clock_set_back_finds_what_is_not_settled() -> None:
    """It is shown no further than it is asked."""
    stretch, early = Stretch(WAYS["expand"]), FIRST + AHEAD / 2
    stretch.move(FIRST, FIRST + AHEAD, NOTHING)
    assert stretch.move(FIRST, early, NOTHING) == list(expand(PLAN, CALENDAR, FIRST, early))


def test_what_is_settled_does_not_come_back() -> None:
    """Under whichever of its names the ledger has it."""
    stretch = Stretch(WAYS["expand"])
    first, *others = stretch.move(FIRST, FIRST + AHEAD, NOTHING)
    assert stretch.move(FIRST, FIRST + AHEAD, NOTHING, {first.key, "somebody/else#due"}) == others
    again = stretch.move(FIRST, FIRST + 2 * AHEAD, NOTHING)
    assert again[: len(others)] == others
    assert len(again) > len(others)
    assert first.key not in {alarm.key for alarm in again}
