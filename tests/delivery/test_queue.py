"""Jobs in the ledger on PostgreSQL: written with what they carry, fairly ordered, never the last word."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from reminder.channels.base import Outcome, Parcel
from reminder.clock import SystemClock
from reminder.delivery.conduct import Conduct
from reminder.delivery.dispatch import Dispatch, EngineMissing
from reminder.delivery.engines import node as node_module
from reminder.delivery.engines.node import Node
from reminder.delivery.engines.queue import QueueEngine
from reminder.ledger import schema, settling, work_schema
from reminder.ledger.errors import LedgerAddressError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Quota, Transport
from reminder.ledger.storage_postgres import PostgresStorage
from reminder.ledger.work import BATCH, queue_of
from tests.backends import Backend
from tests.delivery.conftest import ACCEPTED, DEAD, LIVE, PLAN, START, Bench, answering
from tests.delivery.test_engine import until
from tests.editions import Remembering
from tests.harness.postgres import Server
from tests.plans import item_yaml, plan_of

RUNG = "- from: due\n  workdays: 0\n  to: person:p-office\n"
MAIL = queue_of(PLAN, LIVE, "mail")


@pytest.fixture
def bench(postgres: Server, tmp_path: Path) -> Iterator[Bench]:
    backend = Backend("postgres", tmp_path, postgres)
    yield Bench(backend.open(LedgerKind.SIMULATION, START))
    backend.close()


def asked(bench: Bench, query: str, *values: Any) -> list[tuple[Any, ...]]:
    assert bench.ledger.queue is not None
    with psycopg.connect(bench.ledger.queue, autocommit=True) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def jobs(bench: Bench) -> list[int]:
    """How many deliveries are in each job, in the order in which the jobs are fetched."""
    query = (
        "SELECT count(d.id) FROM procrastinate_jobs j LEFT JOIN deliveries d ON d.job = j.id"
        " GROUP BY j.id ORDER BY j.priority DESC, j.id"
    )
    return [row[0] for row in asked(bench, query)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that are heard more often, and judge sooner."""
    monkeypatch.setattr(node_module, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(node_module, "STALLED_SECONDS", 0.5)
    monkeypatch.setattr(node_module, "SWEEP_SECONDS", 0.1)


@pytest.fixture
def node_of(bench: Bench) -> Iterator[Callable[[], Node]]:
    made: list[Node] = []

    def make() -> Node:
        assert bench.ledger.queue is not None
        made.append(Node(bench.ledger.queue))
        until(lambda: made[-1].id is not None, "its registration")
        return made[-1]

    yield make
    for node in made:
        node.close(leave=True)


def engine_of(bench: Bench, node: Node, *channels: Remembering, **options: Any) -> QueueEngine:
    deliverer = bench.deliverer(*channels, node=lambda: node.id, **options)
    return QueueEngine(bench.ledger, PLAN, LIVE, deliverer, node, bench.clock, [each.id for each in channels])


# -- jobs ------------------------------------------------------------------------


def test_deliveries_and_their_jobs_are_written_together_or_not_at_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(connection: Any, *_: Any) -> None:
        assert connection.exec_driver_sql("SELECT count(*) FROM procrastinate_jobs").scalar() == 1
        raise RuntimeError("power cut")

    made = bench._made("a", "mail", timedelta(days=1), {})
    with monkeypatch.context() as patch:
        patch.setattr(settling, "give_up_replaced", power_cut)  # the last thing in that transaction
        with pytest.raises(RuntimeError):
            bench.ledger.settle(PLAN, LIVE, made, START)
    assert (jobs(bench), bench.counts()) == ([], {})
    bench.ledger.settle(PLAN, LIVE, made, START)
    assert (jobs(bench), bench.counts()) == ([1], {"pending": 1})


def test_a_job_is_a_batch_of_one_channel(bench: Bench) -> None:
    bench.add_together(f"m{number}" for number in range(2 * BATCH + 5))
    bench.add_together(["g"], "group")
    assert sorted(jobs(bench)) == [1, 5, BATCH, BATCH]


def test_what_is_due_later_gets_its_job_then_and_one_however_many_ask(bench: Bench) -> None:
    """Retries, quiet hours and limits wait in the ledger; all nodes ask at once, and one job comes of it."""
    bench.add("later", not_before=START + timedelta(hours=1))
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) == 0
    now = START + timedelta(hours=1)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: bench.ledger.nodes.put_up_due(PLAN, LIVE, now), range(8)))
    assert (sum(made), jobs(bench)) == (1, [1])


def test_what_lost_its_job_gets_another(bench: Bench) -> None:
    bench.add("a")
    asked(bench, "DELETE FROM procrastinate_jobs")
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) == 1
    asked(bench, "UPDATE procrastinate_jobs SET status = 'failed'")
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) == 1
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) == 0


