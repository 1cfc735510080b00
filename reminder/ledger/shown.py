"""The ledger as people read it: lines with their filters, and one delivery with all that befell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from reminder.ledger.records import DeliveryState, Refusal, Transport


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger: a claim with its delivery, or an alarm without claims."""

    item: str
    occurrence: str
    alarm: str
    planned_at: datetime
    recorded_at: datetime
    transport: Transport
    decision: str
    reason: str
    receiver: str | None = None
    channel: str | None = None
    message: str | None = None
    subject: str | None = None
    state: str | None = None
    """State of the message: the least advanced of its parts."""
    attempts: int = 0
    last_code: str = ""
    last_detail: str = ""
    late: bool = False
    deliveries: tuple[str, ...] = ()
    decided_by: str | None = None
    """Who decided about an uncertain outcome by hand."""
    mark: Mark | None = None
    """Where it stands in the order of the lines."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the ledger's lines: newest alarm first, its claims as they were made (0: it has none)."""

    planned_at: datetime
    alarm: int
    claim: int = 0


def mark_of(planned_at: str, alarm: int, claim: int) -> Mark | None:
    """A place in the lines as it came back from outside, its instant in ISO 8601; None for what is none."""
    try:
        at = datetime.fromisoformat(planned_at)
        at.astimezone(UTC)  # as the ledger is asked
    except (ValueError, OverflowError):
        return None
    bounded = at.tzinfo is not None and 0 <= alarm < 2**62 and 0 <= claim < 2**62
    return Mark(at, alarm, claim) if bounded else None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What ``reminder ledger`` and the console may ask for; None means all."""

    item: str | None = None
    occurrence: str | None = None
    receiver: str | None = None
    channel: str | None = None
    status: str | None = None
    """A delivery state, or an alarm's or claim's decision."""
    since: datetime | None = None
    until: datetime | None = None
    transport: Transport | None = None
    items: frozenset[str] | None = None
    """Only lines of these items."""
    but_keys: tuple[str, ...] = ()
    """No alarm whose key begins with one of these."""
    after: Mark | None = None
    """Only what comes after this line."""
    before: Mark | None = None
    """Only what comes before it: the nearest lines."""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was decided about a delivery beside its tries, and by whom."""

    at: datetime
    author: str
    decision: str


@dataclass(frozen=True, slots=True)
class Made:
    """One claim a message was made for: which alarm, and why it was sent so."""

    item: str
    occurrence: str
    alarm: str
    receiver: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A delivery as people look at it, without its bytes.  ``refused``: by receiver, code and words."""

    id: str
    transport: Transport
    message: str
    channel: str
    receiver: str
    address: str
    part: int
    parts: int
    message_id: str
    subject: str
    planned_at: datetime
    not_before: datetime
    expires_at: datetime
    state: DeliveryState
    attempts: int
    late: bool
    made: tuple[Made, ...]
    others: tuple[str, ...]
    """The other parts of the message."""
    receivers: tuple[tuple[str, str], ...]
    refused: tuple[Refusal, ...]
    resolutions: tuple[Resolution, ...]
