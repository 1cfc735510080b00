"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from reminder.errors import Problem, Severity

SEVERITY_TEXT = {Severity.ERROR: "错误", Severity.WARNING: "提醒"}
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def print_json(value: Any) -> None:
    """One JSON value, readable as it is."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table as wide as the terminal; piped output is as wide as its content."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(table)


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
