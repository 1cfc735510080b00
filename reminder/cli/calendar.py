"""``calendar`` and ``workday``: what day it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.cli.app import (
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    confirm,
    drafts_of,
    parse_day,
    settings_of,
)
from reminder.cli.usage import Command
from reminder.errors import PlanProblems, ReminderError, UsageError, errors_of, system_reason
from reminder.settings import Settings

if TYPE_CHECKING:
    from rich.text import Text

    from reminder.calendars.arrangement import Arrangement
    from reminder.calendars.workdays import WorkCalendar

_MARKS = {"workday": " ", "restday": "·", "holiday": "休", "makeup": "班"}


def calendar_of(settings: Settings) -> WorkCalendar:
    """The calendar with the admin's files over the library.

    Raises ``PlanProblems`` for faulty files.
    """
    from reminder.calendars.workdays import WorkCalendar
    from reminder.calendars.yearfile import load_years
    from reminder.check import CALENDAR_FOLDER

    years, problems = load_years(settings.schedules / CALENDAR_FOLDER)
    if found := errors_of(problems):
        raise PlanProblems(found)
    return WorkCalendar(years)


def _read_from(schedules: Path | None, templates: Path | None, *, drafts: bool = False) -> Settings:
    """With the folder whose calendar is meant: the one in force, or the one that people edit."""
    if drafts:
        return drafts_of(schedules, templates)
    settings = settings_of(schedules, templates)
    if settings.follows_ledger:
        from reminder.cli.planning import brought

        brought(settings)
    return settings


@app.command(cls=Command)
def calendar(
    year: Annotated[
        str, typer.Argument(metavar="YEAR|import", help="年份，如 2026；或 import，录入一年的官方安排")
    ],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="import 时：通知全文的文本文件，或公开的 JSON/YAML 文件"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="录入时不再询问")] = False,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """查看一年的放假调休安排；或录入官方安排：calendar import 文件。"""
    settings = _read_from(schedules, templates, drafts=year == "import")
    if year == "import":
        if file is None:
            raise UsageError("请写明要录入的文件，如 reminder calendar import 放假通知.txt")
        _import(file, settings, yes=yes)
        return
    if not re.fullmatch(r"\d{4}", year):
        raise UsageError(f"“{year}”不是年份；写作 reminder calendar 2026，或 reminder calendar import 文件")
    from reminder.calendars.workdays import year_table
    from reminder.cli.output import print_json

    table = year_table(calendar_of(settings), int(year))
    if format is Format.JSON:
        print_json(table)
    else:
        _print_year(table)


def _print_year(table: dict[str, Any]) -> None:
    from rich.columns import Columns
    from rich.console import Console
    from rich.text import Text

    from reminder.calendars.arrangement import STATUS_TEXT
    from reminder.cli.output import print_table

    console = Console() if Console().is_terminal else Console(width=108)
    console.print(Text(f"{table['year']}年  {STATUS_TEXT[table['status']]}", style="bold"))
    console.print(Text("休 放假    班 调休上班    · 休息日    ? 预计"))
    months: list[Text] = []
    for month in range(1, 13):
        days = [day for day in table["days"] if int(day["date"][5:7]) == month]
        months.append(_month(month, days))
    console.print(Columns(months, padding=(1, 3), equal=True))
    rows = [
        ("、".join(each["festivals"]), f"{each['first']} 至 {each['last']}", f"{each['days']}天")
        for each in table["breaks"]
    ]
    print_table(("假期", "起止", "天数"), rows)
    makeup = [f"{day['date']}（{day['name']}）" for day in table["days"] if day["kind"] == "makeup"]
    console.print(Text("调休上班：" + ("、".join(makeup) if makeup else "无，或尚未公布")))


def _month(month: int, days: list[dict[str, Any]]) -> Text:
    from datetime import date

    from rich.text import Text

    styles = {"holiday": "red", "makeup": "yellow", "restday": "dim", "workday": ""}
    text = Text(f"{month}月\n 一   二   三   四   五   六   日\n", style="")
    text.append("     " * date.fromisoformat(days[0]["date"]).weekday())
    for day in days:
        on = date.fromisoformat(day["date"])
        unsure = "?" if day["status"] == "provisional" and day["kind"] == "holiday" else ""
        mark = _MARKS[day["kind"]]
        cell = f"{on.day:2d}{mark}{unsure}"
        wide = 1 if mark in "休班" else 0
        text.append(cell + " " * (5 - len(cell) - wide), style=styles[day["kind"]])
        if on.weekday() == 6:
            text.append("\n")
    return text


def _import(path: Path, settings: Settings, *, yes: bool) -> None:
    """Read, check, show what changes, ask, write: nothing is written before the answer."""
    from reminder.calendars.announcement import import_year
    from reminder.calendars.arrangement import doubts
    from reminder.calendars.yearfile import dump_year
    from reminder.check import CALENDAR_FOLDER

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"读不到文件 {path}：{system_reason(error)}") from None
    arrangement = import_year(data, path.name)
    before = calendar_of(settings)
    _show_arrangement(arrangement)
    _show_moves(arrangement, before, settings)
    for doubt in doubts(arrangement):
        print(f"请留意：{doubt}")
    target = settings.schedules / CALENDAR_FOLDER / f"{arrangement.year}.yaml"
    question = f"以上安排写入 {target}{'（覆盖原文件）' if target.exists() else ''}，是否确认？"
    if not yes:
        confirm(question)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.tmp")
        scratch.write_text(dump_year(arrangement), "utf-8")
        scratch.replace(target)
    except OSError as error:
        raise ReminderError(f"写不进 {target}：{system_reason(error)}；未作更改。") from None
    if settings_of().follows_ledger:
        print(f"已写入 {target}。发布后才生效：reminder plan push；已发出的不会重发。")
    else:
        print(f"已写入 {target}。正在运行的守护进程会自动重新计算提醒日期；已发出的不会重发。")


def _show_arrangement(arrangement: Arrangement) -> None:
    from reminder.calendars.workdays import WorkCalendar, year_table
    from reminder.cli.output import print_table

    table = year_table(WorkCalendar({arrangement.year: arrangement}), arrangement.year)
    rows = [
        ("、".join(each["festivals"]), each["first"], each["last"], f"{each['days']}天")
        for each in table["breaks"]
    ]
    print_table(("节日", "放假首日", "放假末日", "天数"), rows, f"{arrangement.year}年放假安排")
    makeup = [
        (day["date"], "周" + "一二三四五六日"[datetime.fromisoformat(day["date"]).weekday()], day["name"])
        for day in table["days"]
        if day["kind"] == "makeup"
    ]
    print_table(("调休上班", "星期", "节日"), makeup)


def _show_moves(arrangement: Arrangement, before: WorkCalendar, settings: Settings) -> None:
    from reminder.agenda.alarms import expand
    from reminder.agenda.difference import difference
    from reminder.agenda.instants import zone_of
    from reminder.calendars.workdays import WorkCalendar
    from reminder.calendars.yearfile import load_years
    from reminder.check import CALENDAR_FOLDER
    from reminder.cli.output import print_table
    from reminder.plan.loader import load_plan

    plan = load_plan(settings.schedules).plan
    if plan is None:
        print("计划文件有误，暂不能比较提醒日期的变动（reminder check 列出问题）；放假安排本身可以录入。")
        return
    years, _ = load_years(settings.schedules / CALENDAR_FOLDER)
    after = WorkCalendar({**years, arrangement.year: arrangement})
    zone = zone_of(plan.head.timezone)
    since = datetime(arrangement.year - 1, 11, 1, tzinfo=zone).astimezone(UTC)
    until = datetime(arrangement.year + 1, 3, 1, tzinfo=zone)
    changes = difference(expand(plan, before, since, until), expand(plan, after, since, until))
    if not changes:
        print("没有提醒因此改变日期。")
        return
    rows = [
        (f"{m.before:%Y-%m-%d %H:%M}", f"{m.alarm.at:%Y-%m-%d %H:%M}", m.alarm.item.spec.title, m.alarm.key)
        for m in changes.moved
    ]
    rows += [("（无）", f"{a.at:%Y-%m-%d %H:%M}", a.item.spec.title, a.key) for a in changes.added]
    rows += [(f"{a.at:%Y-%m-%d %H:%M}", "（取消）", a.item.spec.title, a.key) for a in changes.removed]
    print_table(("原定", "改为", "事项", "提醒"), rows, f"{len(rows)} 条提醒的日期有变动")


@app.command(cls=Command)
def workday(
    day: Annotated[str | None, typer.Argument(metavar="DATE", help="日期，如 2026-09-25")] = None,
    before: Annotated[
        int | None, typer.Option("--before", help="此日之前第几个工作日（0：当日或之前最近）", min=0)
    ] = None,
    after: Annotated[int | None, typer.Option("--after", help="此日之后第几个工作日", min=0)] = None,
    last_of: Annotated[
        str | None, typer.Option("--last-of", help="某期最后一个工作日：2026、2026H1、2023Q3、2026-05")
    ] = None,
    first_of: Annotated[str | None, typer.Option("--first-of", help="某期第一个工作日")] = None,
    schedules: SchedulesOption = None,
) -> None:
    """推算工作日；只输出一个日期。"""
    from reminder.calendars.periods import parse_period

    calendar = calendar_of(_read_from(schedules, None))
    asked = [each for each in (before, after, last_of, first_of) if each is not None]
    if len(asked) != 1 or (day is None) == (before is not None or after is not None):
        raise UsageError("用法：workday 日期 --before N、workday 日期 --after N，或 workday --last-of 2023Q3")
    if last_of is not None or first_of is not None:
        period = parse_period(last_of or first_of or "")
        find = calendar.last_workday if last_of is not None else calendar.first_workday
        found = find(period.first, period.last)
    else:
        start = parse_day(day or "", "日期")
        found = calendar.before(start, before) if before is not None else calendar.after(start, after or 0)
    print(found)
