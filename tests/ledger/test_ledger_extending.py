"""Claims added to alarms that were settled before: once, whole, and never beside what is being sent."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import DeliveryState, NewAlarm, Settlement
from reminder.ledger.shown import EntryFilter

FIRST = {"channel": "wecom"}


def step(sample: Any, receiver: str, key: str, alarm: str = "alarm-d1") -> NewAlarm:
    """One claim on mail for an alarm, part of the message of ``key``."""
    claim = sample.claim(receiver, reason="fallback:wecom", message=f"m-{key}")
    return sample.alarm(alarm, claims=(claim,))


def settled(ledger: Ledger, sample: Any) -> None:
    claim = sample.claim("a", message="m-d1", **FIRST)
    alarm, delivery = sample.alarm("alarm-d1", claims=(claim,)), sample.delivery("d1", **FIRST)
    ledger.settle(sample.plan, sample.live, Settlement((alarm,), (delivery,)), sample.now)


def claims(ledger: Ledger, sample: Any) -> list[tuple[str | None, str | None, str | None]]:
    found = ledger.book.entries(sample.plan, EntryFilter())
    return sorted((entry.receiver, entry.channel, entry.state) for entry in found)


def test_a_step_joins_its_alarm_and_what_it_replaces_is_given_up(ledger: Ledger, sample: Any) -> None:
    """One transaction: the new delivery waits, the old one does not."""
    settled(ledger, sample)
    more = Settlement((step(sample, "a", "d2"),), (sample.delivery("d2"),), replaced=("m-d1",))
    assert ledger.extend(sample.plan, sample.live, more, sample.at(minutes=5)) == {("alarm-d1", "a", "mail")}
    assert [
        each.id for each in ledger.spool.due(sample.plan, sample.live, sample.at(minutes=5), limit=9)
    ] == ["d2"]
    assert claims(ledger, sample) == [("a", "mail", "pending"), ("a", "wecom", "failed")]


def test_a_digest_is_given_up_only_when_everything_in_it_goes_another_way(
    ledger: Ledger, sample: Any
) -> None:
    """What no chain takes over still waits for its own channel."""
    both = tuple(
        sample.alarm(key, claims=(sample.claim("a", message="m-d1", **FIRST),)) for key in ("one", "two")
    )
    ledger.settle(sample.plan, sample.live, Settlement(both, (sample.delivery("d1", **FIRST),)), sample.now)

    def extend(key: str, delivery: str | None) -> None:
        claim = sample.claim("a", message=delivery and f"m-{delivery}")
        made = (sample.delivery(delivery),) if delivery else ()
        more = Settlement((sample.alarm(key, claims=(claim,)),), made, replaced=("m-d1",))
        ledger.extend(sample.plan, sample.live, more, sample.now)

    def due() -> set[str]:
        return {each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)}

    extend("one", "d2")
    assert due() == {"d1", "d2"}
    extend("two", "d3")
    assert due() == {"d2", "d3"}


def test_a_step_that_cannot_be_sent_gives_nothing_up(ledger: Ledger, sample: Any) -> None:
    """A receiver without an address on the other channel still has the first one to hope for."""
    settled(ledger, sample)
    failed = sample.claim("a", decision="fail", reason="no-address")
    more = Settlement((sample.alarm("alarm-d1", claims=(failed,)),), replaced=("m-d1",))
    ledger.extend(sample.plan, sample.live, more, sample.now)
    assert [each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)] == ["d1"]


def test_the_same_step_again_changes_nothing(ledger: Ledger, sample: Any) -> None:
    """Another node, or the same one after a restart, learns that it stands there."""
    settled(ledger, sample)
    more = Settlement((step(sample, "a", "d2"),), (sample.delivery("d2"),))
    before = ledger.extend(sample.plan, sample.live, more, sample.now)
    again = Settlement((step(sample, "a", "d3"),), (sample.delivery("d3"),))
    assert ledger.extend(sample.plan, sample.live, again, sample.at(minutes=1)) == before
    assert {each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)} == {
        "d1",
        "d2",
    }


def test_what_a_known_step_replaces_is_given_up_all_the_same(ledger: Ledger, sample: Any) -> None:
    """A group was told before, for the sake of others: the message to more of them is not needed."""
    claim = sample.claim("a", message="m-d1", **FIRST)
    told = sample.claim("group:group", channel="group", reason="fallback:wecom", message="m-d2")
    alarm = sample.alarm("alarm-d1", claims=(told, claim))
    made = (sample.delivery("d1", **FIRST), sample.delivery("d2", channel="group"))
    ledger.settle(sample.plan, sample.live, Settlement((alarm,), made), sample.now)
    again = replace(told, message="m-d3")
    more = Settlement(
        (sample.alarm("alarm-d1", claims=(again,)),),
        (sample.delivery("d3", channel="group"),),
        replaced=("m-d1",),
    )
    step = ("alarm-d1", "group:group", "group")
    assert ledger.extend(sample.plan, sample.live, more, sample.at(minutes=1)) == {step}
    assert [each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)] == ["d2"]


def test_a_message_with_one_old_claim_is_left_out_as_a_whole(ledger: Ledger, sample: Any) -> None:
    """Its text would repeat what was said; the other message of the same call is written."""
    settled(ledger, sample)
    ledger.extend(
        sample.plan, sample.live, Settlement((step(sample, "a", "d2"),), (sample.delivery("d2"),)), sample.now
    )
    mixed = tuple(sample.claim(each, message="m-d3") for each in ("a", "b"))
    fresh = sample.claim("c", message="m-d4")
    more = Settlement(
        (sample.alarm("alarm-d1", claims=(*mixed, fresh)),), (sample.delivery("d3"), sample.delivery("d4"))
    )
    assert ledger.extend(sample.plan, sample.live, more, sample.now) == {
        ("alarm-d1", "a", "mail"),
        ("alarm-d1", "c", "mail"),
    }
    assert {each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)} == {
        "d1",
        "d2",
        "d4",
    }


def test_nothing_is_written_while_the_replaced_message_is_being_sent(ledger: Ledger, sample: Any) -> None:
    """It may be arriving at this moment; asked again after its end, the step is taken."""
    settled(ledger, sample)
    assert ledger.spool.begin(sample.plan, "d1", sample.now) == 1
    more = Settlement((step(sample, "a", "d2"),), (sample.delivery("d2"),), replaced=("m-d1",))
    assert ledger.extend(sample.plan, sample.live, more, sample.now) == set()
    assert claims(ledger, sample) == [("a", "wecom", "sending")]
    ledger.spool.finish(
        sample.plan,
        "d1",
        1,
        sample.now,
        outcome="transient",
        state=DeliveryState.PENDING,
        not_before=sample.now,
    )
    assert ledger.extend(sample.plan, sample.live, more, sample.now) == {("alarm-d1", "a", "mail")}


def test_a_failure_is_a_claim_without_a_message(ledger: Ledger, sample: Any) -> None:
    """Recorded once, like any other."""
    settled(ledger, sample)
    failed = sample.claim("a", decision="fail", reason="no-address")
    more = Settlement((sample.alarm("alarm-d1", claims=(failed,)),))
    for _ in range(2):
        assert ledger.extend(sample.plan, sample.live, more, sample.now) == {("alarm-d1", "a", "mail")}
    assert claims(ledger, sample)[0] == ("a", "mail", None)


def test_an_alarm_that_is_not_there_cannot_be_extended(ledger: Ledger, sample: Any) -> None:
    """Of another transport it is not there either; nothing is written."""
    settled(ledger, sample)
    more = Settlement((step(sample, "a", "d2"),), (sample.delivery("d2"),))
    with pytest.raises(ValueError, match="not in the ledger"):
        ledger.extend(sample.plan, sample.outbox, more, sample.now)
    with pytest.raises(ValueError, match="without a delivery"):
        ledger.extend(sample.plan, sample.live, replace(more, deliveries=()), sample.now)
    assert claims(ledger, sample) == [("a", "wecom", "pending")]


def test_of_many_who_extend_at_once_one_does(ledger: Ledger, sample: Any) -> None:
    """Eight threads with the same step and messages of their own: one delivery."""
    settled(ledger, sample)
    together = threading.Barrier(8)

    def work(number: int) -> None:
        together.wait()
        key = f"x{number}"
        more = Settlement((step(sample, "a", key),), (sample.delivery(key),))
        ledger.extend(sample.plan, sample.live, more, sample.now)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    due = {each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=20)}
    assert len(due) == 2
    assert "d1" in due


def test_what_is_retried_is_known_since_its_first_try(ledger: Ledger, sample: Any) -> None:
    """On the channels asked for, while it waits: not before a try, not during one, not after the end."""
    settled(ledger, sample)

    def retrying(*channels: str) -> list[tuple[str, str, Any]]:
        found = ledger.retrying(sample.plan, sample.live, channels)
        return [(each.alarm, each.message, each.at) for each in found]

    assert retrying("wecom") == []
    for number, minute in ((1, 1), (2, 30)):
        ledger.spool.begin(sample.plan, "d1", sample.at(minutes=minute))
        assert retrying("wecom") == []
        ledger.spool.finish(
            sample.plan,
            "d1",
            number,
            sample.at(minutes=minute + 1),
            outcome="transient",
            state=DeliveryState.PENDING,
            not_before=sample.at(minutes=minute + 2),
        )
        assert retrying("wecom", "mail") == [("alarm-d1", "m-d1", sample.at(minutes=1))]
    assert retrying("mail") == []
    assert retrying() == []
    ledger.spool.begin(sample.plan, "d1", sample.at(minutes=40))
    ledger.spool.finish(
        sample.plan, "d1", 3, sample.at(minutes=41), outcome="accepted", state=DeliveryState.ACCEPTED
    )
    assert retrying("wecom") == []
