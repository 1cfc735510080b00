"""Tell the admins when the ledger itself is in trouble, or on hold.

These are the only messages that are not recorded first.  Of a ledger in trouble
they cannot be: it says that nothing can be recorded and that nothing is
therefore being sent.  A ledger on hold sends nothing at all.  They go out on
every channel that takes them, at most once an hour for trouble and once a day
for a hold, and are noted in the ledger: after the trouble, and during the hold.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from reminder.agenda.instants import zone_of
from reminder.channels.base import Channel, OutcomeKind, Parcel, Recipient
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.errors import LedgerError
from reminder.ledger.holds import Hold
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Note
from reminder.messages.context import Addressee
from reminder.sweep.freeze import stamp_of
from reminder.sweep.notices import Notice, notice_message
from reminder.sweep.shares import address_of

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(hours=1)
FIRST_AFTER = timedelta(seconds=30)
"""A lock or a hiccup that is over by then is not worth an alert, nor a hold that is released at once."""
HOLD_AGAIN_AFTER = timedelta(days=1)
"""Only a person ends a hold; told every hour, it would be a storm by Monday."""
HOLD_RETRY_AFTER = timedelta(minutes=10)
"""If no channel took it."""
HOLD_TOLD = "hold-told"
"""Kind of the note that the admins were told of a hold: over a restart it is not told again."""


class StorageAlert:
    """Remembers since when there has been trouble and when it was last told."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._told: datetime | None = None
        self._sending: threading.Thread | None = None

    def well(self) -> datetime | None:
        """The trouble is over; since when it had been, if the admins had been told."""
        since, told = self._since, self._told
        self._since = self._told = None
        return since if told else None

    def trouble(self, problem: str, edition: Edition, channels: Mapping[str, Channel], now: datetime) -> bool:
        """There is trouble; whether an alert is on its way now.

        It goes out in a thread of its own: a mail server that hangs as well must not
        stop the sweep, by which the watchdog knows that there is progress.
        """
        if self._since is None or self._since > now:
            self._since = now
        if now - self._since < FIRST_AFTER:
            return False
        if self._told is not None and timedelta(0) <= now - self._told < AGAIN_AFTER:
            return False
        if self._sending is not None and self._sending.is_alive():
            return False
        self._told = now
        self._sending = threading.Thread(
            target=send_alert, args=(problem, edition, channels, now), name="alert", daemon=True
        )
        self._sending.start()
        return True


class HoldAlert:
    """Remembers since when the ledger is held and when that was last told."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._tried: datetime | None = None

    def ended(self) -> None:
        """Nothing is held any more."""
        self._since = self._tried = None

    def held(
        self,
        hold: Hold,
        problem: str,
        ledger: Ledger,
        edition: Edition,
        channels: Mapping[str, Channel],
        now: datetime,
    ) -> bool:
        """The ledger is held; whether the admins were told now.  ``problem`` says of what."""
        if self._since is None or self._since > now:
            self._since = now
        if now - self._since < FIRST_AFTER:
            return False
        if self._tried is not None and timedelta(0) <= now - self._tried < HOLD_RETRY_AFTER:
            return False
        self._tried = now
        try:
            plan_id = edition.plan.id
            last = ledger.notes(plan_id, HOLD_TOLD, limit=1)
            if last and timedelta(0) <= now - last[0].at < HOLD_AGAIN_AFTER and last[0].at >= hold.at:
                return False
            # Another identity each day: programs that know an identity hide the second message.
            day = now.astimezone(zone_of(edition.plan.head.timezone)).date()
            sent = _send(hold_notice(problem), f"hold|{hold.at}|{day}", edition, channels, now)
            log.error("hold told", extra={"sent": sent})
            if sent:
                ledger.note(plan_id, Note(HOLD_TOLD, now, "daemon", {"reason": str(hold.reason)}))
        except LedgerError as error:
            log.error("hold not told", extra={"error": str(error)})
            return False
        return sent


def hold_notice(problem: str) -> Notice:
    """What the admins read about a hold."""
    return Notice(
        "notice/hold",
        "台账需要确认，提醒已暂停发送",
        (problem, "在确认之前不会发送任何提醒；确认后，仍然有效的提醒自动补发。"),
        "请执行 reminder resume：它列出涉及的提醒，并说明如何确认哪些已经发出。",
    )


def send_alert(problem: str, edition: Edition, channels: Mapping[str, Channel], now: datetime) -> bool:
    """Send one alert to every admin on the first personal channel that takes it; whether any did."""
    notice = Notice(
        "notice/storage",
        "台账不能写入，提醒已暂停发送",
        (problem, "为避免发出而无法留痕，在恢复之前不会发送任何提醒；恢复后自动补发仍然有效的提醒。"),
        "请检查磁盘空间、目录权限和台账文件；执行 reminder doctor 查看原因。",
    )
    local = now.astimezone(zone_of(edition.plan.head.timezone))
    # The same hour gives the same identity: a repeat after a restart can be recognised.
    sent = _send(notice, f"storage|{local:%Y-%m-%d %H}", edition, channels, now)
    log.error("storage trouble alert", extra={"sent": sent, "problem": problem})
    return sent


def _send(
    notice: Notice, subject: str, edition: Edition, channels: Mapping[str, Channel], now: datetime
) -> bool:
    """Directly, unrecorded; ``subject`` makes the message's identity."""
    plan = edition.plan
    local = now.astimezone(zone_of(plan.head.timezone)).replace(microsecond=0)
    admins = plan.directory.people_meant(plan.head.admins, local.date()) if plan.head.admins else ()
    sent = False
    for person in admins:
        for channel_id, config in plan.channels.items():
            address = address_of(person, config) if config.personal else None
            if address is None:
                continue
            identity = hashlib.sha256(f"{plan.id}|{subject}|{person.id}".encode()).hexdigest()[:32]
            try:
                message = notice_message(notice, Addressee(person.id, person.name, "person"), edition, now)
                payloads = channels[channel_id].compose(
                    message,
                    Recipient(person.id, person.name, address),
                    stamp_of(plan, identity, now),
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
    return sent
