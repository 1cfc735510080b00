"""The mark that the daemon keeps beside the ledger: how far the ledger had come.

An older ledger put back in place cannot know that it is older; the mark can.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reminder.ledger.records import HoldReason, Standing


@dataclass(frozen=True, slots=True)
class Mark:
    """``changes`` of the ledger ``identity`` were seen; ``in_file`` of them outside of SQLite's log.

    ``at`` is ISO 8601.
    """

    identity: str
    changes: int
    in_file: int
    at: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self)


def read_mark(path: Path) -> Mark | None:
    """None if there is none, or none that makes sense: then nothing can be told from it."""
    try:
        value = json.loads(path.read_text("utf-8"))
        return Mark(str(value["identity"]), int(value["changes"]), int(value["in_file"]), str(value["at"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_mark(path: Path, mark: Mark, *, durable: bool = False) -> None:
    """Whole or not at all; ``durable`` also over a power cut.  Raises ``OSError``."""
    scratch = path.with_suffix(".tmp")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(json.dumps(mark.to_json()) + "\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        scratch.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise


def compared(standing: Standing, mark: Mark | None) -> HoldReason | None:
    """What is wrong with a ledger that is to go on from this mark; None if it may."""
    if mark is None:
        return None
    if standing.identity != mark.identity:
        return HoldReason.OTHER
    if standing.changes < mark.changes:
        return HoldReason.OLDER
    return None
