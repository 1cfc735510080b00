"""The mark that the daemon keeps beside the ledger: how far the ledger had come.

An older ledger put back in place cannot know that it is older; the mark can.
A mark that was put back together with the ledger is as old as that one.  It is
told by its own birth: every mark is a new file, which says when it was made, and
no copy is made at that moment.  (A whole machine set back to a snapshot shows
nothing of it from within.)
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import struct
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reminder.ledger.holds import HoldReason, Standing

COPIED_AFTER_SECONDS = 2.0
"""A birth may be told more or less finely by the next kernel or file system driver."""


@dataclass(frozen=True, slots=True)
class Mark:
    """``changes`` of the ledger ``identity`` were seen; ``in_file`` of them outside of SQLite's log.

    ``at`` is ISO 8601; ``live`` says whether messages really went out; ``born``
    is when the mark's file was made (seconds since 1970; None: not told here).
    """

    identity: str
    changes: int
    in_file: int
    at: str
    live: bool = False
    born: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Found:
    """A mark as it was found; ``copied``: its file is not the one that was written."""

    mark: Mark
    copied: bool


def read_mark(path: Path) -> Found | None:
    """None if there is none, or none that makes sense: then nothing can be told from it."""
    try:
        value = json.loads(path.read_text("utf-8"))
        mark = Mark(
            str(value["identity"]),
            int(value["changes"]),
            int(value["in_file"]),
            str(value["at"]),
            bool(value["live"]),
            float(value["born"]) if value["born"] is not None else None,
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
    born = _born(path)
    copied = mark.born is not None and born is not None and abs(mark.born - born) > COPIED_AFTER_SECONDS
    return Found(mark, copied)


def write_mark(path: Path, mark: Mark) -> None:
    """Whole or not at all, also over a power cut.  Raises ``OSError``."""
    scratch = path.with_suffix(".tmp")
    try:
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            if os.geteuid() == 0:
                # Written by root for a daemon of another user, it must be readable for that one.
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            mark = replace(mark, born=_born(scratch))
            file.write((json.dumps(mark.to_json()) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise


def compared(standing: Standing, found: Found | None, *, shared: bool = False) -> HoldReason | None:
    """What is wrong with a ledger that is to go on from this mark; None if it may.

    ``shared``: by several nodes, each of which keeps a mark of its own.  One
    that is new has none, and another's person may have released the ledger.
    """
    if shared:
        if found is None or (standing.previous == found.mark.identity and standing.hold is None):
            return None
        found = replace(found, copied=False)
    if found is None:
        # Before there were marks there were ledgers without one.
        return HoldReason.MOVED if standing.marked else None
    if standing.identity != found.mark.identity:
        return HoldReason.OTHER
    if standing.changes < found.mark.changes:
        return HoldReason.OLDER
    return HoldReason.MOVED if found.copied else None


# statx(2): Python gives no birth on Linux.  The numbers are those of the kernel's interface.
_AT_FDCWD, _STATX_BTIME = -100, 0x800
_STATX_BYTES, _BTIME_AT = 256, 80


def _born(path: Path) -> float | None:
    """When a file was made, which no copying and no touching can change; None if it is not told."""
    statx = getattr(ctypes.CDLL(None), "statx", None)
    if statx is None:
        return None
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", buffer)
    if not mask & _STATX_BTIME:
        return None
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, _BTIME_AT)
    return float(seconds + nanoseconds / 1e9)
