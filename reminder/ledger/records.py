"""What goes into the ledger and what comes out of it, as plain values.

Times are aware datetimes; the ledger keeps them in UTC.  Words kept as text
(decisions, reasons, states) are enums of the floor that decides them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    uncertain -> pending    a person decided to send again
    uncertain -> accepted   a person found that it did arrive
    uncertain -> failed     a person decided not to send again
    failed    -> pending    a person put it up once more
    pending   -> expired    no longer useful
    """

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"


SETTLED = (DeliveryState.ACCEPTED, DeliveryState.FAILED, DeliveryState.EXPIRED)
"""Nothing more happens to it by itself."""
RETIRED = "retired"
"""Where a message stands that left the ledger for an archive, with the months that were retired."""

DELIVERY_TEXT: Mapping[str, str] = {
    DeliveryState.PENDING: "待发送",
    DeliveryState.SENDING: "发送中",
    DeliveryState.ACCEPTED: "服务器已接收",
    DeliveryState.FAILED: "发送失败",
    DeliveryState.UNCERTAIN: "结果不明",
    DeliveryState.EXPIRED: "已过有效期",
    RETIRED: "已归档",
}
"""What people read of a state: *accepted* is neither delivered nor read."""


@dataclass(frozen=True, slots=True)
class NewClaim:
    """Alarm × receiver × channel: the decision, its reason, and the message it became part of."""

    receiver: str
    channel: str
    decision: str
    reason: str
    message: str | None = None
    until: datetime | None = None
    """Of a postponed claim: when to look again."""


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
    receivers: tuple[tuple[str, str], ...] = ()
    """(receiver, address) of everyone a batch goes to; empty for a delivery to ``receiver`` alone."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one sweep decided, to be written in one transaction or not at all.

    ``replaced`` names messages in whose place these claims are sent over another
    channel: what of them still waits is given up in the same transaction, so
    that it does not go out a second time when its channel recovers.  A message
    that is being sent at that moment is left alone.
    """

    alarms: tuple[NewAlarm, ...]
    deliveries: tuple[NewDelivery, ...] = ()
    replaced: tuple[str, ...] = ()
    again: tuple[NewAlarm, ...] = ()
    """Alarms in the ledger whose postponed claims are decided now."""


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
    receivers: tuple[tuple[str, str], ...] = ()
    """(receiver, address) of everyone it goes to; one pair unless it is a batch."""


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
class Note:
    """Anything else that happened: went live, plan accepted, daemon started, admin told."""

    kind: str
    at: datetime
    author: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class PauseKind(enum.StrEnum):
    """Why nothing is tried on a channel."""

    THROTTLED = "throttled"
    """The server asked all of the channel to wait."""
    LOGIN = "login"
    """The account is refused; tried again from time to time."""
    DEAD = "dead"
    """No message will ever get through until a person mends the channel."""


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """What an attempt's end means for its whole channel.

    ``waits`` are the pauses for the first strike, the second and so on, the last
    one repeated; empty: until somebody resumes.  A strike is an attempt that
    meets the same trouble after a pause.  From strike ``lasting_from`` on the
    pause counts as lasting: the admins are told, and chains fall back; 0 never.
    ``fingerprint`` is the channel's: when it changes, the channel was mended.
    """

    kind: PauseKind
    waits: tuple[timedelta, ...] = ()
    lasting_from: int = 0
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A channel on which nothing is tried: until an instant, or (None) until somebody resumes it."""

    channel: str
    kind: PauseKind
    since: datetime
    until: datetime | None
    strikes: int
    lasting: bool
    code: str
    detail: str
    fingerprint: str

    def holds(self, now: datetime) -> bool:
        """Whether nothing may be tried at ``now``.

        A pause that begins after ``now`` comes from a clock that was set back.
        """
        return self.until is None or self.since <= now < self.until


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``limit`` tries in any ``window``, over the channel or for each of its receivers."""

    limit: int
    window: timedelta
    each_receiver: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a try was not begun: no slot, or a paused channel, before ``until``.

    None: until somebody resumes the channel.  ``whole_channel`` says that every
    other delivery of the channel has to wait as long.
    """

    until: datetime | None
    whole_channel: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """A receiver whom the server refused while it took the message for others."""

    receiver: str
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """What came of one try, and where the delivery stands after it.

    ``outcome`` is the channel's word, ``code`` the protocol's, ``detail`` the
    server's.  ``not_before`` is the next try's instant and needed only with
    ``state`` pending.  ``pause`` holds up the whole channel.  ``recovered`` is
    when a try began that got through: it ends the pauses that were over by then.
    """

    delivery: str
    number: int
    at: datetime
    outcome: str
    state: DeliveryState
    code: str = ""
    detail: str = ""
    not_before: datetime | None = None
    refused: tuple[Refusal, ...] = ()
    pause: PauseAsked | None = None
    recovered: datetime | None = None


class HandDecision(enum.StrEnum):
    """What a person decides about a delivery of which nobody knows whether it arrived."""

    RESEND = "resend"
    ARRIVED = "arrived"
    DROP = "drop"


class TroubleKind(enum.StrEnum):
    """What an admin must be told of."""

    FAILED = "failed"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    REFUSED = "refused"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that went wrong for good and of which nobody was told yet.

    ``items`` are those the message was made for; empty for a channel's pause,
    which has no ``delivery`` either.
    """

    id: int
    kind: TroubleKind
    at: datetime
    channel: str
    code: str
    detail: str
    delivery: str | None
    receiver: str
    subject: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreached:
    """A claim that its channel did not bring to its receiver, and since when that is known.

    ``reason`` is ``failed``, ``expired``, ``refused`` or ``paused``.
    """

    alarm: str
    receiver: str
    channel: str
    reason: str
    at: datetime
    message: str = ""


UNSIGNED = frozenset(("start", "files", "simulate"))
"""Authors of a plan that is only known to have lain in the folder."""


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """A plan as it came into force: the hash of every file, and what changed."""

    digest: str
    accepted_at: datetime
    author: str
    files: Mapping[str, Any]
    diff: Any

    @property
    def submitter(self) -> str:
        """Who answers for it: a person's id, or a name; empty when nobody has said so."""
        return "" if self.author in UNSIGNED else self.author
