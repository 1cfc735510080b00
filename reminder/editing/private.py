"""What of a plan file may be shown to whoever may not see private items.

A file with a private item in it is *closed* to them: it cannot be edited, and
only the lines of its public parts are shown.  Where lines cannot be told apart
safely, nothing is shown.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from reminder.editing.shelf import DocumentKind, text_of
from reminder.ledger.file_versions import digest_of
from reminder.source import Source, parse_source

KNOWN = 256
_known: dict[str, bool] = {}
"""Whether contents are closed, by their SHA-256: every list of files and versions asks it of each."""

_BARE = re.compile(r"[ \t]*(?:#.*)?")
"""A line that is blank or a comment."""


def is_closed(kind: DocumentKind, content: bytes) -> bool:
    """Whether a file holds a private item, as far as can be told."""
    if kind is not DocumentKind.PLAN:
        return False
    digest = digest_of(content)
    if digest not in _known:
        if len(_known) >= KNOWN:
            _known.clear()
        _known[digest] = _holds_private(content)
    return _known[digest]


def _holds_private(content: bytes) -> bool:
    source = parse_source(content, "")
    if source.broken:
        # What it says is not known: it is closed unless it cannot have any.
        return b"private" in content or b"\0" in content
    return any(_is_private(item) for item in _items(source))


def open_lines(content: bytes) -> tuple[tuple[int, str], ...]:
    """The lines that may be shown, with their numbers from 1; none where that is not certain.

    Comments around a private item are hidden with it.
    """
    source = parse_source(content, "")
    if source.broken:
        return ()
    lines = text_of(content).split("\n")
    spans = _spans(source, lines)
    if spans is None:
        return ()
    hidden = {
        number
        for (first, last), item in zip(spans, _items(source), strict=True)
        if _is_private(item)
        for number in range(first, last + 1)
        if number > len(lines) or lines[number - 1] != "..."
    }
    shown = [(number, line) for number, line in enumerate(lines, 1) if number not in hidden]
    while shown and not shown[-1][1]:
        shown.pop()
    return tuple(shown)


def _items(source: Source) -> list[Any]:
    value = source.value.get("items") if isinstance(source.value, dict) else None
    return value if isinstance(value, list) else []


def _is_private(item: Any) -> bool:
    return isinstance(item, dict) and item.get("private") not in (None, False)


def _spans(source: Source, lines: list[str]) -> list[tuple[int, int]] | None:
    """First and last line of each item, comments before and after it included; None if two share a line.

    What stands between two items may belong to either, or be the end of a long
    text of the first.
    """
    items = _items(source)
    if not items:
        return []
    starts = [source.position(("items", index)).line for index in range(len(items))]
    top = [source.key_position((key,)).line for key in source.value]
    before = source.key_position(("items",)).line
    after = min((line for line in top if line > starts[0]), default=len(lines) + 1)
    if not before < starts[0] or any(b <= a for a, b in itertools.pairwise(starts)):
        return None
    if starts[-1] >= after:
        return None  # sections that are not in one piece
    begins = []
    for start in starts:
        first = start
        while first - 1 > before and _is_before(lines[first - 2]):
            first -= 1
        begins.append(first)
    ends = [start - 1 for start in [*starts[1:], after]]
    return list(zip(begins, ends, strict=True))


def _is_before(line: str) -> bool:
    """Whether a line goes with the item that comes after it: a comment, a blank, a dash alone."""
    return bool(_BARE.fullmatch(line)) or line.strip() == "-"
