"""What every channel promises, whichever it is: one suite over all of them."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from reminder.channels.base import Channel, OutcomeKind, Recipient, Stamp
from reminder.channels.email import EmailAdapter
from reminder.channels.outbox import OutboxChannel
from reminder.channels.wecom_app import WecomAppAdapter
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.messages.message import Message
from tests.channels.conftest import AGENT, APP_SECRET, KEY, PASSWORD, USER, parcel
from tests.servers.smtp import SmtpStub
from tests.servers.wecom import WecomSimulator


class Bench(Protocol):
    """A channel with the other side of it in hand."""

    channel: Channel

    def refuse(self, *, later: bool) -> None: ...
    def hang(self) -> None: ...
    def drip(self) -> None: ...
    def drop(self, *, taken: bool) -> None: ...
    def echo_secret(self) -> None: ...
    def arrived(self) -> list[bytes]: ...


class MailBench:
    def __init__(self, stub: SmtpStub, channel: Channel) -> None:
        self.stub, self.channel = stub, channel

    def refuse(self, *, later: bool) -> None:
        self.stub.misbehave("rcpt", "reply", "451 later" if later else "550 never")

    def hang(self) -> None:
        self.stub.misbehave("data", "hang")

    def drip(self) -> None:
        self.stub.misbehave("rcpt", "drip")

    def drop(self, *, taken: bool) -> None:
        self.stub.misbehave("dot" if taken else "mail", "drop")

    def echo_secret(self) -> None:
        self.stub.misbehave("rcpt", "reply", f"550 you said {PASSWORD}")

    def arrived(self) -> list[bytes]:
        return [each.content for each in self.stub.messages]


class RobotBench:
    def __init__(self, simulator: WecomSimulator, channel: Channel) -> None:
        self.simulator, self.channel = simulator, channel

    def refuse(self, *, later: bool) -> None:
        self.simulator.misbehave("errcode", code=45009 if later else 40008)

    def hang(self) -> None:
        self.simulator.misbehave("hang")

    def drip(self) -> None:
        self.simulator.misbehave("drip-head")

    def drop(self, *, taken: bool) -> None:
        if taken:
            self.simulator.misbehave("drop-taken")
        else:  # nobody listens: the only loss of so short a request that is certain
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                port = closed.getsockname()[1]
            self.channel._base_url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]

    def echo_secret(self) -> None:
        self.simulator.misbehave("errcode", code=40008, text=f"you asked for ?key={KEY}")

    def arrived(self) -> list[bytes]:
        return [each.body for each in self.simulator.posts]


class AppBench(RobotBench):
    def echo_secret(self) -> None:
        token = f"token-canary-{self.simulator.desk.tokens_issued}"
        self.simulator.misbehave("errcode", code=40008, text=f"{APP_SECRET} gave you {token}")

    def arrived(self) -> list[bytes]:
        return [each.body for each in self.simulator.desk.messages]


@pytest.fixture(params=["email", "wecom_robot", "wecom_app"])
def bench(
    request: pytest.FixtureRequest,
    mail: Callable[..., EmailAdapter],
    robot: Callable[..., WecomRobotAdapter],
    app: Callable[..., WecomAppAdapter],
) -> Iterator[Bench]:
    if request.param == "email":
        with SmtpStub(tls="implicit", accounts={USER: PASSWORD}) as stub:
            yield MailBench(stub, mail(stub, "implicit", PASSWORD, seconds=0.4))
    elif request.param == "wecom_robot":
        with WecomSimulator(keys=(KEY,)) as simulator:
            yield RobotBench(simulator, robot(simulator, seconds=0.4))
    else:
        # Repeats are what the suite looks at: this service shows them.
        apps = {AGENT: APP_SECRET}
        with WecomSimulator(apps=apps, members=("lilun@example.com",), duplicates=True) as simulator:
            yield AppBench(simulator, app(simulator, seconds=0.4))


def _payload(channel: Channel, message: Message, to: Recipient, stamp: Stamp) -> bytes:
    (payload,) = channel.compose(message, to, stamp)
    return payload


@pytest.fixture
def payload(bench: Bench, message: Message, to: Recipient, stamp: Stamp) -> bytes:
    return _payload(bench.channel, message, to, stamp)


def test_what_was_composed_arrives_unchanged(bench: Bench, payload: bytes) -> None:
    """Accepted, with the server's own code."""
    outcome = bench.channel.send(parcel(payload))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert outcome.code
    assert bench.arrived() == [payload]


