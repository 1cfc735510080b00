"""Where in the files a part of the plan stands, and how an error names it."""

from __future__ import annotations

from dataclasses import dataclass

from reminder.errors import Position, Problem, Severity
from reminder.source import Loc, Source


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One entry of a file: ``loc`` leads to it, ``path`` is its name in errors.

    Paths name an entry by its id where it has one (``items[quarterly-report]``)
    and otherwise by its number, counted from 1 as people count lines.
    """

    source: Source
    loc: Loc
    path: str

    def position(self, sub: Loc = ()) -> Position:
        """Where the value at ``sub`` below this entry stands."""
        return self.source.position(self.loc + sub)

    def problem(
        self,
        sub: Loc,
        found: str,
        allowed: str = "",
        hint: str = "",
        severity: Severity = Severity.ERROR,
        *,
        at_key: bool = False,
    ) -> Problem:
        """A problem of the value (or the key) at ``sub`` below this entry."""
        loc = self.loc + sub
        position = self.source.key_position(loc) if at_key else self.source.position(loc)
        return Problem(position, self.path + dotted(sub), found, allowed, hint, severity)


def dotted(loc: Loc) -> str:
    """``("when", "due")`` → ``.when.due``; ``("remind", 0)`` → ``.remind[1]``."""
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in loc)


def entry_path(section: str, index: int, raw: object) -> str:
    """How errors call an entry of a list: by its id if it has a usable one."""
    name = raw.get("id") if isinstance(raw, dict) else None
    if isinstance(name, str) and name.strip() and len(name) <= 80 and "\n" not in name:
        return f"{section}[{name.strip()}]"
    return f"{section}[{index + 1}]"
