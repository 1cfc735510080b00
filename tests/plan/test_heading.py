"""Under what a ledger is kept, as the plan's files say it, whatever else is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminder.plan.heading import heading_of
from reminder.plan.loader import load_plan
from tests.editions import ROOT
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

ITEM = item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)


def folder_of(tmp_path: Path, old: str = "", new: str = "") -> Path:
    write_plan(tmp_path / "schedules", ITEM)
    plan = tmp_path / "schedules" / "plan.yaml"
    text = plan.read_text("utf-8")
    assert old in text
    plan.write_text(text.replace(old, new), "utf-8")
    return tmp_path / "schedules"


def test_it_says_what_the_loaded_plan_says(tmp_path: Path) -> None:
    """Of the shipped plan and of one elsewhere in the world."""
    for folder in (ROOT / "schedules", folder_of(tmp_path, "Asia/Shanghai", "Europe/Berlin")):
        plan = load_plan(folder).plan
        assert plan is not None
        heading = heading_of(folder)
        assert (heading.plan_id, heading.zone.key) == (plan.id, plan.head.timezone)


@pytest.mark.parametrize(
    ("old", "new"),
    [("person:p-office", "person:p-nobody"), ("until: 2026-12-31", "until: soon")],
)
def test_faults_elsewhere_do_not_matter(tmp_path: Path, old: str, new: str) -> None:
    folder = folder_of(tmp_path, old, new)
    assert load_plan(folder).plan is None
    assert heading_of(folder).plan_id == "test"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id: test", "id: te st"),
        ("id: test", "id:"),
        ("id: test", "id:\n    - test"),
        ("  id: test\n", ""),
        ("plan:\n", "plan: x\nother:\n"),
        ("plan:\n", "plan:\n\t"),
    ],
)
def test_without_a_plain_id_there_is_none(tmp_path: Path, old: str, new: str) -> None:
    folder = folder_of(tmp_path, old, new)
    heading = heading_of(folder)
    assert (heading.plan_id, heading.zone.key) == (None, "Asia/Shanghai")


def test_two_plans_or_none_have_no_heading(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "zweiter.yaml").write_text("plan:\n  id: other\n", "utf-8")
    assert heading_of(folder).plan_id is None
    assert heading_of(tmp_path / "nowhere").plan_id is None


def test_a_zone_that_nobody_knows_is_the_usual_one(tmp_path: Path) -> None:
    for number, zone in enumerate(("Asia/Atlantis", "../etc", "")):
        folder = folder_of(tmp_path / str(number), "timezone: Asia/Shanghai", f"timezone: {zone}")
        heading = heading_of(folder)
        assert (heading.plan_id, heading.zone.key) == ("test", "Asia/Shanghai")
