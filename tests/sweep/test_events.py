"""Events in a sweep: what a registration starts is told, once, and stops when it is called off or done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminder.agenda.facts import DutyAction, Way
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.recording.events import Events
from reminder.recording.recorder import Actor, Entry, Recorder
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import edition_of, remembering
from tests.plans import at, day, item_yaml, plan_of

OUTBOX = Transport.OUTBOX
CODE = "任前-2026-03"
LADDER = """
- id: registered
  from: opens
  workdays: 0
  to: owing
- from: due
  workdays:
    - -10
    - -5
    - -1
  to: owing
- id: gate
  from: due
  workdays: -1
  to:
    - person:p-leader
    - person:p-office
  if: open
  template: gate
- id: passed
  from: due
  workdays: +1
  to: person:p-leader
  if: open
  template: gate
"""
STEP = "private: true\nduty:\n  each: person\n  gate: true\n  of:\n    - person:p-clerk\ntemplate: matter"
STEPS = ("talk", "exam", "statement")
PLAN = plan_of(
    *(item_yaml(name, "event: appointment", LADDER, STEP) for name in STEPS),
    head="  in_charge:\n    - person:p-leader\n",
)


class Bench:
    """An office with its sweeper, and a clerk who registers and records."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.mail, self.now = ledger, remembering(), at("2026-04-20 08:00")
        self.edition = edition_of(PLAN)
        self.sweeper = Sweeper(ledger, self.edition, self.mail, OUTBOX, self.now)
        self.events, self.recorder = Events(ledger, self.edition), Recorder(ledger, self.edition)

    def until(self, instant: str) -> None:
        while self.now < at(instant):
            self.sweeper.sweep(self.now)
            following = max(self.sweeper.next_instant(self.now), self.now + timedelta(minutes=1))
            self.now = min(at(instant), following)
        self.sweeper.sweep(self.now)

    def register(self, on: str = "2026-05-20") -> None:
        self.events.register("appointment", CODE, day(on), by="p-clerk", now=self.now)

    def done(self, *steps: str) -> None:
        for step in steps:
            entry = Entry(f"{step}/{CODE}", "p-clerk", DutyAction.DONE, self.now.date())
            self.recorder.record(Actor("p-clerk", Way.COMMAND), entry, self.now)

    def told(self) -> list[tuple[str, str, str]]:
        """When, to whom, and which of the two texts, by time."""
        return sorted(
            (f"{stamp.date:%m-%d %H:%M}", to.id, "关口" if "齐备" in message.subject else "待办")
            for message, to, stamp in self.mail["mail"].composed
        )


@pytest.fixture
def bench(backend: Backend) -> Bench:
    return Bench(backend.open(LedgerKind.SIMULATION, at("2026-01-01")))


def test_the_ladder_goes_from_the_registration_to_the_gate_and_beyond(bench: Bench) -> None:
    """Nothing done: on registration, T-10, T-5, T-1; the gate at T-1; once more after the day."""
    bench.until("2026-04-20 14:30")
    bench.register()
    bench.until("2026-06-30 12:00")
    assert bench.told() == [
        ("04-20 14:30", "p-clerk", "待办"),
        ("05-07 09:00", "p-clerk", "待办"),
        ("05-13 09:00", "p-clerk", "待办"),
        ("05-19 09:00", "p-clerk", "待办"),
        ("05-19 09:00", "p-leader", "关口"),
        ("05-19 09:00", "p-office", "关口"),
        ("05-21 09:00", "p-leader", "关口"),
    ]


