"""Periods: their days, ids and names."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.calendars.lunar import CalendarRangeError
from reminder.calendars.periods import Period, PeriodKind, parse_period, periods
from reminder.errors import UsageError

ANY_DAY = st.dates(date(1929, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("text", "kind", "first", "last", "label"),
    [
        ("2026-05", PeriodKind.MONTH, date(2026, 5, 1), date(2026, 5, 31), "2026年5月"),
        ("2028-02", PeriodKind.MONTH, date(2028, 2, 1), date(2028, 2, 29), "2028年2月"),
        ("2026-12", PeriodKind.MONTH, date(2026, 12, 1), date(2026, 12, 31), "2026年12月"),
        ("2026Q3", PeriodKind.QUARTER, date(2026, 7, 1), date(2026, 9, 30), "2026年第三季度"),
        ("2026H1", PeriodKind.HALF_YEAR, date(2026, 1, 1), date(2026, 6, 30), "2026年上半年"),
        ("2026H2", PeriodKind.HALF_YEAR, date(2026, 7, 1), date(2026, 12, 31), "2026年下半年"),
        ("2026", PeriodKind.YEAR, date(2026, 1, 1), date(2026, 12, 31), "2026年"),
    ],
)
def test_a_period_reads_from_its_id_and_knows_its_days(
    text: str, kind: PeriodKind, first: date, last: date, label: str
) -> None:
    period = parse_period(text)
    assert (period.kind, period.first, period.last, period.label) == (kind, first, last, label)
    assert period.id == text


@pytest.mark.parametrize("text", ["2026q3", " 2026Q3 ", "２０２６Ｑ３"])
def test_case_spaces_and_full_width_forms_are_read_too(text: str) -> None:
    assert parse_period(text).id == "2026Q3"


@pytest.mark.parametrize(
    "text", ["", "2026Q5", "2026Q0", "2026H3", "2026-13", "2026-00", "26Q1", "2026年", "Q1"]
)
def test_anything_else_is_refused_with_the_forms_named(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_period(text)
    assert f"“{text}”不是时段" in str(caught.value)
    for form in ("2026H1", "2026Q1", "2026-05"):
        assert form in str(caught.value)


def test_a_year_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(CalendarRangeError, match="1928年超出历法范围"):
        parse_period("1928Q1")


def test_an_index_that_the_year_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="year has 4"):
        Period(PeriodKind.QUARTER, 2026, 5)


def test_no_period_lies_in_an_empty_window() -> None:
    assert periods(PeriodKind.MONTH, date(2026, 2, 1), date(2026, 1, 31)) == ()


@given(st.sampled_from(PeriodKind), ANY_DAY, st.integers(0, 900))
def test_periods_follow_one_another_and_cover_the_window(kind: PeriodKind, first: date, length: int) -> None:
    last = first + timedelta(days=length)
    found = periods(kind, first, last)
    assert found[0].first <= first <= found[0].last
    assert found[-1].first <= last <= found[-1].last
    for earlier, later in itertools.pairwise(found):
        assert later.first - earlier.last == timedelta(days=1)
        assert earlier < later


@given(st.sampled_from(PeriodKind), ANY_DAY)
def test_an_id_read_back_is_the_period(kind: PeriodKind, day: date) -> None:
    (period,) = periods(kind, day, day)
    assert parse_period(period.id) == period
