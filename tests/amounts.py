"""How much is tried: a sample in ``make test``, all of it in ``make torture``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import Any

import pytest

FULL = os.environ.get("REMINDER_TORTURE") == "full"

reports: list[str] = []
"""What was counted, in the order in which the tests ended; the run's summary shows it."""


def amount(full: int, sample: int) -> int:
    """The number of cases in this run."""
    return full if FULL else sample


def cases(of: Iterable[Any], sample: Collection[Any]) -> list[Any]:
    """Parameters of a test: all of them in the long version, those of the sample in this one."""
    marks = pytest.mark.long_only("another of the same kind is tried in every run")
    return [each if each in sample else pytest.param(each, marks=marks) for each in of]


def report(text: str) -> None:
    """Said in the summary of the run, and at once where the output is shown."""
    print(text)
    reports.append(text)
