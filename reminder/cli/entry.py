"""Where the command begins: all commands registered, all errors in Chinese words, exit codes.

Exit codes: 0 fine, 1 problems in the plan or a failed check, 2 wrong use.
"""

from __future__ import annotations

import os
import sys

import typer

from reminder.cli import (
    accounts,
    approving,
    backup,
    calendar,
    deeds,
    doctor,
    draws,
    duties,
    events,
    handing,
    importing,
    linking,
    migrating,
    planning,
    records,
    reporting,
    resolve,
    resume,
    running,
    silencing,
    tokens,
    working,
)
from reminder.cli.app import app
from reminder.cli.usage import WrongUse, explain, take_office
from reminder.errors import PlanProblems, ReminderError, UsageError
from reminder.log import guard, redactor

COMMANDS = (
    planning,
    calendar,
    duties,
    importing,
    deeds,
    events,
    draws,
    silencing,
    running,
    working,
    migrating,
    approving,
    records,
    linking,
    accounts,
    tokens,
    handing,
    reporting,
    resolve,
    backup,
    resume,
    doctor,
)
"""Modules whose import registers their commands."""
_ORDER = [module.__name__ for module in COMMANDS]
# In --help the clerk's commands come first, not those whose module was imported first.
app.registered_commands.sort(key=lambda each: _ORDER.index(getattr(each.callback, "__module__", _ORDER[-1])))

INTERRUPTED = 130
"""The shell's code for a process ended by Ctrl-C."""


def main() -> None:
    """Run the command; whatever goes wrong ends in Chinese words and an exit code."""
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
    command = typer.main.get_command(app)
    try:
        arguments = take_office(arguments)
        with command.make_context("reminder", arguments) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except WrongUse as error:
        print(explain(error, arguments, command), file=sys.stderr)
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
