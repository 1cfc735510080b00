"""What one source says of one year."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from reminder.calendars.arrangement import (
    ArrangedDay,
    Arrangement,
    DayStatus,
    doubts,
    festivals_named,
    plain_name,
    provisional,
    published,
    working_festivals,
)
from reminder.calendars.lunar import FESTIVALS, CalendarRangeError, festival_day, new_years_eve


def test_days_off_and_makeup_days_carry_chinese_names() -> None:
    arrangement = published(2026)
    assert arrangement is not None
    named = {day.date: (day.name, day.off) for day in arrangement.days}
    assert named[date(2026, 1, 3)] == ("元旦", True)
    assert named[date(2026, 9, 20)] == ("国庆", False)
    assert named[date(2026, 10, 1)] == ("国庆", True)
    assert {name for name, _ in named.values()} == set(FESTIVALS)


@pytest.mark.parametrize("year", [2007, 2008, 2012, 2019])
def test_a_notice_reaches_into_the_december_before(year: int) -> None:
    arrangement = published(year)
    assert arrangement is not None
    before = [day for day in arrangement.days if day.date.year == year - 1]
    assert before
    assert {day.name for day in before} == {"元旦"}


def test_the_december_of_a_year_is_not_its_own_when_the_next_notice_named_it() -> None:
    arrangement = published(2018)
    assert arrangement is not None
    assert max(day.date for day in arrangement.days) == date(2018, 10, 7)


@pytest.mark.parametrize(
    ("year", "day", "name"),
    [
        (2017, date(2017, 4, 29), "劳动节"),
        (2017, date(2016, 12, 31), "元旦"),
        (2012, date(2012, 6, 23), "端午"),
    ],
)
def test_a_weekend_day_that_the_library_leaves_unnamed_has_its_breaks_name(
    year: int, day: date, name: str
) -> None:
    arrangement = published(year)
    assert arrangement is not None
    assert ArrangedDay(day, name, True) in arrangement.days


@pytest.mark.parametrize("year", [2003, 2027, 2100])
def test_a_year_that_the_library_does_not_know_is_not_published(year: int) -> None:
    assert published(year) is None


def test_no_festival_is_worked_in_any_published_year_since_2008() -> None:
    for year in range(2008, 2027):
        arrangement = published(year)
        assert arrangement is not None
        assert working_festivals(arrangement) == ()


def test_a_festival_left_out_is_found() -> None:
    only = Arrangement(2027, (ArrangedDay(date(2027, 10, 1), "国庆", True),))
    assert working_festivals(only) == ("元旦", "清明", "端午", "中秋")  # the other two fall on Saturdays


@pytest.mark.parametrize("year", [2025, 2026])
def test_nothing_is_odd_in_what_was_published_under_the_present_law(year: int) -> None:
    arrangement = published(year)
    assert arrangement is not None
    assert doubts(arrangement) == ()


def test_too_many_days_of_work_in_a_row_are_doubted() -> None:
    arrangement = published(2026)
    assert arrangement is not None
    more = [ArrangedDay(date(2026, 11, day), "国庆", off=False) for day in (7, 8)]
    told = doubts(Arrangement(2026, (*arrangement.days, *more)))
    assert len(told) == 2
    assert told[1] == "2026-11-02起连续工作12天，一般不超过6天，请核对"


def runs(year: int) -> list[tuple[str, str]]:
    """The runs of days that the expectation of a year names, as month-day pairs."""
    found: list[list[date]] = []
    for day in provisional(year).days:
        if found and (day.date - found[-1][-1]).days == 1:
            found[-1].append(day.date)
        else:
            found.append([day.date])
    return [(f"{run[0]:%m-%d}", f"{run[-1]:%m-%d}") for run in found]


def test_the_breaks_expected_of_2027() -> None:
    assert runs(2027) == [
        ("01-01", "01-03"),
        ("02-05", "02-12"),
        ("04-03", "04-05"),
        ("05-01", "05-05"),
        ("06-09", "06-09"),
        ("09-15", "09-15"),
        ("10-01", "10-07"),
    ]


def test_the_principles_give_back_the_published_breaks_of_2025() -> None:
    """The first year under the present law and principles."""
    actual = published(2025)
    assert actual is not None
    off = [day.date for day in actual.days if day.off]
    assert [day.date for day in provisional(2025).days] == off


def test_mid_autumn_that_meets_national_day_makes_eight_days() -> None:
    """2028-10-03 lies inside, 2031-10-01 is the same day, 2039-10-02 too; 2030-09-12 stands apart."""
    assert ("10-01", "10-08") in runs(2028)
    assert ("10-01", "10-08") in runs(2031)
    assert ("10-01", "10-07") in runs(2030)


def test_every_expected_year_gives_each_festival_its_break_and_no_makeup_day() -> None:
    for year in range(1929, 2101):
        arrangement = provisional(year)
        assert arrangement.status is DayStatus.PROVISIONAL
        assert all(day.off for day in arrangement.days)
        off = {day.date for day in arrangement.days}
        assert off >= {festival_day(name, year) for name in FESTIVALS}
        assert new_years_eve(year) in off


@pytest.mark.parametrize("year", [1928, 2101])
def test_nothing_is_expected_outside_the_range(year: int) -> None:
    with pytest.raises(CalendarRangeError):
        provisional(year)


def test_names_are_read_in_the_forms_that_notices_and_data_files_use() -> None:
    assert festivals_named("国庆节、中秋节") == ("国庆", "中秋")
    assert plain_name("清明节") == "清明"
    assert plain_name("五一国际劳动节") == "劳动节"
    assert plain_name(" 运动会 ") == "运动会"


@pytest.mark.parametrize(
    "days",
    [
        [date(2027, 1, 2), date(2027, 1, 1)],
        [date(2027, 1, 1), date(2027, 1, 1)],
        [date(2026, 11, 30)],
        [date(2028, 1, 1)],
    ],
)
def test_an_arrangement_holds_its_own_days_in_order_each_once(days: list[date]) -> None:
    with pytest.raises(ValueError, match="days of an arrangement"):
        Arrangement(2027, tuple(ArrangedDay(day, "元旦", True) for day in days))


def test_importing_the_calendar_loads_no_calendar_library() -> None:
    """A command that asks for no date does not pay for the libraries' memory."""
    code = (
        "import sys, reminder.calendars.announcement, reminder.calendars.workdays\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('chinese_calendar', 'tyme4py')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
