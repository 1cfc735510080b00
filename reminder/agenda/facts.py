"""Facts: what happened outside the plan.

Frozen values that the pure core takes and the ledger keeps; nothing here knows
where they came from.  What is true now is folded from what happened, in the
order of ``number``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType


class DutyAction(enum.StrEnum):
    """A transition of a duty cell.  From which state each may start, ``TRANSITIONS`` says."""

    BOOK = "book"
    """A date is arranged: in progress."""
    DONE = "done"
    RETURN = "return"
    """Handed back with a reason: owed again."""
    WAIVE = "waive"
    """Excused with a reason."""
    REOPEN = "reopen"
    """A waiver or a record made by mistake is taken back, with a reason."""


class DutyState(enum.StrEnum):
    """Where a cell stands.  *overdue* is none of these: it is open past its due date."""

    OPEN = "open"
    IN_PROGRESS = "in-progress"
    DONE = "done"
    RETURNED = "returned"
    WAIVED = "waived"


DUTY_STATE_TEXT: Mapping[str, str] = MappingProxyType(
    {
        DutyState.OPEN: "未办结",
        DutyState.IN_PROGRESS: "已安排",
        DutyState.DONE: "已办结",
        DutyState.RETURNED: "已退回",
        DutyState.WAIVED: "已免办",
    }
)
"""What people read of a state."""
OWED = frozenset({DutyState.OPEN, DutyState.IN_PROGRESS, DutyState.RETURNED})
"""States in which something is still to be done."""

TRANSITIONS: Mapping[DutyAction, tuple[frozenset[DutyState], DutyState]] = MappingProxyType(
    {
        DutyAction.BOOK: (OWED, DutyState.IN_PROGRESS),
        DutyAction.DONE: (OWED | {DutyState.WAIVED}, DutyState.DONE),
        DutyAction.RETURN: (frozenset({DutyState.DONE}), DutyState.RETURNED),
        DutyAction.WAIVE: (OWED, DutyState.WAIVED),
        DutyAction.REOPEN: (frozenset({DutyState.DONE, DutyState.WAIVED}), DutyState.OPEN),
    }
)
"""Action → states it may start from, and the state it leads to."""


class Way(enum.StrEnum):
    """How a record came in."""

    LINK = "link"
    """By the person's own signed link."""
    LIAISON = "liaison"
    """By a liaison's link, for others (代填)."""
    COMMAND = "command"
    IMPORT = "import"
    CONSOLE = "console"


WAY_TEXT: Mapping[Way, str] = MappingProxyType(
    {
        Way.LINK: "本人链接",
        Way.LIAISON: "代填",
        Way.COMMAND: "命令行",
        Way.IMPORT: "表格",
        Way.CONSOLE: "网页",
    }
)
"""What people read of a way."""


@dataclass(frozen=True, slots=True)
class DutyEvent:
    """One transition of one cell, as it was recorded.

    ``occurrence`` and ``cell`` are the ids under which it was written.  ``on`` is
    the day of the deed (for ``book`` the day arranged), ``at`` when it was
    recorded, ``by`` who recorded it, ``for_`` in whose place, if not for
    themselves.  ``note`` is a short remark or the reason; always empty for a
    private item.
    """

    number: int
    occurrence: str
    cell: str
    action: DutyAction
    at: datetime
    by: str
    way: Way
    on: date | None = None
    note: str = ""
    for_: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """An event that an admin registered: it starts the items that wait for its name.

    ``subject`` is a code, never a person's name.  ``turn`` counts how often it
    was registered: once more whenever it was moved, or taken up again after it
    had been called off.  ``at`` is when it was registered this time.
    """

    event: str
    subject: str
    on: date
    at: datetime
    by: str
    turn: int = 1


@dataclass(frozen=True, slots=True)
class CalledOff:
    """An event that does not take place, and why: what it started stops."""

    registered: Registered
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Commitment:
    """The SHA-256 of a seed in hexadecimal, recorded at ``at``, before anybody may know the seed.

    Days up to and including ``on`` are out of the question.  A second one for
    the same period (``turn`` 2) stands in place of one whose seed was lost.
    """

    digest: str
    on: date
    at: datetime
    turn: int = 1


@dataclass(frozen=True, slots=True)
class Lot:
    """What a seed chose, as it was published on its day.

    ``drawn`` is the day that the seed chose among ``days`` for the ``number``-th
    of ``times`` (from 1, in order of publication), ``unit`` what it chose among
    ``units``; empty when no units were asked for.  ``day`` is the day on which
    it was published and became due: ``drawn`` itself, or a later one when
    nothing could be published that day; None if the period was over by then.
    """

    number: int
    times: int
    drawn: date
    day: date | None
    unit: str
    days: tuple[date, ...] = field(repr=False)
    units: tuple[str, ...] = field(repr=False)
    commitment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Draw:
    """The lots of one item in one period.

    ``seed`` is None until the last lot of the period is out: nobody but the
    daemon may know it before.
    """

    item: str
    period: str
    commitments: tuple[Commitment, ...]
    """The one in force last."""
    lots: tuple[Lot, ...] = ()
    seed: bytes | None = field(default=None, repr=False)

    @property
    def commitment(self) -> Commitment:
        """The one in force."""
        return self.commitments[-1]


