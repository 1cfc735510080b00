"""Notice when files have changed and come to rest, and when the clock was set.

A file is read only after it has been still for two seconds: an editor that
writes in pieces, or a copy over a slow share, is never seen half done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

STILL_SECONDS = 2.0

Snapshot = tuple[tuple[str, int, int], ...]


def snapshot(folders: Iterable[Path]) -> Snapshot:
    """Name, modification time (ns) and size of every file below the folders."""
    return tuple(sorted(entry for folder in folders for entry in _files(folder)))


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry)
            continue
        try:
            status = entry.stat()
        except OSError:
            continue  # gone between listing and looking: the next look sees it
        yield (str(entry), status.st_mtime_ns, status.st_size)


class Watcher:
    """Says once, when the files differ from those last taken and are at rest.

    ``monotonic`` seconds come in as arguments.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._taken = self._seen = snapshot(self._folders)
        self._seen_at = float("-inf")

    def differs(self) -> bool:
        """Whether the files are others than those last taken, at rest or not; remembers nothing."""
        return not self.is_taken(self.look())

    @property
    def moving(self) -> bool:
        """Whether the last look saw something new that is not taken yet."""
        return self._seen != self._taken

    def at_rest(self, monotonic: float) -> bool:
        """Whether there is something new that has been still for long enough."""
        current = self.look()
        if current != self._seen:
            self._seen, self._seen_at = current, monotonic
            return False
        if current == self._taken or monotonic - self._seen_at < STILL_SECONDS:
            return False
        self._taken = current
        return True

    def look(self) -> Snapshot:
        """What is there now; remembers nothing."""
        return snapshot(self._folders)

    def is_taken(self, files: Snapshot) -> bool:
        """Whether these were taken already."""
        return files == self._taken

    def take(self, files: Snapshot) -> None:
        """These were taken: only what comes after them is new."""
        self._taken = self._seen = files


JUMP = timedelta(seconds=5)
"""More than a clock is slewed between two looks."""


class ClockWatch:
    """Notices that the wall clock has moved otherwise than time itself: set by hand, or after a sleep."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def jump(self, now: datetime, monotonic: float) -> timedelta | None:
        """By how much the clock was set since the last look, forwards or (negative) backwards."""
        last, self._last = self._last, (now, monotonic)
        if last is None:
            return None
        jump = (now - last[0]) - timedelta(seconds=monotonic - last[1])
        return jump if abs(jump) >= JUMP else None
