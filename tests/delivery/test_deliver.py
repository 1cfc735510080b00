"""One delivery's way: outcomes, policies for the unknown, pauses, refusals, and a ledger that refuses."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Reach
from reminder.delivery.conduct import Conduct
from reminder.delivery.judge import judged
from reminder.delivery.retry import MOST_TRIES, next_try
from reminder.delivery.unrecorded import Unrecorded
from reminder.ledger.errors import LedgerFull
from reminder.ledger.records import Delivery, DeliveryState, HandDecision, PauseKind, TroubleKind, Wait
from tests.delivery.conftest import (
    ACCEPTED,
    BUSY,
    DEAD,
    LIVE,
    LOGIN,
    NO_SUCH_USER,
    PLAN,
    START,
    UNKNOWN,
    Bench,
    answering,
)
from tests.editions import Remembering

MINUTE = timedelta(minutes=1)
HOLD = {"mail": Conduct(hold=True)}


def kinds(bench: Bench) -> list[tuple[str, str]]:
    return [(str(each.kind), each.channel) for each in bench.ledger.troubles(PLAN, LIVE)]


# What an outcome leads to


def delivery_of(**changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": "d", "message": "m", "channel": "mail", "receiver": "p", "address": "p@example.com", "part": 1,
        "parts": 1, "message_id": "<d@example.com>", "payload": b"", "planned_at": START, "not_before": START,
        "expires_at": START + timedelta(hours=8), "state": DeliveryState.SENDING, "attempts": 1,
        "receivers": (("p", "p@example.com"),),
    }  # fmt: skip
    return Delivery(**values | changes)


@given(
    st.builds(
        Outcome,
        st.sampled_from(OutcomeKind),
        retry_after=st.none() | st.integers(0, 7200),
        refused=st.sampled_from([(), ("p@example.com",), ("P@EXAMPLE.COM", "q@example.com")]),
        reach=st.sampled_from(Reach),
    ),
    st.integers(1, 40),
    st.integers(1, 600),
    st.booleans(),
)
def test_every_outcome_leads_somewhere_and_no_try_comes_early(
    outcome: Outcome, number: int, minutes_left: int, hold: bool
) -> None:
    """A next try is never earlier than the server asks and never follows a success; there are not more than 30."""
    delivery = delivery_of(expires_at=START + minutes_left * MINUTE)
    end = judged(delivery, number, outcome, START, random.Random(0), hold=hold)
    if outcome.kind is OutcomeKind.ACCEPTED:
        assert (end.state, end.pause) == (DeliveryState.ACCEPTED, None)
    if outcome.kind is OutcomeKind.UNCERTAIN and hold:
        assert end.state is DeliveryState.UNCERTAIN
    if end.state is DeliveryState.PENDING:
        assert end.not_before is not None
        if end.pause is None:
            assert number < MOST_TRIES
            assert end.not_before >= START + timedelta(seconds=outcome.retry_after or 0)
            assert end.not_before > START
    else:
        assert end.not_before is None


@given(st.integers(1, 60), st.none() | st.integers(0, 7200), st.randoms())
def test_back_off_grows_to_an_hour_and_keeps_to_what_the_server_asks(
    tries: int, retry_after: float | None, chance: random.Random
) -> None:
    wait = (next_try(tries, START, retry_after, chance) - START).total_seconds()
    assert 24 <= wait <= max(3600, retry_after or 0) * 1.2 + 0.001
    assert wait >= (retry_after or 0)


def test_a_last_try_comes_before_it_is_too_late(bench: Bench) -> None:
    """A back-off that would end after the last useful moment is cut short, once."""
    delivery = delivery_of(expires_at=START + 10 * MINUTE)
    end = judged(delivery, 8, BUSY, START, random.Random(0))
    assert end.not_before == START + 9 * MINUTE
    waits = Outcome(OutcomeKind.TRANSIENT, "450", "", retry_after=900.0)
    late = judged(delivery, 8, waits, START, random.Random(0))
    assert late.not_before is not None
    assert late.not_before >= START + 15 * MINUTE, "what the server asks is kept to"


def test_a_permanent_failure_stands_with_the_servers_words_and_is_to_be_told(bench: Bench) -> None:
    bench.add("a")
    assert bench.deliverer(answering("mail", NO_SUCH_USER)).drain(bench.now) == 1
    entry = bench.entry("a")
    assert (entry.state, entry.last_code, entry.last_detail) == ("failed", "550", "no such user")
    (trouble,) = bench.ledger.troubles(PLAN, LIVE)
    assert (trouble.kind, trouble.code, trouble.detail) == (TroubleKind.FAILED, "550", "no such user")
    assert (trouble.receiver, trouble.subject, trouble.items) == ("p-office", "提醒a", ("x",))
    bench.ledger.told(PLAN, [trouble.id], bench.now)
    assert bench.ledger.troubles(PLAN, LIVE) == []


def test_a_server_that_is_down_ends_in_expiry_with_every_try_on_record(bench: Bench) -> None:
    """No endless queue: past its last useful moment it is expired, and the admin is to be told why."""
    bench.add("a", useful=timedelta(hours=3))
    mail = answering("mail", BUSY)
    deliverer = bench.deliverer(mail)
    while (upcoming := bench.ledger.spool.next_instant(PLAN, LIVE)) is not None:
        bench.clock.set(max(upcoming, bench.now))
        deliverer.drain(bench.now)
    assert bench.state("a") == "expired"
    assert bench.now == START + timedelta(hours=3)
    assert 5 <= len(bench.tries("a")) == len(mail.arrived) <= 12
    assert {parcel.payload for parcel in mail.arrived} == {b"payload of a"}
    (trouble,) = bench.ledger.troubles(PLAN, LIVE)
    assert (trouble.kind, trouble.detail) == (TroubleKind.EXPIRED, "try again later")


# Nobody knows


def test_an_unknown_outcome_is_sent_again_with_the_same_bytes(bench: Bench) -> None:
    """The default policy."""
    bench.add("a")
    mail = answering("mail", UNKNOWN, ACCEPTED)
    deliverer = bench.deliverer(mail)
    deliverer.drain(bench.now)
    assert bench.state("a") == "pending"
    bench.clock.advance(MINUTE)
    deliverer.drain(bench.now)
    assert bench.state("a") == "accepted"
    assert mail.arrived[0] == mail.arrived[1]
    assert kinds(bench) == []


def test_hold_leaves_an_unknown_outcome_to_a_person(bench: Bench) -> None:
    """It stays uncertain for ever, whatever starts anew, and is to be told."""
    bench.add("a", useful=timedelta(minutes=5))
    mail = answering("mail", UNKNOWN, ACCEPTED)
    deliverer = bench.deliverer(mail, conduct=HOLD)
    deliverer.drain(bench.now)
    bench.clock.advance(timedelta(days=2))
    deliverer.take_up(bench.now)
    deliverer.drain(bench.now)
    assert bench.state("a") == "uncertain"
    assert len(mail.arrived) == 1
    assert kinds(bench) == [("uncertain", "mail")]


@pytest.mark.parametrize(("conduct", "state"), [(None, "accepted"), (HOLD, "uncertain")])
def test_what_a_killed_daemon_left_in_flight_follows_the_policy(
    bench: Bench, conduct: Any, state: str
) -> None:
    bench.add("a")
    bench.ledger.spool.begin(PLAN, "a", bench.now)
    mail = Remembering("mail")
    deliverer = bench.deliverer(mail, conduct=conduct)
    assert deliverer.take_up(bench.now) == 1
    deliverer.drain(bench.now)
    assert bench.state("a") == state
    assert len(mail.arrived) == (state == "accepted")
    assert bench.tries("a")[0].code == "interrupted"
    assert kinds(bench) == ([] if conduct is None else [("uncertain", "mail")])


@pytest.mark.parametrize(
    ("decision", "state", "sent"),
    [
        (HandDecision.RESEND, "accepted", 2),
        (HandDecision.ARRIVED, "accepted", 1),
        (HandDecision.DROP, "failed", 1),
    ],
)
def test_a_person_decides_and_the_ledger_says_who(
    bench: Bench, decision: HandDecision, state: str, sent: int
) -> None:
    """Three ways out of uncertain, each once."""
    bench.add("a")
    mail = answering("mail", UNKNOWN, ACCEPTED)
    deliverer = bench.deliverer(mail, conduct=HOLD)
    deliverer.drain(bench.now)
    assert bench.ledger.spool.decide(PLAN, "a", decision, by="机关党委办公室干事", now=bench.now)
    deliverer.drain(bench.now)
    entry = bench.entry("a")
    assert (entry.state, entry.decided_by) == (state, "机关党委办公室干事")
    assert len(mail.arrived) == sent
    assert not bench.ledger.spool.decide(PLAN, "a", decision, by="别人", now=bench.now)


def test_what_is_no_longer_useful_is_not_sent_again_by_hand_either(bench: Bench) -> None:
    bench.add("a", useful=MINUTE)
    bench.deliverer(answering("mail", UNKNOWN), conduct=HOLD).drain(bench.now)
    bench.clock.advance(2 * MINUTE)
    assert not bench.ledger.spool.decide(PLAN, "a", HandDecision.RESEND, by="x", now=bench.now)
    assert bench.state("a") == "uncertain"


def test_an_adapter_that_raises_leaves_an_unknown_outcome(bench: Bench) -> None:
    """It promised not to; whether something went out is then unknown, and the daemon lives."""

    def broken(_: Parcel) -> Outcome:
        raise RuntimeError("bug")

    bench.add("a")
    bench.deliverer(Remembering("mail", broken), conduct=HOLD).drain(bench.now)
    assert (bench.state("a"), bench.entry("a").last_code) == ("uncertain", "internal")


# The channel itself


def test_a_dead_robot_is_left_alone_and_what_waits_for_it_is_kept(bench: Bench) -> None:
    """One try finds it dead; nothing more is tried, the other channel goes on, and resuming sends it all."""
    for key in ("a", "b"):
        bench.add(key, "group")
    bench.add("m", "mail")
    group, mail = answering("group", DEAD, ACCEPTED), Remembering("mail")
    deliverer = bench.deliverer(group, mail)
    deliverer.drain(bench.now)
    bench.clock.advance(timedelta(hours=5))
    deliverer.drain(bench.now)
    assert (len(group.arrived), len(mail.arrived)) == (1, 1)
    assert (bench.state("a"), bench.state("b")) == ("pending", "pending")
    (pause,) = bench.ledger.pauses(PLAN, LIVE)
    assert (pause.channel, pause.kind, pause.lasting, pause.until) == ("group", PauseKind.DEAD, True, None)
    assert deliverer.broken == ("group",)
    assert kinds(bench) == [("paused", "group")]
    assert {(each.alarm, each.reason) for each in bench.ledger.unreached(PLAN, LIVE, bench.now)} == {
        ("alarm-a", "paused"),
        ("alarm-b", "paused"),
    }
    assert bench.ledger.resume(PLAN, LIVE, "group", by="机关党委办公室", now=bench.now)
    deliverer.drain(bench.now)
    assert bench.counts() == {"accepted": 3}
    assert bench.ledger.unreached(PLAN, LIVE, START) == []


def test_what_waits_on_a_dead_channel_expires_like_anything_else(bench: Bench) -> None:
    bench.add("a", "group", useful=timedelta(hours=1))
    deliverer = bench.deliverer(answering("group", DEAD))
    deliverer.drain(bench.now)
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == START + timedelta(hours=1)
    bench.clock.advance(timedelta(hours=1))
    deliverer.drain(bench.now)
    assert bench.state("a") == "expired"
    assert kinds(bench) == [("paused", "group"), ("expired", "group")]


def test_a_channel_that_was_set_up_anew_is_tried_again_and_an_unchanged_one_is_not(bench: Bench) -> None:
    """Its settings or its secret changed: somebody mended it.  A restart alone mends nothing."""
    bench.add("a", "group")
    before = {"group": Conduct(fingerprint="1")}
    bench.deliverer(answering("group", DEAD), conduct=before).drain(bench.now)
    group = Remembering("group")
    bench.deliverer(group, conduct=before).drain(bench.now)
    assert group.arrived == []
    bench.deliverer(group, conduct={"group": Conduct(fingerprint="2")}).drain(bench.now)
    assert bench.state("a") == "accepted"
    bench.add("b", "group")
    bench.deliverer(answering("group", DEAD), conduct=before).drain(bench.now)
    group.secret_mark = "another key"  # type: ignore[attr-defined]
    bench.deliverer(group, conduct=before).drain(bench.now)
    assert bench.state("b") == "accepted"


def test_a_login_refused_once_is_tried_after_a_minute_and_refused_again_every_half_hour(bench: Bench) -> None:
    """Seldom enough not to lock the account; the admin hears of the second refusal only."""
    for number in range(6):
        bench.add(f"d{number}")
    mail = answering("mail", LOGIN, LOGIN, LOGIN, ACCEPTED)
    deliverer = bench.deliverer(mail)
    tried = []
    while bench.counts() != {"accepted": 6}:
        before = len(mail.arrived)
        deliverer.drain(bench.now)
        if len(mail.arrived) > before:
            tried.append(((bench.now - START) // MINUTE, len(mail.arrived) - before, len(kinds(bench))))
        bench.clock.set(bench.ledger.spool.next_instant(PLAN, LIVE) or bench.now)
    assert tried == [(0, 1, 0), (1, 1, 1), (31, 1, 1), (61, 6, 1)]
    assert bench.ledger.pauses(PLAN, LIVE) == []


def test_a_days_quota_used_up_is_a_lasting_pause_and_ends_by_itself(bench: Bench) -> None:
    """Four hours without mail are the admin's business; a minute is not."""
    used_up = Outcome(OutcomeKind.TRANSIENT, "451", "MI:STC", 4 * 3600.0, reach=Reach.THROTTLED)
    bench.add("a")
    bench.add("b")
    deliverer = bench.deliverer(answering("mail", used_up, ACCEPTED))
    deliverer.drain(bench.now)
    assert kinds(bench) == [("paused", "mail")]
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == START + timedelta(hours=4)
    bench.clock.advance(timedelta(hours=4))
    deliverer.drain(bench.now)
    assert bench.counts() == {"accepted": 2}
    assert bench.ledger.pauses(PLAN, LIVE) == []


