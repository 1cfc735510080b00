"""The channels of a rehearsal: the same bytes, into files, without any secret."""

from __future__ import annotations

from pathlib import Path

from reminder.agenda.instants import zone_of
from reminder.channels.base import Channel
from reminder.channels.build import build_channel
from reminder.check import Edition


def rehearsal_channel(edition: Edition, channel_id: str, folder: Path, *, durable: bool = True) -> Channel:
    """The adapter that composes the same bytes and writes them into a folder; ``durable`` as it does."""
    head = edition.plan.head
    return build_channel(
        edition.plan.channels[channel_id],
        secret=_no_secret,
        office_mailbox=head.office.mailbox,
        outbox=folder,
        durable=durable,
        zone=zone_of(head.timezone),
    )


def _no_secret(_name: str) -> None:
    """The outbox sends nothing and is asked for no secret."""
    return
