"""A plan comes into force, or somebody answers for it: who it is from, and what changed by items."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.file_versions import VersionKind
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import PlanVersion
from reminder.plan.fingerprint import item_changes, item_digests
from reminder.plan.model import Plan


class PlanOfAnother(ReminderError):
    """The plan in force seems another office's: two of them, it seems, under one plan id."""

    def __init__(self, edition: Edition, last: PlanVersion, why: str) -> None:
        super().__init__(
            f"台账中编号为 {edition.plan.id} 的现行计划（校验码 {last.digest[:12]}）与本节点的计划{why}，"
            "像是另一个单位的：本节点不排定也不发送。请核对 REMINDER_DATABASE_URL，或为本单位的计划另取编号（plan.yaml 的 id）；"
            "确是同一单位的，请执行 reminder plan adopt --by 姓名"
        )


NO_ITEM, NO_PEOPLE = "没有一个相同的事项", "邮箱不同，名册中大多不是同样的人"
PEOPLE_KEPT = 64
"""Of how many persons a hash is kept; the same ones of two directories that hold the same people."""


def not_of_another(ledger: Ledger, edition: Edition) -> None:
    """Raises :class:`PlanOfAnother` where the ledger is shared, and the plan in force seems somebody else's."""
    last = ledger.last_plan(edition.plan.id) if ledger.shared else None
    if last is None or last.digest == edition.digest:
        return
    theirs = set(last.diff.get("digests", {}))
    if theirs and theirs.isdisjoint(each for item in edition.plan.items for each in item.ids):
        raise PlanOfAnother(edition, last, NO_ITEM)
    mailbox, people = last.diff.get("mailbox"), set(last.diff.get("people", ()))
    if mailbox in (None, edition.plan.head.office.mailbox):
        return
    ours = _people(edition.plan)
    # Offices that began with the same sample have the same items, and other people.
    if 2 * len(people.intersection(ours)) < min(len(people), len(ours)):
        raise PlanOfAnother(edition, last, NO_PEOPLE)


def _people(plan: Plan) -> list[str]:
    """Hashes of names, the smallest of all: who is in one is in the other, however many there are."""
    names = {hashlib.sha256(person.name.encode()).hexdigest()[:12] for person in plan.directory.people}
    return sorted(names)[:PEOPLE_KEPT]


def accept(
    ledger: Ledger,
    edition: Edition,
    author: str,
    now: datetime,
    alarms: Mapping[str, int] | None = None,
    *,
    signed: bool = False,
    published: int | None = None,
) -> bool:
    """Record the edition with every file's hash; False if it stands so already.

    ``author`` is where it came from (``start``, ``files``), or who answers for it
    if ``signed``: then it is recorded also when the same files are in force, and
    holds until any of them changes.  ``alarms`` counts those that moved.

    Where several nodes share the ledger a plan that was replaced comes back only
    if it is signed, or somebody restored a file of it in the console since; else
    raises ``PlanOutdated``: it may be a stale folder's.  One that looks like
    another office's raises :class:`PlanOfAnother` unless it is signed.

    ``published`` is the version in the ledger that it was made from: whoever put
    that into force has answered these questions.  Raises ``PlanReplaced`` if it
    is not in force any more.
    """
    if not signed and published is None:
        not_of_another(ledger, edition)
    digests = item_digests(edition.plan)
    last = ledger.last_plan(edition.plan.id)
    changes = item_changes(last.diff.get("digests", {}) if last else {}, digests)
    diff = {
        "added": list(changes.added),
        "removed": list(changes.removed),
        "changed": list(changes.changed),
        "alarms": dict(alarms or {}),
        "digests": digests,
        "mailbox": edition.plan.head.office.mailbox,
        "people": _people(edition.plan),
    }
    back = signed or not ledger.shared or last is None or _restored(ledger, edition, last)
    return ledger.accept_plan(
        edition.plan.id,
        edition.digest,
        edition.files(),
        author,
        diff,
        now,
        signed=signed,
        back=back,
        published=published,
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
