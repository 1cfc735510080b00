"""The command ``reminder`` on a clock that stands at an instant, in a process of its own or in this one.

``python -m tests.harness.command 2026-06-20T10:00:00+08:00 ARGUMENTS…``
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from unittest import mock

from reminder.clock import SystemClock
from tests.editions import ROOT, TEMPLATES


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """The output with runs of spaces as one: a table's gaps say nothing."""
        return "\n".join(" ".join(line.split()) for line in self.out.splitlines())


def command(now: datetime, *arguments: str, schedules: Path, data: Path) -> Said:
    """As a process: Chinese comes out whatever the locale of the machine is."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.command", now.isoformat(), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, **_environment(schedules, data), "PYTHONPATH": str(ROOT), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def here(now: datetime, *arguments: str, schedules: Path, data: Path) -> Said:
    """The same in this process, which spares it the start."""
    from reminder.cli.entry import _run

    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(SystemClock, "now", return_value=now),
        mock.patch.dict(os.environ, _environment(schedules, data)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = _run(list(arguments))
    return Said(code, out.getvalue(), err.getvalue())


def _environment(schedules: Path, data: Path) -> dict[str, str]:
    return {
        "REMINDER_SCHEDULES": str(schedules),
        "REMINDER_TEMPLATES": str(TEMPLATES),
        "REMINDER_DATA": str(data),
        "REMINDER_LISTEN": "off",
    }


def _main() -> None:
    from reminder.cli import main

    instant = datetime.fromisoformat(sys.argv.pop(1))
    SystemClock.now = lambda _: instant  # type: ignore[method-assign]
    main()


if __name__ == "__main__":
    _main()
