"""A copy of a ledger that goes elsewhere: taken while others write, looked at, put on hold.

Copies are read as they are, never migrated: that is for the program that goes
on with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from reminder.ledger import register, schema, standing
from reminder.ledger.errors import LedgerCorrupt, LedgerKindError, LedgerSchemaError
from reminder.ledger.holds import Hold, HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.storage_sqlite import SqliteStorage

RESTORED = "ledger-restored"
"""Kind of the note that a ledger was put in place from a backup."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds.  ``last_record`` is in UTC; ``plans`` in order of name."""

    kind: LedgerKind
    revision: str
    identity: str
    changes: int
    last_record: datetime
    plans: tuple[str, ...]


def take_copy(source: Path, target: Path, now: datetime) -> Copied:
    """A consistent, verified copy in a new file, marked so that nobody sends from it unasked.

    Raises :class:`~reminder.ledger.errors.LedgerError` for a source that is
    missing, damaged, a simulation or of a newer version; no file is left then.
    """
    original = SqliteStorage(source, create=False)
    try:
        with original.read() as connection:
            _acceptable(connection, source)
        original.copy_to(target)
    finally:
        original.close()
    try:
        return _finish(target, HoldReason.COPY, now)
    except BaseException:
        discard(target)
        raise


def mark_restored(path: Path, now: datetime) -> Copied:
    """Verify a copy and mark it as put in place: with a note for each plan, and a hold.

    Raises as :func:`take_copy` does; the file is left as it is.
    """
    return _finish(path, HoldReason.RESTORED, now)


def discard(path: Path) -> None:
    """Remove a copy with all that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _finish(path: Path, reason: HoldReason, now: datetime) -> Copied:
    try:
        return _verified(path, reason, now)
    except LedgerCorrupt as error:
        remedy = "执行 reminder doctor 检查原台账" if reason is HoldReason.COPY else "换用另一份备份"
        raise LedgerCorrupt(f"台账的副本没有通过完整性检查：请{remedy}") from error


def _verified(path: Path, reason: HoldReason, now: datetime) -> Copied:
    storage = SqliteStorage(path, create=False)
    try:
        with storage.read() as connection:
            kind, revision, created = _acceptable(connection, path)
        faults = Ledger(storage, kind, created).integrity()
        if faults:
            raise LedgerCorrupt(faults[0])
        with storage.read() as connection:
            at = standing.last_record(connection) or created
            plans = tuple(register.plan_ids(connection))
        standing.complete(storage)
        with storage.write() as connection:
            earlier = standing.standing(connection).hold
            # A copy of a held ledger knows no more than that one did.
            since = min(at, earlier.since) if earlier is not None else at
            standing.put_on_hold_anew(connection, Hold(reason, now.astimezone(UTC), since))
            if reason is HoldReason.RESTORED:
                detail = {"last_record": at.isoformat()}
                for plan in plans:
                    register.note(connection, plan, Note(RESTORED, now, "restore", detail))
            found = standing.standing(connection)
    finally:
        storage.close()
    return Copied(kind, revision, found.identity, found.changes, at, plans)


def _acceptable(connection: Connection, path: Path) -> tuple[LedgerKind, str, datetime]:
    revision, kind, created = schema.describe(connection, str(path))
    if kind is not LedgerKind.DAEMON:
        raise LedgerKindError(f"{path} 是模拟台账，不需要备份，也不能恢复成正式台账")
    if revision > schema.HEAD:
        raise LedgerSchemaError(
            f"台账由更新的版本写成（结构版本 {revision}，本程序只认到 {schema.HEAD}）："
            "请改用新版本的程序；未作任何改动"
        )
    return kind, revision, created
