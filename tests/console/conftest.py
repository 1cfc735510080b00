"""Fixtures of the console's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.check import examine
from tests.editing.conftest import lay_out
from tests.editions import edition_of
from tests.harness.console import Served
from tests.plans import at, item_yaml, plan_of

NOW = at("2026-06-10 09:00")
OWING = "- from: due\n  workdays: 0\n  to: owing"
REPORT = item_yaml(
    "report",
    "window:\n  opens: 2026-06-01\n  closes: 2026-06-10",
    OWING,
    "done_when: 报送材料收到并确认。\nduty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科",
)
TALK = item_yaml(
    "talk",
    "window:\n  opens: 2026-06-01\n  closes: 2026-06-10",
    OWING,
    "private: true\nduty:\n  each: pair\n  of: supervision\n  escalate_to:\n    - person:p-clerk",
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A small plan with a public duty and a private one, on 2026-06-10 at nine."""
    with Served(tmp_path, edition_of(plan_of(REPORT, TALK)), NOW) as office:
        yield office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Served]:
    """The same plan over folders that can be written, with a few templates."""
    shelf = lay_out(tmp_path, REPORT, TALK)
    edition = examine(shelf.schedules, shelf.templates).edition
    assert edition is not None
    with Served(tmp_path, edition, NOW, templates=shelf.templates) as served:
        yield served
