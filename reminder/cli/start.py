"""Where the command begins: what was asked for is loaded, and no more; all errors in Chinese words, exit codes.

Exit codes: 0 fine, 1 problems in the plan or a failed check, 2 wrong use.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

import typer

from reminder.cli.app import app
from reminder.cli.usage import WrongUse, explain, take_office
from reminder.errors import PlanProblems, ReminderError, UsageError
from reminder.log import guard, redactor

MODULES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "planning": ("check", "agenda", "preview", "load", "schema"),
        "calendar": ("calendar", "workday"),
        "deeds": ("done", "book", "return", "waive", "reopen", "snooze"),
        "running": ("run", "live", "health"),
        "simulating": ("simulate",),
        "working": ("worker",),
        "migrating": ("migrate",),
        "approving": ("approve",),
        "records": ("ledger",),
        "linking": ("link",),
        "accounts": ("passwd",),
        "handing": ("handover",),
        "reporting": ("report",),
        "resolve": ("resolve",),
        "backup": ("backup", "restore"),
        "resume": ("resume",),
        "doctor": ("doctor",),
    }
)
"""Which commands a module defines whole.  Not the groups: several modules add to one."""
ALONE = {command: module for module, commands in MODULES.items() for command in commands}
COLLECTED = 10_000
"""New objects between two looks for garbage: loading makes many, and hardly any of it."""

INTERRUPTED = 130
"""The shell's code for a process ended by Ctrl-C."""


def main() -> None:
    """Run the command; whatever goes wrong ends in Chinese words and an exit code."""
    # Under a C locale Chinese output would end in UnicodeEncodeError.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    guard()
    gc.set_threshold(COLLECTED)
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (``| head``): not an error, but nothing more may be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _load(arguments: Sequence[str]) -> None:
    """The module of the command that is called, or all of them: for ``--help``, groups and slips."""
    module = ALONE.get(arguments[0], "entry") if arguments else "entry"
    import_module(f"reminder.cli.{module}")


def _run(arguments: list[str]) -> int:
    """The exit code.  Typer's own ``main`` is passed by: it would say what went wrong in English."""
    try:
        arguments = take_office(arguments)
    except UsageError as error:
        print(str(error), file=sys.stderr)
        return error.exit_code
    _load(arguments)
    command = typer.main.get_group(app)
    try:
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
