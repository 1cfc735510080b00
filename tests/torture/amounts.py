"""How much is tried: a sample in ``make test``, all of it in ``make torture``."""

from __future__ import annotations

import os

FULL = os.environ.get("REMINDER_TORTURE") == "full"


def amount(full: int, sample: int) -> int:
    """The number of cases in this run."""
    return full if FULL else sample


def report(text: str) -> None:
    """Said in the summary of the long run."""
    print(text)
