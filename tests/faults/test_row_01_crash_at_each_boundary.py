"""Row 1: killed at each boundary of the path, the daemon loses nothing and repeats only what was in flight."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.harness.crashes import BOUNDARIES
from tests.harness.office import BOTH, EIGHT, Office, items
from tests.plans import at

NINE = at("2026-06-10 09:00")
FULL = os.environ.get("REMINDER_TORTURE") == "full"
CHANNELS = {"mail": "  via:\n    - mail\n", "group": "  via:\n    - group\n"} if FULL else {"both": BOTH}
PASSES = (1, 2, 3) if FULL else (1,)
ONCE_ONLY = ("accept", "adopt")
"""Boundaries that a start passes once."""


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("number", PASSES)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_at_a_boundary_nothing_is_lost(
    tmp_path: Path, boundary: str, number: int, channel: str
) -> None:
    """Five messages a channel; killed once, started again, judged by the receivers."""
    if boundary.partition(".")[0] in ONCE_ONLY and number > 1:
        pytest.skip("a start passes this boundary once")
    with Office(tmp_path, items(5, via=CHANNELS[channel])) as office:
        if boundary.partition(".")[0] in ONCE_ONLY:
            office.crash(boundary, number, EIGHT)
            office.adopt()
        else:
            office.adopt()
            # Minute by minute: each brings a message a channel, and another pass of every boundary.
            moments = [NINE + timedelta(minutes=minute) for minute in range(5)]
            office.crash(boundary, number, *moments)
        with office.daemon.ledger() as ledger:
            assert ledger.integrity() == []
        office.set(NINE + timedelta(minutes=11))
        office.daemon.start()
        report = office.judge(NINE + timedelta(minutes=10))
        assert report.clean, report
        assert len(report.excused) <= (2 if channel == "both" else 1)
        assert office.daemon.stop() == 0
