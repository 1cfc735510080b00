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


def was_checked(file: Path, digest: str, public_url: str | None) -> bool:
    """Whether this program found an edition of this digest good, with links that begin so; False if nobody knows."""
    return _noted(file) == _mark(digest, public_url)


def was_linked_otherwise(file: Path, public_url: str | None) -> bool:
    """Whether what was looked through last had links that began otherwise, or none: its texts had other parts."""
    found = _noted(file)
    return isinstance(found, dict) and found.get("links") != public_url


def note_checked(file: Path, digest: str, public_url: str | None) -> None:
    """It did.  Raises nothing: what was not written down is looked through again."""
    if was_checked(file, digest, public_url):
        return
    scratch = file.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        scratch.write_text(json.dumps(_mark(digest, public_url)) + "\n", "utf-8")
        scratch.replace(file)


def _noted(file: Path) -> object:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _mark(digest: str, public_url: str | None) -> dict[str, str | None]:
    return {"program": __version__, "edition": digest, "links": public_url}
