"""The ledger in trouble: nothing is sent that cannot be recorded, and it is said."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.harness.process import DaemonProcess, wait_for
from tests.plans import ON_DUE_DAY, at, item_yaml, write_plan

NINE = at("2026-06-10 09:00")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[DaemonProcess]:
    write_plan(tmp_path / "schedules", item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
    process = DaemonProcess(tmp_path / "schedules", tmp_path / "data")
    process.set_clock(NINE - timedelta(minutes=5))
    with process:
        yield process.start()


def problem(office: DaemonProcess) -> str:
    return str(json.loads((office.data / "health.json").read_text("utf-8"))["problem"])


def mails(office: DaemonProcess) -> list[Path]:
    return sorted((office.data / "outbox").rglob("*.eml"))


def ledger_files(office: DaemonProcess) -> list[Path]:
    return sorted(office.data.glob("ledger.sqlite3*"))


def test_a_deleted_ledger_stops_the_sending_and_one_put_back_resumes_it(office: DaemonProcess) -> None:
    """While it is gone: unhealthy and silent.  Put back: the reminder goes out, without a restart."""
    aside = office.data / "aside"
    aside.mkdir()
    wait_for(lambda: (office.data / "health.json").exists(), "the first look")
    for file in ledger_files(office):
        shutil.move(file, aside / file.name)
    wait_for(lambda: problem(office) != "", "the problem")
    office.set_clock(NINE)
    wait_for(lambda: "ledger in trouble" in office.log.read_text(), "the log")
    assert [mail for mail in mails(office) if "p-office" in mail.name] == []
    assert not (office.data / "ledger.sqlite3").exists()
    for file in aside.iterdir():
        shutil.move(file, office.data / file.name)
    wait_for(lambda: len([mail for mail in mails(office) if "p-office" in mail.name]) == 1, "the reminder")
    wait_for(lambda: problem(office) == "", "health")


def test_admins_are_told_directly_when_the_ledger_stays_unusable(office: DaemonProcess) -> None:
    """After half a minute of trouble one alert goes out, and no second within the hour."""
    wait_for(lambda: (office.data / "health.json").exists(), "the first look")
    aside = office.data / "aside"
    aside.mkdir()
    for file in ledger_files(office):
        shutil.move(file, aside / file.name)
    wait_for(lambda: problem(office) != "", "the problem")
    office.set_clock(NINE - timedelta(minutes=3))
    wait_for(lambda: len([mail for mail in mails(office) if "p-clerk" in mail.name]) == 1, "the alert")
    office.set_clock(NINE - timedelta(minutes=1))
    wait_for(lambda: office.log.read_text().count("ledger in trouble") > 4, "more ticks")
    assert len([mail for mail in mails(office) if "p-clerk" in mail.name]) == 1


def test_a_locked_ledger_is_waited_for(office: DaemonProcess) -> None:
    """Another program holds the write lock over the hour: late by seconds, nothing lost."""
    wait_for(lambda: (office.data / "health.json").exists(), "the first look")
    rival = sqlite3.connect(office.data / "ledger.sqlite3", isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    office.set_clock(NINE)
    with pytest.raises(AssertionError, match="never came"):
        wait_for(lambda: mails(office) != [], "a mail", 3)
    rival.execute("ROLLBACK")
    rival.close()
    wait_for(lambda: len(mails(office)) == 1, "the mail")
