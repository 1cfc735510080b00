"""The three environments templates run in: plain text, HTML and WeCom markdown.

A template is text that an office edits, so it may do little: read what it is
given, loop, and format.  It cannot reach Python's inside, change what it is
given, or make more text than a message can hold.  Each form escapes by itself
whatever is not the template's own text: HTML by Jinja2's autoescape, markdown
by the same machinery with :func:`reminder.messages.filters.md` in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from io import StringIO
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, Template, TemplateNotFound, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from markupsafe import Markup

from reminder.messages.filters import FILTERS, md, variant
from reminder.messages.forms import MAX_CHARACTERS, Form

MAX_REPEAT = 1_000
MOST_CODE = 4_000_000
"""Characters of generated code kept for the rendering; the templates that are shipped need a tenth."""
MOST_PARSED = 200_000
"""Characters of the files whose parsed form is kept, likewise: it takes thirty octets for each."""
_OF_DICTS = frozenset(dir(dict))

# Jinja2's own filters that make text of what is given.  Left out: those that
# choose at random, pad to any width, or show the inside of objects.
_BUILTIN_FILTERS = [
    "abs",
    "batch",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "wordcount",
]


class MissingText(str):
    """The message of a use of something undefined, with what was looked for and where."""

    __slots__ = ("holder", "name")

    name: str
    holder: Any
    """The object that lacks the name; ``None`` for a variable."""


class Missing(StrictUndefined):
    """Undefined is an error at its first use, and remembers enough to be explained."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        message = MissingText(super()._undefined_message)
        message.name = str(self._undefined_name)
        holder = self._undefined_obj
        message.holder = None if holder is missing else holder
        return message


class TooMuchText(SecurityError):
    """A template makes more text than any message may have."""


class _Noting(CodeGenerator):
    """Jinja2's compiler, which also notes the variables a template expects to be given.

    ``jinja2.meta`` finds the same names with a generator that writes nothing: the
    code would have to be generated a second time.
    """

    def __init__(self, environment: Environment, name: str, filename: str) -> None:
        self.written = StringIO()
        super().__init__(environment, name, filename, self.written, optimized=environment.optimized)
        self.expected: set[str] = set()

    def enter_frame(self, frame: Frame) -> None:
        super().enter_frame(frame)
        known = self.environment.globals
        self.expected |= {
            name
            for action, name in frame.symbols.loads.values()
            if action == "resolve" and name is not None and name not in known
        }


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, which also refuses to multiply texts, pad them and raise powers without end.

    What is intercepted is not computed at load either: Jinja2 folds other
    constants while it compiles.
    """

    intercepted_binops = frozenset(["*", "**", "%"])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.code: dict[str, str] = {}
        """Python that was generated when a file was read through, by the file's name."""

    def expected(self, tree: nodes.Template, name: str, filename: str) -> set[str]:
        """The variables that a file looks up outside itself; its code is kept for the rendering.

        Raises ``TemplateSyntaxError`` for filters and tests that do not exist.
        """
        generator = _Noting(self, name, filename)
        generator.visit(tree)
        code = generator.written.getvalue()
        if len(code) + sum(map(len, self.code.values())) <= MOST_CODE:
            self.code[name] = code
        return generator.expected

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of what a template is given, first: Jinja2 asks for an attribute and catches the error."""
        if type(obj) is dict and attribute in obj and attribute not in _OF_DICTS:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise SecurityError(f"operator % on {left!r:.20}")  # '%999999999d' % 1
        if operator == "**" or any(
            isinstance(each, int) and abs(each) > MAX_REPEAT for each in (left, right)
        ):
            raise SecurityError(f"operator {operator} on {left!r:.20} and {right!r:.20}")
        return super().call_binop(context, operator, left, right)


class Sources(BaseLoader):
    """Serves the texts read at load, and nothing from the disk; ``shown_as`` turns a name into the path errors show."""

    def __init__(self, sources: Mapping[str, str], shown_as: Callable[[str], str]) -> None:
        self._sources = sources
        self._shown_as = shown_as
        self._parsed: dict[str, nodes.Template] = {}

    def get_source(self, _environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        if template not in self._sources:
            raise TemplateNotFound(template)
        return self._sources[template], self._shown_as(template), lambda: True

    def keep(self, name: str, tree: nodes.Template) -> None:
        """The parsed form of a file that other forms may take in too: it is the same for all."""
        if sum(len(self._sources[each]) for each in (name, *self._parsed)) <= MOST_PARSED:
            self._parsed[name] = tree

    def load(
        self, environment: Environment, name: str, globals: MutableMapping[str, Any] | None = None
    ) -> Template:
        """What was read through before is neither parsed nor, in the form it was read in, generated again."""
        shown = self._shown_as(name)
        if isinstance(environment, Sandbox) and (code := environment.code.pop(name, None)) is not None:
            compiled = compile(code, shown, "exec")
        elif (tree := self._parsed.get(name)) is not None:
            tree.set_environment(environment)
            compiled = environment.compile(tree, name, shown)
        else:
            return super().load(environment, name, globals)
        return environment.template_class.from_code(environment, compiled, globals or {}, lambda: True)


def _as_markdown(value: Any) -> Any:
    # Undefined values must reach Jinja2, which raises for them.
    if isinstance(value, Missing) or hasattr(value, "__html__"):
        return value
    return Markup(md(value))  # noqa: S704 - “markup” here is markdown, just neutralised


def environments(loader: Sources) -> dict[Form, Sandbox]:
    """One sandbox a form over the same files."""
    made = {}
    for form in Form:
        environment = Sandbox(
            loader=loader,
            undefined=Missing,
            autoescape=form is not Form.TEXT,
            finalize=_as_markdown if form is Form.MARKDOWN else None,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            optimized=False,  # it costs a quarter of the compiling and saves nothing of the rendering
            cache_size=-1,
        )
        environment.filters = {name: environment.filters[name] for name in _BUILTIN_FILTERS} | dict(FILTERS)
        environment.globals = {"range": environment.globals["range"], "variant": variant}
        made[form] = environment
    return made


def rendered(template: Template, context: Mapping[str, Any]) -> str:
    """The template's text.

    Raises whatever Jinja2 and the template's expressions raise, and
    :class:`TooMuchText` beyond ``MAX_CHARACTERS``.
    """
    pieces, length = [], 0
    for piece in template.generate(context):
        length += len(piece)
        if length > MAX_CHARACTERS:
            raise TooMuchText(f"more than {MAX_CHARACTERS} characters")
        pieces.append(piece)
    return "".join(pieces)
