"""Decisions: every one with its reason."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.facts import Facts
from reminder.agenda.policy import ACTION_TEXT, REASON_TEXT, Action, Decision, Reason, decide, decide_all
from tests.plans import CALENDAR, at, item_yaml, plan_of

LADDER = "- from: due\n  workdays:\n    - -5\n    - -2\n    - 0\n    - 3\n  to: everyone"
PLAN = plan_of(item_yaml("x", "date: 2026-06-10", LADDER))
ALARMS = expand(PLAN, CALENDAR, at("2026-01-01"), at("2026-12-31"))
LONG_AGO = at("2026-01-01")


def facts(adopted: datetime = LONG_AGO, *, rehearsal: bool = True) -> Facts:
    return Facts({("x", rung.id): adopted for rung in PLAN.items[0].rungs}, rehearsal=rehearsal)


def reasons(now: datetime) -> list[Decision]:
    due = [alarm for alarm in ALARMS if alarm.at <= now]
    return [decision for _, decision in decide_all(due, facts(), now)]


def test_an_alarm_on_time_is_sent() -> None:
    """At its instant, and a little after, an alarm is simply due."""
    assert decide(ALARMS[0], facts(), ALARMS[0].at) == Decision(Action.SEND, Reason.DUE)


def test_instants_before_adoption_are_recorded_and_never_sent() -> None:
    """An item added late does not fire its old rungs."""
    adopted = ALARMS[1].at
    decided = [decide(alarm, facts(adopted), ALARMS[1].at) for alarm in ALARMS[:2]]
    assert decided == [Decision(Action.SUPPRESS, Reason.BEFORE_ADOPTION), Decision(Action.SEND, Reason.DUE)]


def test_a_rung_that_was_never_adopted_is_not_sent() -> None:
    """Without an adoption there is no promise."""
    assert decide(ALARMS[0], Facts(), ALARMS[0].at).reason is Reason.BEFORE_ADOPTION


def test_adoption_follows_a_rename() -> None:
    """A renamed item's rungs were adopted when the old ones were."""
    known = Facts({("old", "r"): LONG_AGO})
    assert known.adopted_at(("new", "old"), ("r",)) == LONG_AGO


def test_after_an_outage_only_the_latest_useful_rung_goes_out() -> None:
    """Two rungs missed by a short outage: one message, marked as caught up."""
    now = ALARMS[1].at + timedelta(hours=5)
    assert reasons(now) == [
        Decision(Action.SUPERSEDE, Reason.LATER_RUNG),
        Decision(Action.SEND, Reason.CAUGHT_UP),
    ]


def test_after_a_long_outage_what_expired_is_missed() -> None:
    """Past the due date the rungs before it are useless; the one after it still is not."""
    now = ALARMS[3].at + timedelta(minutes=1)
    assert reasons(now) == [
        Decision(Action.MISS, Reason.EXPIRED),
        Decision(Action.MISS, Reason.EXPIRED),
        Decision(Action.MISS, Reason.EXPIRED),
        Decision(Action.SEND, Reason.DUE),
    ]


def test_approval_holds_live_messages_and_lets_rehearsals_through() -> None:
    """Under ``outbox`` nothing reaches anybody, so nothing needs to wait."""
    plan = plan_of(
        item_yaml(
            "x",
            "date: 2026-06-10",
            "- from: due\n  workdays: 0\n  to: everyone",
            "approval:\n  by: person:p-office\n  from: due\n  workdays: -3",
        )
    )
    (alarm,) = expand(plan, CALENDAR, at("2026-01-01"), at("2026-12-31"))
    adopted = {("x", alarm.rung.id): LONG_AGO}
    assert decide(alarm, Facts(adopted, rehearsal=False), alarm.at).action is Action.HOLD
    assert decide(alarm, Facts(adopted, rehearsal=True), alarm.at).action is Action.SEND


@given(st.integers(0, 40 * 24 * 60), st.permutations(range(len(ALARMS))))
def test_law_decisions_do_not_depend_on_order_and_at_most_one_rung_is_sent(
    minutes: int, order: list[int]
) -> None:
    """Whenever the daemon wakes: one message at most for an audience, the same in any order."""
    now = at("2026-05-25") + timedelta(minutes=minutes)
    due = [alarm for alarm in ALARMS if alarm.at <= now]
    expected = decide_all(due, facts(), now)
    shuffled: list[Alarm] = [ALARMS[index] for index in order if ALARMS[index].at <= now]
    assert decide_all(shuffled, facts(), now) == expected
    sent = [alarm for alarm, decision in expected if decision.action is Action.SEND]
    assert len(sent) <= 1
    assert all(alarm is due[-1] for alarm in sent)


def test_every_action_and_reason_has_words_for_people() -> None:
    """The ledger never shows a code where a clerk reads."""
    assert set(ACTION_TEXT) == set(Action)
    assert set(REASON_TEXT) == set(Reason)
