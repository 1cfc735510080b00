"""Laws of working-day arithmetic, against counting day by day."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from reminder.calendars.workdays import WorkCalendar

CALENDAR = WorkCalendar()
DAY = timedelta(days=1)
DAYS = st.dates(date(2004, 1, 1), date(2040, 12, 31))
COUNTS = st.integers(0, 60)


def naive_before(day: date, n: int) -> date:
    if n == 0:
        while not CALENDAR.is_workday(day):
            day -= DAY
        return day
    while n:
        day -= DAY
        n -= CALENDAR.is_workday(day)
    return day


def naive_after(day: date, n: int) -> date:
    while n:
        day += DAY
        n -= CALENDAR.is_workday(day)
    return day


@given(DAYS, COUNTS)
def test_before_counts_as_a_person_would(day: date, n: int) -> None:
    assert CALENDAR.before(day, n) == naive_before(day, n)


@given(DAYS, st.integers(1, 60))
def test_after_counts_as_a_person_would(day: date, n: int) -> None:
    assert CALENDAR.after(day, n) == naive_after(day, n)


@given(DAYS, st.integers(-800, 800))
def test_between_two_days_are_as_many_as_a_person_would_count(start: date, days: int) -> None:
    """From the day after the first up to the last, over the years' ends too; backwards they count negative."""
    end = start + days * DAY
    between = range(min(start, end).toordinal() + 1, max(start, end).toordinal() + 1)
    counted = sum(CALENDAR.is_workday(date.fromordinal(each)) for each in between)
    assert CALENDAR.workdays_between(start, end) == (counted if days >= 0 else -counted)


@given(DAYS, st.integers(-600, 600))
def test_whatever_is_computed_is_a_working_day(day: date, n: int) -> None:
    assert CALENDAR.is_workday(CALENDAR.shift(day, n))


@given(DAYS, st.integers(0, 600))
def test_before_and_after_undo_each_other_from_a_working_day(day: date, n: int) -> None:
    start = CALENDAR.before(day, 0)
    assert CALENDAR.before(CALENDAR.after(start, n), n) == start
    assert CALENDAR.after(CALENDAR.before(start, n), n) == start


@given(DAYS, st.integers(-300, 300), st.integers(-300, 300))
def test_shifts_add_up_from_a_working_day(day: date, n: int, m: int) -> None:
    start = CALENDAR.shift(day, 0)
    assert CALENDAR.shift(CALENDAR.shift(start, n), m) == CALENDAR.shift(start, n + m)


@given(DAYS, st.integers(0, 40), st.integers(-40, 40))
def test_a_later_day_never_shifts_to_an_earlier_one(day: date, gap: int, n: int) -> None:
    assert CALENDAR.shift(day, n) <= CALENDAR.shift(day + gap * DAY, n)


@given(DAYS, st.integers(-40, 40))
def test_a_larger_shift_goes_further(day: date, n: int) -> None:
    """From 0 to 1 too: 0 lies on or before the day, 1 after it."""
    assert CALENDAR.shift(day, n) < CALENDAR.shift(day, n + 1) or (
        n == -1 and not CALENDAR.is_workday(day) and CALENDAR.shift(day, -1) == CALENDAR.shift(day, 0)
    )


@settings(max_examples=60)
@given(DAYS, st.integers(0, 100))
def test_first_and_last_working_day_of_a_span_are_found_by_looking(first: date, length: int) -> None:
    last = first + length * DAY
    working = [day for k in range(length + 1) if CALENDAR.is_workday(day := first + k * DAY)]
    assert CALENDAR.first_workday(first, last) == (working[0] if working else None)
    assert CALENDAR.last_workday(first, last) == (working[-1] if working else None)


@given(DAYS)
def test_every_day_of_a_break_has_the_same_break(day: date) -> None:
    around = CALENDAR.break_around(day)
    assert around.first <= day <= around.last
    for offset in range(around.days):
        assert CALENDAR.break_around(around.first + offset * DAY) == around
    if not CALENDAR.is_workday(day):
        assert not any(CALENDAR.is_workday(around.first + offset * DAY) for offset in range(around.days))


@given(st.permutations(range(2004, 2041)))
@settings(max_examples=10)
def test_the_order_of_questions_does_not_matter(years: list[int]) -> None:
    fresh = WorkCalendar()
    for year in years:
        assert fresh.before(date(year, 6, 15), 200) == CALENDAR.before(date(year, 6, 15), 200)
