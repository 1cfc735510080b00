"""Why a file was not saved.  Nothing was written, and the text says what to do."""

from __future__ import annotations

from reminder.errors import ReminderError


class EditRefused(ReminderError):
    """A file that cannot be read or saved here; nothing was changed."""


class NoSuchDocument(EditRefused):
    """No file of this name is one of the plan's, the calendar's or the templates'."""


class Stale(EditRefused):
    """The file is another one than when it was opened: somebody saved meanwhile."""


class Unchanged(EditRefused):
    """There is nothing to save."""
