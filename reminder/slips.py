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
_SUSPECT = re.compile(rf"[\t\"'“”‘’：［］【】｛｝{_WIDE_SPACES}{_DASHES}]|:(?![\s/]|$)|-[A-Za-z_]")
"""What a line must hold for any rule to find a slip in it; most lines of a plan hold nothing of the kind."""
_MAX_LINES = 200_000
_MAX_SUSPECTS = 20_000
"""More is no plan, and the scan must stay well under a second."""
_OPENING_QUOTE = re.compile(r"\s*(?:-\s+)?(?:[^\s\"'“”]+:\s+)?([\"'])")
_OPENS_BLOCK = re.compile(r"[:-]\s+[|>][+-]?\d?[+-]?\s*(?:#.*)?$")


def slips_in(lines: Sequence[str], limit: int = 50) -> list[Slip]:
    """The slips that show in the lines of a file that YAML could not read.

    Comments and block scalars (``|``, ``>``) are passed over.  At most one slip
    a line and ``limit`` in all are named.
    """
    found: list[Slip] = []
    block_indent = -1
    suspects = 0
    for number, line in enumerate(lines[:_MAX_LINES], 1):
        stripped = line.strip()
        if not stripped or stripped[0] == "#":
            continue
        indent = len(line) - len(line.lstrip(" "))
        if block_indent >= 0 and indent > block_indent:
            continue
        block_indent = indent if _OPENS_BLOCK.search(line) else -1
        if _SUSPECT.search(line) is None:
            continue
        suspects += 1
        slip = _slip_in_line(line, number)
        if slip is not None:
            found.append(slip)
        if len(found) == limit or suspects == _MAX_SUSPECTS:
            break
    return found


def _slip_in_line(line: str, number: int) -> Slip | None:
    for pattern, what, cure in _LINE_RULES:
        if match := pattern.match(line):
            return Slip(number, match.start(1) + 1, what, cure)
    return _slip_in_quotes(line, number) or _slip_in_brackets(line, number)


def _slip_in_quotes(line: str, number: int) -> Slip | None:
    """A value that begins with an English quote and ends with a Chinese one, or has no end."""
    match = _OPENING_QUOTE.match(line)
    if match is None:
        return None
    value = line[match.end() :].rstrip()
    if '"' in value or "'" in value:
        return None
    if value[-1:] in ("”", "“", "’", "‘"):
        column = match.end() + len(value)
        return Slip(
            number, column, "英文引号开头、中文引号结尾", f"请把结尾的“{value[-1]}”改为英文引号 {match[1]}"
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


_BARE_KEY = re.compile(r"\s*(?:-\s+)?[\w-]+\s*")
_SYNTAX: tuple[tuple[str, str, str], ...] = (
    # a piece of the parser's message (libyaml | pure); what it means; the cure
    ("could not find expected ':'", "这一行缺少英文冒号", "每行写作“键: 值”，冒号后有一个空格"),
    (
        "mapping values are not allowed",
        "此处不应出现冒号",
        "值里有“: ”时请给整个值加英文双引号；否则请检查上一行和缩进",
    ),
    ("mapping keys are not allowed", "此处不应出现“?”", "请检查缩进，或给值加英文双引号"),
    ("sequence entries are not allowed", "此处不应出现“- ”", "列表请另起一行，并比上面的键多缩进两格"),
    ("tab character", "用了制表符（Tab）缩进", "请改为空格，每级两个"),
    ("did not find expected key", "缩进与上下文不一致", "同一级的键须左边对齐"),
    (
        "did not find expected '-'",
        "缩进少了，或列表里混入了不以“- ”开头的行",
        "同一级的键须左边对齐，列表各项都以“- ”开头",
    ),
    ("expected <block end>", "缩进与上下文不一致", "同一级的键或“- ”须左边对齐"),
    ("expected ',' or ']'", "方括号“[”没有正常结束", "各项用英文逗号分隔，以“]”结尾；或每项一行、以“- ”开头"),
    ("expected ',' or '}'", "大括号“{”没有正常结束", "请改为每个键一行"),
    ("unknown escape character", "双引号里有不认识的转义“\\”", "请改用单引号，或把“\\”写作“\\\\”"),
    ("hexdecimal number", "双引号里的转义“\\x”“\\u”不完整", "请改用单引号，或把“\\”写作“\\\\”"),
    ("escape sequence", "双引号里的转义“\\”不完整", "请改用单引号，或把“\\”写作“\\\\”"),
    ("Unicode character escape", "双引号里的转义“\\u”不是字符", "请改用单引号，或把“\\”写作“\\\\”"),
    ("unexpected end of stream", "引号没有结束", "请在值的末尾补上同样的英文引号"),
    ("unexpected document", "引号没有结束", "请在值的末尾补上同样的英文引号"),
    ("alphabetic or numeric character", "值以“*”或“&”开头", "列表请用“- ”；值本身如此的，请加英文引号"),
    ("comment or line break", "“|”或“>”后面不能再有文字", "正文请从下一行写起，并多缩进两格"),
    ("expected chomping or indentation", "“|”或“>”后面不能再有文字", "正文请从下一行写起，并多缩进两格"),
    ("expected the node content", "此处缺少内容", "请检查多余的逗号和括号"),
    ("expected node content", "此处缺少内容", "请检查多余的逗号和括号"),
)


def explain_syntax(
    message: str,
    context: str,
    place: tuple[int, int] | None,
    context_place: tuple[int, int] | None,
    lines: Sequence[str],
) -> tuple[int, int, str, str]:
    """A YAML parser's error for a clerk: line and column (from 1), what is wrong, and the cure.

    ``message`` and ``context`` are the parser's own words, libyaml's or the pure
    parser's; its places count from 0.
    """
    if any(word in context for word in ("quoted scalar", "flow", "block scalar", "simple key")):
        # Where it began says more than where the parser gave up (often the end of the file).
        place = context_place or place
    if place is None:
        return 1, 1, "文件不是有效的 YAML", "请检查该文件"
    row, offset = place
    line, column = row + 1, offset + 1
    if "".join(lines[row:])[offset:].strip() in ("", "..."):
        # At the end of the file nothing stands: the last line that says something is the place.
        ends = ("", "...")
        line = next((n for n in range(min(line, len(lines)), 0, -1) if lines[n - 1].strip() not in ends), 1)
        column = len(lines[line - 1].rstrip()) if lines else 1
        if "node content" in message or "flow" in context:
            cure = "请补上“]”或“}”；列表请每项一行、以“- ”开头"
            return line, column, "方括号“[”或大括号“{”没有正常结束", cure
    here = lines[row] if row < len(lines) else ""
    if "mapping values are not allowed" in message and _BARE_KEY.fullmatch(here[:offset]):
        return line, column, "这一行的缩进多了，或上一行没有写完", "同一级的键须左边对齐"
    for piece, found, hint in _SYNTAX:
        if piece in message:
            return line, column, found, hint
    if "cannot start any token" in message:
        character = here[offset : offset + 1]
        if character == "\t":
            return line, column, "用了制表符（Tab）缩进", "请改为空格，每级两个"
        return line, column, f"值不能以“{character}”开头", "请给整个值加英文双引号"
    return line, column, "此处不合 YAML 语法", "请检查这一行和上一行的缩进、冒号、引号和括号"
