"""Octets as text: files of the plan strictly in UTF-8, what people hand in as office programs write it."""

from __future__ import annotations

import re

from reminder.errors import Position, Problem

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]"
)
"""Control characters, Unicode line separators (libyaml counts them as lines, editors
do not), zero-width spaces and direction marks: nobody can see them, so nobody can
have meant them."""


def decode_strictly(data: bytes, name: str) -> tuple[str, list[Problem], bool]:
    """The text with invisible characters blanked, what is wrong with it, and whether YAML may read it."""
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        return "", [_not_utf8(data, error, name)], False
    problems: list[Problem] = []
    for match in _INVISIBLE.finditer(text):
        line, column = line_and_column(text, match.start())
        if len(problems) == 20 or match.group() == "\0":
            found = "文件里有大量不可见字符" if match.group() != "\0" else "文件里有空字符（NUL）"
            allowed = "应为 UTF-8 编码的文本文件"
            problem = Problem(
                Position(name, line, column), "", found, allowed, "请检查是否放错了文件（如 Word、图片）"
            )
            return text, [problem], False
        found = f"有不可见字符 U+{ord(match.group()):04X}"
        problems.append(Problem(Position(name, line, column), "", found, "", "请删去该字符后重新输入"))
    if problems:
        text = _INVISIBLE.sub(" ", text)
    return text, problems, True


def _not_utf8(data: bytes, error: UnicodeDecodeError, name: str) -> Problem:
    skipped = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    line, column = line_and_column(data[skipped : skipped + error.start].decode("utf-8"), error.start)
    cure = "请用编辑器另存为 UTF-8 编码"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        found = "文件不是 UTF-8 编码，而是 UTF-16（记事本的“Unicode”）"
    elif error.reason == "unexpected end of data" and error.start > 0:
        found, cure = "文件末尾的一个汉字不完整", "文件可能没有写完，请重新保存"
    elif _is_gbk(data):
        found = "文件不是 UTF-8 编码，疑为 GBK（ANSI）"
    else:
        found, cure = "文件不是 UTF-8 编码的文本", "请另存为 UTF-8 编码，并检查是否放错了文件"
    return Problem(Position(name, line, column), "", found, "", cure)


def _is_gbk(data: bytes) -> bool:
    """Whether the bytes are Chinese text in GBK or GB 18030."""
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return "\0" not in text and any("\u4e00" <= each <= "\u9fff" for each in text)


def line_and_column(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    start = max(before.rfind("\n"), before.rfind("\r")) + 1
    lines = before.count("\n") + before.count("\r") - before.count("\r\n")
    return lines + 1, len(before) - start + 1


def decode(data: bytes) -> str | None:
    """What someone hands in: UTF-8 with or without a mark, GB 18030 (which holds GBK), UTF-16 with a mark.

    None for what is no text.
    """
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None
