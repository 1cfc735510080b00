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
from reminder.cli.usage import Group, office_asked_for
from reminder.errors import ReminderError, UsageError
from reminder.settings import FROM_FOLDER, Settings

app = typer.Typer(
    name="reminder",
    cls=Group,
    help="机关廉洁教育活动提醒与台账。先看 reminder check，再看 reminder agenda。"
    "有多个单位（REMINDER_OFFICES）时，各命令用 --office 写明是哪一个。",
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
    schedules: Path | None = None,
    templates: Path | None = None,
    data: Path | None = None,
    *,
    whole: bool = False,
) -> Settings:
    """The environment's settings with the options of this call over them.

    Where there are many offices they are those of the one that is asked for;
    with ``whole`` those of the process that runs all.  Where the plan comes from
    the ledger, its folders are those in which it is laid out, unless others are
    named.  Raises ``UsageError``.
    """
    settings = _environment(data, whole=whole)
    if not settings.follows_ledger:
        return _with_folders(settings, schedules, templates)
    if schedules is not None or templates is not None:
        return _with_folders(replace(settings, plan_from=FROM_FOLDER), schedules, templates)  # a draft
    return settings.laid_out()


def drafts_of(
    schedules: Path | None = None, templates: Path | None = None, data: Path | None = None
) -> Settings:
    """As :func:`settings_of`, with the folders that people edit, wherever the plan in force comes from."""
    settings = replace(_environment(data, whole=False), plan_from=FROM_FOLDER)
    return _with_folders(settings, schedules, templates)


def _with_folders(settings: Settings, schedules: Path | None, templates: Path | None) -> Settings:
    return replace(
        settings, schedules=schedules or settings.schedules, templates=templates or settings.templates
    )


def _environment(data: Path | None, *, whole: bool) -> Settings:
    from reminder.log import redactor

    settings = Settings.from_environment()
    if data is not None:
        settings = replace(settings, data=data)
    if asked := office_asked_for():
        settings = replace(settings, office=asked)
    redactor.add(settings.ledger_password)
    if settings.offices is None:
        if settings.office:
            raise UsageError(
                f"写明了单位“{settings.office}”，但没有设置单位文件夹；请设置 REMINDER_OFFICES，或去掉 --office 和 REMINDER_OFFICE"
            )
        return settings
    _on_one_database(settings)
    if settings.follows_ledger:
        raise UsageError(
            "有多个单位（REMINDER_OFFICES）时，从台账取计划由各单位自己写明："
            "请去掉 REMINDER_PLAN_FROM，在该单位的 office.env 中写 REMINDER_PLAN_FROM=ledger:计划编号"
        )
    if whole:
        return settings
    from reminder.offices import chosen_office

    return chosen_office(settings)


def _on_one_database(settings: Settings) -> None:
    """Raises ``UsageError`` where many offices would share a file."""
    from reminder.ledger.address import is_postgres

    if not is_postgres(settings.ledger):
        raise UsageError(
            "REMINDER_OFFICES 需要 PostgreSQL 台账：请设置 REMINDER_DATABASE_URL；"
            "台账是文件时，一个进程只运行一个单位"
        )


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
