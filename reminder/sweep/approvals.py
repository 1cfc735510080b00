"""What waits for an approval, and where each text stands.

An approval is bound to the digest of a text (:mod:`reminder.sweep.texts`):
whatever changes content, receivers or dates has another digest, and the
approval is none of it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminder.agenda.alarms import Alarm, Window, alarms_of
from reminder.agenda.approvals import Panel, asks_at, covered, may_be_asked, panel
from reminder.agenda.facts import Approval, ApprovalRequest, Facts
from reminder.agenda.instants import zone_of
from reminder.agenda.policy import needs_approval
from reminder.agenda.reach import Reached
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.facts import FactKind
from reminder.ledger.ledger import Ledger
from reminder.messages.render import RendererUnavailable
from reminder.sweep.texts import CODE_LENGTH, Said, reached_then, said, together

APPROVAL_ITEM = "approval"
"""Under which approvers are told in the ledger."""
_LETTER = re.compile(rf"{APPROVAL_ITEM}/.*@([0-9a-f]{{{CODE_LENGTH}}})~[^~@]*", re.DOTALL)
FURTHEST = timedelta(days=400)
"""How far ahead an approval may be asked for, or given."""
UNSAYABLE = "template"
"""In place of a digest when a template fails: no approval is ever bound to it."""


def letter_key(waiting: Waiting, person_id: str) -> str:
    """Under which the ledger has the request to one approver."""
    return f"{APPROVAL_ITEM}/{waiting.said.first.key}@{waiting.said.code}~{person_id}"


def code_in(key: str) -> str | None:
    """The code of the text that a request of this key showed; None if it is no request."""
    found = _LETTER.fullmatch(key)
    return found[1] if found is not None else None


class State(enum.StrEnum):
    """Where a text stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    RETURNED = "returned"


