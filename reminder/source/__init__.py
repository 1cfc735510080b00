"""The one place that reads YAML: strictly, with the place of every node.

Only what a plan needs is accepted: mappings with text keys, lists and scalars.
Every scalar is text (``12:30``, ``NO`` and ``010`` stay what they are) except a
plain ``true`` or ``false``, which is a ``bool``, and an empty plain scalar,
which is ``None``.  Duplicate keys, anchors, aliases, tags, merge keys, several
documents and directives are refused.

The parser's *events* are read, and values built from them in
:mod:`~reminder.source.composer`.

Nothing here raises for what a file contains: faults are :class:`Problem` values
with texts in Simplified Chinese, and positions count from 1 in characters.
"""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reminder.decoding import decode_strictly
from reminder.errors import Position, Problem, system_reason
from reminder.source.composer import Composer, Halt, refuse_directives, syntax_problems
from reminder.source.places import MappingPlaces, Places, SequencePlaces, place_of, place_of_key, position_of

MAX_BYTES = 5 * 1024 * 1024

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What one YAML file says, and where it says it.

    ``value`` is built of ``dict``, ``list``, ``str``, ``bool`` and ``None`` (an
    empty file or an empty plain scalar).  ``problems`` are all of severity
    error; with ``broken`` set the file could not be read to its end and
    ``value`` is ``None``.
    """

    name: str
    value: Any
    problems: tuple[Problem, ...]
    sha256: str
    """Of the bytes as they stood in the file, in hexadecimal."""
    complete_mark: bool
    """Whether the last line that is not blank is ``...``."""
    broken: bool = False
    _root: Places | None = None

    def position(self, loc: Loc = ()) -> Position:
        """Where the value at ``loc`` stands: the deepest node that exists on that path.

        ``loc`` holds keys and list indexes.  Tags in angle brackets
        (``<every>``), which pydantic puts into its paths, are passed over.
        """
        node, _ = self._walk(loc)
        return self._at(node)

    def key_position(self, loc: Loc) -> Position:
        """Where the last key of ``loc`` stands; for list members and unknown keys, the value's place."""
        if loc and isinstance(loc[-1], str):
            parent, whole = self._walk(loc[:-1])
            if whole and isinstance(parent, MappingPlaces) and loc[-1] in parent.values:
                return position_of(self.name, place_of_key(parent.values[loc[-1]]))
        return self.position(loc)

    def _walk(self, loc: Loc) -> tuple[Places | None, bool]:
        """The deepest node on the path, and whether the whole path exists."""
        node = self._root
        for step in loc:
            inner: Places | None = None
            if isinstance(node, MappingPlaces) and isinstance(step, str):
                inner = node.values.get(step)
            elif isinstance(node, SequencePlaces) and isinstance(step, int) and 0 <= step < len(node.values):
                inner = node.values[step]
            if inner is not None:
                node = inner
            elif not (isinstance(step, str) and step.startswith("<") and step.endswith(">")):
                return node, False
        return node, True

    def _at(self, node: Places | None) -> Position:
        if node is None:
            return Position(self.name, 1, 1)
        return position_of(self.name, place_of(node))


def read_source(path: Path, *, name: str | None = None) -> Source:
    """Read one file.  ``name`` is how problems call it; default: the path as given.

    A file that is missing, unreadable, too large or not a regular file is a
    problem like any other.
    """
    shown = str(path) if name is None else name
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block the reader for ever
            return _unreadable(shown, b"", "不是普通文件", "请把它移出本文件夹")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return _unreadable(shown, b"", "文件不存在", "请检查文件名和所在文件夹")
    except PermissionError:
        return _unreadable(shown, b"", "没有读取权限", "请让运行本程序的账户可以读取该文件")
    except OSError as error:
        return _unreadable(shown, b"", f"文件读不出来（{system_reason(error)}）", "请检查磁盘和文件")
    return parse_source(data, shown)


def parse_source(data: bytes, name: str) -> Source:
    """Read the bytes of one file.  Never raises for what they contain."""
    if len(data) > MAX_BYTES:
        return _unreadable(name, data, f"文件超过 {MAX_BYTES // 1024 // 1024} MiB", "请拆成几个文件")
    text, problems, readable = decode_strictly(data, name)
    if not readable:
        return _broken(name, data, text, problems)
    try:
        refuse_directives(text)
        value, root = Composer(name, problems).build(text)
    except Halt as halt:
        problems.append(Problem(position_of(name, halt.place), "", halt.found, halt.allowed, halt.hint))
    except yaml.YAMLError as error:
        problems.extend(syntax_problems(error, text, name, {problem.position.line for problem in problems}))
    else:
        return Source(name, value, _sorted(problems), _digest(data), _ends_whole(text), _root=root)
    return _broken(name, data, text, problems)


def _unreadable(name: str, data: bytes, found: str, hint: str) -> Source:
    return _broken(name, data, "", [Problem(Position(name), "", found, "", hint)])


def _broken(name: str, data: bytes, text: str, problems: list[Problem]) -> Source:
    return Source(name, None, _sorted(problems), _digest(data), _ends_whole(text), broken=True)


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.sort_key))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _ends_whole(text: str) -> bool:
    return re.split(r"[\r\n]", text.rstrip()[-4:])[-1] == "..."
