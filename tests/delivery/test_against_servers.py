"""The whole way against servers that misbehave: what they took over, and what the ledger says of it."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest

from reminder.channels.base import Recipient, Stamp
from reminder.channels.email import EmailAdapter
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.delivery.conduct import Conduct
from reminder.ledger.records import HandDecision
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel, WecomRobotChannel
from tests.delivery.conftest import LIVE, PLAN, START, Bench
from tests.servers.certificates import client_context
from tests.servers.smtp import Fault, SmtpStub
from tests.servers.wecom import WecomSimulator

MESSAGE = Message("提醒", "文", "<p>文</p>", "文")
POST = b'{"msgtype":"markdown","markdown":{"content":"x"}}'


def mail_to(stub: SmtpStub, password: str | None = None) -> EmailAdapter:
    settings: dict[str, Any] = {"id": "mail", "host": "127.0.0.1", "port": str(stub.port), "tls": "none"}
    settings |= {"from": "机关党委 <jgdw@example.com>", "timeout_seconds": "5"}
    if password is not None:
        settings |= {"host": "localhost", "tls": "implicit", "username": "jgdw@example.com", "secret": "P"}
    return EmailAdapter(
        EmailChannel.model_validate(settings),
        password=password,
        office_mailbox="jgdw@example.com",
        context=client_context(),
    )


def add_mail(bench: Bench, adapter: EmailAdapter, key: str) -> None:
    to = Recipient("p-office", "办公室主任", "office@example.com")
    (payload,) = adapter.compose(MESSAGE, to, Stamp(f"<{key}@example.com>", START))
    bench.add(key, "mail", payload=payload)


def ids(stub: SmtpStub) -> list[str]:
    return [message_from_bytes(each.content)["Message-ID"] for each in stub.messages]


def test_a_drop_after_the_final_dot_is_repeated_with_the_same_identity(bench: Bench) -> None:
    """The server had taken it: two copies, one Message-ID, identical bytes."""
    with SmtpStub(Fault("dot", "drop", times=1, taken=True)) as stub:
        adapter = mail_to(stub)
        add_mail(bench, adapter, "a")
        deliverer = bench.deliverer(adapter)
        deliverer.drain(bench.now)
        assert [attempt.outcome for attempt in bench.tries("a")] == ["uncertain"]
        bench.clock.advance(timedelta(minutes=2))
        deliverer.drain(bench.now)
        adapter.close()
    assert ids(stub) == ["<a@example.com>"] * 2
    assert stub.messages[0].content == stub.messages[1].content
    assert bench.state("a") == "accepted"


def test_on_hold_the_same_drop_is_sent_once_and_a_person_says_that_it_arrived(bench: Bench) -> None:
    with SmtpStub(Fault("dot", "drop", times=1, taken=True)) as stub:
        adapter = mail_to(stub)
        add_mail(bench, adapter, "a")
        deliverer = bench.deliverer(adapter, conduct={"mail": Conduct(hold=True)})
        deliverer.drain(bench.now)
        bench.clock.advance(timedelta(hours=2))
        deliverer.drain(bench.now)
        adapter.close()
    assert bench.state("a") == "uncertain"
    assert bench.ledger.spool.decide(PLAN, "a", HandDecision.ARRIVED, by="干事", now=bench.now)
    assert (bench.state("a"), len(stub.messages)) == ("accepted", 1)


def test_a_421_at_the_end_of_a_session_is_sent_once(bench: Bench) -> None:
    with SmtpStub(Fault("quit", "reply", "421 too busy")) as stub:
        adapter = mail_to(stub)
        add_mail(bench, adapter, "a")
        deliverer = bench.deliverer(adapter)
        deliverer.drain(bench.now)
        adapter.close()
        bench.clock.advance(timedelta(hours=2))
        deliverer.drain(bench.now)
    assert (bench.state("a"), len(stub.messages)) == ("accepted", 1)


def test_a_wrong_password_costs_the_account_two_tries_in_half_an_hour(bench: Bench) -> None:
    """Ten mails wait; the account is not hammered, and one with the right password sends them all."""
    with SmtpStub(tls="implicit", accounts={"jgdw@example.com": "right"}) as stub:
        wrong = mail_to(stub, "wrong")
        for number in range(10):
            add_mail(bench, wrong, f"d{number}")
        deliverer = bench.deliverer(wrong)
        for _ in range(60):
            deliverer.drain(bench.now)
            bench.clock.advance(timedelta(seconds=30))
        assert stub.commands.count("AUTH") == 2
        assert deliverer.broken == ("mail",)
        right = mail_to(stub, "right")
        right.secret_mark = "f00"
        bench.deliverer(right).drain(bench.now)
        assert bench.counts() == {"accepted": 10}
        wrong.close()
        right.close()


def test_a_robot_taken_out_of_its_group_is_asked_once(bench: Bench) -> None:
    """93000 for ever after; with a new key what waited goes out."""
    with WecomSimulator(keys=("new-key",)) as simulator:

        def robot(key: str, mark: str) -> WecomRobotAdapter:
            config = WecomRobotChannel(id="group", secret="K", base_url=simulator.base_url)
            adapter = WecomRobotAdapter(config, key=key)
            adapter.secret_mark = mark
            return adapter

        for number in range(5):
            bench.add(f"d{number}", "group", payload=POST)
        old, new = robot("old-key", "aaa"), robot("new-key", "bbb")
        for _ in range(5):
            bench.deliverer(old).drain(bench.now)
            bench.clock.advance(timedelta(minutes=10))
        assert len(simulator.requests) == 1
        assert {each.reason for each in bench.ledger.unreached(PLAN, LIVE, START)} == {"paused"}
        bench.deliverer(new).drain(bench.now)
        assert len(simulator.posts) == 5
        old.close()
        new.close()


@pytest.mark.parametrize(("trouble", "posts"), [("hang-taken", 1), ("drop-taken", 1)])
def test_a_post_whose_answer_is_lost_is_uncertain(bench: Bench, trouble: str, posts: int) -> None:
    with WecomSimulator() as simulator:
        simulator.misbehave(trouble)
        config = WecomRobotChannel(id="group", secret="K", base_url=simulator.base_url, timeout_seconds="1")
        adapter = WecomRobotAdapter(config, key="robot-key")
        bench.add("a", "group", payload=POST)
        bench.deliverer(adapter, conduct={"group": Conduct(hold=True)}).drain(bench.now)
        adapter.close()
    assert (bench.state("a"), len(simulator.posts)) == ("uncertain", posts)


def test_a_refusal_for_good_is_tried_once_and_one_for_now_again(bench: Bench) -> None:
    with SmtpStub(
        Fault("rcpt", "reply", "550 no such user", times=1), Fault("rcpt", "reply", "451 later", times=1)
    ) as stub:
        adapter = mail_to(stub)
        deliverer = bench.deliverer(adapter)
        for key in ("gone", "later"):
            add_mail(bench, adapter, key)
        deliverer.drain(bench.now)
        bench.clock.advance(timedelta(minutes=2))
        deliverer.drain(bench.now)
        adapter.close()
    assert (bench.state("gone"), len(bench.tries("gone"))) == ("failed", 1)
    assert (bench.state("later"), len(bench.tries("later"))) == ("accepted", 2)
    assert ids(stub) == ["<later@example.com>"]
