"""Lunar dates and festivals, against a second library over the whole range."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from borax.calendars.lunardate import LunarDate
from hypothesis import given
from hypothesis import strategies as st

from reminder.calendars.lunar import (
    FESTIVALS,
    CalendarRangeError,
    festival_day,
    lunar_date,
    new_years_eve,
    solar_to_lunar,
)
from reminder.errors import UsageError

LUNAR_FESTIVALS = {"春节": (1, 1), "端午": (5, 5), "中秋": (8, 15)}


@pytest.mark.parametrize("name", LUNAR_FESTIVALS)
def test_lunar_festivals_of_1929_to_2100_agree_with_borax(name: str) -> None:
    """One day apart: 中秋 2089, where borax has the new moon a day late."""
    differing = {
        year: festival_day(name, year)
        for year in range(1929, 2101)
        if festival_day(name, year) != LunarDate(year, *LUNAR_FESTIVALS[name]).to_solar_date()
    }
    assert differing == ({2089: date(2089, 9, 18)} if name == "中秋" else {})


@pytest.mark.parametrize(
    ("name", "year", "day"),
    [
        ("元旦", 2026, date(2026, 1, 1)),
        ("春节", 2026, date(2026, 2, 17)),
        ("清明", 2026, date(2026, 4, 5)),
        ("劳动节", 2026, date(2026, 5, 1)),
        ("端午", 2026, date(2026, 6, 19)),
        ("中秋", 2026, date(2026, 9, 25)),
        ("国庆", 2026, date(2026, 10, 1)),
        ("清明", 2024, date(2024, 4, 4)),
        ("清明", 2008, date(2008, 4, 4)),
        ("清明", 2019, date(2019, 4, 5)),
        # The new moon stands 233 s before midnight.
        ("春节", 2027, date(2027, 2, 6)),
        # A leap fifth or eighth month repeats 5/5 and 8/15: the ordinary month holds the festival.
        ("端午", 2009, date(2009, 5, 28)),
        ("端午", 2028, date(2028, 5, 28)),
        ("端午", 2039, date(2039, 5, 27)),
        ("端午", 2047, date(2047, 5, 29)),
        ("中秋", 2052, date(2052, 9, 7)),
        ("中秋", 2071, date(2071, 9, 8)),
        ("中秋", 2090, date(2090, 9, 8)),
    ],
)
def test_festivals_that_are_known(name: str, year: int, day: date) -> None:
    assert festival_day(name, year) == day


@pytest.mark.parametrize("year", [2009, 2028, 2039, 2047])
def test_the_fifth_of_a_leap_fifth_month_is_not_the_festival(year: int) -> None:
    """The same lunar number comes again within a month, and is marked as of a leap month."""
    again = [
        day
        for offset in range(1, 32)
        if solar_to_lunar(day := festival_day("端午", year) + timedelta(days=offset))[1:3] == (5, 5)
    ]
    assert [solar_to_lunar(day)[3] for day in again] == [True]


def test_new_years_eve_is_the_day_before_spring_festival() -> None:
    assert new_years_eve(2024) == date(2024, 2, 9)
    assert new_years_eve(2025) == date(2025, 1, 28)


def test_the_thirtieth_of_a_short_month_is_its_twenty_ninth() -> None:
    """The twelfth month of 2024 (Gregorian 2025) has 29 days; that of 2023 has 30."""
    assert lunar_date(2024, 12, 30) == lunar_date(2024, 12, 29) == new_years_eve(2025)
    assert lunar_date(2023, 12, 30) == new_years_eve(2024)
    assert lunar_date(2023, 12, 29) == date(2024, 2, 8)


def test_double_ninth() -> None:
    assert lunar_date(2026, 9, 9) == date(2026, 10, 18)


@given(st.dates(date(1929, 1, 1), date(2100, 12, 31)))
def test_a_lunar_date_leads_back_to_its_day(day: date) -> None:
    year, month, number, leap = solar_to_lunar(day)
    if leap:
        assert 0 < (day - lunar_date(year, month, number)).days <= 31
    else:
        assert lunar_date(year, month, number) == day


@pytest.mark.parametrize("year", [1, 1928, 2101, 9999])
@pytest.mark.parametrize("name", FESTIVALS)
def test_festivals_outside_1929_to_2100_are_refused(name: str, year: int) -> None:
    with pytest.raises(CalendarRangeError, match=f"{year}年超出历法范围：只能计算1929年至2100年"):
        festival_day(name, year)


def test_the_range_ends_with_the_gregorian_year() -> None:
    """Lunar year 2100 runs into 2101 and lunar year 1928 into 1929: the Gregorian date decides."""
    assert lunar_date(1928, 12, 1) == date(1929, 1, 11)
    for outside in ((1928, 10, 1), (2100, 12, 29), (1900, 1, 1), (2101, 1, 1)):
        with pytest.raises(CalendarRangeError):
            lunar_date(*outside)
    for day in (date(1928, 12, 31), date(2101, 1, 1)):
        with pytest.raises(CalendarRangeError, match=day.isoformat()):
            solar_to_lunar(day)


@pytest.mark.parametrize(("month", "day"), [(0, 1), (13, 1), (1, 0), (1, 31)])
def test_a_lunar_day_that_cannot_be_is_refused(month: int, day: int) -> None:
    with pytest.raises(UsageError, match=f"没有农历{month}月{day}日"):
        lunar_date(2026, month, day)


def test_an_unknown_festival_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="没有名为“元宵”的节日：只有元旦、春节"):
        festival_day("元宵", 2026)
