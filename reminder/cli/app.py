"""The command's frame: options that all share, errors, exit codes.

Exit codes: 0 fine, 1 problems in the plan or a failed check, 2 wrong use.  Each
command imports what it needs when it runs: ``--help`` stays quick and the
daemon stays small.
"""

from __future__ import annotations

import enum
import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from reminder.errors import PlanProblems, ReminderError, UsageError
from reminder.settings import Settings

app = typer.Typer(
    name="reminder",
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
    try:
        app()
    except PlanProblems as problems:
        from reminder.cli.output import print_problems

        print_problems(problems.problems)
        sys.exit(problems.exit_code)
    except ReminderError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader has gone (``| head``): not an error, but nothing more may be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("REMINDER_LOG_LEVEL", "").lower() == "debug":
            raise
        print(
            f"程序内部出错（{type(error).__name__}），未做任何更改。"
            "请设置环境变量 REMINDER_LOG_LEVEL=debug 重试，并把输出交给维护人员。",
            file=sys.stderr,
        )
        sys.exit(1)


def parse_day(text: str, option: str) -> date:
    """A date given on the command line.

    Raises ``UsageError`` that names the option.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} 的值“{text}”不是日期；日期写作 2026-06-30") from None
