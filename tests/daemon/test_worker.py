"""A node that only sends, and what changes while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.channels.base import Channel
from reminder.check import Edition, examine
from reminder.daemon.worker import Worker
from reminder.errors import ReminderError
from reminder.ledger.records import LedgerKind, Transport
from reminder.settings import Settings
from tests.editions import TEMPLATES, remembering
from tests.harness.postgres import Server, stamp
from tests.harness.shifted import ShiftedClock, shifted_ledger
from tests.plans import at, item_yaml, write_plan

EIGHT = at("2026-06-10 08:00")
RUNG = "- from: due\n  workdays: 0\n  to: person:p-office\n"


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    made = postgres.new_database()
    stamp(made, LedgerKind.DAEMON, EIGHT - timedelta(hours=2))
    yield made
    postgres.drop(made)


def test_a_plan_that_lacks_a_secret_is_used_as_soon_as_it_is_there(tmp_path: Path, address: str) -> None:
    """Until then it says so, goes on with the old one, and needs nobody to touch a file."""
    settings = Settings(
        schedules=tmp_path / "schedules", templates=TEMPLATES, data=tmp_path, database_url=address
    )
    write_plan(settings.schedules, item_yaml("x", "date: 2026-06-10", RUNG))
    old = examine(settings.schedules, settings.templates).edition
    assert old is not None
    secrets = ["first"]

    def build(edition: Edition, _transport: Transport) -> Mapping[str, Channel]:
        if edition.digest != old.digest and "second" not in secrets:
            raise ReminderError("缺少密钥 SECOND")
        return remembering()

    clock = ShiftedClock(EIGHT)
    with shifted_ledger(address, clock) as ledger:
        worker = Worker(
            settings, old, ledger, clock, build, secrets_mark=lambda _edition, _transport: "".join(secrets)
        )
        worker.tick()
        write_plan(settings.schedules, item_yaml("x", "date: 2026-06-11", RUNG))
        worker.ask_reload()
        for _ in range(2):
            worker.tick()
            assert (worker.refused, worker.edition.digest) == ("缺少密钥 SECOND", old.digest)
        secrets.append("second")
        for _ in range(2):
            worker.tick()
        assert worker.refused == ""
        assert worker.edition.digest != old.digest
        worker.leave(5)
