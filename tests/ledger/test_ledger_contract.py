"""What every ledger promises, whatever database keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from reminder.ledger.errors import AlreadySettled, LedgerConflict, LedgerCorrupt
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd, DeliveryState, Note, Settlement, Transport
from reminder.ledger.shown import EntryFilter
from reminder.ledger.tables import contents
from tests.harness.together import at_once

PENDING, SENDING = DeliveryState.PENDING, DeliveryState.SENDING
ACCEPTED, FAILED = DeliveryState.ACCEPTED, DeliveryState.FAILED
UNCERTAIN, EXPIRED = DeliveryState.UNCERTAIN, DeliveryState.EXPIRED


def ids(deliveries: list[Any]) -> list[str]:
    return [delivery.id for delivery in deliveries]


# Settling


def test_what_was_settled_comes_back_whole(ledger: Ledger, sample: Any) -> None:
    """A delivery read back is the one that was written, byte for byte, its instants in UTC."""
    beijing = timezone(timedelta(hours=8))
    made = sample.delivery(
        payload=bytes(range(256)), planned_at=datetime(2026, 9, 24, 9, 30, tzinfo=beijing), late=True
    )
    claim = sample.claim(message=made.message)
    ledger.settle(sample.plan, sample.live, Settlement((sample.alarm(claims=(claim,)),), (made,)), sample.now)

    (found,) = ledger.spool.due(sample.plan, sample.live, sample.now, limit=10)

    assert found.planned_at == made.planned_at
    assert found.planned_at.tzinfo is UTC
    for name in ("id", "message", "channel", "receiver", "address", "part", "parts", "message_id", "payload"):
        assert getattr(found, name) == getattr(made, name)
    assert (found.state, found.attempts) == (PENDING, 0)
    assert ledger.book.payload_of(sample.plan, made.id) == bytes(range(256))
    assert ledger.book.text_of(sample.plan, made.id) == made.text


def test_an_alarm_settled_before_rolls_everything_back(ledger: Ledger, sample: Any) -> None:
    """One known alarm among new ones: nothing is written, and the error names it."""
    ledger.settle(sample.plan, sample.live, Settlement((sample.alarm("old"),)), sample.now)
    new = sample.message("d2")
    both = replace(new, alarms=(*new.alarms, sample.alarm("old")))

    with pytest.raises(AlreadySettled, match=r"已有.*old") as caught:
        ledger.settle(sample.plan, sample.live, both, sample.now)

    assert caught.value.keys == ("old",)
    assert ledger.settled(sample.plan, sample.live) == {"old"}
    assert ledger.spool.due(sample.plan, sample.live, sample.now, limit=10) == []
    assert len(ledger.book.entries(sample.plan, EntryFilter())) == 1


def test_an_alarm_is_its_own_under_each_transport_and_plan(ledger: Ledger, sample: Any) -> None:
    """A rehearsal never keeps a live message from going out, nor one office another's."""
    rehearsed = Settlement((sample.alarm("a"),))
    ledger.settle(sample.plan, sample.outbox, rehearsed, sample.now)
    ledger.settle(sample.plan, sample.live, rehearsed, sample.now)
    ledger.settle("other-office", sample.live, rehearsed, sample.now)

    assert ledger.settled(sample.plan, sample.outbox) == {"a"}
    assert ledger.settled("other-office", sample.live) == {"a"}
    assert ledger.settled("other-office", sample.outbox) == set()


def test_settled_since_keeps_what_was_planned_or_recorded_from_then_on(ledger: Ledger, sample: Any) -> None:
    """An alarm is left out only if both its planned and its recorded instant are earlier."""
    for key, planned, recorded in (
        ("early", -10, -10),
        ("late", -10, 0),
        ("ahead", 3, -10),
        ("both", 0, 0),
    ):
        alarm = sample.alarm(key, planned_at=sample.at(days=planned))
        ledger.settle(sample.plan, sample.live, Settlement((alarm,)), sample.at(days=recorded))

    assert ledger.settled(sample.plan, sample.live, sample.at(days=-1)) == {"late", "ahead", "both"}
    assert ledger.settled(sample.plan, sample.live) == {"early", "late", "ahead", "both"}


