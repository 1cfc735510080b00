"""Which years' arrangements of days off are known, from where, and what a new one would change."""

from __future__ import annotations

from dataclasses import dataclass

from reminder.calendars.announcement import import_year
from reminder.calendars.arrangement import STATUS_TEXT, Arrangement, DayStatus, doubts, library_version
from reminder.calendars.lunar import LAST_YEAR
from reminder.calendars.workdays import Break, WorkCalendar
from reminder.calendars.yearfile import dump_year
from reminder.check import CALENDAR_FOLDER
from reminder.views.look import Look


@dataclass(frozen=True, slots=True)
class YearView:
    """A year's breaks; ``file`` is the admin's file, if it is from one."""

    year: int
    status: str
    official: bool
    source: str
    file: str
    breaks: tuple[Break, ...]


@dataclass(frozen=True, slots=True)
class ImportView:
    """A year somebody handed in: what it says, what to look at twice, the file it would become."""

    shown: YearView
    doubts: tuple[str, ...]
    name: str
    text: str


def years(look: Look) -> tuple[YearView, ...]:
    """The years of the plan, and the next."""
    head, calendar = look.edition.plan.head, look.edition.calendar
    wanted = {*range(head.from_.year, head.until.year + 1), look.today.year, look.today.year + 1}
    return tuple(_year(calendar, year) for year in sorted(each for each in wanted if each <= LAST_YEAR))


def missing(look: Look) -> int | None:
    """The year whose official arrangement is to be handed in now, if any."""
    return look.edition.calendar.missing_year(look.today)


def imported(data: bytes, name: str) -> ImportView:
    """Read what somebody handed in: a notice's text, or a year's file.  Raises ``PlanProblems``."""
    arrangement = import_year(data, name)
    return view_of(arrangement)


def view_of(arrangement: Arrangement) -> ImportView:
    """An arrangement as it would be kept."""
    calendar = WorkCalendar({arrangement.year: arrangement})
    return ImportView(
        _year(calendar, arrangement.year),
        tuple(doubts(arrangement)),
        f"{CALENDAR_FOLDER}/{arrangement.year}.yaml",
        dump_year(arrangement),
    )


def _year(calendar: WorkCalendar, year: int) -> YearView:
    status = calendar.year_status(year)
    official = status is not DayStatus.PROVISIONAL
    given = calendar.is_given(year)
    if given:
        source = "录入的文件"
    else:
        source = f"软件内置（chinesecalendar {library_version()}）" if official else "按法定节日和惯例推算"
    return YearView(
        year,
        STATUS_TEXT[status],
        official,
        source,
        f"{CALENDAR_FOLDER}/{year}.yaml" if given else "",
        calendar.breaks(year),
    )
