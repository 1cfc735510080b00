"""Notice an old ledger that came back, and hold it until a person has confirmed what was sent.

The daemon asks at every tick, before it sweeps.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from reminder.backup.highwater import Mark, compared, read_mark, write_mark
from reminder.ledger.errors import LedgerError, gone
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Hold, HoldReason, Standing
from reminder.ledger.standing import standing_in_file

log = logging.getLogger(__name__)

MARK_EVERY = timedelta(seconds=1)
UNREADABLE_LOOKS = 3
"""A file that is just being copied over cannot be read either; one that stays so is damaged."""

_FOUND = {
    HoldReason.COPY: "台账是一份备份副本",
    HoldReason.RESTORED: "台账是从备份恢复的",
    HoldReason.OLDER: "台账是旧的：比程序上次写到的少了记录",
    HoldReason.OTHER: "台账被换成了另一份：不是程序上次写的那一份",
}


class LedgerHeld(LedgerError):
    """Nothing may be sent from this ledger until a person has confirmed what was sent."""

    def __init__(self, hold: Hold, zone: tzinfo) -> None:
        self.hold = hold
        super().__init__(f"{hold_text(hold, zone)}。{HOLD_REMEDY}")


HOLD_REMEDY = (
    "请执行 reminder resume 查看涉及的提醒，核对后确认哪些已经发出；若是放错了文件，请放回原来的台账"
)


def hold_text(hold: Hold, zone: tzinfo) -> str:
    """What was found, and what it means."""
    return (
        f"{_FOUND[hold.reason]}，最后一条记录是 {hold.since.astimezone(zone):%Y-%m-%d %H:%M}，"
        "此后发过什么它不知道；为免重发，已暂停全部发送"
    )


def hold_of(ledger: Ledger, high_water: Path, now: datetime) -> Hold | None:
    """The hold that stands, or that the mark asks for; changes nothing."""
    return _judged(ledger, ledger.standing(), read_mark(high_water), now)


def _judged(ledger: Ledger, standing: Standing, mark: Mark | None, now: datetime) -> Hold | None:
    if standing.hold is not None:
        return standing.hold
    reason = compared(standing, mark)
    return Hold(reason, now, ledger.last_record()) if reason is not None else None


@dataclass(frozen=True, slots=True)
class _Seen:
    """The ledger's file at the last look: which file, its time and size, and what stands in it."""

    inode: tuple[int, int]
    stamp: tuple[int, int]
    identity: str
    changes: int


class Guard:
    """Compares the ledger with the mark in ``high_water`` and moves the mark along.

    ``zone`` is that of the texts.  Used by one thread.
    """

    def __init__(self, high_water: Path, zone: tzinfo) -> None:
        self._path = high_water
        self._zone = zone
        self._seen: _Seen | None = None
        self._unreadable = 0
        self._written: Mark | None = None
        self._written_at: datetime | None = None

    def check(self, ledger: Ledger, now: datetime) -> Hold | None:
        """The hold, recorded in the ledger itself when it is found; None if all is well.

        A file that was overwritten while it was open is set apart from its log,
        and raises ``LedgerGone`` like any other replaced file; damaged ones raise
        ``LedgerCorrupt``.  Raises ``LedgerError`` for a ledger in trouble.
        """
        standing = ledger.standing()
        mark = read_mark(self._path)
        hold = _judged(ledger, standing, mark, now)
        if hold is None:
            self._look_at_file(ledger, standing, mark)
            self._move_mark(standing, now)
            return None
        if standing.hold is None:
            log.error("old ledger noticed", extra={"reason": str(hold.reason), "since": str(hold.since)})
            # Recorded, because what is noted meanwhile would carry the count past the mark.
            ledger.hold(hold)
        return hold

    def enforce(self, ledger: Ledger, now: datetime) -> None:
        """Raises :class:`LedgerHeld` while nothing may be sent, else as :meth:`check`."""
        hold = self.check(ledger, now)
        if hold is not None:
            raise LedgerHeld(hold, self._zone)

    def leave(self, ledger: Ledger, now: datetime) -> None:
        """At the end: the mark as it stands, if the ledger can be asked."""
        try:
            standing = ledger.standing()
            if _judged(ledger, standing, read_mark(self._path), now) is None:
                self._write(standing, now)
        except LedgerError as error:
            log.debug("mark not moved at the end", extra={"error": str(error)})

    def _look_at_file(self, ledger: Ledger, standing: Standing, mark: Mark | None) -> None:
        """Whether somebody copied another ledger over the open file.

        SQLite would not notice: it reads the newest pages from its log.  The
        file alone tells, because only folding in the log ever changes it.
        """
        with contextlib.suppress(FileNotFoundError):
            status = ledger.path.stat()
            inode, stamp = (status.st_dev, status.st_ino), (status.st_mtime_ns, status.st_size)
            seen = self._seen if self._seen is not None and self._seen.inode == inode else None
            if seen is not None and seen.stamp == stamp:
                return
            try:
                found = standing_in_file(ledger.path)
            except LedgerError:
                self._unreadable += 1
                if self._unreadable >= UNREADABLE_LOOKS:
                    raise
                return
            if seen is not None:
                overwritten = found.changes < seen.changes or found.identity not in (
                    seen.identity,
                    standing.identity,
                )
            else:
                overwritten = mark is not None and found.changes < mark.in_file
            if overwritten:
                again = ledger.path.stat()
                if (again.st_mtime_ns, again.st_size) != stamp:
                    return  # still being written
                log.error("ledger overwritten while open")
                ledger.set_apart()
                raise gone(ledger.path, replaced=True)
            self._unreadable = 0
            self._seen = _Seen(inode, stamp, found.identity, found.changes)

    def _move_mark(self, standing: Standing, now: datetime) -> None:
        written, at = self._written, self._written_at
        if written is not None and (written.identity, written.changes) == (
            standing.identity,
            standing.changes,
        ):
            return
        if at is not None and abs(now - at) < MARK_EVERY:
            return
        self._write(standing, now)

    def _write(self, standing: Standing, now: datetime) -> None:
        in_file = self._seen.changes if self._seen is not None else 0
        mark = Mark(standing.identity, standing.changes, in_file, now.isoformat())
        try:
            write_mark(self._path, mark)
        except OSError as error:
            log.error("mark not written", extra={"error": str(error)})
            return
        self._written, self._written_at = mark, now
