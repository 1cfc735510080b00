"""The command's frame: the app and the options that all commands share.

Each command imports what it needs when it runs: ``--help`` stays quick and the
daemon stays small.
"""

from __future__ import annotations

import enum
import re
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from reminder.calendars.lunar import FIRST_YEAR, LAST_YEAR, CalendarRangeError
from reminder.cli.usage import Group
from reminder.errors import ReminderError, UsageError
from reminder.settings import FROM_FOLDER, SCHEDULES, TEMPLATES, Settings

app = typer.Typer(
    name="reminder",
    cls=Group,
    help="机关廉洁教育活动提醒与台账。先看 reminder check，再看 reminder agenda。",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(enum.StrEnum):
    """How a command prints: for people or for programs."""

    TABLE = "table"
    JSON = "json"


SchedulesOption = Annotated[
    Path | None, typer.Option("--schedules", help="计划文件夹（默认 schedules，或 REMINDER_SCHEDULES）")
]
TemplatesOption = Annotated[
    Path | None,
    typer.Option("--templates", help="模板文件夹（默认 message_templates，或 REMINDER_TEMPLATES）"),
]
DataOption = Annotated[Path | None, typer.Option("--data", help="数据目录（默认 var，或 REMINDER_DATA）")]
FormatOption = Annotated[Format, typer.Option("--format", help="table 供人阅读，json 供程序读取")]


def settings_of(
    schedules: Path | None = None, templates: Path | None = None, data: Path | None = None
) -> Settings:
    """The environment's settings with the options of this call over them.

    Where the plan comes from the ledger, its folders are those in which it is
    laid out, unless others are named.
    """
    from reminder.log import redactor

    given = {"schedules": schedules, "templates": templates, "data": data}
    chosen = {name: path for name, path in given.items() if path is not None}
    settings = replace(Settings.from_environment(), **chosen)  # type: ignore[arg-type]
    redactor.add(settings.ledger_password)
    if not settings.follows_ledger:
        return settings
    if schedules is not None or templates is not None:
        return replace(settings, plan_from=FROM_FOLDER)  # somebody looks at a draft
    current = settings.published_current
    return replace(settings, schedules=current / SCHEDULES, templates=current / TEMPLATES)


def drafts_of(
    schedules: Path | None = None, templates: Path | None = None, data: Path | None = None
) -> Settings:
    """As :func:`settings_of`, with the folders that people edit, wherever the plan in force comes from."""
    settings = Settings.from_environment()
    return settings_of(schedules or settings.schedules, templates or settings.templates, data)


def parse_day(text: str, option: str) -> date:
    """A date given on the command line, as ``2026-06-30``.

    Raises ``UsageError`` that names the option, and ``CalendarRangeError`` for a
    date outside the calendar's years.
    """
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} 的值“{text}”不是日期；日期写作 2026-06-30") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise CalendarRangeError(day)
    return day


def parse_days(since: str, until: str) -> tuple[date, date]:
    """``--from`` and ``--to`` as days.

    Raises ``UsageError`` when they are no dates or the wrong way round.
    """
    first, last = parse_day(since, "--from"), parse_day(until, "--to")
    if last < first:
        raise UsageError(f"--to（{last}）早于 --from（{first}）")
    return first, last


def span_of(days: tuple[date, date], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Days as instants: from the first day's start to the last day's end, exclusive."""
    first, last = days
    return (
        datetime.combine(first, time.min, tzinfo=zone),
        datetime.combine(last + timedelta(days=1), time.min, tzinfo=zone),
    )


def confirm(question: str) -> None:
    """Ask on the terminal; anything but yes is no.

    Raises ``ReminderError`` unless the answer is yes.
    """
    try:
        answer = input(f"{question}（确认请输入 y，其他为取消）：")
    except EOFError:
        print()
        raise ReminderError("没有得到回答，未作更改。如不需要询问，请加 --yes。") from None
    if answer.strip().lower() not in ("y", "yes", "是"):
        raise ReminderError("未作更改。")
