"""What goes over the socket between the daemon and the process that renders: frames of JSON.

JSON both ways, because nothing that a template made may be more than text to
the daemon.  Dates are tagged; an aware ``datetime`` keeps its offset and loses
the name of its zone, so that the other side needs no zone files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from reminder.errors import Position, Problem

HEAD = 4
"""Octets before each frame: its length, big-endian."""
MAX_FRAME = 32 * 1024 * 1024
"""No folder of templates and no four forms come near it."""

# A plan and a file of wording hold no control characters, so that no key of theirs is taken for a tag.
_DATETIME, _DATE, _TIME = "\0datetime", "\0date", "\0time"


def encode(value: Any) -> bytes:
    """A frame.  Raises ``TypeError`` for what has no JSON form."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_tagged)
    # Half a surrogate pair is the channel's to refuse, with words of its own.
    octets = text.encode("utf-8", "surrogatepass")
    return len(octets).to_bytes(HEAD, "big") + octets


def decode(octets: bytes) -> Any:
    """The value of a frame without its head.  Raises ``ValueError`` or ``RecursionError``."""
    return json.loads(octets.decode("utf-8", "surrogatepass"), object_hook=_untagged)


def _tagged(value: object) -> Any:
    if isinstance(value, datetime):
        return {_DATETIME: value.isoformat()}
    if isinstance(value, date):
        return {_DATE: value.isoformat()}
    if isinstance(value, time):
        return {_TIME: value.isoformat()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a template is given plain values, not {type(value).__name__}")


def _untagged(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        ((tag, text),) = value.items()
        if tag == _DATETIME:
            return datetime.fromisoformat(text)
        if tag == _DATE:
            return date.fromisoformat(text)
        if tag == _TIME:
            return time.fromisoformat(text)
    return value


def problem_to(problem: Problem) -> list[Any]:
    """A problem of a template as plain values."""
    at = problem.position
    return [at.file, at.line, at.column, problem.found, problem.allowed, problem.hint]


def problem_from(value: Any) -> Problem:
    """The problem again.  Raises ``ValueError`` for anything that is none."""
    match value:
        case [str(file), int(line), int(column), str(found), str(allowed), str(hint)]:
            return Problem(Position(file, line, column), "", found, allowed, hint)
    raise ValueError("not a problem")
