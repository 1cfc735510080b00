"""The login log, told to syslog as well: by a thread of its own, so that no login ever waits for it."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import threading
from typing import NoReturn

from reminder.ledger.accounts import FAILED, LOCKED, LoginEvent

log = logging.getLogger(__name__)

WAITING = 1000
"""Lines that wait for a syslog that hangs; more are left out there, and stand in the ledger all the same."""
NAME = "reminder"


class Syslog:
    """Lines to a socket's path or to (host, port) over UDP.  Safe to use from several threads."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address
        self._lines: queue.Queue[tuple[int, str]] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._trouble = False

    def __call__(self, event: LoginEvent) -> None:
        """Tell of an event; returns at once."""
        level = logging.WARNING if event.event in (FAILED, LOCKED) else logging.INFO
        text = (
            f"login {event.event} user={event.user} address={event.address or '-'} at={event.at.isoformat()}"
        )
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait((level, text))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)
                self._thread.start()

    def _run(self) -> NoReturn:
        handler: _Handler | None = None
        while True:
            level, text = self._lines.get()
            try:
                if handler is None:
                    handler = _Handler(self._address, facility=logging.handlers.SysLogHandler.LOG_AUTH)
                    handler.ident = f"{NAME}: "
                handler.emit(logging.LogRecord(NAME, level, "", 0, text, None, None))
                self._mended()
            except OSError as error:
                self._missed(error)
                if handler is not None:
                    handler.close()
                handler = None

    def _mended(self) -> None:
        self._trouble = False

    def _missed(self, error: OSError) -> None:
        if not self._trouble:  # once, not with every login
            log.warning("syslog not reached", extra={"address": str(self._address), "error": str(error)})
        self._trouble = True


class _Handler(logging.handlers.SysLogHandler):
    def handleError(self, _record: logging.LogRecord) -> NoReturn:  # noqa: N802 - the library's name
        """The library would print it and go on."""
        raise  # noqa: PLE0704 - called while the error is handled
