"""Tell the admins when the ledger itself is in trouble.

This is the one message that is not recorded first, because it cannot be: it says
that nothing can be recorded and that nothing is therefore being sent.  It goes
out at most once an hour for a problem, on every channel that takes it, and is
noted in the ledger once that is well again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from reminder.agenda.occurrences import zone_of
from reminder.channels.base import Channel, OutcomeKind, Parcel, Recipient, Stamp
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.messages.context import Addressee
from reminder.sweep.notices import Notice, notice_message
from reminder.sweep.shares import address_of

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(hours=1)
FIRST_AFTER = timedelta(seconds=30)
"""A lock or a hiccup that is over by then is not worth an alert."""


class StorageAlert:
    """Remembers since when there has been trouble and when it was last told."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._told: datetime | None = None

    def well(self) -> datetime | None:
        """The trouble is over; since when it had been, if the admins had been told."""
        since, told = self._since, self._told
        self._since = self._told = None
        return since if told else None

    def trouble(self, problem: str, edition: Edition, channels: Mapping[str, Channel], now: datetime) -> bool:
        """There is trouble; whether an alert went out now."""
        if self._since is None or self._since > now:
            self._since = now
        if now - self._since < FIRST_AFTER:
            return False
        if self._told is not None and timedelta(0) <= now - self._told < AGAIN_AFTER:
            return False
        self._told = now
        return send_alert(problem, edition, channels, now)


def send_alert(problem: str, edition: Edition, channels: Mapping[str, Channel], now: datetime) -> bool:
    """Send one alert to every admin on the first personal channel that takes it; whether any did."""
    plan = edition.plan
    local = now.astimezone(zone_of(plan.head.timezone)).replace(microsecond=0)
    notice = Notice(
        "notice/storage",
        "台账不能写入，提醒已暂停发送",
        (problem, "为避免发出而无法留痕，在恢复之前不会发送任何提醒；恢复后自动补发仍然有效的提醒。"),
        "请检查磁盘空间、目录权限和台账文件；执行 reminder doctor 查看原因。",
    )
    admins = plan.directory.people_meant(plan.head.admins, local.date()) if plan.head.admins else ()
    sent = False
    for person in admins:
        for channel_id, config in plan.channels.items():
            address = address_of(person, config) if config.personal else None
            if address is None:
                continue
            # The same hour gives the same identity: a repeat after a restart can be recognised.
            identity = hashlib.sha256(
                f"{plan.id}|storage|{local:%Y-%m-%d %H}|{person.id}".encode()
            ).hexdigest()[:32]
            domain = plan.head.office.mailbox.rpartition("@")[2] or "localhost"
            try:
                message = notice_message(notice, Addressee(person.id, person.name, "person"), edition, now)
                payloads = channels[channel_id].compose(
                    message,
                    Recipient(person.id, person.name, address),
                    Stamp(f"<{identity}@{domain}>", local),
                )
            except ReminderError as error:
                log.error("alert cannot be composed", extra={"error": str(error)})
                continue
            outcomes = [
                channels[channel_id].send(Parcel(f"{identity}-{part}", person.id, address, payload, local))
                for part, payload in enumerate(payloads, start=1)
            ]
            if all(outcome.kind is OutcomeKind.ACCEPTED for outcome in outcomes):
                sent = True
                break
    log.error("storage trouble alert", extra={"sent": sent, "problem": problem})
    return sent
