"""What to do with an alarm that has come due: a decision with a named reason.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from reminder.agenda.alarms import Alarm
from reminder.agenda.approvals import covered
from reminder.agenda.facts import Facts
from reminder.agenda.reach import Reached
from reminder.agenda.reasons import (
    ACTION_TEXT,
    REASON_TEXT,
    Action,
    Decision,
    Reason,
    in_place_of,
    reason_text,
)

__all__ = [
    "ACTION_TEXT",
    "REASON_TEXT",
    "Action",
    "Decision",
    "Reason",
    "decide",
    "decide_all",
    "in_place_of",
    "is_late",
    "needs_approval",
    "reason_text",
]

LATE_AFTER = timedelta(minutes=15)
"""Sent this much after its time, an alarm says so; less is the pace of sending."""

Reaching = Callable[[Alarm], Reached]
"""Whom an alarm reaches now."""
Digesting = Callable[[Alarm, Reached], str]
"""What binds an approval: a digest of content, receivers and dates; empty if nothing would be sent."""


def needs_approval(alarm: Alarm, reached: Reached | None) -> bool:
    """Whether somebody has to approve it: by the item, or because it brings a leader before another.

    What reaches nobody need not be approved.
    """
    if reached is not None and not reached.receivers and not reached.withheld:
        return False
    return covered(alarm.item, alarm.rung) is not None or (reached is not None and reached.concerns_leader)


def decide(
    alarm: Alarm,
    facts: Facts,
    now: datetime,
    reaching: Reaching | None = None,
    digesting: Digesting | None = None,
) -> Decision:
    """What to do with one due alarm, without looking at its siblings.

    An alarm whose instant lies before its rung's adoption is recorded and never
    sent, so that an item added late does not fire its old rungs at once.
    Without ``reaching`` it is taken to reach somebody.
    """
    adopted = facts.adopted_at(alarm.item.ids, (alarm.rung.id, *alarm.rung.was))
    if adopted is None or alarm.at < adopted:
        return Decision(Action.SUPPRESS, Reason.BEFORE_ADOPTION)
    reached = reaching(alarm) if reaching is not None else None
    if reached is not None and reached.reason is not None and not reached.unowned:
        return Decision(Action.SUPPRESS, reached.reason)
    held = not approved(alarm, reached, facts, digesting)
    if now >= alarm.useful_until:
        return Decision(Action.MISS, Reason.NOT_APPROVED if held else Reason.EXPIRED)
    if held:
        return Decision(Action.HOLD, Reason.NEEDS_APPROVAL)
    return Decision(Action.SEND, Reason.CAUGHT_UP if is_late(alarm, now) else Reason.DUE)


def approved(alarm: Alarm, reached: Reached | None, facts: Facts, digesting: Digesting | None) -> bool:
    """Whether it may go out: it need not be approved, or exactly what it says now was."""
    if facts.rehearsal or not needs_approval(alarm, reached):
        return True
    if digesting is None or reached is None:
        return False
    digest = digesting(alarm, reached)
    return not digest or facts.approved(alarm.keys, digest)


def is_late(alarm: Alarm, now: datetime) -> bool:
    """Whether a message sent now must say that it comes late."""
    return now - alarm.at > LATE_AFTER


def decide_all(
    alarms: Iterable[Alarm],
    facts: Facts,
    now: datetime,
    reaching: Reaching | None = None,
    digesting: Digesting | None = None,
) -> list[tuple[Alarm, Decision]]:
    """Decide for all alarms due in one sweep.

    Of several useful rungs of an occurrence with the same audience and template
    only the latest goes out; the others are superseded by it.
    """
    decided = [
        (alarm, decide(alarm, facts, now, reaching, digesting))
        for alarm in sorted(alarms, key=lambda each: each.order)
    ]
    latest: dict[object, str] = {}
    for alarm, decision in decided:
        if decision.action is Action.SEND:
            latest[_say_the_same(alarm)] = alarm.key
    return [
        (alarm, Decision(Action.SUPERSEDE, Reason.LATER_RUNG))
        if decision.action is Action.SEND and latest[_say_the_same(alarm)] != alarm.key
        else (alarm, decision)
        for alarm, decision in decided
    ]


def _say_the_same(alarm: Alarm) -> object:
    return (alarm.occurrence.id, alarm.rung.to, alarm.rung.template)
