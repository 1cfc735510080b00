"""The daemon as a process, with one alarm for thousands: how long from the due instant to the last outcome.

    python -m benchmarks.mail_daemon FOLDER COUNTER PEOPLE

Everything is as ``reminder run`` has it: sweep, renderer in a process of its own,
ledger with full sync, threads that send, health file, log.  Only the clock is
moved: it stands before the alarm until everything is up.  ``COUNTER`` is the
sink's.  Prints JSON: seconds until all was claimed, until the last outcome was
committed, processor seconds with the renderer's, the most megabytes, and how many of
them came with the alarm.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.postfix import count_of
from reminder import log
from reminder.backup.guard import open_ledger
from reminder.check import examine
from reminder.cli.wiring import channels_for
from reminder.clock import SystemClock
from reminder.daemon import Daemon
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Transport
from reminder.settings import Settings
from tests.plans import at

ROOT = Path(__file__).resolve().parent.parent
BEFORE, DUE = at("2026-09-24 09:20"), at("2026-09-24 09:30")
PATIENCE = 600.0
LOOK = 0.005
"""Seconds between two looks at the sink's counter: a read of 200 octets."""
TICKS = 100.0
"""Of the kernel, a second."""


class Moved(SystemClock):
    """The machine's clocks plus an offset; both jump, so that nobody has set the clock."""

    def __init__(self, now: datetime) -> None:
        self._offset = now - super().now()
        self._leapt = timedelta(0)

    def leap(self, by: timedelta) -> None:
        self._offset += by
        self._leapt += by

    def now(self) -> datetime:
        return super().now() + self._offset

    def monotonic(self) -> float:
        return super().monotonic() + self._leapt.total_seconds()


class Claimed(logging.Handler):
    """Notes when the sweep said that it was through."""

    at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "swept" and not self.at:
            self.at = time.perf_counter()


def main() -> None:
    folder, counter, people = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    settings = Settings(
        schedules=folder / "schedules",
        templates=ROOT / "message_templates",
        data=folder / "data",
        listen=None,
    )
    settings.data.mkdir(parents=True)
    with (folder / "daemon.log").open("w", encoding="utf-8") as stream:
        log.set_up("info", "text", stream)
        claimed = Claimed()
        logging.getLogger().addHandler(claimed)
        result = examine(settings.schedules, settings.templates)
        assert result.edition is not None, result.problems
        clock = Moved(BEFORE)
        ledger = open_ledger(settings.ledger, settings.high_water, clock.now())
        plan_id = result.edition.plan.id
        ledger.go_live(plan_id, by="bench", now=clock.now())
        daemon = Daemon(settings, result.edition, ledger, clock, channels_for(settings))
        found: dict[str, float] = {}

        def watch() -> None:
            try:
                found.update(_measured(daemon, ledger, plan_id, clock, counter, people, claimed))
            finally:
                daemon.life.stop()

        watcher = threading.Thread(target=watch)
        code = daemon.run(watcher.start)
        watcher.join()
    assert code == 0
    assert found, "the watcher broke off"
    print(json.dumps(found))


def _measured(
    daemon: Daemon,
    ledger: Ledger,
    plan_id: str,
    clock: Moved,
    counter: Path,
    people: int,
    claimed: Claimed,
) -> dict[str, float]:
    health = daemon._settings.data / "health.json"
    _until(health.exists)
    _until(lambda: not _unfinished(ledger, plan_id))  # what the first look had to tell the admins
    before = count_of(counter)
    idle = _peak()
    claimed.at = 0.0
    spent, begun = _processor(), time.perf_counter()
    clock.leap(DUE - BEFORE)
    daemon.life.wake()
    _until(lambda: count_of(counter) >= before + people)
    _until(lambda: not _unfinished(ledger, plan_id))
    done = time.perf_counter()
    cpu = _processor() - spent
    counts = ledger.book.counts(plan_id, Transport.LIVE)
    assert counts["accepted"] >= people, counts
    return {
        "claimed": claimed.at - begun,
        "seconds": done - begun,
        "cpu": cpu,
        "memory": _peak() / 2**20,
        "grown": (_peak() - idle) / 2**20,
    }


def _peak() -> int:
    """The most octets that were resident in this process so far."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "never came"
        time.sleep(LOOK)


def _unfinished(ledger: Ledger, plan_id: str) -> bool:
    counts = ledger.book.counts(plan_id, Transport.LIVE)
    return bool(counts.get("pending") or counts.get("sending"))


def _processor() -> float:
    """Processor seconds of this process and of the renderer, its child."""
    own = Path("/proc/self/task")
    spent = time.process_time()
    for task in own.iterdir():
        for child in (task / "children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            spent += (int(fields[11]) + int(fields[12])) / TICKS
    return spent


if __name__ == "__main__":
    main()
