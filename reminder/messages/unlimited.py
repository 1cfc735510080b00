"""Rendering in this process, with nothing to stop a bomb: for templates that nobody else can edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reminder.errors import Position, Problem
from reminder.messages.engine import Engine
from reminder.messages.forms import Bundle
from reminder.messages.trouble import TemplateError


class Unlimited:
    """The engine of the bundle used last, asked directly."""

    def __init__(self) -> None:
        self._engine: tuple[str, Engine] | None = None

    def faults(self, bundle: Bundle, name: str) -> list[Problem]:
        """What is wrong with one file of the bundle."""
        try:
            return self._of(bundle).faults(name)
        except MemoryError:
            return [_too_much(bundle.shown_as(name))]

    def forms(self, bundle: Bundle, folder: str, context: Mapping[str, Any]) -> dict[str, str]:
        """The text of each file of ``FORMS``.  Raises :class:`TemplateError`."""
        try:
            return self._of(bundle).forms(folder, context)
        except MemoryError:
            raise TemplateError(_too_much(bundle.shown_as(folder))) from None

    def common(
        self, bundle: Bundle, folder: str, context: Mapping[str, Any], place: str
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """The texts for all who agree in the fields named.  Raises :class:`TemplateError`."""
        try:
            found = self._of(bundle).common(folder, context, place)
        except MemoryError:
            raise TemplateError(_too_much(bundle.shown_as(folder))) from None
        return found["forms"], tuple(found["read"])

    def _of(self, bundle: Bundle) -> Engine:
        if self._engine is None or self._engine[0] != bundle.key:
            self._engine = (bundle.key, Engine(bundle))
        return self._engine[1]


def _too_much(shown: str) -> Problem:
    return Problem(Position(shown), "", "模板占用内存过多", "", "请检查是否反复拼接、填充文字")
