"""Who looks, at what, and when: the argument of every read model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from reminder.access.rights import Right, User
from reminder.agenda.facts import Facts
from reminder.agenda.instants import zone_of
from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.plan.model import Item
from reminder.views.kept import Kept

_known: Kept[tuple[Ledger, Facts]] = Kept(4)


def _facts(ledger: Ledger, plan_id: str, transport: Transport, now: datetime) -> Facts:
    """The facts, read again once something was recorded.

    Those of one number are the same but for the adoptions, which follow a new
    plan within moments: hence never older than the minute.
    """
    number = ledger.facts_number(plan_id)
    key = (id(ledger), plan_id, transport, number, now.replace(second=0, microsecond=0))
    return _known.of(
        key,
        lambda: (ledger, ledger.facts(plan_id, transport)),
        # The number of a ledger may be that of one that is gone; and something may have been recorded meanwhile.
        lambda kept: kept[0] is ledger and kept[1].number == number,
    )[1]


@dataclass(frozen=True)
class Look:
    """One user's look at the edition in force and its ledger at one moment (aware)."""

    user: User
    edition: Edition
    ledger: Ledger
    now: datetime

    @cached_property
    def zone(self) -> ZoneInfo:
        """The plan's time zone, in which all is shown."""
        return zone_of(self.edition.plan.head.timezone)

    @property
    def today(self) -> date:
        """The office's date."""
        return self.now.astimezone(self.zone).date()

    @property
    def plan_id(self) -> str:
        return self.edition.plan.id

    @cached_property
    def transport(self) -> Transport:
        """Whether messages really go out, or rehearse."""
        return self.ledger.transport(self.plan_id)

    @cached_property
    def facts(self) -> Facts:
        """What is known at this moment, read once, and not again while nothing was recorded."""
        return _facts(self.ledger, self.plan_id, self.transport, self.now)

    @cached_property
    def digest(self) -> str:
        """The edition's, reckoned once."""
        return self.edition.digest

    @cached_property
    def private(self) -> bool:
        """Whether private items may be seen, their dates and their YAML."""
        return self.user.may(Right.READ_PRIVATE)

    def sees(self, item: Item | None) -> bool:
        """Whether an item may be seen at all; what stands in the plan no more is shown to whoever sees private."""
        return self.private or (item is not None and not item.spec.private)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The items that may be seen, in the order of the plan."""
        return tuple(item for item in self.edition.plan.items if self.sees(item))

    def name_of(self, person: str) -> str:
        """A person's or a group's name, or the id of somebody who stands there no more."""
        known = self.edition.plan.directory.person(person)
        return known.name if known is not None else person
