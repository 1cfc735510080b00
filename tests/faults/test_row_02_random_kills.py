"""Row 2: killed at random moments, again and again, in the middle of sending."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.amounts import amount, report
from tests.harness.kills import KINDS, Kind, Tally, lives

AN_OFFICE = 25
"""Kills an office sees: a start reads and renders every item of its plan, so many small plans are quicker."""
AT_ONCE = 2
SHARES = {"mail": (500, 4), "robot": (500, 4), "both at once": (200, 6)}
"""A thousand kills with one message in flight at a time, some more with several; and the sample."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_random_kills_lose_nothing_and_leave_a_sound_ledger(tmp_path: Path, kind: Kind) -> None:
    """Each life is ended by kill -9 some 50 to 140 ms after its alarms came due, or right at a send."""
    kills = amount(*SHARES[kind.name])
    an_office = min(AN_OFFICE, -(-kills // AT_ONCE))
    shares = [min(an_office, kills - begun) for begun in range(0, kills, an_office)]
    folders = [tmp_path / str(number) for number in range(len(shares))]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        tally = sum(pool.map(lives, folders, [kind] * len(shares), shares, range(len(shares))), Tally())
    finally:
        pool.shutdown(cancel_futures=True)
    report(f"{kind.name}: {tally}")
    assert tally.faults == []
    assert tally.kills == kills
    if kind.single:
        assert tally.most <= 1
    assert tally.repeated <= tally.uncertain
    assert tally.inside >= kills // 20  # kills that meet no send prove nothing
