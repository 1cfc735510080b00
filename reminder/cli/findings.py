"""What ``doctor`` says of one thing it has looked at."""

from __future__ import annotations

from dataclasses import dataclass

from reminder.errors import ReminderError

GOOD, WARN, BAD = "good", "warn", "bad"
MARKS = {GOOD: "正常", WARN: "注意", BAD: "故障"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it stands, and what to do if it is not well."""

    what: str
    state: str
    found: str
    remedy: str = ""


def trouble(what: str, error: ReminderError) -> Finding:
    """Bad, since this was raised: what was found, and after its colon what to do."""
    found, _, remedy = str(error).partition("：")
    return Finding(what, BAD, found, remedy)
