"""Which shape a ledger file has, and how it comes to the shape this version needs.

An empty file gets the tables at once and is stamped with the newest revision;
an older one is copied and then migrated forward; a newer one is refused.
Alembic costs 11 MB, so it is imported only when there is something to migrate.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    insert,
    inspect,
    select,
)

from reminder.ledger import parts, work_schema
from reminder.ledger.errors import (
    LedgerError,
    LedgerKindError,
    LedgerMissing,
    LedgerSchemaError,
    LedgerUnfinished,
    not_a_ledger,
)
from reminder.ledger.records import LedgerKind
from reminder.ledger.standing import birth, complete
from reminder.ledger.storage import Storage
from reminder.ledger.tables import ledger_info, metadata

HEAD = "0008"
"""The revision that ``metadata`` stands for; a test compares it with the scripts."""
SERVING, SERVES = "serves", "0006"
"""The oldest revision whose program can work on this one: nodes are brought up to date one after the other."""
MOVING = "moving"
"""Stands in a ledger that is being filled from another one, until that is done and proven."""
MIGRATIONS = Path(__file__).parent / "migrations"

# Alembic's own table, as Alembic itself would make it.
_stamp = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

_KINDS = {
    LedgerKind.DAEMON: ("正式台账", "reminder run 及其数据目录"),
    LedgerKind.SIMULATION: ("模拟台账", "reminder simulate"),
}


def prepare(
    storage: Storage, *, kind: LedgerKind | None, now: datetime, create: bool, upgrade: bool = True
) -> tuple[LedgerKind, datetime]:
    """Bring the ledger to the shape of this version; say its kind and when it was made (UTC).

    Without ``upgrade`` nothing is made or migrated; a newer shape is taken as it
    is then if it says that this version can work on it.

    Raises :class:`LedgerKindError` for the other kind, :class:`LedgerMissing`
    for an empty file that may not be filled, :class:`LedgerSchemaError` for a
    newer shape, :class:`LedgerCorrupt` for a database that is not a ledger.
    """
    with storage.read() as connection:
        empty = not tables_in(connection)
    if empty:
        if not upgrade:
            raise LedgerMissing(
                f"数据库 {storage.place} 中还没有台账：请先执行 reminder migrate，或核对 REMINDER_DATABASE_URL"
            )
        if not create or kind is None:
            raise LedgerMissing(
                f"{storage.place} 是空文件，还没有台账：请先用 reminder run 启动一次，或核对数据目录"
            )
        with storage.make() as connection:
            # Another program may have been first while this one waited for the lock.
            if not tables_in(connection):
                make(storage, connection, kind, now)
    with storage.read() as connection:
        revision, found, created = describe(connection, storage.place)
    if kind is not None and found is not kind:
        name, command = _KINDS[found]
        raise LedgerKindError(
            f"{storage.place} 是{name}，只供 {command} 使用；此处要的是{_KINDS[kind][0]}："
            "请换一个数据目录（--data）"
        )
    if revision != HEAD and not _serves(storage):
        if not upgrade and revision < HEAD:
            raise LedgerSchemaError(
                f"台账 {storage.place} 的结构版本是 {revision}，本程序需要 {HEAD}：请执行 reminder migrate"
            )
        _migrate(storage, revision, now)
    if kind is not None and upgrade:
        complete(storage)
        work_schema.follow(storage)
    return found, created


def tables_in(connection: Connection) -> set[str]:
    """The names of every table there is, whosever they are; parts of one are not counted."""
    return {name for name in inspect(connection).get_table_names() if not parts.is_part(name)}


def make(storage: Storage, connection: Connection, kind: LedgerKind, now: datetime) -> None:
    """Make all tables in an empty database, in a transaction of :meth:`Storage.make`."""
    _create(connection, kind, now)
    say_whom_it_serves(storage, connection)


def _create(connection: Connection, kind: LedgerKind, now: datetime) -> None:
    if now.utcoffset() is None:
        raise ValueError(f"the ledger takes only aware datetimes, not {now!r}")
    metadata.create_all(connection)
    parts.divide(connection)
    _stamp.create(connection)
    work_schema.make(connection)
    connection.execute(_stamp.insert(), {"version_num": HEAD})
    created = now.astimezone(UTC).isoformat(timespec="seconds")
    connection.execute(
        ledger_info.insert(),
        [
            {"key": "kind", "value": kind.value},
            {"key": "created", "value": created},
            *birth(),
        ],
    )


def say_whom_it_serves(storage: Storage, connection: Connection) -> None:
    """Where several programs share a ledger, it says how old they may be."""
    if not storage.upgrades_itself:
        connection.execute(delete(ledger_info).where(ledger_info.c.key == SERVING))
        connection.execute(insert(ledger_info), {"key": SERVING, "value": SERVES})


def _serves(storage: Storage) -> bool:
    """Whether a shape that this version does not know says that this version can work on it."""
    if storage.upgrades_itself:
        return False
    with storage.read() as connection:
        found = connection.execute(select(ledger_info.c.value).where(ledger_info.c.key == SERVING)).scalar()
        revision = connection.execute(select(_stamp.c.version_num)).scalar()
    return found is not None and found <= HEAD < str(revision)


def revision_of(connection: Connection) -> str:
    """The shape of a ledger that has tables."""
    return str(connection.execute(select(_stamp.c.version_num)).scalar())


def describe(connection: Connection, place: str) -> tuple[str, LedgerKind, datetime]:
    """Revision, kind and making (UTC) of a ledger of any age.

    Raises ``LedgerCorrupt`` if it is none, ``LedgerUnfinished`` if it was not filled to its end.
    """
    if not {"alembic_version", "ledger_info"} <= tables_in(connection):
        raise not_a_ledger(place)
    revision = revision_of(connection)
    info = {row.key: row.value for row in connection.execute(select(ledger_info))}
    if MOVING in info:
        raise LedgerUnfinished(
            f"台账 {place} 是迁移来的，迁移还没有完成，不能使用：请重新执行 reminder migrate --from 旧台账 --to 此数据库；"
            "若不再迁移，请把 REMINDER_DATABASE_URL 改回旧台账，旧台账未变"
        )
    try:
        return revision, LedgerKind(info["kind"]), datetime.fromisoformat(info["created"])
    except (KeyError, ValueError) as error:
        raise not_a_ledger(place) from error


def _migrate(storage: Storage, revision: str, now: datetime) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    # Alembic reads its options with ConfigParser, for which a percent sign is syntax.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    try:
        scripts.get_revision(revision)
    except CommandError as error:
        raise LedgerSchemaError(
            f"台账 {storage.place} 由更新的版本写成（结构版本 {revision}，本程序只认到 {HEAD}）："
            "请改用新版本的程序，或恢复升级前留下的副本；台账未作任何改动"
        ) from error
    with storage.rebuild() as connection:
        # Inside the write lock: nothing can be recorded between the copy and the change.
        if connection.execute(select(_stamp.c.version_num)).scalar() == HEAD:
            return
        kept = storage.keep(revision, now)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
            work_schema.make(connection)
            say_whom_it_serves(storage, connection)
        except LedgerError:
            raise
        except Exception as error:
            raise LedgerSchemaError(
                f"台账 {storage.place} 从结构版本 {revision} 升到 {HEAD} 时出错（{error}），"
                f"已全部撤回，台账未变；{kept}"
            ) from error
