"""Harmed plan files: no crash, no half a plan, soon, and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.amounts import amount, report
from tests.torture.load_mutated import is_whole_or_nothing
from tests.torture.mutated_plans import mutated, sound_folders

ROOT = Path(__file__).parents[2]
PORTION = 2_500
"""Cases a process takes: what one leaks would show."""


def loaded_apart(*arguments: str) -> dict[str, Any]:
    """The summary of a process that loads them; fails with the case that ended it."""
    command = [sys.executable, "-X", "utf8", "-m", "tests.torture.load_mutated", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{done.returncode}\n{done.stderr[-3000:]}"
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_no_mutation_crashes_a_load_or_gives_half_a_plan() -> None:
    count = amount(10_000, 400)
    loaded = refused = 0
    slowest = 0.0
    for first in range(0, count, PORTION):
        summary = loaded_apart("mutations", str(first), str(min(PORTION, count - first)))
        loaded, refused = loaded + summary["loaded"], refused + summary["refused"]
        slowest = max(slowest, summary["slowest"])
    assert loaded + refused == count
    # Either alone would mean that the mutations are all harmless, or all fatal.
    assert min(loaded, refused) > count // 20
    report(f"{count} mutated plans: {loaded} loaded, {refused} refused, slowest {slowest:.2f} s of CPU")


@pytest.mark.parametrize(("name", "step"), [("shipped", 97), ("example", 17), ("small", 7)])
def test_no_truncation_is_taken_for_the_whole(name: str, step: int) -> None:
    """What parses lacks the end mark, by which a reload keeps the plan in force."""
    summary = loaded_apart("truncations", name, str(amount(1, step)))
    report(
        f"truncations of {name}: {summary['loaded']} loaded without the mark, {summary['refused']} refused"
    )
    assert summary["refused"] > summary["loaded"]


def test_the_mutations_are_the_same_in_every_run() -> None:
    assert [mutated(number) for number in range(50)] == [mutated(number) for number in range(50)]
    kinds = {kind for number in range(800) for kind in mutated(number).how}
    assert len(kinds) == 18


def test_the_judge_of_these_tests_sees_half_a_plan() -> None:
    """A plan that lost an item without a problem would not pass."""
    from dataclasses import replace

    from reminder.plan.loader import load_plan_bytes

    files = sound_folders()[2][0]
    result = load_plan_bytes(files)
    is_whole_or_nothing(result, files)
    assert result.plan is not None
    half = replace(result, plan=replace(result.plan, items=result.plan.items[:-1]))
    with pytest.raises(AssertionError):
        is_whole_or_nothing(half, files)
