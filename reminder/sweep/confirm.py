"""Let a held ledger go on: what may have been sent before, and what a person says about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.facts import Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.policy import Action, Decision, Reason, decide_all
from reminder.backup.highwater import Mark, write_mark
from reminder.check import Edition
from reminder.errors import ReminderError, system_reason
from reminder.ledger.errors import LedgerCorrupt
from reminder.ledger.holds import Hold, Release
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import DeliveryState, NewAlarm, Transport
from reminder.ledger.shown import Entry, EntryFilter
from reminder.ledger.standing import new_identity
from reminder.plan.model import DEFAULT_ALARM_TIME
from reminder.sweep.compose import new_alarm
from reminder.sweep.known import BEFORE_PLAN
from reminder.sweep.notices import Notice, notice_alarm, standing_notices

MOST_WAITING = 1000
JUST_AFTER = timedelta.resolution
"""``expand`` leaves out its end; what is due this very moment is concerned."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """What the held ledger cannot answer for.

    ``alarms``: due by now, not in the ledger, each with what becomes of it if it
    was not sent before.  ``waiting``: what stands in the ledger as not yet sent,
    planned last first, at most :data:`MOST_WAITING`; ``deliveries`` is their
    whole number.  ``rungs``: (item, rung) it has not adopted.
    """

    hold: Hold
    transport: Transport
    alarms: tuple[tuple[Alarm, Decision], ...]
    waiting: tuple[Entry, ...]
    deliveries: int
    rungs: tuple[tuple[str, str], ...]


def concerned(ledger: Ledger, edition: Edition, hold: Hold, now: datetime) -> Concerned:
    """Everything that a person must know before saying what was sent."""
    plan = edition.plan
    transport = ledger.transport(plan.id)
    adopted = ledger.adoptions(plan.id, transport)
    facts = Facts(adopted)
    rungs = tuple(
        (item.id, rung.id)
        for item in plan.items
        for rung in item.rungs
        if facts.adopted_at(item.ids, (rung.id, *rung.was)) is None
    )
    # A rung that came into the plan after the copy was made: it was in force by
    # the time the ledger stopped knowing, or the person says that nothing was sent.
    facts = Facts({**adopted, **dict.fromkeys(rungs, hold.since)}, rehearsal=transport is Transport.OUTBOX)
    first = datetime.combine(plan.head.from_, time.min, tzinfo=zone_of(plan.head.timezone))
    settled = ledger.settled(plan.id, transport)
    due = [
        alarm
        for alarm in expand(plan, edition.calendar, first - BEFORE_PLAN, now + JUST_AFTER)
        if alarm.key not in settled and settled.isdisjoint(alarm.former_keys)
    ]
    alarms = tuple(
        (alarm, decision)
        for alarm, decision in decide_all(due, facts, now)
        if decision.reason is not Reason.BEFORE_ADOPTION
    )
    counts = ledger.book.counts(plan.id, transport)
    waiting = [
        entry
        for state in (DeliveryState.SENDING, DeliveryState.PENDING)
        if counts.get(state)
        for entry in ledger.book.entries(
            plan.id, EntryFilter(status=state, transport=transport, limit=MOST_WAITING)
        )
    ]
    deliveries = counts.get(DeliveryState.PENDING, 0) + counts.get(DeliveryState.SENDING, 0)
    return Concerned(hold, transport, alarms, tuple(waiting), deliveries, rungs)


def confirm(
    ledger: Ledger,
    edition: Edition,
    found: Concerned,
    *,
    by: str,
    sent_until: datetime | None,
    high_water: Path,
    now: datetime,
) -> int:
    """End the hold; how many deliveries of the ledger count as sent and will not be sent.

    ``sent_until`` (aware): everything planned up to then was sent, what the
    admins are told by itself included; None: nothing was.  Raises
    ``LedgerCorrupt`` for a damaged ledger, which must not go on.
    """
    faults = ledger.integrity()
    if faults:
        raise LedgerCorrupt(
            f"台账 {ledger.place} 已损坏（{faults[0]}），不能继续使用：请用 reminder restore 恢复最近的备份"
        )
    sent: list[NewAlarm] = []
    if sent_until is not None:
        decision = Decision(Action.SUPPRESS, Reason.CONFIRMED_SENT)
        sent += [new_alarm(alarm, decision) for alarm, _ in found.alarms if alarm.at <= sent_until]
        sent += _notices(edition, found.hold.since, sent_until)
    release = Release(by, sent_until, tuple(sent), found.rungs, new_identity())
    try:
        # The mark first: until the ledger itself is released, its own hold holds.  While
        # other offices are held it stays what it is, and so does the ledger's identity.
        live = found.transport is Transport.LIVE
        if not ledger.holds.others_held(edition.plan.id):
            changes = ledger.holds.standing().changes
            write_mark(high_water, Mark(release.identity, changes, 0, now.isoformat(), live))
    except OSError as error:
        raise ReminderError(
            f"写不进 {high_water}（{system_reason(error)}），仍在暂停，未作更改：请检查磁盘空间和权限"
        ) from error
    return ledger.holds.release(edition.plan.id, found.transport, release, now)


def _notices(edition: Edition, since: datetime, until: datetime) -> list[NewAlarm]:
    """What the admins were told by itself on the days from ``since`` to ``until``."""
    zone = zone_of(edition.plan.head.timezone)
    first, last = since.astimezone(zone), until.astimezone(zone)
    found: dict[str, tuple[Notice, datetime]] = {}
    for number in range((last.date() - first.date()).days + 1):
        at = datetime.combine(first.date() + timedelta(days=number), DEFAULT_ALARM_TIME, tzinfo=zone)
        if first <= at <= last and edition.calendar.is_workday(at.date()):
            found |= {notice.key: (notice, at) for notice in standing_notices(edition, at.date())}
    return [notice_alarm(notice, at, Action.SUPPRESS, Reason.CONFIRMED_SENT) for notice, at in found.values()]
