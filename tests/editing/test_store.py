"""The published plan laid out in a data folder: whole, verified, put right, exchanged at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reminder.check import examine
from reminder.editing.bundle import examined
from reminder.editing.store import NothingPublished, PlanStore, StoreFailed
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.settings import Settings
from tests.backends import Backend
from tests.editions import TEMPLATES
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

NOW = datetime(2026, 6, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.DAEMON, NOW)


@pytest.fixture
def publish(ledger: Ledger, tmp_path: Path) -> Callable[..., None]:
    """Publish a plan of these items, over whatever is in force."""

    def act(*items: str, plan: str = "test") -> None:
        write_plan(tmp_path / "drafts", *(item_yaml(each, "date: 2026-06-10", ON_DUE_DAY) for each in items))
        contents, examination = examined(tmp_path / "drafts", TEMPLATES, None)
        assert examination.edition is not None
        over = ledger.published.number(plan)
        digest = examination.edition.digest
        ledger.published.publish(plan, contents, digest, at=NOW, author="p-clerk", over=over)

    return act


@pytest.fixture
def laid(tmp_path: Path) -> Settings:
    """What a node reads that has its data folder there."""
    return Settings(data=tmp_path / "data").laid_out()


@pytest.fixture
def store(tmp_path: Path) -> PlanStore:
    return PlanStore(tmp_path / "data" / "published")


def test_what_is_laid_out_makes_the_edition_that_was_published(
    ledger: Ledger, store: PlanStore, laid: Settings, publish: Callable[..., None]
) -> None:
    publish("x")
    brought = store.bring(ledger)
    assert (brought.plan_id, brought.number, brought.author) == ("test", 1, "p-clerk")
    edition = examine(laid.schedules, laid.templates).edition
    assert edition is not None
    published = ledger.published.get("test", 1)
    assert published is not None
    assert edition.digest == published.edition
    assert brought.made(edition)
    assert store.bring(ledger) == brought


def test_another_version_takes_its_place_at_once_and_the_one_before_can_still_be_read(
    ledger: Ledger, store: PlanStore, laid: Settings, publish: Callable[..., None]
) -> None:
    """Only those two are kept."""
    publish("x")
    first = store.bring(ledger)
    for items in (("x", "y"), ("x", "z")):
        publish(*items)
        last = store.bring(ledger)
    assert (last.number, last.whole(), first.folder.exists()) == (3, True, False)
    assert "事项z" in (laid.schedules / "plan.yaml").read_text()
    folders = {each.name for each in last.folder.parent.iterdir() if each.name[0].isdigit()}
    assert len(folders) == 2
    one = ledger.published.get("test", 1)
    assert one is not None
    ledger.published.go_back(one, {}, at=NOW, author="p-chief", over=3)
    back = store.bring(ledger)
    assert (back.number, back.author, back.files) == (1, "p-chief", first.files)


@pytest.mark.parametrize("harm", ["changed", "added", "removed", "link", "manifest", "all"])
def test_what_was_changed_there_is_put_right(
    ledger: Ledger, store: PlanStore, laid: Settings, publish: Callable[..., None], tmp_path: Path, harm: str
) -> None:
    publish("x")
    before = store.bring(ledger)
    plan = laid.schedules / "plan.yaml"
    if harm == "changed":
        plan.write_bytes(plan.read_bytes().replace("事项x".encode(), "事项q".encode()))
    elif harm == "added":
        (laid.schedules / "more.yaml").write_text("items: []\n...\n")
    elif harm == "removed":
        plan.unlink()
    elif harm == "link":
        plan.unlink()
        plan.symlink_to(tmp_path / "drafts" / "plan.yaml")
    elif harm == "manifest":
        (before.folder / "version.json").write_text("{}")
    else:
        import shutil

        shutil.rmtree(before.folder.parent)
    after = store.bring(ledger)
    assert after.whole()
    assert (after.number, after.files) == (before.number, before.files)
    assert examine(laid.schedules, laid.templates).edition is not None


def test_without_room_to_lay_it_out_what_was_there_stays(
    ledger: Ledger, store: PlanStore, publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle of the second file."""
    publish("x")
    store.bring(ledger)
    publish("x", "y")
    import os

    calls: list[int] = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreFailed, match="磁盘已满"):
            store.bring(ledger)
    there = store.brought()
    assert there is not None
    assert (there.number, there.whole()) == (1, True)
    assert store.bring(ledger).number == 2


def test_which_plan_is_meant_is_asked_where_there_are_several(
    ledger: Ledger, store: PlanStore, publish: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(NothingPublished, match="请先在有计划文件夹的机器上执行 reminder plan push"):
        store.bring(ledger)
    publish("x")
    publish("y", plan="other")
    with pytest.raises(NothingPublished, match=r"几个计划（other、test）.*REMINDER_PLAN_FROM=ledger:other"):
        store.bring(ledger)
    assert store.bring(ledger, "test").plan_id == "test"
    assert store.bring(ledger).plan_id == "test", "the one that was taken before"
    ledger.published.withdraw("test", at=NOW, author="x", over=1)
    with pytest.raises(NothingPublished, match="没有发布的计划（test）"):
        store.bring(ledger)


def test_a_name_that_leads_out_of_the_folder_is_refused(
    ledger: Ledger, store: PlanStore, tmp_path: Path
) -> None:
    """No program of ours writes one; the database is nobody's word."""
    for name in ("../../evil.yaml", "templates/../../../evil.yaml", "/tmp/evil.yaml"):
        over = ledger.published.number("test")
        ledger.published.publish("test", {name: b"x"}, "e", at=NOW, author="x", over=over)
        with pytest.raises(StoreFailed, match="不能用的文件名"):
            store.bring(ledger)
    assert not list(tmp_path.rglob("evil.yaml"))
