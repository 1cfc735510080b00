"""Say that there is progress, so that silence is noticed from outside.

Both signals are given after a sweep has gone through and never by a timer of
their own: a daemon that is up but stuck falls silent.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 60.0
"""Between two pings of the heartbeat URL."""


def notify_systemd(state: str) -> None:
    """Tell systemd ``READY=1``, ``WATCHDOG=1`` or ``STOPPING=1`` (sd_notify(3)); without it, nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(address)
            sock.send(state.encode())
    except OSError as error:
        log.warning("systemd not notified", extra={"error": str(error)})


class Heartbeat:
    """Pings a URL at most once a minute, and only when told of progress.

    The ping runs in a thread of its own: a monitor that hangs must not hold up
    reminders.  ``ping`` raises nothing that matters.
    """

    def __init__(self, ping: Callable[[], object]) -> None:
        self._ping = ping
        self._last = float("-inf")
        self._thread: threading.Thread | None = None

    def progress(self, monotonic: float) -> None:
        """There was progress at this moment (monotonic seconds)."""
        if monotonic - self._last < HEARTBEAT_SECONDS:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._last = monotonic
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._ping()
        except Exception as error:
            # The URL may be a secret and stands in most errors' texts: only the kind is logged.
            log.warning("heartbeat not delivered", extra={"error": type(error).__name__})
