"""What can go wrong with a backup, said to the person who must act."""

from __future__ import annotations

from pathlib import Path

from reminder.errors import ReminderError


class BackupError(ReminderError):
    """A backup that cannot be made or restored; nothing was changed."""


class BackupDamaged(BackupError):
    """The file is no backup, or no longer the one that was written."""


def damaged(path: Path, why: str) -> BackupDamaged:
    """``why`` says what was found, for whoever looks into it."""
    return BackupDamaged(
        f"{path} 不是完整的备份文件（{why}），没有恢复任何内容："
        "可能没有传完、被改动过或拿错了文件；请重新复制，或换用另一份备份"
    )
