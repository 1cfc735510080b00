"""The ledger as people read it: its lines, what came of them, and each message as it was sent.

Nothing here writes.  Times come in aware, and come back in UTC.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from reminder.ledger import entries, outcomes, queue, reading
from reminder.ledger.outcomes import Outcome, Stuck
from reminder.ledger.records import AttemptRecord, Transport
from reminder.ledger.shown import Entry, EntryFilter, Leaf, Made
from reminder.ledger.storage import Storage


class Book:
    """One plan's part at each call.  Safe to use from several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def entries(self, plan_id: str, wanted: EntryFilter) -> list[Entry]:
        """A line for each claim, and for each alarm without claims; planned last first."""
        with self._storage.read() as connection:
            return entries.entries(connection, plan_id, wanted)

    def outcomes(self, plan_id: str, transport: Transport, alarms: Collection[str]) -> list[Outcome]:
        """What came of the alarms with these keys, counted; those not recorded are left out."""
        with self._storage.read() as connection:
            return outcomes.of_alarms(connection, plan_id, transport, alarms)

    def outcomes_recorded(
        self, plan_id: str, transport: Transport, since: datetime, until: datetime
    ) -> list[Outcome]:
        """What came of the alarms decided in [since, until), counted."""
        with self._storage.read() as connection:
            return outcomes.recorded_between(connection, plan_id, transport, since, until)

    def outcomes_planned(
        self, plan_id: str, transport: Transport, since: datetime, until: datetime
    ) -> list[Outcome]:
        """What came of the alarms planned for [since, until), counted."""
        with self._storage.read() as connection:
            return outcomes.planned_between(connection, plan_id, transport, since, until)

    def outcomes_tried(
        self, plan_id: str, transport: Transport, channels: Collection[str], since: datetime, until: datetime
    ) -> list[Outcome]:
        """How the shares stand whose messages were tried on these channels in [since, until)."""
        with self._storage.read() as connection:
            return outcomes.tried_between(connection, plan_id, transport, channels, since, until)

    def stuck(self, plan_id: str, transport: Transport, since: datetime) -> list[Stuck]:
        """What did not get through since then, and what nobody knows of, the latest first."""
        with self._storage.read() as connection:
            return outcomes.stuck(connection, plan_id, transport, since)

    def leaf(self, plan_id: str, delivery_id: str) -> Leaf | None:
        """One delivery as people look at it: what it was made for, refusals, decisions; not its bytes."""
        with self._storage.read() as connection:
            return reading.leaf(connection, plan_id, delivery_id)

    def made_for(
        self, plan_id: str, transport: Transport, messages: Collection[str]
    ) -> dict[str, list[Made]]:
        """The claims that each of these messages was made for."""
        with self._storage.read() as connection:
            return reading.made_for(connection, plan_id, transport, messages)

    def letter_text(self, plan_id: str, transport: Transport, keys: Collection[str]) -> str | None:
        """What a person reads of the first message that was made for one of these alarms."""
        with self._storage.read() as connection:
            return reading.letter_text(connection, plan_id, transport, keys)

    def alarms_of(self, plan_id: str, message: str) -> list[tuple[str, str]]:
        """(receiver, alarm) of everything a message was made for; empty for one that is not here."""
        with self._storage.read() as connection:
            return entries.alarms_of(connection, plan_id, message)

    def concerns(self, plan_id: str, message: str) -> list[tuple[str, str]]:
        """(receiver, occurrence) of every claim that a message was made for."""
        with self._storage.read() as connection:
            return entries.concerns(connection, plan_id, message)

    def counts(self, plan_id: str, transport: Transport) -> dict[str, int]:
        """Deliveries by state and alarms by decision, under their own words."""
        with self._storage.read() as connection:
            return entries.counts(connection, plan_id, transport)

    def attempts_of(self, plan_id: str, delivery_id: str) -> list[AttemptRecord]:
        """Every try of a delivery, first to last."""
        with self._storage.read() as connection:
            return queue.attempts_of(connection, plan_id, delivery_id)

    def payload_of(self, plan_id: str, delivery_id: str) -> bytes:
        """The frozen bytes, verified; ``KeyError`` for an unknown delivery."""
        with self._storage.read() as connection:
            return queue.content_of(connection, plan_id, delivery_id)[1]

    def text_of(self, plan_id: str, delivery_id: str) -> str:
        """What a person reads of a delivery; ``KeyError`` for an unknown one."""
        with self._storage.read() as connection:
            return queue.content_of(connection, plan_id, delivery_id)[0]
