"""The State Council's yearly notice, read from its pasted text.

The notices are regular: a numbered section a festival, in it sentences that end
in 放假 (days off), 补休 (a day off in compensation) or 上班 (makeup days), most
with the weekday in brackets and the number of days.  What is stated twice is
used to check the text: weekdays against the calendar, day counts against the
dates, festivals against their breaks.  Nothing is repaired silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta

from reminder.calendars.arrangement import (
    ALL_SEVEN_SINCE,
    SATURDAY,
    ArrangedDay,
    Arrangement,
    festivals_named,
)
from reminder.calendars.lunar import FESTIVALS, FIRST_YEAR, LAST_YEAR, festival_day
from reminder.calendars.squeezed import NAMES, NUMBERING, pieces, squeeze
from reminder.calendars.yearfile import WEEKDAYS, parse_year
from reminder.decoding import decode
from reminder.errors import PlanProblems, Position, Problem, errors_of
from reminder.source import parse_source

_DAY = timedelta(days=1)
_FESTIVALS_HEADING = rf"(?:{NUMBERING}|(?<=[。;\n])|^)(?P<names>{NAMES})(?:假期)?(?::|(?=\d))"
# A day off given once has a section too: the seventieth anniversary of victory in 2015.
_HEADING = re.compile(rf"{_FESTIVALS_HEADING}|{NUMBERING}(?P<other>[^,。:;()]{{2,40}}):")
_CLOSING = re.compile(r"节假日期间|国务院办公厅|\(此件")
_TITLE_YEAR = re.compile(r"(\d{4})年度?(?:部分|全年|法定|节假日|元旦|放假)")

_PAREN = r"\((?P<paren>[^()]*)\)"
_DATE = re.compile(
    rf"(?:(?P<year>\d{{4}})年)?(?:(?P<month>\d{{1,2}})月)?(?P<day>\d{{1,2}})(?P<unit>日)?(?:{_PAREN})?"
)
_RANGE = re.compile(r"至|到|-|~")
_WEEKDAY = re.compile(r"(?:周|星期|礼拜)([一二三四五六日天])")
_COUNT = re.compile(r"(?:共计?|放假|为期)([0-9]{1,2}|[一二三四五六七八九十])天")
_ADVICE = re.compile(r"鼓励|带薪|倡导|提倡")
# What explains the break but adds no day to it: the notices up to 2013 spell out
# which days are statutory, which ordinary rest days, and which are moved whither.
_EXPLANATION = re.compile(r"法定|公休|调至|调到|移至|休息|照常")
_OFF = re.compile(r"放假|补休|休假")
_WORKED = re.compile(r"上班")
_NUMERALS = {numeral: value for value, numeral in enumerate("一二三四五六七八九十", 1)}


@dataclass
class _Section:
    """What one section says: its title, the festivals it names, where it stands, its days."""

    title: str
    names: tuple[str, ...]
    start: int
    off: dict[date, int] = field(default_factory=dict)
    worked: dict[date, int] = field(default_factory=dict)


def parse_announcement(text: str, name: str = "放假安排通知") -> Arrangement:
    """Read the text of a notice; ``name`` is how problems call it.

    Raises :class:`PlanProblems` with everything that does not agree, each with
    line and column in ``text``.
    """
    return _Notice(text, name).read()


def import_year(data: bytes, name: str) -> Arrangement:
    """Read a year that someone hands in: the public JSON, the YAML file, or the notice's text.

    Text may be UTF-8, GBK (GB 18030) or UTF-16 with its mark.  Raises
    :class:`PlanProblems`.
    """
    text = decode(data)
    if text is None:
        problem = Problem(
            Position(name),
            "",
            "文件不是文本",
            "应为 JSON、YAML 或通知全文",
            "请把通知全文粘贴为纯文本文件后再导入",
        )
        raise PlanProblems([problem])
    if not re.match(r"\s*(?:\{|\[|---|#|[\"']?\$?(?:year|papers|days|schema|id)[\"']?\s*[:：])", text):
        return parse_announcement(text, name)
    arrangement, problems = parse_year(parse_source(text.encode(), name))
    if arrangement is None:
        raise PlanProblems(errors_of(problems))
    return arrangement


class _Notice:
    """One reading of one notice."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.squeezed = squeeze(text)
        self.text = self.squeezed.text
        self.problems: list[Problem] = []
        self.year = 0

    def read(self) -> Arrangement:
        self.year = self._title_year()
        sections = self._sections() if self.year else []
        if self.year and not sections:
            self._report(
                0, "没有找到各节日的安排", "应有“一、元旦：1月1日……放假”这样的段落", "请粘贴通知全文"
            )
        for section in sections:
            self._check_section(section)
        if sections:
            self._check_together(sections)
        if self.problems:
            raise PlanProblems(sorted(self.problems, key=lambda problem: problem.sort_key))
        names: dict[tuple[date, bool], str] = {}
        for section in sections:
            for day in section.off:
                own = [each for each in section.names if festival_day(each, self.year) == day]
                names.setdefault((day, True), "、".join(own) or section.title)
            for day in section.worked:
                names.setdefault((day, False), section.title)
        days = tuple(ArrangedDay(day, title, off) for (day, off), title in sorted(names.items()))
        return Arrangement(self.year, days)

    def _report(self, index: int, found: str, allowed: str = "", hint: str = "") -> None:
        places = self.squeezed.places
        line, column = places[min(index, len(places) - 1)] if places else (0, 0)
        self.problems.append(Problem(Position(self.name, line, column), "", found, allowed, hint))

    # ------------------------------------------------------------ reading

    def _title_year(self) -> int:
        match = _TITLE_YEAR.search(self.text)
        if not match:
            self._report(
                0,
                "没有找到通知所安排的年份",
                "标题应有“2027年部分节假日安排”这样的字样",
                "请连同标题粘贴全文",
            )
            return 0
        year = int(match.group(1))
        if not FIRST_YEAR <= year <= LAST_YEAR:
            allowed = f"应在{FIRST_YEAR}年至{LAST_YEAR}年之间"
            self._report(match.start(), f"{year}年超出历法范围", allowed)
            return 0
        return year

    def _sections(self) -> list[_Section]:
        headings = list(_HEADING.finditer(self.text))
        sections: list[_Section] = []
        for number, heading in enumerate(headings):
            end = headings[number + 1].start() if number + 1 < len(headings) else len(self.text)
            if closing := _CLOSING.search(self.text, heading.end(), end):
                end = closing.start()
            group = "names" if heading["names"] else "other"
            names = festivals_named(heading["names"] or "")
            section = _Section("、".join(names) or heading["other"], names, heading.start(group))
            self._read_section(section, heading.end(), end)
            sections.append(section)
        return sections

    def _read_section(self, section: _Section, start: int, end: int) -> None:
        context = _Context(self.year, in_new_year="元旦" in section.names)
        for sentence_start, sentence in pieces(self.text, start, end, "。;\n"):
            pending: dict[date, int] = {}
            pending_at = sentence_start
            advice = bool(_ADVICE.search(sentence))
            for clause_start, clause in pieces(
                self.text, sentence_start, sentence_start + len(sentence), ",!"
            ):
                dates, rest = self._dates(clause, clause_start, context)
                if dates and not pending:
                    pending_at = clause_start
                pending.update(dates)
                if advice or (
                    _EXPLANATION.search(rest) and not _OFF.search(rest) and not _WORKED.search(rest)
                ):
                    pending = {}
                elif _OFF.search(rest) and "不放假" not in rest:
                    section.off.update(pending)
                    pending = {}
                elif _WORKED.search(rest):
                    section.worked.update(pending)
                    pending = {}
                elif pending and rest:
                    self._report(
                        clause_start, f"看不懂“{clause}”", "日期之后应为“放假”“补休”或“上班”", "请对照原文"
                    )
                    pending = {}
                if "周末连休" in clause:
                    _join_weekends(section)
                if not advice and (count := _COUNT.search(rest)):
                    self._check_count(section, clause_start, count.group(1))
            if pending:
                shown = "、".join(f"{day.month}月{day.day}日" for day in pending)
                self._report(
                    pending_at,
                    f"{shown}没有说明是放假还是上班",
                    "日期之后应为“放假”“补休”或“上班”",
                    "请对照原文",
                )

    def _dates(self, clause: str, start: int, context: _Context) -> tuple[dict[date, int], str]:
        """The dates a clause names, ranges filled in, and the clause without them."""
        found: dict[date, int] = {}
        rest: list[str] = []
        cursor = 0
        previous: date | None = None
        for match in _DATE.finditer(clause):
            if not (match["month"] or match["unit"]):
                continue
            gap = clause[cursor : match.start()]
            ranged = previous is not None and _RANGE.fullmatch(gap)
            if not ranged:
                rest.append(gap.strip("、和及"))
            cursor = match.end()
            day = self._date(match, start + match.start(), context)
            if day is None:
                previous = None
                continue
            if ranged and previous is not None:
                if not previous < day <= previous + 31 * _DAY:
                    shown = f"{_said(previous)}至{_said(day)}"
                    self._report(
                        start + match.start(),
                        f"“{shown}”起止不对",
                        "止日应晚于起日，相隔不超过一个月",
                        "请对照原文",
                    )
                else:
                    for offset in range(1, (day - previous).days):
                        found.setdefault(previous + offset * _DAY, start + match.start())
            found.setdefault(day, start + match.start())
            previous = day
        rest.append(clause[cursor:])
        return found, re.sub(r"\([^()]*\)", "", "".join(rest))

    def _date(self, match: re.Match[str], index: int, context: _Context) -> date | None:
        if not context.take(match["year"], match["month"]):
            self._report(index, f"“{match.group()}”没有写月份", "本段第一个日期应写明月份", "请对照原文")
            return None
        try:
            day = date(context.year, context.month, int(match["day"]))
        except ValueError:
            self._report(
                index, f"没有{context.year}年{context.month}月{int(match['day'])}日这一天", "", "请对照原文"
            )
            return None
        if not date(self.year - 1, 12, 1) <= day <= date(self.year, 12, 31):
            allowed = f"应在{self.year - 1}年12月1日至{self.year}年12月31日之间"
            self._report(index, f"{day.year}年{_said(day)}不属于{self.year}年的安排", allowed, "请核对年份")
            return None
        stated = _WEEKDAY.findall(match["paren"] or "")
        right = WEEKDAYS[day.weekday()]
        if len(stated) == 1 and stated[0].replace("天", "日") != right:
            self._report(
                index,
                f"{_said(day)}写作周{stated[0]}",
                f"{day.year}年{_said(day)}是周{right}",
                "请核对日期和星期哪个抄错",
            )
        return day

    # ----------------------------------------------------------- checking

    def _check_count(self, section: _Section, index: int, stated: str) -> None:
        number = _NUMERALS.get(stated) or int(stated)
        if number != len(section.off):
            self._report(
                index,
                f"{section.title}写作共{number}天",
                f"按所列日期是{len(section.off)}天",
                "请核对起止日期和天数哪个抄错",
            )

    def _check_section(self, section: _Section) -> None:
        if not section.off:
            self._report(
                section.start, f"{section.title}一段没有放假日期", "应写明哪天至哪天放假", "请对照原文"
            )
            return
        for day, index in section.worked.items():
            if day.weekday() < SATURDAY:
                found = f"{_said(day)}上班：这一天是周{WEEKDAYS[day.weekday()]}"
                self._report(index, found, "调休上班日应为周六或周日", "请核对日期")
        for name in section.names:
            day = festival_day(name, self.year)
            if day not in section.off:
                found = f"{name}当天（{_said(day)}）不在所列的放假日期里"
                self._report(section.start, found, "节日当天应放假", "请核对日期")

    def _check_together(self, sections: list[_Section]) -> None:
        seen: dict[str, _Section] = {}
        off: dict[date, _Section] = {}
        for section in sections:
            for name in section.names:
                if name in seen:
                    self._report(section.start, f"{name}出现了两次", "每个节日只应有一段", "请删去重复的部分")
                seen.setdefault(name, section)
            for day, index in section.off.items():
                if day in off and off[day] is not section:
                    self._report(index, f"{_said(day)}在{off[day].title}一段已列为放假", "", "请核对日期")
                off.setdefault(day, section)
        worked: set[date] = set()
        for section in sections:
            for day, index in section.worked.items():
                if day in off:
                    self._report(index, f"{_said(day)}既列为放假又列为上班", "只能是其一", "请核对日期")
                if day in worked:
                    self._report(index, f"{_said(day)}上班写了两次", "", "请核对日期")
                worked.add(day)
        missing = [name for name in FESTIVALS if name not in seen]
        if missing and self.year >= ALL_SEVEN_SINCE:
            allowed = f"{self.year}年应有{'、'.join(FESTIVALS)}"
            self._report(0, f"缺少{'、'.join(missing)}的安排", allowed, "请粘贴通知全文，并核对节日名称")


@dataclass
class _Context:
    """The year and month that a date without them inherits within its section."""

    default_year: int
    in_new_year: bool
    year: int = 0
    month: int = 0

    def take(self, year: str | None, month: str | None) -> bool:
        """Take in what a date states; whether the month is known now."""
        if month:
            # 12月31日 in the section of 元旦 is the December before.
            before = self.in_new_year and int(month) == 12
            self.year = int(year) if year else self.default_year - before
            self.month = int(month)
        elif year:
            self.year = int(year)
        return bool(self.month)


def _said(day: date) -> str:
    return f"{day.month}月{day.day}日"


def _join_weekends(section: _Section) -> None:
    """与周末连休: the Saturdays and Sundays that touch the days off belong to the break."""
    for day, index in list(section.off.items()):
        for step in (-_DAY, _DAY):
            beside = day + step
            while beside.weekday() >= SATURDAY and beside not in section.off:
                section.off[beside] = index
                beside += step
