"""Draft the next year's plan from the one in force.

Files are copied with their comments; the plan's ``from`` and ``until`` and every
full date of a ``when`` move to the new year, each marked for the clerk to
confirm.  Item ids stay, so that the ledger goes on; nothing in force is touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from reminder.errors import UsageError
from reminder.plan.model import Plan
from reminder.source import Source, read_source

CONFIRM = "# 请核对：由上一年度顺延"
CHECKLIST = "核对清单.md"


def draft_new_year(schedules: Path, plan: Plan, year: int, folder: Path) -> list[str]:
    """Write the draft and give the lines of what is to be confirmed.

    Raises ``UsageError`` when the folder holds files already or the year is not
    after the plan's start.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"文件夹 {folder} 已有文件；请换一个，用 --out 指定空文件夹")
    if not plan.head.from_.year < year <= 2100:
        raise UsageError(f"{year} 年不在现计划（{plan.head.from_} 起）之后；请写一个更晚的年度")
    folder.mkdir(parents=True, exist_ok=True)
    notes: list[str] = []
    shift = year - plan.head.until.year
    for path in sorted(schedules.iterdir()):
        if not path.is_file():
            continue
        if path.suffix not in (".yaml", ".yml"):
            (folder / path.name).write_bytes(path.read_bytes())
            continue
        source = read_source(path)
        text, changed = _moved(path.read_text("utf-8-sig"), source, year, shift)
        (folder / path.name).write_text(text, "utf-8")
        notes += [f"{path.name}：{each}" for each in changed]
    return notes


def _moved(text: str, source: Source, year: int, shift: int) -> tuple[str, list[str]]:
    lines = text.splitlines()
    notes: list[str] = []
    changes: dict[tuple[str | int, ...], str] = {}
    value = source.value if isinstance(source.value, dict) else {}
    if isinstance(value.get("plan"), dict):
        changes["plan", "from"] = f"{year}-01-01"
        changes["plan", "until"] = f"{year}-12-31"
    for loc, day in _full_dates(value):
        changes[loc] = _same_day(day, shift).isoformat()
    for loc, new in changes.items():
        place = source.position(loc)
        line = lines[place.line - 1]
        head, old = line[: place.column - 1], line[place.column - 1 :]
        match = re.match(r"""["']?\d{4}-\d{2}-\d{2}["']?""", old)
        if match is None:
            continue
        lines[place.line - 1] = f"{head}{new}  {CONFIRM}（原为 {match[0]}）"
        notes.append(f"第 {place.line} 行 {match[0]} → {new}")
    return "\n".join(lines) + "\n", notes


def _full_dates(value: dict[str, object]) -> Iterator[tuple[tuple[str | int, ...], date]]:
    """Every full date of the items' ``when``, with its path."""
    items = value.get("items")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        when = item.get("when") if isinstance(item, dict) else None
        yield from _dates_below(when, ("items", index, "when"))


def _dates_below(value: object, loc: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], date]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _dates_below(below, (*loc, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _dates_below(below, (*loc, index))
    elif isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            yield loc, date.fromisoformat(value)
        except ValueError:
            return


def _same_day(day: date, shift: int) -> date:
    try:
        return day.replace(year=day.year + shift)
    except ValueError:  # 29 February in a year that has none
        return date(day.year + shift, 2, 28)


def roster_lines(plan: Plan, on: date) -> list[str]:
    """Posts with their holders on a day, as Markdown list entries to confirm."""
    lines = []
    for post in plan.directory.posts:
        holders = "、".join(person.name for person in plan.directory.holders(post.id, on)) or "（空缺）"
        lines.append(f"- [ ] {post.id}：{holders}")
    return lines
