"""The slips of a Chinese keyboard in a YAML file, and their cures.

Input methods write ``：``, ``，``, ``［``, ``“`` and ``　`` where YAML wants ``:``,
``,``, ``[``, ``"`` and a space.  All of these are ordinary text inside a value,
so nothing here is an error by itself: these functions are asked only about a
key, about a value that its field has refused, or about a file that YAML could
not read.  They know text and nothing else; texts are in Simplified Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WIDE_SPACES = "\u3000\u00a0\u2002\u2003\u2009\u202f"
_DASHES = "－—–−‐―﹣"
_TERM_KINDS = "unit|group|head|contact|post|role|person"
"""Audience terms (``unit:办公室``) are written without a space after the colon."""


@dataclass(frozen=True, slots=True)
class Slip:
    """One slip: ``line`` and ``column`` count from 1; the rest is for the clerk."""

    line: int
    column: int
    found: str
    hint: str


def slip_in_key(key: str) -> tuple[str, str] | None:
    """What is wrong with a key, and its cure; ``None`` for a key that may stand."""
    if key[0] in _WIDE_SPACES:
        return "行首用了全角空格或不间断空格", "请改为英文半角空格缩进"
    if key[0] in _DASHES:
        return f"列表记号“{key[0]}”是全角横线", "请改为英文减号加一个空格“- ”"
    if re.match(r"-[^\W\d]", key):
        return "列表记号“-”后缺空格", "请在“-”后加一个空格"
    if match := re.match(r"([A-Za-z_][\w-]*)\s*：", key):
        return f"“{match[1]}”后用了全角冒号“：”", f"请改为英文冒号加空格，写作“{match[1]}: ”"
    if key[0] in "“”‘’＂":
        return "键用了中文引号", "键不需要引号，请删去"
    return None


def cure_of_value(text: str) -> str:
    """The cure of a slip in a value that its field has refused; empty if none shows."""
    text = text.strip()
    if match := re.match(r"-?\s*([A-Za-z_][\w-]*)\s*：", text):
        return f"“{match[1]}”后的全角冒号“：”请改为英文冒号加空格“: ”"
    if text[:1] in ("“", "”", "‘", "’") and text[-1:] in ("“", "”", "‘", "’"):
        return "请删去值两边的中文引号“ ”"
    if text[:1] and text[0] in _DASHES:
        return f"列表记号“{text[0]}”是全角横线，请改为英文减号加一个空格“- ”"
    if re.match(r"-[^\W\d]", text):
        return "列表记号“-”后请加一个空格"
    if text[:1] in ("［", "【", "〔") or text[-1:] in ("］", "】", "〕"):
        return "全角方括号请改为英文方括号“[ ]”，或每项一行、以“- ”开头"
    if text[:1] in ("｛", "{") or text[-1:] == "｝":
        return "大括号请改为每个键一行"
    if re.match(rf"(?!(?:{_TERM_KINDS}):)[A-Za-z_][A-Za-z0-9_-]*:\S", text) and "://" not in text:
        return "冒号后缺空格，请写作“" + re.sub(r":", ": ", text, count=1)[:40] + "”"
    if "，" in text or "、" in text:
        return "列表请每项一行、以“- ”开头，不用全角逗号或顿号分隔"
    if re.search(r"[０-９：／．＋－]", text):
        return "请把全角数字和符号改为半角"
    return ""


_KEY = r"[A-Za-z_][A-Za-z0-9_-]*"
_LINE_RULES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r" *(\t)"), "用了制表符（Tab）缩进", "请改为空格，每级两个"),
    (re.compile(rf"[ \t]*([{_WIDE_SPACES}])"), "行首用了全角空格或不间断空格", "请改为英文半角空格缩进"),
    (re.compile(rf"\s*([{_DASHES}])(?=\s|{_KEY})"), "列表记号是全角横线", "请改为英文减号加一个空格“- ”"),
    (re.compile(rf"\s*(-){_KEY}\s*[:：]"), "列表记号“-”后缺空格", "请在“-”后加一个空格"),
    (re.compile(rf"\s*(?:-\s+)?{_KEY}\s*(：)"), "键后用了全角冒号“：”", "请改为英文冒号加空格“: ”"),
    (re.compile(rf"\s*(?:-\s+)?([“”‘’]){_KEY}[“”‘’]\s*[:：]"), "键用了中文引号", "键不需要引号，请删去"),
    (
        re.compile(rf"\s*(?!-\s+(?:not\s+|!)?(?:{_TERM_KINDS}):)(?:-\s+)?{_KEY}(:)(?![\s/]|$)"),
        "冒号后缺空格",
        "请在“:”后加一个空格",
    ),
)
_OPENS_BLOCK = re.compile(r"[:-]\s+[|>][+-]?\d?[+-]?\s*(?:#.*)?$")


def slips_in(lines: Sequence[str], limit: int = 50) -> list[Slip]:
    """The slips that show in the lines of a file that YAML could not read.

    Comments and block scalars (``|``, ``>``) are passed over.  At most one slip
    a line and ``limit`` in all are named.
    """
    found: list[Slip] = []
    block_indent = -1
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped[0] == "#":
            continue
        indent = len(line) - len(line.lstrip(" "))
        if block_indent >= 0 and indent > block_indent:
            continue
        block_indent = indent if _OPENS_BLOCK.search(line) else -1
        slip = _slip_in_line(line, number)
        if slip is not None:
            found.append(slip)
            if len(found) == limit:
                break
    return found


def _slip_in_line(line: str, number: int) -> Slip | None:
    for pattern, what, cure in _LINE_RULES:
        if match := pattern.match(line):
            return Slip(number, match.start(1) + 1, what, cure)
    return _slip_in_quotes(line, number) or _slip_in_brackets(line, number)


def _slip_in_quotes(line: str, number: int) -> Slip | None:
    """A value that begins with an English quote and ends with a Chinese one, or has no end."""
    match = re.match(r"\s*(?:-\s+)?(?:[^\s\"'“”]+:\s+)?([\"'])([^\"']*?)\s*$", line)
    if match is None:
        return None
    if match[2][-1:] in ("”", "“", "’", "‘"):
        column = match.end(2)
        return Slip(
            number, column, "英文引号开头、中文引号结尾", f"请把结尾的“{match[2][-1]}”改为英文引号 {match[1]}"
        )
    return Slip(
        number, match.start(1) + 1, "引号只有开头，本行没有结尾", f"请在值的末尾补上英文引号 {match[1]}"
    )


def _slip_in_brackets(line: str, number: int) -> Slip | None:
    """Half of a pair of brackets in full width: ``[甲, 乙］``."""
    body = line.split(" #", 1)[0]
    for half, other, wide in (("[", "]", "］】"), ("{", "}", "｝"), ("]", "[", "［【"), ("}", "{", "｛")):
        if half in body and other not in body:
            column = next((body.index(each) for each in wide if each in body), -1)
            if column >= 0:
                return Slip(number, column + 1, f"括号“{body[column]}”是全角", f"请改为英文括号“{other}”")
    return None
