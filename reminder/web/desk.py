"""The desk behind the page: what the holder of a link sees, and what they may record.  No HTTP.

A link opens what its person may act for and nothing else: their own cells,
those of somebody absent whose deputy they are, and as a liaison those of their
unit.  A message's link opens only what the message was about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from reminder.agenda.facts import DutyAction, Facts, Way
from reminder.agenda.instants import zone_of
from reminder.check import Edition
from reminder.ledger.facts import Recorded
from reminder.ledger.ledger import Ledger
from reminder.links import Grant, Links, Scope
from reminder.plan.directory import Person
from reminder.recording.recorder import Actor, Entry, Recorder, Refused, Row

log = logging.getLogger(__name__)

ACTIONS = {"done": DutyAction.DONE, "book": DutyAction.BOOK}
"""What a link may record, by the word of the form."""
FINISHED_SHOWN = timedelta(days=30)
"""For how long what was recorded stays on a personal page."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A good link at one moment: whose it is, and what it opens.

    ``today`` is the office's date.
    """

    person: Person
    rows: tuple[Row, ...]
    edition: Edition
    facts: Facts
    recorder: Recorder
    now: datetime
    today: date

    def role(self, row: Row) -> Way | None:
        """How the person acts for a row."""
        return self.recorder.role_of(self.person.id, row, self.today)

    def row(self, occurrence: str, cell: str) -> Row | None:
        """The row with exactly these ids, if the link opens it."""
        for row in self.rows:
            if row.occurrence.id == occurrence and row.standing.cell.id == cell:
                return row
        return None

    def is_private(self, occurrence: str) -> bool:
        """Whether an occurrence that the link opens is of a private item."""
        return any(row.item.spec.private for row in self.rows if row.occurrence.id == occurrence)

    def snoozed_until(self, row: Row) -> date | None:
        """Until when the person asked to hear nothing of it, if that day is still to come."""
        until = self.facts.snoozed_until(self.person.id, row.occurrence.recorded_under)
        return until if until is not None and until > self.today else None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who holds a good link, and what it says."""

    person: Person
    grant: Grant
    edition: Edition
    ledger: Ledger
    today: date


class Desk:
    """Opens links and records.  Safe to use from several threads."""

    def __init__(
        self,
        edition: Callable[[], Edition],
        ledger: Callable[[], Ledger],
        links: Callable[[], Links],
    ) -> None:
        """Each is asked anew for every visit: a reload or a new key is in force at once."""
        self._edition = edition
        self._ledger = ledger
        self._links = links

    @property
    def edition(self) -> Edition:
        """The edition in force."""
        return self._edition()

    def open(self, token: str, now: datetime) -> Visit | None:
        """What a token opens at ``now``; None for one that opens nothing, whatever the reason.

        Raises ``ReminderError`` for a key file or a ledger in trouble.
        """
        bearer = self.bearer(token, now)
        if bearer is None:
            return None
        person, edition, ledger = bearer.person, bearer.edition, bearer.ledger
        recorder = Recorder(ledger, edition)
        facts = recorder.facts()
        rows = self._rows(bearer.grant, person, edition, ledger, recorder, now)
        if rows is None:
            return None
        return Visit(person, rows, edition, facts, recorder, now, bearer.today)

    def bearer(self, token: str, now: datetime) -> Bearer | None:
        """Whose a token is at ``now``; None for one that is nobody's, forged or past its day.

        Raises as :meth:`open` does.
        """
        edition, ledger = self._edition(), self._ledger()
        today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
        grant = self._links().read(token, today)
        if grant is None:
            return None
        holders = [each for each in edition.plan.directory.people if grant.is_for(each.id)]
        if len(holders) != 1 or not holders[0].holds(today):
            return None
        return Bearer(holders[0], grant, edition, ledger, today)

    def _rows(
        self,
        grant: Grant,
        person: Person,
        edition: Edition,
        ledger: Ledger,
        recorder: Recorder,
        now: datetime,
    ) -> tuple[Row, ...] | None:
        if grant.scope is Scope.PERSON:
            board = recorder.board(now, person=person.id)
            return tuple(row for row in board if row.standing.owed or _is_recent(row, now))
        concerns = ledger.book.concerns(edition.plan.id, grant.message)
        if not concerns or any(receiver != person.id for receiver, _ in concerns):
            return None
        occurrences = {occurrence for _, occurrence in concerns}
        meant = (edition.plan.item(each.partition("/")[0]) for each in occurrences)
        items = {item.id for item in meant if item is not None}
        board = recorder.board(now, items=items, person=person.id)
        return tuple(row for row in board if occurrences.intersection(row.occurrence.ids))

    def record(
        self, visit: Visit, occurrence: str, cell: str, action: DutyAction, on: date, note: str
    ) -> Recorded:
        """Record something of a cell that the link opens.  Raises ``Refused``."""
        row = visit.row(occurrence, cell)
        if row is None:
            raise Refused("这一事项不在本链接之内，没有登记；请重新打开链接，以页面所列为准")
        entry = Entry(occurrence, row.standing.cell.id, action, on, note)
        recorded = visit.recorder.record(Actor(visit.person.id, Way.LINK), entry, visit.now)
        log.info(
            "recorded on the page",
            extra={
                "person": visit.person.id,
                "occurrence": occurrence,
                "cell": cell,
                "action": str(action),
                "effect": str(recorded.effect),
            },
        )
        return recorded

    def snooze(self, visit: Visit, occurrence: str, until: date) -> None:
        """No reminders of an occurrence before the morning of a day.  Raises ``Refused``."""
        row = next((each for each in visit.rows if each.occurrence.id == occurrence), None)
        if row is None:
            raise Refused("这一事项不在本链接之内，没有暂缓；请重新打开链接，以页面所列为准")
        actor = Actor(visit.person.id, Way.LINK)
        visit.recorder.snooze(actor, occurrence, visit.person.id, until, visit.now)
        log.info("snoozed on the page", extra={"person": visit.person.id, "occurrence": occurrence})


def _is_recent(row: Row, now: datetime) -> bool:
    last = row.standing.last
    return last is not None and now - last.at <= FINISHED_SHOWN
