"""Which edition was looked through whole before, so that the same is not rendered at every start.

The daemon writes it down when it takes a plan into force.  A newer program
looks through everything once more: it may see more.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from reminder import __version__


def was_checked(file: Path, digest: str) -> bool:
    """Whether this program found an edition of this digest good; False if that cannot be told."""
    try:
        return bool(json.loads(file.read_text("utf-8")) == _mark(digest))
    except (OSError, ValueError):
        return False


def note_checked(file: Path, digest: str) -> None:
    """It did.  Raises nothing: what was not written down is looked through again."""
    if was_checked(file, digest):
        return
    scratch = file.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        scratch.write_text(json.dumps(_mark(digest)) + "\n", "utf-8")
        scratch.replace(file)


def _mark(digest: str) -> dict[str, str]:
    return {"program": __version__, "edition": digest}