def test_a_paused_channel_has_no_jobs_made(bench: Bench) -> None:
    group = answering("group", DEAD)
    for key in "ab":
        bench.add(key, "group")
    bench.deliverer(group).drain(START)
    assert [pause.channel for pause in bench.ledger.pauses(PLAN, LIVE)] == ["group"]
    asked(bench, "DELETE FROM procrastinate_jobs")
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) == 0
    bench.ledger.resume(PLAN, LIVE, "group", by="test", now=START)
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) > 0


def test_a_plan_with_much_to_send_does_not_keep_another_waiting(bench: Bench) -> None:
    """A worker that serves both takes the other's only batch before the second of the large one."""
    bench.add_together(f"m{number}" for number in range(10 * BATCH))
    other = bench._made("other", "mail", timedelta(days=1), {})
    bench.ledger.settle("other", LIVE, other, START)
    (worker,) = asked(bench, "SELECT * FROM procrastinate_register_worker_v1()")[0]
    queues = [MAIL, queue_of("other", LIVE, "mail")]
    query = "SELECT args ->> 'plan' FROM procrastinate_fetch_job_v2(%s, %s)"
    first = [asked(bench, query, queues, worker)[0][0] for _ in range(4)]
    assert first[:2] in (["other", PLAN], [PLAN, "other"])
    assert first[2:] == [PLAN, PLAN]


class Gates(Remembering):
    """Takes each mail only when its gate is opened."""

    def __init__(self) -> None:
        super().__init__("mail")
        self.gates = {key: threading.Event() for key in "ab"}
        self.reached: list[str] = []

    def send(self, parcel: Parcel) -> Outcome:
        self.reached.append(parcel.delivery)
        assert self.gates[parcel.delivery].wait(30)
        return super().send(parcel)


def test_a_job_that_comes_back_to_its_node_takes_nothing_from_the_thread_that_has_it(
    bench: Bench, node_of: Callable[[], Node]
) -> None:
    """Else what that thread sends would be nobody's by this node's own count, and be sent again."""
    bench.add_together("ab")
    (job,) = {each[0] for each in asked(bench, "SELECT job FROM deliveries")}
    channel = Gates()
    engine = engine_of(bench, node_of(), channel)
    engine._resting = False
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine._work, job)
        until(lambda: channel.reached == ["a"], "the first mail")
        again = pool.submit(engine._work, job)
        until(lambda: channel.reached == ["a", "b"], "the second mail, by the other thread")
        channel.gates["a"].set()
        first.result(30)
        assert engine.in_flight == {"b"}
        channel.gates["b"].set()
        again.result(30)
    assert bench.counts() == {"accepted": 2}
    assert sorted(channel.reached) == ["a", "b"]


def test_while_another_plan_is_in_force_channels_that_this_one_lacks_are_left_to_others(
    bench: Bench, node_of: Callable[[], Node]
) -> None:
    """Else a node that lags behind would end what only the new plan can send."""
    bench.add("a")
    bench.add("g", "group")
    engine = engine_of(bench, node_of(), answering("mail", ACCEPTED))
    engine.kick(START, own_only=True)
    until(lambda: bench.state("a") == "accepted", "the mail")
    assert set(engine._lanes) == {"mail"}
    engine.kick(START)
    until(lambda: bench.state("g") == "failed", "the word that nobody has the channel")
    assert set(engine._lanes) == {"mail", "group"}
    engine.kick(START, own_only=True)
    assert set(engine._lanes) == {"mail"}, "what it served before it lagged behind it serves no more"
    bench.add("h", "group")
    engine.kick(START, own_only=True)
    assert bench.state("h") == "pending"
    engine.close()


# -- nodes -----------------------------------------------------------------------


def registered(bench: Bench, *, seconds_ago: int = 0) -> int:
    """A node that was last heard so long ago."""
    query = (
        "INSERT INTO procrastinate_workers (last_heartbeat)"
        " VALUES (clock_timestamp() - %s * interval '1 second') RETURNING id"
    )
    return int(asked(bench, query, seconds_ago)[0][0])


def begun(bench: Bench, key: str, node: int) -> bool:
    return key in bench.ledger.spool.advance(PLAN, [], [key], START, {}, node).numbers


def test_a_node_that_was_given_up_begins_nothing(bench: Bench) -> None:
    """Else what it begins would be taken up at once, and sent twice."""
    bench.add("a")
    node = registered(bench)
    asked(bench, "DELETE FROM procrastinate_workers")
    assert not begun(bench, "a", node)
    assert (bench.state("a"), bench.tries("a")) == ("pending", [])


