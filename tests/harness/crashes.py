"""Crash switches: the process kills itself at the n-th pass of a boundary.

``REMINDER_TEST_CRASH=begin.after:2`` is SIGKILL right after the second intent
was committed.  They live here and wrap the product from outside: the product
knows nothing of them.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

from reminder.channels.email import EmailAdapter
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.ledger.ledger import Ledger
from reminder.ledger.spool import Spool

VARIABLE = "REMINDER_TEST_CRASH"

PLACES: dict[str, tuple[tuple[type, str], ...]] = {
    "accept": ((Ledger, "accept_plan"),),
    "adopt": ((Ledger, "adopt"),),
    "compose": ((EmailAdapter, "compose"), (WecomRobotAdapter, "compose")),
    "settle": ((Ledger, "settle"),),
    "begin": ((Spool, "advance"),),
    "send": ((EmailAdapter, "send"), (WecomRobotAdapter, "send")),
    "finish": ((Spool, "advance"), (Spool, "finish_many")),
}
_CARRIES = {"begin": 2, "finish": 1}
"""Outcomes and intents go in one call (``Spool.advance``): which of its arguments a boundary asks for."""
BOUNDARIES = tuple(f"{place}.{moment}" for place in PLACES for moment in ("before", "after"))


def install() -> None:
    """Wrap the boundary that the environment names, if it names one."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    boundary, _, number = wanted.partition(":")
    place, _, moment = boundary.partition(".")
    passes = itertools.count(1)  # its next() is atomic: threads may pass at once

    def here() -> None:
        if next(passes) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in PLACES[place]:
        carried = _CARRIES[place] if name == "advance" else 0
        setattr(owner, name, _wrapped(getattr(owner, name), here, moment, carried))


def _wrapped(
    function: Callable[..., Any], here: Callable[[], None], moment: str, carried: int
) -> Callable[..., Any]:
    """``carried``: the place among the arguments (after ``self``) of what must not be empty for it to count."""

    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        counts = not carried or bool(args[1 + carried])
        if moment == "before" and counts:
            here()
        result = function(*args, **options)
        if moment == "after" and counts:
            here()
        return result

    return wrapper