def test_a_second_attempt_sends_the_same_bytes(bench: Bench, payload: bytes) -> None:
    """The receiving side can tell a repeat by them."""
    for _ in range(2):
        bench.channel.send(parcel(payload))
    assert bench.arrived() == [payload, payload]


@pytest.mark.parametrize("later", [True, False])
def test_a_refusal_is_told_apart_from_a_delay(bench: Bench, payload: bytes, later: bool) -> None:
    """Transient and permanent; nothing arrived either way."""
    bench.refuse(later=later)
    outcome = bench.channel.send(parcel(payload))
    assert outcome.kind is (OutcomeKind.TRANSIENT if later else OutcomeKind.PERMANENT)
    assert outcome.code
    assert not bench.arrived()


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_an_attempt_ends_at_its_deadline(bench: Bench, payload: bytes, how: str) -> None:
    """Four tenths of a second, with the machine's own slack; the outcome says it was time."""
    getattr(bench, how)()
    started = time.monotonic()
    outcome = bench.channel.send(parcel(payload))
    assert 0.35 < time.monotonic() - started < 3
    assert outcome.kind in (OutcomeKind.TRANSIENT, OutcomeKind.UNCERTAIN)
    assert outcome.code == "timeout"


def test_a_loss_before_the_end_is_transient(bench: Bench, payload: bytes) -> None:
    """It cannot have been taken."""
    bench.drop(taken=False)
    assert bench.channel.send(parcel(payload)).kind is OutcomeKind.TRANSIENT
    assert not bench.arrived()


def test_a_loss_after_the_last_byte_is_uncertain_and_not_repeated(bench: Bench, payload: bytes) -> None:
    """It was taken this time; only the receiving side knows."""
    bench.drop(taken=True)
    assert bench.channel.send(parcel(payload)).kind is OutcomeKind.UNCERTAIN
    assert bench.arrived() == [payload]


def test_a_secret_that_comes_back_goes_no_further(
    bench: Bench, payload: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not into the outcome, not into any log, not onto the terminal, not into a repr."""
    caplog.set_level(logging.DEBUG)
    bench.channel.send(parcel(payload))
    bench.echo_secret()
    outcome = bench.channel.send(parcel(payload))
    assert "***" in outcome.detail
    seen = repr(outcome) + caplog.text + "".join(capfd.readouterr()) + repr(bench.channel)
    assert PASSWORD not in seen
    assert KEY not in seen
    assert APP_SECRET not in seen
    assert "token-canary" not in seen
    assert PASSWORD.encode() not in payload
    assert KEY.encode() not in payload


def test_it_serves_several_threads_and_opens_again_after_closing(bench: Bench, payload: bytes) -> None:
    """Each thread gets its own outcome."""
    kinds: list[OutcomeKind] = []
    threads = [
        threading.Thread(target=lambda: kinds.append(bench.channel.send(parcel(payload)).kind))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.channel.close()
    kinds.append(bench.channel.send(parcel(payload)).kind)
    assert kinds == [OutcomeKind.ACCEPTED] * 6
    assert bench.arrived() == [payload] * 6


def test_the_outbox_of_a_channel_writes_what_the_channel_sends(
    bench: Bench, message: Message, to: Recipient, stamp: Stamp, tmp_path: Path
) -> None:
    """The same bytes in the file as on the wire, under the channel's id and suffix."""
    outbox = OutboxChannel(bench.channel, tmp_path)
    assert (outbox.id, outbox.suffix) == (bench.channel.id, bench.channel.suffix)
    written = _payload(outbox, message, to, stamp)
    outcome = outbox.send(parcel(written))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert not bench.arrived()
    bench.channel.send(parcel(written))
    assert [(tmp_path / outcome.detail).read_bytes()] == bench.arrived()
    assert outcome.detail.endswith(outbox.suffix)
