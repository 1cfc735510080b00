"""Dates, lists and words as templates show them."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from reminder.messages import filters

DAY = date(2026, 9, 25)


def test_dates_are_written_as_an_office_writes_them() -> None:
    assert filters.date_cn(DAY) == "9月25日"
    assert filters.date_full(DAY) == "2026年9月25日"
    assert filters.weekday_cn(DAY) == "星期五"
    assert filters.day_cn(DAY) == "9月25日（星期五）"
    assert filters.time_cn(datetime(2026, 9, 25, 9, 5)) == "09:05"
    assert filters.time_cn(time(17)) == "17:00"


def test_the_year_is_named_when_it_is_not_todays() -> None:
    assert filters.date_cn(DAY, date(2026, 1, 1)) == "9月25日"
    assert filters.day_cn(DAY, date(2025, 12, 31)) == "2026年9月25日（星期五）"


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 9, 25), date(2026, 9, 27), "9月25日至27日"),
        (date(2025, 9, 30), date(2025, 10, 8), "9月30日至10月8日"),
        (date(2026, 12, 31), date(2027, 1, 2), "2026年12月31日至2027年1月2日"),
        (DAY, DAY, "9月25日"),
    ],
)
def test_ranges_say_only_what_is_needed(first: date, last: date, text: str) -> None:
    assert filters.range_cn(first, last) == text


def test_a_range_of_another_year_names_it_once() -> None:
    assert filters.range_cn(date(2027, 1, 1), date(2027, 1, 3), date(2026, 12, 30)) == "2027年1月1日至3日"


@given(first=st.dates(), last=st.dates())
def test_a_range_ends_with_its_last_day(first: date, last: date) -> None:
    first, last = min(first, last), max(first, last)
    text = filters.range_cn(first, last)
    assert text.endswith(f"{last.day}日")
    assert ("至" in text) == (first != last)


def test_lists_are_joined_in_chinese() -> None:
    assert [filters.join_cn(each) for each in ([], ["甲"], ["甲", "乙"], ["甲", "乙", "丙"])] == [
        "",
        "甲",
        "甲和乙",
        "甲、乙和丙",
    ]


@given(st.text())
def test_neutral_markdown_stays_the_same_when_neutralised_again(text: str) -> None:
    assert filters.md(filters.md(text)) == filters.md(text)
    assert not set(filters.md(text)) & set("<>[]*`#\\")


@given(st.text(), st.integers(min_value=1, max_value=80))
def test_shortened_text_is_never_longer_than_asked(text: str, length: int) -> None:
    short = filters.shorten(text, length)
    assert len(short) <= length
    assert short == text or short.endswith("…")


def test_text_over_several_lines_flows_together_and_rows_stay_apart() -> None:
    assert filters.flow("  请于\n    今天\n前完成。 ") == "请于今天前完成。"
    assert filters.compact("\n  甲\n\n  乙 \n") == "甲\n乙"
    assert filters.line("甲\n 乙\u2028丙") == "甲 乙 丙"


@pytest.mark.parametrize("name", ["flow", "compact", "line"])
def test_what_is_marked_safe_stays_marked_and_nothing_else_becomes_so(name: str) -> None:
    each = getattr(filters, name)
    assert isinstance(each(Markup("<b>甲</b>")), Markup)
    assert not isinstance(each("<b>甲</b>"), Markup)