def test_a_message_that_was_on_its_way_does_not_end_a_pause(bench: Bench) -> None:
    """It was taken before the robot was blocked; its success says nothing of the time after."""
    from tests.delivery.conftest import BLOCKED

    bench.add("slow", "group")
    bench.add("late", "group")

    def answer(parcel: Parcel) -> Outcome:
        if parcel.delivery == "slow":
            bench.clock.advance(timedelta(seconds=1))
            other.deliver(next(each for each in due if each.id == "late"))
            return ACCEPTED
        return BLOCKED

    group = Remembering("group", answer)
    due = bench.ledger.spool.due(PLAN, LIVE, bench.now, limit=9)
    other = bench.deliverer(group)
    other.deliver(next(each for each in due if each.id == "slow"))
    assert bench.counts() == {"accepted": 1, "pending": 1}
    (pause,) = bench.ledger.pauses(PLAN, LIVE)
    assert pause.holds(bench.now)


# Some are refused


BOTH = (("p-a", "UserA"), ("p-b", "UserB"), ("p-c", "UserC"))


def test_a_partial_refusal_touches_only_the_refused(bench: Bench) -> None:
    """Userids come back in lower case; the others' claims are accepted, and nothing is sent again."""
    bench.add("a", "app", receiver="batch", address="UserA|UserB|UserC", receivers=BOTH)
    app = answering("app", Outcome(OutcomeKind.PARTIAL, "errcode 0", "invaliduser", refused=("userb",)))
    deliverer = bench.deliverer(app)
    deliverer.drain(bench.now)
    deliverer.drain(bench.now)
    assert len(app.arrived) == 1
    states = {name: bench.entry("a", name).state for name, _ in BOTH}
    assert states == {"p-a": "accepted", "p-b": "failed", "p-c": "accepted"}
    refused = bench.entry("a", "p-b")
    assert (refused.last_code, refused.last_detail) == ("errcode 0", "invaliduser")
    assert [(each.receiver, each.reason) for each in bench.ledger.unreached(PLAN, LIVE, START)] == [
        ("p-b", "refused")
    ]
    assert [(each.kind, each.receiver) for each in bench.ledger.troubles(PLAN, LIVE)] == [
        (TroubleKind.REFUSED, "p-b")
    ]


