"""What a template is made of, and the words both sides of the rendering process share.

Nothing here imports Jinja2: the daemon, which only asks for texts, never loads it.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


class Form(enum.StrEnum):
    """The form a text is rendered in."""

    TEXT = "text"
    HTML = "html"
    MARKDOWN = "markdown"


LAYOUT = "_layout"
SUBJECT, TEXT, HTML, MARKDOWN = ("subject.j2", "mail.txt.j2", "mail.html.j2", "wecom.md.j2")
FORMS: Mapping[str, Form] = {
    SUBJECT: Form.TEXT,
    TEXT: Form.TEXT,
    HTML: Form.HTML,
    MARKDOWN: Form.MARKDOWN,
}
"""The files of a template, each with its form."""

SECTION_NAMES = frozenset(
    """plan office item occurrence festival alarm receiver cells count hidden deputy_for drawn
    provisional today link wording variants notice approval""".split()  # noqa: SIM905 - a list of fourteen lines reads worse
)
"""The variables a section's template may use; anything else in one is an error at load.

``notice`` and ``approval`` are given to the templates of that name only, which have no item.
"""
LAYOUT_NAMES = frozenset(("plan", "office", "receiver", "today", "sections", "owes", "link", "wording"))
"""The variables the layout is given."""

MAX_CHARACTERS = 200_000
"""Of one rendered form: fifty times what the longest channel takes."""


@dataclass(frozen=True)
class Bundle:
    """The texts of one folder of templates, as they were when it was read.

    ``folder`` is the name errors show; ``sources`` are the texts by their path in it.
    """

    folder: str
    sources: Mapping[str, str]

    @cached_property
    def key(self) -> str:
        """The same for the same texts under the same name."""
        digest = hashlib.sha256(self.folder.encode())
        for name, text in sorted(self.sources.items()):
            for part in (name, text):
                octets = part.encode("utf-8", "surrogatepass")
                digest.update(len(octets).to_bytes(8, "big") + octets)
        return digest.hexdigest()

    def shown_as(self, name: str) -> str:
        """The path by which errors call a file."""
        return f"{self.folder}/{name}"
