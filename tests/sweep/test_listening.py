"""A sweep that listens: what is done stops the ladder, what waits comes again, a full day is spread."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminder.agenda.facts import DutyAction, Way
from reminder.ledger.facts import FactKind, NewDutyEvent
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.plan.model import Plan
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import Remembering, edition_of, remembering
from tests.plans import ON_DUE_DAY, at, day, item_yaml, plan_of

OUTBOX = Transport.OUTBOX
UNITS = "duty:\n  each: unit\n  of:\n    - role:责任单位"
OWING = "- from: due\n  workdays:\n    - -1\n    - 0\n  to: owing"
ESCALATING = (
    OWING
    + "\n- id: up\n  from: due\n  workdays: +1\n  to: escalation\n  repeat:\n    every_workdays: 2\n    at_most: 3"
)


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, at("2026-01-01"))


def sweeper_of(ledger: Ledger, plan: Plan, start: str = "2026-06-18") -> tuple[Sweeper, Remembering]:
    channels = remembering()
    return Sweeper(ledger, edition_of(plan), channels, OUTBOX, at(start)), channels["mail"]


def record(ledger: Ledger, cell: str, action: DutyAction, now: str, on: str | None = None) -> None:
    event = NewDutyEvent(
        ("x/2026-06",), cell, action, "p-clerk", Way.COMMAND, day(on) if on else None, "理由"
    )
    ledger.record_duties("test", [event], at(now))


def run_through(sweeper: Sweeper, since: str, until: str) -> None:
    """Sweep at every instant at which there is something to do."""
    now = at(since)
    while now < at(until):
        sweeper.sweep(now)
        now = max(sweeper.next_instant(now), now + timedelta(minutes=1))


def told(mail: Remembering) -> list[tuple[str, str]]:
    """(receiver, day) of everything composed, in order."""
    return [(to.id, f"{stamp.date:%m-%d}") for _, to, stamp in mail.composed]


def claims(ledger: Ledger, **wanted: str) -> set[tuple[str, str, str, str]]:
    found = ledger.book.entries("test", EntryFilter(**wanted))  # type: ignore[arg-type]
    return {(e.alarm.partition("#")[2], e.receiver or "", e.decision, e.reason) for e in found}


def test_who_is_done_is_left_alone_and_who_is_not_is_reminded_on_each_rung(ledger: Ledger) -> None:
    plan = plan_of(item_yaml("x", "every: month", OWING, UNITS))
    sweeper, mail = sweeper_of(ledger, plan)
    record(ledger, "理论科", DutyAction.DONE, "2026-06-20 10:00", "2026-06-19")
    run_through(sweeper, "2026-06-20", "2026-07-01")
    assert told(mail) == [("p-office", "06-29"), ("p-office", "06-30")]


def test_a_ladder_stops_when_the_last_is_done_and_the_record_says_why(ledger: Ledger) -> None:
    plan = plan_of(item_yaml("x", "every: month", ESCALATING, UNITS))
    sweeper, mail = sweeper_of(ledger, plan)
    record(ledger, "理论科", DutyAction.DONE, "2026-06-20 10:00", "2026-06-19")
    run_through(sweeper, "2026-06-20", "2026-07-04")
    assert told(mail)[2:] == [("p-leader", "07-01"), ("p-leader", "07-03")]
    assert "办公室" in mail.composed[-1][0].text
    record(ledger, "办公室", DutyAction.DONE, "2026-07-04 10:00", "2026-07-04")
    run_through(sweeper, "2026-07-04 11:00", "2026-07-20")
    assert len(told(mail)) == 4
    assert ("up~3", "", "suppress", "nothing-open") in claims(ledger, item="x")


def test_a_returned_report_is_owed_again_and_the_ladder_resumes(ledger: Ledger) -> None:
    plan = plan_of(item_yaml("x", "every: month", ESCALATING, UNITS))
    sweeper, mail = sweeper_of(ledger, plan)
    for unit in ("理论科", "办公室"):
        record(ledger, unit, DutyAction.DONE, "2026-06-20 10:00", "2026-06-19")
    run_through(sweeper, "2026-06-20", "2026-07-01")
    assert told(mail) == []
    record(ledger, "办公室", DutyAction.RETURN, "2026-07-01 08:00")
    run_through(sweeper, "2026-07-01 08:30", "2026-07-02")
    assert told(mail) == [("p-leader", "07-01")]


def snooze(ledger: Ledger, until: str, now: str) -> None:
    detail = {"person": "p-office", "occurrence": "x/2026-06", "until": until}
    ledger.remember("test", FactKind.SNOOZE, f"s{now}", by="p-office", detail=detail, now=at(now))


def test_a_snoozed_reminder_comes_on_the_day_asked_for(ledger: Ledger) -> None:
    plan = plan_of(item_yaml("x", "every: month", "- from: due\n  workdays: -5\n  to: owing", UNITS))
    sweeper, mail = sweeper_of(ledger, plan)
    snooze(ledger, "2026-06-25", "2026-06-20 10:00")
    run_through(sweeper, "2026-06-20", "2026-07-01")
    assert told(mail) == [("p-liaison", "06-23"), ("p-office", "06-25")]
    assert ("due-5wd", "p-office", "send", "caught-up") in claims(ledger, receiver="p-office")


def test_what_is_done_while_it_was_snoozed_is_not_said(ledger: Ledger) -> None:
    plan = plan_of(item_yaml("x", "every: month", "- from: due\n  workdays: -5\n  to: owing", UNITS))
    sweeper, mail = sweeper_of(ledger, plan)
    snooze(ledger, "2026-06-25", "2026-06-20 10:00")
    run_through(sweeper, "2026-06-20", "2026-06-24")
    assert claims(ledger, receiver="p-office") == {("due-5wd", "p-office", "postpone", "snoozed")}
    record(ledger, "办公室", DutyAction.DONE, "2026-06-24 10:00", "2026-06-24")
    run_through(sweeper, "2026-06-24 11:00", "2026-07-01")
    assert told(mail) == [("p-liaison", "06-23")]
    assert claims(ledger, receiver="p-office") == {("due-5wd", "p-office", "suppress", "nothing-open")}


def test_what_is_over_the_days_number_waits_for_the_next_working_day(ledger: Ledger) -> None:
    """Four times of one Friday, two messages a day: the rest is one message on Monday."""
    rungs = "- from: due\n  workdays: -5\n  at: {time}\n  to: person:p-office"
    plan = plan_of(
        *(item_yaml(f"i{n}", "date: 2026-06-12", rungs.format(time=f"{9 + n:02d}:00")) for n in range(4)),
        head="  daily_cap: 2\n",
    )
    sweeper, mail = sweeper_of(ledger, plan, "2026-06-04")
    run_through(sweeper, "2026-06-05", "2026-06-12")
    assert told(mail) == [("p-office", "06-05"), ("p-office", "06-05"), ("p-office", "06-08")]
    assert {each[3] for each in claims(ledger, receiver="p-office")} == {"due", "caught-up"}


def test_the_due_day_and_what_stays_alone_are_never_put_off(ledger: Ledger) -> None:
    early = "- from: due\n  workdays: -5\n  at: {time}\n  to: person:p-office"
    plan = plan_of(
        item_yaml("a", "date: 2026-06-12", early.format(time="09:00")),
        item_yaml("b", "date: 2026-06-05", ON_DUE_DAY.replace("to:", "at: 10:00\n  to:")),
        item_yaml("c", "date: 2026-06-12", early.format(time="11:00"), "alone: true"),
        item_yaml("d", "date: 2026-06-12", early.format(time="12:00")),
        head="  daily_cap: 1\n",
    )
    sweeper, mail = sweeper_of(ledger, plan, "2026-06-04")
    run_through(sweeper, "2026-06-05", "2026-06-09")
    assert told(mail) == [("p-office", "06-05")] * 3 + [("p-office", "06-08")]


def test_what_is_recorded_between_looking_and_writing_is_heard(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that claims checks the facts again: the report that just came is not asked for."""
    plan = plan_of(item_yaml("x", "every: month", "- from: due\n  workdays: 0\n  to: owing", UNITS))
    sweeper, _ = sweeper_of(ledger, plan)
    really = ledger.messages_between

    def just_then(*arguments: object) -> dict[tuple[str, str], int]:
        record(ledger, "办公室", DutyAction.DONE, "2026-06-30 09:00", "2026-06-30")
        return really(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "messages_between", just_then)
    sweeper.sweep(at("2026-06-30 09:00"))
    receivers = {
        entry.receiver for entry in ledger.book.entries("test", EntryFilter(item="x")) if entry.message
    }
    assert receivers == {"p-liaison"}
