"""A bomb in one item's text: that item fails and says so, everything else goes out."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.messages import limited
from reminder.messages.limited import Limited, Limits
from reminder.messages.render import RendererUnavailable, Templates
from reminder.plan.model import Plan
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import TEMPLATES, edition_of, remembering
from tests.plans import at, item_yaml, plan_of

pytestmark = pytest.mark.sqlite_only("what the child process survives has nothing to do with the storage")

OUTBOX = Transport.OUTBOX
NOON = at("2026-06-10 09:00")
# What sets it off is the title, which only the item brings: the check of another item finds nothing.
BOMB = """\
{% if "bomb" in item.title %}
{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}
{% endif %}
"""
PADDING = """\
{% if "bomb" in item.title %}{% set x = item.title.center(900000000) %}{% endif %}
"""
TO_ALL = (
    "- from: due\n  workdays: 0\n  to:\n    - person:p-office\n    - person:p-theory\n    - person:p-leader"
)


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, at("2026-01-01"))


@pytest.fixture
def renderer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limited]:
    made = Limited(Limits(seconds=2))
    monkeypatch.setattr(limited, "shared", made)
    yield made
    made.close()


def with_bomb(plan: Plan, folder: Path, bomb: str, file: str) -> Edition:
    """The plan over the shipped templates, one of them with a bomb in it."""
    shutil.copytree(TEMPLATES, folder)
    path = folder / file
    path.write_text(bomb + path.read_text(encoding="utf-8"), encoding="utf-8")
    templates, problems = Templates.load(folder)
    assert problems == []
    return replace(edition_of(plan), templates=templates)


def decisions(ledger: Ledger, item: str) -> set[tuple[str | None, str, str]]:
    found = ledger.book.entries("test", EntryFilter(item=item))
    return {(each.receiver, each.decision, each.reason) for each in found}


@pytest.mark.parametrize(("bomb", "word"), [(BOMB, "秒内没有处理完"), (PADDING, "占用内存超过")])
def test_a_bomb_that_its_data_sets_off_fails_its_item_and_no_other(
    bomb: str, word: str, ledger: Ledger, renderer: Limited, tmp_path: Path
) -> None:
    """Recorded as ``template`` for each receiver, told to the admin once, and tried once, not thrice."""
    plan = plan_of(
        item_yaml("bomb", "date: 2026-06-10", TO_ALL),
        item_yaml("good", "date: 2026-06-10", TO_ALL),
    )
    edition = with_bomb(plan, tmp_path / "t", bomb, "general/mail.txt.j2")
    channels = remembering()
    sweeper = Sweeper(ledger, edition, channels, OUTBOX, at("2026-01-01"))
    began = time.monotonic()
    sweeper.sweep(NOON)
    assert time.monotonic() - began < 40
    everyone = ("p-leader", "p-office", "p-theory")
    assert decisions(ledger, "bomb") == {(each, "fail", "template") for each in everyone}
    assert decisions(ledger, "good") == {(each, "send", "due") for each in everyone}
    told = [message for message, to, _ in channels["mail"].composed if to.id == "p-clerk"]
    (notice,) = told
    assert word in notice.text
    assert "事项bomb" in notice.text
    assert "事项good" not in notice.text


def test_a_bomb_in_the_frame_is_a_template_that_fails_too(
    ledger: Ledger, renderer: Limited, tmp_path: Path
) -> None:
    """The layout sees sections, not items: whoever is sent the bomb's section gets nothing, others do."""
    plan = plan_of(
        item_yaml("bomb", "date: 2026-06-10", "- from: due\n  workdays: 0\n  to: person:p-office"),
        item_yaml("good", "date: 2026-06-10", "- from: due\n  workdays: 0\n  to: person:p-theory"),
    )
    bomb = BOMB.replace("item.title", "sections[0].title")
    edition = with_bomb(plan, tmp_path / "t", bomb, "_layout/mail.txt.j2")
    sweeper = Sweeper(ledger, edition, remembering(), OUTBOX, at("2026-01-01"))
    sweeper.sweep(NOON)
    assert decisions(ledger, "bomb") == {("p-office", "fail", "template")}
    assert decisions(ledger, "good") == {("p-theory", "send", "due")}


def test_what_the_machine_could_not_render_is_still_due(
    ledger: Ledger, renderer: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process can be started: nothing is recorded as failed, and the next tick sends it."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", TO_ALL))
    edition = edition_of(plan)
    monkeypatch.setattr(edition.templates, "_renderer", renderer)
    sweeper = Sweeper(ledger, edition, remembering(), OUTBOX, at("2026-01-01"))
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nonexistent/python")
        with pytest.raises(RendererUnavailable):
            sweeper.sweep(NOON)
    assert decisions(ledger, "x") == set()
    assert sweeper.sweep(NOON).deliveries == 3
