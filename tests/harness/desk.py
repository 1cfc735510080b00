"""A live office without processes: the real sweep and ledger on a clock that a test moves.

What a channel was given to send is what counts: ``desk.mail`` and ``desk.group``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from reminder.channels.base import Recipient
from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.messages.message import Message
from reminder.plan.model import Plan
from reminder.sweep.accept import accept
from reminder.sweep.approvals import Waiting, pending
from reminder.sweep.approving import Given, approve
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import edition_of, remembering
from tests.plans import at, item_yaml

FESTIVAL_RUNG = """\
- id: message
  from: break
  workdays: -1
  at: 09:30
  to: everyone
  via:
    - mail
    - group
  template: festival
"""
APPROVED = "approval:\n  by: person:p-office\n  from: break\n  workdays: -3"


def festival(*extra: str, names: tuple[str, ...] = ("中秋",), rung: str = FESTIVAL_RUNG) -> str:
    """The festival message to everyone, approved by 办公室主任 three working days before."""
    when = "festivals:\n" + "\n".join(f"  - {name}" for name in names)
    return item_yaml("f", when, rung, "\n".join(("alone: true", *(extra or (APPROVED,)))))


class Desk:
    """One plan in force, live unless a test rehearses; it came from ``author``.

    The ledger is a file in a folder, or what a backend keeps.
    """

    def __init__(
        self,
        place: Path | Backend,
        plan: Plan | Edition,
        *,
        start: str = "2026-09-01",
        author: str = "p-clerk",
        transport: Transport = Transport.LIVE,
    ) -> None:
        self.now = at(start)
        self.edition = plan if isinstance(plan, Edition) else edition_of(plan)
        self.transport = transport
        self.channels = remembering()
        if isinstance(place, Path):
            self.ledger = Ledger.open(place / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=self.now)
        else:
            self.ledger = place.open(LedgerKind.DAEMON, self.now)
        if transport is Transport.LIVE:
            self.ledger.go_live("test", by="test", now=self.now)
        self.adopt(author)
        self.sweeper = Sweeper(self.ledger, self.edition, self.channels, transport, self.now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def adopt(self, author: str) -> None:
        """Somebody answers for the plan in force; ``files``: nobody does."""
        accept(self.ledger, self.edition, author, self.now, signed=True)

    def reload(self, plan: Plan | Edition, author: str = "files") -> None:
        """The files have changed."""
        self.edition = plan if isinstance(plan, Edition) else edition_of(plan)
        self.adopt(author)
        self.sweeper.load(self.edition, self.channels, self.transport, self.now)

    def restart(self) -> None:
        """Another sweeper, which knows only what plan and ledger say."""
        self.sweeper = Sweeper(self.ledger, self.edition, self.channels, self.transport, self.now)

    def until(self, moment: str | datetime) -> None:
        """Sweep at every instant at which there is something to do, and at ``moment``."""
        end = at(moment) if isinstance(moment, str) else moment
        while self.now < end:
            self.sweeper.sweep(self.now)
            self.now = min(max(self.sweeper.next_instant(self.now), self.now + timedelta(seconds=1)), end)
        self.sweeper.sweep(self.now)

    @property
    def mail(self) -> list[tuple[Recipient, Message]]:
        return [(to, message) for message, to, _ in self.channels["mail"].composed]

    @property
    def group(self) -> list[Message]:
        return [message for message, _, _ in self.channels["group"].composed]

    def subjects(self, receiver: str) -> list[str]:
        """Of the mails to a person, in order."""
        return [message.subject for to, message in self.mail if to.id == receiver]

    def reminders(self, item: str = "f") -> list[tuple[str, str, str]]:
        """(receiver, decision, reason) of everything settled for an item, in order of receiver."""
        found = self.ledger.book.entries("test", EntryFilter(item=item, transport=self.transport))
        return sorted((each.receiver or "", each.decision, each.reason) for each in found)

    def waiting(self, *, ahead: int = 0, decided: bool = False) -> list[Waiting]:
        return pending(self.ledger, self.edition, self.now, ahead=timedelta(days=ahead), decided=decided)

    def approve(self, by: str = "p-office", code: str = "", *, ahead: int = 0) -> Given:
        """Approve the code, or the one text that waits."""
        if not code:
            (waiting,) = self.waiting(ahead=ahead)
            code = waiting.said.code
        return approve(self.ledger, self.edition, by, code, self.now)

    def send_back(self, by: str, remark: str) -> Given:
        (waiting,) = self.waiting()
        return approve(
            self.ledger, self.edition, by, waiting.said.code, self.now, granted=False, remark=remark
        )
