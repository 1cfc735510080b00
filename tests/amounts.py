"""How much is tried: a sample in ``make test``, all of it in ``make torture``."""

from __future__ import annotations

import os

FULL = os.environ.get("REMINDER_TORTURE") == "full"

reports: list[str] = []
"""What was counted, in the order in which the tests ended; the run's summary shows it."""


def amount(full: int, sample: int) -> int:
    """The number of cases in this run."""
    return full if FULL else sample


def report(text: str) -> None:
    """Said in the summary of the run, and at once where the output is shown."""
    print(text)
    reports.append(text)
