"""How time and memory grow with items, receivers, the ledger's rows and a process's offices: at 1 ×, 10 × and 100 ×, offices up to 1,000 ×.

    python -m benchmarks.growth KIND SIZE

measures one point in a process of its own and prints JSON; :func:`growth` asks
for all of them, fits a power of n to each curve (least squares on logarithms),
and has the picture drawn.  Seconds are processor time.
"""

from __future__ import annotations

import gc
import json
import math
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import PEERS_PYTHON, ROOT, Figure

PICTURE = ROOT / "docs" / "pictures" / "growth.svg"
DRAWS = ROOT / "benchmarks" / "peers" / "growth_picture.py"
SIZES = {
    "items": (100, 1_000, 10_000),
    "receivers": (50, 500, 5_000),
    "rows": (10_000, 100_000, 1_000_000),
    "offices": (1, 10, 100, 1_000),
}
TIMES = 5
Point = tuple[str, int, float, float]
"""What was done, for how many, seconds, and megabytes."""


def of_items(size: int) -> Iterator[Point]:
    """A plan of so many items: read and expanded, and a tick with nothing due."""
    from benchmarks.growth_items import idle_tick, load_and_expand

    for name, points in (
        ("a plan read and a year expanded", load_and_expand((size,))),
        ("a tick with nothing due", idle_tick((size,))),
    ):
        for number, seconds, held in points:
            yield name, number, seconds, held / 2**20


def of_receivers(size: int) -> Iterator[Point]:
    """One festival for so many: the daemon from the due instant to the last outcome."""
    from benchmarks.mail import daemon
    from benchmarks.postfix import Sink, postfix

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the sink runs as somebody else
        with Sink(postfix(folder), folder) as sink:
            found = daemon(folder / "office", sink, size)
    yield "a festival for everyone", size, found["cpu"], found["grown"]


def of_rows(size: int) -> Iterator[Point]:
    """A ledger of so many deliveries: what a new one costs, and what is asked of it most."""
    from benchmarks.console import NOW
    from benchmarks.growth_items import most_bytes
    from benchmarks.ledger_settle import LIVE, PLAN, festival, in_batches
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind
    from reminder.ledger.shown import EntryFilter

    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ledger.sqlite3"
        # In a process of its own: what filling takes in memory is not what is measured.
        filling = multiprocessing.get_context("spawn").Process(target=_filled, args=(path, size))
        filling.start()
        filling.join()
        assert filling.exitcode == 0
        ledger = stack.enter_context(Ledger.open(path, kind=LedgerKind.DAEMON, now=NOW))
        people = 500
        numbers = iter(range(1_000))

        def claim() -> None:
            settlement = festival(people, 4_000, f"round{next(numbers)}")
            ledger.settle(PLAN, LIVE, settlement, NOW)
            in_batches(ledger, [each.id for each in settlement.deliveries])

        works: tuple[tuple[str, Callable[[], object], int], ...] = (
            ("a delivery claimed, begun and finished", claim, people),
            ("the newest page of the ledger", lambda: ledger.book.entries(PLAN, EntryFilter(limit=51)), 1),
            ("whom a message did not reach, at every sweep", lambda: ledger.unreached(PLAN, LIVE, NOW), 1),
            ("what is settled, once a day", lambda: ledger.settled(PLAN, LIVE), 1),
            ("the newest page of failures", lambda: ledger.book.entries(PLAN, EntryFilter(status="failed", limit=51)), 1),
        )  # fmt: skip
        for name, work, share in works:
            yield name, size, _seconds(work) / share, most_bytes(work) / 2**20


def of_offices(size: int) -> Iterator[Point]:
    """One process with so many offices: taking them in, and a tick with nothing due."""
    from benchmarks.growth_tenants import offices
    from tests.harness.postgres import Server

    server = Server()
    try:
        for name, (number, seconds, held), _ in offices(size, server):
            yield name, number, seconds, held / 2**20
    finally:
        server.stop()


def _filled(path: Path, size: int) -> None:
    from benchmarks.console import NOW
    from benchmarks.filling import Filling, fill, shipped

    fill(path, Filling(shipped().plan, NOW, size))


def _seconds(work: Callable[[], object]) -> float:
    """The least of some runs after a first: what disturbs only adds."""
    work()
    found = []
    for _ in range(TIMES):
        gc.collect()
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def exponent(points: list[tuple[float, float]]) -> float:
    """p of the power n**p that fits best, by least squares on logarithms."""
    logs = [(math.log(n), math.log(max(value, 1e-9))) for n, value in points]
    return statistics.linear_regression(*zip(*logs, strict=True)).slope


def growth() -> Iterator[Figure]:
    """All curves; draws the picture."""
    curves: dict[str, dict[str, list[tuple[int, float, float]]]] = {}
    for kind, sizes in SIZES.items():
        for size in sizes:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.growth", kind, str(size)],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(f"{kind} {size}: {done.stderr[-3000:]}")
            for name, number, seconds, megabytes in json.loads(done.stdout.splitlines()[-1]):
                curves.setdefault(kind, {}).setdefault(name, []).append((number, seconds, megabytes))
    drawn = {
        kind: [
            {"name": name, "points": points, "exponent": exponent([(n, s) for n, s, _ in points])}
            for name, points in found.items()
        ]
        for kind, found in curves.items()
    }
    PICTURE.parent.mkdir(exist_ok=True)
    subprocess.run(
        [str(PEERS_PYTHON), str(DRAWS), str(PICTURE)],
        input=json.dumps(drawn),
        text=True,
        check=True,
        cwd=ROOT,
    )
    for kind, found in curves.items():
        for name, points in found.items():
            yield _figure(kind, name, points)


def _figure(kind: str, name: str, points: list[tuple[int, float, float]]) -> Figure:
    power = exponent([(n, s) for n, s, _ in points])
    steps = "; ".join(f"{n:,} {kind}: {_time(s)}, {m:.1f} MB" for n, s, m in points)
    return Figure(name, f"n^{power:.2f}", "≤ n log n", steps)


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def main() -> None:
    """One point of each curve of a kind."""
    kinds = {"items": of_items, "receivers": of_receivers, "rows": of_rows, "offices": of_offices}
    print(json.dumps(list(kinds[sys.argv[1]](int(sys.argv[2])))))


if __name__ == "__main__":
    main()
