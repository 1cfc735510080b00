"""Plans that nodes take from the ledger: whole versions, one in force, nothing over somebody else's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from reminder.ledger.errors import (
    LedgerCorrupt,
    PlanPublished,
    PlanReplaced,
    PublishedMeanwhile,
)
from reminder.ledger.ledger import Ledger
from reminder.ledger.published import PUBLISHED, PublishedPlan
from reminder.ledger.records import LedgerKind
from reminder.ledger.tables import file_contents, published_plans
from tests.backends import Backend

FIRST = {"plan.yaml": b"one\n...\n", "calendar/2026.yaml": b"year: 2026\n", "templates/a/subject.j2": b"s"}
SECOND = {**FIRST, "plan.yaml": "二\n...\n".encode()}
TOGETHER = 6


@pytest.fixture
def publish(ledger: Ledger, sample: Any) -> Callable[..., PublishedPlan]:
    """Publish these files as p-clerk, an hour after the version before."""

    def act(contents: dict[str, bytes], over: int, edition: str = "e") -> PublishedPlan:
        return ledger.published.publish(
            sample.plan,
            contents,
            f"{edition}{over + 1}",
            at=sample.at(hours=over),
            author="p-clerk",
            remark="说明",
            over=over,
            kept=["plan.yaml"],
        )

    return act


def test_a_version_comes_out_as_it_was_put_in(
    ledger: Ledger, sample: Any, publish: Callable[..., PublishedPlan]
) -> None:
    assert ledger.published.number(sample.plan) == 0
    assert ledger.published.in_force(sample.plan) is None
    publish(FIRST, 0)
    version = publish(SECOND, 1)
    found = ledger.published.get(sample.plan, 2)
    assert found is not None
    assert (found.number, found.author, found.remark, found.at) == (2, "p-clerk", "说明", sample.at(hours=1))
    assert (found.digest, found.files) == (version.digest, version.files)
    assert ledger.published.contents(found) == SECOND
    now = ledger.published.in_force(sample.plan)
    assert now is not None
    assert (now.number, now.author, now.at) == (2, "p-clerk", sample.at(hours=1))
    assert [each.number for each in ledger.published.every(sample.plan)] == [2, 1]
    assert ledger.published.plans() == [sample.plan]


def test_one_goes_back_to_an_older_version_and_nothing_is_lost(
    ledger: Ledger, sample: Any, publish: Callable[..., PublishedPlan]
) -> None:
    """The pointer moves; a version published after that has a number of its own."""
    first = publish(FIRST, 0)
    publish(SECOND, 1)
    contents = ledger.published.contents(first)
    ledger.published.go_back(first, contents, at=sample.at(hours=5), author="p-chief", over=2)
    now = ledger.published.in_force(sample.plan)
    assert now is not None
    assert (now.number, now.author) == (1, "p-chief")
    again = ledger.published.publish(sample.plan, SECOND, "e", at=sample.at(hours=6), author="x", over=1)
    assert again.number == 3
    notes = ledger.notes(sample.plan, PUBLISHED)
    assert [(each.detail["before"], each.detail["number"]) for each in notes] == [
        (1, 3),
        (2, 1),
        (1, 2),
        (0, 1),
    ]


def test_nothing_is_written_over_a_version_that_one_did_not_start_from(
    ledger: Ledger, sample: Any, publish: Callable[..., PublishedPlan]
) -> None:
    first = publish(FIRST, 0)
    publish(SECOND, 1)
    for over in (0, 1, 3):
        with pytest.raises(PublishedMeanwhile, match=f"现行的是第 2 版，不是第 {over} 版"):
            publish(FIRST, over)
    with pytest.raises(PublishedMeanwhile):
        ledger.published.go_back(first, FIRST, at=sample.now, author="x", over=1)
    with pytest.raises(PublishedMeanwhile):
        ledger.published.withdraw(sample.plan, at=sample.now, author="x", over=1)
    assert [each.number for each in ledger.published.every(sample.plan)] == [2, 1]


def test_of_those_who_publish_at_once_one_succeeds(
    backend: Backend, sample: Any, publish: Callable[..., PublishedPlan]
) -> None:
    """The others are told, whichever database it is."""
    gate = threading.Barrier(TOGETHER)
    said: list[str] = []

    def act(ledger: Ledger) -> None:
        gate.wait(10)
        try:
            ledger.published.publish(sample.plan, FIRST, "e", at=sample.now, author="x", over=0)
            said.append("published")
        except PublishedMeanwhile:
            said.append("refused")

    ledgers = [backend.open(LedgerKind.DAEMON, sample.now) for _ in range(2)]
    threads = [threading.Thread(target=act, args=(ledgers[each % 2],)) for each in range(TOGETHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["published"] + ["refused"] * (TOGETHER - 1)


def test_what_changed_is_in_the_history_of_the_single_files(
    ledger: Ledger, sample: Any, publish: Callable[..., PublishedPlan]
) -> None:
    first = publish(FIRST, 0)
    publish(SECOND, 1)
    publish({**SECOND, "templates/a/subject.j2": b"t"}, 2)
    assert len(ledger.files.every(sample.plan, "plan.yaml")) == 2
    ledger.published.go_back(
        first, FIRST, at=sample.now, author="p-chief", remark="退回", over=3, kept=["plan.yaml"]
    )
    last = ledger.files.every(sample.plan, "plan.yaml")[0]
    assert (last.author, last.remark, last.sha256) == ("p-chief", "退回", first.files["plan.yaml"])


@pytest.mark.parametrize("harm", ["content", "files"])
def test_a_version_that_is_not_what_was_published_is_not_given_out(
    ledger: Ledger, sample: Any, publish: Callable[..., PublishedPlan], harm: str
) -> None:
    version = publish(FIRST, 0)
    with ledger._storage.write(sample.plan) as connection:
        if harm == "content":
            row = file_contents.c.sha256 == version.files["plan.yaml"]
            connection.execute(update(file_contents).where(row).values(content=b"other"))
        else:
            connection.execute(
                update(published_plans).values(files={"plan.yaml": version.files["plan.yaml"]})
            )
    found = ledger.published.get(sample.plan, 1)
    assert found is not None
    with pytest.raises(LedgerCorrupt, match="第 1 版计划的内容与发布时的校验码不符"):
        ledger.published.contents(found)


def test_the_published_plan_comes_into_force_and_a_folders_other_one_does_not(
    ledger: Ledger, sample: Any, publish: Callable[..., PublishedPlan]
) -> None:
    """Also one that was replaced before; never one that was replaced meanwhile."""
    plan, now = sample.plan, sample.now
    publish(FIRST, 0)
    assert ledger.accept_plan(plan, "e1", {}, "p-clerk", {}, now, back=False, published=1)
    publish(SECOND, 1)
    with pytest.raises(PlanReplaced):
        ledger.accept_plan(plan, "e1", {}, "p-clerk", {}, now, published=1)
    assert ledger.accept_plan(plan, "e2", {}, "p-clerk", {}, now, back=False, published=2)
    for signed in (False, True):
        with pytest.raises(PlanPublished, match="由台账发布（第 2 版）"):
            ledger.accept_plan(plan, "other", {}, "files", {}, now, signed=signed)
    assert not ledger.accept_plan(plan, "e2", {}, "files", {}, now)  # a folder that is like it
    first = ledger.published.get(plan, 1)
    assert first is not None
    ledger.published.go_back(first, FIRST, at=now, author="x", over=2)
    assert ledger.accept_plan(plan, "e1", {}, "x", {}, now + timedelta(hours=1), back=False, published=1)
    ledger.published.withdraw(plan, at=now, author="x", over=1)
    assert ledger.published.plans() == []
    assert ledger.accept_plan(plan, "other", {}, "files", {}, now + timedelta(hours=2))
    with pytest.raises(PlanReplaced):
        ledger.accept_plan(plan, "e1", {}, "x", {}, now, published=1)


def test_plans_of_several_offices_do_not_meet(
    ledger: Ledger, sample: Any, publish: Callable[..., PublishedPlan]
) -> None:
    publish(FIRST, 0)
    other = ledger.published.publish("other", SECOND, "e", at=sample.now, author="x", over=0)
    assert other.number == 1
    assert ledger.published.plans() == ["lianjie", "other"]
    assert ledger.published.contents(other) == SECOND
    assert ledger.published.get("other", 2) is None
