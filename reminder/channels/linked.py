"""Put each receiver's own link into what is sent, at the moment of sending and nowhere else.

What was frozen holds a placeholder; the token is derived again at every try,
so that a retry is the same to the byte and no file ever holds a token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from reminder.channels.base import (
    Outcome,
    OutcomeKind,
    Parcel,
    PersonalChannel,
    Recipient,
    Stamp,
    batch_of,
)
from reminder.errors import ReminderError
from reminder.messages.message import Message
from reminder.redaction import Redactor

LINK_SECONDS = 1800.0
"""Until the next try when no token can be made: somebody has to look at the key file."""
_LONG_RUN = re.compile(r"[\w+/-]{40}", re.ASCII)
"""Nothing shorter is of use to anybody, and a server's own words have none."""


class LinkedChannel:
    """Composes as another channel does, and sends with the receiver's token in place."""

    def __init__(self, inner: PersonalChannel, placeholder: str, token_of: Callable[[Parcel], str]) -> None:
        """``token_of`` gives a parcel's token, as long as the placeholder; it may raise ``ReminderError``."""
        self.id = inner.id
        self.suffix = inner.suffix
        self.batch = batch_of(inner)
        self.secret_mark: str = getattr(inner, "secret_mark", "")
        self._inner = inner
        self._placeholder = placeholder.encode("ascii")
        self._token_of = token_of

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:
        return self._inner.compose(message, to, stamp)

    def send(self, parcel: Parcel) -> Outcome:
        """Try once, with the token; the outcome's words never hold it."""
        tokens: list[str] = []

        def token() -> bytes:
            tokens[:] = tokens or [self._token_of(parcel)]
            return tokens[0].encode("ascii")

        try:
            payload = self._inner.with_token(parcel.payload, self._placeholder, token)
        except ReminderError as error:
            return Outcome(OutcomeKind.TRANSIENT, "link", str(error), LINK_SECONDS)
        if not tokens:
            return self._inner.send(parcel)
        outcome = self._inner.send(replace(parcel, payload=payload))
        if not _LONG_RUN.search(outcome.detail):
            return outcome
        # A server may say again what it was told, and mail is told in base64.
        return replace(outcome, detail=Redactor(tokens)(outcome.detail))

    def close(self) -> None:
        self._inner.close()