def test_a_settlement_that_contradicts_itself_is_refused(ledger: Ledger, sample: Any) -> None:
    """An alarm twice, or a claim whose message nobody would ever send."""
    twice = Settlement((sample.alarm("a"), sample.alarm("a")))
    with pytest.raises(ValueError, match="twice"):
        ledger.settle(sample.plan, sample.live, twice, sample.now)
    dangling = Settlement((sample.alarm(claims=(sample.claim(message="nowhere"),)),))
    with pytest.raises(ValueError, match="nowhere"):
        ledger.settle(sample.plan, sample.live, dangling, sample.now)
    assert ledger.settled(sample.plan, sample.live) == set()


def test_a_delivery_id_stands_for_one_delivery(ledger: Ledger, sample: Any) -> None:
    """New alarms that bring a known delivery id are refused as a whole."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    again = Settlement((sample.alarm("new"),), (sample.delivery("d1"),))
    with pytest.raises(LedgerConflict, match="一条也没有写入"):
        ledger.settle(sample.plan, sample.live, again, sample.now)
    assert ledger.settled(sample.plan, sample.live) == {"alarm-d1"}


def test_an_empty_settlement_is_nothing(ledger: Ledger, sample: Any) -> None:
    """No alarm, no row, no complaint."""
    ledger.settle(sample.plan, sample.live, Settlement(()), sample.now)
    assert ledger.book.counts(sample.plan, sample.live) == {}


def test_a_festival_for_thousands_is_one_settlement(ledger: Ledger, sample: Any) -> None:
    """More rows than one statement can hold values are written and found again."""
    people = [f"person:{number}" for number in range(3000)]
    alarm = sample.alarm(claims=tuple(sample.claim(each, message=f"m-{each}") for each in people))
    made = tuple(sample.delivery(each, receiver=each) for each in people)
    ledger.settle(sample.plan, sample.live, Settlement((alarm,), made), sample.now)

    won = ledger.spool.begin_many(sample.plan, people, sample.now)
    ends = [AttemptEnd(each, number, sample.now, "accepted", ACCEPTED, "250") for each, number in won.items()]
    assert ledger.spool.finish_many(sample.plan, ends) == set(people)
    assert ledger.book.counts(sample.plan, sample.live) == {"accepted": 3000, "send": 1}


# What is due


def test_due_is_pending_between_not_before_and_expiry_longest_due_first(ledger: Ledger, sample: Any) -> None:
    """Both ends of the span count: due at ``not_before``, no longer at ``expires_at``."""
    for key, not_before, expires in (
        ("second", 0, 60),
        ("first", -5, 60),
        ("future", 1, 60),
        ("over", -60, 0),
    ):
        ledger.settle(
            sample.plan,
            sample.live,
            sample.message(
                key, not_before=sample.at(minutes=not_before), expires_at=sample.at(minutes=expires)
            ),
            sample.now,
        )
    assert ids(ledger.spool.due(sample.plan, sample.live, sample.now, limit=10)) == ["first", "second"]
    assert ids(ledger.spool.due(sample.plan, sample.live, sample.now, limit=1)) == ["first"]
    assert ledger.spool.due(sample.plan, sample.outbox, sample.now, limit=10) == []
    assert ledger.spool.due("other-office", sample.live, sample.now, limit=10) == []


def test_a_channel_that_is_down_does_not_stand_in_the_way(ledger: Ledger, sample: Any) -> None:
    """Skipped channels do not use up the limit."""
    ledger.settle(sample.plan, sample.live, sample.message("d1", channel="robot"), sample.now)
    ledger.settle(sample.plan, sample.live, sample.message("d2"), sample.now)
    found = ledger.spool.due(sample.plan, sample.live, sample.now, limit=1, skip_channels=["robot"])
    assert ids(found) == ["d2"]


def test_the_next_instant_is_the_earliest_start_or_expiry_of_what_is_pending(
    ledger: Ledger, sample: Any
) -> None:
    """What was begun no longer counts; without anything pending there is none."""
    assert ledger.spool.next_instant(sample.plan, sample.live) is None
    late = sample.message("late", not_before=sample.at(hours=2), expires_at=sample.at(hours=3))
    ledger.settle(sample.plan, sample.live, late, sample.now)
    assert ledger.spool.next_instant(sample.plan, sample.live) == sample.at(hours=2)
    odd = sample.message("odd", not_before=sample.at(hours=2), expires_at=sample.at(hours=1))
    ledger.settle(sample.plan, sample.live, odd, sample.now)
    assert ledger.spool.next_instant(sample.plan, sample.live) == sample.at(hours=1)
    ledger.spool.expire(sample.plan, sample.live, sample.at(hours=1))
    ledger.spool.begin(sample.plan, "late", sample.at(hours=2))
    assert ledger.spool.next_instant(sample.plan, sample.live) is None


def test_what_expired_is_given_up_once(ledger: Ledger, sample: Any) -> None:
    """At its expiry a pending delivery becomes expired and is handed back that one time."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    assert ledger.spool.expire(sample.plan, sample.live, sample.at(hours=23)) == []
    (gone,) = ledger.spool.expire(sample.plan, sample.live, sample.at(days=1))
    assert (gone.id, gone.state) == ("d1", EXPIRED)
    assert ledger.spool.expire(sample.plan, sample.live, sample.at(days=2)) == []
    assert ledger.spool.begin(sample.plan, "d1", sample.now) is None


