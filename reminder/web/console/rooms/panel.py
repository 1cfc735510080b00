"""Which message is shown beside a template."""

from __future__ import annotations

from dataclasses import dataclass

from reminder.editing.shelf import Document, DocumentKind
from reminder.views.previews import Choices, Wanted, choices
from reminder.web.console.ask import Ask


@dataclass(frozen=True, slots=True)
class Panel:
    """The panel beside an editor in which its message is shown."""

    choices: Choices
    address: str


def panel_of(ask: Ask, document: Document) -> Panel | None:
    """The panel of a template or the wording; None for other files."""
    template = template_of(document)
    if template is None:
        return None
    return Panel(choices(ask.look, template, wanted_of(ask)), f"plan/{document.name}/preview")


def template_of(document: Document) -> str | None:
    """Whose messages show what a document says; a shared part and the wording show in all."""
    if document.kind is DocumentKind.WORDING:
        return "_wording"
    return document.name.split("/")[1] if document.kind is DocumentKind.TEMPLATE else None


def wanted_of(ask: Ask) -> Wanted:
    """Which message the form or the address asks for."""
    given = ask.form or ask.query
    return Wanted(*(given.get(key, "") for key in ("item", "rung", "channel", "receiver")))
