"""What a message costs, in counts that no busy machine can move: statements, transactions, renderings, calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from reminder.channels.email import EmailAdapter
from reminder.clock import ManualClock
from reminder.delivery.conduct import conduct_of
from reminder.delivery.deliver import Deliverer
from reminder.ledger import prepared
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.messages.forms import Bundle
from reminder.messages.render import Templates
from reminder.messages.unlimited import Unlimited
from reminder.plan.channels import EmailChannel
from reminder.sweep.sweeper import Sweeper
from tests.editions import Remembering, edition_of
from tests.plans import DIRECTORY, at, item_yaml, plan_of

LIVE = Transport.LIVE
EIGHT, NINE = at("2026-06-10 08:00"), at("2026-06-10 09:00")


class Counted(Unlimited):
    """Counts what is rendered."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def forms(self, bundle: Bundle, folder: str, context: Mapping[str, Any]) -> dict[str, str]:
        self.made += 1
        return super().forms(bundle, folder, context)

    def common(
        self, bundle: Bundle, folder: str, context: Mapping[str, Any], place: str
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        self.made += 1
        return super().common(bundle, folder, context, place)


class Festival:
    """One alarm for everybody in the directory, of whom there are ``people`` and the test plan's six."""

    def __init__(self, folder: Path, people: int) -> None:
        staff = "".join(
            f"  - id: p-{number}\n    name: 科员{number}\n    unit: 办公室\n    mail: p{number}@example.com\n"
            for number in range(people)
        )
        rung = "- from: due\n  workdays: 0\n  at: 09:00\n  to: everyone\n  template: festival\n"
        plan = plan_of(
            item_yaml("festival", "date: 2026-06-10\nat: 23:59", rung),
            directory=DIRECTORY.replace("holdings:\n", staff + "holdings:\n"),
        )
        shipped = edition_of(plan)
        self.renderer = Counted()
        texts = Templates(shipped.templates._bundle, shipped.templates._digests, self.renderer)
        edition = replace(shipped, templates=texts)
        self.clock = ManualClock(EIGHT)
        self.ledger = Ledger.open(folder / "ledger.sqlite", kind=LedgerKind.SIMULATION, now=EIGHT)
        self.ledger.go_live(plan.id, by="x", now=EIGHT)
        self.mail = Remembering("mail")
        config = plan.channels["mail"]
        assert isinstance(config, EmailChannel)
        self.mail.compose = EmailAdapter(  # type: ignore[method-assign]
            config, password=None, office_mailbox="jgdw@example.com"
        ).compose
        channels = {"mail": self.mail}
        self.sweeper = Sweeper(self.ledger, edition, channels, LIVE, EIGHT)
        self.deliverer = Deliverer(self.ledger, plan.id, LIVE, channels, self.clock, conduct_of(plan))
        self.plan_id = plan.id
        self.people = people + 6
        self.sweeper.sweep(EIGHT)
        self.clock.set(NINE)

    @contextmanager
    def counted(self) -> Iterator[dict[str, int]]:
        """Statements and transactions in the ledger, and calls of Python functions, while this lasts."""
        counts = {"statements": 0, "commits": 0, "calls": 0}
        writer = self.ledger._storage._writer  # type: ignore[attr-defined]

        def statement(*_: Any) -> None:
            counts["statements"] += 1

        def commit(*_: Any) -> None:
            counts["commits"] += 1

        def profile(_frame: Any, what: str, _argument: Any) -> None:
            if what == "call":
                counts["calls"] += 1

        carry_out = prepared.carry_out

        def carried_out(connection: Any, *given: Any, **named: Any) -> Any:
            if connection.engine is writer:
                statement()
            return carry_out(connection, *given, **named)

        event.listen(writer, "before_cursor_execute", statement)
        event.listen(writer, "commit", commit)
        prepared.carry_out = carried_out
        sys.setprofile(profile)
        try:
            yield counts
        finally:
            sys.setprofile(None)
            prepared.carry_out = carry_out
            event.remove(writer, "before_cursor_execute", statement)
            event.remove(writer, "commit", commit)


@pytest.fixture
def festival(tmp_path: Path) -> Iterator[Callable[[int], Festival]]:
    made: list[Festival] = []

    def make(people: int) -> Festival:
        made.append(Festival(tmp_path / str(people), people))
        return made[-1]

    yield make
    for each in made:
        each.ledger.close()


def test_an_alarm_is_rendered_twice_and_settled_in_one_transaction_however_many_get_it(
    festival: Callable[[int], Festival],
) -> None:
    """Its section and its frame; the statements of a settlement do not grow with the receivers."""
    found = []
    for people in (50, 400):
        office = festival(people)
        with office.counted() as counts:
            swept = office.sweeper.sweep(NINE)
        assert swept.deliveries == office.people
        assert office.renderer.made == 2
        assert counts["commits"] == 1
        found.append(counts["statements"])
    assert found[1] <= found[0] + 4, "rows go in by the thousand, not one by one"
    assert found[0] <= 12


def test_a_receiver_more_costs_a_few_hundred_calls(festival: Callable[[int], Festival]) -> None:
    """From the alarm to the frozen octets of one mail; twice as many would be noticed here."""
    small, large = festival(50), festival(250)
    calls = []
    for office in (small, large):
        with office.counted() as counts:
            office.sweeper.sweep(NINE)
        calls.append(counts["calls"])
    each = (calls[1] - calls[0]) / 200
    assert each < 320


def test_a_delivery_costs_two_transactions_alone_and_few_statements(
    festival: Callable[[int], Festival],
) -> None:
    """Intent and outcome; the engine's threads share them (tests/delivery/test_engine.py)."""
    office = festival(50)
    office.sweeper.sweep(NINE)
    due = office.ledger.spool.due(office.plan_id, LIVE, NINE, limit=100)
    with office.counted() as counts:
        for delivery in due:
            office.deliverer.deliver(delivery)
    assert len(office.mail.arrived) == office.people == len(due)
    assert counts["commits"] == 2 * len(due)
    assert counts["statements"] <= 12 * len(due)
    assert counts["calls"] / len(due) < 1_500


def test_a_tick_with_nothing_due_writes_nothing(festival: Callable[[int], Festival]) -> None:
    """And asks little: the agenda is in memory."""
    office = festival(50)
    with office.counted() as counts:
        for second in range(10):
            office.sweeper.sweep(EIGHT + timedelta(seconds=second))
    assert counts["commits"] == counts["statements"] == 0
    assert counts["calls"] / 10 < 1_400