# Attempts


def test_an_attempt_is_recorded_before_and_after(ledger: Ledger, sample: Any) -> None:
    """Between intent and outcome the attempt stands open and the delivery is nobody else's."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)

    assert ledger.spool.begin(sample.plan, "d1", sample.now) == 1
    assert ledger.spool.begin(sample.plan, "d1", sample.now) is None
    (running,) = ledger.book.attempts_of(sample.plan, "d1")
    assert (running.started_at, running.finished_at, running.outcome) == (sample.now, None, None)

    done = sample.at(seconds=2)
    assert ledger.spool.finish(
        sample.plan, "d1", 1, done, outcome="accepted", code="250", detail="queued as 1A", state=ACCEPTED
    )
    (ended,) = ledger.book.attempts_of(sample.plan, "d1")
    assert (ended.number, ended.finished_at, ended.outcome) == (1, done, "accepted")
    assert (ended.code, ended.detail) == ("250", "queued as 1A")
    assert ledger.book.counts(sample.plan, sample.live) == {"accepted": 1, "send": 1}


def test_a_transient_failure_is_tried_again_not_before_its_time(ledger: Ledger, sample: Any) -> None:
    """A stale list cannot start the retry early: ``begin`` looks at the time itself."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    again = sample.at(minutes=5)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    ledger.spool.finish(
        sample.plan, "d1", 1, sample.now, outcome="transient", code="451", state=PENDING, not_before=again
    )

    assert ledger.spool.due(sample.plan, sample.live, sample.at(minutes=4), limit=5) == []
    assert ledger.spool.begin(sample.plan, "d1", sample.at(minutes=4)) is None
    (found,) = ledger.spool.due(sample.plan, sample.live, again, limit=5)
    assert found.attempts == 1
    assert ledger.spool.begin(sample.plan, "d1", again) == 2
    assert [attempt.number for attempt in ledger.book.attempts_of(sample.plan, "d1")] == [1, 2]


def test_an_outcome_counts_only_for_the_attempt_that_is_open(ledger: Ledger, sample: Any) -> None:
    """A late word about attempt one does not settle attempt two, nor what already ended."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    ledger.spool.finish(
        sample.plan, "d1", 1, sample.now, outcome="transient", state=PENDING, not_before=sample.now
    )
    ledger.spool.begin(sample.plan, "d1", sample.now)

    assert not ledger.spool.finish(sample.plan, "d1", 1, sample.now, outcome="accepted", state=ACCEPTED)
    assert ledger.spool.finish(sample.plan, "d1", 2, sample.now, outcome="permanent", state=FAILED)
    assert not ledger.spool.finish(sample.plan, "d1", 2, sample.now, outcome="accepted", state=ACCEPTED)
    assert [attempt.outcome for attempt in ledger.book.attempts_of(sample.plan, "d1")] == [
        "transient",
        "permanent",
    ]


@pytest.mark.parametrize("state", [SENDING, EXPIRED])
def test_no_attempt_ends_in_a_state_that_does_not_follow(
    ledger: Ledger, sample: Any, state: DeliveryState
) -> None:
    """Programming mistakes are refused before anything is written."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    with pytest.raises(ValueError, match=state.value):
        ledger.spool.finish(sample.plan, "d1", 1, sample.now, outcome="accepted", state=state)
    with pytest.raises(ValueError, match="not_before"):
        ledger.spool.finish(sample.plan, "d1", 1, sample.now, outcome="transient", state=PENDING)
    twice = AttemptEnd("d1", 1, sample.now, "accepted", ACCEPTED)
    with pytest.raises(ValueError, match="d1"):
        ledger.spool.finish_many(sample.plan, [twice, twice])
    assert ledger.book.counts(sample.plan, sample.live)["sending"] == 1


