"""Byte limits: a text that is too long becomes several, and nothing is lost.

Services count bytes of UTF-8, not characters: a Chinese character is three.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from itertools import accumulate

_BOUNDARIES = [
    re.compile(r"\n[^\S\n]*(?:\n\s*)+"),  # the end of a paragraph
    re.compile(r"\n"),  # of a line
    re.compile(r"[。！？；!?;][”’）》」』)\"']*"),  # of a sentence, its closing marks included
]
# A part is at least this share of the limit before a weaker boundary is taken instead: a heading before one
# giant paragraph would otherwise be a message of its own.
_LEAST_FILL = 4

# What loses its meaning when it is cut: mentions, links, coloured, bold and code runs.
_TOKENS = re.compile(
    r"<@[^<>\n]+>"
    r"|!?\[[^\[\]\n]*\]\([^()\s]*\)"
    r"|<font[^<>\n]*>[^\n]*?</font>"
    r"|</?[a-zA-Z][^<>\n]*>"
    r"|\*\*[^*\n]+\*\*"
    r"|`[^`\n]+`"
    r"|https?://[^\s<>，。；）]+"
)


def split_bytes(text: str, limit: int) -> tuple[str, ...]:
    """``text`` in parts of at most ``limit`` bytes of UTF-8 each, in order.

    Splits at the ends of paragraphs, else of lines, else of sentences (。！？；),
    else between characters: never inside a character, and inside a combining
    sequence, an emoji or a markdown token (mention, link, bold, colour) only if
    that alone exceeds the limit.  White space at the ends of parts is dropped,
    everything else is kept; blank text gives no part.

    Raises ``ValueError`` for a limit below 4, the longest character.
    """
    if limit < 4:
        raise ValueError("a part must hold at least one character of four bytes")
    parts: list[str] = []
    rest = text.strip()
    while rest:
        end = _cut(rest, limit)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return tuple(parts)


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, limit: int) -> int:
    """Where the first part ends: an index of ``text`` greater than 0."""
    window = text[: limit + 1]  # a character is at least one byte
    sizes = list(accumulate((size(character) for character in window), initial=0))
    room = bisect_right(sizes, limit) - 1
    if room >= len(text):
        return len(text)
    # Tokens may reach over the window's end; twice the window is enough to see any that can be kept whole.
    tokens = [match.span() for match in _TOKENS.finditer(text[: 2 * (limit + 1)])]

    def whole(index: int) -> bool:
        return not any(start < index < end for start, end in tokens)

    for boundary in _BOUNDARIES:
        # A boundary's own white space needs no room: it is dropped.
        ends = [
            match.start() if match.group().isspace() else match.end()
            for match in boundary.finditer(text, 0, len(window))
        ]
        fit = [
            end for end in ends if sizes[end] <= limit and sizes[end] * _LEAST_FILL >= limit and whole(end)
        ]
        if fit:
            return fit[-1]
    characters = [index for index in range(1, room + 1) if not _joined(text, index)]
    kept = [index for index in characters if whole(index)]
    return (kept or characters or [room])[-1]


def _joined(text: str, index: int) -> bool:
    """Whether the characters on both sides of ``index`` are seen as one."""
    before, after = text[index - 1], text[index]
    if unicodedata.combining(after) or unicodedata.category(after) in (
        "Mn",
        "Mc",
        "Me",
    ):
        return True  # accents, variation selectors, keycaps
    if "\u200d" in (before, after) or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True  # joined emoji, skin tones
    if _is_flag_half(before) and _is_flag_half(after):
        run = 0
        while run < index and _is_flag_half(text[index - 1 - run]):
            run += 1
        return run % 2 == 1  # flags are pairs
    return False


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
