"""What is wrong with a template, told to the person who edits it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from reminder.errors import Position, Problem, ReminderError


class TemplateError(ReminderError):
    """A template that cannot be rendered; ``problem`` says where, what and how to mend it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class TemplateStopped(TemplateError):
    """A template that was stopped because it took too much time or memory."""


class RendererUnavailable(ReminderError):
    """The process that renders cannot be started: trouble of the machine, not of a template."""


def nearest(word: str, words: Iterable[str]) -> str:
    """「是否想写 …」 for the nearest of the words, or nothing."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"是否想写“{near[0]}”？" if near else ""


def unknown_name(position: Position, name: str, names: Iterable[str], what: str = "变量") -> Problem:
    """A name no template is given."""
    allowed = sorted(names)
    return Problem(
        position, "", f"没有名为“{name}”的{what}", "可用：" + "、".join(allowed), nearest(name, allowed)
    )


def place(source: str, file: str, number: int, word: str = "") -> Position:
    """Line ``number`` of a file, at ``word`` if it stands there, else at the first sign."""
    lines = source.splitlines()
    text = lines[number - 1] if 0 < number <= len(lines) else ""
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) if word else None
    start = (
        found.start()
        if found
        else text.find(word)
        if word in text and word
        else len(text) - len(text.lstrip())
    )
    return Position(file, number, start + 1)
