"""Values and their places from the parser's events, under bounds.

PyYAML's composer recurses (its C form dies on 100,000 brackets) and its
constructor guesses types.  Bounds on nodes and depth are met before anything is
built, so a bomb costs no more than a large honest file.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from reminder.decoding import line_and_column
from reminder.errors import Position, Problem
from reminder.slips import explain_syntax, slip_in_key, slips_in
from reminder.source.places import (
    PLACE_BITS,
    SHIFT,
    MappingPlaces,
    Places,
    SequencePlaces,
    packed,
    place_of_key,
    position_of,
)

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


class Halt(Exception):
    """Reading cannot go on; carries what to say and where (packed place)."""

    def __init__(self, place: int, found: str, allowed: str = "", hint: str = "") -> None:
        super().__init__(found)
        self.place, self.found, self.allowed, self.hint = place, found, allowed, hint


def refuse_directives(text: str) -> None:
    """Raises :class:`Halt` for a file that begins with one."""
    # libyaml compares every %TAG with all before it: a file of them would take hours.
    match = _FIRST_LINE.search(text)
    if match is not None and match[1] == "%":
        line, _ = line_and_column(text, match.start(1))
        raise Halt((line - 1) << SHIFT, "不支持以“%”开头的 YAML 指令", "", "请删去该行")


class Composer:
    """Builds the value and the tree of places from the events of one document."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name = name
        self.problems = problems

    def build(self, text: str) -> tuple[Any, Places | None]:  # noqa: C901 - a call per event would double its cost
        """The value and its places; raises ``Halt`` or ``yaml.YAMLError``.

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
                place = mark.line << SHIFT | mark.column
                nodes += 1
                if nodes > MAX_NODES:
                    raise Halt(place, f"文件超过 {MAX_NODES} 个节点", "", "请拆成几个文件")
                if event.anchor is not None or event.tag is not None:
                    refuse(event, place)
                value = event.value
                if in_mapping and key is None and not dropped:
                    if not is_plain_key(value) and not self._accept_key(value, event, place):
                        dropped = True
                        continue
                    if value in places:
                        self._duplicate(value, place_of_key(places[value]), place)
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
                    places[key] = key_place << PLACE_BITS | place
                key, dropped = None, False
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                place = packed(event.start_mark)
                nodes += 3
                if nodes > MAX_NODES:
                    raise Halt(place, f"文件超过 {MAX_NODES} 个节点", "", "请拆成几个文件")
                if len(stack) >= MAX_DEPTH:
                    raise Halt(place, f"嵌套超过 {MAX_DEPTH} 层", "", "请检查缩进和括号")
                if in_mapping and key is None and not dropped:
                    raise Halt(place, "键是一个列表或映射", "键应为文字", "请检查大括号、方括号和“? ”")
                if event.anchor is not None or event.tag is not None:
                    refuse(event, place)
                inner: Any = {} if kind is yaml.MappingStartEvent else []
                node = (MappingPlaces if kind is yaml.MappingStartEvent else SequencePlaces)(place, key_place)
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
                place = packed(event.start_mark)
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
                    places[key] = key_place << PLACE_BITS | place
                key, dropped = None, False
            elif kind is yaml.DocumentEndEvent:
                _refuse_more(text, event)
                return root_values[0], root_places[0]
            elif kind is yaml.StreamEndEvent:
                return None, None

    def _report(self, place: int, found: str, allowed: str = "", hint: str = "") -> None:
        self.problems.append(Problem(position_of(self.name, place), "", found, allowed, hint))
        if len(self.problems) > MAX_PROBLEMS:
            raise Halt(place, f"本文件的问题超过 {MAX_PROBLEMS} 处，其余从略", "", "请先改正已列出的")

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
        before = position_of(self.name, first)
        shown = key if len(key) <= 40 else key[:40] + "…"
        allowed = f"首次出现在第 {before.line} 行第 {before.column} 列"
        self._report(place, f"键“{shown}”重复", allowed, "请删去其一；列表的各项须以“- ”开头")


def _refuse_more(text: str, end: Any) -> None:
    """One file is one document: nothing but blank lines and comments may follow it.

    The parser is not asked, because a second document may begin with
    directives (see ``refuse_directives``).
    """
    start = end.end_mark.index
    match = _MORE.search(text[start:])
    if match is None:
        return
    line, column = line_and_column(text, start + match.start(1))
    place = (line - 1) << SHIFT | (column - 1)
    if text.startswith("---", start + match.start(1)):
        raise Halt(place, "一个文件里有多个文档（“---”）", "", "请删去该行，或拆成几个文件")
    if end.explicit:
        raise Halt(place, "结束行“...”之后还有内容", "", "请把“...”移到文件最后一行")
    raise Halt(place, "此处多出了内容", "", "请检查缩进和括号")


def syntax_problems(error: yaml.YAMLError, text: str, name: str, named: set[int]) -> list[Problem]:
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
