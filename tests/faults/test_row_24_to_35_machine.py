"""Rows 3, 18, 24, 26, 34, 35: full disks, garbage in the ledger, leaks, a sweep that stands still."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.amounts import amount, report
from tests.harness.office import Office, items, usage
from tests.harness.process import wait_for
from tests.plans import at
from tests.servers.smtp import Received

NINE = at("2026-06-10 09:00")
MAIL = "  via:\n    - mail\n"


CLERK = "clerk@example.com"
"""Who is told of trouble."""


def reminders(office: Office) -> list[Received]:
    """What was sent to others than the admin, who is told that nothing can be recorded."""
    return [each for each in office.smtp.messages if each.recipient != CLERK]


def problem(office: Office) -> str:
    return str(json.loads((office.daemon.data / "health.json").read_text("utf-8"))["problem"])


def test_row_18_a_reload_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    """Mail hangs, the plan is reloaded: the group is told of what comes due next, at once."""
    plan = items(2)
    with Office(tmp_path, plan) as office:
        office.adopt()
        office.smtp.misbehave("connect", "hang")
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: len(office.robot.posts) == 1, "the first post")
        wait_for(lambda: office.smtp.connections > 0, "the mail that hangs")
        office.write([*plan, "  # changed\n"])
        office.daemon.signal(signal.SIGHUP)
        wait_for(lambda: "plan reloaded" in office.daemon.log.read_text(), "the reload", 10)
        office.set(NINE + timedelta(minutes=1))
        wait_for(lambda: len(office.robot.posts) == 2, "the second post", 10)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("a small disk needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_row_24_a_full_disk_stops_the_sending_and_space_resumes_it(tmp_path: Path, small_disk: Path) -> None:
    """Nothing is sent that cannot be recorded; with room again it goes on, without a restart."""
    with Office(tmp_path, items(3, via=MAIL)) as office:
        office.daemon.data = small_disk / "data"
        office.daemon.data.mkdir()
        office.daemon.log = tmp_path / "daemon.log"
        office.daemon.log.touch()
        office.set(at("2026-06-10 08:00"))
        office.daemon.go_live(at("2026-06-10 07:00"))
        office.adopt()
        office.daemon.start()
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        # The clock file lies on the full disk: it is overwritten in place, without growing.
        (office.daemon.data / "clock").write_text(
            f"{(NINE - office.now() + office._offset).total_seconds():.3f}"
        )
        wait_for(lambda: "ledger in trouble" in office.daemon.log.read_text(), "the trouble")
        recorded = reminders(office)
        time.sleep(2)
        assert len(recorded) <= 1
        assert reminders(office) == recorded
        # The full disk has room for the health file all the same: it was there before.
        assert "磁盘已满" in problem(office)
        filler.unlink()
        office.set(NINE + timedelta(minutes=3))
        report = office.judge(NINE + timedelta(minutes=3))
        assert report.lost == report.duplicates == report.repeated == report.excused == [], report
        assert {each.receiver for each in report.extras} <= {CLERK}


def test_row_26_garbage_in_the_ledger_stops_the_sending_and_is_named(tmp_path: Path) -> None:
    """Overwritten under the running daemon: unhealthy, silent, and no trace in what people read."""
    with Office(tmp_path, items(2, via=MAIL)) as office:
        office.adopt()
        office.daemon.start()
        wait_for(lambda: (office.daemon.data / "health.json").exists(), "the first look")
        for file in office.daemon.data.glob("ledger.sqlite3*"):
            file.write_bytes(os.urandom(4096))
        office.set(NINE)
        wait_for(lambda: problem(office) != "", "the problem")
        time.sleep(2)
        assert reminders(office) == []
        assert "Traceback" not in problem(office)


def test_row_34_sweeps_and_reloads_leak_nothing(tmp_path: Path) -> None:
    """After some dozens of alarms and some reloads: as many descriptors and threads as after a few."""
    count, reloads = amount(100, 40), amount(100, 10)
    plan = items(count, via=MAIL)
    with Office(tmp_path, plan) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        office.set(NINE + timedelta(minutes=10))
        wait_for(lambda: len(office.smtp.messages) >= 10, "the first mails")
        first = usage(office)
        for number in range(reloads):
            office.write([*plan, f"  # {number}\n"])
            office.daemon.signal(signal.SIGHUP)
            office.set(NINE + timedelta(minutes=10 + (count - 14) * number // reloads))
            time.sleep(0.3)
        office.set(NINE + timedelta(minutes=count))
        wait_for(lambda: len(reminders(office)) == count, "all mails")
        assert office.notices() == []
        time.sleep(2)
        last = usage(office)
        report(f"after {count} alarms and {reloads} reloads: {first} became {last}")
        assert last["descriptors"] <= first["descriptors"] + 8, (first, last)
        assert last["threads"] <= first["threads"] + 4, (first, last)
        assert last["memory"] <= first["memory"] + 20 * 1024, (first, last)


def test_row_35_a_sweep_that_stands_still_is_seen_from_outside(tmp_path: Path) -> None:
    """Stopped by a signal, the process is up and its health file grows old: progress is what counts."""
    with Office(tmp_path, items(1)) as office:
        office.adopt()
        office.daemon.start()
        wait_for(lambda: (office.daemon.data / "health.json").exists(), "the first look")
        office.daemon.signal(signal.SIGSTOP)
        before = (office.daemon.data / "health.json").read_text("utf-8")
        time.sleep(2.5)
        assert (office.daemon.data / "health.json").read_text("utf-8") == before
        office.daemon.signal(signal.SIGCONT)
        wait_for(lambda: (office.daemon.data / "health.json").read_text("utf-8") != before, "progress")