def test_all_refused_is_a_failure(bench: Bench) -> None:
    bench.add("a", "app", receiver="batch", address="UserA|UserB|UserC", receivers=BOTH)
    refused = ("usera", "userb", "userc")
    bench.deliverer(answering("app", Outcome(OutcomeKind.PARTIAL, "0", refused=refused))).drain(bench.now)
    assert bench.counts() == {"failed": 1}
    assert len(bench.ledger.unreached(PLAN, LIVE, START)) == 3


def test_a_person_dropping_a_message_settles_it(bench: Bench) -> None:
    """Nothing falls back for what somebody decided not to send."""
    bench.add("a")
    bench.deliverer(answering("mail", UNKNOWN), conduct=HOLD).drain(bench.now)
    bench.ledger.spool.decide(PLAN, "a", HandDecision.DROP, by="x", now=bench.now)
    assert bench.ledger.unreached(PLAN, LIVE, START) == []


# The ledger refuses


def refuse(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, outcomes: bool = False, intents: bool = False
) -> None:
    """The ledger takes none of these."""
    advance, finish = bench.ledger.spool.advance, bench.ledger.spool.finish_many

    def checked(plan: str, ends: Any, begin: Any, *rest: Any) -> Any:
        if (outcomes and list(ends)) or (intents and list(begin)):
            raise LedgerFull("磁盘已满")
        return advance(plan, ends, begin, *rest)

    def finishing(plan: str, ends: Any) -> Any:
        if outcomes:
            raise LedgerFull("磁盘已满")
        return finish(plan, ends)

    monkeypatch.setattr(bench.ledger.spool, "advance", checked)
    monkeypatch.setattr(bench.ledger.spool, "finish_many", finishing)


