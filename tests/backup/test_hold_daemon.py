"""An old ledger under a real daemon: nothing goes out until a person has spoken, and then each thing once."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.amounts import cases
from tests.editions import ROOT, TEMPLATES
from tests.harness.history import Report
from tests.harness.office import KEY, Office, items
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
MINUTE = timedelta(minutes=1)
CLERK = "clerk@example.com"
"""Who is told of trouble."""
MAIL = "  via:\n    - mail\n"


class Desk:
    """An office and its command, run as an operator runs it."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def command(self, *arguments: str, code: int = 0) -> str:
        """What it prints, both streams; ends with this exit code."""
        words = [*arguments, "--data", str(self.office.daemon.data)]
        if arguments[0] != "health":
            words += ["--schedules", str(self.office.daemon.schedules), "--templates", str(TEMPLATES)]
        return self.plain(*words, code=code)

    def plain(self, *words: str, code: int = 0) -> str:
        """As :meth:`command`, with no options but its own."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.harness.cli_main", str(self.office.daemon.data / "clock"), *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ROBOT_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def mails(self, recipient: str = "office@example.com") -> int:
        """How many mails this person got."""
        return sum(each.recipient == recipient for each in self.office.smtp.messages)

    def until(self, moment: datetime, mails: int) -> None:
        """Move the clock, and wait until so many reminders have come in all."""
        self.office.set(moment)
        wait_for(lambda: self.mails() == mails, f"mail number {mails}")

    def problem(self) -> str:
        """What the daemon says of itself."""
        try:
            return str(json.loads((self.office.daemon.data / "health.json").read_text("utf-8"))["problem"])
        except FileNotFoundError:
            return ""

    def ticks(self, count: int = 2) -> None:
        """Wait until the daemon has looked at everything that often."""
        health = self.office.daemon.data / "health.json"
        for _ in range(count):
            before = health.read_bytes()
            wait_for(lambda before=before: health.read_bytes() != before, "a tick")  # type: ignore[misc]

    def held(self) -> None:
        """Wait until it says that it holds; then nothing goes out, whatever comes due."""
        wait_for(lambda: "已暂停全部发送" in self.problem(), "the hold")

    def copy(self) -> Path:
        """What another program saves of the ledger at this moment."""
        target = self.office.daemon.data / "saved"
        source, copy = sqlite3.connect(self.ledger), sqlite3.connect(target)
        source.backup(copy)
        source.close()
        copy.close()
        return target

    @property
    def ledger(self) -> Path:
        return self.office.daemon.data / "ledger.sqlite3"

    def judge(self, until: datetime) -> Report:
        """Everybody but the admin got each thing of up to this instant once."""
        report = self.office.judge(until + MINUTE / 2)
        report.extras = [each for each in report.extras if each.receiver != CLERK]
        return report


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Six reminders from nine on, one a minute; the first two have gone out."""
    with Office(tmp_path, items(6, via=MAIL)) as office:
        office.adopt()
        office.daemon.start()
        desk = Desk(office)
        desk.until(NINE, 1)
        desk.until(NINE + MINUTE, 2)
        wait_for(lambda: len(office.daemon.entries(status="accepted")) == 2, "the outcomes")
        yield desk


