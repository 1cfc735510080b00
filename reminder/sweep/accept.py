"""A plan comes into force, or somebody answers for it: who it is from, and what changed by items."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reminder.check import Edition
from reminder.ledger.file_versions import VersionKind
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import PlanVersion
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

    Where several nodes share the ledger a plan that was replaced comes back only
    if it is signed, or somebody restored a file of it in the console since; else
    raises ``PlanOutdated``: it may be a stale folder's.
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
    back = signed or not ledger.shared or last is None or _restored(ledger, edition, last)
    return ledger.accept_plan(
        edition.plan.id, edition.digest, edition.files(), author, diff, now, signed=signed, back=back
    )


def digest_to_hold(ledger: Ledger, edition: Edition) -> str | None:
    """What has to be in force still when something is written; None where nobody else replaces it."""
    return edition.digest if ledger.shared else None


def _restored(ledger: Ledger, edition: Edition, last: PlanVersion) -> bool:
    """Whether a file of this edition was saved in the console after the plan in force was accepted."""
    if last.digest == edition.digest:
        return False
    files = edition.files()
    return any(
        each.kind is VersionKind.SAVED and each.at >= last.accepted_at and files.get(each.name) == each.sha256
        for each in ledger.files.every(edition.plan.id)
    )
