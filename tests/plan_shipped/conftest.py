"""The plan that is shipped, and the official calendar."""

from __future__ import annotations

import pytest

from reminder.calendars.workdays import WorkCalendar
from reminder.plan.loader import load_plan
from reminder.plan.model import Plan
from tests.editions import ROOT

SCHEDULES = ROOT / "schedules"


@pytest.fixture(scope="session")
def plan() -> Plan:
    result = load_plan(SCHEDULES)
    assert result.plan is not None, "\n".join(map(str, result.problems))
    return result.plan


@pytest.fixture(scope="session")
def calendar() -> WorkCalendar:
    return WorkCalendar()
