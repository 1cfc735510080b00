"""The engines, threads over SQLite and the queue over PostgreSQL: what holds for both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reminder.channels.base import Outcome, Parcel
from reminder.channels.email import EmailAdapter
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.delivery.conduct import Conduct
from reminder.delivery.engines import Engine
from reminder.delivery.engines.node import Node
from reminder.delivery.engines.queue import QueueEngine
from reminder.delivery.engines.threads import FETCH, ThreadEngine
from reminder.delivery.journal import Journal
from reminder.ledger.errors import LedgerFull
from reminder.ledger.work import BATCH
from reminder.plan.channels import EmailChannel, WecomRobotChannel
from tests.delivery.conftest import ACCEPTED, LIVE, PLAN, Bench
from tests.editions import Remembering
from tests.servers.smtp import Fault, SmtpStub
from tests.servers.wecom import WecomSimulator


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.005)


@pytest.fixture
def node(bench: Bench) -> Iterator[Node | None]:
    """This process among several; None where the ledger is a file."""
    made = Node(bench.ledger.queue) if bench.ledger.queue is not None else None
    yield made
    if made is not None:
        made.close(leave=True)


@pytest.fixture
def engine_of(bench: Bench, node: Node | None) -> Iterator[Callable[..., Engine]]:
    """Makes the engine that goes with the ledger."""
    made: list[Engine] = []

    def make(*channels: Any, **options: Any) -> Engine:
        if node is None:
            deliverer = bench.deliverer(*channels, **options)
            made.append(ThreadEngine(bench.ledger, PLAN, LIVE, deliverer, lambda: None))
        else:
            deliverer = bench.deliverer(*channels, **options, node=lambda: node.id)
            names = [channel.id for channel in channels]
            made.append(QueueEngine(bench.ledger, PLAN, LIVE, deliverer, node, bench.clock, names))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


class Hanging(Remembering):
    """Takes nothing until it is released."""

    def __init__(self, channel_id: str) -> None:
        self.released = threading.Event()
        super().__init__(channel_id, self._hang)

    def _hang(self, _: Parcel) -> Outcome:
        self.released.wait(20)
        return ACCEPTED


def test_a_channel_that_hangs_does_not_hold_up_another(bench: Bench, engine_of: Any) -> None:
    """More messages hang than are read at once; those of the other channel, due later, go out."""
    group, mail = Hanging("group"), Remembering("mail")
    for number in range(FETCH + 100):
        bench.add(f"g{number}", "group")
    for number in range(20):
        bench.add(f"m{number}", "mail")
    engine = engine_of(group, mail)
    try:
        for _ in range(3):
            engine.kick(bench.now)
        until(lambda: len(mail.arrived) == 20, "the mails")
        assert len(group.arrived) == 2
    finally:
        group.released.set()


def test_a_mail_server_that_hangs_does_not_hold_up_the_robot(bench: Bench, engine_of: Any) -> None:
    """The same against real servers: one that never greets, one that is well."""
    with SmtpStub(Fault("connect", "hang")) as smtp, WecomSimulator() as simulator:
        mail = EmailAdapter(
            EmailChannel(
                id="mail",
                host="127.0.0.1",
                port=str(smtp.port),
                tls="none",
                timeout_seconds="2",
                **{"from": "a@example.com"},
            ),
            password=None,
            office_mailbox="a@example.com",
        )
        robot = WecomRobotAdapter(
            WecomRobotChannel(id="group", secret="K", base_url=simulator.base_url), key="robot-key"
        )
        bench.add("m", "mail")
        for number in range(5):
            bench.add(f"g{number}", "group", payload=b'{"msgtype":"markdown","markdown":{"content":"x"}}')
        engine = engine_of(mail, robot)
        began = time.monotonic()
        engine.kick(bench.now)
        until(lambda: len(simulator.posts) == 5, "the posts")
        assert time.monotonic() - began < 2
        until(lambda: bool(bench.tries("m")) and not engine.in_flight, "the mail's deadline")
        assert bench.counts() == {"accepted": 5, "pending": 1}


def test_an_engine_kicked_many_times_sends_each_once(bench: Bench, engine_of: Any) -> None:
    """What is in flight is not submitted again; what is sent is not due."""
    mail = Remembering("mail")
    for number in range(50):
        bench.add(f"d{number}")
    engine = engine_of(mail)
    for _ in range(20):
        engine.kick(bench.now)
    until(lambda: bench.counts() == {"accepted": 50}, "all of them")
    assert len(mail.arrived) == 50


def test_without_a_slot_the_rest_of_the_batch_does_not_ask(
    bench: Bench, engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One denial stands for the channel: 100 waiting messages cost a handful of transactions."""
    from datetime import timedelta

    from reminder.ledger.records import Quota

    asked: list[str] = []
    advance = bench.ledger.spool.advance

    def counted(plan: str, ends: Any, begin: Any, *rest: Any) -> Any:
        asked.extend(begin)
        return advance(plan, ends, begin, *rest)

    monkeypatch.setattr(bench.ledger.spool, "advance", counted)
    for number in range(100):
        bench.add(f"d{number:03}", "group")
    group = Remembering("group")
    conduct = {"group": Conduct(quotas=(Quota(3, timedelta(minutes=1)),))}
    engine = engine_of(group, conduct=conduct)
    engine.kick(bench.now)
    until(lambda: len(group.arrived) == 3 and not engine.in_flight, "the end of the batch")
    assert len(asked) <= 6
    assert engine.kick(bench.now) == 0