def test_an_outcome_that_cannot_be_written_is_written_later_and_nothing_is_begun_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known is not forgotten, and what is sent is sent once."""
    for key in ("a", "b"):
        bench.add(key)
    mail = Remembering("mail")
    deliverer = bench.deliverer(mail)
    with monkeypatch.context() as patch:
        refuse(bench, patch, outcomes=True)
        deliverer.drain(bench.now)
        assert len(mail.arrived) == 1
        with pytest.raises(LedgerFull):
            deliverer.drain(bench.now)
        for _ in range(3):
            deliverer.take_up_orphans(bench.now, ())
        assert bench.state("a") == "sending", "its outcome is known here, so it is no orphan"
    bench.clock.advance(MINUTE)
    deliverer.drain(bench.now)
    assert bench.counts() == {"accepted": 2}
    assert [parcel.delivery for parcel in mail.arrived] == ["a", "b"]
    assert bench.tries("a")[0].finished_at == START, "the outcome keeps its own time"


def test_known_outcomes_go_over_to_the_next_deliverer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload, or a ledger opened anew, makes no known outcome an unknown one."""
    bench.add("a")
    kept = Unrecorded()
    mail = Remembering("mail")
    with monkeypatch.context() as patch:
        refuse(bench, patch, outcomes=True)
        bench.deliverer(mail, unrecorded=kept).drain(bench.now)
    following = bench.deliverer(mail, unrecorded=kept)
    assert following.take_up(bench.now) == 0
    assert bench.state("a") == "accepted"
    assert len(mail.arrived) == 1


