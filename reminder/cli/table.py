"""A table of text as terminals show it, where a Chinese character is two cells wide.

Columns stand apart by spaces, their names over a line.  What is wider than the
terminal is folded, the widest columns first, between words where that can be.
It looks as rich would print it, in a tenth of the time and without loading it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size

_WORD = re.compile(r"\s*\S+\s*")
_CONTROLS = {ord(each): None for each in "\a\b\v\f\r"} | {ord("\t"): " "}
"""What would move the cursor."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A table's lines, all of one width in cells."""

    title: tuple[str, ...]
    names: tuple[str, ...]
    body: tuple[str, ...]


def laid_out(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str, width: int) -> Lines:
    """The lines of a table that is at most ``width`` cells wide; an empty ``title`` has none."""
    cells = [[str(cell).translate(_CONTROLS) for cell in row] for row in (columns, *rows)]
    last = len(columns) - 1
    sides = [("" if place == 0 else " ", "" if place == last else " ") for place in range(len(columns))]
    room = max(width - len(columns) - 1, 1)
    widths = _narrowed(
        [
            min(max(map(_widest, column)) + len("".join(side)), room) or 1
            for column, side in zip(zip(*cells, strict=True), sides, strict=True)
        ],
        room,
    )

    def lines_of(row: Sequence[str], *, low: bool = False) -> Iterator[str]:
        folded = [
            _folded(cell, size - len("".join(side)))
            for cell, size, side in zip(row, widths, sides, strict=True)
        ]
        height = max(map(len, folded))
        for number in range(height):
            parts = []
            for lines, size, (left, right) in zip(folded, widths, sides, strict=True):
                at = number - (height - len(lines) if low else 0)
                inner = size - len(left) - len(right)
                parts.append(left + (lines[at] if 0 <= at < len(lines) else " " * inner) + right)
            yield f" {' '.join(parts)} "

    blank = " " * (sum(widths) + len(columns) + 1)
    rule = f" {'─' * (len(blank) - 2)} "
    return Lines(
        tuple(_folded(title, len(blank))) if title else (),
        tuple(lines_of(cells[0], low=True)),
        (rule, *(line for row in cells[1:] for line in lines_of(row)), blank),
    )


def _widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def _narrowed(widths: list[int], room: int) -> list[int]:
    """The widths, less what has to go: always from the widest, until they are as wide as the next."""
    while (excess := sum(widths) - room) > 0:
        widest = max(widths)
        next_one = max((each for each in widths if each != widest), default=0)
        most, among = min(excess, widest - next_one), widths.count(widest)
        if not most:
            break
        for place, size in enumerate(widths):
            if size == widest:
                taken = min(most, round(excess / among))
                widths[place] -= taken
                excess -= taken
                among -= 1
    return widths


def _folded(text: str, width: int) -> list[str]:
    """Lines of exactly ``width`` cells: as many words as there is room for, and words too long cut."""
    found: list[str] = []
    for line in text.split("\n"):
        if cell_len(line) <= width:
            found.append(set_cell_size(line, width))
        elif width > 0:
            found += [set_cell_size(each, width) for each in _pieces(line, width)]
    return found or [""]


def _pieces(line: str, width: int) -> Iterator[str]:
    held, used = "", 0
    for word in _WORD.findall(line):
        need = cell_len(word.rstrip())
        if need <= width - used:
            held, used = held + word, used + cell_len(word)
            continue
        if held:
            yield held
        *full, held = chop_cells(word, width) if need > width else [word]
        yield from full
        used = cell_len(held)
    yield held
