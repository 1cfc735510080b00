"""What every run of the suite shows at its end."""

from __future__ import annotations

import os

import hypothesis
import pytest

from tests.amounts import FULL, amount, reports
from tests.backends import backend, postgres  # noqa: F401 (fixtures)

ON_EACH = {"ledger", "delivery"}
"""Folders whose tests hold for every storage, and are run on it."""

# Tests run side by side: a daemon that some test starts takes no port unless the test says which.
os.environ["REMINDER_LISTEN"] = "off"

# A busy machine must not fail a law: how long an example takes is measured in benchmarks.  `make torture` tries more.
hypothesis.settings.register_profile("laws", deadline=None, max_examples=amount(200, 20))
hypothesis.settings.load_profile("laws")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked ``sqlite_only`` is not asked of the other storages, ``long_only`` not in a short run.

    Ledger and engines are tried on each in every run; what stands above them, in the long version.
    """
    spared = [
        each
        for each in items
        if (each.get_closest_marker("long_only") and not FULL)
        or (
            _elsewhere(each)
            and (each.get_closest_marker("sqlite_only") or not (FULL or ON_EACH & set(each.path.parts)))
        )
    ]
    config.hook.pytest_deselected(items=spared)
    items[:] = [each for each in items if each not in set(spared)]


def _elsewhere(item: pytest.Item) -> bool:
    made = getattr(item, "callspec", None)
    return made is not None and made.params.get("backend", "sqlite") != "sqlite"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests of faults and torture counted."""
    if reports:
        terminalreporter.section("counted")
        for each in reports:
            terminalreporter.write_line(each)
