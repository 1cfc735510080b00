"""What is measured, as the lines of one table a section."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
"""Of the environment that holds what is measured beside the product."""


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    measured: str
    goal: str
    how: str


@dataclass(frozen=True)
class Section:
    """What is measured together; ``name`` is also where its table stands on the page."""

    name: str
    figures: Callable[[], Iterator[Figure]]


def table(figures: list[Figure]) -> str:
    """The lines as Markdown."""
    lines = ["| what | measured | goal | how |", "| --- | --- | --- | --- |"]
    lines += [f"| {each.what} | {each.measured} | {each.goal} | {each.how} |" for each in figures]
    return "\n".join(lines)


def median(values: Sequence[float]) -> float:
    """The middle one: a single disturbed run does not show in it."""
    return statistics.median(values)


def spread(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """Median, least and most."""
    least, most = min(values), max(values)
    return f"{median(values):,.{digits}f} {unit} ({least:,.{digits}f}–{most:,.{digits}f})"