class SilenceKind(enum.StrEnum):
    """What a silence is about."""

    ITEM = "item"
    UNIT = "unit"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Silence:
    """The operator's mute, final for what comes due in [``since``, ``until``)."""

    id: str
    kind: SilenceKind
    name: str
    since: datetime
    until: datetime
    by: str
    reason: str

    def holds(self, at: datetime) -> bool:
        """Whether it is in force at an instant."""
        return self.since <= at < self.until


@dataclass(frozen=True, slots=True)
class Snooze:
    """A recipient's delay for one occurrence: nothing before the morning of ``until``."""

    person: str
    occurrence: str
    until: date
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A text that was shown to its approvers; ``digest`` binds content, receivers and dates."""

    alarm: str
    digest: str
    at: datetime
    submitter: str
    """Who the plan came from; empty when nobody knows."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approver said of a request; ``granted`` False sends it back with ``remark``."""

    alarm: str
    digest: str
    granted: bool
    at: datetime
    by: str
    remark: str = ""
    submitter: str = ""
    """Who the plan came from at that moment; empty when nobody knew."""
    for_: tuple[str, ...] = ()
    """Absent approvers in whose place it was said."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision needs besides plan and calendar.

    ``adopted`` says since when each rung, by (item id, rung id), has stood in an
    accepted plan on this transport.  ``rehearsal`` is true under ``outbox``.
    ``duties`` holds the transitions of each (occurrence id, cell id) in order.
    ``number`` is that of the newest fact: two with the same number are the same.
    """

    adopted: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    rehearsal: bool = True
    duties: Mapping[tuple[str, str], tuple[DutyEvent, ...]] = field(default_factory=dict)
    events: tuple[Registered, ...] = ()
    """Each event once, as it was registered last; not those that were called off."""
    called_off: tuple[CalledOff, ...] = ()
    draws: Mapping[tuple[str, str], Draw] = field(default_factory=dict)
    """By (item id, period id)."""
    silences: tuple[Silence, ...] = ()
    snoozes: tuple[Snooze, ...] = ()
    requests: tuple[ApprovalRequest, ...] = ()
    approvals: tuple[Approval, ...] = ()
    number: int = 0

    def adopted_at(self, items: tuple[str, ...], rungs: tuple[str, ...]) -> datetime | None:
        """When a rung was adopted, under its present id or a former one: the earliest."""
        found = [self.adopted[item, rung] for item in items for rung in rungs if (item, rung) in self.adopted]
        return min(found, default=None)

    def events_of(self, occurrences: tuple[str, ...], cell: str) -> tuple[DutyEvent, ...]:
        """The transitions of a cell under any of its occurrence's ids, in order."""
        found = [event for each in occurrences for event in self.duties.get((each, cell), ())]
        if len(occurrences) > 1:
            found.sort(key=lambda event: event.number)
        return tuple(found)

    def draw_of(self, items: tuple[str, ...], period: str) -> Draw | None:
        """The draw of an item in a period, under any of the item's ids."""
        return next((self.draws[each, period] for each in items if (each, period) in self.draws), None)

    def approved(self, alarms: tuple[str, ...], digest: str) -> bool:
        """Whether the last word about exactly this text was yes, under any of the alarm's keys."""
        said = self.said_of(alarms, digest)
        return bool(said) and said[-1].granted

    def said_of(self, alarms: tuple[str, ...], digest: str | None = None) -> tuple[Approval, ...]:
        """What approvers said of exactly this text, in order; without ``digest`` of any text of the alarm."""
        return tuple(
            each for each in self.approvals if each.alarm in alarms and digest in (None, each.digest)
        )

    def asked_of(self, alarms: tuple[str, ...]) -> tuple[ApprovalRequest, ...]:
        """The texts of an alarm that approvers were shown, in order."""
        return tuple(each for each in self.requests if each.alarm in alarms)

    def snoozed_until(self, person: str, occurrences: tuple[str, ...]) -> date | None:
        """Until when a person asked to be left alone about an occurrence; their last word counts."""
        found = [each for each in self.snoozes if each.person == person and each.occurrence in occurrences]
        return found[-1].until if found else None


NOTHING = Facts()
"""What is known of a plan that was never in force."""


def state_after(events: tuple[DutyEvent, ...]) -> DutyState:
    """Where a cell stands after its transitions; one that could not start is passed over."""
    state = DutyState.OPEN
    for event in events:
        starts, leads = TRANSITIONS[event.action]
        if state in starts:
            state = leads
    return state
