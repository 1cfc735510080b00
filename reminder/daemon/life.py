"""The life of a process that stays: a thread that looks again and again, signals, a page beside it, and the end."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

from reminder.clock import Clock
from reminder.daemon.page import Page
from reminder.progress import notify_systemd

log = logging.getLogger(__package__)

TICK_SECONDS = 1.0
"""Between two looks, at most."""
DRAIN_SECONDS = 30.0
"""So long what is being sent may take when the process is to end."""
FIRST_TICK_SECONDS = 2.0
"""So long the page waits for the first look; one that takes longer has much to send."""


class Life:
    """One life; :meth:`wake` and :meth:`stop` may be called by any thread."""

    def __init__(self, name: str, clock: Clock, reload: Callable[[], None]) -> None:
        """``reload`` is what SIGHUP asks for; ``name`` is the thread's."""
        self._name = name
        self._clock = clock
        self._reload = reload
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._looked = threading.Event()
        self._page: Page | None = None
        self._crashed = False

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """Look no more, and end."""
        self._stop.set()
        self._wake.set()

    @property
    def page(self) -> dict[str, str] | None:
        """Where the page is, and why it is not served, for the health file."""
        page = self._page
        return None if page is None else {"address": page.address, "problem": page.problem}

    def run(
        self,
        look: Callable[[], float],
        begin: Callable[[], None],
        end: Callable[[], None],
        ready: Callable[[], None] | None = None,
        page: Page | None = None,
    ) -> int:
        """Look until SIGTERM or SIGINT; the exit code.  Must be called in the main thread.

        ``look`` says after how many seconds it wants to be called again if
        nothing wakes it before, and is called in one thread of its own.
        ``begin`` comes before that thread, ``end`` after it; ``ready`` once
        signals are heard and the first look is over; the ``page`` is served by
        then, or says why it is not.
        """
        self._page = page
        previous = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._on_stop),
            signal.SIGINT: signal.signal(signal.SIGINT, self._on_stop),
            signal.SIGHUP: signal.signal(signal.SIGHUP, self._on_reload),
        }
        thread = threading.Thread(target=self._look_until_stopped, args=(look,), name=self._name)
        try:
            begin()
            thread.start()
            self._looked.wait(FIRST_TICK_SECONDS)  # reminders come first
            self._tend_page()
            notify_systemd("READY=1")
            if ready is not None:
                ready()
            while thread.is_alive():
                thread.join(timeout=TICK_SECONDS)
                self._tend_page()
        finally:
            notify_systemd("STOPPING=1")
            self.stop()
            if page is not None:
                page.stop()
            if thread.ident is not None:
                thread.join(timeout=DRAIN_SECONDS)
            end()
            for number, handler in previous.items():
                signal.signal(number, handler)
        log.info("stopped")
        return 1 if self._crashed else 0

    def _look_until_stopped(self, look: Callable[[], float]) -> None:
        try:
            while not self._stop.is_set():
                self._wake.clear()
                rest = look()
                # A look that went through is progress, also while the ledger is in trouble: a
                # restart would mend nothing.  The monitor outside hears only of good health.
                notify_systemd("WATCHDOG=1")
                self._looked.set()
                self._clock.wait(self._wake, rest)
        except BaseException:
            log.exception("%s died", self._name)
            self._crashed = True

    def _tend_page(self) -> None:
        if self._page is not None and not self._stop.is_set():
            self._page.tend()

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        log.info("stopping", extra={"signal": signal.Signals(number).name})
        self.stop()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload()
        self.wake()
