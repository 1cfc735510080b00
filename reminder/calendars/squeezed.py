"""The text of a notice without what varies: spaces, widths, quotation marks, wrapped lines; places kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from reminder.calendars.arrangement import (
    FESTIVAL_NAME,
)

NUMBERING = r"(?:\(?[一二三四五六七八九十]{1,2}[)、.]|\(?\d{1,2}[)、.](?!\d))"


NAMES = rf"(?:{FESTIVAL_NAME})(?:[、和及与](?:{FESTIVAL_NAME}))*"


_LINE_HEADING = re.compile(rf"{NUMBERING}?{NAMES}(?:假期)?(?::|\d)")


@dataclass(frozen=True, slots=True)
class Squeezed:
    """The text without spaces and in half-width characters, and where each character came from."""

    text: str
    places: tuple[tuple[int, int], ...]


def squeeze(text: str) -> Squeezed:
    """Drop spaces and quotation marks, make characters half-width, join wrapped lines.

    A line break stays (as one ``\\n``) only where the next line begins a section.
    """
    kept: list[str] = []
    places: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        squeezed = [
            (small, (number, column))
            for column, character in enumerate(line, 1)
            for small in unicodedata.normalize("NFKC", character)
            if not small.isspace() and small not in "“”\"'‘’《》\u200b\ufeff"
        ]
        squeezed = [("-" if small in "—–―−─" else small, place) for small, place in squeezed]
        if _LINE_HEADING.match("".join(small for small, _ in squeezed)):
            kept.append("\n")
            places.append((number, 1))
        for small, place in squeezed:
            kept.append(small)
            places.append(place)
    joined = "".join(kept)
    for dashes in re.finditer("-{2,}", joined):
        joined = joined[: dashes.start()] + "-" + "\0" * (len(dashes.group()) - 1) + joined[dashes.end() :]
    keep = [index for index, character in enumerate(joined) if character != "\0"]
    return Squeezed("".join(joined[index] for index in keep), tuple(places[index] for index in keep))


def pieces(text: str, start: int, end: int, marks: str) -> Iterator[tuple[int, str]]:
    """The parts of ``text[start:end]`` between ``marks`` outside brackets, with their places."""
    depth, begin = 0, start
    for index in range(start, end):
        character = text[index]
        depth += (character == "(") - (character == ")" and depth > 0)
        if character in marks and not depth:
            if begin < index:
                yield begin, text[begin:index]
            begin = index + 1
    if begin < end:
        yield begin, text[begin:end]
