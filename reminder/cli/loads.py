"""What ``load`` shows: for each person the most that a year can bring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from reminder.agenda.instants import zone_of
from reminder.agenda.load import AT_MOST_A_WEEK, Load, group_posts, load_of
from reminder.check import Edition
from reminder.cli.output import print_table
from reminder.clock import SystemClock
from reminder.errors import UsageError

NAMES_SHOWN = 8


def _span(edition: Edition, year: int | None) -> tuple[date, date]:
    """The days of a year; without one this year, or the plan's nearest.

    Raises ``UsageError`` for a year that the plan does not reach.
    """
    head = edition.plan.head
    first, last = head.from_.year, head.until.year
    if year is None:
        today = SystemClock().now().astimezone(zone_of(head.timezone)).date()
        year = min(max(today.year, first), last)
    elif not first <= year <= last:
        reach = f"{first}" if first == last else f"{first} 至 {last}"
        raise UsageError(f"计划不包括 {year} 年；可用：{reach}")
    return date(year, 1, 1), date(year, 12, 31)


def loads_json(edition: Edition, year: int | None) -> dict[str, Any]:
    """All of it, for programs; ``weeks`` are by their Monday."""
    span = _span(edition, year)
    plan, calendar = edition.plan, edition.calendar
    return {
        "year": span[0].year,
        "people": [
            {
                "id": each.person.id,
                "name": each.person.name,
                "messages": len(each.letters),
                "to_all": len(each.letters) - len(each.reminders),
                "busiest_week": each.busiest[1] if each.busiest else 0,
                "channels": dict(each.by_channel),
                "weeks": {str(monday): number for monday, number in sorted(each.weeks.items())},
            }
            for each in load_of(plan, calendar, *span)
        ],
        "groups": dict(group_posts(plan, calendar, *span)),
    }


def print_loads(edition: Edition, year: int | None) -> None:
    """A table, those with most first, and what it means."""
    span = _span(edition, year)
    plan, calendar = edition.plan, edition.calendar
    loads = sorted(load_of(plan, calendar, *span), key=_heaviest)
    channels = [
        name for name, config in plan.channels.items() if config.personal and any(name in each.by_channel for each in loads)
    ]  # fmt: skip
    rows = [
        (
            each.person.name,
            str(len(each.letters)),
            str(len(each.letters) - len(each.reminders)),
            str(each.busiest[1]) if each.busiest else "0",
            _week_text(each.busiest[0]) if each.busiest else "",
            *(str(each.by_channel[name]) for name in channels),
        )
        for each in loads
    ]
    title = f"{span[0].year} 年，假定事项一件未办，每人最多收到的消息"
    columns = ("收件人", "全年", "其中发给全员", "最多的一周", "该周", *channels)
    print_table(columns, rows, title)
    print("一周的条数不计发给全员的信息。随机抽查按周期居中的一天计；临时登记的事件（通报、任前）不在内。")
    for name, number in group_posts(plan, calendar, *span).items():
        print(f"群消息（{getattr(plan.channels[name], 'name', None) or name}）：{number} 条")
    print(_verdict(loads))


def _heaviest(load: Load) -> tuple[int, int]:
    return (-(load.busiest[1] if load.busiest else 0), -len(load.letters))


def _week_text(monday: date) -> str:
    return f"{monday:%m-%d} 至 {monday + timedelta(days=6):%m-%d}"


def _verdict(loads: Sequence[Load]) -> str:
    over = [each for each in loads if each.busiest and each.busiest[1] > AT_MOST_A_WEEK]
    if not over:
        return f"没有人一周内会收到超过 {AT_MOST_A_WEEK} 条提醒。"
    names = "、".join(each.person.name for each in over[:NAMES_SHOWN])
    more = "等" if len(over) > NAMES_SHOWN else ""
    return (
        f"有 {len(over)} 人一周内可能收到超过 {AT_MOST_A_WEEK} 条提醒：{names}{more}。"
        "把几项的截止日移到同一天，提醒便合为一条。"
    )
