"""What is served beside the sweeper."""

from __future__ import annotations

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
