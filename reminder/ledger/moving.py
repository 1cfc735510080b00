"""A whole ledger from its file into PostgreSQL, and the proof that nothing was lost.

Three commits, so that whoever pulls the plug finds one ledger that may be sent
from, or none, and never two:

1. the database: all tables and rows, read back and compared, with a marker by
   which every command refuses it;
2. the file: a hold, because it is an old ledger from now on;
3. the database: an identity of its own that names the file's as the one before,
   and the marker gone.

Ended before the second, the file is as good as ever and the move is begun anew;
ended before the third, the next call has only to look once more and to finish.
Nobody can write to the file meanwhile: its write lock is held from the first
look to the hold.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from reminder.errors import system_reason
from reminder.ledger import register, schema, standing
from reminder.ledger.address import file_of, is_postgres
from reminder.ledger.errors import (
    LedgerAddressError,
    LedgerCorrupt,
    LedgerError,
    LedgerKindError,
    LedgerNotEmpty,
    LedgerSchemaError,
    LedgerUnreadable,
)
from reminder.ledger.holds import Hold, HoldReason, Standing
from reminder.ledger.pouring import empty_all, pour
from reminder.ledger.proving import Content, contents
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.storage_postgres import PostgresStorage
from reminder.ledger.storage_sqlite import SqliteStorage
from reminder.ledger.tables import ledger_info, metadata, notes

MOVED = "ledger-moved"
"""Kind of the note, in both ledgers, that says where from, where to, and what was counted."""
AUTHOR = "migrate"

Judge = Callable[[Standing], HoldReason | None]
"""What is wrong with a ledger beside what it says of itself: its mark is kept elsewhere."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One table in the old ledger and in the new one."""

    table: str
    old: Content
    new: Content

    @property
    def equal(self) -> bool:
        """Whether both hold the same."""
        return self.old == self.new


@dataclass(frozen=True, slots=True)
class Moved:
    """A move that is done.

    ``hold``: why the new ledger may not be sent from, as the old one might not.
    ``resumed``: the rows were there from an earlier call.  ``created`` in UTC.
    """

    source: Path
    place: str
    tables: tuple[Compared, ...]
    hold: Hold | None
    resumed: bool
    created: datetime


class LedgersDiffer(LedgerError):
    """What was read back is not what was written, or not what it was then (``later``)."""

    def __init__(self, tables: tuple[Compared, ...], path: Path, place: str, *, later: bool = False) -> None:
        self.tables = tables
        found = "、".join(
            f"{each.table}（旧 {each.old.rows} 行，新 {each.new.rows} 行）"
            for each in tables
            if not each.equal
        )
        super().__init__(
            f"数据库 {place} 中的内容在上次迁移中断之后被改动：{found}。没有完成迁移，两边都不发送："
            f"请对旧台账 {path} 执行 reminder resume 继续使用，或另建一个空的数据库再迁移"
            if later
            else f"迁移后核对不符：{found}。已全部撤回，旧台账 {path} 未变，可照常使用；"
            f"请检查数据库 {place} 中有无触发器或其他程序改动数据，再重新执行"
        )


@dataclass(frozen=True, slots=True)
class _Begun:
    """The marker: which ledger was poured in, what it held, and why it was not to be sent from."""

    identity: str
    created: str
    tables: dict[str, Content]
    hold: Hold | None


def move_up(source: str | Path, target: str, now: datetime, judge: Judge) -> Moved:
    """Move the ledger of the file ``source`` into the database ``target``, and hold the file.

    The caller has made sure that no daemon runs on it.  ``judge`` is asked
    unless the ledger is on hold by itself; what it says holds the new one.
    Raises :class:`LedgersDiffer`, ``LedgerNotEmpty`` for a target with a ledger in it,
    and the other kinds of ``LedgerError``; the old ledger is then as it was.
    """
    if not is_postgres(target):
        raise LedgerAddressError("台账只能迁移到 PostgreSQL：--to 应为 postgresql://用户@主机:端口/数据库")
    old = SqliteStorage(file_of(source), create=False, on_change=standing.count)
    try:
        new = PostgresStorage(target)
        try:
            return _Move(old, new, now, judge).carry_out()
        finally:
            new.close()
    finally:
        old.close()


