"""How time and memory grow with the items of a plan: reading and expanding it, and a tick with nothing due.

Each yields (items, seconds, bytes) for the picture of growth.  Seconds are
processor time; bytes are what Python holds at the most, beyond what it held
before, in a second run that is not timed.
"""

from __future__ import annotations

import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.agenda import text_of
from reminder.agenda.alarms import expand
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.plan.loader import load_plan_bytes
from reminder.plan.model import Plan
from reminder.sweep.sweeper import Sweeper
from tests.editions import edition_of, remembering
from tests.plans import CALENDAR, at

SIZES = (100, 1_000, 10_000)
TICKS = 200
FIRST = at("2026-01-01 00:00")
Point = tuple[int, float, int]


def load_and_expand(sizes: tuple[int, ...] = SIZES) -> Iterator[Point]:
    """Read, check and expand a year of so many items of mixed kinds."""
    for size in sizes:
        files = text_of(size)

        def work(files: dict[str, bytes] = files) -> object:
            plan = _plan(files)
            return plan, expand(plan, CALENDAR, at("2026-01-01"), at("2027-01-01"))

        yield size, _seconds(work), most_bytes(work)


def idle_tick(sizes: tuple[int, ...] = SIZES) -> Iterator[Point]:
    """One tick at a minute when nothing is due; the bytes are those of the sweeper with its agenda."""
    for size in sizes:
        edition = edition_of(_plan(text_of(size)))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ledger.sqlite3"
            with Ledger.open(path, kind=LedgerKind.SIMULATION, now=FIRST) as ledger:

                def sweeper(ledger: Ledger = ledger) -> Sweeper:
                    return Sweeper(ledger, edition, remembering(), Transport.OUTBOX, FIRST)  # noqa: B023

                held = most_bytes(sweeper)
                made = sweeper()
                made.sweep(FIRST)  # what the first tick of a day does besides is not what an idle one costs

                def ticks(made: Sweeper = made) -> None:
                    for number in range(TICKS):
                        now = FIRST + timedelta(seconds=number + 1)
                        assert not made.sweep(now).actions
                        made.next_instant(now)

                yield size, _seconds(ticks) / TICKS, held


def _plan(files: dict[str, bytes]) -> Plan:
    plan = load_plan_bytes(files).plan
    assert plan is not None
    return plan


def _seconds(work: Callable[[], object]) -> float:
    """The least of three runs: what disturbs only adds."""
    found = []
    for _ in range(3):
        gc.collect()
        gc.freeze()
        begun = time.process_time()
        kept = work()
        found.append(time.process_time() - begun)
        del kept
        gc.unfreeze()
    return min(found)


def most_bytes(work: Callable[[], object]) -> int:
    """The most that Python held at once for this, beyond what it held before."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = work()
        _, most = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return most


def main() -> None:
    """Print the points."""
    for name, points in (("load and expand", load_and_expand()), ("idle tick", idle_tick())):
        for size, seconds, held in points:
            print(f"{name:16} {size:7,} items {seconds * 1e3:12.3f} ms {held / 1e6:9.1f} MB")


if __name__ == "__main__":
    main()
