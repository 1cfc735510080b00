"""The admin's calendar file: one a year, in the schema of the public JSON collections.

``{year, papers: [...], days: [{name, date, isOffDay}]}`` as YAML or as JSON,
which is read as YAML in flow style.  ``days`` names the days off around the
festivals and the working Saturdays and Sundays; dates may lie in the December
before.  Keys that begin with ``$`` (JSON Schema's ``$schema`` and ``$id``) are
passed over.  ``papers`` may be left out.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from reminder.calendars.arrangement import (
    SATURDAY,
    ArrangedDay,
    Arrangement,
    doubts,
    plain_name,
    working_festivals,
)
from reminder.calendars.lunar import FIRST_YEAR, LAST_YEAR, festival_day
from reminder.errors import Position, Problem, Severity, errors_of
from reminder.source import Source, parse_source, read_source

SUFFIXES = (".yaml", ".yml", ".json")

_TOP_KEYS = ("year", "papers", "days")
_DAY_KEYS = ("name", "date", "isOffDay")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PLAIN = re.compile(r"[\w/][\w/.、（）()〔〕:]*(?<!:)", re.UNICODE)
WEEKDAYS = "一二三四五六日"
"""The weekdays as 周一 … 周日 write them, Monday first like ``date.weekday()``."""


class _Reader:
    """Collects the problems of one file while its parts are read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems = list(source.problems)

    def report(
        self,
        loc: tuple[str | int, ...],
        found: str,
        allowed: str = "",
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".")
        self.problems.append(Problem(self.source.position(loc), path, found, allowed, hint, severity))

    def unknown_keys(
        self, mapping: dict[str, Any], loc: tuple[str | int, ...], keys: tuple[str, ...]
    ) -> None:
        for key in mapping:
            if key not in keys and not key.startswith("$"):
                near = difflib.get_close_matches(key, keys, 1)
                path = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in (*loc, key)).lstrip(".")
                self.problems.append(
                    Problem(
                        self.source.key_position((*loc, key)),
                        path,
                        f"没有“{key}”这个键",
                        f"只能是 {'、'.join(keys)}",
                        f"是否应为“{near[0]}”" if near else "请删去",
                    )
                )


def parse_year(source: Source) -> tuple[Arrangement | None, list[Problem]]:
    """The arrangement in one file that was read, and everything wrong with it.

    The arrangement is None if any problem is an error.
    """
    reader = _Reader(source)
    if source.broken:
        return None, reader.problems
    value = source.value
    if not isinstance(value, dict):
        reader.report((), "文件里没有年份和日期", "应有 year 和 days 两项")
        return None, reader.problems
    reader.unknown_keys(value, (), _TOP_KEYS)
    year = _year(reader, value)
    papers = _papers(reader, value.get("papers"))
    days = _days(reader, value, year)
    if errors_of(reader.problems) or year is None:
        return None, reader.problems
    arrangement = Arrangement(year, tuple(sorted(days)), papers=papers)
    for name in working_festivals(arrangement):
        day = festival_day(name, year)
        reader.report(
            ("days",),
            f"{name}（{day.isoformat()}，周{WEEKDAYS[day.weekday()]}）在本文件里是工作日",
            "七个法定节日当天都应放假",
            "请核对文件是否完整，把这一天补为 isOffDay: true",
        )
    if errors_of(reader.problems):
        return None, reader.problems
    for doubt in doubts(arrangement):
        reader.report(("days",), doubt, severity=Severity.WARNING)
    return arrangement, reader.problems


def _year(reader: _Reader, value: dict[str, Any]) -> int | None:
    if "year" not in value:
        reader.report((), "缺少 year", "应写明年份，如 year: 2027")
        return None
    text = value["year"]
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{4}", text):
        reader.report(("year",), f"{_shown(text)}不是年份", "应为四位数字，如 2027")
        return None
    if not FIRST_YEAR <= int(text) <= LAST_YEAR:
        reader.report(("year",), f"{text}年超出历法范围", f"应在{FIRST_YEAR}年至{LAST_YEAR}年之间")
        return None
    return int(text)


