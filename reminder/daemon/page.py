"""What is served beside the sweeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Page(Protocol):
    """What is served beside the sweeper, in threads of its own.  Reminders never wait for it."""

    @property
    def address(self) -> str:
        """Where it is served, as a person writes it."""
        ...

    @property
    def problem(self) -> str:
        """Why it is not served, in Chinese; empty while it is."""
        ...

    def tend(self) -> None:
        """Serve it, if it is not being served.  Called again and again; raises nothing."""
        ...

    def stop(self) -> None:
        """Finish what is being answered, for a few seconds, and serve no more."""
        ...


class LatePage:
    """A page that is made when it is first tended: to load it takes longer than the daemon's first tick."""

    def __init__(self, address: str, make: Callable[[], Page]) -> None:
        self._address = address
        self._make = make
        self._made: Page | None = None

    @property
    def address(self) -> str:
        return self._address if self._made is None else self._made.address

    @property
    def problem(self) -> str:
        return "" if self._made is None else self._made.problem

    def tend(self) -> None:
        if self._made is None:
            self._made = self._make()
        self._made.tend()

    def stop(self) -> None:
        if self._made is not None:
            self._made.stop()
