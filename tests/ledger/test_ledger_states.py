"""No order of calls leads a delivery out of its states: the ledger against a small model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    DeliveryState,
    HandDecision,
    LedgerKind,
    NewDelivery,
    Settlement,
    Transport,
)
from tests.backends import Backend

PLAN, LIVE = "lianjie", Transport.LIVE
START = datetime(2026, 9, 24, 1, tzinfo=UTC)
PENDING, SENDING, UNCERTAIN = DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNCERTAIN
KEYS = st.sampled_from(["d1", "d2", "d3"])
ENDS = st.sampled_from([DeliveryState.ACCEPTED, PENDING, DeliveryState.FAILED, UNCERTAIN])


@dataclass
class Model:
    """What the ledger should know of one delivery."""

    state: DeliveryState
    not_before: datetime
    expires_at: datetime
    attempts: int = 0
    open: bool = False

    def due(self, now: datetime) -> bool:
        return self.state is PENDING and self.not_before <= now < self.expires_at


class DeliveryStates(RuleBasedStateMachine):
    """Minutes pass, and anybody calls anything."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.now = START
        self.backend = backend
        backend.empty()
        self.ledger = self.opened()
        self.model: dict[str, Model] = {}
        new = []
        for number, key in enumerate(("d1", "d2", "d3")):
            self.model[key] = Model(PENDING, START, START + timedelta(minutes=20 + 20 * number))
            new.append(
                NewDelivery(
                    id=key,
                    message=key,
                    channel="mail",
                    receiver="post:理论科科长",
                    address="lilunke@example.com",
                    part=1,
                    parts=1,
                    message_id=f"<{key}@example.com>",
                    subject="题",
                    text="文",
                    payload=b"x",
                    planned_at=START,
                    not_before=START,
                    expires_at=self.model[key].expires_at,
                )
            )
        self.ledger.settle(PLAN, LIVE, Settlement((), tuple(new)), START)

    def opened(self) -> Ledger:
        return self.backend.open(LedgerKind.SIMULATION, self.now)

    def teardown(self) -> None:
        self.ledger.close()

    @rule(minutes=st.integers(-3, 15))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(key=KEYS)
    def begin(self, key: str) -> None:
        known = self.model[key]
        number = self.ledger.spool.begin(PLAN, key, self.now)
        if known.due(self.now):
            known.state, known.attempts, known.open = SENDING, known.attempts + 1, True
            assert number == known.attempts
        else:
            assert number is None

    @rule(key=KEYS, state=ENDS, wait=st.integers(0, 5), back=st.integers(0, 1))
    def finish(self, key: str, state: DeliveryState, wait: int, back: int) -> None:
        known = self.model[key]
        again = self.now + timedelta(minutes=wait) if state is PENDING else None
        number = known.attempts - back
        taken = self.ledger.spool.finish(
            PLAN, key, number, self.now, outcome="x", state=state, not_before=again
        )
        assert taken is (known.state is SENDING and back == 0)
        if taken:
            known.state, known.open = state, False
            known.not_before = again or known.not_before

    @rule(key=KEYS, state=ENDS)
    def resolve(self, key: str, state: DeliveryState) -> None:
        known = self.model[key]
        again = self.now if state is PENDING else None
        done = self.ledger.spool.resolve(PLAN, key, state, again, self.now)
        from_sending = known.state is SENDING and not known.open
        from_uncertain = known.state is UNCERTAIN and state is PENDING
        assert done is (from_sending or from_uncertain)
        if done:
            known.state, known.not_before = state, again or known.not_before

    @rule(key=KEYS, decision=st.sampled_from(HandDecision))
    def decide(self, key: str, decision: HandDecision) -> None:
        known = self.model[key]
        done = self.ledger.spool.decide(PLAN, key, decision, by="clerk", now=self.now)
        useful = decision is not HandDecision.RESEND or self.now < known.expires_at
        assert done is (known.state is UNCERTAIN and useful)
        if done:
            known.state = {
                HandDecision.RESEND: PENDING,
                HandDecision.ARRIVED: DeliveryState.ACCEPTED,
                HandDecision.DROP: DeliveryState.FAILED,
            }[decision]
            known.not_before = self.now if decision is HandDecision.RESEND else known.not_before

    @rule(key=KEYS, wait=st.integers(-2, 9))
    def postpone(self, key: str, wait: int) -> None:
        known, until = self.model[key], self.now + timedelta(minutes=wait)
        moved = self.ledger.spool.postpone(PLAN, key, until, self.now)
        assert moved is (known.state is PENDING and known.not_before < until)
        known.not_before = until if moved else known.not_before

    @rule()
    def restart(self) -> None:
        self.ledger.close()
        self.ledger = self.opened()
        left = self.ledger.spool.interrupted(PLAN, LIVE, self.now)
        assert {each.id for each in left} == {k for k, v in self.model.items() if v.state is SENDING}
        for each in left:
            self.model[each.id].open = False

    @rule()
    def expire(self) -> None:
        gone = {each.id for each in self.ledger.spool.expire(PLAN, LIVE, self.now)}
        expected = {k for k, v in self.model.items() if v.state is PENDING and v.expires_at <= self.now}
        assert gone == expected
        for key in gone:
            self.model[key].state = DeliveryState.EXPIRED

    @invariant()
    def the_ledger_agrees(self) -> None:
        due = {each.id for each in self.ledger.spool.due(PLAN, LIVE, self.now, limit=9)}
        assert due == {key for key, known in self.model.items() if known.due(self.now)}
        states: dict[str, int] = {}
        for key, known in self.model.items():
            states[known.state.value] = states.get(known.state.value, 0) + 1
            tries = self.ledger.book.attempts_of(PLAN, key)
            assert [each.number for each in tries] == list(range(1, known.attempts + 1))
            assert [each.finished_at is None for each in tries].count(True) == known.open
        assert self.ledger.book.counts(PLAN, LIVE) == states


def test_whatever_is_called_the_ledger_stands_as_its_model(backend: Backend) -> None:
    """Minutes pass, anybody calls anything, and daemons start anew."""
    few = settings(max_examples=12 if backend.name == "sqlite" else 4, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(lambda: DeliveryStates(backend), settings=few)
