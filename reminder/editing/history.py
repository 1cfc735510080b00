"""Keep what the daemon adopted: edits made outside of the console are versions, too."""

from __future__ import annotations

import logging
from datetime import datetime

from reminder.check import Edition
from reminder.editing.errors import EditRefused
from reminder.editing.shelf import DocumentKind, Shelf
from reminder.editing.workshop import FOUND_BY
from reminder.ledger.ledger import Ledger

log = logging.getLogger(__name__)


def keep_adopted(ledger: Ledger, edition: Edition, shelf: Shelf, now: datetime) -> int:
    """Keep the files an edition was made from, as far as they are still those; how many were new.

    Raises ``LedgerError``.
    """
    digests = edition.files()
    contents: dict[str, bytes] = {}
    for name in shelf.names():
        try:
            document = shelf.read(name)
        except EditRefused as error:
            log.warning("file not kept as a version", extra={"file": name, "error": str(error)})
            continue
        if document is None:
            continue
        # A file saved since is another edition's; the years' own contents are in no edition.
        if document.kind is DocumentKind.YEAR or digests.get(name) == document.sha256:
            contents[name] = document.content
    return ledger.files.keep_found(edition.plan.id, contents, at=now, author=FOUND_BY)
