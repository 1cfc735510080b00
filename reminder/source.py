"""The one place that reads YAML: strictly, with the place of every node.

Only what a plan needs is accepted: mappings with text keys, lists and scalars.
Every scalar is text (``12:30``, ``NO`` and ``010`` stay what they are) except a
plain ``true`` or ``false``, which is a ``bool``, and an empty plain scalar,
which is ``None``.  Duplicate keys, anchors, aliases, tags, merge keys, several
documents and directives are refused.

The parser's *events* are read and values built from them here, because
PyYAML's composer recurses (its C form dies on 100,000 brackets) and its
constructor guesses types.  Bounds on size, nodes and depth are met before
anything is built, so a bomb costs no more than a large honest file.

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

from reminder.decoding import decode_strictly, line_and_column
from reminder.errors import Position, Problem, system_reason
from reminder.slips import explain_syntax, slip_in_key, slips_in

MAX_BYTES = 5 * 1024 * 1024
MAX_NODES = 400_000
"""Keys and scalars; a list or mapping counts as three, which is what it costs."""
MAX_DEPTH = 50
MAX_PROBLEMS = 200
"""A file with more is not a plan with slips but another kind of file."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Used as an event parser only; without libyaml the pure parser gives the same events, slower."""

_CONTROL_OR_SURROGATE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FIRST_LINE = re.compile(r"(?:\A|[\r\n])(%|[ \t]*[^\s#])")
"""A directive, or the first line that is neither blank nor a comment."""
_MORE = re.compile(r"(?:\A|[\r\n])[ \t]*(?!\.\.\.[ \t]*(?:[\r\n]|\Z))([^\s#])")
"""A line that is not blank, a comment or another end mark."""
_PLAIN_KEY = re.compile(r"\w[\w.-]*")
"""Keys that need no second look."""
_PLAIN_WORDS: dict[str, bool | None] = {"true": True, "false": False, "": None}
_SHIFT = 24  # lines and columns stay below 2**24 because files stay below 5 MiB
_PLACE_BITS = 2 * _SHIFT
_PLACE_MASK = (1 << _PLACE_BITS) - 1

Loc = tuple[str | int, ...]


class _Halt(Exception):
    """Reading cannot go on; carries what to say and where (packed place)."""

    def __init__(self, place: int, found: str, allowed: str = "", hint: str = "") -> None:
        super().__init__(found)
        self.place, self.found, self.allowed, self.hint = place, found, allowed, hint


class _Mapping:
    """Places of a mapping: its own, that of its key, and those of its values.

    A scalar value is one packed integer: its place, and above it its key's.
    One dictionary a mapping instead of two keeps a bomb of keys small.
    """

    __slots__ = ("key_place", "place", "values")

    def __init__(self, place: int, key_place: int) -> None:
        self.place = place
        self.key_place = key_place
        self.values: dict[str, _Node] = {}


class _Sequence:
    """Places of a list: its own, that of its key, and those of its members."""

    __slots__ = ("key_place", "place", "values")

    def __init__(self, place: int, key_place: int) -> None:
        self.place = place
        self.key_place = key_place
        self.values: list[_Node] = []


_Node = int | _Mapping | _Sequence


def _own_place(node: _Node) -> int:
    return node & _PLACE_MASK if isinstance(node, int) else node.place


def _key_place(node: _Node) -> int:
    return node >> _PLACE_BITS if isinstance(node, int) else node.key_place


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
    _root: _Node | None = None

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
            if whole and isinstance(parent, _Mapping) and loc[-1] in parent.values:
                return _position(self.name, _key_place(parent.values[loc[-1]]))
        return self.position(loc)

    def _walk(self, loc: Loc) -> tuple[_Node | None, bool]:
        """The deepest node on the path, and whether the whole path exists."""
        node = self._root
        for step in loc:
            inner: _Node | None = None
            if isinstance(node, _Mapping) and isinstance(step, str):
                inner = node.values.get(step)
            elif isinstance(node, _Sequence) and isinstance(step, int) and 0 <= step < len(node.values):
                inner = node.values[step]
            if inner is not None:
                node = inner
            elif not (isinstance(step, str) and step.startswith("<") and step.endswith(">")):
                return node, False
        return node, True

    def _at(self, node: _Node | None) -> Position:
        if node is None:
            return Position(self.name, 1, 1)
        return _position(self.name, _own_place(node))