def _papers(reader: _Reader, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        reader.report(("papers",), f"{_shown(value)}不是列表", "应为通知的网址或标题的列表", "没有可整项删去")
        return ()
    papers: list[str] = []
    for index, paper in enumerate(value):
        if isinstance(paper, str) and paper.strip():
            papers.append(paper.strip())
        else:
            reader.report(("papers", index), f"{_shown(paper)}不是文字", "应为通知的网址或标题")
    return tuple(papers)


def _days(reader: _Reader, value: dict[str, Any], year: int | None) -> list[ArrangedDay]:
    listed = value.get("days")
    if not isinstance(listed, list) or not listed:
        loc: tuple[str, ...] = ("days",) if "days" in value else ()
        found = "缺少 days" if "days" not in value else f"{_shown(listed)}不是日期的列表"
        reader.report(loc, found, "应逐日列出放假日和调休上班日")
        return []
    days: list[ArrangedDay] = []
    seen: dict[date, Position] = {}
    for index, entry in enumerate(listed):
        loc_day = ("days", index)
        if not isinstance(entry, dict):
            reader.report(loc_day, f"{_shown(entry)}不是一天", "每天应有 name、date、isOffDay 三项")
            continue
        reader.unknown_keys(entry, loc_day, _DAY_KEYS)
        for key in _DAY_KEYS:
            if key not in entry:
                reader.report(loc_day, f"缺少 {key}", "每天应有 name、date、isOffDay 三项")
        name = _name(reader, entry, loc_day)
        day = _date(reader, entry, loc_day, year)
        off = entry.get("isOffDay")
        if "isOffDay" in entry and not isinstance(off, bool):
            reader.report(
                (*loc_day, "isOffDay"),
                f"{_shown(off)}不是真假值",
                "应为 true（放假）或 false（上班），不加引号",
            )
        if day is None:
            continue
        if day in seen:
            reader.report(
                (*loc_day, "date"),
                f"{day.isoformat()} 重复",
                f"首次出现在第 {seen[day].line} 行",
                "每天只能列一次，请删去其一",
            )
            continue
        seen[day] = reader.source.position((*loc_day, "date"))
        if off is False and day.weekday() < SATURDAY:
            reader.report(
                (*loc_day, "date"),
                f"{day.isoformat()} 是周{WEEKDAYS[day.weekday()]}，本来就是工作日",
                "isOffDay: false 只用于周六、周日调休上班",
                "请核对日期",
                Severity.WARNING,
            )
        if name is not None and isinstance(off, bool):
            days.append(ArrangedDay(day, name, off))
    return days


def _name(reader: _Reader, entry: dict[str, Any], loc: tuple[str | int, ...]) -> str | None:
    name = entry.get("name")
    if isinstance(name, str) and name.strip():
        return plain_name(name)
    if "name" in entry:
        reader.report((*loc, "name"), f"{_shown(name)}不是名称", "应为节日名称，如 国庆节")
    return None


def _date(
    reader: _Reader, entry: dict[str, Any], loc: tuple[str | int, ...], year: int | None
) -> date | None:
    if "date" not in entry:
        return None
    text = entry["date"]
    try:
        if not isinstance(text, str) or not _DATE.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        reader.report((*loc, "date"), f"{_shown(text)}不是日期", "应写作 2027-01-01，且日历上确有这一天")
        return None
    if year is not None and not date(year - 1, 12, 1) <= day <= date(year, 12, 31):
        reader.report(
            (*loc, "date"),
            f"{text} 不属于{year}年的安排",
            f"应在 {year - 1}-12-01 至 {year}-12-31 之间",
            "请核对年份，每年一个文件",
        )
        return None
    return day


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "此处为空，"
    if isinstance(value, dict | list):
        return "此处"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"“{text[:40]}…”" if len(text) > 41 else f"“{text}”"


def is_year_file(name: str) -> bool:
    """Whether a file of this name would be read as a year's arrangement."""
    return name.lower().endswith(SUFFIXES) and not name.startswith((".", "~$")) and "/" not in name


def load_years(
    folder: Path, replaced: Mapping[str, bytes] | None = None
) -> tuple[dict[int, Arrangement], list[Problem]]:
    """Every year's file in ``folder`` (``schedules/calendar``), and all their problems.

    A folder that does not exist holds no files.  Of two files for one year the
    first by name is taken and the second is an error.  Lock files of office
    programs (``~$…``) and hidden files are passed over.  ``replaced`` are contents
    by file name that are taken instead of what stands there.
    """
    replaced = replaced or {}
    years: dict[int, Arrangement] = {}
    origins: dict[int, str] = {}
    problems: list[Problem] = []
    there = folder.iterdir() if folder.is_dir() else ()
    for path in sorted({*there, *(folder / name for name in replaced)}):
        if not is_year_file(path.name):
            continue
        source = parse_source(replaced[path.name], str(path)) if path.name in replaced else read_source(path)
        arrangement, found = parse_year(source)
        problems += found
        if arrangement is None:
            continue
        if arrangement.year in years:
            problems.append(
                Problem(
                    source.position(("year",)),
                    "year",
                    f"{arrangement.year}年已有 {origins[arrangement.year]}",
                    "每年只能有一个文件",
                    "请删去其一，或把它移出本文件夹",
                )
            )
            continue
        years[arrangement.year] = arrangement
        origins[arrangement.year] = path.name
    return years, problems


def dump_year(arrangement: Arrangement) -> str:
    """The YAML text of the admin's file: block style, one key a line, ended by ``...``."""
    lines = [f"year: {arrangement.year}"]
    if arrangement.papers:
        lines.append("papers:")
        lines += [f"  - {_scalar(paper)}" for paper in arrangement.papers]
    lines.append("days:")
    for day in arrangement.days:
        lines.append(f"  - name: {_scalar(day.name)}")
        lines.append(f"    date: {day.date.isoformat()}")
        lines.append(f"    isOffDay: {str(day.off).lower()}")
    return "\n".join([*lines, "...", ""])


def _scalar(text: str) -> str:
    """``text`` as a YAML scalar: plain where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in ("true", "false"):
        return text
    return json.dumps(text, ensure_ascii=False)
