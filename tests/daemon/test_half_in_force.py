"""The ledger fails while a plan comes into force: the old one stays whole, or the new one comes whole later."""

from __future__ import annotations

import signal
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.harness.office import Office, items
from tests.harness.process import wait_for
from tests.harness.shims import BUSY
from tests.plans import at

NINE = at("2026-06-10 09:00")
MAIL = "  via:\n    - mail\n"


@pytest.mark.parametrize("count", [2, 3], ids=["a comment more", "an item more"])
def test_a_reload_that_could_not_be_recorded_is_made_up_for(tmp_path: Path, count: int) -> None:
    """Another program holds the ledger through the reload; given back, the new plan is there and all is sent."""
    with Office(tmp_path, items(2, via=MAIL), environment={BUSY: "0.3"}) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        rival = sqlite3.connect(office.daemon.data / "ledger.sqlite3", isolation_level=None)
        try:
            rival.execute("BEGIN IMMEDIATE")
            office.write([*items(count, via=MAIL), "  # changed\n"])
            office.daemon.signal(signal.SIGHUP)
            wait_for(lambda: "ledger in trouble" in office.daemon.log.read_text(), "the trouble")
            time.sleep(6)  # in which the file comes to rest as well, and is looked at
            assert "plan reloaded" not in office.daemon.log.read_text()
            rival.execute("ROLLBACK")
        finally:
            rival.close()
        wait_for(lambda: "plan reloaded" in office.daemon.log.read_text(), "the new plan")
        office.set(NINE + timedelta(minutes=count))
        for number in range(count):
            wait_for(
                lambda name=f"n{number:04d}": office.states(name, "mail") == {"p-office": "accepted"},  # type: ignore[misc]
                "the mail",
            )
        assert len([each for each in office.smtp.messages if each.recipient == "office@example.com"]) == count
        assert office.daemon.stop() == 0


def test_a_refusal_that_could_not_be_recorded_is_told_later(tmp_path: Path) -> None:
    """A bad plan is saved while the ledger is held: the admin hears of it once it is free."""
    with Office(tmp_path, items(1, via=MAIL), environment={BUSY: "0.3"}) as office:
        office.adopt()
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        rival = sqlite3.connect(office.daemon.data / "ledger.sqlite3", isolation_level=None)
        try:
            rival.execute("BEGIN IMMEDIATE")
            (office.daemon.schedules / "plan.yaml").write_text(
                "plan:\n  id: test\n  titel: 错\n...\n", "utf-8"
            )
            office.daemon.signal(signal.SIGHUP)
            wait_for(lambda: "ledger in trouble" in office.daemon.log.read_text(), "the trouble")
            time.sleep(1)
            rival.execute("ROLLBACK")
        finally:
            rival.close()
        wait_for(office.notices, "the word to the admin")
        assert "计划文件有误，未予采用" in office.notices()[0]
        wait_for(lambda: office.health["plan_refused"], "health")
