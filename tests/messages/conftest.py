"""Sample facts for templates: the shape in which the sweep gives them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reminder.messages.render import Templates
from reminder.messages.wording import Wording, load_wording

FOLDER = Path(__file__).parents[2] / "message_templates"
ZONE = ZoneInfo("Asia/Shanghai")

Context = dict[str, Any]

# name: names, break first and last, makeup days, and the days themselves
FESTIVALS: dict[str, tuple[list[str], date, date, list[date]]] = {
    "元旦": (["元旦"], date(2026, 1, 1), date(2026, 1, 3), [date(2026, 1, 4)]),
    "春节": (["春节"], date(2026, 2, 15), date(2026, 2, 23), [date(2026, 2, 14), date(2026, 2, 28)]),
    "清明": (["清明"], date(2026, 4, 4), date(2026, 4, 6), []),
    "劳动节": (["劳动节"], date(2026, 5, 1), date(2026, 5, 5), [date(2026, 5, 9)]),
    "端午": (["端午"], date(2026, 6, 19), date(2026, 6, 21), []),
    "中秋": (["中秋"], date(2026, 9, 25), date(2026, 9, 27), []),
    "国庆": (["国庆"], date(2026, 10, 1), date(2026, 10, 7), [date(2026, 9, 20), date(2026, 10, 10)]),
    "国庆中秋": (
        ["国庆", "中秋"],
        date(2025, 10, 1),
        date(2025, 10, 8),
        [date(2025, 9, 28), date(2025, 10, 11)],
    ),
}


def festival(name: str, *, provisional: bool = False) -> Context:
    """A festival as templates see it."""
    names, first, last, makeup = FESTIVALS[name]
    return {
        "name": name,
        "names": names,
        "days": [{"name": each, "date": first} for each in names],
        "break_first": first,
        "break_last": last,
        "break_days": (last - first).days + 1,
        "makeup": [] if provisional else makeup,
        "provisional": provisional,
    }


_ITEMS: dict[str, Context] = {
    "festival": {"id": "festival", "clause": "二（三）2", "title": "节日廉政提醒"},
    "festival-prompt": {
        "id": "festival-talk",
        "clause": "二（三）2",
        "title": "节前廉政谈话",
        "private": True,
    },
    "festival-close": {"id": "festival", "clause": "二（三）2", "title": "节日廉政提醒"},
    "talk": {"id": "integrity-talk", "clause": "二（三）1", "title": "廉政谈话", "private": True},
    "report": {
        "id": "quarterly-report",
        "clause": "三（三）",
        "title": "活动开展情况报送",
        "collects": ["活动宣传报道"],
    },
    "missing-list": {"id": "quarterly-report", "clause": "三（三）", "title": "活动开展情况报送"},
    "monthly": {"id": "volunteering", "clause": "二（二）2", "title": "每月志愿服务"},
    "lecture": {"id": "secretary-lecture", "clause": "二（二）1", "title": "七一前后书记党课"},
    "inspection": {
        "id": "frugality-check",
        "clause": "二（三）5",
        "basis": "拟",
        "title": "八项规定精神集中检查",
        "private": True,
    },
    "matter": {
        "id": "appointment-exam",
        "clause": "二（三）4",
        "title": "任前廉政考试",
        "brief": "有一项任前事项待办，详情请向机关党委办公室了解。",
        "private": True,
    },
    "gate": {"id": "appointment-exam", "clause": "二（三）4", "title": "任前廉政考试", "private": True},
    "spot-check": {
        "id": "frugality-spot-check",
        "clause": "二（三）5",
        "basis": "拟",
        "title": "八项规定精神随机抽查",
        "done_when": "检查表已归档，检查结果已提出，整改已查验。",
        "private": True,
    },
    "window": {"id": "risk-review", "clause": "二（三）3", "basis": "拟", "title": "廉政风险评估"},
    "general": {"id": "rotation-review", "clause": "二（三）4", "basis": "拟", "title": "干部轮岗情况梳理"},
}
_LABELS = {"matter": "任前-2026-03", "gate": "任前-2026-03"}
_DRAWN = {"spot-check": "文艺科"}
_CELLS = {
    "talk": ["理论科科长", "新闻科科长", "文艺科科长"],
    "missing-list": ["理论科", "新闻科", "第一党支部"],
    "report": ["理论科"],
    "monthly": ["第一党支部"],
    "window": ["理论科"],
}


def context(template: str, phase: str = "before", **changes: Any) -> Context:
    """The variables of a section; ``changes`` replace whole ones, dictionaries are merged in."""
    festive = template.startswith("festival")
    due = date(2026, 9, 24) if festive else date(2026, 9, 30)
    today = {
        "before": date(2026, 9, 18) if festive else date(2026, 9, 23),
        "day": due,
        "after": date(2026, 9, 29) if festive else date(2026, 10, 9),
    }[phase]
    cells = changes.get("cells", [{"label": label} for label in _CELLS.get(template, [])])
    base: Context = {
        "plan": {"title": "“明纪律、强作风、促廉政”机关廉洁教育活动"},
        "office": {
            "sign_off": "机关党委",
            "contact": "机关党委办公室",
            "mailbox": "jgdw@example.com",
            "phone": None,
        },
        "item": {
            "basis": "明",
            "brief": None,
            "done_when": None,
            "leaders": [],
            "units": [],
            "private": False,
            "collects": [],
            **_ITEMS[template],
        },
        "occurrence": {
            "id": f"{_ITEMS[template]['id']}/2026Q3",
            "label": "2026年中秋节" if festive else _LABELS.get(template, "2026年第三季度"),
            "opens": date(2026, 9, 10) if festive else date(2026, 7, 1),
            "due": due,
            "due_at": datetime(due.year, due.month, due.day, 17, tzinfo=ZONE),
        },
        "festival": festival("中秋") if festive else None,
        "alarm": {
            "id": "due-5wd",
            "phase": phase,
            "workdays_left": {"before": 5, "day": 0, "after": -1}[phase],
            "planned": today,
            "late": False,
            "repetition": 1,
            "reader": "owner" if cells else "other",
        },
        "receiver": {"id": "p-lilun", "name": "理论科科长", "kind": "person", "named": True},
        "cells": cells,
        "count": len(cells),
        "hidden": False,
        "deputy_for": [],
        "drawn": _DRAWN.get(template, ""),
        "provisional": False,
        "today": today,
        "owes": False,
        "link": None,
        "variants": False,
    }
    for key, value in changes.items():
        base[key] = (
            {**base[key], **value} if isinstance(base.get(key), dict) and isinstance(value, dict) else value
        )
    return base


@pytest.fixture(scope="session")
def wording() -> Wording:
    loaded, problems = load_wording(FOLDER)
    assert problems == []
    return loaded


@pytest.fixture(scope="session")
def templates() -> Templates:
    loaded, problems = Templates.load(FOLDER)
    assert problems == []
    return loaded


@pytest.fixture(scope="session")
def facts(wording: Wording) -> Callable[..., Context]:
    """Builds the variables of a section: ``facts(template, phase, **changes)``."""

    def build(template: str, phase: str = "before", **changes: Any) -> Context:
        return {**context(template, phase, **changes), "wording": wording.terms}

    return build


@pytest.fixture(scope="session")
def festivals() -> Callable[..., Context]:
    """Builds a festival as templates see it: ``festivals(name, provisional=…)``."""
    return festival
