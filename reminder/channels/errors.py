"""What a channel refuses before any byte has left the machine."""

from __future__ import annotations

from reminder.errors import ReminderError


class HeaderError(ReminderError):
    """A header value or an address that no mail may carry; sending again will not help."""


class ContentError(ReminderError):
    """A text that a channel can never send (a broken character, far too long)."""


class ChannelSettingError(ReminderError):
    """A channel that cannot work as it is set up: a missing secret, an unsafe host."""
