"""Rows 25 to 27: the ledger locked, deleted, overwritten, and wanted by a second daemon."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.ledger.storage import BUSY_TIMEOUT
from tests.editions import ROOT, TEMPLATES
from tests.harness.office import CLERK, Office, items
from tests.harness.process import wait_for
from tests.harness.shims import BUSY
from tests.plans import at

NINE = at("2026-06-10 09:00")
FULL = os.environ.get("REMINDER_TORTURE") == "full"
HELD_SECONDS = BUSY_TIMEOUT + 5 if FULL else 5.0
LESS_PATIENCE = 1.0
"""For how long a transaction waits, so that a short test is long enough to try its patience."""


def reminded(office: Office) -> int:
    """Reminders that arrived, without the words to the admin."""
    return len([each for each in office.arrivals() if each.receiver != CLERK])


@pytest.mark.parametrize("wait", [BUSY_TIMEOUT, LESS_PATIENCE])
def test_row_25_a_ledger_locked_by_a_second_writer_is_waited_for(tmp_path: Path, wait: float) -> None:
    """Held over the hour: nothing goes out unrecorded; given back: everything does, once.

    A transaction may wait for the whole of it, or give up many times and say so.
    """
    with Office(tmp_path, items(2), environment={BUSY: str(wait)}) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        rival = sqlite3.connect(office.daemon.data / "ledger.sqlite3", isolation_level=None)
        try:
            rival.execute("BEGIN IMMEDIATE")
            office.set(NINE)
            time.sleep(HELD_SECONDS)
            assert reminded(office) == 0
            if wait < HELD_SECONDS:
                assert "一直被另一个程序占用：请关闭正打开它的程序" in office.daemon.log.read_text()
                assert "一直被另一个程序占用" in office.health["problem"]
            rival.execute("ROLLBACK")
        finally:
            rival.close()
        office.set(NINE + timedelta(minutes=1))
        report = office.judge(NINE + timedelta(minutes=2))
        assert report.lost == report.duplicates == report.repeated == report.untimely == []
        assert {each.receiver for each in report.extras} <= {CLERK}
        wait_for(lambda: office.health["problem"] == "", "health")
        with office.daemon.ledger() as ledger:
            assert ledger.integrity() == []


@pytest.mark.parametrize("fault", ["deleted", "garbage"])
def test_row_26_without_its_ledger_it_sends_nothing_says_so_and_comes_back(
    tmp_path: Path, fault: str
) -> None:
    """Silent and unhealthy; after half a minute the admin hears directly; with the file back it goes on."""
    with Office(tmp_path, items(2)) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        aside = tmp_path / "aside"
        aside.mkdir()
        for file in sorted(office.daemon.data.glob("ledger.sqlite3*")):
            shutil.copy(file, aside / file.name)
            if fault == "garbage":
                file.write_bytes(os.urandom(8192))
            else:
                file.unlink()
        words = {"deleted": "不见了（被删除或移走）", "garbage": "不是台账，或已损坏"}[fault]
        wait_for(lambda: words in office.health["problem"], "the problem", 40)
        office.set(NINE)
        office.look()
        office.look()
        assert reminded(office) == 0
        assert "ledger in trouble" in office.daemon.log.read_text()
        office.set(NINE + timedelta(minutes=1))
        wait_for(office.notices, "the word to the admin")
        (notice,) = office.notices()
        assert "台账不能写入，提醒已暂停发送" in notice
        assert words in notice
        assert "在恢复之前不会发送任何提醒；恢复后自动补发仍然有效的提醒" in notice
        assert "Traceback" not in notice
        assert reminded(office) == 0
        for file in office.daemon.data.glob("ledger.sqlite3*"):
            file.unlink()
        for file in aside.iterdir():
            shutil.move(file, office.daemon.data / file.name)
        report = office.judge(NINE + timedelta(minutes=2))
        assert report.lost == report.duplicates == report.repeated == []
        assert {each.receiver for each in report.extras} <= {CLERK}
        wait_for(lambda: office.health["problem"] == "", "health")


def test_row_27_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """By the folder's lock: exit code 2, one line that names the holder, and every reminder sent once."""
    with Office(tmp_path, items(2)) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        command = [sys.executable, "-m", "reminder", "run", "--data", str(office.daemon.data)]
        command += ["--schedules", str(office.daemon.schedules), "--templates", str(TEMPLATES)]
        for _ in range(2):
            second = subprocess.run(
                command,
                cwd=ROOT,
                env=office.daemon.environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert second.returncode == 2
            assert second.stdout == ""
            assert second.stderr == (
                f"数据目录 {office.daemon.data} 已有守护进程在运行（进程号 {office.daemon.pid}）；"
                "一个数据目录只能运行一个，请先停止它，或用 --data 指定另一个目录\n"
            )
        office.set(NINE + timedelta(minutes=1))
        report = office.judge(NINE + timedelta(minutes=2))
        assert report.clean, report
        assert report.excused == []
