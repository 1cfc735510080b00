"""Errors that classify themselves, and problems that say where and what to do.

Two kinds of trouble leave this package:

* a :class:`Problem` is one fault in something a person wrote (plan, directory,
  channels, calendar file, template).  Problems are collected and shown all at
  once; they are values, not exceptions.
* a :class:`ReminderError` is raised.  Its text is for the person who must act,
  in Simplified Chinese, and is shown as it stands: never with a stack trace.
"""

from __future__ import annotations

import enum
import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


class Severity(enum.StrEnum):
    """How much a problem matters to the person who wrote the file."""

    ERROR = "error"
    """The file cannot be accepted; the plan in force stays."""
    WARNING = "warning"
    """Legal, but surely unwanted."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; ``line`` and ``column`` count from 1, 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault, warning or notice about something a person wrote.

    ``path`` is the dotted path of the field (``items[3].when.due``), ``found``
    what stands there, ``allowed`` what may stand there, ``hint`` the remedy
    (usually the nearest allowed word).  All but ``found`` may be empty.
    ``passing``: it may be gone at the next look although nobody changes a file.
    """

    position: Position
    path: str
    found: str
    allowed: str = ""
    hint: str = ""
    severity: Severity = Severity.ERROR
    passing: bool = False

    def __str__(self) -> str:
        head = f"{self.position}: "
        if self.path:
            head += f"{self.path}: "
        return head + "；".join(part for part in (self.found, self.allowed, self.hint) if part)

    @property
    def sort_key(self) -> tuple[Position, str, str]:
        """Order of a report: by file, line, column, then path and text."""
        return (self.position, self.path, self.found)


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Only those problems that keep a plan from being accepted."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


class ReminderError(Exception):
    """Base of everything this package raises on purpose.

    ``str(error)`` is one clear Chinese text for the person who must act.
    ``exit_code`` is what the command line ends with: 1 for problems in what the
    user wrote, 2 for wrong use.
    """

    exit_code: int = 1


class UsageError(ReminderError):
    """The command was called in a way that cannot work."""

    exit_code = 2


@dataclass
class PlanProblems(ReminderError):
    """A plan, directory, channel or calendar file that cannot be accepted."""

    problems: Sequence[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


_REASONS = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.ENOTDIR: "路径中有一段不是文件夹",
    errno.EISDIR: "这是文件夹，不是文件",
    errno.EEXIST: "已有同名文件",
    errno.EACCES: "没有权限",
    errno.EPERM: "不允许此操作",
    errno.EROFS: "所在磁盘只读",
    errno.ENOSPC: "磁盘已满",
    errno.EDQUOT: "超出磁盘配额",
    errno.EIO: "磁盘读写出错",
    errno.ENAMETOOLONG: "名称太长",
    errno.ELOOP: "符号链接循环",
    errno.EMFILE: "打开的文件过多",
    errno.ECONNREFUSED: "对方拒绝连接",
    errno.ECONNRESET: "对方中断了连接",
    errno.EPIPE: "对方中断了连接",
    errno.EHOSTUNREACH: "没有通往对方的路由",
    errno.ENETUNREACH: "网络不通",
    errno.ETIMEDOUT: "对方没有应答",
}


def system_reason(error: OSError) -> str:
    """Why the system refused, in Chinese; a reason not listed here in the system's own words."""
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__
