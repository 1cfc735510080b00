"""Rules of recurrence: what may stand can be walked, and what cannot be walked is refused."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from reminder.plan.recurrence_rules import rule_fault

START = date(2026, 1, 1)
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def numbers(most: int) -> st.SearchStrategy[str]:
    """Around the range on both sides, and often at its ends."""
    edges = st.sampled_from([-most - 1, -most, -1, 0, 1, most, most + 1])
    return st.lists(edges | st.integers(-most - 2, most + 2), min_size=1, max_size=3).map(
        lambda values: ",".join(map(str, values))
    )


BYDAY = st.lists(
    st.tuples(
        st.sampled_from(["", "1", "2", "-1", "5", "-5", "6", "9", "53", "-53", "54"]), st.sampled_from(DAYS)
    ),
    min_size=1,
    max_size=3,
).map(lambda days: ",".join("".join(day) for day in days))
RULES = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])},
    optional={
        "INTERVAL": st.sampled_from(["1", "2", "3", "5", "12"]),
        "COUNT": st.sampled_from(["1", "10"]),
        "UNTIL": st.sampled_from(["20260101", "20271231"]),
        "BYMONTH": numbers(12),
        "BYMONTHDAY": numbers(31),
        "BYYEARDAY": numbers(366),
        "BYWEEKNO": numbers(53),
        "BYSETPOS": numbers(366),
        "BYDAY": BYDAY,
        "WKST": st.sampled_from(DAYS),
    },
).map(lambda parts: ";".join(f"{name}={value}" for name, value in parts.items()))


@pytest.mark.filterwarnings("ignore:Using both 'count' and 'until'")
@given(RULES)
def test_a_rule_that_may_stand_can_be_walked_to_its_end(rule: str) -> None:
    """From the first day of the plan over its years, as the agenda does."""
    if rule_fault(rule, START) is None:
        begun = datetime.combine(START, time.min)
        assert rrulestr(rule, dtstart=begun).between(begun, datetime(2028, 12, 31), inc=True) is not None


@pytest.mark.parametrize("first", [date(year, 1, 1) for year in range(2024, 2031)])
def test_the_ninth_tuesday_of_a_month_is_refused_whatever_year_it_begins_in(first: date) -> None:
    """python-dateutil walks such a rule off the end of its table, or finds nothing."""
    fault = rule_fault("FREQ=MONTHLY;BYDAY=9TU", first)
    assert fault is not None
    assert "9TU" in fault[0]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MONTHLY;BYDAY=+2TU,-1FR",
        "FREQ=YEARLY;BYDAY=53TH",
        "FREQ=YEARLY;BYMONTH=12;BYDAY=-5MO",
        "FREQ=YEARLY;BYWEEKNO=-1,20;BYDAY=MO;WKST=SU",
        "FREQ=YEARLY;BYYEARDAY=1,100,-1",
        "freq=monthly;byday=mo,tu;bysetpos=-1",
    ],
)
def test_what_the_standard_knows_may_stand(rule: str) -> None:
    assert rule_fault(rule, START) is None


def test_a_number_of_times_and_a_last_day_do_not_go_together() -> None:
    fault = rule_fault("FREQ=MONTHLY;COUNT=10;UNTIL=20261231", START)
    assert fault is not None
    assert fault[0] == "COUNT 与 UNTIL 同时写了"