def test_another_machine_goes_on_from_a_backup_and_repeats_nothing(desk: Desk, tmp_path: Path) -> None:
    """Backed up while running; two more go out; the machine is lost; another one goes on."""
    office = desk.office
    archive = tmp_path / "backup.tar.gz"
    said = desk.command("backup", "--out", str(archive))
    assert "已备份" in said
    assert KEY.encode() not in archive.read_bytes()
    desk.until(NINE + 3 * MINUTE, 4)
    office.kill()
    office.kills.clear()  # nothing was in flight: no repeat is excused by it

    other = tmp_path / "other"
    where = ["--data", str(other / "data"), "--schedules", str(other / "schedules")]
    said = desk.plain("restore", str(archive), *where, "--templates", str(other / "templates"))
    assert "台账已暂停发送" in said
    assert "备份不含密码" in said
    (other / "data" / "clock").write_text((office.daemon.data / "clock").read_text())
    with DaemonProcess(other / "schedules", other / "data", {"ROBOT_KEY": KEY}) as second:
        office.daemon = second
        second.start()
        desk.held()
        office.set(NINE + 4 * MINUTE)
        desk.ticks(3)
        assert desk.mails() == 4
        assert "已暂停全部发送" in desk.command("health", code=1)
        shown = desk.command("resume")
        assert "从备份恢复" in shown
        for number, known in enumerate([False, False, True, True, True, False]):
            assert (f"事项n000{number}" in shown) is known, shown
        said = desk.command("resume", "--sent-until", "2026-06-10 09:03", "--by", "办公室主任", "--yes")
        assert "2 次提醒" in said
        wait_for(lambda: desk.mails() == 5, "what came due meanwhile", 10)
        desk.until(NINE + 5 * MINUTE, 6)
        assert desk.judge(NINE + 5 * MINUTE).clean
        assert "正常" in desk.command("health")
        confirmed = {e.item: e.reason for e in second.entries(status="suppress")}
        assert confirmed == {"n0002": "confirmed-sent", "n0003": "confirmed-sent"}


@pytest.mark.long_only("another machine is tried in every run")
def test_the_same_machine_restored_with_its_old_ledger_moved_aside(desk: Desk, tmp_path: Path) -> None:
    """Refused while the daemon runs, and without the word for it; nothing was sent: all goes out late."""
    office = desk.office
    archive = tmp_path / "backup.tar.gz"
    desk.command("backup", "--out", str(archive))
    assert "守护进程在运行" in desk.command("restore", str(archive), "--ledger-only", "--move-aside", code=2)
    assert office.daemon.stop() == 0
    assert "--move-aside" in desk.command("restore", str(archive), "--ledger-only", code=1)
    assert "没有删除" in desk.command("restore", str(archive), "--ledger-only", "--move-aside")
    office.set(NINE + 3 * MINUTE)
    office.daemon.start()
    desk.held()
    desk.ticks(3)
    assert desk.mails() == 2
    desk.command("resume", "--nothing-sent", "--by", "办公室主任", "--yes")
    wait_for(lambda: desk.mails() == 4, "what was not sent")
    desk.until(NINE + 5 * MINUTE, 6)
    assert desk.judge(NINE + 5 * MINUTE).clean


@pytest.mark.parametrize("way", cases(["mv", "cp", "rm"], ["cp"]))
def test_an_old_ledger_put_under_a_running_daemon_sends_nothing(desk: Desk, way: str) -> None:
    """Renamed into its place, copied over it, or put back after a deletion: noticed, held, released, gone on."""
    office = desk.office
    old = desk.copy()
    desk.until(NINE + 3 * MINUTE, 4)
    wait_for(lambda: len(office.daemon.entries(status="accepted")) == 4, "the outcomes")
    connection = sqlite3.connect(desk.ledger)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    desk.ticks()
    if way == "mv":
        old.replace(desk.ledger)
    elif way == "cp":
        with old.open("rb") as there, desk.ledger.open("wb") as here:
            shutil.copyfileobj(there, here)
    else:
        desk.ledger.unlink()
        wait_for(lambda: "不见了" in desk.problem(), "the loss")
        shutil.copy(old, desk.ledger)
    desk.held()
    office.set(NINE + 4 * MINUTE)
    desk.ticks(3)
    assert desk.mails() == 4
    desk.command("resume", "--sent-until", "2026-06-10 09:03", "--by", "办公室主任", "--yes")
    wait_for(lambda: desk.mails() == 5, "what came due meanwhile", 10)
    desk.until(NINE + 5 * MINUTE, 6)
    assert desk.judge(NINE + 5 * MINUTE).clean
    assert office.daemon.log.read_text().count("ledger held") == 1
    with office.daemon.ledger() as ledger:
        assert ledger.integrity() == []


