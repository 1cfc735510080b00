"""A plan comes into force, or somebody answers for it: who it is from, and what changed by items."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.plan.fingerprint import item_changes, item_digests


def accept(
    ledger: Ledger,
    edition: Edition,
    author: str,
    now: datetime,
    alarms: Mapping[str, int] | None = None,
    *,
    signed: bool = False,
) -> bool:
    """Record the edition with every file's hash; False if it stands so already.

    ``author`` is where it came from (``start``, ``files``), or who answers for it
    if ``signed``: then it is recorded also when the same files are in force, and
    holds until any of them changes.  ``alarms`` counts those that moved.
    """
    digests = item_digests(edition.plan)
    last = ledger.last_plan(edition.plan.id)
    changes = item_changes(last.diff.get("digests", {}) if last else {}, digests)
    diff = {
        "added": list(changes.added),
        "removed": list(changes.removed),
        "changed": list(changes.changed),
        "alarms": dict(alarms or {}),
        "digests": digests,
    }
    return ledger.accept_plan(
        edition.plan.id, edition.digest, edition.files(), author, diff, now, signed=signed
    )
