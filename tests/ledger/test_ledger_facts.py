"""What the ledger keeps of what happened: each once, in order, and given back as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from reminder.agenda.facts import DutyAction, DutyState, Way
from reminder.ledger.errors import FactsChanged
from reminder.ledger.facts import Effect, FactKind, NewDutyEvent
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import NewClaim, Settlement

PLAN = "lianjie"
DAY = date(2026, 9, 23)


def new(
    action: DutyAction, *, occurrences: tuple[str, ...] = ("report/2026Q3",), **more: Any
) -> NewDutyEvent:
    values: dict[str, Any] = {"cell": "理论科", "by": "p-clerk", "way": Way.COMMAND, "on": DAY}
    return NewDutyEvent(occurrences, action=action, **values | more)


def test_a_transition_is_kept_as_it_was_recorded(ledger: Ledger, sample: Any) -> None:
    event = new(DutyAction.DONE, way=Way.LIAISON, note="已收到", for_="理论科")
    (recorded,) = ledger.record_duties(PLAN, [event], sample.now)
    assert (recorded.effect, recorded.state) == (Effect.RECORDED, DutyState.DONE)
    (kept,) = ledger.facts(PLAN, sample.live).duties["report/2026Q3", "理论科"]
    assert (kept.action, kept.at, kept.by, kept.way, kept.on, kept.note, kept.for_) == (
        DutyAction.DONE, sample.now, "p-clerk", Way.LIAISON, DAY, "已收到", "理论科",
    )  # fmt: skip


def test_what_stands_already_is_not_written_again(ledger: Ledger, sample: Any) -> None:
    ledger.record_duties(PLAN, [new(DutyAction.DONE)], sample.now)
    number = ledger.facts_number(PLAN)
    (again,) = ledger.record_duties(PLAN, [new(DutyAction.DONE, by="p-office")], sample.at(hours=1))
    assert (again.effect, ledger.facts_number(PLAN)) == (Effect.ALREADY, number)


def test_what_cannot_start_from_here_is_refused_and_nothing_changes(ledger: Ledger, sample: Any) -> None:
    (refused,) = ledger.record_duties(PLAN, [new(DutyAction.RETURN)], sample.now)
    assert (refused.effect, refused.state) == (Effect.REFUSED, DutyState.OPEN)
    assert ledger.facts(PLAN, sample.live).duties == {}


def test_with_one_refused_nothing_of_the_others_is_kept(ledger: Ledger, sample: Any) -> None:
    before = ledger.holds.standing().changes
    batch = [new(DutyAction.DONE, cell="办公室"), new(DutyAction.RETURN), new(DutyAction.DONE, cell="文艺科")]
    found = ledger.record_duties(PLAN, batch, sample.now)
    assert [each.effect for each in found] == [Effect.RECORDED, Effect.REFUSED]
    assert ledger.facts(PLAN, sample.live).duties == {}
    assert ledger.holds.standing().changes == before


def test_another_date_for_what_is_booked_is_recorded_and_the_same_is_not(ledger: Ledger, sample: Any) -> None:
    days = (DAY, DAY, DAY + timedelta(days=1))
    effects = [ledger.record_duties(PLAN, [new(DutyAction.BOOK, on=on)], sample.now)[0].effect for on in days]
    assert effects == [Effect.RECORDED, Effect.ALREADY, Effect.RECORDED]


def test_a_renamed_items_record_goes_on(ledger: Ledger, sample: Any) -> None:
    ledger.record_duties(PLAN, [new(DutyAction.DONE)], sample.now)
    renamed = ("bericht/2026Q3", "report/2026Q3")
    (returned,) = ledger.record_duties(PLAN, [new(DutyAction.RETURN, occurrences=renamed)], sample.now)
    assert returned.state is DutyState.RETURNED
    facts = ledger.facts(PLAN, sample.live)
    assert [event.action for event in facts.events_of(renamed, "理论科")] == [
        DutyAction.DONE,
        DutyAction.RETURN,
    ]


def test_of_fifty_who_record_the_same_at_once_one_does(ledger: Ledger, sample: Any) -> None:
    def one(number: int) -> Effect:
        return ledger.record_duties(PLAN, [new(DutyAction.DONE, by=f"p{number}")], sample.now)[0].effect

    with ThreadPoolExecutor(50) as pool:
        effects = list(pool.map(one, range(50)))
    assert effects.count(Effect.RECORDED) == 1
    assert effects.count(Effect.ALREADY) == 49


def test_a_happening_is_kept_once_under_its_key(ledger: Ledger, sample: Any) -> None:
    detail = {"event": "appointment", "subject": "任前-2026-03", "on": "2026-10-20"}

    def remember() -> bool:
        return ledger.remember(
            PLAN, FactKind.EVENT, "appointment/任前-2026-03", by="p-clerk", detail=detail, now=sample.now
        )

    assert (remember(), remember()) == (True, False)
    (event,) = ledger.facts(PLAN, sample.live).events
    assert (event.event, event.subject, event.on, event.by) == (
        "appointment", "任前-2026-03", date(2026, 10, 20), "p-clerk",
    )  # fmt: skip


def test_a_silence_ends_when_it_is_ended(ledger: Ledger, sample: Any) -> None:
    detail = {
        "kind": "item", "name": "report", "since": sample.now.isoformat(),
        "until": sample.at(days=9).isoformat(), "reason": "换届",
    }  # fmt: skip
    ledger.remember(PLAN, FactKind.SILENCE, "s1", by="p-clerk", detail=detail, now=sample.now)
    (silence,) = ledger.facts(PLAN, sample.live).silences
    assert silence.holds(sample.at(days=8))
    ledger.remember(PLAN, FactKind.SILENCE_END, "s1", by="p-clerk", detail={}, now=sample.at(days=2))
    (silence,) = ledger.facts(PLAN, sample.live).silences
    assert (silence.holds(sample.at(days=1)), silence.holds(sample.at(days=3))) == (True, False)


def test_nothing_is_claimed_on_facts_that_are_no_longer_true(ledger: Ledger, sample: Any) -> None:
    number = ledger.facts_number(PLAN)
    ledger.record_duties(PLAN, [new(DutyAction.DONE)], sample.now)
    with pytest.raises(FactsChanged):
        ledger.settle(PLAN, sample.live, sample.message(), sample.now, facts_number=number)
    assert ledger.settled(PLAN, sample.live) == set()
    ledger.settle(PLAN, sample.live, sample.message(), sample.now, facts_number=ledger.facts_number(PLAN))


def test_a_claim_that_waits_is_decided_once(ledger: Ledger, sample: Any) -> None:
    """The second to decide is told so, and nothing of theirs is written."""
    waits = sample.claim(decision="postpone", reason="daily-cap", until=sample.at(hours=1))
    ledger.settle(PLAN, sample.live, Settlement((sample.alarm(claims=(waits,)),)), sample.now)
    assert ledger.postponed(PLAN, sample.live, sample.now) == []
    assert ledger.next_postponed(PLAN, sample.live) == sample.at(hours=1)
    (waiting,) = ledger.postponed(PLAN, sample.live, sample.at(hours=1))
    assert (waiting.receiver, waiting.reason) == (waits.receiver, "daily-cap")
    sent = Settlement((), (sample.delivery(),), again=(sample.alarm(claims=(sample.claim(message="m-d1"),)),))
    ledger.settle(PLAN, sample.live, sent, sample.at(hours=1))
    assert ledger.postponed(PLAN, sample.live, sample.at(hours=2)) == []
    late = Settlement(
        (), (sample.delivery("d2"),), again=(sample.alarm(claims=(sample.claim(message="m-d2"),)),)
    )
    from reminder.ledger.errors import AlreadySettled

    with pytest.raises(AlreadySettled):
        ledger.settle(PLAN, sample.live, late, sample.at(hours=2))
    assert [each.id for each in ledger.spool.due(PLAN, sample.live, sample.at(hours=2), limit=9)] == ["d1"]


def test_the_messages_of_a_day_are_counted_by_receiver_and_channel(ledger: Ledger, sample: Any) -> None:
    for key in ("d1", "d2"):
        ledger.settle(PLAN, sample.live, sample.message(key), sample.now)
    notice = NewClaim("p-clerk", "mail", "send", "due", "m-d3")
    settlement = Settlement((sample.alarm("n", item="notice", claims=(notice,)),), (sample.delivery("d3"),))
    ledger.settle(PLAN, sample.live, settlement, sample.now)
    counted = ledger.messages_between(PLAN, sample.live, sample.now, sample.at(hours=1))
    assert counted == {("post:理论科科长", "mail"): 2}
    assert ledger.messages_between(PLAN, sample.live, sample.at(hours=1), sample.at(hours=2)) == {}
