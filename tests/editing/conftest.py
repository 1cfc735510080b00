"""Fixtures of the tests of editing: a small plan in folders of its own, with a ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from reminder.agenda.facts import NOTHING
from reminder.check import Edition, examine
from reminder.editing.shelf import Shelf
from reminder.editing.workshop import Workshop
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.editions import TEMPLATES
from tests.plans import at, item_yaml, write_plan

NOW = at("2026-06-01 09:00")
WHEN = "window:\n  opens: 2026-06-01\n  closes: 2026-06-10"
ON_DUE = "- from: due\n  workdays: 0\n  to: person:p-office"
PUBLIC = item_yaml("public", WHEN, ON_DUE)
SHARED = ("_layout", "_shared", "general", "private", "notice")


@dataclass
class Office:
    """Folders, the edition they make, and its ledger."""

    folder: Path
    shelf: Shelf
    edition: Edition
    ledger: Ledger
    now: datetime = NOW

    def workshop(self) -> Workshop:
        return Workshop(self.shelf, self.ledger, self.edition, NOTHING)

    def path(self, name: str = "plan.yaml") -> Path:
        return self.shelf.path(name)

    def text(self, name: str = "plan.yaml") -> str:
        return self.path(name).read_text("utf-8")

    def sha(self, name: str = "plan.yaml") -> str:
        document = self.shelf.read(name)
        assert document is not None
        return document.sha256

    def save(self, text: str, name: str = "plan.yaml", base: str | None = None, remark: str = "") -> int:
        """Save as p-clerk over what stands there; the version's number."""
        base = self.sha(name) if base is None else base
        content = text.encode()
        return self.workshop().save(name, base, content, by="p-clerk", remark=remark, now=self.now).version


def lay_out(folder: Path, *items: str) -> Shelf:
    """The folders of a plan with the few templates it needs."""
    write_plan(folder / "schedules", *items)
    for name in SHARED:
        shutil.copytree(TEMPLATES / name, folder / "message_templates" / name)
    shutil.copy(TEMPLATES / "wording.yaml", folder / "message_templates")
    return Shelf(folder / "schedules", folder / "message_templates")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """One public item, due on 2026-06-10."""
    shelf = lay_out(tmp_path, PUBLIC)
    examined = examine(shelf.schedules, shelf.templates)
    assert examined.edition is not None, examined.problems
    with Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW) as ledger:
        yield Office(tmp_path, shelf, examined.edition, ledger)
