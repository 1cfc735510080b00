"""The arrangement of one year's days off and makeup working days.

An arrangement is what the State Council's notice of a year says: which days are
off around the seven festivals, and which Saturdays and Sundays are worked in
exchange.  It may reach into the December before, as the notices of 2007, 2008,
2012, 2019 and others did.  There are three sources, the stronger first: the
admin's file, the chinesecalendar library, and what the law lets one expect.
"""

from __future__ import annotations

import enum
import functools
import itertools
import re
from dataclasses import dataclass
from datetime import date, timedelta

from reminder.calendars.lunar import FESTIVALS, check_year, festival_day, new_years_eve

_DAY = timedelta(days=1)
SATURDAY = 5
"""``date.weekday()`` from which on a day is a rest day."""

ALL_SEVEN_SINCE = 2008
"""Since 2008 清明, 端午 and 中秋 are statutory days off as well (Decree 513)."""


_STATUTORY_SINCE = 2025
_STATUTORY_DAYS = 13
_LONGEST_STRETCH = 6


class DayKind(enum.StrEnum):
    """What a day is."""

    WORKDAY = "workday"
    RESTDAY = "restday"
    HOLIDAY = "holiday"
    MAKEUP = "makeup"


class DayStatus(enum.StrEnum):
    """How sure that is."""

    OFFICIAL = "official"
    MAY_CHANGE = "may-change"
    """Published, but the notice of the next year may still reach into it."""
    PROVISIONAL = "provisional"
    """预计: expected from the law; makeup days unknown."""


STATUS_TEXT = {
    DayStatus.OFFICIAL: "官方安排",
    DayStatus.MAY_CHANGE: "官方安排（12月仍可能随次年安排调整）",
    DayStatus.PROVISIONAL: "预计（尚未公布）",
}
"""How firm a year is."""
CERTAINTY_TEXT = {DayStatus.OFFICIAL: "", DayStatus.MAY_CHANGE: "可能调整", DayStatus.PROVISIONAL: "预计"}
"""What stands beside a single date."""


