"""What the agenda of many items costs, in counts that no machine and no neighbour moves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from types import FrameType
from typing import Any

from reminder.agenda.alarms import Alarm, expand
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.loader import load_plan_bytes
from reminder.plan.model import Plan
from tests.plans import at, files_of, item_yaml

LADDER = """\
- from: due
  workdays:
    - -10
    - -5
    - 0
  to: owing
- from: due
  workdays: +3
  to: escalation
  repeat:
    every_workdays: 2
    at_most: 3
"""
DUTY = "duty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科"
PLAIN = "- from: due\n  workdays: -1\n  to: person:p-office"
KINDS = (
    ("every: month\ndue: last-workday", LADDER, DUTY),
    ("every: quarter", LADDER, DUTY),
    ("window:\n  opens: 03-01\n  closes: 06-10", LADDER, DUTY),
    ("festivals:\n  - 春节\n  - 中秋", PLAIN, ""),
    ("rrule: FREQ=WEEKLY;BYDAY=MO", PLAIN, ""),
    ('lunar: "9/9"', PLAIN, ""),
)
FEW, MANY = 6, 120


class Counting(WorkCalendar):
    """A calendar that counts what it is asked to reckon."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def before(self, d: date, n: int) -> date:
        self.asked += 1
        return super().before(d, n)

    def after(self, d: date, n: int) -> date:
        self.asked += 1
        return super().after(d, n)


def files(count: int) -> dict[str, bytes]:
    return files_of(*(item_yaml(f"i{number}", *KINDS[number % len(KINDS)]) for number in range(count)))


def plan(count: int) -> Plan:
    found = load_plan_bytes(files(count)).plan
    assert found is not None
    return found


def year(plan: Plan, calendar: WorkCalendar) -> tuple[Alarm, ...]:
    return expand(plan, calendar, at("2026-01-01"), at("2027-01-01"))


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python are called."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_the_calendar_reckons_once_for_all_items_that_share_when_and_ladder() -> None:
    """Twenty times the items ask nothing more of it."""
    few, many = Counting(), Counting()
    assert len(year(plan(MANY), many)) == MANY // FEW * len(year(plan(FEW), few))
    assert many.asked == few.asked > 0


def test_an_alarm_more_costs_no_more_than_five_calls() -> None:
    """Its own making, and its share of its occurrence and its item: 3.2 as this is written."""
    few, many, calendar = plan(FEW), plan(MANY), WorkCalendar()
    alarms = len(year(many, calendar)) - len(year(few, calendar))
    more = calls(lambda: year(many, calendar)) - calls(lambda: year(few, calendar))
    assert alarms < more < 5 * alarms


def test_an_item_more_costs_a_bounded_number_of_calls_to_read_and_check() -> None:
    """Reading, validating and checking an item: 311 calls as this is written."""
    few, many = files(FEW), files(MANY)
    load_plan_bytes(few)  # what is made at the first use is not the item's
    more = calls(lambda: load_plan_bytes(many)) - calls(lambda: load_plan_bytes(few))
    assert 0 < more / (MANY - FEW) < 450
