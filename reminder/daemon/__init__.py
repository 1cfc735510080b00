"""What stays and works until a signal ends it: the daemon, the worker, and many of either in one process."""

from __future__ import annotations

from reminder.daemon.daemon import Daemon
from reminder.daemon.life import DRAIN_SECONDS
from reminder.daemon.page import Page

__all__ = ["DRAIN_SECONDS", "Daemon", "Page"]
