"""What the ledger costs: one festival message for 5,000 people, settled, begun and finished.

    python -m benchmarks.ledger_settle [--people 5000] [--payload 10000] [--folder DIR]

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
from dataclasses import dataclass, field
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


def festival(people: int, payload: int, name: str = "中秋") -> Settlement:
    """One alarm, a claim and a delivery for each person; ``name`` makes it another one."""
    receivers = [f"{name}-{number}" for number in range(people)]
    alarm = NewAlarm(
        key=f"festival/2026/{name}/break-1wd",
        item="festival",
        occurrence=f"festival/2026/{name}",
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
            message_id=f"<{name}-{number}@example.com>",
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
        number = ledger.spool.begin(PLAN, each, NOW)
        if not isinstance(number, int):
            raise RuntimeError(f"{each} was not free")
        ledger.spool.finish(
            PLAN, each, number, NOW, outcome="accepted", code="250", state=DeliveryState.ACCEPTED
        )


def in_batches(ledger: Ledger, ids: list[str]) -> None:
    """The same, fifty in a transaction."""
    for start in range(0, len(ids), BATCH):
        won = ledger.spool.begin_many(PLAN, ids[start : start + BATCH], NOW)
        ends = [
            AttemptEnd(each, number, NOW, "accepted", DeliveryState.ACCEPTED, "250")
            for each, number in won.items()
        ]
        if len(ledger.spool.finish_many(PLAN, ends)) != len(ids[start : start + BATCH]):
            raise RuntimeError("a delivery was not free")


@dataclass
class Beside:
    """Microseconds a delivery, on the wall and of the processor, in each round."""

    people: int
    rounds: int
    full: list[float] = field(default_factory=list)
    full_cpu: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)
    empty_cpu: list[float] = field(default_factory=list)


def beside(full: Ledger, empty: Ledger, people: int = 500, rounds: int = 9) -> Beside:
    """Claim, begin and finish as many deliveries in each ledger, in turn; the first round warms both.

    The longer one begins every other round, so that neither always finds the disk as the other left it.
    """
    found = Beside(people, rounds)
    for number in range(rounds + 1):
        turns = [(full, found.full, found.full_cpu), (empty, found.empty, found.empty_cpu)]
        for ledger, seconds, processor in turns if number % 2 else reversed(turns):
            settlement = festival(people, 4000, f"round{number}")
            ids = [each.id for each in settlement.deliveries]
            begun, spent = time.perf_counter(), time.process_time()
            ledger.settle(PLAN, LIVE, settlement, NOW)
            one_by_one(ledger, ids[: people // 5])
            in_batches(ledger, ids[people // 5 :])
            spent, begun = time.process_time() - spent, time.perf_counter() - begun
            if number:
                seconds.append(begun / people * 1e6)
                processor.append(spent / people * 1e6)
    return found


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
                ids = [each.id for each in ledger.spool.due(PLAN, LIVE, NOW, limit=arguments.people)]
                singles, rest = ids[:SINGLES], ids[SINGLES:]
                one = timed(lambda it=ledger, them=singles: one_by_one(it, them))  # type: ignore[misc]
                many = timed(lambda it=ledger, them=rest: in_batches(it, them))  # type: ignore[misc]
                results.setdefault("begin + finish, single (µs)", []).append(one / len(singles) * 1e6)
                results.setdefault("begin + finish, by fifty (µs)", []).append(many / len(rest) * 1e6)
                results.setdefault("entries, newest 1000 (s)", []).append(
                    timed(lambda it=ledger: it.book.entries(PLAN, EntryFilter()))  # type: ignore[misc]
                )
                results.setdefault("file (MB)", []).append(path.stat().st_size / 1e6)
    for name, values in results.items():
        print(f"{name:32} {statistics.median(values):10.2f}")


if __name__ == "__main__":
    main()