def test_an_intent_that_cannot_be_written_sends_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a")
    mail = Remembering("mail")
    with monkeypatch.context() as patch:
        refuse(bench, patch, intents=True)
        with pytest.raises(LedgerFull):
            bench.deliverer(mail).drain(bench.now)
    assert mail.arrived == []
    assert bench.state("a") == "pending"


def test_a_delivery_in_flight_that_nobody_carries_is_taken_up(bench: Bench) -> None:
    """An intent was committed and its thread is gone: seen twice in a row, it goes the way of the interrupted."""
    bench.add("a")
    bench.ledger.spool.begin(PLAN, "a", bench.now)
    deliverer = bench.deliverer(Remembering("mail"))
    assert deliverer.take_up_orphans(bench.now, {"a"}) == 0
    assert deliverer.take_up_orphans(bench.now, ()) == 0
    assert deliverer.take_up_orphans(bench.now, ()) == 1
    assert bench.state("a") == "pending"


def test_somebody_elses_delivery_is_left_alone(bench: Bench) -> None:
    """Two deliverers on one ledger: one has it."""
    bench.add("a")
    mail = Remembering("mail")
    (delivery,) = bench.ledger.spool.due(PLAN, LIVE, bench.now, limit=9)
    first, second = bench.deliverer(mail), bench.deliverer(mail)
    assert first.deliver(delivery) is DeliveryState.ACCEPTED
    assert second.deliver(delivery) is None
    assert not isinstance(second.deliver(delivery), Wait)
    assert len(mail.arrived) == 1


def test_a_channel_that_is_gone_from_the_plan_is_a_failure_with_its_reason(bench: Bench) -> None:
    bench.add("a", "old")
    bench.deliverer().drain(bench.now)
    assert (bench.state("a"), bench.entry("a").last_code) == ("failed", "no-channel")
