"""Which ledger this is, how far it has come, and whether it may be sent from."""

from __future__ import annotations

from datetime import datetime

from reminder.ledger import standing
from reminder.ledger.holds import Hold, Release, Standing
from reminder.ledger.records import Transport
from reminder.ledger.storage import Storage
from reminder.ledger.storage_sqlite import in_a_file


class Holding:
    """Of one ledger, with all the plans in it.  Safe to use from several threads."""

    def __init__(self, storage: Storage, created: datetime) -> None:
        self._storage = storage
        self._created = created

    def standing(self, plan_id: str = "") -> Standing:
        """Identity, count of changes, and the hold, if there is one; for a plan, one that is not over for it."""
        with self._storage.read() as connection:
            return standing.standing(connection, plan_id)

    def standing_in_file(self) -> Standing:
        """As it stands in the file alone, see :func:`~reminder.ledger.standing.standing_in_file`."""
        in_file = in_a_file(self._storage)
        with in_file.undisturbed():
            return standing.standing_in_file(in_file.path)

    def last_record(self) -> datetime:
        """When anything was last recorded, under any plan; the ledger's making if nothing was."""
        with self._storage.read() as connection:
            return standing.last_record(connection) or self._created

    def put(self, hold: Hold) -> None:
        """Send nothing from this ledger until somebody releases it; an earlier hold stays as it is.

        Stands in the file itself when this returns, as far as possible.
        """
        with self._storage.write() as connection:
            standing.put_on_hold(connection, hold)
        self._storage.fold()

    def mark(self) -> None:
        """A mark is kept outside of this ledger from now on."""
        with self._storage.write() as connection:
            standing.mark(connection)

    def others_held(self, plan_id: str) -> bool:
        """Whether a release of this plan leaves others on hold."""
        with self._storage.read() as connection:
            return bool(standing.others_held(connection, plan_id))

    def release(self, plan_id: str, transport: Transport, release: Release, now: datetime) -> int:
        """Record what a person confirmed, and end the hold for this plan; how many deliveries will not be sent.

        Of several plans in one ledger each goes on by its own; with the last one
        the hold is over.  Raises ``LedgerError`` when the plan is not on hold (any more).
        """
        with self._storage.write() as connection:
            closed = standing.release(connection, plan_id, transport, release, now)
        self._storage.fold()
        return closed
