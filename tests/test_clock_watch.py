"""The clock's watch tells a clock that was set from time that passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reminder.watch import ClockWatch

NINE = datetime(2026, 6, 10, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [7200.0, 5.0, -3600.0, -5.0])
def test_a_clock_that_was_set_is_told_by_how_much(seconds: float) -> None:
    """A second has passed, and the clock says something else."""
    watch = ClockWatch()
    assert watch.jump(NINE, 100.0) is None
    assert watch.jump(NINE + timedelta(seconds=1 + seconds), 101.0) == timedelta(seconds=seconds)
    assert watch.jump(NINE + timedelta(seconds=2 + seconds), 102.0) is None


@pytest.mark.parametrize("passed", [0.0, 1.0, 120.0, 86400.0])
def test_time_that_passes_is_no_jump_however_long(passed: float) -> None:
    """A daemon that was stopped for an hour finds clock and time in step; so does one whose clock is slewed."""
    watch = ClockWatch()
    watch.jump(NINE, 100.0)
    assert watch.jump(NINE + timedelta(seconds=passed + 0.5), 100.0 + passed) is None
