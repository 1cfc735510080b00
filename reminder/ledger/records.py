"""What goes into the ledger and what comes out of it, as plain values.

Times are aware datetimes; the ledger keeps them in UTC.  Words kept as text
(decisions, reasons, states) are enums of the floor that decides them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class Transport(enum.StrEnum):
    """Part of the identity of every alarm, claim and delivery."""

    OUTBOX = "outbox"
    """Written to files; 试运行, never evidence."""
    LIVE = "live"


class LedgerKind(enum.StrEnum):
    """What a ledger is for; each command refuses the other kind."""

    DAEMON = "daemon"
    SIMULATION = "simulation"


class DeliveryState(enum.StrEnum):
    """Where a delivery stands.  Transitions::

    pending   -> sending    an attempt's intent was committed
    sending   -> accepted   the server took it
    sending   -> pending    transient: again at ``not_before``
    sending   -> failed     permanent, or the last try failed
    sending   -> uncertain  outcome unknown, policy ``hold``: a person decides
    uncertain -> pending    resend was decided
    pending   -> expired    no longer useful
    """

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class NewClaim:
    """Alarm × receiver × channel: the decision, its reason, and the message it became part of."""

    receiver: str
    channel: str
    decision: str
    reason: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class NewAlarm:
    """One rung of one occurrence that came due, and what was decided about it.

    ``key`` is identity within plan and transport; ``planned_at`` the instant by
    the plan; ``due`` the occurrence's due instant.
    """

    key: str
    item: str
    occurrence: str
    rung: str
    planned_at: datetime
    due: datetime
    decision: str
    reason: str
    claims: tuple[NewClaim, ...] = ()


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One message (or one part of a split one) with its frozen bytes.

    ``message`` joins the parts with the claims they were made for: a digest is
    one message for many claims, a split text one message of many deliveries.
    ``id`` is derived from plan, transport, claims and part, so that it is the
    same if it has to be made again.
    """

    id: str
    message: str
    channel: str
    receiver: str
    address: str
    part: int
    parts: int
    message_id: str
    subject: str
    text: str
    """What a person reads, for the console and the record."""
    payload: bytes
    planned_at: datetime
    not_before: datetime
    expires_at: datetime
    late: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one sweep decided, to be written in one transaction or not at all."""

    alarms: tuple[NewAlarm, ...]
    deliveries: tuple[NewDelivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the engine reads it."""

    id: str
    message: str
    channel: str
    receiver: str
    address: str
    part: int
    parts: int
    message_id: str
    payload: bytes
    planned_at: datetime
    not_before: datetime
    expires_at: datetime
    state: DeliveryState
    attempts: int
    """Tries begun so far."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try, as the ledger shows it; ``finished_at`` is None while it runs."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    code: str
    detail: str


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


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What ``reminder ledger`` may ask for; None means all."""

    item: str | None = None
    occurrence: str | None = None
    receiver: str | None = None
    channel: str | None = None
    status: str | None = None
    """A delivery state, or an alarm's or claim's decision."""
    since: datetime | None = None
    until: datetime | None = None
    transport: Transport | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """Anything else that happened: went live, plan accepted, daemon started, admin told."""

    kind: str
    at: datetime
    author: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """What came of one try, and where the delivery stands after it.

    ``outcome`` is the channel's word, ``code`` the protocol's, ``detail`` the
    server's.  ``not_before`` is the next try's instant and needed only with
    ``state`` pending.
    """

    delivery: str
    number: int
    at: datetime
    outcome: str
    state: DeliveryState
    code: str = ""
    detail: str = ""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """A plan as it came into force: the hash of every file, and what changed."""

    digest: str
    accepted_at: datetime
    author: str
    files: Mapping[str, Any]
    diff: Any
