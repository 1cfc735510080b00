"""What is measured, as the lines of one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    measured: str
    goal: str
    how: str


def table(figures: list[Figure]) -> str:
    """The lines as Markdown."""
    lines = ["| what | measured | goal | how |", "| --- | --- | --- | --- |"]
    lines += [f"| {each.what} | {each.measured} | {each.goal} | {each.how} |" for each in figures]
    return "\n".join(lines)