STATE_TEXT = {State.WAITING: "待审批", State.APPROVED: "已批准", State.RETURNED: "已退回"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text that has to be approved, and where that stands.

    ``asked`` is when exactly this text was shown, ``word`` what was said of it
    last; ``earlier`` is an earlier text of the same alarms that was shown.
    Instants are aware; ``asks_at`` and ``goes_at`` in the plan's zone.
    """

    said: Said
    panel: Panel
    asks_at: datetime
    asked: ApprovalRequest | None
    word: Approval | None
    earlier: ApprovalRequest | None

    @property
    def goes_at(self) -> datetime:
        return self.said.first.at

    @property
    def useful_until(self) -> datetime:
        return min(alarm.useful_until for alarm in self.said.alarms)

    @property
    def title(self) -> str:
        """What it is about, as approvers and admins read it."""
        labels = "、".join(alarm.occurrence.label for alarm in self.said.alarms)
        return f"{self.said.first.item.spec.title}（{labels}）"

    @property
    def state(self) -> State:
        if self.word is None:
            return State.WAITING
        return State.APPROVED if self.word.granted else State.RETURNED


class Memory:
    """Renders what has to be approved, each text once for each state of things.

    Used by one thread.
    """

    def __init__(self, edition: Edition) -> None:
        self._edition = edition
        self._known: dict[object, tuple[tuple[Reached, ...], Said | None]] = {}

    def of(self, alarm: Alarm, facts: Facts) -> Said | None:
        """What an alarm says together with those of one text; None if nobody has to approve it.

        Raises ``ReminderError`` if a template fails.
        """
        alarms = self._one_text(alarm, facts)
        reached = tuple(reached_then(each, self._edition, facts) for each in alarms)
        before = self._known.get(alarm.text_key)
        if before is not None and before[0] == reached:
            return before[1]
        going = [
            (each, its)
            for each, its in zip(alarms, reached, strict=True)
            if (its.reason is None or its.unowned) and needs_approval(each, its)
        ]
        made = said([each for each, _ in going], self._edition, [its for _, its in going]) if going else None
        self._known[alarm.text_key] = reached, made
        return made

    def digest(self, alarm: Alarm, facts: Facts) -> str:
        """What binds an approval of the alarm; empty if it sends nothing, and never approved if it fails."""
        try:
            made = self.of(alarm, facts)
        except RendererUnavailable:
            raise
        except ReminderError:
            return UNSAYABLE
        return made.digest if made is not None and made.texts else ""

    def _one_text(self, alarm: Alarm, facts: Facts) -> tuple[Alarm, ...]:
        if alarm.occurrence.festival is None:
            return (alarm,)
        plan, end = self._edition.plan, alarm.at + timedelta.resolution
        found = alarms_of(alarm.item, plan, self._edition.calendar, alarm.at, end, facts)
        return together(found).get(alarm.text_key, (alarm,))


def candidates(
    edition: Edition, facts: Facts, since: datetime, until: datetime, settled: Collection[str] = ()
) -> list[Alarm]:
    """Alarms in [since, until) that may have to be approved, less those ``settled`` or before their adoption."""
    return [
        alarm
        for alarm in approvable(edition, since, until, facts)
        if not any(key in settled for key in alarm.keys) and in_force(alarm, facts)
    ]


def approvable(edition: Edition, since: datetime, until: datetime, facts: Facts) -> list[Alarm]:
    """Alarms in [since, until) of rungs that may have to be approved, unordered."""
    window = Window(edition.plan, edition.calendar, since, until, facts)
    found = []
    for item in edition.plan.items:
        if rungs := {rung.id for rung in item.rungs if may_be_asked(item, rung)}:
            found += [alarm for alarm in window.alarms_of(item) if alarm.rung.id in rungs]
    return found


def in_force(alarm: Alarm, facts: Facts) -> bool:
    """Whether the alarm is promised, or will be once its rung is adopted."""
    adopted = facts.adopted_at(alarm.item.ids, (alarm.rung.id, *alarm.rung.was))
    return adopted is None or alarm.at >= adopted


def waiting_of(made: Said, edition: Edition, facts: Facts, submitter: str, now: datetime) -> Waiting:
    """Where a text stands at ``now``."""
    shown = facts.asked_of(made.keys)
    words = facts.said_of(made.keys, made.digest)
    asked = next((each for each in shown if each.digest == made.digest), None)
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    return Waiting(
        made,
        panel(made.first, edition.plan, today, submitter, asked.submitter if asked is not None else ""),
        min(asks_at(alarm, edition.calendar) for alarm in made.alarms),
        asked,
        words[-1] if words else None,
        next((each for each in reversed(shown) if each.digest != made.digest), None),
    )


def pending(
    ledger: Ledger,
    edition: Edition,
    now: datetime,
    *,
    ahead: timedelta = timedelta(0),
    decided: bool = False,
    memory: Memory | None = None,
) -> list[Waiting]:
    """What waits for an approval, in order of the hour at which it goes out.

    Whatever approvers have been asked for, or should be by now; with ``ahead``
    also what items' own approvals let out within that time.  ``decided`` takes in what is approved
    and has not gone out yet.  Renders every text that ``memory`` does not have.
    """
    plan_id = edition.plan.id
    transport = ledger.transport(plan_id)
    facts, submitter = ledger.facts(plan_id, transport), submitter_of(ledger, plan_id)
    alarms = asking(candidates(edition, facts, now - FURTHEST, now + FURTHEST), edition, facts, now, ahead)
    # Few ask at any time: they are looked up by name, so that a long ledger is not read through.
    settled = ledger.settled_of(plan_id, transport, {key for alarm in alarms for key in alarm.keys})
    alarms = [alarm for alarm in alarms if settled.isdisjoint(alarm.keys)]
    memory = memory or Memory(edition)
    found = [
        waiting
        for waiting in waiting_among(alarms, edition, facts, submitter, now, memory)
        if decided or waiting.state is not State.APPROVED
    ]
    return sorted(found, key=lambda each: (each.goes_at, each.said.first.key))


def asking(
    alarms: Iterable[Alarm],
    edition: Edition,
    facts: Facts,
    now: datetime,
    ahead: timedelta = timedelta(0),
) -> list[Alarm]:
    """Those of :func:`candidates` whose time to be approved it is, or that were shown already.

    Whether they need it still depends on whom they reach, and on the ledger.
    """
    found: list[Alarm] = []
    for text in together(alarms).values():
        if now >= min(alarm.useful_until for alarm in text):
            continue
        asks = min(asks_at(alarm, edition.calendar) for alarm in text)
        # Who will still owe nobody knows: of what is to come, only an item's own approval can be given.
        to_come = covered(text[0].item, text[0].rung) is not None and text[0].at <= now + ahead
        keys = tuple(key for alarm in text for key in alarm.keys)
        if now >= asks or to_come or facts.asked_of(keys):
            found += text
    return found


def waiting_among(
    alarms: Iterable[Alarm],
    edition: Edition,
    facts: Facts,
    submitter: str,
    now: datetime,
    memory: Memory,
) -> Iterator[Waiting]:
    """Where the texts of these alarms stand, of those that somebody has to approve.  Renders each."""
    for text in together(alarms).values():
        made = memory.of(text[0], facts)
        if made is not None and made.texts:
            yield waiting_of(made, edition, facts, submitter, now)


def submitter_of(ledger: Ledger, plan_id: str) -> str:
    """Who answers for the plan in force; empty when nobody has said so."""
    last = ledger.last_plan(plan_id)
    return last.submitter if last is not None else ""


def request(ledger: Ledger, plan_id: str, waiting: Waiting, now: datetime) -> bool:
    """Record that exactly this text is shown to its approvers; False if it was already."""
    made = waiting.said
    return ledger.remember(
        plan_id,
        FactKind.APPROVAL_REQUEST,
        f"{made.first.key}@{made.digest}",
        by=waiting.panel.submitter,
        detail={"alarms": [alarm.key for alarm in made.alarms], "digest": made.digest},
        now=now,
    )
