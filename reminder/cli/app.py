"""The command's frame: options that all share, errors, exit codes.

Exit codes: 0 fine, 1 problems in the plan or a failed check, 2 wrong use.  Each
command imports what it needs when it runs: ``--help`` stays quick and the
daemon stays small.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from reminder.calendars.lunar import FIRST_YEAR, LAST_YEAR, CalendarRangeError
from reminder.cli.usage import Group, WrongUse, explain
from reminder.errors import PlanProblems, ReminderError, UsageError
from reminder.log import guard, redactor
from reminder.settings import Settings

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

INTERRUPTED = 130
"""The shell's code for a process ended by Ctrl-C."""


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
    """The environment's settings with the options of this call over them."""
    settings = Settings.from_environment()
    given = {"schedules": schedules, "templates": templates, "data": data}
    return replace(settings, **{name: path for name, path in given.items() if path is not None})  # type: ignore[arg-type]


def main() -> None:
    """Run the command; whatever goes wrong ends in Chinese words and an exit code."""
    from reminder.cli import calendar, doctor, planning, records, resolve, running  # noqa: F401  # they register commands

    # Under a C locale Chinese output would end in UnicodeEncodeError.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    guard()
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (``| head``): not an error, but nothing more may be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """The exit code.  Typer's own ``main`` is passed by: it would say what went wrong in English."""
    try:
        command = typer.main.get_command(app)
        with command.make_context("reminder", arguments) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except WrongUse as error:
        print(explain(error), file=sys.stderr)
        return UsageError.exit_code
    except PlanProblems as problems:
        from reminder.cli.output import print_problems

        print_problems(problems.problems)
        return problems.exit_code
    except ReminderError as error:
        print(redactor(str(error)), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("已中断。", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("REMINDER_LOG_LEVEL", "").lower() == "debug":
            raise
        print(
            f"程序内部出错（{type(error).__name__}）。"
            "请设置环境变量 REMINDER_LOG_LEVEL=debug 重试，并把输出交给维护人员。",
            file=sys.stderr,
        )
        return 1
    return 0


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


def parse_span(since: str, until: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """``--from`` and ``--to`` as instants: from the first day's start to the last day's end, exclusive.

    Raises ``UsageError`` when they are no dates or the wrong way round.
    """
    first, last = parse_day(since, "--from"), parse_day(until, "--to")
    if last < first:
        raise UsageError(f"--to（{last}）早于 --from（{first}）")
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
