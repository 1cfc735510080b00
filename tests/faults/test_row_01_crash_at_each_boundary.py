"""Row 1: killed at each boundary of the path, the daemon loses nothing and repeats only what was in flight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.amounts import FULL, report
from tests.harness.crashes import BOUNDARIES
from tests.harness.kills import Tally
from tests.harness.office import BOTH, EIGHT, Office, items
from tests.plans import at

NINE = at("2026-06-10 09:00")
CHANNELS = {"mail": "  via:\n    - mail\n", "robot": "  via:\n    - group\n"} if FULL else {"both": BOTH}
PASSES = (1, 2, 3) if FULL else (1,)
ONCE_ONLY = ("accept", "adopt")
"""Boundaries that a start passes once."""
CASES = [
    (boundary, number)
    for boundary in BOUNDARIES
    for number in PASSES
    if number == 1 or boundary.partition(".")[0] not in ONCE_ONLY
]


@pytest.fixture(scope="module")
def tallies() -> Iterator[dict[str, Tally]]:
    """What the crashes came to, by channel; told when the last is through."""
    found = {channel: Tally() for channel in CHANNELS}
    yield found
    for channel, tally in found.items():
        if tally.kills:
            report(
                f"crashes at {len(BOUNDARIES)} boundaries, {channel}: {tally.kills} crashes, "
                f"{tally.uncertain} sends uncertain, {tally.repeated} repeated, at most {tally.most} by one; "
                f"{len(tally.faults)} losses or other faults"
            )


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("boundary", "number"), CASES)
def test_killed_at_a_boundary_nothing_is_lost(
    tmp_path: Path, boundary: str, number: int, channel: str, tallies: dict[str, Tally]
) -> None:
    """Five messages a channel; killed once, started again, judged by the receivers."""
    with Office(tmp_path, items(5, via=CHANNELS[channel])) as office:
        if boundary.partition(".")[0] in ONCE_ONLY:
            office.crash(boundary, number)
            office.set(EIGHT)
            office.adopt()
        else:
            # Minute by minute: each brings a message a channel, and another pass of every boundary.
            moments = [NINE + timedelta(minutes=minute) for minute in range(5)]
            office.crash(boundary, number, *moments)
        with office.daemon.ledger() as ledger:
            assert ledger.integrity() == []
        office.set(NINE + timedelta(minutes=11))
        office.daemon.start()
        history = office.judge(NINE + timedelta(minutes=10))
        code = office.daemon.stop()
        (kill,) = office.kills
    most = max(history.by_kill.values(), default=0)
    tallies[channel] += Tally(
        kills=1,
        uncertain=len(kill.in_flight),
        repeated=len(history.excused),
        most=most,
        faults=[] if history.clean else [str(history)],
    )
    assert history.clean, history
    assert most <= (2 if channel == "both" else 1)
    assert code == 0
