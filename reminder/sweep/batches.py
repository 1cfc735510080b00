"""What can go in one request, and its deliveries frozen: an address that is none fails for itself alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from reminder.agenda.reasons import Reason
from reminder.channels.base import Channel, Recipient, batch_of
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.records import NewDelivery, Transport
from reminder.sweep.freeze import freeze, message_identity
from reminder.sweep.rendering import Rendered, failures_of
from reminder.sweep.shares import Failure

SEPARATOR = "|"
"""Between the addresses of a batch."""


def batches_of(rendered: Iterable[Rendered], channels: Mapping[str, Channel]) -> list[list[Rendered]]:
    """What can go in one request, in the order in which it was made."""
    groups: dict[object, list[Rendered]] = {}
    for number, each in enumerate(rendered):
        alone = each.linked or batch_of(channels[each.channel]) == 1
        groups.setdefault(number if alone else each.batch_key, []).append(each)
    batches = []
    for group in groups.values():
        size = batch_of(channels[group[0].channel])
        batches += [group[start : start + size] for start in range(0, len(group), size)]
    return batches


_Frozen = tuple[Rendered, str, list[NewDelivery]]


def freeze_batch(
    batch: Sequence[Rendered], edition: Edition, channel: Channel, transport: Transport, now: datetime
) -> tuple[list[_Frozen], list[Failure]]:
    """The deliveries of a batch, given to its first; an address that is none fails for itself alone."""
    try:
        return _freeze_together(batch, edition, channel, transport, now), []
    except ReminderError as error:
        if len(batch) == 1:
            return [], failures_of(batch[0].shares, Reason.UNSENDABLE, error)
    sound: list[Rendered] = []
    failures: list[Failure] = []
    for each in batch:
        try:
            _freeze_together([each], edition, channel, transport, now)
            sound.append(each)
        except ReminderError as error:
            failures += failures_of(each.shares, Reason.UNSENDABLE, error)
    if len(sound) == len(batch):  # each for itself is well, only together they are not
        return [
            frozen for each in sound for frozen in _freeze_together([each], edition, channel, transport, now)
        ], []
    return (_freeze_together(sound, edition, channel, transport, now) if sound else []), failures


def _freeze_together(
    batch: Sequence[Rendered], edition: Edition, channel: Channel, transport: Transport, now: datetime
) -> list[_Frozen]:
    first = batch[0]
    identity = message_identity(
        edition.plan.id,
        transport,
        (f"{s.alarm.key}|{s.addressee.id}|{s.channel}" for each in batch for s in each.shares),
    )
    addressee = first.shares[0].addressee
    mentions = tuple(dict.fromkeys(name for share in first.shares for name in share.mentions))
    to = Recipient(addressee.id, addressee.name, first.address, mentions)
    if len(batch) > 1:
        addresses = SEPARATOR.join(dict.fromkeys(each.address for each in batch))
        to = Recipient(f"{first.receiver}等{len(batch)}人", "", addresses)
    deliveries = freeze(
        first.message,
        to,
        channel,
        edition.plan,
        identity,
        now=now,
        planned_at=first.planned_at,
        expires_at=first.expires_at,
        late=first.late,
        receivers=tuple((each.receiver, each.address) for each in batch) if len(batch) > 1 else (),
    )
    return [(each, identity, deliveries if each is first else []) for each in batch]