@dataclass
class _Move:
    old: SqliteStorage
    new: PostgresStorage
    now: datetime
    judge: Judge

    def carry_out(self) -> Moved:
        with self.old.read() as connection:
            revision, created = self._acceptable(connection)
        with self.old.write() as held:
            found = standing.standing(held)
            last = standing.last_record(held) or created
            resumed = found.hold is not None and found.hold.reason is HoldReason.SUCCEEDED
            if resumed:
                tables, hold = self._look_again(held, found, created)
            else:
                hold = found.hold or self._judged(found, last)
                tables = self._carry(found, hold, revision, created)
                self._supersede(held, found, last, tables)
        # What is in the log is as safe; but an old program may look at the file alone.
        self.old.fold()
        hold = self._finish(tables, hold)
        return Moved(self.old.path, self.new.place, tables, hold, resumed, created)

    # -- looking ------------------------------------------------------------

    def _acceptable(self, connection: Connection) -> tuple[str, datetime]:
        path = self.old.path
        revision, kind, created = schema.describe(connection, str(path))
        if kind is not LedgerKind.DAEMON:
            raise LedgerKindError(f"{path} 是模拟台账，不能迁移成正式台账：请用 --from 指明守护进程的台账")
        if revision > schema.HEAD:
            raise LedgerSchemaError(
                f"台账 {path} 由更新的版本写成（结构版本 {revision}，本程序只认到 {schema.HEAD}）："
                "请改用新版本的程序；未作任何改动"
            )
        return revision, created

    def _judged(self, found: Standing, last: datetime) -> Hold | None:
        reason = self.judge(found)
        return Hold(reason, self.now, last) if reason is not None else None

    def _begun(self, connection: Connection) -> _Begun | None:
        """The move that was begun in the target; None if it is empty.  Raises ``LedgerNotEmpty``."""
        there = schema.tables_in(connection)
        ours = {*metadata.tables, "alembic_version"}
        if not there:
            return None
        if not ours <= there:
            raise self._occupied("中台账的表不全" if there & ours else "中已有别的程序的表")
        if (revision := schema.revision_of(connection)) != schema.HEAD:
            raise self._occupied(f"中台账的结构版本是 {revision}，本程序的是 {schema.HEAD}")
        info = {row.key: row.value for row in connection.execute(select(ledger_info))}
        if schema.MOVING in info:
            value = json.loads(info[schema.MOVING])
            tables = {name: Content(**each) for name, each in value["tables"].items()}
            hold = standing.hold_from_text(value["hold"])
            return _Begun(value["identity"], value["created"], tables, hold)
        for table in metadata.sorted_tables:
            if table is not ledger_info and connection.execute(select(table).limit(1)).first() is not None:
                raise self._occupied("中已有台账")
        return None

    def _occupied(self, found: str) -> LedgerNotEmpty:
        return LedgerNotEmpty(
            f"数据库 {self.new.place} {found}，没有写入任何内容：请另建一个空的数据库再迁移；旧台账未变"
        )

    # -- 1: the rows --------------------------------------------------------

    def _carry(
        self, found: Standing, hold: Hold | None, revision: str, created: datetime
    ) -> tuple[Compared, ...]:
        """Everything in the database, proven and committed, with the marker."""
        with self.new.read() as connection:  # before what takes its time
            self._whose(self._begun(connection), found, created)
        if faults := self.old.faults():
            raise LedgerCorrupt(
                f"旧台账 {self.old.path} 没有通过完整性检查（{faults[0]}），没有迁移："
                "请先执行 reminder doctor，必要时恢复最近的备份"
            )
        with (
            self._readable(found, revision) as source,
            source.read() as reading,
            self.new.rebuild() as writing,
        ):
            # Between two statements a table of the old ledger is read.
            writing.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            if not schema.tables_in(writing):
                schema.make(self.new, writing, LedgerKind.DAEMON, created)
            self._whose(self._begun(writing), found, created)
            empty_all(writing)
            pour(reading, writing, self.new.place)
            tables = _compared(contents(reading), contents(writing))
            if not all(each.equal for each in tables):
                raise LedgersDiffer(tables, self.old.path, self.new.place)
            schema.say_whom_it_serves(self.new, writing)
            marker = {
                "identity": found.identity,
                "created": created.isoformat(),
                "tables": {each.table: asdict(each.new) for each in tables},
                "hold": standing.hold_to_text(hold) if hold is not None else None,
            }
            writing.execute(insert(ledger_info), {"key": schema.MOVING, "value": json.dumps(marker)})
        return tables

    def _whose(self, begun: _Begun | None, found: Standing, created: datetime) -> None:
        """What was begun there was begun with this ledger: then it is begun anew."""
        names = (found.identity, found.previous) if found.previous else (found.identity,)
        if begun is not None and (begun.identity not in names or begun.created != created.isoformat()):
            raise self._occupied("中有另一份台账未完成的迁移")

    @contextmanager
    def _readable(self, found: Standing, revision: str) -> Iterator[SqliteStorage]:
        """The old ledger in the shape of this version: itself, or a copy that was brought up to it."""
        if revision == schema.HEAD and found.identity:
            yield self.old
            return
        folder = self.old.path.with_name(f".{self.old.path.name}.moving")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise LedgerUnreadable(
                f"旧台账的副本 {folder} 建不起来（{system_reason(error)}）：请检查磁盘和权限；旧台账未变"
            ) from error
        try:
            self.old.copy_to(folder / "ledger.sqlite3")
            copy = SqliteStorage(folder / "ledger.sqlite3", create=False)
            try:
                schema.prepare(copy, kind=LedgerKind.DAEMON, now=self.now, create=False)
                yield copy
            finally:
                copy.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # -- 2: the old ledger --------------------------------------------------

    def _supersede(
        self, held: Connection, found: Standing, last: datetime, tables: tuple[Compared, ...]
    ) -> None:
        since = min(last, found.hold.since) if found.hold is not None else last
        self._note(held, tables)
        standing.put_on_hold_anew(held, Hold(HoldReason.SUCCEEDED, self.now, since))

    def _look_again(
        self, held: Connection, found: Standing, created: datetime
    ) -> tuple[tuple[Compared, ...], Hold | None]:
        """The file is on hold already: the database must hold what the marker says, and be unfinished."""
        with self.new.read() as connection:
            begun = None
            with suppress(LedgerNotEmpty):
                begun = self._begun(connection)
            if begun is None or (begun.identity, begun.created) != (found.identity, created.isoformat()):
                raise LedgerNotEmpty(
                    f"旧台账 {self.old.path} 已经迁移到 {_where(held)}，不能再迁移："
                    "请把 REMINDER_DATABASE_URL 指向那里；若那里的已经没有了，"
                    "请先对旧台账执行 reminder resume，确认此后发过什么，再迁移"
                )
            tables = _compared(begun.tables, contents(connection))
        if not all(each.equal for each in tables):
            raise LedgersDiffer(tables, self.old.path, self.new.place, later=True)
        return tables, begun.hold

    # -- 3: the new ledger --------------------------------------------------

    def _finish(self, tables: tuple[Compared, ...], hold: Hold | None) -> Hold | None:
        with self.new.write() as connection:
            found = standing.standing(connection)
            connection.execute(delete(ledger_info).where(ledger_info.c.key == schema.MOVING))
            # As when a person lets a ledger go on: marks that know the one before know this one.
            standing.succeed(connection, found.identity)
            if hold is not None:
                standing.put_on_hold(connection, hold)
            self._note(connection, tables)
            return standing.standing(connection).hold

    def _note(self, connection: Connection, tables: tuple[Compared, ...]) -> None:
        detail: dict[str, Any] = {
            "from": str(self.old.path),
            "to": self.new.place,
            "tables": {each.table: asdict(each.new) for each in tables},
        }
        for plan in register.plan_ids(connection):
            register.note(connection, plan, Note(MOVED, self.now, AUTHOR, detail))


def _compared(old: Mapping[str, Content], new: Mapping[str, Content]) -> tuple[Compared, ...]:
    return tuple(Compared(name, old[name], new[name]) for name in new)


def _where(connection: Connection) -> str:
    """Where a ledger was moved to, as its own note says."""
    query = select(notes.c.detail).where(notes.c.kind == MOVED).order_by(notes.c.id.desc()).limit(1)
    detail = connection.execute(query).scalar()
    return str(detail["to"]) if detail else "数据库"
