"""What a channel is: it composes bytes, and it tries once to send them.

``compose`` is pure; the bytes it returns are frozen in the ledger before the
first try and are the same at every retry.  ``send`` makes one attempt within
the channel's total deadline and says what came of it; it never raises for what
a network or a server does, and never retries by itself.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reminder.messages.message import Message


class OutcomeKind(enum.StrEnum):
    """What came of one attempt (RFC 5321 §4.2.1 gives the first three)."""

    ACCEPTED = "accepted"
    """A server took the message over: 服务器已接收, not delivered, not read."""
    TRANSIENT = "transient"
    """Not taken; trying again later may help."""
    PERMANENT = "permanent"
    """Not taken; trying again will not help."""
    UNCERTAIN = "uncertain"
    """Nobody knows: the connection was lost after the last byte."""
    PARTIAL = "partial"
    """Taken for some receivers, refused for others (``refused``)."""


class Reach(enum.StrEnum):
    """How much a failed attempt says about its channel, beyond its own message."""

    MESSAGE = "message"
    """Nothing: the next message may well get through."""
    THROTTLED = "throttled"
    """All of the channel has to wait ``retry_after``."""
    LOGIN = "login"
    """The account is refused, and every other message would be."""
    DEAD = "dead"
    """No message will ever get through until a person mends the channel."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt.

    ``code`` is the protocol's own (``250``, ``errcode 45009``, ``timeout``);
    ``detail`` the server's words, shortened and without secrets;
    ``retry_after`` seconds the server or the retry table asks to wait.
    """

    kind: OutcomeKind
    code: str = ""
    detail: str = ""
    retry_after: float | None = None
    refused: tuple[str, ...] = ()
    reach: Reach = Reach.MESSAGE


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message is composed for: a person at an address, or a group.

    ``mentions`` are the WeCom userids to mention in a group's post.
    """

    id: str
    name: str
    address: str
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identity and time of a message, given once and never renewed.

    ``message_id`` is a whole RFC 5322 msg-id with its angle brackets; ``date``
    is aware, in the zone in which the office reads it.
    """

    message_id: str
    date: datetime


@dataclass(frozen=True, slots=True)
class Parcel:
    """Frozen bytes on their way: what ``send`` needs and no more.

    ``at`` is when the alarm was due, aware; the outbox names files by it.
    ``message`` is the identity of the message it is, or is a part of, and
    ``useful_until`` when that ends to be of use; a receiver's own link is made
    from both.
    """

    delivery: str
    receiver: str
    address: str
    payload: bytes
    at: datetime
    message: str = ""
    useful_until: datetime | None = None


class Channel(Protocol):
    """One adapter; safe to use from several threads."""

    id: str
    suffix: str
    """Of a file that holds the payload: ``.eml`` or ``.json``."""

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:
        """The exact bytes to send, one element for each part of a split text.

        Raises ``ReminderError`` for what can never be sent (a header with a line
        break, an address that is none).
        """
        ...

    def send(self, parcel: Parcel) -> Outcome:
        """Try once."""
        ...

    def close(self) -> None:
        """Give connections back; the channel may be used again afterwards."""
        ...


class PersonalChannel(Channel, Protocol):
    """A channel to persons one by one, whose messages may hold a link of their receiver's own."""

    def with_token(self, payload: bytes, placeholder: bytes, token: Callable[[], bytes]) -> bytes:
        """The payload with the token wherever the placeholder stands, which is as long.

        ``token`` is asked only if there is one.
        """
        ...


def batch_of(channel: Channel) -> int:
    """How many receivers one message of the channel may have: its ``batch``, and 1 if it has none.

    The address of such a message is theirs, joined by ``|``.
    """
    return int(getattr(channel, "batch", 1))
