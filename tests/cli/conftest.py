"""What the tests of the command share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.commands import Commands


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """The command, ready to be called."""
    with Commands() as started:
        yield started
