"""What can go wrong with the ledger, said to the person who must act.

SQLite's own result codes (https://www.sqlite.org/rescode.html) are sorted into
a handful of cases that differ in what has to be done: free the disk, stop the
other program, give the right back, restore a backup.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from reminder.errors import ReminderError, UsageError


class LedgerError(ReminderError):
    """The ledger cannot be read or written; nothing of the transaction was kept."""


class LedgerMissing(LedgerError):
    """There is no ledger, and this command does not create one."""


class LedgerGone(LedgerError):
    """The opened file was deleted or replaced underneath: what is written now would be lost."""


class LedgerKindError(UsageError, LedgerError):
    """A ledger of the other kind (daemon, simulation)."""


class LedgerAddressError(UsageError, LedgerError):
    """A database address that this version cannot use."""


class LedgerSchemaError(LedgerError):
    """Written by a newer version, or a migration that failed and was rolled back."""


class LedgerUnfinished(LedgerError):
    """A ledger that is being filled from another one, or was left in the middle of it."""


class LedgerNotEmpty(UsageError, LedgerError):
    """Where a ledger is to be moved to, there is something already."""


class LedgerCorrupt(LedgerError):
    """Not a ledger, or a damaged one."""


class LedgerFull(LedgerError):
    """No room left to record anything."""


class LedgerLocked(LedgerError):
    """Another program held the file for the whole of the waiting time."""


class LedgerReadOnly(LedgerError):
    """The file may be read but not written."""


class LedgerUnreadable(LedgerError):
    """The operating system refused to open, read or write the file."""


class LedgerUnreachable(LedgerError):
    """The database does not answer, does not let us in, or the connection was lost; nothing was kept."""


class LedgerUnsure(LedgerError):
    """The connection was lost in the commit, and nobody can say yet whether it was made."""


class LedgerConflict(LedgerError):
    """A constraint of the ledger refused a row; nothing of it was kept."""


class AlreadySettled(LedgerError):
    """Alarms that somebody recorded first; ``keys`` names them, sorted."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = tuple(sorted(keys))
        super().__init__("台账中已有这些提醒的记录，本次一条也没有写入：" + "、".join(self.keys))


class FactsChanged(LedgerError):
    """Somebody recorded something since the decision was made; nothing was written, decide anew."""

    def __init__(self) -> None:
        super().__init__("作出决定之后情况有变，本次一条也没有写入，将重新判断")


class PlanReplaced(LedgerError):
    """Another node put a new plan into force since; nothing was written."""

    def __init__(self) -> None:
        super().__init__("其他节点刚启用了另一份计划，本次一条也没有写入")


class PlanOutdated(LedgerError):
    """A plan that was replaced before would come back by itself; nothing was written."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"这份计划（校验码 {digest[:12]}）是以前用过、已被替换的旧计划，不会自动重新启用："
            "请把计划文件夹更新为现行的一份；确要改回这一份，请执行 reminder plan adopt --by 姓名"
        )


class PlanPublished(PlanOutdated):
    """The plan is published in the ledger, and this is another one; nothing was written."""

    def __init__(self, digest: str, number: int) -> None:
        LedgerError.__init__(
            self,
            f"现行计划由台账发布（第 {number} 版），本节点文件夹里的计划（校验码 {digest[:12]}）不是它，没有启用："
            "请给本节点设置 REMINDER_PLAN_FROM=ledger，或用 reminder plan push 发布文件夹里的这一份",
        )


class PublishedMeanwhile(LedgerError):
    """Another version is in force than the one that was started from; nothing was written."""

    def __init__(self, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"现行的是第 {found} 版，不是第 {expected} 版：有人在此期间发布或退回过，本次没有写入。"
            "请用 reminder plan versions 查看，把别人的改动并进来，再发布"
        )


def not_a_ledger(path: Path | str) -> LedgerCorrupt:
    """The file is a database, but not one of ours, or not a database at all."""
    if str(path).startswith("postgresql://"):
        return LedgerCorrupt(
            f"数据库 {path} 中有别的表，不是台账，或台账已损坏：没有作任何改动。"
            "请核对 REMINDER_DATABASE_URL；台账要有自己的数据库"
        )
    return LedgerCorrupt(
        f"{path} 不是台账，或已损坏：请先停用本程序并另存此文件，再用最近的备份恢复；"
        "若放错了文件，请换一个数据目录"
    )


def gone(path: Path, *, replaced: bool) -> LedgerGone:
    """What to do when the file under an open ledger is no longer the same."""
    found = "被换成了另一个文件" if replaced else "不见了（被删除或移走）"
    return LedgerGone(
        f"台账文件 {path} {found}，已停止发送，免得发了却记不下来：请放回原文件或恢复备份，再重新启动"
    )


def conflict(error: BaseException | str | None) -> LedgerConflict:
    """A constraint refused a row."""
    return LedgerConflict(f"台账拒绝了一条与已有记录相抵触的记录，本次一条也没有写入（{error}）")


def explained(error: sqlite3.Error, path: Path) -> LedgerError:
    """The same trouble in words for the person who must act."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return not_a_ledger(path)
    if primary == sqlite3.SQLITE_FULL:
        return LedgerFull(f"磁盘已满，台账 {path} 写不进去，本次一条也没有记：请清理磁盘，之后会自动继续")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerLocked(
            f"台账 {path} 一直被另一个程序占用："
            "请关闭正打开它的程序（数据库工具、备份、另一个 reminder），之后会自动继续"
        )
    if primary == sqlite3.SQLITE_READONLY:
        return LedgerReadOnly(
            f"台账 {path} 只能读，不能写：请检查文件、所在目录的权限，以及磁盘是否以只读方式挂载"
        )
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return LedgerUnreadable(
            f"台账 {path} 打不开或读写出错（{error}）：请检查磁盘、所在目录是否存在，以及权限"
        )
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return conflict(error)
    return LedgerError(
        f"台账 {path} 读写出错，本次一条也没有写入（{error}）：请运行 reminder doctor 查明原因"
    )


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what the driver raises inside into a :class:`LedgerError`.

    A value that a column refuses (a naive datetime) is the caller's mistake and
    comes out as the ``ValueError`` or ``TypeError`` it is.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error, path) from error
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise explained(error.orig, path) from error
        if isinstance(error, IntegrityError):
            raise conflict(error.orig) from error
        raise LedgerError(f"台账读写出错，本次一条也没有写入（{error.orig}）") from error
    except StatementError as error:
        if isinstance(error.orig, (ValueError, TypeError)):
            raise error.orig from error
        raise
