"""Beside the tries: decisions by hand, refusals, pauses, what must be told, who was not reached."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    AttemptEnd,
    DeliveryState,
    HandDecision,
    PauseAsked,
    PauseKind,
    Quota,
    Refusal,
    Settlement,
    TroubleKind,
    Wait,
)
from reminder.ledger.shown import EntryFilter

PENDING, ACCEPTED = DeliveryState.PENDING, DeliveryState.ACCEPTED
FAILED, UNCERTAIN = DeliveryState.FAILED, DeliveryState.UNCERTAIN
DEAD = PauseAsked(PauseKind.DEAD, (), 1, "f")
SHORT = PauseAsked(PauseKind.LOGIN, (timedelta(minutes=1), timedelta(minutes=30)), 2, "f")


def end(ledger: Ledger, sample: Any, key: str = "d1", **changes: Any) -> None:
    """Begin and end one try of a delivery at ``at``."""
    at = changes.pop("at", sample.now)
    number = ledger.spool.begin(sample.plan, key, at)
    assert isinstance(number, int)
    values: dict[str, Any] = {"state": FAILED, "outcome": "permanent", "code": "550", "detail": "no"}
    assert ledger.spool.finish_many(
        sample.plan, [AttemptEnd(delivery=key, number=number, at=at, **values | changes)]
    )


def waiting(ledger: Ledger, sample: Any, **changes: Any) -> None:
    end(
        ledger,
        sample,
        state=PENDING,
        outcome="transient",
        not_before=changes.get("at", sample.now),
        **changes,
    )


def alarms(found: list[Any]) -> list[tuple[str, str, str]]:
    return [(each.alarm, each.receiver, each.reason) for each in found]


# Decisions by hand


@pytest.mark.parametrize("state", [PENDING, ACCEPTED, FAILED])
def test_only_an_uncertain_delivery_is_a_persons_to_decide(
    ledger: Ledger, sample: Any, state: DeliveryState
) -> None:
    """Nothing changes for any other state, nor for one that nobody knows."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    if state is not PENDING:
        end(ledger, sample, state=state)
    before = ledger.book.entries(sample.plan, EntryFilter())
    for decision in HandDecision:
        assert not ledger.spool.decide(sample.plan, "d1", decision, by="x", now=sample.now)
        assert not ledger.spool.decide(sample.plan, "unknown", decision, by="x", now=sample.now)
    assert ledger.book.entries(sample.plan, EntryFilter()) == before


