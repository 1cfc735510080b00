"""SQLite as the ledger needs it: durable, patient, and never written blindly.

Two engines over one file.  The writer begins IMMEDIATE: a transaction that
reads first and then upgrades fails at once with ``BUSY_SNAPSHOT``, whatever the
timeout.  Readers begin deferred, are closed at once, and cannot write.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from reminder.errors import system_reason
from reminder.ledger.errors import (
    LedgerCorrupt,
    LedgerError,
    LedgerUnreadable,
    explaining,
)
from reminder.ledger.file import LedgerFile, free
from reminder.ledger.storage import BUSY_TIMEOUT, Storage, plain_json
from reminder.ledger.turn import Turn


class SqliteStorage:
    """One open ledger file.

    ``durable=False`` leaves out the sync at every commit (still never corrupt,
    by WAL's rules): for simulations, which lose nothing in a power cut.
    ``on_change`` is called inside each transaction that has changed a row,
    before it commits.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool,
        durable: bool = True,
        busy_timeout: float = BUSY_TIMEOUT,
        on_change: Callable[[Connection], None] | None = None,
    ) -> None:
        self._file = LedgerFile(path, create=create)
        self.path = self._file.path
        self._on_change = on_change
        self._busy_timeout = busy_timeout
        self._durable = durable
        self._turn = Turn()
        self._writer = self._engine(
            self._connect_writer, "BEGIN IMMEDIATE", poolclass=QueuePool, pool_size=1, max_overflow=0
        )
        self._reader = self._engine(
            self._connect_reader, "BEGIN", poolclass=QueuePool, pool_size=2, max_overflow=-1
        )
        # Nothing is opened yet: the first to look is a reader, so that a file of
        # somebody else's that was named by mistake is not even switched to WAL.
        self._kept: Connection | None = None
        self._closed = False

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def queue(self) -> str | None:
        """One machine needs none."""
        return None

    @property
    def upgrades_itself(self) -> bool:
        """A file belongs to one machine: whoever opens it first brings it up to date."""
        return True

    @contextmanager
    def write(self, plan_id: str = "", *, beside: bool = False) -> Iterator[Connection]:  # noqa: ARG002 (one lock for all)
        """One transaction that holds the write lock from its first statement.

        Committed, with a sync, when the block ends; rolled back when it raises.
        Threads of this process queue fairly; another process is waited for.

        Raises :class:`LedgerGone` and the other kinds of :class:`LedgerError`.
        """
        with self._in_turn():
            self._file.still_there()
            try:
                with explaining(self.path), self._writing().begin() as transaction:
                    connection = transaction.connection
                    before = _changes_of(connection)
                    yield connection
                    if self._on_change is not None and _changes_of(connection) != before:
                        self._on_change(connection)
            except BaseException:
                # A connection that met a full disk, a fault or an interrupt is not trusted with the next record.
                self._let_go()
                raise

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """While this lasts, nobody else in this process writes."""
        try:
            with self._turn:
                yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        """Once closed, whoever comes last of its closer and those who had a turn then closes the writer."""
        if self._closed and not self._turn.taken:
            with self._turn:
                self._let_go()

    def _writing(self) -> Connection:
        """The one connection that writes, kept from turn to turn: to fetch it costs as much as a short transaction."""
        if self._kept is None:
            self._kept = self._writer.connect()
        return self._kept

    def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(SQLAlchemyError, sqlite3.Error):
                kept.close()
        self._writer.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot; cannot write, and does not wait for writers."""
        self._file.still_there()
        with explaining(self.path), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def make(self) -> Iterator[Connection]:
        """As :meth:`write`."""
        with self.write() as connection:
            yield connection

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """One write transaction for migrations, without enforcement of foreign keys.

        SQLite cannot alter most of a table: it is copied, dropped and renamed,
        and dropping a parent while foreign keys are on empties or blocks its
        children.  The switch works only outside a transaction, so this is a
        connection of its own.  Foreign keys are verified before the commit.
        """
        engine = self._engine(self._connect_rebuilder, "BEGIN IMMEDIATE", poolclass=NullPool)
        with self._in_turn():
            self._file.still_there()
            with explaining(self.path), engine.begin() as connection:
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                if broken:
                    tables = "、".join(sorted({str(row[0]) for row in broken}))
                    raise LedgerCorrupt(
                        f"台账 {self.path} 升级后有 {len(broken)} 处记录对不上（{tables}），"
                        "已全部撤回，台账未变：请把台账文件和本提示交给维护人员"
                    )

    def keep(self, revision: str, now: datetime) -> str:
        """A copy beside the file, named after what it holds: a migration changes the only one there is."""
        stem = f"{self.path.name}.{revision}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        copy = free(self.path.with_name(f"{stem}.bak"), ".bak")
        self.copy_to(copy)
        return f"副本在 {copy}：请把两者和本提示交给维护人员"

    def faults(self) -> list[str]:
        """What is wrong with the file, mostly in SQLite's own words; reads all of it."""
        try:
            with self.read() as connection:
                found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
                found += [
                    f"foreign key: {row[0]} row {row[1]} names no row of {row[2]}"
                    for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
                ]
        except LedgerCorrupt as error:  # too damaged to be read to the end
            return [str(error)]
        return [line for line in found if line != "ok"]

    def copy_to(self, target: Path) -> None:
        """A consistent copy of the whole ledger in a new file, readable only by its owner.

        May run beside readers and a writer.  Raises :class:`LedgerError`, among
        others if ``target`` exists already.
        """
        self._file.still_there()
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise LedgerUnreadable(
                f"台账的副本 {target} 建不起来（{system_reason(error)}）：请检查磁盘和权限"
            ) from error
        try:
            with explaining(target):
                copy = sqlite3.connect(target)
                try:
                    original = self._connect_reader()
                    try:
                        original.backup(copy)
                    finally:
                        original.close()
                finally:
                    copy.close()
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def fold(self) -> None:
        """Fold the log into the file now, if that can be done; what is in the log is as safe."""
        with suppress(LedgerError), self._in_turn():
            self._file.still_there()
            with explaining(self.path):
                _driver_of(self._writing()).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While this lasts, nobody in this process writes, and so folds nothing in."""
        with self._in_turn():
            yield

    def close(self) -> None:
        """Give back every connection; SQLite then folds its log into the file."""
        self._reader.dispose()
        self._closed = True
        self._give_back()

    def abandon_log(self) -> None:
        """See :meth:`LedgerFile.abandon_log`."""
        self._file.abandon_log()

    def set_apart(self) -> None:
        """See :meth:`LedgerFile.set_apart`; nobody writes meanwhile."""
        with self._in_turn():
            self._file.set_apart()

    def _engine(self, connect: Callable[[], sqlite3.Connection], begin: str, **options: Any) -> Engine:
        # An error's text goes into logs: what was to be written (names, a lot just drawn) does not.
        engine = create_engine(
            "sqlite://", creator=connect, json_serializer=plain_json, hide_parameters=True, **options
        )

        def begin_transaction(connection: Connection) -> None:
            _driver_of(connection).execute(begin)

        event.listen(engine, "begin", begin_transaction)
        return engine

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: never create.  A path that vanished must not come back as an empty ledger.
        # isolation_level=None: the driver begins nothing by itself; our BEGIN decides.
        return sqlite3.connect(
            self.path.as_uri() + "?mode=rw",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            self._use_wal(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect_rebuilder(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = OFF")
        return connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to the write-ahead log, which stays switched on in the file.

        The switch itself does not wait while another program reads an empty file
        or switches it at the same moment; taking the whole file does.
        """
        for _ in range(10):
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("ROLLBACK")
                continue
            if mode == "wal":
                return
            raise LedgerUnreadable(
                f"台账 {self.path} 所在的磁盘不支持所需的日志方式（得到 {mode}）："
                "请放在本机磁盘上，不要放在网络共享里"
            )
        connection.execute("PRAGMA journal_mode = WAL")


def _changes_of(connection: Connection) -> int:
    """Rows changed since the driver's connection was opened."""
    return _driver_of(connection).total_changes


def _driver_of(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def in_a_file(storage: Storage) -> SqliteStorage:
    """The same.  Raises ``LedgerError`` for a ledger that is not kept in a file."""
    if not isinstance(storage, SqliteStorage):
        raise LedgerError(f"台账 {storage.place} 不是文件，不能这样处理：请用数据库自己的工具")
    return storage
