"""Why a ledger may not be sent from, and what a person says to release it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from reminder.ledger.records import NewAlarm


class HoldReason(enum.StrEnum):
    """Why nothing may be sent from a ledger until a person has confirmed what was sent."""

    COPY = "copy"
    """Taken out of a backup by hand: each copy in a backup is marked so."""
    RESTORED = "restored"
    """Put in place by ``reminder restore``."""
    OLDER = "older"
    """Behind the mark that the daemon keeps beside it."""
    OTHER = "other"
    """Not the ledger that the daemon last wrote to."""
    MOVED = "moved"
    """Copied together with its mark, or parted from it: a newer one may exist elsewhere."""

    SUCCEEDED = "succeeded"
    """Moved up to a database, where it goes on."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is swept and nothing sent from this ledger, since ``at``.

    ``since`` is the ledger's last record at that moment: what happened after it
    the ledger does not know.
    """

    reason: HoldReason
    at: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Which ledger this is and how far it has come.

    ``identity`` is random, made with the ledger, and made anew whenever a person
    lets a held ledger go on, so that of two copies that went different ways each
    is known from the other; ``previous`` is the one before, ``released`` the hold
    that ended then.  ``changes`` counts the transactions that changed anything; it
    never goes down.  ``marked``: a mark is kept outside of the ledger.
    """

    identity: str
    changes: int
    hold: Hold | None = None
    released: Hold | None = None
    previous: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """What a person confirmed about a held ledger.

    ``alarms`` were sent before, says ``by``, though the ledger does not know of
    it: they are recorded and not sent.  So are deliveries that wait and were to
    go out at or before ``sent_until``; None: nothing was sent.  ``rungs`` (item, rung) the
    ledger does not know count as adopted at the hold's ``since``.  ``identity``
    is the ledger's from now on.
    """

    by: str
    sent_until: datetime | None
    alarms: tuple[NewAlarm, ...]
    rungs: tuple[tuple[str, str], ...]
    identity: str
