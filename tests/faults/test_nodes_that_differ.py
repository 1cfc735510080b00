"""A node with another plan, with an old one, or with a clock that is wrong, and two offices: one line, and nothing wrong is sent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.harness.history import Report, check
from tests.harness.office import CLERK, EIGHT, Office, items
from tests.harness.postgres import Server
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import ON_DUE_DAY, at, item_yaml, write_plan

NINE = at("2026-06-10 09:00")
MINUTE = timedelta(minutes=1)
MAIL = "  via:\n    - mail\n"
DIFFERS, SKEWED = "不是现行计划", "本机时钟比数据库的快"


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    made = postgres.empty_database()
    Ledger.open(made, kind=LedgerKind.DAEMON, now=EIGHT - timedelta(hours=2), upgrade=True).close()
    yield made
    postgres.drop(made)


@pytest.fixture
def office(tmp_path: Path, address: str) -> Iterator[Office]:
    """What is promised are three messages; its folder holds only two of them at first."""
    with Office(
        tmp_path, items(3, via=MAIL), start=EIGHT, environment={"REMINDER_DATABASE_URL": address}
    ) as made:
        made.write(items(2, via=MAIL))
        made.adopt()
        yield made


@pytest.fixture
def other(office: Office, tmp_path: Path) -> Iterator[DaemonProcess]:
    """A second node with the same folder."""
    schedules = tmp_path / "other-schedules"
    shutil.copytree(office.daemon.schedules, schedules)
    with DaemonProcess(schedules, tmp_path / "other", office.daemon.environment) as made:
        made.set_clock(office.now())
        yield made


def problem(node: DaemonProcess) -> str:
    """What its health file says is wrong; of a node that has not looked yet, that."""
    try:
        return str(json.loads((node.data / "health.json").read_text("utf-8"))["problem"])
    except FileNotFoundError:
        return "no look yet"


def looked(node: DaemonProcess) -> None:
    """Wait until it has looked twice more."""
    file = node.data / "health.json"
    for _ in range(2):
        before = file.read_text("utf-8")
        wait_for(lambda before=before: file.read_text("utf-8") != before, "a look")  # type: ignore[misc]


def judged(office: Office, until: datetime) -> Report:
    """The history of all but the admin."""
    office.judge(until)
    arrivals = [each for each in office.arrivals() if each.receiver != CLERK]
    return check(office.expectations(until), arrivals, office.kills)


def test_a_node_with_another_plan_stops_until_its_folder_has_the_one_in_force(
    office: Office, other: DaemonProcess
) -> None:
    """Then an old folder at a restart: it neither comes back into force nor sends."""
    office.daemon.start()
    other.start()
    wait_for(lambda: problem(other) == "", "two nodes that agree")
    office.write(items(3, via=MAIL))
    wait_for(lambda: DIFFERS in problem(other), "the node that lags behind")
    assert problem(office.daemon) == ""
    assert office.daemon.stop() == 0

    office.set(NINE + MINUTE / 2)
    other.set_clock(office.now())
    looked(other)
    assert not [each for each in office.arrivals() if each.receiver != CLERK], "it decided by another plan"
    wait_for(office.notices, "the admins' notice, which is frozen and sent all the same")
    assert other.log.read_text().count("apart from the other nodes") == 1

    shutil.copytree(office.daemon.schedules, other.schedules, dirs_exist_ok=True)
    wait_for(lambda: problem(other) == "", "agreement again")
    office.write(items(2, via=MAIL))
    office.daemon.start()
    wait_for(lambda: DIFFERS in problem(office.daemon), "the old folder")
    assert "以前用过、已被替换的旧计划" in office.daemon.log.read_text()
    assert problem(other) == ""
    office.set(NINE + 3 * MINUTE)
    other.set_clock(office.now())
    report = judged(office, NINE + 3 * MINUTE)
    assert report.clean, report
    with other.ledger() as ledger:
        versions = ledger.plan_versions("test", office.now() + timedelta(days=1))
        assert len(versions) == 2
    assert len(office.notices()) <= 2, "each difference is told once"


def test_a_node_two_minutes_ahead_leaves_everything_to_the_other(
    office: Office, other: DaemonProcess
) -> None:
    """It would send a minute early; set right again, it takes up again and sends what is due."""

    def set_both(now: datetime, ahead: timedelta) -> None:
        office.set(now)
        (other.data / "database-clock").write_text(str((now - datetime.now(UTC)).total_seconds()))
        other.set_clock(now + ahead)

    set_both(NINE - MINUTE, 2 * MINUTE)
    office.write(items(3, via=MAIL))
    shutil.copytree(office.daemon.schedules, other.schedules, dirs_exist_ok=True)
    office.daemon.start()
    other.start()
    wait_for(lambda: SKEWED in problem(other), "the node whose clock is wrong")
    looked(other)
    assert not office.smtp.messages, "it sent before its time"
    assert problem(office.daemon) == ""

    set_both(NINE + MINUTE / 2, 2 * MINUTE)
    wait_for(lambda: len(office.smtp.messages) >= 1, "the first, from the node that is right")
    assert SKEWED in problem(other)
    assert office.daemon.stop() == 0

    set_both(NINE + 2.5 * MINUTE, timedelta(0))
    wait_for(lambda: problem(other) == "", "a clock that is right again")
    report = judged(office, NINE + 3 * MINUTE)
    assert report.clean, report
    assert other.log.read_text().count("apart from the other nodes") == 1


def test_a_second_office_under_the_same_plan_id_sends_nothing(office: Office, other: DaemonProcess) -> None:
    """Its plan has no item of the one in force: it touches neither its own messages nor the first office's."""
    office.write(items(3, via=MAIL))
    office.adopt()
    write_plan(other.schedules, item_yaml("foreign", "date: 2026-06-10\nat: 23:59", ON_DUE_DAY))
    office.set(NINE + 3 * MINUTE)
    other.set_clock(office.now())
    other.start()
    wait_for(lambda: "像是另一个单位的" in problem(other), "the second office's line")
    looked(other)
    assert not office.heard
    office.daemon.start()
    report = judged(office, NINE + 3 * MINUTE)
    assert report.clean, report
