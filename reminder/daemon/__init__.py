"""The daemon: an alarm clock, one sweeper, reload, signals, drain."""

from __future__ import annotations

from reminder.daemon.daemon import DRAIN_SECONDS, Daemon
from reminder.daemon.page import Page

__all__ = ["DRAIN_SECONDS", "Daemon", "Page"]
