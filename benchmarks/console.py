"""The ledger after a million deliveries: its pages, its command, and what a new delivery costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import ROOT, Figure, median, spread
from benchmarks.filling import YEARS, Filling, fill, shipped
from benchmarks.ledger_settle import Beside, beside
from reminder.access.rights import Role
from reminder.check import Edition
from reminder.cli.records import STATUSES
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.harness.console import Served, User

NOW = datetime(2026, 6, 16, 2, tzinfo=UTC)
DELIVERIES = 1_000_000
ROUNDS = 20
PAGES = (
    "/", "/calendar", "/calendar/2026-06-17", "/tasks", "/tasks/quarterly-report", "/duties",
    "/duties/occurrence?occurrence=quarterly-report/2026Q2", "/approvals", "/ledger", "/ledger?status=failed",
    "/ledger?item=festival", "/ledger?person=p-lilun-kz", "/plan", "/plan/plan.yaml", "/settings",
    "/settings/users", "/settings/calendar", "/settings/handover", "/api/docs", "/api/v1/ledger", "/api/v1/duties",
)  # fmt: skip
FILTERS = (
    (),
    ("--item", "festival"),
    ("--receiver", "p-lilun-kz"),
    ("--item", "festival", "--receiver", "p-lilun-kz"),
    ("--from", "2026-01-01"),
    ("--to", "2022-01-01"),
    ("--from", "2024-03-01", "--to", "2024-03-05"),
    ("--receiver", "p-lilun-kz", "--status", "failed"),
    ("--item", "festival", "--status", "accepted", "--to", "2022-01-01"),
    *(("--status", str(each)) for each in STATUSES),
)
"""Alone and together: each option, and each word for how a line stands."""
TRIES = 3


def console(count: int = DELIVERIES) -> Iterator[Figure]:
    """Everything over one ledger, which is filled first."""
    edition = shipped()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "schedules", folder / "schedules")
        path = folder / "ledger.sqlite3"
        fill(path, Filling(edition.plan, NOW, count))
        size = path.stat().st_size / 2**20
        what = f"{count:,} deliveries of {YEARS} years, {size:,.0f} MB"
        yield from _told(beside_an_empty_one(path), what)
        yield from _asked(folder)
        yield from _visited(folder, edition, what)


def beside_an_empty_one(path: Path) -> Beside:
    """The filled ledger and a new one, in turn, in one process."""
    with ExitStack() as open_, tempfile.TemporaryDirectory(dir=path.parent) as other:
        ledgers = {
            name: open_.enter_context(Ledger.open(file, kind=LedgerKind.DAEMON, now=NOW))
            for name, file in (("full", path), ("empty", Path(other) / "ledger.sqlite3"))
        }
        return beside(ledgers["full"], ledgers["empty"])


def _told(found: Beside, what: str) -> Iterator[Figure]:
    how = f"{what}; {found.rounds} rounds in turn with an empty one in one process, {found.people} deliveries each"
    yield Figure(
        "a delivery claimed, begun and finished, long ledger beside an empty one",
        f"{median(found.full) / median(found.empty):.2f} ×",
        "≤ 1.1 ×",
        f"{spread(found.full, 'µs', 0)} beside {spread(found.empty, 'µs', 0)}; {how}",
    )
    yield Figure(
        "… processor time of it", f"{median(found.full_cpu) / median(found.empty_cpu):.2f} ×", "≤ 1.1 ×",
        f"{spread(found.full_cpu, 'µs', 0)} beside {spread(found.empty_cpu, 'µs', 0)}; the disk left out",
    )  # fmt: skip


def _asked(folder: Path) -> Iterator[Figure]:
    """``reminder ledger`` as a process, its start included."""
    command = [sys.executable, "-m", "reminder", "ledger", "--data", str(folder)]
    taken: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    for _ in range(TRIES):
        for options in FILTERS:
            begun, before = time.perf_counter(), _of_children()
            subprocess.run([*command, *options], cwd=ROOT, check=True, capture_output=True)
            name = " ".join(options) or "no filter"
            taken.setdefault(name, []).append(time.perf_counter() - begun)
            spent.setdefault(name, []).append(_of_children() - before)
    slowest = max(taken, key=lambda each: median(taken[each]))
    every = [median(each) for each in taken.values()]
    how = f"{len(FILTERS)} ways to ask, {TRIES} times each, whole processes"
    yield Figure(
        "`reminder ledger` with the slowest filter", spread(taken[slowest]), "≤ 1 s",
        f"`{slowest}`; {median(spent[slowest]):.2f} s of it on the processor; the middle one of all filters {median(every):.2f} s; {how}",
    )  # fmt: skip


def _of_children() -> float:
    """Processor seconds of all processes that were waited for so far."""
    times = os.times()
    return times.children_user + times.children_system


def _visited(folder: Path, edition: Edition, what: str) -> Iterator[Figure]:
    """Every page ``ROUNDS`` times by one clerk with all rights; server and client share a process."""
    with Served(folder, edition, NOW) as served:
        user = served.log_in("p-jgdw-gs", Role.ADMIN, Role.EDITOR, Role.APPROVER, private=True)
        taken: dict[str, list[float]] = {}
        sizes = {}
        spent = time.process_time()
        for page in PAGES:
            taken[page], sizes[page] = visited(user, page)
        spent = (time.process_time() - spent) / len(PAGES) / (ROUNDS + 1) * 1000
    slowest = max(taken, key=lambda page: at_95(taken[page]))
    every = [each for page in taken.values() for each in page]
    largest = max(sizes, key=lambda page: sizes[page])
    how = (
        f"{len(PAGES)} pages, {ROUNDS} times each after a first look, {what}; "
        f"{spent:.0f} ms of processor time on average, the client's included"
    )
    yield Figure("a page of the console, 95th percentile", f"{at_95(every):.0f} ms", "≤ 100 ms", how)
    second = sorted(taken, key=lambda page: at_95(taken[page]))[-2]
    yield Figure(
        "… of the slowest page",
        f"{at_95(taken[slowest]):.0f} ms",
        "≤ 100 ms",
        f"`{slowest}`; the next: {at_95(taken[second]):.0f} ms, `{second}`",
    )
    yield Figure(
        "… its size, the largest page", f"{sizes[largest] / 1024:.0f} KB", "≤ 100 KB", f"`{largest}`"
    )


def visited(user: User, page: str) -> tuple[list[float], int]:
    """Milliseconds of each visit, and how many octets came."""
    size = len(user.get(page).content)
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = user.get(page)
        found.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, (page, answer.status_code)
    return found, size


def at_95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]
