"""Lunar dates and the seven statutory festivals, 1929–2100.

Before 1929 the calendar was computed for Beijing mean time rather than UTC+8,
and beyond 2100 no table is agreed, so both are refused rather than guessed.
The lunar date comes from tyme4py, which is imported at the first look-up (one
costs 0.3 ms, hence the caches).
"""

from __future__ import annotations

import functools
from datetime import date, timedelta

from reminder.errors import ReminderError, UsageError

FIRST_YEAR = 1929
LAST_YEAR = 2100

FESTIVALS: tuple[str, ...] = ("元旦", "春节", "清明", "劳动节", "端午", "中秋", "国庆")
"""The festivals with statutory days off, in the order in which notices list them."""

# 春节, 端午 and 中秋 by lunar month and day; the others by the Gregorian one.
_LUNAR = {"春节": (1, 1), "端午": (5, 5), "中秋": (8, 15)}
_SOLAR = {"元旦": (1, 1), "劳动节": (5, 1), "国庆": (10, 1)}
_QINGMING = 7  # the index of 清明 among a year's solar terms, counted from 冬至


class CalendarRangeError(ReminderError):
    """A date or year outside 1929–2100, which nothing here can answer for."""

    exit_code = 2

    def __init__(self, what: object) -> None:
        super().__init__(
            f"{what}超出历法范围：只能计算{FIRST_YEAR}年至{LAST_YEAR}年的日期，请改用范围内的日期"
        )


def check_year(year: int) -> int:
    """``year``, or :class:`CalendarRangeError` if it is not within 1929–2100."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise CalendarRangeError(f"{year}年")
    return year


@functools.lru_cache(maxsize=4096)
def lunar_date(year: int, month: int, day: int) -> date:
    """The Gregorian date of a day in an *ordinary* lunar month.

    ``year`` is the lunar year (named after the Gregorian year in which it
    begins), ``month`` 1–12, ``day`` 1–30.  A leap month that repeats the number
    is not meant: festivals and anniversaries keep to the ordinary month, which
    comes first.  The thirtieth of a month that has only 29 days is its 29th, so
    that a yearly date never vanishes (as 除夕 is the last day of the twelfth
    month, be it the 29th or the 30th).

    Raises :class:`CalendarRangeError` if the date lies outside 1929–2100 and
    :class:`UsageError` if there is no such lunar day.
    """
    if not 1 <= month <= 12 or not 1 <= day <= 30:
        raise UsageError(f"没有农历{month}月{day}日：月份为1至12，日为1至30")
    if not FIRST_YEAR - 1 <= year <= LAST_YEAR:
        raise CalendarRangeError(f"农历{year}年")
    from tyme4py.lunar import LunarDay, LunarMonth

    last = int(LunarMonth.from_ym(year, month).get_day_count())
    solar = LunarDay.from_ymd(year, month, min(day, last)).get_solar_day()
    found = date(solar.get_year(), solar.get_month(), solar.get_day())
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise CalendarRangeError(f"农历{year}年{month}月{day}日")
    return found


@functools.lru_cache(maxsize=4096)
def solar_to_lunar(day: date) -> tuple[int, int, int, bool]:
    """``(lunar year, month, day, whether the month is a leap month)`` of a Gregorian date.

    Raises :class:`CalendarRangeError` outside 1929–2100.
    """
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise CalendarRangeError(day.isoformat())
    from tyme4py.solar import SolarDay

    lunar = SolarDay.from_ymd(day.year, day.month, day.day).get_lunar_day()
    month = int(lunar.get_month())  # negative in a leap month
    return int(lunar.get_year()), abs(month), int(lunar.get_day()), month < 0


@functools.lru_cache(maxsize=2048)
def festival_day(name: str, year: int) -> date:
    """The day itself of one of :data:`FESTIVALS` in the Gregorian ``year``.

    Raises :class:`UsageError` for an unknown name and
    :class:`CalendarRangeError` for a year outside 1929–2100.
    """
    if name not in FESTIVALS:
        raise UsageError(f"没有名为“{name}”的节日：只有{'、'.join(FESTIVALS)}")
    check_year(year)
    if name in _LUNAR:
        return lunar_date(year, *_LUNAR[name])
    if name in _SOLAR:
        return date(year, *_SOLAR[name])
    from tyme4py.solar import SolarTerm

    solar = SolarTerm.from_index(year, _QINGMING).get_julian_day().get_solar_day()
    return date(solar.get_year(), solar.get_month(), solar.get_day())


def new_years_eve(year: int) -> date:
    """除夕: the day before 春节 of the Gregorian ``year``."""
    return festival_day("春节", year) - timedelta(days=1)
