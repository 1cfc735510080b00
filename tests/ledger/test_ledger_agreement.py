"""What nodes on one PostgreSQL must agree on, asked and held in its transactions."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reminder.check import Edition
from reminder.ledger.errors import PlanOutdated, PlanReplaced
from reminder.ledger.file_versions import VersionKind
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Settlement
from reminder.sweep.accept import PlanOfAnother, accept
from tests.backends import Backend
from tests.editions import edition_of
from tests.plans import ON_DUE_DAY, files_of, item_yaml, plan_of

NOW = datetime(2026, 9, 24, 1, 30, tzinfo=UTC)
TOGETHER = 8


@pytest.fixture
def nodes(backend: Backend) -> list[Ledger]:
    """Two nodes' ledgers; the same database behind both."""
    return [backend.open(LedgerKind.DAEMON, NOW) for _ in range(2)]


def edition(*names: str) -> Edition:
    return edition_of(plan_of(*written(*names)))


def written(*names: str) -> list[str]:
    return [item_yaml(name, "date: 2026-10-10", ON_DUE_DAY) for name in names]


only_shared = pytest.mark.parametrize("backend", ["postgres"], indirect=True)
only_file = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def versions(ledger: Ledger) -> int:
    return len(ledger.plan_versions("test", NOW + timedelta(days=1)))


@only_shared
def test_nodes_that_read_the_same_new_plan_at_once_record_it_once(nodes: list[Ledger]) -> None:
    """Whoever comes second finds it in force, and nothing goes wrong."""
    new = edition("a", "b")
    accept(nodes[0], edition("a"), "start", NOW)
    gate = threading.Barrier(TOGETHER)
    answers: list[bool] = []

    def reload(ledger: Ledger) -> None:
        gate.wait(10)
        answers.append(accept(ledger, new, "files", NOW))

    threads = [threading.Thread(target=reload, args=(nodes[each % 2],)) for each in range(TOGETHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * (TOGETHER - 1) + [True]
    assert versions(nodes[0]) == 2


@only_shared
def test_a_plan_that_was_replaced_comes_back_only_on_purpose(nodes: list[Ledger]) -> None:
    """Signed for by somebody, or restored in the console since; never by a start or a reload."""
    ledger, old, new = nodes[0], edition("a"), edition("a", "b")
    accept(ledger, old, "start", NOW)
    accept(ledger, new, "files", NOW + timedelta(hours=1))
    for author in ("start", "files"):
        with pytest.raises(PlanOutdated, match="已被替换的旧计划"):
            accept(ledger, old, author, NOW + timedelta(hours=2))
    assert versions(ledger) == 2
    assert accept(ledger, old, "p-office", NOW + timedelta(hours=3), signed=True)
    assert accept(ledger, edition("a", "c"), "files", NOW + timedelta(hours=4))

    for names, taken in ((("a", "c", "d"), False), (("a", "b"), True)):
        content = files_of(*written(*names))["plan.yaml"]
        at = NOW + timedelta(hours=5)
        ledger.files.keep("test", "plan.yaml", content, VersionKind.SAVED, at=at, author="p-office")
        if taken:
            assert accept(ledger, new, "files", NOW + timedelta(hours=6))
        else:  # what was saved is not a file of this plan
            with pytest.raises(PlanOutdated):
                accept(ledger, new, "files", NOW + timedelta(hours=6))


@only_shared
def test_a_plan_without_an_item_in_common_is_another_offices(nodes: list[Ledger]) -> None:
    """Under one plan id; it comes into force only if somebody signs for it."""
    accept(nodes[0], edition("a"), "start", NOW)
    with pytest.raises(PlanOfAnother, match="像是另一个单位的"):
        accept(nodes[1], edition("x", "y"), "start", NOW)
    assert versions(nodes[0]) == 1
    assert accept(nodes[1], edition("x", "y"), "p-office", NOW, signed=True)


@only_file
def test_on_one_machine_an_old_plan_comes_back_as_ever(nodes: list[Ledger]) -> None:
    """Its folder is the only one there is."""
    ledger = nodes[0]
    for number, names in enumerate((("a",), ("a", "b"), ("a",))):
        assert accept(ledger, edition(*names), "files", NOW + timedelta(hours=number))
    assert not ledger.shared


@only_shared
def test_nothing_is_settled_with_a_plan_that_was_replaced(nodes: list[Ledger], sample: Any) -> None:
    """Though it was in force when the decision was made; nor is anything added to what was settled, or adopted."""
    old, new = edition("a"), edition("a", "b")
    accept(nodes[0], old, "start", NOW)
    settlement = Settlement((sample.alarm(),), (), ())
    accept(nodes[1], new, "files", NOW)
    for write in (nodes[0].settle, nodes[0].extend):
        with pytest.raises(PlanReplaced):
            write("test", sample.live, settlement, NOW, plan_digest=old.digest)
    with pytest.raises(PlanReplaced):
        nodes[0].adopt("test", sample.live, [("gone", "due")], NOW, old.digest)
    assert nodes[0].adoptions("test", sample.live) == {}
    assert nodes[0].settled("test", sample.live) == set()
    nodes[0].settle("test", sample.live, settlement, NOW, plan_digest=new.digest)
    assert nodes[1].settled("test", sample.live) == {sample.alarm().key}


@only_shared
def test_the_database_says_what_time_it_is_and_which_plan_is_in_force(nodes: list[Ledger]) -> None:
    """In one answer; before the first plan there is none."""
    before = datetime.now(UTC)
    assert nodes[0].common("test").digest is None
    accept(nodes[0], edition("a"), "start", NOW)
    found = nodes[1].common("test")
    assert (found.digest, found.since) == (edition("a").digest, NOW)
    assert before <= found.at <= datetime.now(UTC)
