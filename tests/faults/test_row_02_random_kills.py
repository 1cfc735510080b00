"""Row 2: killed at random moments, again and again, in the middle of sending."""

from __future__ import annotations

import os
import random
import time
from datetime import timedelta
from pathlib import Path

from tests.harness.office import Office, items
from tests.plans import at

NINE = at("2026-06-10 09:00")
KILLS = 1000 if os.environ.get("REMINDER_TORTURE") == "full" else 12
A_LIFE = 2
"""New alarms come due in every life of the daemon."""


def test_random_kills_lose_nothing_and_leave_a_sound_ledger(tmp_path: Path) -> None:
    """Each life is ended by kill -9 some 50 to 140 ms after its alarms came due."""
    dice = random.Random(20260610)
    per_batch = 200
    done = 0
    uncertain = 0
    while done < KILLS:
        lives = min(per_batch, KILLS - done)
        folder = tmp_path / f"batch{done}"
        with Office(folder, items(lives * A_LIFE)) as office:
            office.adopt()
            now = NINE
            for _ in range(lives):
                office.daemon.start()
                now += timedelta(minutes=A_LIFE)
                office.set(now)
                time.sleep(dice.uniform(0.05, 1.14))
                office.kill()
                with office.daemon.ledger() as ledger:
                    assert ledger.integrity() == []
            office.set(now + timedelta(minutes=1))
            office.daemon.start()
            report = office.judge(NINE + timedelta(minutes=lives * A_LIFE))
            assert report.clean, report
            assert len(report.excused) <= 2 * lives
            uncertain += len(report.excused)
        done += lives
    print(f"{done} kills, {uncertain} duplicates inside the send window")
