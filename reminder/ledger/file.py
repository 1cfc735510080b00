"""The file under a ledger on SQLite, and the log beside it, which SQLite finds by name alone.

SQLite goes on writing to a file that was deleted underneath; therefore the path
is compared with the opened file before every transaction.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reminder.errors import system_reason
from reminder.ledger.errors import LedgerMissing, LedgerUnreadable, gone


class LedgerFile:
    """The file that was at a path when it was opened."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Raises :class:`LedgerMissing`, or :class:`LedgerUnreadable` for what cannot be made or is a folder."""
        self.path = path.absolute()
        self._provide(create=create)
        self._opened = _identity_of(self.path)
        self._log_opened: tuple[int, int] | None = None

    def still_there(self) -> None:
        """Raises :class:`LedgerGone` once the path leads to another file, or to none."""
        found = _identity_of(self.path)
        if found is None or found != self._opened:
            raise gone(self.path, replaced=found is not None)
        self._log_opened = _identity_of(log_of(self.path)) or self._log_opened

    def abandon_log(self) -> None:
        """Another file stands in this one's place: take this one's log out of its way.

        SQLite finds the log by name.  Left there, it would be played onto the
        new file, and the mixture would be neither ledger.  It is kept beside it
        (``….lost``), for whoever wants to put the two together again.
        """
        found = _identity_of(self.path)
        if found is None or found == self._opened:
            return
        log = log_of(self.path)
        if self._log_opened is not None and _identity_of(log) == self._log_opened:
            with _explaining_os(log):
                self._set_log_aside()
            self._log_opened = None

    def set_apart(self) -> None:
        """The file was overwritten under its log: give what was put there a file of its own.

        Afterwards the path leads to another file than the one that is open, with
        the bytes that stand there now and no log.  Nothing more is written to
        the open one.
        """
        scratch = self.path.with_name(f".{self.path.name}.apart")
        with _explaining_os(self.path):
            scratch.unlink(missing_ok=True)
            try:
                with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb") as copy:
                    with self.path.open("rb") as there:
                        shutil.copyfileobj(there, copy)
                    copy.flush()
                    os.fsync(copy.fileno())
                # In this order: never the new file beside the old log.
                self._set_log_aside()
                scratch.replace(self.path)
            finally:
                scratch.unlink(missing_ok=True)

    def _set_log_aside(self) -> None:
        log = log_of(self.path)
        if log.exists():
            log.replace(free(log.with_name(f"{log.name}.lost")))
        self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)

    def _provide(self, *, create: bool) -> None:
        path = self.path
        if path.is_dir():
            raise LedgerUnreadable(f"{path} 是目录，不是台账文件：请写明文件名，如 {path / 'ledger.sqlite'}")
        if not path.exists():
            if not create:
                raise LedgerMissing(f"没有台账 {path}：请先用 reminder run 启动一次，或核对数据目录")
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # The log and the index of the log get the mode of the file.
                with suppress(FileExistsError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            except OSError as error:
                raise LedgerUnreadable(
                    f"台账 {path} 建不起来（{system_reason(error)}）："
                    "请检查目录是否存在、磁盘是否已满、有无写入权限"
                ) from error
        # A copy put back by hand may be open to all; it names people and addresses.
        with suppress(OSError):
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)


@contextmanager
def _explaining_os(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerUnreadable(
            f"台账 {path} 读写出错（{system_reason(error)}）：请检查磁盘空间和权限，之后会自动继续"
        ) from error


def log_of(path: Path) -> Path:
    """The write-ahead log that SQLite keeps beside a file."""
    return path.with_name(f"{path.name}-wal")


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def free(path: Path, ending: str = "") -> Path:
    """The path, or the first with a number before its ending that is not there."""
    number, candidate = 2, path
    while candidate.exists():
        candidate = path.with_name(f"{path.name.removesuffix(ending)}-{number}{ending}")
        number += 1
    return candidate