def test_a_node_that_begins_is_heard_by_that(bench: Bench) -> None:
    """After a stop its last heartbeat is old; nobody takes up what it begins in the moment after."""
    bench.add("a")
    assert begun(bench, "a", registered(bench, seconds_ago=60))
    assert bench.ledger.nodes.left_behind(PLAN, LIVE, START) == []


def test_what_a_dead_node_had_in_hand_is_taken_up_and_a_living_ones_is_not(bench: Bench) -> None:
    """Each the way its channel's policy says; what was known only to itself is uncertain in the ledger."""
    for key, channel in (("dead", "mail"), ("held", "group"), ("alive", "mail")):
        bench.add(key, channel)
    dead, alive = registered(bench), registered(bench)
    assert begun(bench, "dead", dead)
    assert begun(bench, "held", dead)
    assert begun(bench, "alive", alive)
    late = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '9 seconds' WHERE id = %s"
    asked(bench, late, dead)
    deliverer = bench.deliverer(conduct={"group": Conduct(hold=True)}, node=lambda: alive)
    assert deliverer.take_up(START) == 0, "a start takes nothing from anybody"
    assert deliverer.take_up_left_behind(START) == 2
    assert [bench.state(key) for key in ("dead", "held", "alive")] == ["pending", "uncertain", "sending"]
    assert [each.outcome for each in bench.tries("dead")] == ["uncertain"]
    assert deliverer.take_up_left_behind(START) == 0
    assert bench.ledger.nodes.put_up_due(PLAN, LIVE, START) == 0, "its job waits still"