@dataclass(frozen=True, slots=True, order=True)
class ArrangedDay:
    """A day that an arrangement names: a day off, or a working day that is none by its weekday."""

    date: date
    name: str
    off: bool


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What one source says of one year: its days in order, each date once.

    ``days`` lie between 1 December of the year before and 31 December.
    ``papers`` are the addresses or titles of the notices it was taken from.
    """

    year: int
    days: tuple[ArrangedDay, ...]
    status: DayStatus = DayStatus.OFFICIAL
    papers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        dates = [day.date for day in self.days]
        if any(later <= earlier for earlier, later in itertools.pairwise(dates)):
            raise ValueError("the days of an arrangement are in order, each date once")
        if dates and not (date(self.year - 1, 12, 1) <= dates[0] and dates[-1] <= date(self.year, 12, 31)):
            raise ValueError("the days of an arrangement lie in its year or the December before")

    def is_off(self, day: date) -> bool:
        """Whether ``day`` is off: as named here, else by its weekday."""
        for arranged in self.days:
            if arranged.date == day:
                return arranged.off
        return day.weekday() >= SATURDAY


_ALIASES = {
    "元旦": "元旦|新年",
    "春节": "春节|除夕",
    "清明": "清明节?",
    "劳动节": "五一国际劳动节|国际劳动节|劳动节|五一",
    "端午": "端午节?",
    "中秋": "中秋节?",
    "国庆": "国庆节?|十一",
}
FESTIVAL_NAME = "|".join(f"(?:{forms})" for forms in _ALIASES.values())
"""A regular expression for every way in which notices and data files name a festival."""
_FORMS = {name: re.compile(forms) for name, forms in _ALIASES.items()}


def festivals_named(text: str) -> tuple[str, ...]:
    """The festivals that a name such as ``国庆节、中秋节`` mentions, in the order of the text."""
    found = [(match.start(), name) for name, form in _FORMS.items() if (match := form.search(text))]
    return tuple(name for _, name in sorted(found))


def plain_name(text: str) -> str:
    """``国庆节、中秋节`` as ``国庆、中秋``; a name with no known festival stays as it is."""
    return "、".join(festivals_named(text)) or text.strip()


def working_festivals(arrangement: Arrangement) -> tuple[str, ...]:
    """The festivals whose statutory day the arrangement leaves a working day.

    None in a complete arrangement since 2008; before, 清明, 端午 and 中秋 had no
    day off, so nothing is said of those years.
    """
    if arrangement.year < ALL_SEVEN_SINCE:
        return ()
    return tuple(name for name in FESTIVALS if not arrangement.is_off(festival_day(name, arrangement.year)))


def library_version() -> str:
    """The version of chinesecalendar: its data change with it, once a year."""
    import chinese_calendar

    return str(chinese_calendar.__version__)


def doubts(arrangement: Arrangement) -> tuple[str, ...]:
    """What looks odd in an arrangement that is otherwise sound: to show before it is accepted.

    Chinese sentences, none for years before 2025.  Under Decree 795 every day
    off from Monday to Friday beyond the thirteen statutory days is paid for with
    a makeup day, which finds a list that lost some; and work around a holiday
    runs six days at most, "except in special cases".  Neither is a reason to
    reject what the State Council has published.
    """
    if arrangement.year < _STATUTORY_SINCE:
        return ()
    found: list[str] = []
    given = sum(day.off and day.date.weekday() < SATURDAY for day in arrangement.days)
    worked = sum(not day.off and day.date.weekday() >= SATURDAY for day in arrangement.days)
    if given != _STATUTORY_DAYS + worked:
        found.append(
            f"周一至周五放假{given}天，调休上班{worked}天，相差{given - worked}天，而法定节假日是"
            f"{_STATUTORY_DAYS}天：可能漏了或多了放假、上班的日期，请核对"
        )
    first, stretch = date(arrangement.year, 1, 1), 0
    for offset in range(366):
        day = first + offset * _DAY
        off = day.year > arrangement.year or arrangement.is_off(day)
        if off and stretch > _LONGEST_STRETCH:
            since = (day - stretch * _DAY).isoformat()
            found.append(f"{since}起连续工作{stretch}天，一般不超过{_LONGEST_STRETCH}天，请核对")
        stretch = 0 if off else stretch + 1
    return tuple(found)


@functools.lru_cache(maxsize=256)
def published(year: int) -> Arrangement | None:
    """The official arrangement as chinesecalendar has it, or None for a year it does not know.

    It keeps days by date, not by notice: what stands in December under New
    Year's Day was said by the next year's notice and belongs there.  Saturdays
    and Sundays inside a break are often missing in it (2017-04-29); they take
    the name of the break they lie in.
    """
    from chinese_calendar.constants import Holiday, holidays, workdays

    if date(year, 10, 1) not in holidays:
        return None
    chinese = {kind.value: plain_name(kind.chinese) for kind in Holiday}

    def belongs(day: date, name: str) -> bool:
        of_next_year = day.month == 12 and name == Holiday.new_years_day.value
        return day.year + of_next_year == year

    off = {day: chinese[name] for day, name in holidays.items() if belongs(day, name)}
    worked = {day: chinese[name] for day, name in workdays.items() if belongs(day, name)}
    for day, name in sorted(off.items()):
        for step in (-_DAY, _DAY):
            beside = day + step
            while beside.weekday() >= SATURDAY and beside not in workdays and beside not in holidays:
                off.setdefault(beside, name)
                beside += step
    days = [ArrangedDay(day, name, off=True) for day, name in off.items()]
    days += [ArrangedDay(day, name, off=False) for day, name in worked.items()]
    return Arrangement(year, tuple(sorted(days)))


@functools.lru_cache(maxsize=256)
def provisional(year: int) -> Arrangement:
    """What the law and the practice since 2025 let one expect of a year.

    The statutory days are those of State Council Decree 795 (in force since
    2025-01-01), the lengths of the breaks those of the principles announced with
    it: 春节 eight days from 除夕; 劳动节 five; 国庆 seven, eight where 中秋 meets
    it; 元旦, 清明, 端午 and 中秋 three days joined to a weekend, or the day alone
    on a Wednesday.  Makeup days are never invented: a break that will surely be
    paid for with a Saturday is shown without it.  For years before 2004 it is
    today's law applied backwards and no record of what was.

    Raises ``CalendarRangeError`` outside 1929–2100.
    """
    check_year(year)
    spans: list[tuple[date, int, str]] = []
    for name in ("元旦", "清明", "端午", "中秋"):
        first, length = _around_weekend(festival_day(name, year))
        spans.append((first, length, name))
    spans.append((new_years_eve(year), 8, "春节"))
    spans.append((*_labour_day(year), "劳动节"))
    spans.append((date(year, 10, 1), 7, "国庆"))
    spans.sort()
    names: dict[date, str] = {}
    for first, length, name in _with_mid_autumn_joined(spans, year):
        for offset in range(length):
            names.setdefault(first + offset * _DAY, name)
    days = tuple(ArrangedDay(day, name, off=True) for day, name in sorted(names.items()))
    return Arrangement(year, days, DayStatus.PROVISIONAL)


def _around_weekend(festival: date) -> tuple[date, int]:
    """First day and length of a one-day festival's break, by its weekday (Monday is 0)."""
    first, length = {
        0: (-2, 3),  # Saturday to Monday
        1: (-2, 3),  # Sunday to Tuesday
        2: (0, 1),  # a Wednesday stands alone
        3: (0, 3),  # Thursday to Saturday
        4: (0, 3),  # Friday to Sunday
        5: (0, 3),  # Saturday to Monday, the compensation
        6: (-1, 3),  # Saturday to Monday, the compensation
    }[festival.weekday()]
    return festival + first * _DAY, length


def _labour_day(year: int) -> tuple[date, int]:
    """Five days from 1 May; on a Sunday or Monday the weekend before it counts (2022, 2023)."""
    first = date(year, 5, 1)
    return first - {6: 1, 0: 2}.get(first.weekday(), 0) * _DAY, 5


def _with_mid_autumn_joined(spans: list[tuple[date, int, str]], year: int) -> list[tuple[date, int, str]]:
    """One break of eight days where those of 中秋 and 国庆 touch, from the earlier festival on."""
    by_name = {name: (first, length) for first, length, name in spans}
    moon, moon_length = by_name["中秋"]
    national, national_length = by_name["国庆"]
    apart = moon + moon_length * _DAY < national or national + national_length * _DAY < moon
    if apart:
        return spans
    first = min(festival_day("中秋", year), national)
    return [span for span in spans if span[2] not in ("中秋", "国庆")] + [(first, 8, "国庆")]
