"""With what a plan is sent: its channels, for one transport, with the secrets that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.records import Transport

BuildChannels = Callable[[Edition, Transport], Mapping[str, Channel]]
"""Raises ``ReminderError`` where a secret is missing."""
SecretsMark = Callable[[Edition, Transport], str]
"""Changes when a secret that the channels were built with is another, or has gone."""


class Outfit:
    """The channels in use, and whether they are still the right ones.  Used by one thread."""

    def __init__(self, build: BuildChannels, mark: SecretsMark) -> None:
        self.build = build
        self._mark_of = mark
        self.channels: Mapping[str, Channel] = {}
        self._built_for: Transport | None = None
        self._mark = ""
        self._lacking: tuple[Edition, str] | None = None

    def use(self, edition: Edition, transport: Transport, channels: Mapping[str, Channel]) -> None:
        """These were built for this, with the secrets as they are now."""
        self.channels, self._built_for = channels, transport
        self._mark = self._mark_of(edition, transport)

    def again(self, edition: Edition, transport: Transport) -> Mapping[str, Channel]:
        """Channels built anew; those in use, if a secret has gone since they were built."""
        try:
            return self.build(edition, transport)
        except ReminderError:
            if self._built_for is not transport:
                raise
            return self.channels

    def changed(self, edition: Edition, transport: Transport) -> bool:
        """Whether a secret is another than the channels in use were built with."""
        return self._mark_of(edition, transport) != self._mark

    def lacks(self, edition: Edition, transport: Transport) -> None:
        """This edition was refused for want of a secret."""
        self._lacking = edition, self._mark_of(edition, transport)

    def lacks_nothing(self) -> None:
        """What was refused is of the past."""
        self._lacking = None

    def no_longer_lacking(self, transport: Transport) -> bool:
        """Whether secrets have changed since an edition was refused for want of one; said once."""
        if self._lacking is None:
            return False
        edition, mark = self._lacking
        if self._mark_of(edition, transport) == mark:
            return False
        self._lacking = None
        return True
