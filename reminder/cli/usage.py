"""Help and wrong use in Chinese: typer speaks English of its own accord.

The words are exchanged where typer hands them out: the finished help text, and
the exception of a wrong use.  What is not recognised is shown as typer says it,
so a new version of typer costs a translation and nothing else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from reminder.errors import UsageError

WrongUse: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for every wrong use: the base of the one it makes public."""

_HELP = (
    ("Usage: ", "用法："),
    ("[OPTIONS]", "[选项]"),
    ("COMMAND [ARGS]...", "命令 [参数]..."),
    ("\nOptions:\n", "\n选项：\n"),
    ("\nArguments:\n", "\n参数：\n"),
    ("\nCommands:\n", "\n命令：\n"),
    ("Show this message and exit.", "显示本说明"),
    ("[required]", "[必填]"),
    ("[default: ", "[默认："),
    ("; required]", "；必填]"),
    ("<path>", "<路径>"),
)
_KINDS = (
    ("<int range>", "<整数>     "),
    ("<int> ", "<整数>"),
    ("<str> ", "<文字>"),
)
_MESSAGES = (
    (r"No such command '(.*?)'\..*", "没有“{0}”这个命令"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", "多出了“{0}”；含空格的内容请用引号括起来"),
    (r"Missing command\.", "请写明命令"),
    (r"Option '(.*)' requires an argument\.", "{0} 后面缺少内容"),
    (r"Option '(.*)' does not take a value\.", "{0} 是开关，后面不写内容"),
)
_VALUES = {
    "int_parsing": "不是整数",
    "int_from_float": "不是整数",
    "greater_than_equal": "太小，最小为 {ge}",
    "less_than_equal": "太大，最大为 {le}",
}


def in_chinese(text: str) -> str:
    """A help text with the words of the frame exchanged."""
    for english, chinese in _HELP:
        text = text.replace(english, chinese)
    # Chinese characters are two cells wide: what that takes comes off the gap behind.
    for kind, chinese in _KINDS:
        text = text.replace(kind, chinese)
    return re.sub(r"x>=(\d+)\]", r"最小：\1]", text).replace("; 最小", "；最小")


OFFICE_OPTION = "--office"
_office = [""]


def take_office(arguments: Sequence[str]) -> list[str]:
    """The arguments without ``--office NAME``, which every command takes and :func:`office_asked_for` remembers.

    Raises ``UsageError`` for one without a name.
    """
    _office[0] = ""
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*rest, word, *words]
        option, equals, name = word.partition("=")
        if option != OFFICE_OPTION:
            rest.append(word)
            continue
        _office[0] = name if equals else next(words, "")
        if not _office[0] or _office[0].startswith("-"):
            raise UsageError(f"{OFFICE_OPTION} 后面缺少单位的名字，如 reminder ledger {OFFICE_OPTION} 宣传部")
    return rest


def office_asked_for() -> str:
    """The office that this call names; empty where it names none."""
    return _office[0]


class Command(TyperCommand):
    """A command whose help is in Chinese."""

    def get_help(self, ctx: Any) -> str:
        return in_chinese(super().get_help(ctx))


class Group(TyperGroup):
    """A group of commands whose help is in Chinese."""

    def get_help(self, ctx: Any) -> str:
        return in_chinese(super().get_help(ctx))


def explain(error: Any, arguments: Sequence[str] = (), command: Any = None) -> str:
    """What was wrong in how the command was called, and where to read more, in Chinese.

    ``arguments`` and ``command`` (the outermost) tell which command was meant
    where the error itself does not know.
    """
    if str(error.message).startswith("用法："):  # a group called without a command gives its help
        return str(error.message)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _path(arguments, command)
    return f"{_fault(error, context)}\n用法见：{path} --help"


def _path(arguments: Sequence[str], command: Any) -> str:
    """The command that arguments begin with."""
    words = ["reminder"]
    for word in arguments:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        words.append(word)
    return " ".join(words)


def _fault(error: Any, context: Any) -> str:
    param = getattr(error, "param", None)
    if param is not None:
        name = _name(param)
        if type(error).__name__ == "MissingParameter":
            return f"缺少 {name}" + (f"（{param.help}）" if param.help else "")
        return f"{name} 的值{_value_fault(error)}"
    option_name = getattr(error, "option_name", None)
    if option_name is not None and type(error).__name__ == "NoSuchOption":
        known = [each for option in context.command.params for each in option.opts] if context else []
        return f"没有“{option_name}”这个选项" + _nearest(option_name, [*known, "--help"])
    message = str(error.format_message())
    for pattern, chinese in _MESSAGES:
        if match := re.fullmatch(pattern, message):
            known = sorted(getattr(context.command, "commands", ())) if context is not None else []
            found = match[1] if match.groups() else ""
            return chinese.format(found) + (_nearest(found, known) if known else "")
    return message.rstrip(".")


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f"；您要写的是 {near[0]} 吗？" if near else f"；可用：{'、'.join(dict.fromkeys(known))}"


def _name(param: Any) -> str:
    """An option as it is written, an argument as the help names it."""
    if param.param_type_name == "option":
        return str(max(param.opts, key=len))
    return str(param.metavar or param.name).strip("[]")


def _value_fault(error: Any) -> str:
    """Why a value was not taken: typer checks with pydantic, whose error says more than its text."""
    details: list[Any] = getattr(error.__cause__, "errors", list)()
    if not details:
        return f"不可用：{error.message}"
    detail = details[0]
    found = f"“{detail['input']}”"
    if detail["type"] in _VALUES:
        return found + _VALUES[detail["type"]].format(**detail.get("ctx", {}))
    choices = re.findall(r"'([^']*)'", str(detail["msg"]).partition("is not one of")[2])
    return f"{found}不可用" + (f"；可用：{'、'.join(choices)}" if choices else "")