def test_begin_many_wins_only_what_is_free(ledger: Ledger, sample: Any) -> None:
    """What is taken, unknown, asked for twice or another plan's does not disturb the rest."""
    for key in ("d1", "d2", "d3"):
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
    ledger.spool.begin(sample.plan, "d2", sample.now)
    assert ledger.spool.begin_many(sample.plan, ["d1", "d2", "d3", "d1", "nobody"], sample.now) == {
        "d1": 1,
        "d3": 1,
    }
    assert ledger.spool.begin_many("other-office", ["d1"], sample.now) == {}


def test_of_sixteen_threads_exactly_one_begins(ledger: Ledger, sample: Any) -> None:
    """However they race, each delivery has one first attempt."""
    keys = [f"d{number}" for number in range(5)]
    for key in keys:
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)

    def race() -> list[str]:
        return [key for key in keys if ledger.spool.begin(sample.plan, key, sample.now) is not None]

    assert sorted(key for won in at_once(race, 16) for key in won) == keys
    assert all(len(ledger.book.attempts_of(sample.plan, key)) == 1 for key in keys)


def test_attempts_are_counted_by_channel_and_transport(ledger: Ledger, sample: Any) -> None:
    """For rate limits: retries count, rehearsals and other channels do not."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.settle(sample.plan, sample.live, sample.message("d2", channel="robot"), sample.now)
    ledger.settle(sample.plan, sample.outbox, sample.message("d3"), sample.now)
    for key in ("d1", "d2", "d3"):
        ledger.spool.begin(sample.plan, key, sample.now)
    retry = sample.at(seconds=30)
    ledger.spool.finish(
        sample.plan, "d1", 1, sample.now, outcome="transient", state=PENDING, not_before=retry
    )
    ledger.spool.begin(sample.plan, "d1", retry)

    assert ledger.spool.attempts_since(sample.plan, "mail", sample.now, sample.live) == [sample.now, retry]
    assert ledger.spool.attempts_since(sample.plan, "mail", sample.at(seconds=1), sample.live) == [retry]
    assert ledger.spool.attempts_since(sample.plan, "mail", sample.now, sample.outbox) == [sample.now]
    assert ledger.spool.attempts_since("other-office", "mail", sample.now, sample.live) == []


# Interrupted and uncertain


def test_what_a_dead_daemon_left_is_found_until_it_is_decided(ledger: Ledger, sample: Any) -> None:
    """Its attempt is closed as uncertain, and the next try has the next number."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.settle(sample.plan, sample.live, sample.message("d2"), sample.now)
    assert ledger.spool.interrupted(sample.plan, sample.live, sample.now) == []
    ledger.spool.begin(sample.plan, "d1", sample.now)

    restart = sample.at(minutes=1)
    (left,) = ledger.spool.interrupted(sample.plan, sample.live, restart)
    assert (left.id, left.state, left.attempts) == ("d1", SENDING, 1)
    (attempt,) = ledger.book.attempts_of(sample.plan, "d1")
    assert (attempt.outcome, attempt.code, attempt.finished_at) == ("uncertain", "interrupted", restart)

    # Killed again before deciding: found again, closed once.
    assert ids(ledger.spool.interrupted(sample.plan, sample.live, sample.at(minutes=2))) == ["d1"]
    assert ledger.book.attempts_of(sample.plan, "d1") == [attempt]

    assert ledger.spool.resolve(sample.plan, "d1", PENDING, restart, restart)
    assert not ledger.spool.resolve(sample.plan, "d1", PENDING, restart, restart)
    assert ledger.spool.interrupted(sample.plan, sample.live, restart) == []
    assert ledger.spool.begin(sample.plan, "d1", restart) == 2


