"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from reminder.errors import Problem, Severity

SEVERITY_TEXT = {Severity.ERROR: "错误", Severity.WARNING: "提醒"}
PIPED = 160
"""Cells of a line that no terminal shows."""
BOLD, ITALIC, PLAIN = "\x1b[1m", "\x1b[3m", "\x1b[0m"
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def print_json(value: Any) -> None:
    """One JSON value, readable as it is."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table as wide as the terminal; piped output is as wide as its content."""
    from reminder.cli.table import laid_out

    terminal = sys.stdout.isatty()
    lines = laid_out(columns, rows, title, shutil.get_terminal_size().columns if terminal else PIPED)
    # A terminal that knows no letters but one kind says so by its name.
    emphasis = terminal and os.environ.get("TERM", "") not in ("dumb", "unknown", "")
    for line in lines.title:
        print(f"{ITALIC}{line}{PLAIN}" if emphasis else line)
    print(" " * len(lines.body[0]))
    for line in lines.names:
        print(f"{BOLD}{line}{PLAIN}" if emphasis else line)
    print("\n".join(lines.body))


def print_problems(problems: Collection[Problem], *, to_stdout: bool = False) -> None:
    """Each problem on a line of its own, as ``file:line:column: path: …``."""
    if not problems:
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=not to_stdout, soft_wrap=True)
    for problem in problems:
        label = Text(f"{SEVERITY_TEXT[problem.severity]} ", style=_COLOURS[problem.severity])
        console.print(label + Text(str(problem)), soft_wrap=True)


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem for programs."""
    return {
        "file": problem.position.file,
        "line": problem.position.line,
        "column": problem.position.column,
        "path": problem.path,
        "found": problem.found,
        "allowed": problem.allowed,
        "hint": problem.hint,
        "severity": str(problem.severity),
    }
