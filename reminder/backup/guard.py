"""Notice an old ledger that came back, and hold it until a person has confirmed what was sent.

The daemon asks at every tick, before it sweeps.  A quiet tick costs two looks
at files and one small query.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from reminder.backup.highwater import Found, Mark, compared, read_mark, write_mark
from reminder.ledger.address import file_of, is_postgres
from reminder.ledger.errors import LedgerCorrupt, LedgerError, LedgerGone, LedgerMissing, gone
from reminder.ledger.holds import Hold, HoldReason, Standing
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind

log = logging.getLogger(__name__)

MARK_EVERY = timedelta(seconds=1)
STILL_SECONDS = 2.0
"""So long a file must have been left alone before it is taken as it is: a copy takes its time."""

_FOUND = {
    HoldReason.COPY: "台账是一份备份副本",
    HoldReason.RESTORED: "台账是从备份恢复的",
    HoldReason.OLDER: "台账是旧的，比程序上次写到的少了记录",
    HoldReason.OTHER: "台账被换成了另一份，不是程序上次写的那一份",
    HoldReason.MOVED: "数据目录是复制或放回的，别处可能有更新的台账",
    HoldReason.SUCCEEDED: "台账已迁移到数据库，现行的在那里，由 REMINDER_DATABASE_URL 指明；这一份是旧的",
}
HOLD_REMEDY = (
    "请执行 reminder resume 查看涉及的提醒，核对后确认哪些已经发出；若是放错了文件，请放回原来的台账"
)


class LedgerHeld(LedgerError):
    """Nothing may be sent from this ledger until a person has confirmed what was sent."""

    def __init__(self, hold: Hold, zone: tzinfo) -> None:
        self.hold = hold
        super().__init__(f"{hold_text(hold, zone)}。{HOLD_REMEDY}")


class LedgerForeign(LedgerError):
    """A database in which another ledger is than the one this node worked with: two clusters, one address."""

    def __init__(self, place: str, ours: str, theirs: str, high_water: Path) -> None:
        super().__init__(
            f"{place} 中是另一本台账（标识 {theirs[:8]}），本节点此前用的是 {ours[:8]}（记在 {high_water}）："
            "像是弄混了两个集群的地址，或数据库被换过。本节点不排定也不发送，也没有改动这本台账。"
            "请核对 REMINDER_DATABASE_URL；确要改用这一本，在一个节点上执行 reminder resume 核对，"
            "其余节点移走各自的 high-water.json 后重新启动"
        )


class LedgerChanging(LedgerError):
    """Somebody is writing another file over the open one: wait until it is done."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"台账 {path} 正在被别的程序改写，已暂停发送：写完后会重新打开")


def hold_text(hold: Hold, zone: tzinfo) -> str:
    """What was found, and what it means."""
    return (
        f"{_FOUND[hold.reason]}，最后一条记录是 {hold.since.astimezone(zone):%Y-%m-%d %H:%M}，"
        "此后发过什么它不知道；为免重发，已暂停全部发送"
    )


def hold_of(ledger: Ledger, high_water: Path, now: datetime, plan_id: str = "") -> Hold | None:
    """The hold that stands, or that the mark asks for; changes nothing.  For a plan, one not over for it."""
    standing = ledger.holds.standing()
    if standing.hold is not None:
        return ledger.holds.standing(plan_id).hold
    return _judged(ledger, standing, read_mark(high_water), now)


def _judged(ledger: Ledger, standing: Standing, found: Found | None, now: datetime) -> Hold | None:
    if standing.hold is not None:
        return standing.hold
    reason = compared(standing, found, shared=ledger.file is None)
    return Hold(reason, now, ledger.holds.last_record()) if reason is not None else None


def not_foreign(ledger: Ledger, high_water: Path) -> None:
    """Raises :class:`LedgerForeign` where the data folder belongs to another database's ledger."""
    if ledger.file is None:
        _not_foreign(ledger, ledger.holds.standing(), read_mark(high_water), high_water)


def _not_foreign(ledger: Ledger, standing: Standing, found: Found | None, high_water: Path) -> None:
    if ledger.file is not None or found is None or standing.hold is not None:
        return
    if compared(standing, found, shared=True) is HoldReason.OTHER:
        raise LedgerForeign(ledger.place, found.mark.identity, standing.identity, high_water)


