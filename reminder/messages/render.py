"""From templates and facts to messages: Jinja2, no network, no clock.

A template is a folder of four files, one a form; it renders one *section*.  The
layout (``_layout``) wraps one section or several into a message.  Folders that
begin with ``_`` are no templates: they hold the layout and the parts templates
share.  Beside its four files a folder may hold parts of its own (``words.j2``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import TemplateSyntaxError, meta, nodes
from markupsafe import Markup

from reminder.errors import Position, Problem
from reminder.messages.message import Message
from reminder.messages.sandbox import Form, Sandbox, environments, rendered
from reminder.messages.trouble import TemplateError, place, render_problem, syntax_problem, unknown_name

__all__ = ["LAYOUT", "LAYOUT_NAMES", "SECTION_NAMES", "Section", "TemplateError", "Templates"]

LAYOUT = "_layout"
SUBJECT, TEXT, HTML, MARKDOWN = ("subject.j2", "mail.txt.j2", "mail.html.j2", "wecom.md.j2")
_FORMS = {SUBJECT: Form.TEXT, TEXT: Form.TEXT, HTML: Form.HTML, MARKDOWN: Form.MARKDOWN}

SECTION_NAMES = frozenset(
    """plan office item occurrence festival alarm receiver cells provisional today link wording variants
    notice""".split()  # noqa: SIM905 - a list of fourteen lines reads worse
)
"""The variables a section's template may use; anything else in one is an error at load.