def test_an_uncertain_delivery_waits_for_a_person(ledger: Ledger, sample: Any) -> None:
    """Held as uncertain it is neither due nor interrupted; the one thing to decide is to resend."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    ledger.spool.finish(sample.plan, "d1", 1, sample.now, outcome="uncertain", code="lost", state=UNCERTAIN)

    assert ledger.spool.due(sample.plan, sample.live, sample.now, limit=5) == []
    assert ledger.spool.interrupted(sample.plan, sample.live, sample.now) == []
    assert not ledger.spool.resolve(sample.plan, "d1", FAILED, None, sample.now)
    with pytest.raises(ValueError, match="not_before"):
        ledger.spool.resolve(sample.plan, "d1", PENDING, None, sample.now)
    assert ledger.spool.resolve(sample.plan, "d1", PENDING, sample.now, sample.now)
    assert ids(ledger.spool.due(sample.plan, sample.live, sample.now, limit=5)) == ["d1"]


def test_nobody_decides_over_the_head_of_a_running_attempt(ledger: Ledger, sample: Any) -> None:
    """A delivery that is being sent is left to its sender."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    assert not ledger.spool.resolve(sample.plan, "d1", PENDING, sample.now, sample.now)
    assert ledger.spool.finish(sample.plan, "d1", 1, sample.now, outcome="accepted", state=ACCEPTED)


def test_an_end_that_becomes_known_corrects_an_uncertain_one(ledger: Ledger, sample: Any) -> None:
    """Knowledge beats a guess as long as nobody has decided."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    ledger.spool.interrupted(sample.plan, sample.live, sample.now)
    assert ledger.spool.finish(
        sample.plan, "d1", 1, sample.now, outcome="accepted", code="250", state=ACCEPTED
    )
    (attempt,) = ledger.book.attempts_of(sample.plan, "d1")
    assert attempt.outcome == "accepted"
    assert not ledger.spool.resolve(sample.plan, "d1", PENDING, sample.now, sample.now)


# Entries


def test_entries_show_claims_alarms_without_claims_and_digests(ledger: Ledger, sample: Any) -> None:
    """A digest is one delivery under two claims; a suppressed alarm is a line of its own."""
    digest = sample.delivery("d1", message="digest", late=True)
    claim = sample.claim(message="digest", decision="merge", reason="same-morning")
    ledger.settle(
        sample.plan,
        sample.live,
        Settlement(
            (
                sample.alarm("a1", claims=(claim,)),
                sample.alarm("a2", item="integrity-talk", planned_at=sample.at(minutes=-1), claims=(claim,)),
                sample.alarm("a3", planned_at=sample.at(hours=-1), decision="suppress", reason="silence"),
            ),
            (digest,),
        ),
        sample.now,
    )
    ledger.spool.begin(sample.plan, "d1", sample.now)
    ledger.spool.finish(
        sample.plan, "d1", 1, sample.now, outcome="permanent", code="550", detail="no", state=FAILED
    )

    first, second, third = ledger.book.entries(sample.plan, EntryFilter())

    assert [first.alarm, second.alarm, third.alarm] == ["a1", "a2", "a3"]
    for line in (first, second):
        assert (line.decision, line.reason, line.subject) == ("merge", "same-morning", digest.subject)
        assert (line.state, line.attempts, line.last_code, line.last_detail) == ("failed", 1, "550", "no")
        assert (line.deliveries, line.late, line.channel) == (("d1",), True, "mail")
    assert (third.receiver, third.state, third.decision, third.reason) == (None, None, "suppress", "silence")
    assert third.transport is Transport.LIVE
    assert (third.planned_at, third.recorded_at) == (sample.at(hours=-1), sample.now)


def test_a_split_message_stands_where_its_least_advanced_part_stands(ledger: Ledger, sample: Any) -> None:
    """One part accepted, one still to go, then failed: never shown as accepted."""
    parts = tuple(
        sample.delivery(f"d{number}", message="long", part=number, parts=2, channel="robot")
        for number in (1, 2)
    )
    alarm = sample.alarm(claims=(sample.claim("group:staff", channel="robot", message="long"),))
    ledger.settle(sample.plan, sample.live, Settlement((alarm,), parts), sample.now)

    def state() -> str | None:
        (line,) = ledger.book.entries(sample.plan, EntryFilter())
        assert line.deliveries == ("d1", "d2")
        found = [
            each.value
            for each in DeliveryState
            if ledger.book.entries(sample.plan, EntryFilter(status=each.value))
        ]
        assert found == [line.state]
        return line.state

    ledger.spool.begin(sample.plan, "d1", sample.now)
    ledger.spool.finish(sample.plan, "d1", 1, sample.now, outcome="accepted", state=ACCEPTED)
    assert state() == "pending"
    ledger.spool.begin(sample.plan, "d2", sample.now)
    assert state() == "sending"
    ledger.spool.finish(sample.plan, "d2", 1, sample.now, outcome="permanent", code="93000", state=FAILED)
    assert state() == "failed"
    assert ledger.book.entries(sample.plan, EntryFilter())[0].last_code == "93000"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ({"item": "talk"}, ["talk"]),
        ({"occurrence": "talk/2026H2"}, ["talk"]),
        ({"receiver": "person:b"}, ["two"]),
        ({"channel": "robot"}, ["two"]),
        ({"status": "suppress"}, ["bare"]),
        ({"status": "pending"}, ["talk"]),
        ({"status": "hold"}, ["two"]),
        ({"status": "no-such-word"}, []),
        ({"since": 1}, ["two"]),
        ({"until": 0}, ["bare"]),
        ({"since": 0, "until": 1}, ["talk"]),
        ({"transport": Transport.OUTBOX}, []),
        ({"limit": 2}, ["two", "talk"]),
        ({}, ["two", "talk", "bare"]),
    ],
)
def test_entries_are_filtered(
    ledger: Ledger, sample: Any, question: dict[str, Any], answer: list[str]
) -> None:
    """Each filter alone; ``until`` is exclusive; newest planned first."""
    ledger.settle(
        sample.plan,
        sample.live,
        Settlement(
            (
                sample.alarm("bare", planned_at=sample.at(days=-1), decision="suppress"),
                sample.alarm(
                    "talk", item="talk", occurrence="talk/2026H2", claims=(sample.claim(message="m-d1"),)
                ),
                sample.alarm(
                    "two",
                    planned_at=sample.at(days=1),
                    claims=(sample.claim("person:b", channel="robot", decision="hold"),),
                ),
            ),
            (sample.delivery("d1"),),
        ),
        sample.now,
    )
    ledger.settle("other-office", sample.live, Settlement((sample.alarm("theirs"),)), sample.now)
    for name in ("since", "until"):
        if name in question:
            question = question | {name: sample.at(days=question[name])}
    found = ledger.book.entries(sample.plan, EntryFilter(**question))
    assert [line.alarm for line in found] == answer


def test_counts_are_by_state_and_decision_of_one_transport(ledger: Ledger, sample: Any) -> None:
    """Rehearsals and other offices are not counted in."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.settle(sample.plan, sample.live, Settlement((sample.alarm("x", decision="miss"),)), sample.now)
    ledger.settle(sample.plan, sample.outbox, sample.message("d2"), sample.now)
    assert ledger.book.counts(sample.plan, sample.live) == {"pending": 1, "send": 1, "miss": 1}