def open_ledger(address: str | Path, high_water: Path, now: datetime, *, create: bool = True) -> Ledger:
    """Open the daemon's ledger; make one only where there never was one.

    Raises ``LedgerMissing`` where a mark says that there was; what else
    ``Ledger.open`` raises.  A log that belongs to another file is out of the way
    afterwards.
    """
    found = read_mark(high_water)
    try:
        ledger = Ledger.open(address, kind=LedgerKind.DAEMON, now=now, create=create and found is None)
    except LedgerMissing as error:
        if found is None:
            raise
        raise _lost(address, high_water, error) from error
    try:
        try:
            Guard(high_water).compare_file(ledger)
        except LedgerGone:
            ledger.close()
            ledger = Ledger.open(address, kind=LedgerKind.DAEMON, now=now, create=False)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _lost(address: str | Path, high_water: Path, error: LedgerMissing) -> LedgerMissing:
    if is_postgres(address):
        found, _, _ = str(error).partition("：")
        return LedgerMissing(
            f"{found}，而 {high_water} 表明这里有过台账：没有另建，免得忘记发过什么。"
            "请核对 REMINDER_DATABASE_URL，或恢复数据库；若确定从头开始，请先移走此文件"
        )
    return LedgerMissing(
        f"台账 {file_of(address)} 不见了或是空的，而 {high_water} 表明这里有过台账：没有另建，免得忘记发过什么。"
        "请放回台账，或执行 reminder restore 恢复最近的备份；"
        f"若确定从头开始（从试运行开始，此前的提醒不再发），请先移走 {high_water}"
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """The ledger's file at one look: which file, its time and size, and what stands in it alone."""

    inode: tuple[int, int]
    stamp: tuple[int, int]
    standing: Standing


class Guard:
    """Compares the ledger with the mark in ``high_water`` and moves the mark along.

    With a ``plan_id`` a hold of a shared ledger is over once it is over for that
    plan.  Used by one thread.
    """

    def __init__(self, high_water: Path, plan_id: str = "") -> None:
        self._path = high_water
        self._plan_id = plan_id
        self._seen: _Look | None = None
        self._of: Ledger | None = None
        self._last: Standing | None = None
        self._suspect: tuple[tuple[int, int], float] | None = None
        self._written: Mark | None = None
        self._written_at: datetime | None = None
        self._failed = False

    def check(
        self, ledger: Ledger, now: datetime, monotonic: float | None = None, *, live: bool
    ) -> Hold | None:
        """The hold, recorded in the ledger itself when it is found; None if all is well.

        ``monotonic`` in seconds, None: nobody is writing over the file just now;
        ``live``: messages really go out, which the mark is to say.

        A file that was overwritten while it was open is set apart from its log
        once it is at rest, and raises ``LedgerGone`` like any other replaced
        file; until then ``LedgerChanging``.  Damaged ones raise
        ``LedgerCorrupt``.  Another ledger in a database raises ``LedgerForeign``,
        and is not held: it may be another cluster's, which goes on.  Raises ``LedgerError`` for a ledger in trouble.
        """
        standing = self.compare_file(ledger, monotonic)
        found = self._mark(standing)
        _not_foreign(ledger, standing, found, self._path)
        if standing.hold is not None and ledger.holds.standing(self._plan_id).hold is None:
            return None  # the mark stays as it is until the hold is over for everybody
        hold = _judged(ledger, standing, found, now)
        if hold is None:
            self._move_mark(ledger, standing, now, live=live)
        elif standing.hold is None:
            log.error("old ledger noticed", extra={"reason": str(hold.reason), "since": str(hold.since)})
            # Recorded, because what is noted meanwhile would carry the count past the mark.
            ledger.holds.put(hold)
            self._last = ledger.holds.standing()
        return hold

    def leave(self, ledger: Ledger, now: datetime, *, live: bool) -> None:
        """At the end: the mark as it stands, if the ledger can be asked."""
        self._written_at = None
        try:
            if (
                self.check(ledger, now, live=live) is None
                and (standing := ledger.holds.standing()).hold is None
            ):
                self._write(standing, now, live=live)
        except LedgerError as error:
            log.warning("mark not moved at the end", extra={"error": str(error)})

    def was_live(self) -> bool:
        """Whether messages really went out when the mark was written last."""
        found = read_mark(self._path)
        return found is not None and found.mark.live

    # -- the mark -------------------------------------------------------------

    def _mark(self, standing: Standing) -> Found | None:
        """The mark that holds: what this process wrote itself it knows, whatever befell the file."""
        if self._written is not None and self._written.identity == standing.identity:
            return Found(self._written, copied=False)
        return read_mark(self._path)

    def _move_mark(self, ledger: Ledger, standing: Standing, now: datetime, *, live: bool) -> None:
        written, at = self._written, self._written_at
        if written is not None and self._path.exists():
            if (written.identity, written.changes, written.live) == (
                standing.identity,
                standing.changes,
                live,
            ):
                return
            if at is not None and abs(now - at) < MARK_EVERY:
                return
        marks = self._write(standing, now, live=live) and ledger.file is not None
        if marks and not standing.marked:
            # After the mark: a ledger that says it has one is held without it.
            ledger.holds.mark()

    def _write(self, standing: Standing, now: datetime, *, live: bool) -> bool:
        in_file = self._seen.standing.changes if self._seen is not None else 0
        mark = Mark(standing.identity, standing.changes, in_file, now.isoformat(), live)
        try:
            write_mark(self._path, mark)
        except OSError as error:
            if not self._failed:
                log.error("mark not written", extra={"error": str(error)})
            self._failed = True
            return False
        self._failed = False
        self._written, self._written_at = mark, now
        return True

    # -- the file -------------------------------------------------------------

    def compare_file(self, ledger: Ledger, monotonic: float | None = None) -> Standing:
        """Whether the file is still the one that its log belongs to; how the ledger stands.

        SQLite would not notice that somebody copied another ledger over the open
        file, or put one beside a log left by a killed process: it reads the newest
        pages from the log.  The file alone tells, because only folding in the log
        ever changes it, and that only forward.  Raises as :meth:`check` does.
        Of a database the mark alone tells.
        """
        if ledger.file is None:
            return ledger.holds.standing()
        look = self._look(ledger)
        try:
            standing = ledger.holds.standing()
        except LedgerCorrupt:
            # Pages of two ledgers read as one are damage too.
            if look is not None and self._went_back(look):
                self._set_apart(ledger, monotonic)
            raise
        if look is not None and not (
            _before(look.standing, standing)
            and not self._went_back(look)
            and not self._behind(look, standing)
        ):
            self._set_apart(ledger, monotonic)
        last = self._last if self._of is ledger else None
        if last is not None and not _follows(standing, last):
            # With nothing in the log it is the other ledger that is read, through what is kept of this one.
            self._set_apart(ledger, monotonic)
        self._seen = look or self._seen
        self._of, self._last = ledger, standing
        self._suspect = None
        return standing

    def _look(self, ledger: Ledger) -> _Look | None:
        """The file as it is now; None if it is as it was, or gone (which the ledger itself notices)."""
        with contextlib.suppress(FileNotFoundError):
            status = ledger.path.stat()
            inode, stamp = (status.st_dev, status.st_ino), (status.st_mtime_ns, status.st_size)
            seen = self._seen
            if seen is None or (seen.inode, seen.stamp) != (inode, stamp):
                return _Look(inode, stamp, ledger.holds.standing_in_file())
        return None

    def _went_back(self, look: _Look) -> bool:
        seen = self._seen
        if seen is None or seen.inode != look.inode:
            return False
        # A hold goes with its release alone, which is written down.
        lost_hold = seen.standing.hold not in (None, look.standing.hold, look.standing.released)
        return look.standing.changes < seen.standing.changes or lost_hold

    def _behind(self, look: _Look, standing: Standing) -> bool:
        """Less in the file than the mark saw there, though the log knows of more."""
        found = self._mark(standing)
        if found is None or found.mark.identity != standing.identity:
            return False
        return look.standing.changes < found.mark.in_file <= standing.changes

    def _set_apart(self, ledger: Ledger, monotonic: float | None) -> None:
        """Raises ``LedgerGone`` when it is done, ``LedgerChanging`` while the file is being written."""
        if monotonic is not None:
            stamp = _stamp(ledger.path)
            if self._suspect is None or self._suspect[0] != stamp:
                self._suspect = (stamp, monotonic)
            if monotonic - self._suspect[1] < STILL_SECONDS:
                raise LedgerChanging(ledger.path)
        log.error("ledger overwritten while open")
        self._suspect = None
        ledger.set_apart()
        raise gone(ledger.path, replaced=True)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def _follows(standing: Standing, last: Standing) -> bool:
    """Whether one ledger can have come from ``last`` to this."""
    return (
        standing.changes >= last.changes
        and last.identity in (standing.identity, standing.previous)
        and last.hold in (None, standing.hold, standing.released)
    )


def _before(file: Standing, whole: Standing) -> bool:
    """Whether the file alone can be an earlier state of the whole, which includes the log."""
    if file.changes >= whole.changes:
        return file == whole
    if not file.identity and not file.changes:
        return True  # a new ledger: all of it is in the log
    return file.identity in (whole.identity, whole.previous) and file.hold in (
        None,
        whole.hold,
        whole.released,
    )