def test_while_intents_cannot_be_written_one_at_a_time_is_tried_and_the_kick_says_why(
    bench: Bench, engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent, the trouble is seen at every kick, and all is sent when it is over."""
    for number in range(30):
        bench.add(f"d{number}")
    mail = Remembering("mail")
    engine = engine_of(mail)
    asked: list[str] = []

    def full(_plan: str, _ends: Any, begin: Any, *_: Any) -> Any:
        asked.extend(begin)
        raise LedgerFull("磁盘已满")

    with monkeypatch.context() as patch:
        patch.setattr(bench.ledger.spool, "advance", full)
        engine.kick(bench.now)
        until(lambda: len(asked) > 0 and not engine.in_flight, "the first refusal")
        assert len(asked) <= 2
        for _ in range(3):
            before = len(asked)
            with pytest.raises(LedgerFull):
                engine.kick(bench.now)
            until(lambda before=before: len(asked) > before and not engine.in_flight, "the probe")  # type: ignore[misc]
            assert len(asked) <= before + 2
    assert mail.arrived == []
    with pytest.raises(LedgerFull):
        engine.kick(bench.now)  # of the probe before it
    until(lambda: len(mail.arrived) > 0 and not engine.in_flight, "the probe that gets through")
    engine.kick(bench.now)
    until(lambda: bench.counts() == {"accepted": 30}, "all of them")
    assert len(mail.arrived) == 30


def test_closing_finishes_what_is_being_sent_and_leaves_the_rest(bench: Bench, engine_of: Any) -> None:
    """Drain: two in flight end well, the others stay pending."""
    group = Hanging("group")
    for number in range(10):
        bench.add(f"d{number}", "group")
    engine = engine_of(group)
    engine.kick(bench.now)
    until(lambda: len(group.arrived) == 2, "two in flight")
    threading.Timer(0.1, group.released.set).start()
    engine.close()
    assert bench.counts() == {"accepted": 2, "pending": 8}
    assert engine.kick(bench.now) == 0


def test_the_rest_between_kicks_ends_when_the_next_slot_opens(bench: Bench, engine_of: Any) -> None:
    """Never longer than asked, and not cut short by what is due already."""
    from datetime import timedelta

    engine = engine_of(Remembering("mail"))
    assert engine.rest(bench.now, 1.0) == 1.0
    bench.add("due")
    assert engine.rest(bench.now, 1.0) == 1.0
    bench.add("soon", not_before=bench.now + timedelta(milliseconds=300))
    assert engine.rest(bench.now, 1.0) == 0.3
    assert engine.rest(bench.now, 0.1) == 0.1


def test_outcomes_and_intents_that_wait_go_to_disk_together(bench: Bench, engine_of: Any) -> None:
    """With four tries abreast far fewer transactions than two a delivery; and each intent is there before its try."""
    commits = 0
    advance = bench.ledger.spool.advance

    def counted(*arguments: Any) -> Any:
        nonlocal commits
        commits += 1
        return advance(*arguments)

    def intended(parcel: Parcel) -> Outcome:
        assert bench.state(parcel.delivery) == "sending", "its intent is committed"
        return ACCEPTED

    bench.ledger.spool.advance = counted  # type: ignore[method-assign]
    bench.add_together(f"d{number:03}" for number in range(60))
    mail = Remembering("mail", intended)
    engine = engine_of(mail, conduct={"mail": Conduct(abreast=4)})
    engine.kick(bench.now)
    until(lambda: bench.counts() == {"accepted": 60}, "all of them")
    assert len(mail.arrived) == 60
    threads_or_batches = max(4, 60 // BATCH)
    assert commits <= 60 + threads_or_batches, "an outcome shares the commit of its thread's next intent"


def test_of_two_threads_that_want_the_same_delivery_one_gets_it(bench: Bench) -> None:
    """Though both stood in line for one commit."""
    bench.add("a")
    entered, release = threading.Event(), threading.Event()
    advance = bench.ledger.spool.advance

    def slow(*arguments: Any) -> Any:
        entered.set()
        release.wait(10)
        return advance(*arguments)

    bench.ledger.spool.advance = slow  # type: ignore[method-assign]
    bench.add("first")
    journal = Journal(bench.ledger, PLAN, bench.clock, {})
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: journal.record(None, "first"))]
    threads[0].start()
    entered.wait(10)
    for _ in range(2):
        threads.append(threading.Thread(target=lambda: answers.append(journal.record(None, "a"))))
        threads[-1].start()
    until(lambda: len(journal._line) == 2, "both in line")
    release.set()
    for thread in threads:
        thread.join(10)
    assert sorted(answers, key=str) == [1, None]


def test_a_commit_that_fails_fails_for_all_who_shared_it(bench: Bench) -> None:
    """Nobody goes on as if recorded."""
    for key in "ab":
        bench.add(key)
    entered, release = threading.Event(), threading.Event()

    def refusing(*_: Any) -> Any:
        entered.set()
        release.wait(10)
        raise LedgerFull("磁盘已满")

    bench.ledger.spool.advance = refusing  # type: ignore[method-assign]
    journal = Journal(bench.ledger, PLAN, bench.clock, {})
    refused: list[str] = []

    def want(key: str) -> None:
        try:
            journal.record(None, key)
        except LedgerFull:
            refused.append(key)

    threads = [threading.Thread(target=want, args=(key,)) for key in ("x", "a", "b")]
    threads[0].start()
    entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    until(lambda: len(journal._line) == 2, "both in line")
    release.set()
    for thread in threads:
        thread.join(10)
    assert sorted(refused) == ["a", "b", "x"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_few_messages_are_not_worth_many_logins(bench: Bench, engine_of: Any) -> None:
    """Of eight connections two are used for a handful of mails, and all for a long line of them."""
    for few, expected in ((5, 2), (80, 8)):
        mail = Hanging(f"mail{few}")
        for number in range(few):
            bench.add(f"{few}-{number}", mail.id)
        engine = engine_of(mail, conduct={mail.id: Conduct(abreast=8)})
        engine.kick(bench.now)
        try:
            until(lambda mail=mail, expected=expected: len(mail.arrived) == expected, "all its threads")
            assert len(engine.in_flight) == few
        finally:
            mail.released.set()
        until(lambda engine=engine: not engine.in_flight, "the end")
        assert len(mail.arrived) == few


def test_nobody_waits_for_a_try_that_broke_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own between intent and outcome: later commits do not look out for it."""
    bench.add("a")
    deliverer = bench.deliverer(Remembering("mail"))

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr("reminder.delivery.deliver.judged", broken)
    with pytest.raises(RuntimeError):
        deliverer.drain(bench.now)
    assert deliverer._journal._abroad == 0
