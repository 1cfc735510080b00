"""What the ledger costs: one festival message for 5,000 people, settled, begun and finished.

    python benchmarks/ledger_settle.py [--people 5000] [--payload 10000] [--folder DIR]

Prints seconds for the settlement (one transaction) and microseconds a delivery
for intent and outcome, one at a time and fifty in a transaction, each synced to
disk.  The figures mean something only beside one another and on one disk; give
``--folder`` to choose it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    AttemptEnd,
    DeliveryState,
    LedgerKind,
    NewAlarm,
    NewClaim,
    NewDelivery,
    Settlement,
    Transport,
)
from reminder.ledger.shown import EntryFilter

PLAN, LIVE = "lianjie", Transport.LIVE
NOW = datetime(2026, 9, 24, 1, 30, tzinfo=UTC)
ROUNDS, SINGLES, BATCH = 3, 200, 50


def festival(people: int, payload: int) -> Settlement:
    """One alarm, a claim and a delivery for each person."""
    receivers = [f"person:{number}" for number in range(people)]
    alarm = NewAlarm(
        key="festival/2026/中秋/break-1wd",
        item="festival",
        occurrence="festival/2026/中秋",
        rung="break-1wd",
        planned_at=NOW,
        due=NOW + timedelta(days=1),
        decision="send",
        reason="due",
        claims=tuple(NewClaim(each, "mail", "send", "due", f"message-{each}") for each in receivers),
    )
    deliveries = tuple(
        NewDelivery(
            id=f"delivery-{each}",
            message=f"message-{each}",
            channel="mail",
            receiver=each,
            address="staff@example.com",
            part=1,
            parts=1,
            message_id=f"<{number}@example.com>",
            subject="节日廉政提醒",
            text="中秋将至，请遵守有关规定。",
            payload=b"x" * payload,
            planned_at=NOW,
            not_before=NOW,
            expires_at=NOW + timedelta(days=1),
        )
        for number, each in enumerate(receivers)
    )
    return Settlement((alarm,), deliveries)


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def one_by_one(ledger: Ledger, ids: list[str]) -> None:
    """Intent and outcome of each delivery in transactions of their own."""
    for each in ids:
        number = ledger.begin(PLAN, each, NOW)
        if not isinstance(number, int):
            raise RuntimeError(f"{each} was not free")
        ledger.finish(PLAN, each, number, NOW, outcome="accepted", code="250", state=DeliveryState.ACCEPTED)


def in_batches(ledger: Ledger, ids: list[str]) -> None:
    """The same, fifty in a transaction."""
    for start in range(0, len(ids), BATCH):
        won = ledger.begin_many(PLAN, ids[start : start + BATCH], NOW)
        ends = [
            AttemptEnd(each, number, NOW, "accepted", DeliveryState.ACCEPTED, "250")
            for each, number in won.items()
        ]
        if len(ledger.finish_many(PLAN, ends)) != len(ids[start : start + BATCH]):
            raise RuntimeError("a delivery was not free")


def main() -> None:
    """Run the rounds and print their medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--payload", type=int, default=10_000, help="bytes of a message")
    parser.add_argument("--folder", type=Path, help="where to put the ledger")
    arguments = parser.parse_args()
    settlement = festival(arguments.people, arguments.payload)
    results: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            path = Path(folder) / "ledger.sqlite"
            with Ledger.open(path, kind=LedgerKind.DAEMON, now=NOW) as ledger:

                def settle(ledger: Ledger = ledger) -> None:
                    ledger.settle(PLAN, LIVE, settlement, NOW)

                results.setdefault("settle (s)", []).append(timed(settle))
                ids = [each.id for each in ledger.due(PLAN, LIVE, NOW, limit=arguments.people)]
                singles, rest = ids[:SINGLES], ids[SINGLES:]
                one = timed(lambda it=ledger, them=singles: one_by_one(it, them))  # type: ignore[misc]
                many = timed(lambda it=ledger, them=rest: in_batches(it, them))  # type: ignore[misc]
                results.setdefault("begin + finish, single (µs)", []).append(one / len(singles) * 1e6)
                results.setdefault("begin + finish, by fifty (µs)", []).append(many / len(rest) * 1e6)
                results.setdefault("entries, newest 1000 (s)", []).append(
                    timed(lambda it=ledger: it.entries(PLAN, EntryFilter()))  # type: ignore[misc]
                )
                results.setdefault("file (MB)", []).append(path.stat().st_size / 1e6)
    for name, values in results.items():
        print(f"{name:32} {statistics.median(values):10.2f}")


if __name__ == "__main__":
    main()
