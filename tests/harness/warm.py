"""What a server of processes does once, so that none of those it forks does it again."""

from __future__ import annotations

from reminder.messages import limited
from reminder.messages.render import Templates
from tests.editions import TEMPLATES


def warm() -> None:
    """Read the shipped templates through and find no fault; no process that renders is left behind."""
    _, problems = Templates.load(TEMPLATES)
    assert problems == []
    limited.shared.close()