def test_an_unknown_delivery_has_no_payload_and_no_attempts(ledger: Ledger, sample: Any) -> None:
    """Another plan's delivery is unknown too."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    with pytest.raises(KeyError):
        ledger.book.payload_of("other-office", "d1")
    assert ledger.book.attempts_of("other-office", "d1") == []


def test_bytes_that_changed_after_they_were_frozen_are_not_handed_out(ledger: Ledger, sample: Any) -> None:
    """The hash written with them tells."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    with ledger._storage.write() as connection:
        connection.execute(contents.update().values(payload=b"forged"))
    with pytest.raises(LedgerCorrupt, match="与封存时不符"):
        ledger.book.payload_of(sample.plan, "d1")


# Transport, adoption, plan versions, notes


def test_a_plan_rehearses_until_somebody_goes_live(ledger: Ledger, sample: Any) -> None:
    """The last switch counts, each stands in the notes once, and plans do not share it."""
    assert ledger.transport(sample.plan) is Transport.OUTBOX
    assert ledger.go_live(sample.plan, by="机关党委专职副书记", now=sample.now)
    assert not ledger.go_live(sample.plan, by="机关党委专职副书记", now=sample.now)
    assert ledger.transport(sample.plan) is Transport.LIVE
    assert ledger.transport("other-office") is Transport.OUTBOX
    # The clock was set back in between: the order of writing decides.
    assert ledger.go_outbox(sample.plan, by="机关党委干事", now=sample.at(hours=-1))
    assert ledger.transport(sample.plan) is Transport.OUTBOX

    switches = ledger.notes(sample.plan, kind="transport")
    assert [(note.author, note.detail["transport"]) for note in switches] == [
        ("机关党委干事", "outbox"),
        ("机关党委专职副书记", "live"),
    ]


