"""What Jinja2 says is wrong, in the words of the person who edits the template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from reminder.errors import Position, Problem
from reminder.messages.forms import MAX_CHARACTERS
from reminder.messages.sandbox import MissingText, TooMuchText
from reminder.messages.trouble import nearest, place, unknown_name

MAX_FOUND = 300
MAX_ALLOWED = 3_000
"""Characters of a problem's parts: a template can raise an error as long as it likes."""

# Jinja2's sentences; the patterns are tried in order.
_SYNTAX: tuple[tuple[str, str, str], ...] = (
    (
        r"Unexpected end of template\..*innermost block that needs to be closed is '(\w+)'",
        "“{0}”没有收尾",
        "请补上 {{% end{0} %}}",
    ),
    (r"Unexpected end of template", "文件到末尾仍未写完", "请检查是否缺少 {{% endif %}} 或 {{% endfor %}}"),
    (
        r"Encountered unknown tag '(\w+)'.*needs to be closed is '(\w+)'",
        "此处的“{0}”不相配",
        "前面的“{1}”还没有收尾",
    ),
    (r"Encountered unknown tag '(\w+)'", "不认识的标签“{0}”", "常用标签：if、else、endif、for、endfor、set"),
    (r"No filter named '(\w+)'", "没有名为“{0}”的过滤器", ""),
    (r"No test named '(\w+)'", "没有名为“{0}”的判断", ""),
    (
        r"unexpected char '([“”‘’（）【】｛｝，：；。！｜％])'",
        "此处不应有全角标点“{0}”",
        "花括号内请改用英文标点",
    ),
    (r"unexpected char '(.+)' at \d+", "此处不应有“{0}”", ""),
    (r"expected token '(.+)', got '(.+)'", "此处应为“{0}”，写的是“{1}”", ""),
    (r"unexpected '(.+)'", "此处不应有“{0}”", ""),
    (r"Missing end of (comment|raw)", "注释或原文段没有收尾", ""),
    (r"tag name expected", "花括号内没有写标签名", ""),
)


def syntax_problem(error: TemplateSyntaxError, file: str, source: str, filters: Iterable[str]) -> Problem:
    """A template that cannot be read, with the cure where it is known."""
    message = error.message or ""
    for pattern, found, cure in _SYNTAX:
        if match := re.search(pattern, message, re.DOTALL):
            words = match.groups()
            allowed, hint = "", cure.format(*words)
            if pattern.startswith("No filter"):
                allowed, hint = "可用：" + "、".join(sorted(filters)), nearest(words[0], filters)
            position = place(source, file, error.lineno, words[0] if words else "")
            return Problem(position, "", found.format(*words), allowed, hint)
    return Problem(
        place(source, file, error.lineno), "", f"模板写法有误（{message}）", "", "请对照其他模板的写法"
    )


def unreadable(error: Exception, file: str) -> Problem:
    """A template on which Jinja2 itself fails, with no line to point at."""
    if isinstance(error, RecursionError):
        return too_deep(Position(file))
    return Problem(
        Position(file), "", f"模板读不出来（{type(error).__name__}：{_words(error)}）", "", "请写得简单些"
    )


def too_deep(position: Position) -> Problem:
    """Macros or files that use each other without end, or too many brackets in each other."""
    return Problem(position, "", "模板里的嵌套或相互引用太深", "", "请检查宏、include 和括号")


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a template may hold a number too long to be written
        return ""


def clipped(problem: Problem) -> Problem:
    """With what a template can make long cut to what a person reads."""

    def cut(text: str, most: int) -> str:
        return text if len(text) <= most else text[:most] + "……"

    return replace(
        problem,
        found=cut(problem.found, MAX_FOUND),
        allowed=cut(problem.allowed, MAX_ALLOWED),
        hint=cut(problem.hint, MAX_FOUND),
    )


def _names_of(holder: Any) -> list[str]:
    if isinstance(holder, Mapping):
        return [str(key) for key in holder]
    if is_dataclass(holder):
        return [each.name for each in fields(holder)]
    return [name for name in dir(holder) if not name.startswith("_")]


def render_problem(error: Exception, position: Position, source: str, names: Iterable[str]) -> Problem:
    """A template that failed at ``position`` while it was rendered; ``names`` are the variables it had."""
    if isinstance(error, UndefinedError) and error.args and isinstance(error.args[0], MissingText):
        missing = error.args[0]
        where = place(source, position.file, position.line, missing.name)
        if missing.holder is None:
            return unknown_name(where, missing.name, names)
        if isinstance(missing.holder, str):
            return Problem(where, "", f"文字没有名为“{missing.name}”的字段")
        return unknown_name(where, missing.name, _names_of(missing.holder), "字段")
    if isinstance(error, TemplateNotFound):
        return Problem(place(source, position.file, position.line, str(error)), "", f"没有模板文件“{error}”")
    if isinstance(error, TooMuchText):
        return Problem(position, "", f"模板生成的文字超过 {MAX_CHARACTERS} 字", "", "请检查循环")
    if isinstance(error, RecursionError | SyntaxError):  # Python's: more than twenty loops in each other
        return too_deep(position)
    if isinstance(error, OSError | ImportError):  # a codec, a zone: the process can open nothing
        found = f"模板用了这里没有的功能（{type(error).__name__}）"
        return Problem(position, "", found, "只能读取给出的变量和字段")
    if isinstance(error, SecurityError):
        return Problem(
            position, "", "模板用了不允许的写法", "只能读取给出的变量和字段", f"已拒绝：{_words(error)}"
        )
    return Problem(
        position,
        "",
        f"模板在此处无法生成文字（{type(error).__name__}：{_words(error)}）",
        "",
        "请检查变量与过滤器的用法",
    )
