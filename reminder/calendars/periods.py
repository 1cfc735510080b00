"""Months, quarters, half-years and years: the periods over which duties recur."""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta

from reminder.calendars.lunar import check_year
from reminder.errors import UsageError


class PeriodKind(enum.StrEnum):
    """How long a period is."""

    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half-year"
    YEAR = "year"

    @property
    def months(self) -> int:
        """Its length in months."""
        return _MONTHS[self]

    @property
    def per_year(self) -> int:
        """How many of them a year has."""
        return 12 // _MONTHS[self]


_MONTHS = {PeriodKind.MONTH: 1, PeriodKind.QUARTER: 3, PeriodKind.HALF_YEAR: 6, PeriodKind.YEAR: 12}
_LETTERS = {"Q": PeriodKind.QUARTER, "H": PeriodKind.HALF_YEAR}
_FORM = re.compile(r"(\d{4})(?:-(\d{1,2})|([QH])(\d))?")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One calendar period; ``index`` counts from 1 within the year (1 for a year)."""

    kind: PeriodKind
    year: int
    index: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.kind.per_year:
            raise ValueError(f"a year has {self.kind.per_year} of {self.kind}, not {self.index}")

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, (self.index - 1) * self.kind.months + 1, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        if self.index == self.kind.per_year:
            return date(self.year, 12, 31)
        return date(self.year, self.index * self.kind.months + 1, 1) - timedelta(days=1)

    @property
    def id(self) -> str:
        """``2026-05``, ``2026Q3``, ``2026H1`` or ``2026``: what :func:`parse_period` reads."""
        match self.kind:
            case PeriodKind.MONTH:
                return f"{self.year:04d}-{self.index:02d}"
            case PeriodKind.QUARTER:
                return f"{self.year:04d}Q{self.index}"
            case PeriodKind.HALF_YEAR:
                return f"{self.year:04d}H{self.index}"
            case PeriodKind.YEAR:
                return f"{self.year:04d}"

    @property
    def label(self) -> str:
        """The period as a Chinese text names it."""
        match self.kind:
            case PeriodKind.MONTH:
                return f"{self.year}年{self.index}月"
            case PeriodKind.QUARTER:
                return f"{self.year}年第{'一二三四'[self.index - 1]}季度"
            case PeriodKind.HALF_YEAR:
                return f"{self.year}年{'上下'[self.index - 1]}半年"
            case PeriodKind.YEAR:
                return f"{self.year}年"


def parse_period(text: str) -> Period:
    """Read a period's id, in either case and with full-width characters too.

    Raises :class:`UsageError` for anything else, and ``CalendarRangeError`` for
    a year outside 1929–2100.
    """
    plain = unicodedata.normalize("NFKC", text).strip().upper()
    if match := _FORM.fullmatch(plain):
        year, month, letter, part = match.groups()
        kind = PeriodKind.MONTH if month else _LETTERS[letter] if letter else PeriodKind.YEAR
        index = int(month or part or 1)
        if 1 <= index <= kind.per_year:
            return Period(kind, check_year(int(year)), index)
    raise UsageError(
        f"“{text}”不是时段：可写年（2026）、半年（2026H1、2026H2）、季度（2026Q1至2026Q4）或月（2026-05）"
    )


def periods(kind: PeriodKind, first: date, last: date) -> tuple[Period, ...]:
    """Every period of ``kind`` that shares a day with ``[first, last]``, in order."""
    begin = first.year * kind.per_year + (first.month - 1) // kind.months
    end = last.year * kind.per_year + (last.month - 1) // kind.months
    if last < first:
        return ()
    return tuple(
        Period(kind, number // kind.per_year, number % kind.per_year + 1) for number in range(begin, end + 1)
    )
