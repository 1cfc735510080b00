"""Many offices over one node: a long list of one delays another's one message by a few batches, and no more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reminder.channels.base import Outcome, Parcel
from reminder.delivery.conduct import Conduct
from reminder.delivery.deliver import Deliverer
from reminder.delivery.engines import turns
from reminder.delivery.engines.queue import QueueEngine
from reminder.delivery.engines.turns import TurnNode
from reminder.ledger.records import LedgerKind, Settlement
from reminder.ledger.work import BATCH, OPEN, queue_of
from tests.amounts import amount
from tests.backends import Backend
from tests.delivery.conftest import ACCEPTED, LIVE, PLAN, START, Bench
from tests.delivery.test_engine import until
from tests.editions import Remembering
from tests.harness.postgres import Server
from tests.harness.process import wait_for

ABREAST = 2
MANY = amount(20_000, 300)
QUIET = ("quiet", "silent", "still")


class Sent:
    """A server of all offices: what it took, in the order in which it came; it can be held up."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()

    def channel(self, plan: str, *, hangs: bool = False) -> Remembering:
        def answer(_: Parcel) -> Outcome:
            if hangs:
                self.open.wait()
            with self._lock:
                self.order.append(plan)
            return ACCEPTED

        return Remembering("mail", answer)


@pytest.fixture
def bench(postgres: Server, tmp_path: Path) -> Iterator[Bench]:
    backend = Backend("postgres", tmp_path, postgres)
    yield Bench(backend.open(LedgerKind.SIMULATION, START))
    backend.close()


@pytest.fixture
def node(bench: Bench) -> Iterator[TurnNode]:
    assert bench.ledger.queue is not None
    made = TurnNode(bench.ledger.queue)
    until(lambda: made.id is not None, "its registration")
    yield made
    made.close(leave=True)


def engine_of(bench: Bench, node: TurnNode, plan: str, channel: Remembering) -> QueueEngine:
    conduct = {"mail": Conduct(abreast=ABREAST)}
    deliverer = Deliverer(
        bench.ledger, plan, LIVE, {"mail": channel}, bench.clock, conduct, node=lambda: node.id
    )
    return QueueEngine(bench.ledger, plan, LIVE, deliverer, node, bench.clock, ["mail"])


def one_of(bench: Bench, plan: str) -> None:
    bench.ledger.settle(plan, LIVE, bench._made("m0", "mail", timedelta(days=1), {}), START)


def list_of(bench: Bench, plan: str, count: int) -> None:
    """So many messages of a plan, as one sweep writes them."""
    made = [bench._made(f"m{number}", "mail", timedelta(days=1), {}) for number in range(count)]
    whole = Settlement(
        tuple(alarm for each in made for alarm in each.alarms),
        tuple(delivery for each in made for delivery in each.deliveries),
    )
    bench.ledger.settle(plan, LIVE, whole, START)


def waiting(bench: Bench, plan: str) -> int:
    assert bench.ledger.queue is not None
    query = "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = %s AND status = 'todo'"
    with psycopg.connect(bench.ledger.queue) as connection:
        row = connection.execute(query, (queue_of(plan, LIVE, "mail"),)).fetchone()
    assert row is not None
    return int(row[0])


def test_a_long_list_has_few_jobs_at_once_and_all_of_it_is_sent(bench: Bench, node: TurnNode) -> None:
    """The rest waits in the ledger; each batch that ends makes room for another, without any tick."""
    bench.add_together(f"m{number}" for number in range(MANY))
    assert waiting(bench, PLAN) == OPEN
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) == 0
    sent = Sent()
    engine = engine_of(bench, node, PLAN, sent.channel(PLAN))
    engine.kick(START)
    wait_for(lambda: len(sent.order) == MANY, "all of the list", 60)
    wait_for(lambda: bench.counts() == {"accepted": MANY}, "its record")
    assert waiting(bench, PLAN) == 0
    engine.close()


def test_one_message_waits_for_a_few_batches_of_a_long_list(bench: Bench, node: TurnNode) -> None:
    """Counted by arrivals: before each quiet office's message come no more than what was being sent already."""
    bench.add_together(f"m{number}" for number in range(MANY))
    sent = Sent()
    sent.open.clear()
    noisy = engine_of(bench, node, PLAN, sent.channel(PLAN, hangs=True))
    noisy.kick(START)
    until(lambda: len(noisy.in_flight) == ABREAST, "the noisy one at work")
    others = [engine_of(bench, node, plan, sent.channel(plan)) for plan in QUIET]
    for plan, engine in zip(QUIET, others, strict=True):
        one_of(bench, plan)
        engine.kick(START)
    # While it stands in the middle of its batches nobody else does.
    until(lambda: set(sent.order) == set(QUIET), "the quiet ones' messages")
    for engine in others:
        engine.close()
    sent.order.clear()

    sent.open.set()
    until(lambda: len(sent.order) > BATCH, "the noisy one going on")
    late = engine_of(bench, node, "late", sent.channel("late"))
    before = len(sent.order)
    one_of(bench, "late")
    late.kick(START)
    until(lambda: "late" in sent.order, "the late one's message")
    assert sent.order.index("late") - before <= (ABREAST + 2) * BATCH
    noisy.close()
    late.close()


def test_with_every_thread_taken_it_is_still_each_ones_turn(
    bench: Bench, node: TurnNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread for all: noisy offices and quiet ones go round, a batch each."""
    monkeypatch.setattr(turns, "THREADS", 1)
    sent = Sent()
    sent.open.clear()
    engines = []
    for plan in ("noisy-1", "noisy-2"):
        list_of(bench, plan, 5 * BATCH)
        engines.append(engine_of(bench, node, plan, sent.channel(plan, hangs=True)))
    for engine in engines:
        engine.kick(START)
    until(lambda: any(engine.in_flight for engine in engines), "the first of them at work")
    for plan in QUIET:
        one_of(bench, plan)
        engines.append(engine_of(bench, node, plan, sent.channel(plan)))
        engines[-1].kick(START)
    sent.open.set()
    wait_for(lambda: len(sent.order) == 10 * BATCH + len(QUIET), "everything", 60)
    for plan in QUIET:
        assert sent.order.index(plan) < 3 * BATCH + len(QUIET)
    for engine in engines:
        engine.close()


def test_a_channel_with_a_long_list_leaves_room_for_the_offices_other_channels(bench: Bench) -> None:
    """What is due on another channel has its job, however much of the first waits without one."""
    bench.add_together(f"m{number}" for number in range(2 * OPEN * BATCH))
    bench.add("g", "group", not_before=START + timedelta(minutes=1))
    later: Any = START + timedelta(minutes=1)
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, later) == 1
