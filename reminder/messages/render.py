"""From templates and facts to messages: Jinja2 in a process of its own, no network, no clock.

A template is a folder of four files, one a form; it renders one *section*.  The
layout (``_layout``) wraps one section or several into a message.  Folders that
begin with ``_`` are no templates: they hold the layout and the parts templates
share.  Beside its four files a folder may hold parts of its own (``words.j2``).
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar

from reminder.errors import Position, Problem, system_reason
from reminder.messages import limited
from reminder.messages.forms import (
    FORMS,
    HTML,
    LAYOUT,
    LAYOUT_NAMES,
    MARKDOWN,
    SECTION_NAMES,
    SUBJECT,
    TEXT,
    Bundle,
)
from reminder.messages.message import Message
from reminder.messages.shared import PLACE, Forms, SharedTexts
from reminder.messages.trouble import RendererUnavailable, TemplateError, TemplateStopped, unknown_name

__all__ = [
    "LAYOUT",
    "LAYOUT_NAMES",
    "SECTION_NAMES",
    "RendererUnavailable",
    "Section",
    "TemplateError",
    "Templates",
]

MAX_BYTES = 256 * 1024
"""Of one file; the longest that is shipped has four thousand."""
MAX_FILES = 1_000
MOST_SOUND = 64
"""Folders of templates known to be without fault; beyond that all is forgotten and found out anew."""
_sound: set[str] = set()
STOPPED_KEPT = 256
"""Texts that went over the limits and are not tried again."""


@dataclass(frozen=True, slots=True)
class Section:
    """What one reminder says, in all forms, before the layout is around it.

    ``title`` names it in a digest's subject; empty for what a subject line on a
    locked screen should not name.
    """

    subject: str
    text: str
    html: str
    markdown: str
    title: str = ""


T = TypeVar("T")
M = TypeVar("M", Section, Message)


class Renderer(Protocol):
    """Finds faults and makes texts: :class:`~reminder.messages.limited.Limited`, or the engine itself."""

    def faults(self, bundle: Bundle, name: str) -> list[Problem]: ...

    def forms(self, bundle: Bundle, folder: str, context: Mapping[str, Any]) -> dict[str, str]: ...

    def common(
        self, bundle: Bundle, folder: str, context: Mapping[str, Any], place: str
    ) -> tuple[dict[str, str], tuple[str, ...]]: ...


class Templates:
    """A folder of templates, read once and kept: later edits need another load."""

    def __init__(self, bundle: Bundle, digests: Mapping[str, str], renderer: Renderer) -> None:
        self._bundle = bundle
        self._digests = dict(digests)
        folders = {name.partition("/")[0] for name in digests if "/" in name}
        self._names = tuple(sorted(folder for folder in folders if not folder.startswith("_")))
        self._renderer = renderer
        self._stopped: dict[object, TemplateStopped] = {}
        self._shared = SharedTexts()

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        limits: Literal["process", "none"] = "process",
        replaced: Mapping[str, bytes] | None = None,
    ) -> tuple[Templates, list[Problem]]:
        """Read a folder; what is wrong with it comes back as problems, all at once.

        A template with an error stays in :meth:`names`; rendering it raises.
        ``limits="none"`` works in this process, with nothing to stop a bomb: for
        templates that nobody else can edit.  ``replaced`` are contents by path in the
        folder that are taken instead of what stands there.
        """
        replaced = replaced or {}
        problems: list[Problem] = []
        sources: dict[str, str] = {}
        digests: dict[str, str] = {}
        if not folder.is_dir():
            problems.append(Problem(Position(str(folder)), "", "没有这个模板文件夹", "", "请检查路径"))
        every = {*folder.glob("*/*.j2"), *folder.glob("*.yaml"), *(folder / each for each in replaced)}
        paths = sorted(every, key=lambda path: (path.suffix != ".j2", path))
        if len(paths) > MAX_FILES:
            found = f"模板文件有 {len(paths)} 个，超过 {MAX_FILES} 个"
            problems.append(Problem(Position(folder.name), "", found, "", "请移走多余的文件"))
        for path in paths[:MAX_FILES]:
            name = path.relative_to(folder).as_posix()
            shown = f"{folder.name}/{name}"
            content, problem = _judged(replaced[name], shown) if name in replaced else _content(path, shown)
            if problem is not None:
                problems.append(problem)
            if content is None:
                continue
            digests[name] = hashlib.sha256(content).hexdigest()
            if path.suffix == ".j2" and problem is None:
                sources[name] = content.decode("utf-8-sig").replace("\r\n", "\n")
        bundle = Bundle(folder.name, sources)
        templates = cls(bundle, digests, _renderer(limits))
        if folder.is_dir():
            problems += templates._missing_files()
        try:
            problems += templates._faults()
        except RendererUnavailable as error:
            problems.append(Problem(Position(folder.name), "", f"模板未能检查：{error}", passing=True))
        return templates, sorted(problems, key=lambda problem: problem.sort_key)

    def _faults(self) -> list[Problem]:
        """What is wrong with the texts; those found without fault once are not read through again."""
        key = self._bundle.key
        if key in _sound:
            return []
        found = [each for name in self._bundle.sources for each in self._renderer.faults(self._bundle, name)]
        if not found:
            if len(_sound) >= MOST_SOUND:
                _sound.clear()
            _sound.add(key)
        return found

    def names(self) -> tuple[str, ...]:
        """The templates a plan may name, in alphabetical order."""
        return self._names

    def files(self) -> Mapping[str, str]:
        """SHA-256 of every file the texts depend on, by its path in the folder."""
        return MappingProxyType(self._digests)

    def with_source(self, name: str, source: str) -> Templates:
        """These templates with one file as it is being edited: for a preview, not checked.

        ``name`` is its path in the folder.
        """
        bundle = Bundle(self._bundle.folder, {**self._bundle.sources, name: source})
        digests = {**self._digests, name: hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()}
        return Templates(bundle, digests, self._renderer)

    def section(self, name: str, context: Mapping[str, Any]) -> Section:
        """Render one template.

        ``context`` has the names of ``SECTION_NAMES``; its dates are in the
        plan's zone.  Raises :class:`TemplateError`; and ``RendererUnavailable``,
        which is no fault of the template.
        """
        if name not in self.names():
            raise TemplateError(unknown_name(Position(self._bundle.folder), name, self.names(), "模板"))
        item = context.get("item")
        about = (
            name,
            _id(item),
            _id(context.get("occurrence")),
            _id(context.get("alarm")),
            context.get("today"),
        )
        title = "" if item is None or item["private"] else _one_line(str(item["title"]))

        def finish(forms: Forms) -> Section:
            return Section(
                subject=_one_line(forms[SUBJECT]),
                text=_tidy(forms[TEXT]),
                html=_tidy(forms[HTML]),
                markdown=_tidy(forms[MARKDOWN]),
                title=title,
            )

        return self._text(name, context, about, finish)

    def message(self, sections: Sequence[Section], context: Mapping[str, Any]) -> Message:
        """Wrap sections, most urgent first, into one message.

        ``context`` has the names of ``LAYOUT_NAMES``; its ``sections`` are not looked at.  Raises
        as :meth:`section` does, and ``ValueError`` if there is no section.
        """
        if not sections:
            raise ValueError("a message needs at least one section")

        def finish(forms: Forms) -> Message:
            return Message(
                subject=_one_line(forms[SUBJECT]),
                text=_tidy(forms[TEXT]) + "\n",
                html=_tidy(forms[HTML]) + "\n",
                markdown=_tidy(forms[MARKDOWN]),
            )

        frame = {name: value for name, value in context.items() if name != "sections"}
        return self._text(LAYOUT, frame, (LAYOUT, tuple(sections)), finish, tuple(sections))

    def _text(
        self,
        folder: str,
        context: Mapping[str, Any],
        about: object,
        finish: Callable[[Forms], M],
        sections: tuple[Section, ...] = (),
    ) -> M:
        """What is said to one receiver: rendered once for all who read the same."""

        def whole() -> Mapping[str, Any]:
            return {**context, "sections": [_part(each) for each in sections]} if sections else context

        def common(place: str) -> tuple[Forms, tuple[str, ...]]:
            return self._once(about, lambda: self._renderer.common(self._bundle, folder, whole(), place))

        made = self._shared.of((folder, sections), context, common, finish, _named)
        if made is None:
            made = finish(self._once(about, lambda: self._renderer.forms(self._bundle, folder, whole())))
        return made

    def _once(self, about: object, render: Callable[[], T]) -> T:
        """What went over the limits once is not tried for each of a hundred receivers."""
        if (stopped := self._stopped.get(about)) is not None:
            raise stopped
        try:
            return render()
        except TemplateStopped as error:
            while len(self._stopped) >= STOPPED_KEPT:
                self._stopped.pop(next(iter(self._stopped)), None)
            self._stopped[about] = error
            raise

    def _missing_files(self) -> list[Problem]:
        return [
            Problem(
                Position(self._bundle.shown_as(folder)),
                "",
                f"缺少文件 {file}",
                "每个模板有 " + "、".join(FORMS) + " 四个文件",
            )
            for folder in (LAYOUT, *self.names())
            for file in FORMS
            if f"{folder}/{file}" not in self._digests
        ]


def _renderer(limits: Literal["process", "none"]) -> Renderer:
    if limits == "process":
        return limited.shared
    from reminder.messages.unlimited import Unlimited

    return Unlimited()


def _content(path: Path, shown: str) -> tuple[bytes | None, Problem | None]:
    """The octets of a file, and what keeps them from being a template."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block the reader for ever
            return None, Problem(Position(shown), "", "不是普通文件", "", "请把它移出本文件夹")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return None, Problem(Position(shown), "", f"文件读不出来（{system_reason(error)}）")
    return _judged(content, shown)


def _judged(content: bytes, shown: str) -> tuple[bytes, Problem | None]:
    if len(content) > MAX_BYTES:
        return content, Problem(Position(shown), "", f"文件超过 {MAX_BYTES >> 10} KB", "", "请删减")
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content, Problem(Position(shown, 1, 1), "", "文件不是 UTF-8 编码", "", "请另存为 UTF-8")
    return content, None


def _part(section: Section) -> dict[str, str]:
    """A section as the layout sees it."""
    return {
        "subject": section.subject,
        "title": section.title,
        "text": section.text,
        "html": section.html,
        "markdown": section.markdown,
    }


def _named(made: M, name: str) -> M:
    """With the name where its place is; the same object if it has none."""
    found = {
        field: text.replace(PLACE, name)
        for field in ("subject", "text", "html", "markdown")
        if PLACE in (text := getattr(made, field))
    }
    return replace(made, **found) if found else made


def _id(value: Any) -> object:
    return value.get("id") if isinstance(value, Mapping) else None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tidy(text: str) -> str:
    """No trailing spaces, no two blank lines in a row, none at either end."""
    text = re.sub(r"[^\S\n]+$", "", text.replace("\r", "\n").replace("\u2028", "\n"), flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")
