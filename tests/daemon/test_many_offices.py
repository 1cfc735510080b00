"""Several offices in one process on one PostgreSQL: each by itself, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.ledger.records import LedgerKind
from tests.harness.office import EIGHT, items
from tests.harness.offices import Offices
from tests.harness.postgres import Server, stamp
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
MINUTE = timedelta(minutes=1)
MAIL = "  via:\n    - mail\n"


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    made = postgres.new_database()
    stamp(made, LedgerKind.DAEMON, EIGHT - timedelta(hours=2))
    yield made
    postgres.drop(made)


def test_each_office_gets_its_own_messages_and_no_other(tmp_path: Path, address: str) -> None:
    """The same items, people and alarms under two plans: each mail server sees its own office alone."""
    with Offices(tmp_path, address, {"a": items(2, via=MAIL), "b": items(3, via=MAIL)}) as offices:
        offices.daemon.start()
        wait_for(lambda: offices.running == 2, "both offices")
        assert offices.troubles == {}
        for minute in range(3):
            offices.come_due(NINE + minute * MINUTE)
            wait_for(
                lambda due=minute + 1: len(offices.smtp["b"].messages) >= due,  # type: ignore[misc]
                "the message of that minute",
            )
        wait_for(lambda: len(offices.smtp["a"].messages) >= 2, "the messages of the other")
        assert set(offices.received("a")) == {"office@a.example.com"}
        assert set(offices.received("b")) == {"office@b.example.com"}
        sent = {name: {each.alarm for each in offices.entries(name, status="accepted")} for name in "ab"}
        assert sent["a"] < sent["b"]
        assert len(sent["b"]) == 3
        assert offices.daemon.stop() == 0
        assert "Traceback" not in offices.daemon.log.read_text()
