"""Pace: never more than the limit in any window, and never later than that needs."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reminder.channels.base import Outcome, OutcomeKind, Parcel
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.delivery.conduct import Conduct
from reminder.delivery.rate import SAFETY, quotas_of
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import DeliveryState, LedgerKind, Quota, Wait
from reminder.ledger.slots import free_at
from reminder.plan.channels import EmailChannel, WecomRobotChannel
from tests.amounts import amount
from tests.delivery.conftest import BLOCKED, BUSY, LIVE, PLAN, START, Bench, answering
from tests.editions import Remembering
from tests.servers.wecom import WecomSimulator

SECOND = timedelta(seconds=1)
INSTANTS = st.lists(st.integers(0, 600).map(lambda seconds: START + seconds * SECOND), max_size=60)


@given(INSTANTS, st.integers(1, 25), st.integers(1, 120))
def test_a_slot_is_free_exactly_when_the_window_has_room(instants: list, limit: int, seconds: int) -> None:
    """At the instant given fewer than the limit lie in the window before it; a moment earlier they did not."""
    quota = Quota(limit, seconds * SECOND)
    free = free_at(instants, quota)

    def in_window(at: object) -> int:
        return sum(at - quota.window < each for each in instants)  # type: ignore[operator]

    if free is None:
        assert len(instants) < limit
    else:
        assert in_window(free) < limit
        assert in_window(free - SECOND / 1000) >= limit


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(5, 60),
)
@example([(0, 6), (4, 0)], 1, 5)  # a try longer than the window, which began two windows ago
def test_whatever_is_asked_when_the_ledger_keeps_to_the_window(
    asked: list[tuple[int, int]], limit: int, seconds: int
) -> None:
    """Begun with pauses and tries of any length: no window holds more than the limit, and no slot is wasted."""
    quota = Quota(limit, seconds * SECOND)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        bench = Bench(Ledger.open(path, kind=LedgerKind.SIMULATION, now=START))
        begun: list[tuple[object, object]] = []
        for number, (pause, length) in enumerate(asked):
            bench.clock.advance(pause * SECOND)
            bench.add(f"d{number}")
            answer = bench.ledger.spool.begin(PLAN, f"d{number}", bench.now, {"mail": [quota]})
            if isinstance(answer, Wait):
                assert answer.until is not None
                assert bench.now < answer.until
                assert len(begun) >= limit
                bench.clock.set(answer.until)
                answer = bench.ledger.spool.begin(PLAN, f"d{number}", bench.now, {"mail": [quota]})
            assert answer == 1
            started = bench.now
            bench.clock.advance(length * SECOND)
            state = DeliveryState.ACCEPTED
            bench.ledger.spool.finish(PLAN, f"d{number}", 1, bench.now, outcome="accepted", state=state)
            begun.append((started, bench.now))
        for index in range(limit, len(begun)):
            # From the end of the one that left the window: the server may have got it as late as that.
            assert begun[index][0] - begun[index - limit][1] >= quota.window  # type: ignore[operator]
        bench.ledger.close()


@pytest.mark.sqlite_only("the slots are counted by the same statements everywhere; this is about the time")
def test_many_robot_messages_take_the_least_possible_time_and_are_never_blocked(bench: Bench) -> None:
    """The n-th is sent 60 s after the (n−20)-th, against a server that counts for itself."""
    count = amount(500, 140)
    config = WecomRobotChannel(id="group", secret="ROBOT_KEY", base_url="http://127.0.0.1")
    with WecomSimulator(clock=lambda: bench.now.timestamp()) as simulator:
        adapter = WecomRobotAdapter(
            config.model_copy(update={"base_url": simulator.base_url}), key="robot-key"
        )
        body = b'{"msgtype":"markdown","markdown":{"content":"%d"}}'
        for number in range(count):
            bench.add(f"d{number:03}", "group", payload=body % number)
        deliverer = bench.deliverer(adapter, conduct={"group": Conduct(quotas=quotas_of(config))})
        while bench.counts() != {"accepted": count}:
            deliverer.drain(bench.now)
            upcoming = bench.ledger.spool.next_instant(PLAN, LIVE)
            if upcoming is not None:
                bench.clock.set(upcoming)
        adapter.close()
    least = (count // 20 - 1) * 60
    took = (bench.now - START).total_seconds()
    assert least <= took <= least * 1.01
    assert [post.content for post in simulator.posts] == [str(number) for number in range(count)]
    assert len(simulator.requests) == count, "no try was wasted and none was answered 45009"
    assert {len(bench.tries(f"d{number:03}")) for number in range(count)} == {1}


def test_the_count_survives_a_restart_and_a_retry_counts(bench: Bench) -> None:
    """A new deliverer on the same ledger knows of the tries before it, failed ones included."""
    conduct = {"group": Conduct(quotas=(Quota(2, 60 * SECOND),))}
    for key in ("a", "b"):
        bench.add(key, "group")
    assert bench.deliverer(answering("group", BUSY), conduct=conduct).drain(bench.now) == 2
    bench.clock.advance(10 * SECOND)
    bench.add("c", "group")
    channel = Remembering("group")
    assert bench.deliverer(channel, conduct=conduct).drain(bench.now) == 0
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == START + 60 * SECOND
    assert len(bench.tries("c")) == 0, "waiting for a slot is no try"
    bench.clock.set(START + 60 * SECOND)
    assert bench.deliverer(channel, conduct=conduct).drain(bench.now) == 2


def test_the_limit_of_one_channel_does_not_slow_another(bench: Bench) -> None:
    """Quotas are by channel."""
    group, mail = Remembering("group"), Remembering("mail")
    for number in range(5):
        bench.add(f"g{number}", "group")
        bench.add(f"m{number}", "mail")
    conduct = {"group": Conduct(quotas=(Quota(2, 60 * SECOND),))}
    bench.deliverer(group, mail, conduct=conduct).drain(bench.now)
    assert (len(group.arrived), len(mail.arrived)) == (2, 5)


def test_each_member_of_a_batch_counts(bench: Bench) -> None:
    """A batch goes out when every member has a slot; others of the channel need not wait for it."""
    conduct = {"app": Conduct(quotas=(Quota(2, 60 * SECOND, each_receiver=True),))}
    app = Remembering("app")
    both = (("p-a", "a"), ("p-b", "b"))
    bench.add("1", "app", receiver="p-a", address="a")
    bench.add("2", "app", receiver="batch", address="a|b", receivers=both)
    deliverer = bench.deliverer(app, conduct=conduct)
    assert deliverer.drain(bench.now) == 2
    bench.clock.advance(5 * SECOND)
    bench.add("3", "app", receiver="batch", address="a|b", receivers=both)
    bench.add("4", "app", receiver="p-b", address="b")
    assert deliverer.drain(bench.now) == 1
    assert [parcel.delivery for parcel in app.arrived] == ["1", "2", "4"]
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == START + 60 * SECOND
    bench.clock.set(START + 60 * SECOND)
    assert deliverer.drain(bench.now) == 1


def test_a_robot_that_blocks_holds_up_all_of_its_channel_for_its_minute(bench: Bench) -> None:
    """45009 means the robot, not the post: nothing is tried before the minute is over, nothing is lost."""
    group = answering("group", BLOCKED, Outcome(OutcomeKind.ACCEPTED, "errcode 0"))
    for key in ("a", "b", "c"):
        bench.add(key, "group")
    deliverer = bench.deliverer(group)
    deliverer.drain(bench.now)
    assert len(group.arrived) == 1
    bench.clock.advance(59 * SECOND)
    assert deliverer.drain(bench.now) == 0
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == START + 60 * SECOND
    bench.clock.advance(SECOND)
    assert deliverer.drain(bench.now) == 3
    assert bench.counts() == {"accepted": 3}
    assert bench.ledger.pauses(PLAN, LIVE) == []


def test_a_clock_set_back_an_hour_does_not_stop_a_channel_for_an_hour(bench: Bench) -> None:
    """Tries of the future, and a block of the future, do not bind the present."""
    conduct = {"group": Conduct(quotas=(Quota(1, 60 * SECOND),))}
    bench.add("a", "group")
    bench.deliverer(answering("group", BLOCKED), conduct=conduct).drain(bench.now)
    bench.clock.advance(timedelta(hours=-1))
    bench.add("b", "group", not_before=bench.now)
    group = Remembering("group")
    assert bench.deliverer(group, conduct=conduct).drain(bench.now) == 1
    assert [parcel.delivery for parcel in group.arrived] == ["b"]


def test_a_plan_says_the_limits_and_a_robot_has_its_vendors() -> None:
    """20 a minute for a robot unless said otherwise; mail has none of its own."""
    robot = WecomRobotChannel(id="group", secret="K")
    mail = EmailChannel(id="mail", host="h", **{"from": "a@example.com"})
    assert quotas_of(robot) == (Quota(20, 60 * SECOND + SAFETY),)
    assert quotas_of(mail) == ()
    assert quotas_of(mail.model_copy(update={"per_hour": 200, "per_day": 500})) == (
        Quota(200, timedelta(hours=1) + SAFETY),
        Quota(500, timedelta(days=1) + SAFETY),
    )


@pytest.mark.parametrize("length", [0, 30])
def test_a_try_counts_from_its_end_once_that_is_known(bench: Bench, length: int) -> None:
    """A request that took half a minute may have reached the server at its very end."""

    def slow(_: Parcel) -> Outcome:
        bench.clock.advance(length * SECOND)
        return Outcome(OutcomeKind.ACCEPTED)

    conduct = {"group": Conduct(quotas=(Quota(1, 60 * SECOND),))}
    bench.add("a", "group")
    bench.add("b", "group")
    bench.deliverer(Remembering("group", slow), conduct=conduct).drain(bench.now)
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == START + (60 + length) * SECOND
