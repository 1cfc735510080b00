"""The reviewed file of 提法: names of rules, prohibitions, closings, festival texts.

Rules are revised and phrases go out of date; templates therefore take them from
one file that says when it was last reviewed, by whom, and when the next review
is due.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from reminder.errors import Problem
from reminder.source import Loc, Source, parse_source, read_source

FILE = "wording.yaml"
SECTIONS = ("rules", "closings", "general", "festivals")
FESTIVAL_KEYS = ("title", "greeting", "remark", "refrain")
"""``title`` and ``refrain`` (what not to do) are required, the others are optional."""
MERGED = "国庆中秋"
"""The entry for years in which the two share a break; templates name it."""
SOLEMN = ("清明", "端午")
"""Festivals at which 快乐 is not wished: one is for mourning, the other began in mourning."""

_HEAD = ("reviewed", "review_by", "next_review")


@dataclass(frozen=True)
class Wording:
    """Phrases in force, and when they were and will be reviewed.

    ``terms`` is what templates see as ``wording``: nested mappings of texts and
    lists of texts.
    """

    terms: Mapping[str, Any] = field(default_factory=dict)
    reviewed: date | None = None
    review_by: str = ""
    next_review: date | None = None

    def review_due(self, today: date) -> date | None:
        """The day the review was due, if that day has come; else nothing."""
        return self.next_review if self.next_review is not None and self.next_review <= today else None


def load_wording(folder: Path, content: bytes | None = None) -> tuple[Wording, list[Problem]]:
    """Read ``wording.yaml`` of a folder of templates; all its problems at once.

    ``content`` is taken instead of what stands in the file.
    """
    name = f"{folder.name}/{FILE}"
    source = read_source(folder / FILE, name=name) if content is None else parse_source(content, name)
    problems = list(source.problems)
    if problems:
        return Wording(), problems
    if not isinstance(source.value, dict):
        return Wording(), [
            Problem(source.position(), "", "文件里没有内容", "应有：" + "、".join((*_HEAD, *SECTIONS)))
        ]
    value: dict[str, Any] = source.value
    problems += _faults(value, source)
    reviewed, next_review = _date(value, "reviewed"), _date(value, "next_review")
    if reviewed and next_review and next_review <= reviewed:
        found = f"next_review（{next_review}）不晚于 reviewed（{reviewed}）"
        problems.append(_problem(source, ("next_review",), found, "下次复核应晚于本次复核"))
    terms = {key: value[key] for key in SECTIONS if key in value}
    return Wording(terms, reviewed, str(value.get("review_by") or ""), next_review), problems


def _date(value: Mapping[str, Any], key: str) -> date | None:
    text = value.get(key)
    try:
        return (
            date.fromisoformat(text)
            if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", text)
            else None
        )
    except ValueError:
        return None


def _problem(source: Source, loc: Loc, found: str, allowed: str = "", hint: str = "") -> Problem:
    return Problem(source.position(loc), ".".join(map(str, loc)), found, allowed, hint)


def _faults(value: dict[str, Any], source: Source) -> Iterator[Problem]:
    known = (*_HEAD, *SECTIONS)
    for key in value:
        if key not in known:
            yield _problem(source, (key,), f"不认识的键“{key}”", "可用：" + "、".join(known))
    for key in known:
        if key not in value:
            yield _problem(source, (), f"缺少 {key}", "应有：" + "、".join(known))
        elif key in ("reviewed", "next_review"):
            if _date(value, key) is None:
                yield _problem(source, (key,), f"“{value[key]}”不是日期", "日期写作 2026-06-30")
        elif key == "review_by":
            if not (isinstance(value[key], str) and value[key].strip()):
                yield _problem(source, (key,), "没有写由谁复核", "应为岗位或科室名称")
        elif isinstance(value[key], dict):
            yield from _leaves(value[key], (key,), source)
        else:
            yield _problem(source, (key,), "此处应为若干“名称: 文字”", "一行一个")
    yield from _festivals(value, source)


def _festivals(value: dict[str, Any], source: Source) -> Iterator[Problem]:
    general, festivals = value.get("general"), value.get("festivals")
    if isinstance(general, dict) and "refrain" not in general:
        yield _problem(source, ("general",), "缺少 refrain", "应列出各节日通用的禁止事项")
    if isinstance(festivals, dict):
        if MERGED not in festivals:
            yield _problem(source, ("festivals",), f"缺少 {MERGED}", "国庆与中秋相连的年份用这一组")
        for name, entry in festivals.items():
            yield from _festival(name, entry, source)


def _leaves(value: Any, loc: Loc, source: Source) -> Iterator[Problem]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*loc, key), source)
    elif isinstance(value, list):
        if not value:
            yield _problem(source, loc, "列表是空的", "至少一条")
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*loc, index), source)
    elif not isinstance(value, str) or not value.strip():
        yield _problem(source, loc, "此处没有文字", "应为一句话或一个名称")


def _festival(name: str, entry: Any, source: Source) -> Iterator[Problem]:
    loc: Loc = ("festivals", name)
    if not isinstance(entry, dict):
        yield _problem(source, loc, "此处应为若干“名称: 文字”", "可用：" + "、".join(FESTIVAL_KEYS))
        return
    for key in entry:
        if key not in FESTIVAL_KEYS:
            yield _problem(source, (*loc, key), f"不认识的键“{key}”", "可用：" + "、".join(FESTIVAL_KEYS))
    for key in ("title", "refrain"):
        if key not in entry:
            yield _problem(source, loc, f"缺少 {key}", "title 为节日名称，refrain 为禁止事项")
    if "refrain" in entry and not isinstance(entry["refrain"], list):
        yield _problem(source, (*loc, "refrain"), "此处应为列表", "一行一条，行首为“- ”")
    if any(word in name for word in SOLEMN) and "快乐" in str(entry):
        yield _problem(source, loc, f"“{name}”的文字里有“快乐”", "清明不致祝贺，端午用“安康”", "请删改")
