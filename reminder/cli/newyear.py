"""``plan new-year``: the draft, its checklist, and whether it passes the check."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from reminder.agenda.occurrences import occurrences
from reminder.calendars.arrangement import DayStatus
from reminder.check import Edition, examine
from reminder.errors import ReminderError
from reminder.plan.newyear import CHECKLIST, draft_new_year, roster_lines
from reminder.settings import Settings


def draft(settings: Settings, edition: Edition, year: int, folder: Path) -> str:
    """Write the draft and its checklist; what to tell the clerk.

    Raises ``ReminderError`` when the draft does not pass the check, with what is wrong.
    """
    moved = draft_new_year(settings.schedules, edition.plan, year, folder)
    examination = examine(folder, settings.templates, settings.public_url)
    if examination.edition is None:
        problems = "\n".join(str(each) for each in examination.errors)
        raise ReminderError(f"草稿已写入 {folder}，但未通过检查，请先更正：\n{problems}")
    lines = [
        f"# {year}年度计划草稿核对清单",
        "",
        "## 顺延的日期",
        "",
        *([f"- [ ] {each}" for each in moved] or ["- 无"]),
        "",
        "## 各项任务的日期",
        "",
        *_dates(examination.edition, year),
        "",
        "## 岗位与任职",
        "",
        *roster_lines(examination.edition.plan, date(year, 1, 1)),
        "",
    ]
    (folder / CHECKLIST).write_text("\n".join(lines), "utf-8")
    return (
        f"草稿已写入 {folder}，已通过检查。\n"
        f"请按 {folder / CHECKLIST} 逐项核对日期与名册，"
        f"核对后把其中的 YAML 文件放入 {settings.schedules} 替换原文件。\n"
        f"核对前可先模拟：reminder simulate --schedules {folder} --from {year}-01-01 --to {year}-12-31"
    )


def _dates(edition: Edition, year: int) -> list[str]:
    lines = []
    for item in edition.plan.items:
        found = list(
            occurrences(item, edition.plan.head, edition.calendar, date(year, 1, 1), date(year, 12, 31))
        )
        if not found:
            lines.append(f"- [ ] {item.spec.clause} {item.spec.title}：由事件触发，无固定日期")
            continue
        days = "、".join(
            f"{each.due}{'（预计）' if each.status is DayStatus.PROVISIONAL else ''}" for each in found
        )
        lines.append(f"- [ ] {item.spec.clause} {item.spec.title}：截止 {days}")
    return lines
