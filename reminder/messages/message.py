"""A rendered message, before any channel has touched it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message in all the forms a channel may want.

    ``markdown`` keeps to the subset of a WeCom group robot's ``markdown``.
    Byte limits are not yet applied: a channel splits what is too long.
    """

    subject: str
    text: str
    html: str
    markdown: str