def test_the_right_ledger_put_back_goes_on_by_itself(desk: Desk) -> None:
    """The wrong file for a while; nobody has to confirm anything."""
    office = desk.office
    old = desk.copy()
    desk.until(NINE + 2 * MINUTE, 3)
    wait_for(lambda: len(office.daemon.entries(status="accepted")) == 3, "the outcomes")
    right = desk.copy().rename(office.daemon.data / "right")
    shutil.copy(right, old)  # as old as it gets: without the last one
    connection = sqlite3.connect(old)
    connection.execute("UPDATE ledger_info SET value = '3' WHERE key = 'changes'")
    connection.commit()
    connection.close()
    desk.ticks()
    old.replace(desk.ledger)
    desk.held()
    right.replace(desk.ledger)
    wait_for(lambda: desk.problem() == "", "health")
    desk.until(NINE + 3 * MINUTE, 4)
    assert desk.judge(NINE + 3 * MINUTE).clean


def test_garbage_mended_in_place_goes_on_by_itself(desk: Desk) -> None:
    """Overwritten under the running daemon, then the newest copied over it: without a restart."""
    newest = desk.copy()
    desk.ticks()
    size = desk.ledger.stat().st_size
    desk.ledger.write_bytes(os.urandom(size))
    wait_for(lambda: desk.problem() != "", "the trouble")
    desk.office.set(NINE + 2 * MINUTE)
    desk.ticks(3)
    assert desk.mails() == 2
    with newest.open("rb") as there, desk.ledger.open("wb") as here:
        shutil.copyfileobj(there, here)
    wait_for(lambda: desk.problem() == "", "health")
    wait_for(lambda: desk.mails() == 3, "what came due meanwhile")
    assert desk.judge(NINE + 2 * MINUTE).clean


def test_admins_are_told_once_and_not_again_after_a_restart(desk: Desk) -> None:
    """After half a minute, over the channel that works, though the ledger itself knows nothing of going live."""
    office = desk.office
    assert office.daemon.stop() == 0
    for path in office.daemon.data.glob("ledger.sqlite3*"):
        path.unlink()
    Ledger.open(desk.ledger, kind=LedgerKind.DAEMON, now=office.now()).close()
    office.daemon.start()
    desk.held()
    desk.ticks()
    assert desk.mails(CLERK) == 0
    office.set(office.now() + MINUTE)
    wait_for(lambda: desk.mails(CLERK) == 1, "the word to the admin")
    (told,) = [each for each in office.arrivals() if each.receiver == CLERK]
    assert "台账需要确认，提醒已暂停发送" in told.text
    assert "reminder resume" in told.text
    office.set(office.now() + 2 * timedelta(hours=1))
    desk.ticks(3)
    assert office.daemon.stop() == 0
    office.daemon.start()
    office.set(office.now() + timedelta(hours=1))
    desk.ticks(3)
    assert desk.mails(CLERK) == 1
    office.set(office.now() + timedelta(days=1))
    wait_for(lambda: desk.mails(CLERK) == 2, "the word of the next day")
    assert desk.mails() == 2


def test_without_its_ledger_the_daemon_does_not_begin_anew(desk: Desk) -> None:
    """Deleted while it was stopped: one line that says what to do, and no empty ledger."""
    assert desk.office.daemon.stop() == 0
    for path in desk.office.daemon.data.glob("ledger.sqlite3*"):
        path.unlink()
    said = desk.command("run", code=1)
    assert "没有另建" in said
    assert "reminder restore" in said
    assert not desk.ledger.exists()
    assert "没有另建" in desk.command("live", "--by", "x", "--off", "--yes", code=1)
    assert "没有另建" in desk.command("resume", code=1)
    assert not desk.ledger.exists()


def test_backups_under_a_daemon_that_sends_are_whole(tmp_path: Path) -> None:
    """Three backups in a burst of sends: each opens, each is whole, and the sending is not disturbed."""
    with Office(tmp_path, items(60, minutes=0, via=MAIL)) as office:
        office.adopt()
        office.daemon.start()
        desk = Desk(office)
        office.set(NINE)
        seen = []
        for number in range(3):
            archive = tmp_path / f"{number}.tar.gz"
            desk.command("backup", "--out", str(archive))
            shutil.unpack_archive(archive, tmp_path / str(number), "gztar", filter="data")
            with Ledger.open(
                tmp_path / str(number) / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NINE
            ) as ledger:
                assert ledger.integrity() == []
                seen.append(ledger.holds.standing().changes)
        assert seen == sorted(seen)
        assert desk.judge(NINE).clean