def test_a_rung_is_adopted_once_for_each_transport(ledger: Ledger, sample: Any) -> None:
    """The first instant stays; only new pairs are counted."""
    rungs = [("talk", "due-3wd"), ("talk", "due"), ("talk", "due")]
    assert ledger.adopt(sample.plan, sample.live, rungs, sample.now) == 2
    later = sample.at(days=9)
    assert ledger.adopt(sample.plan, sample.live, [*rungs, ("report", "due")], later) == 1
    assert ledger.adopt(sample.plan, sample.live, [], later) == 0
    assert ledger.adoptions(sample.plan, sample.live) == {
        ("talk", "due-3wd"): sample.now,
        ("talk", "due"): sample.now,
        ("report", "due"): later,
    }
    assert ledger.adoptions(sample.plan, sample.outbox) == {}


def test_a_plan_is_recorded_when_it_changes(ledger: Ledger, sample: Any) -> None:
    """Accepting the same content again adds nothing; going back to older content does."""
    assert ledger.last_plan(sample.plan) is None
    assert ledger.accept_plan(sample.plan, "aa", {"plan.yaml": "01"}, "文件", None, sample.now)
    assert not ledger.accept_plan(sample.plan, "aa", {"plan.yaml": "01"}, "文件", None, sample.at(days=1))
    first = ledger.last_plan(sample.plan)
    assert first is not None
    assert (first.digest, first.accepted_at, first.diff) == ("aa", sample.now, None)

    diff = {"added": ["廉政谈话"], "removed": []}
    ledger.accept_plan(sample.plan, "bb", {"plan.yaml": "02"}, "机关党委干事", diff, sample.at(days=2))
    second = ledger.last_plan(sample.plan)
    assert second is not None
    assert (second.author, second.files, second.diff) == ("机关党委干事", {"plan.yaml": "02"}, diff)
    assert ledger.accept_plan(sample.plan, "aa", {"plan.yaml": "01"}, "文件", None, sample.at(days=3))


def test_notes_come_back_newest_first(ledger: Ledger, sample: Any) -> None:
    """By kind, by time, and no more than asked for."""
    for number in range(3):
        ledger.note(sample.plan, Note("daemon", sample.at(days=number), "系统", {"number": number}))
    ledger.note(sample.plan, Note("told", sample.now, "系统", {"文": "“引号”"}), sample.live)

    assert [note.detail["number"] for note in ledger.notes(sample.plan, kind="daemon")] == [2, 1, 0]
    assert len(ledger.notes(sample.plan, since=sample.at(days=1))) == 2
    assert ledger.notes(sample.plan, limit=1)[0].detail == {"文": "“引号”"}
    assert ledger.notes("other-office") == []


# Times


def test_a_naive_instant_is_refused_everywhere(ledger: Ledger, sample: Any) -> None:
    """09:00 without a zone is no instant; nothing is written and nothing is guessed."""
    naive = datetime(2026, 9, 24, 9, 0)
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    calls = [
        lambda: ledger.settle(sample.plan, sample.live, sample.message("d2"), naive),
        lambda: ledger.settle(sample.plan, sample.live, sample.message("d3", not_before=naive), sample.now),
        lambda: ledger.spool.due(sample.plan, sample.live, naive, limit=1),
        lambda: ledger.spool.begin(sample.plan, "d1", naive),
        lambda: ledger.spool.expire(sample.plan, sample.live, naive),
        lambda: ledger.adopt(sample.plan, sample.live, [("a", "b")], naive),
        lambda: ledger.note(sample.plan, Note("daemon", naive, "系统")),
        lambda: ledger.spool.attempts_since(sample.plan, "mail", naive, sample.live),
        lambda: ledger.book.entries(sample.plan, EntryFilter(since=naive)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="aware"):
            call()
    assert ledger.settled(sample.plan, sample.live) == {"alarm-d1"}
    assert ledger.adoptions(sample.plan, sample.live) == {}


def test_an_answer_with_any_sign_in_it_can_be_recorded(ledger: Ledger, sample: Any) -> None:
    """Servers answer what they like, a NUL included; refused, it would keep everything from being sent."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    assert ledger.spool.finish(
        sample.plan, "d1", 1, sample.now, outcome="permanent", detail="不\0存在\u2028\x1b😀", state=FAILED
    )
    (attempt,) = ledger.book.attempts_of(sample.plan, "d1")
    assert attempt.detail.replace("\ufffd", "\0") == "不\0存在\u2028\x1b😀"
