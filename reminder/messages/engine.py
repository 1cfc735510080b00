"""Jinja2 at work on one folder's texts: what is wrong with them, and what they say.

This is the part that a hostile template can keep busy or make large, so that it
runs in a process of its own (:mod:`reminder.messages.child`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from markupsafe import Markup

from reminder.errors import Position, Problem
from reminder.messages.explain import clipped, render_problem, syntax_problem, unreadable
from reminder.messages.forms import FORMS, LAYOUT, LAYOUT_NAMES, SECTION_NAMES, Bundle, Form
from reminder.messages.receiver import Watched, only_says_name
from reminder.messages.sandbox import Sandbox, Sources, environments, rendered
from reminder.messages.trouble import TemplateError, place, unknown_name


class Engine:
    """The three sandboxes over one bundle; what they compiled is kept."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._says: dict[str, bool] = {}
        """Of each file that was parsed, whether it only says its receiver's name."""
        self._files = Sources(bundle.sources, bundle.shown_as)
        self._environments: dict[Form, Sandbox] = environments(self._files)

    def faults(self, name: str) -> list[Problem]:
        """Syntax errors, unknown variables and unknown files of one file, in branches never reached too.

        Raises ``MemoryError`` only.
        """
        source, shown = self._bundle.sources[name], self._bundle.shown_as(name)
        environment = self._environments[FORMS.get(name.partition("/")[2], Form.TEXT)]
        try:
            return [clipped(problem) for problem in self._faults(name, source, shown, environment)]
        except TemplateSyntaxError as error:
            return [clipped(syntax_problem(error, shown, source, environment.filters))]
        except MemoryError:
            raise
        except Exception as error:  # a number of 5,000 digits, 1,000 brackets in each other
            return [clipped(unreadable(error, shown))]

    def _faults(self, name: str, source: str, shown: str, environment: Sandbox) -> list[Problem]:
        folder = name.partition("/")[0]
        allowed = LAYOUT_NAMES if folder == LAYOUT else SECTION_NAMES
        if folder.startswith("_") and folder != LAYOUT:
            allowed = SECTION_NAMES | LAYOUT_NAMES
        tree = environment.parse(source, name, shown)
        # This generates code, and so meets unknown filters and tests as well.
        unknown = environment.expected(tree, name, shown) - allowed
        if name.partition("/")[2] in FORMS:
            self._says[name] = only_says_name(tree)
        else:
            self._files.keep(name, tree)
        # Jinja2 counts a name as undeclared if only one branch sets it.
        unknown -= {each.name for each in tree.find_all(nodes.Name) if each.ctx != "load"}
        problems: list[Problem] = []
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
            if not isinstance(target, str) or target not in self._bundle.sources:
                shown_name = str(target or "（变量）")
                where = place(source, shown, reference.lineno, str(target or ""))
                problems.append(unknown_name(where, shown_name, self._bundle.sources, "模板文件"))
        return problems

    def forms(self, folder: str, context: Mapping[str, Any]) -> dict[str, str]:
        """The text of each file of ``FORMS`` in a folder of the bundle.

        For the layout ``context["sections"]`` are mappings whose ``html`` and
        ``markdown`` are escaped already.  Raises :class:`TemplateError`, and
        ``MemoryError``.
        """
        if folder == LAYOUT:
            context = {**context, "sections": [_escaped(each) for each in context["sections"]]}
        return {file: self._render(f"{folder}/{file}", form, context) for file, form in FORMS.items()}

    def common(self, folder: str, context: Mapping[str, Any], place: str) -> dict[str, Any]:
        """As :meth:`forms`, for whoever reads the same: ``forms``, and ``read``.

        ``read`` are the fields of the receiver that the texts depend on: for any
        other receiver who agrees in these they are the same.  Where all that the
        files do with the receiver's name is to say it, ``place`` stands for the
        name, and the name is not among the fields.
        """
        read: set[str] = set()
        receiver = context["receiver"]
        if self._only_says_name(folder):
            receiver = {**receiver, "name": place}
        forms = self.forms(folder, {**context, "receiver": Watched(receiver, read)})
        if receiver is not context["receiver"]:
            read.discard("name")
        return {"forms": forms, "read": sorted(read)}

    def _only_says_name(self, folder: str) -> bool:
        for file, form in FORMS.items():
            name = f"{folder}/{file}"
            if name not in self._says:  # another process read it through
                self._says[name] = only_says_name(self._environments[form].parse(self._bundle.sources[name]))
        return all(self._says[f"{folder}/{file}"] for file in FORMS)

    def _render(self, name: str, form: Form, context: Mapping[str, Any]) -> str:
        environment = self._environments[form]
        try:
            return rendered(environment.get_template(name), context)
        except TemplateSyntaxError as error:
            # Jinja2's lexer puts the path where the name belongs.
            file = (error.name or name).removeprefix(self._bundle.shown_as(""))
            shown, source = self._bundle.shown_as(file), self._bundle.sources.get(file, "")
            problem = syntax_problem(error, shown, source, environment.filters)
            raise TemplateError(clipped(problem)) from None
        except MemoryError:
            raise
        except Exception as error:  # a template's expressions raise what they like
            file, number = self._place_of(error, name)
            position = Position(self._bundle.shown_as(file), number, 1 if number else 0)
            problem = render_problem(error, position, self._bundle.sources.get(file, ""), context)
            raise TemplateError(clipped(problem)) from error

    def _place_of(self, error: BaseException, name: str) -> tuple[str, int]:
        """File and line of the innermost template frame of a traceback."""
        files = {self._bundle.shown_as(each): each for each in self._bundle.sources}
        found, trace = (name, 0), error.__traceback__
        while trace is not None:
            if file := files.get(trace.tb_frame.f_code.co_filename):
                found = (file, trace.tb_lineno)
            trace = trace.tb_next
        return found


def _escaped(section: Mapping[str, Any]) -> dict[str, Any]:
    # Their own forms escaped them already.
    return {
        **section,
        "html": Markup(section["html"]),  # noqa: S704
        "markdown": Markup(section["markdown"]),  # noqa: S704
    }