def test_three_steps_of_one_matter_are_said_once(bench: Bench) -> None:
    """Each step has its claim; the text has one section, and names neither step nor clause."""
    bench.register()
    bench.until("2026-04-20 09:00")
    ((message, _, _),) = bench.mail["mail"].composed
    assert message.subject == f"待办事项提醒（{CODE}）"
    assert message.text.count(CODE) == 1
    assert "请向机关党委办公室了解" in message.text
    for hidden in ("事项talk", "事项exam", "事项statement", "二（一）"):
        assert hidden not in message.subject + message.text + message.html + message.markdown
    claims = bench.ledger.book.entries("test", EntryFilter(receiver="p-clerk"))
    assert {entry.item for entry in claims} == set(STEPS)
    assert {entry.decision for entry in claims} == {"merge"}
    assert len({entry.message for entry in claims}) == 1


def test_what_is_registered_late_is_told_once_at_the_registration_and_not_as_late(bench: Bench) -> None:
    """T-10 and T-5 were past: they stand in the ledger as replaced."""
    bench.until("2026-05-15 10:20")
    bench.register()
    bench.until("2026-05-15 10:21")
    assert bench.told() == [("05-15 10:20", "p-clerk", "待办")]
    assert "补发" not in bench.mail["mail"].composed[0][0].text
    found = {
        e.alarm.partition("#")[2]: e.decision
        for e in bench.ledger.book.entries("test", EntryFilter(item="talk"))
    }
    assert found == {"registered": "merge", "due-10wd": "supersede", "due-5wd": "supersede"}


def test_a_gate_with_every_step_done_is_silent(bench: Bench) -> None:
    bench.register()
    bench.until("2026-05-11 10:00")
    bench.done(*STEPS)
    bench.until("2026-06-30 12:00")
    assert bench.told() == [("04-20 09:00", "p-clerk", "待办"), ("05-07 09:00", "p-clerk", "待办")]


def test_one_open_step_keeps_the_gate_shut(bench: Bench) -> None:
    bench.register()
    bench.until("2026-05-11 10:00")
    bench.done("talk", "exam")
    bench.until("2026-05-19 12:00")
    assert ("05-19 09:00", "p-leader", "关口") in bench.told()
    reasons = {
        e.item: e.reason
        for e in bench.ledger.book.entries("test", EntryFilter(since=at("2026-05-19")))
        if e.alarm.endswith("gate")
    }
    assert (reasons["talk"], reasons["statement"]) == ("nothing-open", "due")


def test_a_cancelled_event_tells_nobody_any_more(bench: Bench) -> None:
    bench.register()
    bench.until("2026-05-08 10:00")
    before = bench.told()
    bench.events.cancel("appointment", CODE, by="p-clerk", reason="另有安排", now=bench.now)
    bench.until("2026-06-30 12:00")
    assert bench.told() == before


def test_a_moved_event_is_told_anew_and_its_reminders_follow(bench: Bench) -> None:
    """Moved from 05-20 to 06-24 after T-5: every rung comes again, for what is still open."""
    bench.register()
    bench.until("2026-05-14 10:00")
    bench.done("talk")
    first = len(bench.told())
    bench.events.move("appointment", CODE, day("2026-06-24"), by="p-clerk", reason="改期", now=bench.now)
    bench.until("2026-06-30 12:00")
    assert bench.told()[first:] == [
        ("05-14 10:00", "p-clerk", "待办"),
        ("06-09 09:00", "p-clerk", "待办"),
        ("06-16 09:00", "p-clerk", "待办"),
        ("06-23 09:00", "p-clerk", "待办"),
        ("06-23 09:00", "p-leader", "关口"),
        ("06-23 09:00", "p-office", "关口"),
        ("06-25 09:00", "p-leader", "关口"),
    ]
    moved = bench.ledger.book.entries("test", EntryFilter(item="talk", since=at("2026-05-14 09:30")))
    assert {(e.decision, e.reason) for e in moved} == {("suppress", "nothing-open")}


def test_a_restart_tells_nothing_twice(bench: Bench) -> None:
    bench.register()
    bench.until("2026-05-13 12:00")
    before = bench.told()
    bench.sweeper = Sweeper(bench.ledger, bench.edition, bench.mail, OUTBOX, bench.now)
    bench.until("2026-05-13 18:00")
    assert bench.told() == before
