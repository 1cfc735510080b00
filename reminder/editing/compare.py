"""What a change of a text changes, line by line.  Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

CONTEXT = 3


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison.

    ``mark`` is ``+`` for a new line, ``-`` for one that goes, a space for one
    that stays, ``@`` for a gap; ``old`` and ``new`` are its numbers, 0 for none.
    """

    mark: Literal["+", "-", " ", "@"]
    old: int
    new: int
    text: str


def compare(before: str, after: str) -> tuple[DiffLine, ...]:
    """The lines that differ, with a few around them; empty for equal texts."""
    old, new = before.split("\n"), after.split("\n")
    found: list[DiffLine] = []
    # Without junk heuristics: they cost seconds on long texts of short lines that repeat, and mislead.
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) + len(new) > 20_000)
    for number, group in enumerate(matcher.get_grouped_opcodes(CONTEXT)):
        if number:
            found.append(DiffLine("@", 0, 0, ""))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [DiffLine(" ", i + 1, j1 + i - i1 + 1, old[i]) for i in range(i1, i2)]
                continue
            found += [DiffLine("-", i + 1, 0, old[i]) for i in range(i1, i2)]
            found += [DiffLine("+", 0, j + 1, new[j]) for j in range(j1, j2)]
    return tuple(found)
