"""One process at a time has the data folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from reminder.errors import ReminderError, UsageError, system_reason


class DataFolderLock:
    """One daemon per data folder; the lock goes with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises ``UsageError`` when another process holds the folder, ``ReminderError`` if it cannot tell."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise ReminderError(
                f"打不开 {self._path}（{system_reason(error)}）：请检查数据目录的权限"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "未知"
            file.close()
            raise UsageError(
                f"数据目录 {self._path.parent} 已有守护进程在运行（进程号 {holder}）；"
                "一个数据目录只能运行一个，请先停止它，或用 --data 指定另一个目录"
            ) from None
        # On a full disk the lock holds all the same; only nobody can say who has it.
        with contextlib.suppress(OSError):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        self._file = file

    def release(self) -> None:
        """Give the folder back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