def test_what_a_node_began_and_no_thread_carries_it_takes_up_itself(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    mine, other = registered(bench), registered(bench)
    assert begun(bench, "a", mine)
    assert begun(bench, "b", other)
    deliverer = bench.deliverer(node=lambda: mine)
    assert [deliverer.take_up_orphans(START, []) for _ in range(3)] == [0, 1, 0]
    assert [bench.state(key) for key in "ab"] == ["pending", "sending"]


def test_two_nodes_send_each_message_once_and_keep_to_one_limit(
    bench: Bench, node_of: Callable[[], Node]
) -> None:
    """Each with its own threads and connections; the limit is counted over both."""
    mails = [Remembering("mail"), Remembering("mail")]
    groups = [Remembering("group"), Remembering("group")]
    limit = {"group": Conduct(quotas=(Quota(7, timedelta(minutes=1)),))}
    engines = [
        engine_of(bench, node_of(), mail, group, conduct=limit)
        for mail, group in zip(mails, groups, strict=True)
    ]
    try:
        bench.add_together(f"m{number}" for number in range(10 * BATCH))
        bench.add_together((f"g{number}" for number in range(3 * BATCH)), "group")
        for engine in engines:
            engine.kick(bench.now)
        until(lambda: bench.counts() == {"accepted": 10 * BATCH + 7, "pending": 3 * BATCH - 7}, "the end")
        until(lambda: jobs(bench) == [], "the end of the jobs")
    finally:
        for engine in engines:
            engine.close()
    arrived = [parcel.delivery for each in mails for parcel in each.arrived]
    assert len(arrived) == len(set(arrived)) == 10 * BATCH
    assert all(each.arrived for each in mails), "both had their share"
    assert sum(len(each.arrived) for each in groups) == 7


def test_a_job_that_runs_twice_at_once_sends_each_message_once(
    bench: Bench, node_of: Callable[[], Node]
) -> None:
    """As after a stop: the node that comes back and the one that took over have the same batch."""
    bench.add_together(f"m{number}" for number in range(BATCH))
    ((job,),) = asked(bench, "UPDATE procrastinate_jobs SET status = 'doing' RETURNING id")
    mails = [Remembering("mail"), Remembering("mail")]
    engines = [engine_of(bench, node_of(), mail) for mail in mails]
    for engine in engines:
        engine._resting = False  # as after a kick, but for the queue
    with ThreadPoolExecutor(2) as pool:
        for run in [pool.submit(engine._work, job) for engine in engines]:
            run.result(20)
    for engine in engines:
        engine.close()
    arrived = [parcel.delivery for each in mails for parcel in each.arrived]
    assert len(arrived) == len(set(arrived)) == BATCH


def test_a_job_that_its_node_does_not_run_waits_again(
    bench: Bench, quick: None, node_of: Callable[[], Node]
) -> None:
    """One whose end could not be told, say; the node lives, so nobody else would."""
    node = node_of()
    bench.add("a")
    asked(bench, "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", node.id)
    until(lambda: asked(bench, "SELECT status FROM procrastinate_jobs") == [("todo",)], "its return")


def test_a_node_that_was_away_judges_nobody(bench: Bench, quick: None, node_of: Callable[[], Node]) -> None:
    """After an outage of the database everybody's heartbeat is old, and nobody is dead."""
    node = node_of()
    assert not node.judges
    until(lambda: node.judges, "it was heard for long enough")
    node._last -= 1
    assert not node.judges
    until(lambda: node._last - node._since < 0.2, "it begins to count anew")
    assert not node.judges


def test_a_node_that_others_gave_up_is_known_again_under_another_number(
    bench: Bench, quick: None, node_of: Callable[[], Node]
) -> None:
    node = node_of()
    first = node.id
    mail = Remembering("mail")
    engine = engine_of(bench, node, mail)
    engine.kick(bench.now)
    asked(bench, "DELETE FROM procrastinate_workers")
    until(lambda: node.id not in (None, first), "its new number")
    for number in range(3):
        bench.add(f"m{number}")
    engine.kick(bench.now)
    until(lambda: len(mail.arrived) == 3, "what it sends then")
    engine.close()


def test_an_engine_that_follows_after_a_reload_goes_on_with_the_jobs(
    bench: Bench, node_of: Callable[[], Node]
) -> None:
    """What the first has begun it ends; the node, and what it has in hand, stays the same."""
    node = node_of()
    seen: list[str] = []

    def answer(parcel: Parcel) -> Any:
        seen.append(parcel.delivery)
        return ACCEPTED

    bench.add_together(f"m{number}" for number in range(5 * BATCH))
    first = engine_of(bench, node, Remembering("mail", answer))
    first.kick(bench.now)
    until(lambda: len(seen) > BATCH, "the middle")
    second = engine_of(bench, node, Remembering("mail", answer))
    first.close(wait=False)
    second.kick(bench.now, first.in_flight)
    until(lambda: bool(second.kick(bench.now)) or bench.counts() == {"accepted": 5 * BATCH}, "the rest")
    until(lambda: bench.counts() == {"accepted": 5 * BATCH}, "all of them")
    second.close()
    assert len(seen) == len(set(seen)) == 5 * BATCH


# -- the queue's own tables ------------------------------------------------------


def test_migrate_takes_the_steps_of_a_newer_queue_once(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, steps = work_schema._shipped()
    newer = tmp_path / "99.00.00_01_pre_more.sql"
    newer.write_text("CREATE TABLE procrastinate_more (id bigint); SELECT 1")
    monkeypatch.setattr(work_schema, "_shipped", lambda: (whole, [*steps, newer]))
    address = str(bench.ledger.queue)
    postgres = address_of(address)
    for _ in range(2):  # the second time there is nothing to do, else it would fail
        Ledger.open(postgres, kind=LedgerKind.SIMULATION, now=START, upgrade=True).close()
    assert asked(bench, "SELECT to_regclass('procrastinate_more')")[0][0] == "procrastinate_more"
    asked(bench, "DROP TABLE procrastinate_more")
    asked(bench, "UPDATE ledger_info SET value = %s WHERE key = 'queue'", steps[-1].name)


def address_of(conninfo: str) -> str:
    """The address with which the ledger is opened, of what the queue connects to."""
    from urllib.parse import quote

    found = psycopg.conninfo.conninfo_to_dict(conninfo)
    return f"postgresql://{found['user']}@/{found['dbname']}?host={quote(str(found['host']), safe='')}"


def test_a_ledger_from_before_there_were_nodes_gets_the_queue_when_it_is_migrated(postgres: Server) -> None:
    url = postgres.empty_database()
    storage = PostgresStorage(url)
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS).replace("%", "%%"))
    with storage.rebuild() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
    storage.close()
    with psycopg.connect(url) as connection:
        for key, value in {"kind": "daemon", "created": START.isoformat(), "serves": "0005"}.items():
            connection.execute("INSERT INTO ledger_info VALUES (%s, %s)", (key, value))
    Ledger.open(url, kind=LedgerKind.DAEMON, now=START, upgrade=True).close()
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
        serves = connection.execute("SELECT value FROM ledger_info WHERE key = 'serves'").fetchone()
    assert found == ("procrastinate_jobs",)
    assert serves == ("0006",), "a program that knows of no nodes would take up what others have in hand"
    postgres.drop(url)


def test_where_the_queue_is_not_installed_that_is_said_in_one_line(
    bench: Bench, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "procrastinate"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "reminder.delivery.engines.node")
    monkeypatch.delitem(sys.modules, "reminder.delivery.engines.queue")
    dispatch = Dispatch(SystemClock(), lambda: None)
    with pytest.raises(EngineMissing, match=r"pip install 'reminder\[cluster\]'"):
        dispatch.use(bench.ledger, plan_of(item_yaml("x", "date: 2026-06-10", RUNG)), Transport.LIVE, {})
    empty = postgres.empty_database()
    with pytest.raises(LedgerAddressError, match=r"pip install 'reminder\[cluster\]'"):
        Ledger.open(empty, kind=LedgerKind.DAEMON, now=START, upgrade=True)
    postgres.drop(empty)
