"""The ledger (台账): what was decided, what was sent, and what came of it.

Append-only but for the state of a delivery.  Every method is one transaction;
methods that write have committed, synced to disk, when they return, or have
changed nothing when they raise.  Safe to use from several threads.

Times come in as arguments, aware in any zone, and come back in UTC; a naive
one raises ``ValueError``.  Everything that can befall the file itself raises a
:class:`~reminder.ledger.errors.LedgerError` whose text says what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection

from reminder.agenda.facts import Facts
from reminder.ledger import (
    agreement,
    extending,
    facts,
    pausing,
    postponing,
    reach,
    register,
    schema,
    settling,
    standing,
    trouble,
)
from reminder.ledger.accounts import Accounts
from reminder.ledger.address import file_of, is_postgres
from reminder.ledger.agreement import Common
from reminder.ledger.book import Book
from reminder.ledger.errors import FactsChanged
from reminder.ledger.facts import FactKind, NewDutyEvent, Recorded
from reminder.ledger.file_versions import FileVersions
from reminder.ledger.holding import Holding
from reminder.ledger.months import MonthsOver
from reminder.ledger.nodes import NodesWork
from reminder.ledger.postponing import Postponed
from reminder.ledger.published import PublishedPlans
from reminder.ledger.records import (
    LedgerKind,
    Note,
    Pause,
    PlanVersion,
    Settlement,
    Transport,
    Trouble,
    Unreached,
)
from reminder.ledger.spool import Spool
from reminder.ledger.storage import BUSY_TIMEOUT, Storage
from reminder.ledger.storage_sqlite import SqliteStorage, in_a_file
from reminder.ledger.tokens import Tokens


class Ledger:
    """One open ledger; :meth:`open` makes it."""

    def __init__(self, storage: Storage, kind: LedgerKind, created: datetime) -> None:
        self._storage = storage
        self.kind = kind
        self.created = created
        self.spool = Spool(storage)
        """Deliveries on their way."""

    @classmethod
    def open(
        cls,
        url_or_path: str | Path,
        *,
        kind: LedgerKind | None,
        now: datetime,
        create: bool = True,
        busy_timeout: float = BUSY_TIMEOUT,
        upgrade: bool = False,
    ) -> Ledger:
        """Open a ledger file, make it (mode 0600), or migrate an older one after copying it.

        A ledger on PostgreSQL is made and migrated only with ``upgrade``.
        ``kind`` None takes an existing ledger of either kind: for reading it.
        ``busy_timeout``: seconds to wait for another program that writes.
        Raises ``LedgerKindError`` for a ledger of the other kind, and
        ``LedgerMissing``, ``LedgerCorrupt``, ``LedgerSchemaError`` (newer than
        this version, or older and not to be migrated), ``LedgerUnreadable``,
        ``LedgerUnreachable``, ``LedgerAddressError``.
        """
        # A simulation loses nothing that a power cut takes; it is spared the sync at every commit.
        durable = kind is not LedgerKind.SIMULATION
        storage: Storage
        if is_postgres(url_or_path):
            from reminder.ledger.storage_postgres import PostgresStorage

            storage = PostgresStorage(str(url_or_path), durable=durable, busy_timeout=busy_timeout)
        else:
            storage = SqliteStorage(
                file_of(url_or_path),
                create=create,
                durable=durable,
                busy_timeout=busy_timeout,
                on_change=standing.count,
            )
        try:
            found, created = schema.prepare(
                storage, kind=kind, now=now, create=create, upgrade=upgrade or storage.upgrades_itself
            )
        except BaseException:
            storage.close()
            raise
        return cls(storage, found, created)

    @property
    def book(self) -> Book:
        """The ledger as people read it."""
        return Book(self._storage)

    @property
    def holds(self) -> Holding:
        """Which ledger this is, and whether it may be sent from."""
        return Holding(self._storage, self.created)

    @property
    def accounts(self) -> Accounts:
        """Who may log in to the console, and who is in."""
        return Accounts(self._storage)

    @property
    def tokens(self) -> Tokens:
        """By what programs come in."""
        return Tokens(self._storage)

    @property
    def files(self) -> FileVersions:
        """What the files of plan, calendar and templates said, from when on, and by whom."""
        return FileVersions(self._storage)

    @property
    def published(self) -> PublishedPlans:
        """The plans that nodes take from here instead of from a folder."""
        return PublishedPlans(self._storage)

    @property
    def months(self) -> MonthsOver:
        """Months that are over, and how they leave the ledger for an archive."""
        return MonthsOver(self._storage)

    @property
    def nodes(self) -> NodesWork:
        """What several nodes share out among themselves."""
        return NodesWork(self._storage)

    @property
    def queue(self) -> str | None:
        """What the queue's nodes connect to, with the password; None where the ledger is a file."""
        return self._storage.queue

    @property
    def place(self) -> str:
        """Where the ledger is, as people are told; no password stands in it."""
        return self._storage.place

    @property
    def file(self) -> Path | None:
        """The ledger's file, if it is one."""
        return self._storage.path if isinstance(self._storage, SqliteStorage) else None

    @property
    def path(self) -> Path:
        """The ledger's file.  Raises ``LedgerError`` for one that is kept elsewhere."""
        return in_a_file(self._storage).path

    def close(self) -> None:
        """Give back the file."""
        self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def integrity(self) -> list[str]:
        """What is wrong with what is stored, mostly in the database's own words; may read all of it."""
        return self._storage.faults()

    def copy_to(self, target: Path) -> None:
        """A consistent copy in a new file, while others read and write."""
        in_a_file(self._storage).copy_to(target)

    # The file itself, where it is one

    def abandon_log(self) -> None:
        """To be called before a file that was put in this one's place is opened."""
        if isinstance(self._storage, SqliteStorage):
            self._storage.abandon_log()

    def set_apart(self) -> None:
        """The file was overwritten in place while open: make what was put there a file of its own."""
        in_a_file(self._storage).set_apart()

    def try_writing(self) -> None:
        """Take the right to write and give it back; raises ``LedgerError`` if it cannot be had."""
        with self._storage.write():
            pass

    # Transport, adoption, plan versions, notes

    def plan_ids(self) -> list[str]:
        """The plans that have rows here, in order of name."""
        with self._storage.read() as connection:
            return register.plan_ids(connection)

    def transport(self, plan_id: str) -> Transport:
        """Where this plan's messages go: outbox until somebody goes live."""
        with self._storage.read() as connection:
            return register.transport(connection, plan_id)

    def go_live(self, plan_id: str, *, by: str, now: datetime) -> bool:
        """Record that messages go to people from now on; False if they did already."""
        with self._storage.write(plan_id) as connection:
            return register.switch(connection, plan_id, Transport.LIVE, by=by, now=now)

    def go_outbox(self, plan_id: str, *, by: str, now: datetime) -> bool:
        """Record that messages go to files again; False if they did already."""
        with self._storage.write(plan_id) as connection:
            return register.switch(connection, plan_id, Transport.OUTBOX, by=by, now=now)

    def adopt(
        self,
        plan_id: str,
        transport: Transport,
        rungs: Iterable[tuple[str, str]],
        now: datetime,
        plan_digest: str | None = None,
    ) -> int:
        """Record (item, rung) pairs as in force from now on, unless they were; how many were new.

        None while the ledger is on hold: it does not know what it adopted before.
        Raises ``PlanReplaced`` as :meth:`settle` does.
        """
        with self._storage.write(plan_id) as connection:
            if plan_digest is not None:
                agreement.still_in_force(connection, plan_id, plan_digest)
            if standing.standing(connection, plan_id).hold is not None:
                return 0
            return register.adopt(connection, plan_id, transport, rungs, now)

    def adoptions(self, plan_id: str, transport: Transport) -> dict[tuple[str, str], datetime]:
        """Since when each (item, rung) is in force under this transport."""
        with self._storage.read() as connection:
            return register.adopted(connection, plan_id, transport)

    def accept_plan(
        self,
        plan_id: str,
        digest: str,
        files: Mapping[str, Any],
        author: str,
        diff: Any,
        now: datetime,
        *,
        signed: bool = False,
        back: bool = True,
        published: int | None = None,
    ) -> bool:
        """Record the plan that comes into force; False if the last one has this digest.

        ``files``: name to hash; ``diff``: what changed against the one before,
        anything JSON can hold.  ``signed``: the author answers for it, and is
        recorded also for the plan that is in force.  Without ``back`` one that
        was replaced before raises ``PlanOutdated``.  ``published``: the version
        of the ledger's own that it was made from, ``PlanReplaced`` if that is in
        force no more; where there is one, any other plan raises ``PlanPublished``.
        """
        with self._storage.write(plan_id) as connection:
            return register.accept_plan(
                connection,
                plan_id,
                digest,
                files,
                author,
                diff,
                now,
                signed=signed,
                back=back,
                published=published,
            )

    @property
    def shared(self) -> bool:
        """Whether several nodes may work with it at once, and have to agree."""
        return self._storage.queue is not None

    def common(self, plan_id: str) -> Common:
        """What time it is and which plan is in force, for all nodes; only if :attr:`shared`."""
        with self._storage.read() as connection:
            return agreement.common(connection, plan_id)

    def last_plan(self, plan_id: str) -> PlanVersion | None:
        """The plan accepted last."""
        with self._storage.read() as connection:
            return register.last_plan(connection, plan_id)

    def plan_versions(self, plan_id: str, until: datetime) -> list[PlanVersion]:
        """Every plan accepted before an instant, the newest last."""
        with self._storage.read() as connection:
            return register.plan_versions_until(connection, plan_id, until)

    def note(self, plan_id: str, note: Note, transport: Transport | None = None) -> None:
        """Append a note."""
        with self._storage.write(plan_id) as connection:
            register.note(connection, plan_id, note, transport)

    def notes(
        self, plan_id: str, kind: str | None = None, since: datetime | None = None, limit: int = 1000
    ) -> list[Note]:
        """Notes of a kind, at or after ``since``; the one written last first."""
        with self._storage.read() as connection:
            return register.remarks(connection, plan_id, kind, since, limit)

    # What a sweep decided

    def settled(self, plan_id: str, transport: Transport, since: datetime | None = None) -> set[str]:
        """Keys of the alarms recorded; with ``since``, of those planned or recorded from then on."""
        with self._storage.read() as connection:
            return settling.settled(connection, plan_id, transport, since)

    def settled_of(self, plan_id: str, transport: Transport, keys: Collection[str]) -> set[str]:
        """Of these keys of alarms, those that are recorded; cheap however long the ledger is."""
        with self._storage.read() as connection:
            return settling.settled_of(connection, plan_id, transport, keys)

    def settle(
        self,
        plan_id: str,
        transport: Transport,
        settlement: Settlement,
        now: datetime,
        *,
        facts_number: int | None = None,
        plan_digest: str | None = None,
    ) -> None:
        """Write alarms, claims and frozen deliveries: all, or none.

        ``facts_number`` is that of the facts the decision rests on, and
        ``plan_digest`` that of the plan.  Raises ``AlreadySettled`` (with
        ``keys``) if any alarm is recorded already, ``FactsChanged`` if the facts
        are no longer those, ``PlanReplaced`` if the plan is not in force, and
        ``ValueError`` for an alarm decided twice or a claim whose message has no
        delivery.
        """
        with self._storage.write(plan_id) as connection:
            if plan_digest is not None:
                agreement.still_in_force(connection, plan_id, plan_digest)
            self._still(connection, plan_id, facts_number)
            settling.settle(connection, plan_id, transport, settlement, now)

    @staticmethod
    def _still(connection: Connection, plan_id: str, facts_number: int | None) -> None:
        if facts_number is not None and facts.number(connection, plan_id) != facts_number:
            raise FactsChanged

    # Claims that wait for their time

    def postponed(self, plan_id: str, transport: Transport, now: datetime) -> list[Postponed]:
        """Postponed claims whose time has come, in order of time."""
        with self._storage.read() as connection:
            return postponing.waiting(connection, plan_id, transport, now)

    def next_postponed(self, plan_id: str, transport: Transport) -> datetime | None:
        """When the first postponed claim is to be looked at again."""
        with self._storage.read() as connection:
            return postponing.next_until(connection, plan_id, transport)

    def messages_between(
        self, plan_id: str, transport: Transport, since: datetime, until: datetime
    ) -> dict[tuple[str, str], int]:
        """How many messages were claimed in [since, until), by (receiver, channel); notices not counted."""
        with self._storage.read() as connection:
            return postponing.messages_between(connection, plan_id, transport, since, until)

    # What happened outside the plan

    def facts(self, plan_id: str, transport: Transport) -> Facts:
        """All that decisions listen to, as of now."""
        with self._storage.read() as connection:
            return facts.facts(connection, plan_id, transport)

    def facts_number(self, plan_id: str) -> int:
        """Grows with every fact; cheap to ask."""
        with self._storage.read() as connection:
            return facts.number(connection, plan_id)

    def record_duties(self, plan_id: str, new: Sequence[NewDutyEvent], now: datetime) -> list[Recorded]:
        """Record transitions in one transaction; what came of each, in order.

        Whoever records what stands already changes nothing and is told so.  If
        one is refused, none is written.
        """
        try:
            with self._storage.write(plan_id) as connection:
                return facts.record_duties(connection, plan_id, new, now)
        except facts.OneRefused as refused:
            return refused.found

    def remember(
        self, plan_id: str, kind: FactKind, key: str, *, by: str, detail: Mapping[str, Any], now: datetime
    ) -> bool:
        """Append a happening; False, and nothing, if its key is there already."""
        with self._storage.write(plan_id) as connection:
            return facts.remember(connection, plan_id, kind, key, by, detail, now)

    def extend(
        self,
        plan_id: str,
        transport: Transport,
        settlement: Settlement,
        now: datetime,
        *,
        plan_digest: str | None = None,
    ) -> set[tuple[str, str, str]]:
        """Add claims and deliveries to alarms settled before; (alarm, receiver, channel) of those there now.

        Claims that are there already stay as they are.  Empty, and nothing
        written, while a message that is to be replaced is being sent.  Raises
        ``ValueError`` for an alarm that is not in the ledger, and as
        :meth:`settle` does for a plan that is not in force.
        """
        with self._storage.write(plan_id) as connection:
            if plan_digest is not None:
                agreement.still_in_force(connection, plan_id, plan_digest)
            return extending.extend(connection, plan_id, transport, settlement, now)

    # Channels

    def pauses(self, plan_id: str, transport: Transport) -> list[Pause]:
        """Pauses of channels that have not been ended, whether they hold at this moment or not."""
        with self._storage.read() as connection:
            return pausing.open_pauses(connection, plan_id, transport)

    def resume(self, plan_id: str, transport: Transport, channel: str, *, by: str, now: datetime) -> bool:
        """End the pauses of a channel; False if it was not paused."""
        with self._storage.write(plan_id) as connection:
            return pausing.resume(connection, plan_id, transport, channel, by, now)

    # What went wrong for good

    def unreached(self, plan_id: str, transport: Transport, since: datetime) -> list[Unreached]:
        """Claims whose channel did not bring them to their receiver, known at or after ``since``.

        Failed for good, expired although tried, refused for this very receiver,
        or (whatever ``since``) waiting on a channel whose pause is lasting.
        """
        with self._storage.read() as connection:
            return reach.unreached(connection, plan_id, transport, since)

    def retrying(self, plan_id: str, transport: Transport, channels: Collection[str]) -> list[Unreached]:
        """Claims whose message was tried on these channels and still waits; ``at`` is its first try."""
        with self._storage.read() as connection:
            return extending.retrying(connection, plan_id, transport, channels)

    def troubles(self, plan_id: str, transport: Transport, limit: int = 1000) -> list[Trouble]:
        """What the admins have not been told yet, oldest first."""
        with self._storage.read() as connection:
            return trouble.untold(connection, plan_id, transport, limit)

    def told(self, plan_id: str, ids: Iterable[int], now: datetime) -> None:
        """The admins were told of these troubles."""
        with self._storage.write(plan_id) as connection:
            trouble.told(connection, plan_id, ids, now)
