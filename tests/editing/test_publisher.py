"""Editing a plan that is published in the ledger: each save is a version of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminder.agenda.facts import NOTHING
from reminder.check import Edition, examine
from reminder.editing.bundle import examined
from reminder.editing.errors import EditRefused, Stale
from reminder.editing.publisher import Publisher
from reminder.editing.shelf import Shelf
from reminder.editing.store import PlanStore
from reminder.editing.workshop import Faulty, Workshop
from reminder.ledger.file_versions import digest_of
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.settings import Settings
from tests.backends import Backend
from tests.editing.conftest import NOW, PUBLIC, lay_out


class Room:
    """A node's data folder with the first version in it, and the workshop over it."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        drafts = lay_out(folder / "drafts", PUBLIC)
        contents, found = examined(drafts.schedules, drafts.templates, None)
        assert found.edition is not None
        ledger.published.publish("test", contents, found.edition.digest, at=NOW, author="push", over=0)
        self.ledger, self.store = ledger, PlanStore(folder / "published")
        self.brought = self.store.bring(ledger)
        self.edition: Edition = found.edition
        laid = Settings(data=folder).laid_out()
        self.shelf = Shelf(laid.schedules, laid.templates)

    def text(self, name: str = "plan.yaml") -> str:
        return self.shelf.path(name).read_text("utf-8")

    def save(self, text: str, name: str = "plan.yaml", base: str | None = None) -> int:
        publisher = Publisher(self.store, self.ledger)
        workshop = Workshop(self.shelf, self.ledger, self.edition, NOTHING, None, publisher)
        document = self.shelf.read(name)
        if base is None:
            base = document.sha256 if document is not None else ""
        return workshop.save(name, base, text.encode(), by="p-clerk", remark="推迟", now=NOW).version


@pytest.fixture
def room(tmp_path: Path, backend: Backend) -> Room:
    return Room(tmp_path, backend.open(LedgerKind.DAEMON, NOW))


def test_a_save_is_a_version_for_all_nodes_and_shown_here_at_once(room: Room) -> None:
    """With its author and remark, in the history of the file as well; going back is a save like any other."""
    before = room.text()
    after = before.replace("closes: 2026-06-10", "closes: 2026-06-26")
    number = room.save(after)
    assert room.text() == after
    in_force = room.ledger.published.in_force("test")
    assert in_force is not None
    assert (in_force.number, in_force.author, in_force.remark) == (2, "p-clerk", "推迟")
    kept = room.ledger.files.get("test", number)
    assert kept is not None
    assert (kept.name, kept.author, kept.sha256) == ("plan.yaml", "p-clerk", digest_of(after.encode()))
    edition = examine(room.shelf.schedules, room.shelf.templates).edition
    version = room.ledger.published.get("test", 2)
    assert edition is not None
    assert version is not None
    assert version.edition == edition.digest
    room.save(before)
    last = room.ledger.published.get("test", 3)
    assert last is not None
    assert last.files == room.brought.files


def test_with_an_error_nothing_is_published(room: Room) -> None:
    with pytest.raises(Faulty):
        room.save(room.text().replace("from: due", "from: once"))
    assert room.ledger.published.number("test") == 1
    assert room.store.bring(room.ledger).number == 1


def test_nothing_goes_over_what_another_published_meanwhile(room: Room) -> None:
    """Another file even: what was checked is no longer what would come into force."""
    before = room.text()
    contents = room.ledger.published.contents(room.ledger.published.every("test")[0])
    contents["directory.yaml"] = contents["directory.yaml"].replace(b"...\n", b"# x\n...\n")
    room.ledger.published.publish("test", contents, "e", at=NOW, author="push", over=1)
    with pytest.raises(Stale, match="已有人发布了第 2 版计划，没有保存"):
        room.save(before.replace("closes: 2026-06-10", "closes: 2026-06-26"))
    assert room.ledger.published.number("test") == 2
    room.store.bring(room.ledger)
    room.save(before.replace("closes: 2026-06-10", "closes: 2026-06-26"))
    last = room.ledger.published.get("test", 3)
    assert last is not None
    assert last.files["directory.yaml"] == digest_of(contents["directory.yaml"])


def test_files_that_were_changed_on_this_node_are_not_published_with_it(room: Room) -> None:
    """What was checked is not what the version would be."""
    path = room.shelf.path("directory.yaml")
    path.write_bytes(path.read_bytes().replace(b"...\n", b"# x\n...\n"))
    with pytest.raises(EditRefused, match="本节点上的计划文件被改动过"):
        room.save(room.text().replace("closes: 2026-06-10", "closes: 2026-06-26"))
    assert room.ledger.published.number("test") == 1
