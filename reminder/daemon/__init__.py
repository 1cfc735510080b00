"""The daemon: an alarm clock, one sweeper, reload, signals, drain."""

from __future__ import annotations

from reminder.daemon.daemon import Daemon
from reminder.daemon.life import DRAIN_SECONDS
from reminder.daemon.page import Page

__all__ = ["DRAIN_SECONDS", "Daemon", "Page"]
