"""Compose one message exactly as the daemon would, without claiming or sending it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reminder.agenda.alarms import Alarm, ladder
from reminder.agenda.facts import Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.channels.base import Recipient
from reminder.check import Edition, sample_occurrence
from reminder.errors import UsageError
from reminder.ledger.records import NewDelivery, Transport
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel
from reminder.plan.fields import did_you_mean
from reminder.plan.model import Item
from reminder.plan.via import Chain, channels_of
from reminder.sweep.freeze import freeze, message_identity
from reminder.sweep.rehearsal import rehearsal_channel
from reminder.sweep.rendering import frame, render_section
from reminder.sweep.shares import Share, other_shares, owes_something, reached_by, shares_of


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown: who and when, the text, and the bytes of each part."""

    head: str
    body: str
    payloads: tuple[bytes, ...]
    message: Message
    mail: bool
    """Whether it is a mail, which has a form in HTML."""


def preview_message(
    edition: Edition,
    item: Item,
    facts: Facts,
    occurrence: str | None,
    channel: str | None,
    rung: str | None,
    receiver: str | None,
    *,
    frozen: bool = True,
) -> Preview:
    """The message of one alarm to one receiver on one channel; ``frozen``: with the bytes it would be sent as.

    Of an event nobody has registered, and a draw nothing is published of, an
    example is shown.

    Raises ``UsageError`` when there is no such occurrence, rung, channel or receiver.
    """
    known, example = _known(edition, item, facts)
    share = _share(edition, _alarm(edition, item, known, occurrence, rung), channel, receiver)
    alarm = share.alarm
    section = render_section([share], edition, alarm.at)
    owes = owes_something(share, edition, alarm.at)
    message = frame([section], share.addressee, edition, alarm.at, owes=owes)
    deliveries = _frozen(message, share, edition) if frozen else []
    personal = edition.plan.channels[share.channel].personal
    mail = isinstance(edition.plan.channels[share.channel], EmailChannel)
    head = [
        f"提醒：{alarm.key}",
        f"时间：{alarm.at:%Y-%m-%d %H:%M}（有效至 {alarm.useful_until:%Y-%m-%d %H:%M}）",
        f"通道：{share.channel}    收件人：{share.addressee.name}（{share.addressee.id}）",
    ]
    if example:
        head.insert(0, "示例：尚未登记或公布，以下日期、代号和单位都是举例")
    if personal:
        head.append(f"主题：{message.subject}")
    if len(deliveries) > 1:
        head.append(f"分 {len(deliveries)} 段发送")
    return Preview(
        "\n".join(head),
        message.text if mail else message.markdown,
        tuple(delivery.payload for delivery in deliveries),
        message,
        mail,
    )


def _frozen(message: Message, share: Share, edition: Edition) -> list[NewDelivery]:
    alarm = share.alarm
    adapter = rehearsal_channel(edition, share.channel, Path("outbox"))
    identity = message_identity(
        edition.plan.id, Transport.OUTBOX, [f"{alarm.key}|{share.addressee.id}|{share.channel}"]
    )
    return freeze(
        message,
        Recipient(share.addressee.id, share.addressee.name, share.address, share.mentions),
        adapter,
        edition.plan,
        identity,
        now=alarm.at,
        planned_at=alarm.at,
        expires_at=alarm.useful_until,
    )


def _known(edition: Edition, item: Item, facts: Facts) -> tuple[list[Occurrence], bool]:
    """The item's occurrences, and whether they are only an example."""
    head = edition.plan.head
    if known := list(occurrences(item, head, edition.calendar, head.from_, head.until, facts)):
        return known, False
    sample = sample_occurrence(item, edition)
    return ([sample] if sample is not None else []), True


def _alarm(
    edition: Edition, item: Item, known: list[Occurrence], occurrence_id: str | None, rung_id: str | None
) -> Alarm:
    if not known:
        raise UsageError(f"任务“{item.id}”没有可预览的一次：它不在计划起止日期之内")
    chosen = known[0]
    if occurrence_id is not None:
        wanted = occurrence_id if occurrence_id.startswith(f"{item.id}/") else f"{item.id}/{occurrence_id}"
        match = [each for each in known if each.id == wanted]
        if not match:
            ids = [each.id for each in known]
            raise UsageError(
                f"没有“{occurrence_id}”这一次；可用：{'、'.join(ids)}；{did_you_mean(wanted, ids)}"
            )
        chosen = match[0]
    rungs = item.rungs
    if rung_id is not None:
        rungs = tuple(each for each in rungs if each.id == rung_id)
    if not rungs:
        raise UsageError(
            f"没有“{rung_id}”这次提醒；可用：{'、'.join(each.id for each in item.rungs) or '（无）'}"
        )
    return ladder(item, rungs, chosen, edition.calendar, zone_of(edition.plan.head.timezone))[0]


def _share(edition: Edition, alarm: Alarm, channel: str | None, receiver: str | None) -> Share:
    shares, failures = shares_of(alarm, edition)
    if channel is not None:
        known = channels_of(alarm.rung.via)
        if channel not in known:
            raise UsageError(f"这次提醒不走通道“{channel}”；可用：{'、'.join(known)}")
        for route in alarm.rung.via:
            if isinstance(route, Chain) and route.otherwise == channel:
                # As everybody would get it whom the first channel does not reach.
                shares, failures = other_shares(alarm, route, reached_by(alarm, edition).receivers, edition)
        shares = [each for each in shares if each.channel == channel]
    if receiver is not None:
        shares = [each for each in shares if each.addressee.id == receiver]
    if not shares:
        reasons = "；".join(each.text for each in failures[:3])
        raise UsageError("这次提醒在所选通道上没有这样的收件人" + (f"：{reasons}" if reasons else ""))
    return shares[0]
