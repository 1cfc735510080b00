"""All commands, registered in the order in which ``--help`` lists them.

:mod:`reminder.cli.start` loads this where it does not know which command alone
is wanted.
"""

from __future__ import annotations

from reminder.cli import (
    accounts,
    approving,
    backup,
    calendar,
    deeds,
    doctor,
    draws,
    duties,
    events,
    handing,
    importing,
    linking,
    migrating,
    planning,
    pushing,
    records,
    reporting,
    resolve,
    resume,
    running,
    silencing,
    simulating,
    tokens,
    working,
)
from reminder.cli.app import app
from reminder.cli.start import _run, main

__all__ = ["COMMANDS", "_run", "app", "main"]

COMMANDS = (
    planning,
    calendar,
    duties,
    importing,
    deeds,
    events,
    draws,
    silencing,
    running,
    simulating,
    working,
    migrating,
    pushing,
    approving,
    records,
    linking,
    accounts,
    tokens,
    handing,
    reporting,
    resolve,
    backup,
    resume,
    doctor,
)
"""Modules whose import registers their commands."""
_ORDER = [module.__name__ for module in COMMANDS]
# In --help the clerk's commands come first, not those whose module was imported first.
app.registered_commands.sort(key=lambda each: _ORDER.index(getattr(each.callback, "__module__", _ORDER[-1])))