``notice`` is given to the template of that name only, which has no item.
"""
LAYOUT_NAMES = frozenset(("plan", "office", "receiver", "today", "sections", "link", "wording"))
"""The variables the layout is given."""


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


class Templates:
    """A folder of templates, read once and kept: later edits need another load."""

    def __init__(self, folder: str, sources: Mapping[str, str], digests: Mapping[str, str]) -> None:
        self._folder = folder
        self._sources = dict(sources)
        self._digests = dict(digests)
        self._environments: dict[Form, Sandbox] = environments(self._sources, self._shown_as)

    @classmethod
    def load(cls, folder: Path) -> tuple[Templates, list[Problem]]:
        """Read a folder; what is wrong with it comes back as problems, all at once.

        A template with an error stays in :meth:`names`; rendering it raises.
        """
        problems: list[Problem] = []
        sources: dict[str, str] = {}
        digests: dict[str, str] = {}
        if not folder.is_dir():
            problems.append(Problem(Position(folder.name), "", "没有这个模板文件夹", "", "请检查路径"))
        for path in sorted(folder.glob("*/*.j2")) + sorted(folder.glob("*.yaml")):
            name = path.relative_to(folder).as_posix()
            try:
                content = path.read_bytes()
                if path.suffix == ".j2":
                    sources[name] = content.decode("utf-8-sig").replace("\r\n", "\n")
            except OSError as error:
                problems.append(
                    Problem(Position(f"{folder.name}/{name}"), "", f"文件读不出来（{error.strerror}）")
                )
                continue
            except UnicodeDecodeError:
                found = "文件不是 UTF-8 编码"
                problems.append(
                    Problem(Position(f"{folder.name}/{name}", 1, 1), "", found, "", "请另存为 UTF-8")
                )
            digests[name] = hashlib.sha256(content).hexdigest()
        templates = cls(folder.name, sources, digests)
        if folder.is_dir():
            problems += templates._missing_files(digests)
        problems += templates._faults()
        return templates, sorted(problems, key=lambda problem: problem.sort_key)

    def names(self) -> tuple[str, ...]:
        """The templates a plan may name, in alphabetical order."""
        folders = {name.partition("/")[0] for name in self._digests if "/" in name}
        return tuple(sorted(folder for folder in folders if not folder.startswith("_")))

    def files(self) -> Mapping[str, str]:
        """SHA-256 of every file the texts depend on, by its path in the folder."""
        return MappingProxyType(self._digests)

    def section(self, name: str, context: Mapping[str, Any]) -> Section:
        """Render one template.

        ``context`` has the names of ``SECTION_NAMES``; its dates are in the
        plan's zone.  Raises :class:`TemplateError`.
        """
        if name not in self.names():
            raise TemplateError(unknown_name(Position(self._folder), name, self.names(), "模板"))
        forms = {file: self._render(f"{name}/{file}", form, context) for file, form in _FORMS.items()}
        item = context.get("item")
        environment = self._environments[Form.TEXT]
        private = item is None or environment.getattr(item, "private")
        return Section(
            subject=_one_line(forms[SUBJECT]),
            text=_tidy(forms[TEXT]),
            html=_tidy(forms[HTML]),
            markdown=_tidy(forms[MARKDOWN]),
            title="" if private else _one_line(str(environment.getattr(item, "title"))),
        )

    def message(self, sections: Sequence[Section], context: Mapping[str, Any]) -> Message:
        """Wrap sections, most urgent first, into one message.

        ``context`` has the names of ``LAYOUT_NAMES`` but ``sections``.  Raises
        :class:`TemplateError`, and ``ValueError`` if there is no section.
        """
        if not sections:
            raise ValueError("a message needs at least one section")
        parts = [
            {
                "subject": section.subject,
                "title": section.title,
                "text": section.text,
                # Their own forms escaped them already.
                "html": Markup(section.html),  # noqa: S704
                "markdown": Markup(section.markdown),  # noqa: S704
            }
            for section in sections
        ]
        whole = {**context, "sections": parts}
        forms = {file: self._render(f"{LAYOUT}/{file}", form, whole) for file, form in _FORMS.items()}
        return Message(
            subject=_one_line(forms[SUBJECT]),
            text=_tidy(forms[TEXT]) + "\n",
            html=_tidy(forms[HTML]) + "\n",
            markdown=_tidy(forms[MARKDOWN]),
        )

    def _shown_as(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _render(self, name: str, form: Form, context: Mapping[str, Any]) -> str:
        environment = self._environments[form]
        try:
            return rendered(environment.get_template(name), context)
        except TemplateSyntaxError as error:
            file = error.name or name
            source = self._sources.get(file, "")
            raise TemplateError(
                syntax_problem(error, self._shown_as(file), source, environment.filters)
            ) from None
        except Exception as error:  # a template's expressions raise what they like
            file, number = self._place_of(error, name)
            position = Position(self._shown_as(file), number, 1 if number else 0)
            raise TemplateError(
                render_problem(error, position, self._sources.get(file, ""), context)
            ) from error

    def _place_of(self, error: BaseException, name: str) -> tuple[str, int]:
        """File and line of the innermost template frame of a traceback."""
        files = {self._shown_as(each): each for each in self._sources}
        place, trace = (name, 0), error.__traceback__
        while trace is not None:
            if file := files.get(trace.tb_frame.f_code.co_filename):
                place = (file, trace.tb_lineno)
            trace = trace.tb_next
        return place

    def _missing_files(self, present: Mapping[str, str]) -> list[Problem]:
        return [
            Problem(
                Position(self._shown_as(folder)),
                "",
                f"缺少文件 {file}",
                "每个模板有 " + "、".join(_FORMS) + " 四个文件",
            )
            for folder in (LAYOUT, *self.names())
            for file in _FORMS
            if f"{folder}/{file}" not in present
        ]

    def _faults(self) -> list[Problem]:
        """Syntax errors, unknown variables and unknown files, in branches never reached too."""
        problems: list[Problem] = []
        for name, source in self._sources.items():
            folder, _, file = name.partition("/")
            environment = self._environments[_FORMS.get(file, Form.TEXT)]
            allowed = LAYOUT_NAMES if folder == LAYOUT else SECTION_NAMES
            if folder.startswith("_") and folder != LAYOUT:
                allowed = SECTION_NAMES | LAYOUT_NAMES
            shown = self._shown_as(name)
            try:
                tree = environment.parse(source, name, shown)
                # This generates code, and so meets unknown filters and tests as well.
                unknown = meta.find_undeclared_variables(tree) - allowed - set(environment.globals)
                # Jinja2 counts a name as undeclared if only one branch sets it.
                unknown -= {each.name for each in tree.find_all(nodes.Name) if each.ctx != "load"}
            except TemplateSyntaxError as error:
                problems.append(syntax_problem(error, shown, source, environment.filters))
                continue
            for used in tree.find_all(nodes.Name):
                if used.name in unknown:
                    unknown.discard(used.name)
                    problems.append(
                        unknown_name(place(source, shown, used.lineno, used.name), used.name, allowed)
                    )
            references: list[Any] = list(
                tree.find_all((nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends))
            )
            for reference in references:
                target = reference.template.value if isinstance(reference.template, nodes.Const) else None
                if target not in self._sources:
                    where = place(source, shown, reference.lineno, str(target or ""))
                    problems.append(unknown_name(where, str(target or "（变量）"), self._sources, "模板文件"))
        return problems


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tidy(text: str) -> str:
    """No trailing spaces, no two blank lines in a row, none at either end."""
    text = re.sub(r"[^\S\n]+$", "", text.replace("\r", "\n").replace("\u2028", "\n"), flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")