def test_what_was_sent_again_by_hand_may_be_decided_again(ledger: Ledger, sample: Any) -> None:
    """The last one who decided is shown."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    end(ledger, sample, state=UNCERTAIN)
    assert ledger.spool.decide(sample.plan, "d1", HandDecision.RESEND, by="first", now=sample.now)
    end(ledger, sample, state=UNCERTAIN)
    assert ledger.spool.decide(sample.plan, "d1", HandDecision.ARRIVED, by="second", now=sample.now)
    (entry,) = ledger.book.entries(sample.plan, EntryFilter(status="accepted"))
    assert (entry.decided_by, entry.attempts) == ("second", 2)


# Refusals


def batch(sample: Any, key: str = "d1", *names: str) -> Settlement:
    claims = tuple(sample.claim(name, message=f"m-{key}") for name in names)
    made = sample.delivery(
        key, receiver="batch", receivers=tuple((name, f"{name}@example.com") for name in names)
    )
    return Settlement((sample.alarm(f"alarm-{key}", claims=claims),), (made,))


def test_a_batch_comes_back_with_everyone_it_goes_to(ledger: Ledger, sample: Any) -> None:
    """An ordinary delivery goes to its receiver alone."""
    ledger.settle(sample.plan, sample.live, batch(sample, "d1", "b", "a"), sample.now)
    ledger.settle(sample.plan, sample.live, sample.message("d2"), sample.now)
    first, second = ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)
    assert first.receivers == (("a", "a@example.com"), ("b", "b@example.com"))
    assert second.receivers == ((second.receiver, second.address),)
    assert ledger.spool.delivery(sample.plan, "d1") == first
    assert ledger.spool.delivery(sample.plan, "unknown") is None


def test_a_refusal_is_one_receivers(ledger: Ledger, sample: Any) -> None:
    """Shown, filtered, counted and told for that one; the others stand as accepted."""
    ledger.settle(sample.plan, sample.live, batch(sample, "d1", "a", "b", "c"), sample.now)
    refused = (Refusal("b", "60111", "no such user"), Refusal("b", "60111", "again"))
    end(ledger, sample, state=ACCEPTED, outcome="partial", refused=refused)
    accepted = ledger.book.entries(sample.plan, EntryFilter(status="accepted"))
    (failed,) = ledger.book.entries(sample.plan, EntryFilter(status="failed"))
    assert sorted(entry.receiver or "" for entry in accepted) == ["a", "c"]
    assert (failed.receiver, failed.state, failed.last_code) == ("b", "failed", "60111")
    assert ledger.book.counts(sample.plan, sample.live) == {"accepted": 1, "refused": 1, "send": 1}
    (trouble,) = ledger.troubles(sample.plan, sample.live)
    assert (trouble.kind, trouble.receiver, trouble.delivery) == (TroubleKind.REFUSED, "b", "d1")


# Who was not reached


def test_unreached_are_exactly_those_whose_channel_failed_them(ledger: Ledger, sample: Any) -> None:
    """Failed, expired though tried, refused; not what waits, was never tried, or was accepted."""
    for key in ("failed", "expired", "untried", "waits", "accepted"):
        ledger.settle(
            sample.plan, sample.live, sample.message(key, expires_at=sample.at(hours=1)), sample.now
        )
    ledger.settle(sample.plan, sample.live, sample.message("later", expires_at=sample.at(days=1)), sample.now)
    ledger.settle(sample.plan, sample.live, batch(sample, "batch", "a", "b"), sample.now)
    end(ledger, sample, "failed")
    end(ledger, sample, "accepted", state=ACCEPTED)
    end(ledger, sample, "batch", state=ACCEPTED, outcome="partial", refused=(Refusal("b"),))
    for key in ("expired", "later"):
        end(ledger, sample, key, state=PENDING, outcome="transient", not_before=sample.at(hours=2))
    ledger.spool.expire(sample.plan, sample.live, sample.at(hours=1))
    person = sample.claim().receiver
    found = ledger.unreached(sample.plan, sample.live, sample.now)
    assert alarms(found) == [
        ("alarm-batch", "b", "refused"),
        ("alarm-failed", person, "failed"),
        ("alarm-expired", person, "expired"),
    ]
    assert [each.message for each in found] == ["m-batch", "m-failed", "m-expired"]
    since = sample.at(minutes=30)
    assert alarms(ledger.unreached(sample.plan, sample.live, since)) == [("alarm-expired", person, "expired")]
    assert ledger.unreached(sample.plan, sample.outbox, sample.now) == []
    assert ledger.unreached("other-office", sample.live, sample.now) == []


def test_all_parts_of_a_message_are_one_unreached_claim(ledger: Ledger, sample: Any) -> None:
    claim = sample.claim(message="m")
    parts = tuple(sample.delivery(f"d{n}", message="m", part=n, parts=2) for n in (1, 2))
    ledger.settle(
        sample.plan, sample.live, Settlement((sample.alarm("a", claims=(claim,)),), parts), sample.now
    )
    end(ledger, sample, "d1")
    end(ledger, sample, "d2", at=sample.at(minutes=1))
    (found,) = ledger.unreached(sample.plan, sample.live, sample.now)
    assert found.at == sample.now


# Pauses


def test_nothing_is_due_and_nothing_begins_on_a_paused_channel(ledger: Ledger, sample: Any) -> None:
    """Only there, and only until somebody resumes it, once."""
    for key, channel in (("d1", "group"), ("d2", "group"), ("m", "mail")):
        ledger.settle(sample.plan, sample.live, sample.message(key, channel=channel), sample.now)
    waiting(ledger, sample, pause=DEAD, code="93000")
    assert [each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)] == ["m"]
    assert ledger.spool.begin(sample.plan, "d2", sample.now) == Wait(None, whole_channel=True)
    assert ledger.spool.begin_many(sample.plan, ["d1", "d2", "m"], sample.now) == {"m": 1}
    assert ledger.resume(sample.plan, sample.live, "group", by="x", now=sample.now)
    assert not ledger.resume(sample.plan, sample.live, "group", by="x", now=sample.now)
    assert ledger.spool.begin(sample.plan, "d2", sample.now) == 1


def test_a_pause_is_of_one_plan_and_transport(ledger: Ledger, sample: Any) -> None:
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.settle(sample.plan, sample.outbox, sample.message("d2"), sample.now)
    ledger.settle("other-office", sample.live, sample.message("d3"), sample.now)
    waiting(ledger, sample, pause=DEAD)
    assert ledger.spool.due(sample.plan, sample.live, sample.now, limit=9) == []
    assert len(ledger.spool.due(sample.plan, sample.outbox, sample.now, limit=9)) == 1
    assert len(ledger.spool.due("other-office", sample.live, sample.now, limit=9)) == 1


def test_strikes_lengthen_a_pause_and_make_it_lasting_and_told_once(ledger: Ledger, sample: Any) -> None:
    """Two tries that met the trouble together are one strike."""
    for key in ("d1", "d2"):
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
    numbers = ledger.spool.begin_many(sample.plan, ["d1", "d2"], sample.now)
    ends = [
        AttemptEnd(key, number, sample.now, "transient", PENDING, "535", "no", sample.now, pause=SHORT)
        for key, number in numbers.items()
    ]
    ledger.spool.finish_many(sample.plan, ends)

    def stands() -> tuple[int, Any, bool, int]:
        (pause,) = ledger.pauses(sample.plan, sample.live)
        return pause.strikes, pause.until, pause.lasting, len(ledger.troubles(sample.plan, sample.live))

    assert stands() == (1, sample.at(minutes=1), False, 0)
    assert ledger.spool.next_instant(sample.plan, sample.live) == sample.at(minutes=1)
    waiting(ledger, sample, at=sample.at(minutes=1), pause=SHORT)
    assert stands() == (2, sample.at(minutes=31), True, 1)
    waiting(ledger, sample, at=sample.at(minutes=31), pause=SHORT)
    assert stands() == (3, sample.at(minutes=61), True, 1)
    assert len(ledger.unreached(sample.plan, sample.live, sample.at(days=1))) == 2
    end(ledger, sample, at=sample.at(minutes=61), state=ACCEPTED, recovered=sample.at(minutes=61))
    assert ledger.pauses(sample.plan, sample.live) == []


def test_a_pause_from_a_clock_that_was_set_back_does_not_hold(ledger: Ledger, sample: Any) -> None:
    """One with an end; a dead channel stays dead whatever the clock says."""
    for key, channel in (("d1", "mail"), ("d2", "group")):
        ledger.settle(sample.plan, sample.live, sample.message(key, channel=channel), sample.at(hours=-2))
        end(
            ledger,
            sample,
            key,
            state=PENDING,
            not_before=sample.at(hours=-2),
            pause=SHORT if key == "d1" else DEAD,
        )
    due = ledger.spool.due(sample.plan, sample.live, sample.at(hours=-1), limit=9)
    assert [each.id for each in due] == ["d1"]


# Slots


def test_a_delivery_without_a_slot_waits_with_its_whole_channel(ledger: Ledger, sample: Any) -> None:
    """Written to the ledger, so that nobody asks again before there is one; no try is counted."""
    for key in ("a", "b", "c", "d"):
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
    quotas = {"mail": (Quota(2, timedelta(minutes=1)),)}
    assert ledger.spool.begin_many(sample.plan, ["a", "b", "c", "d"], sample.now, quotas) == {"a": 1, "b": 1}
    assert ledger.spool.due(sample.plan, sample.live, sample.at(seconds=59), limit=9) == []
    assert ledger.spool.next_instant(sample.plan, sample.live) == sample.at(minutes=1)
    due = ledger.spool.due(sample.plan, sample.live, sample.at(minutes=1), limit=9)
    assert [(each.id, each.attempts) for each in due] == [("c", 0), ("d", 0)]


def test_several_quotas_hold_together_and_the_longest_wait_counts(ledger: Ledger, sample: Any) -> None:
    quotas = {"mail": (Quota(1, timedelta(seconds=10)), Quota(2, timedelta(hours=1)))}
    for number, (after, wait) in enumerate([(0, None), (10, None), (20, 3600)]):
        key, at = f"d{number}", sample.at(seconds=after)
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
        found = ledger.spool.begin(sample.plan, key, at, quotas)
        assert found == (1 if wait is None else Wait(sample.at(seconds=wait), whole_channel=True))


def test_postponing_moves_forward_only(ledger: Ledger, sample: Any) -> None:
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    assert ledger.spool.postpone(sample.plan, "d1", sample.at(hours=1), sample.now)
    assert not ledger.spool.postpone(sample.plan, "d1", sample.at(minutes=30), sample.now)
    assert not ledger.spool.postpone(sample.plan, "unknown", sample.at(hours=1), sample.now)
    assert ledger.spool.next_instant(sample.plan, sample.live) == sample.at(hours=1)
    ledger.spool.begin(sample.plan, "d1", sample.at(hours=1))
    assert not ledger.spool.postpone(sample.plan, "d1", sample.at(hours=2), sample.at(hours=1)), (
        "it is being sent"
    )


# Orphans


def test_interrupted_takes_only_those_asked_for(ledger: Ledger, sample: Any) -> None:
    for key in ("d1", "d2"):
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
        ledger.spool.begin(sample.plan, key, sample.now)
    assert ledger.spool.sending(sample.plan, sample.live) == {"d1", "d2"}
    found = ledger.spool.interrupted(sample.plan, sample.live, sample.now, only={"d1", "unknown"})
    assert [each.id for each in found] == ["d1"]
    assert ledger.book.attempts_of(sample.plan, "d2")[0].finished_at is None


# What must be told


def test_a_trouble_stays_until_it_was_told(ledger: Ledger, sample: Any) -> None:
    """Across a restart, each once; a decision by hand is nobody's trouble."""
    for key in ("d1", "d2"):
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
    end(ledger, sample, "d1")
    end(ledger, sample, "d2", state=UNCERTAIN, outcome="uncertain", code="timeout", detail="")
    first, second = ledger.troubles(sample.plan, sample.live)
    assert (first.kind, second.kind) == (TroubleKind.FAILED, TroubleKind.UNCERTAIN)
    assert first.items == (sample.alarm().item,)
    ledger.told(sample.plan, [first.id], sample.now)
    assert ledger.troubles(sample.plan, sample.live) == [second]
    assert ledger.troubles(sample.plan, sample.outbox) == []
    ledger.spool.decide(sample.plan, "d2", HandDecision.DROP, by="x", now=sample.now)
    assert len(ledger.troubles(sample.plan, sample.live)) == 1
