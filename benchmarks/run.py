"""``make bench``: measure, print tables, and write them to ``docs/benchmarks.md``.

``python -m benchmarks.run mail`` measures one section and writes nothing.  Every
figure is measured in this run, on this machine; the goal stands beside it.
Nothing here is a test: a slow machine gives a slow table, not a failure.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.agenda import agenda
from benchmarks.console import console
from benchmarks.figures import ROOT, Figure, Section, spread, table
from benchmarks.growth import growth
from benchmarks.mail import mail
from benchmarks.nodes import nodes
from benchmarks.robot import robot

PAGE = ROOT / "docs" / "benchmarks.md"
TEMPLATE = ROOT / "benchmarks" / "page.md"
"""The words around the tables; ``<!-- mail -->`` stands where a section's table goes."""
COMMAND = [sys.executable, "-m", "reminder"]


def timed(arguments: list[str], runs: int) -> list[float]:
    """Seconds of whole processes."""
    found = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run([*COMMAND, *arguments], cwd=ROOT, check=True, capture_output=True)
        found.append(time.perf_counter() - begun)
    return found


def spine() -> Iterator[Figure]:
    """The shipped plan: check, a year, the idle daemon."""
    yield Figure(
        "check of the shipped plan", spread(timed(["check"], 5)), "≤ 2 s", "median of 5 processes (min–max)"
    )
    folder = tempfile.mkdtemp()
    try:
        year = ["simulate", "--from", "2026-01-01", "--to", "2026-12-31"]
        seconds = [timed([*year, "--data", f"{folder}/{run}"], 1)[0] for run in range(3)]
    finally:
        shutil.rmtree(folder)
    yield Figure(
        "a year of the shipped plan, simulated", spread(seconds), "≤ 20 s", "median of 3 processes (min–max)"
    )
    with tempfile.TemporaryDirectory() as data:
        memory, rendering, first = idle_daemon(data)
        again = [idle_daemon(data, rest=0)[2] for _ in range(3)]
    yield Figure(
        "idle daemon, resident memory",
        f"{memory / 1024:.0f} MB",
        "≤ 95 MB",
        f"with its pages, VmRSS after 8 s; {rendering / 1024:.0f} MB more while its rendering process lives (a minute after the last message)",
    )
    how = "from exec to the first health file; median of 3 processes (min–max)"
    yield Figure("start to first tick, of a plan that ran before", spread(again), "≤ 2 s", how)
    yield Figure(
        "… of one that never did",
        f"{first:.2f} s",
        "–",
        "one process; all its messages are rendered to check it",
    )


def idle_daemon(data: str, rest: float = 8) -> tuple[int, int, float]:
    """Resident kilobytes of the daemon and of its children after a rest, and seconds to its first tick."""
    health = Path(data) / "health.json"
    health.unlink(missing_ok=True)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "run", "--data", data],
        cwd=ROOT,
        env={**os.environ, "REMINDER_LISTEN": "127.0.0.1:0"},  # with its pages, on any port that is free
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not health.exists():
            time.sleep(0.01)
        first = time.perf_counter() - begun
        time.sleep(rest)
        return resident(process.pid), sum(map(resident, children(process.pid))), first
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def burst(count: int = 1000) -> Iterator[Figure]:
    """A thousand alarms of one minute, each a mail of its own to a loopback server."""
    from tests.harness.office import Office, items
    from tests.plans import at

    with tempfile.TemporaryDirectory() as folder:
        nine = at("2026-06-10 09:00")
        with Office(Path(folder), items(count, minutes=0, via="  via:\n    - mail\n")) as office:
            office.adopt()
            office.daemon.start()
            office.set(nine)
            begun = time.perf_counter()
            claimed = 0.0
            while len(office.smtp.messages) < count:
                time.sleep(0.02)
                if not claimed and "swept" in office.daemon.log.read_text():
                    claimed = time.perf_counter() - begun
            done = time.perf_counter() - begun
            claimed = claimed or done
            late = sorted((stamp - nine).total_seconds() for stamp in office.smtp.messages.times)  # type: ignore[attr-defined]
    how = "one run; the clock is moved to the due minute, the receiving server notes the times"
    yield Figure(f"{count} alarms due at once: all claimed", f"{claimed:.1f} s", "≤ 5 s", how)
    yield Figure(
        f"{count} alarms due at once: lateness of the mails",
        f"{late[count // 2]:.1f} / {late[count * 99 // 100]:.1f} / {late[-1]:.1f} s",
        "–",
        "50th, 99th, 100th percentile, same run",
    )
    yield Figure("… and mails a second", f"{count / done:.0f}", "–", "same run")


SECTIONS = (
    Section("mail", mail),
    Section("agenda", agenda),
    Section("burst", burst),
    Section("console", console),
    Section("spine", spine),
    Section("robot", robot),
    Section("nodes", nodes),
    Section("growth", growth),
)


def machine() -> str:
    """What all figures depend on, in one paragraph of Markdown."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    with Path("/proc/cpuinfo").open() as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, SQLAlchemy {version('sqlalchemy')}; "
        f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores"
        f"{f' ({models[0]})' if models else ''}, {memory:.0f} GB; "
        f"{syncs_a_second():,.0f} synced writes of 4 KB a second on its disk."
    )


def syncs_a_second(seconds: float = 1.0) -> float:
    """How often the disk of the temporary folder takes a block to heart: what a commit costs at least."""
    with tempfile.TemporaryFile(buffering=0) as file:
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - begun)


def main() -> None:
    """All sections and the page, or those that are named, printed only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=", ".join(each.name for each in SECTIONS)
    )
    wanted = parser.parse_args().sections
    unknown = set(wanted) - {each.name for each in SECTIONS}
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    print(machine(), flush=True)
    page = TEMPLATE.read_text("utf-8").replace("<!-- machine -->", machine())
    for section in SECTIONS:
        if wanted and section.name not in wanted:
            continue
        begun = time.monotonic()
        found = table(list(section.figures()))
        print(f"\n{section.name}, {time.monotonic() - begun:.0f} s\n\n{found}", flush=True)
        page = page.replace(f"<!-- {section.name} -->", found)
    if not wanted:
        PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