def _position(name: str, place: int) -> Position:
    return Position(name, (place >> _SHIFT) + 1, (place & ((1 << _SHIFT) - 1)) + 1)


def _pack(mark: Any) -> int:
    return int(mark.line << _SHIFT | mark.column)


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
        _refuse_directives(text)
        value, root = _Builder(name, problems).build(text)
    except _Halt as halt:
        problems.append(Problem(_position(name, halt.place), "", halt.found, halt.allowed, halt.hint))
    except yaml.YAMLError as error:
        problems.extend(_syntax_problems(error, text, name, {problem.position.line for problem in problems}))
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


def _refuse_directives(text: str) -> None:
    # libyaml compares every %TAG with all before it: a file of them would take hours.
    match = _FIRST_LINE.search(text)
    if match is not None and match[1] == "%":
        line, _ = line_and_column(text, match.start(1))
        raise _Halt((line - 1) << _SHIFT, "不支持以“%”开头的 YAML 指令", "", "请删去该行")


class _Builder:
    """Builds the value and the tree of places from the events of one document."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name = name
        self.problems = problems

    def build(self, text: str) -> tuple[Any, _Node | None]:  # noqa: C901 - a call per event would double its cost
        """The value and its places; raises ``_Halt`` or ``yaml.YAMLError``.

        One loop over plain locals: 10,000 items are a quarter of a million events.
        """
        get_event = _LOADER(text).get_event
        scalar_event, refuse = yaml.ScalarEvent, self._refuse
        is_plain_key = _PLAIN_KEY.fullmatch
        # The innermost open collection; the outermost list receives the document itself.
        values: Any = []
        places: Any = []
        in_mapping = False
        key: str | None = None  # the key whose value comes next, and its place
        key_place = 0
        dropped = False  # whether the next value belongs to a refused key
        stack: list[tuple[Any, Any, bool]] = []
        nodes = 0
        root_values, root_places = values, places
        while True:
            event = get_event()
            kind = type(event)
            if kind is scalar_event:
                mark = event.start_mark
                place = mark.line << _SHIFT | mark.column
                nodes += 1
                if nodes > MAX_NODES:
                    raise _Halt(place, f"文件超过 {MAX_NODES} 个节点", "", "请拆成几个文件")
                if event.anchor is not None or event.tag is not None:
                    refuse(event, place)
                value = event.value
                if in_mapping and key is None and not dropped:
                    if not is_plain_key(value) and not self._accept_key(value, event, place):
                        dropped = True
                        continue
                    if value in places:
                        self._duplicate(value, _key_place(places[value]), place)
                        dropped = True
                    else:
                        key, key_place = value, place
                    continue
                style = event.style
                if not style:
                    if value in _PLAIN_WORDS:
                        value = _PLAIN_WORDS[value]
                elif style == '"' and (bad := _CONTROL_OR_SURROGATE.search(value)):
                    found = f"双引号里的转义写出了控制字符 U+{ord(bad.group()):04X}"
                    self._report(place, found, "", "请删去该转义，或改用单引号")
                    value = _CONTROL_OR_SURROGATE.sub(" ", value)
                if not in_mapping:
                    values.append(value)
                    places.append(place)
                elif not dropped:
                    values[key] = value
                    places[key] = key_place << _PLACE_BITS | place
                key, dropped = None, False
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                place = _pack(event.start_mark)
                nodes += 3
                if nodes > MAX_NODES:
                    raise _Halt(place, f"文件超过 {MAX_NODES} 个节点", "", "请拆成几个文件")
                if len(stack) >= MAX_DEPTH:
                    raise _Halt(place, f"嵌套超过 {MAX_DEPTH} 层", "", "请检查缩进和括号")
                if in_mapping and key is None and not dropped:
                    raise _Halt(place, "键是一个列表或映射", "键应为文字", "请检查大括号、方括号和“? ”")
                if event.anchor is not None or event.tag is not None:
                    refuse(event, place)
                inner: Any = {} if kind is yaml.MappingStartEvent else []
                node = (_Mapping if kind is yaml.MappingStartEvent else _Sequence)(place, key_place)
                if not in_mapping:
                    values.append(inner)
                    places.append(node)
                elif not dropped:
                    values[key] = inner
                    places[key] = node
                stack.append((values, places, in_mapping))
                values, places, in_mapping = inner, node.values, kind is yaml.MappingStartEvent
                key, dropped = None, False
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                values, places, in_mapping = stack.pop()
            elif kind is yaml.AliasEvent:
                place = _pack(event.start_mark)
                nodes += 1
                hint = "请把被引用的内容写全；值本身以“*”开头的，请加英文引号"
                self._report(place, f"不支持别名“*{event.anchor}”", "", hint)
                if in_mapping and key is None and not dropped:
                    dropped = True
                    continue
                if not in_mapping:
                    values.append(None)
                    places.append(place)
                elif not dropped:
                    values[key] = None
                    places[key] = key_place << _PLACE_BITS | place
                key, dropped = None, False
            elif kind is yaml.DocumentEndEvent:
                _refuse_more(text, event)
                return root_values[0], root_places[0]
            elif kind is yaml.StreamEndEvent:
                return None, None

    def _report(self, place: int, found: str, allowed: str = "", hint: str = "") -> None:
        self.problems.append(Problem(_position(self.name, place), "", found, allowed, hint))
        if len(self.problems) > MAX_PROBLEMS:
            raise _Halt(place, f"本文件的问题超过 {MAX_PROBLEMS} 处，其余从略", "", "请先改正已列出的")

    def _refuse(self, event: Any, place: int) -> None:
        if event.anchor is not None:
            hint = "请删去；值本身以“&”开头的，请加英文引号"
            self._report(place, f"不支持锚点“&{event.anchor}”", "", hint)
        if event.tag is not None:
            hint = "请删去；值本身以“!”开头的，请加英文引号"
            self._report(place, "不支持以“!”开头的标签", "", hint)

    def _accept_key(self, key: str, event: Any, place: int) -> bool:
        if not key:
            self._report(place, "键是空的", "键应为文字", "请检查行首多余的冒号")
        elif key == "<<" and not event.style:
            self._report(place, "不支持合并键“<<”", "", "请把内容写全")
        elif slip := slip_in_key(key):
            self._report(place, slip[0], "", slip[1])
        elif bad := _CONTROL_OR_SURROGATE.search(key):
            self._report(place, f"键里有控制字符 U+{ord(bad.group()):04X}", "", "请删去")
        else:
            return True
        return False

    def _duplicate(self, key: str, first: int, place: int) -> None:
        before = _position(self.name, first)
        shown = key if len(key) <= 40 else key[:40] + "…"
        allowed = f"首次出现在第 {before.line} 行第 {before.column} 列"
        self._report(place, f"键“{shown}”重复", allowed, "请删去其一；列表的各项须以“- ”开头")


def _refuse_more(text: str, end: Any) -> None:
    """One file is one document: nothing but blank lines and comments may follow it.

    The parser is not asked, because a second document may begin with
    directives (see ``_refuse_directives``).
    """
    start = end.end_mark.index
    match = _MORE.search(text[start:])
    if match is None:
        return
    line, column = line_and_column(text, start + match.start(1))
    place = (line - 1) << _SHIFT | (column - 1)
    if text.startswith("---", start + match.start(1)):
        raise _Halt(place, "一个文件里有多个文档（“---”）", "", "请删去该行，或拆成几个文件")
    if end.explicit:
        raise _Halt(place, "结束行“...”之后还有内容", "", "请把“...”移到文件最后一行")
    raise _Halt(place, "此处多出了内容", "", "请检查缩进和括号")


def _syntax_problems(error: yaml.YAMLError, text: str, name: str, named: set[int]) -> list[Problem]:
    """YAML's own error in Chinese, and the slips that may have caused it.

    A slip on the line of the error, or on the line before it, says the same
    thing better and replaces it.  ``named`` are the lines that have a problem
    already.
    """
    lines = text.splitlines()
    slips = [slip for slip in slips_in(lines) if slip.line not in named]
    problems = [
        Problem(Position(name, slip.line, slip.column), "", slip.found, "", slip.hint) for slip in slips
    ]
    line, column, found, hint = explain_syntax(
        str(getattr(error, "problem", None) or ""),
        str(getattr(error, "context", None) or ""),
        _zero_based(getattr(error, "problem_mark", None)),
        _zero_based(getattr(error, "context_mark", None)),
        lines,
    )
    before = next((n for n in range(line - 1, 0, -1) if lines[n - 1].strip()), 0)
    if not {line, before} & ({slip.line for slip in slips} | named):
        problems.append(Problem(Position(name, line, column), "", found, "", hint))
    return problems


def _zero_based(mark: Any) -> tuple[int, int] | None:
    return None if mark is None else (mark.line, mark.column)
