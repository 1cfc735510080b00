"""The working-day calendar: every published day, the traps, the statuses."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar
import holidays
import pytest

from reminder.calendars.arrangement import ArrangedDay, Arrangement, DayKind, DayStatus, published
from reminder.calendars.lunar import FESTIVALS, CalendarRangeError
from reminder.calendars.periods import parse_period
from reminder.calendars.workdays import Break, WorkCalendar, year_table
from reminder.errors import UsageError

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def calendar() -> WorkCalendar:
    return WorkCalendar()


def year_of(year: int, *days: tuple[str, str, bool]) -> Arrangement:
    return Arrangement(
        year, tuple(sorted(ArrangedDay(date.fromisoformat(d), name, off) for d, name, off in days))
    )


def all_days(first: int, last: int) -> list[date]:
    start = date(first, 1, 1)
    return [start + offset * DAY for offset in range((date(last, 12, 31) - start).days + 1)]


def test_every_day_of_2007_to_2026_is_as_published(calendar: WorkCalendar) -> None:
    days = all_days(2007, 2026)
    assert len(days) == 7305
    for day in days:
        assert calendar.is_workday(day) is chinese_calendar.is_workday(day), day
        assert calendar.is_workday(day) is not chinese_calendar.is_holiday(day), day


def test_every_day_of_2007_to_2026_agrees_with_a_second_source(calendar: WorkCalendar) -> None:
    china = holidays.country_holidays("CN", years=range(2007, 2027))
    assert [
        day for day in all_days(2007, 2026) if calendar.is_workday(day) is not china.is_working_day(day)
    ] == []


def test_kinds_follow_weekday_and_arrangement(calendar: WorkCalendar) -> None:
    for day in all_days(2007, 2027):
        known = calendar.day(day)
        weekend = day.weekday() >= 5
        assert known.date == day
        if known.kind in (DayKind.MAKEUP, DayKind.RESTDAY):
            assert weekend, day
        if known.kind is DayKind.WORKDAY:
            assert not weekend, day
        assert bool(known.name) is (known.kind in (DayKind.HOLIDAY, DayKind.MAKEUP)), day


@pytest.mark.parametrize(
    ("day", "kind", "name"),
    [
        ("2026-09-20", DayKind.MAKEUP, "国庆"),
        ("2026-02-14", DayKind.MAKEUP, "春节"),
        ("2026-01-03", DayKind.HOLIDAY, "元旦"),
        ("2026-01-10", DayKind.RESTDAY, ""),
        ("2026-01-05", DayKind.WORKDAY, ""),
        ("2024-02-09", DayKind.WORKDAY, ""),  # 除夕, a statutory day off only since 2025
        ("2025-01-28", DayKind.HOLIDAY, "春节"),  # 除夕
        ("2025-10-06", DayKind.HOLIDAY, "中秋"),
        ("2025-10-05", DayKind.HOLIDAY, "国庆"),
        ("2020-10-01", DayKind.HOLIDAY, "中秋、国庆"),  # one day, and the library names only one
        ("2017-04-29", DayKind.HOLIDAY, "劳动节"),  # unnamed in the library
    ],
)
def test_days_and_their_names(calendar: WorkCalendar, day: str, kind: DayKind, name: str) -> None:
    known = calendar.day(date.fromisoformat(day))
    assert (known.kind, known.name) == (kind, name)


def test_a_published_year_is_official_and_its_december_too_when_the_next_is_published(
    calendar: WorkCalendar,
) -> None:
    assert {calendar.status(day) for day in all_days(2007, 2025)} == {DayStatus.OFFICIAL}


def test_december_of_the_last_published_year_may_change(calendar: WorkCalendar) -> None:
    """The next notice may reach into it, as those of 2007, 2008, 2012 and 2019 did."""
    assert {calendar.status(day) for day in all_days(2026, 2026) if day.month < 12} == {DayStatus.OFFICIAL}
    assert {calendar.status(day) for day in all_days(2026, 2026) if day.month == 12} == {DayStatus.MAY_CHANGE}
    assert calendar.year_status(2026) is DayStatus.OFFICIAL


def test_an_unpublished_year_is_provisional(calendar: WorkCalendar) -> None:
    assert calendar.year_status(2027) is DayStatus.PROVISIONAL
    assert {calendar.status(day) for day in all_days(2027, 2027)} == {DayStatus.PROVISIONAL}


def test_the_admins_file_for_next_year_makes_this_december_firm() -> None:
    admin = WorkCalendar({2027: year_of(2027, ("2027-01-01", "元旦", True))})
    assert admin.status(date(2026, 12, 15)) is DayStatus.OFFICIAL
    assert admin.status(date(2027, 6, 1)) is DayStatus.OFFICIAL
    assert admin.status(date(2027, 12, 1)) is DayStatus.MAY_CHANGE


def test_next_years_notice_overrides_this_december() -> None:
    reaching = year_of(
        2027, ("2026-12-31", "元旦", True), ("2026-12-27", "元旦", False), ("2027-01-01", "元旦", True)
    )
    admin = WorkCalendar({2027: reaching})
    assert admin.day(date(2026, 12, 31)).kind is DayKind.HOLIDAY
    assert admin.day(date(2026, 12, 27)).kind is DayKind.MAKEUP
    assert admin.festival_break("元旦", 2027) == Break(
        date(2026, 12, 31), date(2027, 1, 3), ("元旦",), (date(2026, 12, 27),), DayStatus.OFFICIAL
    )


def test_the_admins_file_replaces_the_librarys_year() -> None:
    """As when an arrangement is amended in mid-year: 2015, 2019, 2020."""
    original = published(2026)
    assert original is not None
    amended = Arrangement(2026, tuple(day for day in original.days if day.date != date(2026, 9, 20)))
    assert WorkCalendar({2026: amended}).is_workday(date(2026, 9, 20)) is False
    assert WorkCalendar({2026: amended}).is_workday(date(2026, 10, 10)) is True


def test_an_expectation_that_reaches_back_never_overrides_what_was_published() -> None:
    """2030-01-01 is a Tuesday, so its expected break begins on Sunday 2029-12-30."""
    told = year_of(2029, ("2029-12-31", "元旦", False), ("2029-12-30", "元旦", False))
    admin = WorkCalendar({2029: told})
    assert admin.day(date(2029, 12, 30)).kind is DayKind.MAKEUP
    assert WorkCalendar().day(date(2029, 12, 31)).kind is DayKind.HOLIDAY
    assert WorkCalendar().status(date(2029, 12, 31)) is DayStatus.PROVISIONAL


def test_the_fingerprint_changes_with_the_admins_files() -> None:
    one = year_of(2027, ("2027-01-01", "元旦", True))
    other = year_of(2027, ("2027-01-01", "元旦", True), ("2027-01-09", "元旦", False))
    prints = {WorkCalendar(admin).fingerprint for admin in ({}, {2027: one}, {2027: other})}
    assert len(prints) == 3
    assert WorkCalendar({2027: one}).fingerprint == WorkCalendar({2027: one}).fingerprint


def test_the_fingerprint_changes_with_the_librarys_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = WorkCalendar().fingerprint
    monkeypatch.setattr(chinese_calendar, "__version__", "1.99.0")
    assert WorkCalendar().fingerprint != before


@pytest.mark.parametrize(
    ("today", "missing"),
    [
        (date(2025, 11, 1), None),
        (date(2026, 10, 31), None),
        (date(2026, 11, 1), 2027),
        (date(2026, 12, 31), 2027),
        (date(2027, 1, 1), 2027),
        (date(2027, 11, 30), 2027),
    ],
)
def test_a_missing_year_is_named_from_november_on(
    calendar: WorkCalendar, today: date, missing: int | None
) -> None:
    assert calendar.missing_year(today) == missing


def test_no_year_is_missing_once_the_admin_has_supplied_it() -> None:
    admin = WorkCalendar({2027: year_of(2027, ("2027-01-01", "元旦", True))})
    assert admin.missing_year(date(2026, 11, 1)) is None
    assert admin.missing_year(date(2027, 6, 1)) is None
    assert admin.missing_year(date(2027, 11, 1)) == 2028


def test_an_arrangement_filed_under_another_year_is_refused() -> None:
    with pytest.raises(ValueError, match="2027 was given for 2028"):
        WorkCalendar({2028: year_of(2027, ("2027-01-01", "元旦", True))})


@pytest.mark.parametrize(
    ("day", "n", "expected"),
    [
        ("2026-09-25", 5, "2026-09-20"),  # a Sunday, made up for National Day
        ("2026-02-17", 1, "2026-02-14"),  # a Saturday, made up for Spring Festival
        ("2026-09-25", 0, "2026-09-24"),
        ("2026-09-24", 0, "2026-09-24"),
        ("2026-10-08", 1, "2026-09-30"),
        ("2026-01-05", 2, "2025-12-31"),
        ("2019-01-02", 1, "2018-12-29"),
    ],
)
def test_working_days_before(calendar: WorkCalendar, day: str, n: int, expected: str) -> None:
    assert calendar.before(date.fromisoformat(day), n) == date.fromisoformat(expected)
    assert calendar.shift(date.fromisoformat(day), -n) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("day", "n", "expected"),
    [
        ("2026-02-14", 1, "2026-02-24"),
        ("2026-02-23", 5, "2026-02-28"),
        ("2026-10-01", 3, "2026-10-10"),
        ("2025-12-31", 1, "2026-01-04"),
        ("2026-10-03", 0, "2026-09-30"),
    ],
)
def test_working_days_after(calendar: WorkCalendar, day: str, n: int, expected: str) -> None:
    assert calendar.after(date.fromisoformat(day), n) == date.fromisoformat(expected)
    assert calendar.shift(date.fromisoformat(day), n) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("2011", "2011-12-31"),
        ("2012Q1", "2012-03-31"),
        ("2017Q3", "2017-09-30"),
        ("2018Q3", "2018-09-30"),
        ("2018", "2018-12-29"),
        ("2023Q3", "2023-09-28"),  # Monday to Friday alone would say 09-29
        ("2026H1", "2026-06-30"),
        ("2026-05", "2026-05-29"),
    ],
)
def test_the_last_working_day_of_a_period(calendar: WorkCalendar, period: str, expected: str) -> None:
    asked = parse_period(period)
    assert calendar.last_workday(asked.first, asked.last) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("period", "expected"),
    [("2026", "2026-01-04"), ("2026Q4", "2026-10-08"), ("2026-03", "2026-03-02"), ("2026H2", "2026-07-01")],
)
def test_the_first_working_day_of_a_period(calendar: WorkCalendar, period: str, expected: str) -> None:
    asked = parse_period(period)
    assert calendar.first_workday(asked.first, asked.last) == date.fromisoformat(expected)


def test_a_span_of_days_off_has_no_working_day(calendar: WorkCalendar) -> None:
    assert calendar.first_workday(date(2026, 10, 1), date(2026, 10, 7)) is None
    assert calendar.last_workday(date(2026, 10, 1), date(2026, 10, 7)) is None
    assert calendar.last_workday(date(2026, 10, 9), date(2026, 10, 8)) is None


def test_a_negative_count_is_a_mistake_of_the_caller(calendar: WorkCalendar) -> None:
    for method in (calendar.before, calendar.after):
        with pytest.raises(ValueError, match="not negative"):
            method(date(2026, 1, 1), -1)


def test_the_range_has_sharp_edges(calendar: WorkCalendar) -> None:
    assert calendar.before(date(1929, 1, 31), 0) == date(1929, 1, 31)
    assert calendar.after(date(2100, 12, 29), 1) == date(2100, 12, 30)
    assert calendar.festival_break("元旦", 1929).first == date(1929, 1, 1)
    assert calendar.first_workday(date(1929, 1, 1), date(1929, 1, 1)) is None
    assert calendar.last_workday(date(1929, 1, 1), date(1929, 1, 1)) is None
    assert calendar.break_around(date(2100, 12, 31)).last == date(2100, 12, 31)


@pytest.mark.parametrize("day", [date(1928, 12, 31), date(2101, 1, 1), date.min, date.max])
def test_days_outside_1929_to_2100_are_refused(calendar: WorkCalendar, day: date) -> None:
    inside = date(2026, 1, 1)
    for ask in (
        lambda: calendar.day(day),
        lambda: calendar.is_workday(day),
        lambda: calendar.status(day),
        lambda: calendar.before(day, 0),
        lambda: calendar.after(day, 1),
        lambda: calendar.break_around(day),
        lambda: calendar.first_workday(day, inside),
        lambda: calendar.last_workday(inside, day),
        lambda: calendar.breaks(day.year),
        lambda: calendar.year_status(day.year),
        lambda: calendar.missing_year(day),
        lambda: year_table(calendar, day.year),
    ):
        with pytest.raises(CalendarRangeError, match="超出历法范围"):
            ask()


def test_counting_over_the_edge_is_refused(calendar: WorkCalendar) -> None:
    with pytest.raises(CalendarRangeError):
        calendar.before(date(1929, 1, 2), 20)
    with pytest.raises(CalendarRangeError):
        calendar.after(date(2100, 12, 31), 1)


def told(breaks: tuple[Break, ...]) -> list[tuple[str, str, int, tuple[str, ...]]]:
    return [(f"{each.first:%m-%d}", f"{each.last:%m-%d}", each.days, each.festivals) for each in breaks]


def test_the_breaks_of_2026(calendar: WorkCalendar) -> None:
    assert told(calendar.breaks(2026)) == [
        ("01-01", "01-03", 3, ("元旦",)),
        ("02-15", "02-23", 9, ("春节",)),
        ("04-04", "04-06", 3, ("清明",)),
        ("05-01", "05-05", 5, ("劳动节",)),
        ("06-19", "06-21", 3, ("端午",)),
        ("09-25", "09-27", 3, ("中秋",)),
        ("10-01", "10-07", 7, ("国庆",)),
    ]


def test_the_breaks_expected_of_2027(calendar: WorkCalendar) -> None:
    """A rest day beside an expected break may become a makeup day: 02-13 is not counted in."""
    assert told(calendar.breaks(2027)) == [
        ("01-01", "01-03", 3, ("元旦",)),
        ("02-05", "02-12", 8, ("春节",)),
        ("04-03", "04-05", 3, ("清明",)),
        ("05-01", "05-05", 5, ("劳动节",)),
        ("06-09", "06-09", 1, ("端午",)),
        ("09-15", "09-15", 1, ("中秋",)),
        ("10-01", "10-07", 7, ("国庆",)),
    ]
    assert {each.status for each in calendar.breaks(2027)} == {DayStatus.PROVISIONAL}
    assert [each.makeup for each in calendar.breaks(2027)] == [()] * 7
    assert calendar.break_around(date(2027, 2, 13)).first == date(2027, 2, 13)


@pytest.mark.parametrize(
    ("year", "first", "last", "festivals"),
    [
        (2009, "10-01", "10-08", ("国庆", "中秋")),
        (2012, "09-30", "10-07", ("中秋", "国庆")),
        (2017, "10-01", "10-08", ("国庆", "中秋")),
        (2020, "10-01", "10-08", ("中秋", "国庆")),
        (2023, "09-29", "10-06", ("中秋", "国庆")),
        (2025, "10-01", "10-08", ("国庆", "中秋")),
    ],
)
def test_breaks_that_touch_are_one(
    calendar: WorkCalendar, year: int, first: str, last: str, festivals: tuple[str, ...]
) -> None:
    assert told(calendar.breaks(year))[-1] == (first, last, 8, festivals)
    assert calendar.festival_break("中秋", year) == calendar.festival_break("国庆", year)


def test_makeup_days_belong_to_the_break_that_they_pay_for(calendar: WorkCalendar) -> None:
    """09-20 comes before the Mid-autumn break of 2026, but is worked for National Day."""
    assert calendar.festival_break("国庆", 2026).makeup == (date(2026, 9, 20), date(2026, 10, 10))
    assert calendar.festival_break("中秋", 2026).makeup == ()
    assert calendar.festival_break("春节", 2026).makeup == (date(2026, 2, 14), date(2026, 2, 28))
    assert calendar.festival_break("元旦", 2019).makeup == (date(2018, 12, 29),)


def test_every_published_makeup_day_belongs_to_exactly_one_break(calendar: WorkCalendar) -> None:
    """But for 2015-09-06, which paid for a day off given once."""
    owned = [day for year in range(2007, 2027) for each in calendar.breaks(year) for day in each.makeup]
    worked = [day for day in all_days(2006, 2026) if calendar.day(day).kind is DayKind.MAKEUP]
    first = min(owned)
    assert sorted([*owned, date(2015, 9, 6)]) == [day for day in worked if day >= first]
    assert calendar.break_around(date(2015, 9, 3)).makeup == (date(2015, 9, 6),)


def test_a_makeup_day_without_a_festivals_name_goes_to_the_nearest_break() -> None:
    original = published(2026)
    assert original is not None
    unnamed = tuple(
        ArrangedDay(day.date, day.name if day.off else "调休上班", day.off) for day in original.days
    )
    admin = WorkCalendar({2026: Arrangement(2026, unnamed)})
    assert admin.festival_break("国庆", 2026).makeup == (date(2026, 10, 10),)
    assert admin.festival_break("中秋", 2026).makeup == (date(2026, 9, 20),)
    assert admin.festival_break("春节", 2026).makeup == (date(2026, 2, 14), date(2026, 2, 28))


def test_a_festival_that_was_worked_is_its_day_alone(calendar: WorkCalendar) -> None:
    """清明 2007 was an ordinary Thursday."""
    worked = calendar.festival_break("清明", 2007)
    assert (worked.first, worked.last, worked.days) == (date(2007, 4, 5), date(2007, 4, 5), 1)
    assert worked.festivals == ("清明",)
    assert "清明" not in [name for each in calendar.breaks(2007) for name in each.festivals]


def test_a_run_of_days_off_without_a_festival(calendar: WorkCalendar) -> None:
    assert calendar.break_around(date(2026, 1, 11)) == Break(
        date(2026, 1, 10), date(2026, 1, 11), (), (), DayStatus.OFFICIAL
    )
    assert calendar.break_around(date(2026, 1, 12)) == Break(
        date(2026, 1, 12), date(2026, 1, 12), (), (), DayStatus.OFFICIAL
    )
    anniversary = calendar.break_around(date(2015, 9, 4))
    assert (anniversary.first, anniversary.last, anniversary.festivals) == (
        date(2015, 9, 3),
        date(2015, 9, 5),
        (),
    )


def test_an_unknown_festival_has_no_break(calendar: WorkCalendar) -> None:
    with pytest.raises(UsageError, match="没有名为“冬至”的节日"):
        calendar.festival_break("冬至", 2026)


def test_a_year_as_data(calendar: WorkCalendar) -> None:
    table = year_table(calendar, 2026)
    assert list(table) == ["year", "status", "days", "breaks", "festivals"]
    assert (table["year"], table["status"]) == (2026, "official")
    assert [day["date"] for day in table["days"]] == [day.isoformat() for day in all_days(2026, 2026)]
    assert table["days"][0] == {"date": "2026-01-01", "kind": "holiday", "name": "元旦", "status": "official"}
    assert table["days"][-1] == {"date": "2026-12-31", "kind": "workday", "name": "", "status": "may-change"}
    assert table["breaks"][1] == {
        "festivals": ["春节"],
        "first": "2026-02-15",
        "last": "2026-02-23",
        "days": 9,
    }
    assert [each["name"] for each in table["festivals"]] == list(FESTIVALS)
    assert table["festivals"][5] == {"name": "中秋", "date": "2026-09-25"}


def test_a_year_as_data_is_whole_for_every_year_of_the_range(calendar: WorkCalendar) -> None:
    for year in (1929, 1999, 2004, 2028, 2100):
        table = year_table(calendar, year)
        assert len(table["days"]) == (date(year, 12, 31) - date(year, 1, 1)).days + 1
        assert sorted(name for each in table["breaks"] for name in each["festivals"])
        assert len(table["festivals"]) == 7
