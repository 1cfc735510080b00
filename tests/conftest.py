"""What every run of the suite shows at its end."""

from __future__ import annotations

import pytest

from tests.amounts import reports


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests of faults and torture counted."""
    if reports:
        terminalreporter.section("counted")
        for each in reports:
            terminalreporter.write_line(each)
