"""The daemon as a process with its ledger on PostgreSQL, real servers, and a database that stops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.amounts import amount
from tests.harness.office import EIGHT, Office, items
from tests.harness.postgres import Server
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that syncs to disk, and that a test may stop."""
    made = Server(fast=False)
    yield made
    made.stop()


@pytest.fixture
def address(server: Server) -> Iterator[str]:
    made = server.empty_database()
    Ledger.open(made, kind=LedgerKind.DAEMON, now=EIGHT - timedelta(hours=2), upgrade=True).close()
    yield made
    server.drop(made)


def test_everything_promised_goes_out_once_over_kills(tmp_path: Path, address: str) -> None:
    """Adopted, sent by mail and to the group, killed right after the first text, taken up again."""
    with Office(tmp_path, items(4), environment={"REMINDER_DATABASE_URL": address}) as office:
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: len(office.smtp.messages) >= 1, "the first text")
        office.kill()
        office.set(NINE + 4 * MINUTE)
        office.daemon.start()
        report = office.judge(NINE + 4 * MINUTE)
        assert report.clean, report
        assert not (office.daemon.data / "ledger.sqlite3").exists()
        assert "postgresql" not in office.daemon.log.read_text()


def test_row_29_the_database_stops_at_once_and_the_daemon_goes_on(
    tmp_path: Path, server: Server, address: str
) -> None:
    """Immediate stops while messages come due: nothing lost, and nothing twice but what was on its way."""
    stops = amount(20, 3)
    with Office(tmp_path, items(2 * stops), environment={"REMINDER_DATABASE_URL": address}) as office:
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        for number in range(stops):
            office.set(NINE + 2 * number * MINUTE)
            wait_for(
                lambda due=2 * number + 1: len(office.smtp.messages) >= due, "the message of that minute"
            )
            server.crash()
            server.start()
        office.set(NINE + 2 * stops * MINUTE)
        # Two minutes pass from one stop to the next: a look that met both tells of it.
        report = office.judge(NINE + 2 * stops * MINUTE).without_alerts()
        assert report.clean, report
        assert office.daemon.alive
