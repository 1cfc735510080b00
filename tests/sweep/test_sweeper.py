"""One pass over the plan: what it claims, merges, records and tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.plan.model import Plan
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import Remembering, edition_of, remembering
from tests.plans import ON_DUE_DAY, at, item_yaml, plan_of

OUTBOX = Transport.OUTBOX


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, at("2026-01-01"))


def sweeper_of(
    ledger: Ledger, plan: Plan, start: str = "2026-01-01"
) -> tuple[Sweeper, dict[str, Remembering]]:
    channels = remembering()
    return Sweeper(ledger, edition_of(plan), channels, OUTBOX, at(start)), channels


def entries(ledger: Ledger, **wanted: str) -> list[tuple[str, str, str, str, str]]:
    found = ledger.book.entries("test", EntryFilter(**wanted))  # type: ignore[arg-type]
    return sorted((e.alarm, e.receiver or "", e.channel or "", e.decision, e.reason) for e in found)


TO_TWO = "- from: due\n  workdays: 0\n  to:\n    - person:p-office\n    - person:p-theory"


def test_a_due_alarm_becomes_a_claim_and_a_delivery_for_each_receiver(ledger: Ledger) -> None:
    """Two persons, one channel: two claims, two frozen messages."""
    sweeper, _ = sweeper_of(ledger, plan_of(item_yaml("x", "date: 2026-06-10", TO_TWO)))
    swept = sweeper.sweep(at("2026-06-10 09:00"))
    assert (dict(swept.actions), swept.deliveries) == ({"send": 1}, 2)
    assert entries(ledger, item="x") == [
        ("x/2026-06-10#due+0wd", "p-office", "mail", "send", "due"),
        ("x/2026-06-10#due+0wd", "p-theory", "mail", "send", "due"),
    ]
    due = ledger.spool.due("test", OUTBOX, at("2026-06-10 09:00"), limit=10)
    assert {each.address for each in due} == {"office@example.com", "theory@example.com"}


def test_nothing_is_claimed_twice_whatever_happens_to_the_sweeper(ledger: Ledger) -> None:
    """A second tick, a second sweeper and a clock set back find it settled."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", TO_TWO))
    first, _ = sweeper_of(ledger, plan)
    second, _ = sweeper_of(ledger, plan)
    assert first.sweep(at("2026-06-10 09:00")).deliveries == 2
    assert first.sweep(at("2026-06-10 08:00")).deliveries == 0
    assert first.sweep(at("2026-06-10 09:01")).deliveries == 0
    assert second.sweep(at("2026-06-10 09:02")).deliveries == 0
    fresh, _ = sweeper_of(ledger, plan)
    assert fresh.sweep(at("2026-06-10 09:03")).deliveries == 0


def test_alarms_that_meet_are_one_message_with_a_claim_each(ledger: Ledger) -> None:
    """Three things due to one person on one morning arrive as one mail."""
    plan = plan_of(*(item_yaml(name, "date: 2026-06-10", ON_DUE_DAY) for name in ("a", "b", "c")))
    sweeper, channels = sweeper_of(ledger, plan)
    swept = sweeper.sweep(at("2026-06-10 09:00"))
    assert (dict(swept.actions), swept.deliveries) == ({"send": 3}, 1)
    assert {claim[3] for claim in entries(ledger, receiver="p-office")} == {"merge"}
    ((message, _, _),) = channels["mail"].composed
    assert all(f"事项{name}" in message.text for name in ("a", "b", "c"))
    messages = {entry.message for entry in ledger.book.entries("test", EntryFilter(receiver="p-office"))}
    assert len(messages) == 1


def test_the_most_urgent_section_comes_first(ledger: Ledger) -> None:
    """In a merged message the order is that of the due dates."""
    soon = "- from: due\n  workdays: 0\n  to: person:p-office"
    early = "- from: due\n  days: -20\n  to: person:p-office"
    plan = plan_of(item_yaml("far", "date: 2026-06-30", early), item_yaml("near", "date: 2026-06-10", soon))
    sweeper, channels = sweeper_of(ledger, plan)
    sweeper.sweep(at("2026-06-10 09:00"))
    ((message, _, _),) = channels["mail"].composed
    assert message.text.index("事项near") < message.text.index("事项far")


def test_an_item_marked_alone_is_never_merged(ledger: Ledger) -> None:
    """``alone: true`` keeps its own message beside the digest of the others."""
    plan = plan_of(
        item_yaml("a", "date: 2026-06-10", ON_DUE_DAY),
        item_yaml("b", "date: 2026-06-10", ON_DUE_DAY),
        item_yaml("c", "date: 2026-06-10", ON_DUE_DAY, "alone: true"),
    )
    sweeper, _ = sweeper_of(ledger, plan)
    assert sweeper.sweep(at("2026-06-10 09:00")).deliveries == 2


def test_festivals_that_share_a_break_are_said_in_one_message(ledger: Ledger) -> None:
    """2025: 国庆 and 中秋 keep two alarms and two claims, and everybody gets one message."""
    remind = "- from: break\n  workdays: -1\n  at: 09:30\n  to: person:p-office\n  template: festival"
    plan = plan_of(item_yaml("f", "festivals:\n  - 中秋\n  - 国庆", remind, "alone: true"))
    head = plan.head.model_copy(update={"from_": at("2025-01-01").date(), "until": at("2025-12-31").date()})
    from dataclasses import replace

    sweeper, channels = sweeper_of(ledger, replace(plan, head=head), "2025-01-01")
    assert sweeper.sweep(at("2025-09-30 09:30")).deliveries == 1
    assert [claim[0] for claim in entries(ledger, item="f")] == [
        "f/2025/中秋#break-1wd",
        "f/2025/国庆#break-1wd",
    ]
    ((message, _, _),) = channels["mail"].composed
    assert "国庆" in message.subject
    assert "中秋" in message.subject


def test_a_group_channel_gets_one_post_and_persons_are_mentioned(ledger: Ledger) -> None:
    """The group is the receiver; whom it concerns is mentioned, everyone is not."""
    mention = "- from: due\n  workdays: 0\n  to: person:p-office\n  via:\n    - group"
    all_of_us = "- from: due\n  workdays: 0\n  at: 10:00\n  to: everyone\n  via:\n    - group"
    plan = plan_of(item_yaml("x", "date: 2026-06-10", mention), item_yaml("y", "date: 2026-06-10", all_of_us))
    sweeper, channels = sweeper_of(ledger, plan)
    sweeper.sweep(at("2026-06-10 09:00"))
    sweeper.sweep(at("2026-06-10 10:00"))
    assert [to.mentions for _, to, _ in channels["group"].composed] == [("office",), ()]
    assert {claim[1] for claim in entries(ledger, channel="group")} == {"group:group"}


def test_a_person_without_an_address_is_a_recorded_failure_and_the_admins_are_told(ledger: Ledger) -> None:
    """Nobody falls through silently: the claim says why, and a notice goes out."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
    people = tuple(
        each.model_copy(update={"mail": None}) if each.id == "p-office" else each
        for each in plan.directory.people
    )
    from dataclasses import replace

    directory = replace(plan.directory, people=people, _index={})
    sweeper, channels = sweeper_of(ledger, replace(plan, directory=directory))
    sweeper.sweep(at("2026-06-10 09:00"))
    assert entries(ledger, item="x") == [("x/2026-06-10#due+0wd", "p-office", "mail", "fail", "no-address")]
    ((message, to, _),) = channels["mail"].composed
    assert to.id == "p-clerk"
    assert "办公室主任" in message.text


def test_old_instants_of_a_plan_adopted_late_are_recorded_and_not_sent(ledger: Ledger) -> None:
    """A plan that starts in January and is adopted in November sends nothing of the past."""
    plan = plan_of(item_yaml("x", "every: quarter", ON_DUE_DAY))
    sweeper, _ = sweeper_of(ledger, plan, "2026-11-22")
    swept = sweeper.sweep(at("2026-11-22 12:00"))
    assert dict(swept.actions) == {"suppress": 3}
    assert {claim[4] for claim in entries(ledger, item="x")} == {"before-adoption"}


def test_a_rung_added_to_a_running_plan_does_not_fire_its_past(ledger: Ledger) -> None:
    """Adoption is recorded for each rung: the new one counts from its own start."""
    old = plan_of(
        item_yaml("x", "date: 2026-06-10", "- id: a\n  from: due\n  days: -9\n  to: person:p-office")
    )
    sweeper, channels = sweeper_of(ledger, old)
    more = (
        "- id: a\n  from: due\n  days: -9\n  to: person:p-office\n"
        "- id: b\n  from: due\n  days: -8\n  to: person:p-office"
    )
    now = at("2026-06-03 12:00")
    sweeper.load(edition_of(plan_of(item_yaml("x", "date: 2026-06-10", more))), channels, OUTBOX, now)
    sweeper.sweep(now)
    assert entries(ledger, item="x") == [
        ("x/2026-06-10#a", "p-office", "mail", "send", "caught-up"),
        ("x/2026-06-10#b", "", "", "suppress", "before-adoption"),
    ]


def test_a_renamed_item_does_not_repeat_what_was_sent(ledger: Ledger) -> None:
    """``was:`` carries the identity over."""
    sweeper, channels = sweeper_of(ledger, plan_of(item_yaml("old", "date: 2026-06-10", ON_DUE_DAY)))
    assert sweeper.sweep(at("2026-06-10 09:00")).deliveries == 1
    renamed = plan_of(item_yaml("new", "date: 2026-06-10", ON_DUE_DAY, "was:\n  - old"))
    sweeper.load(edition_of(renamed), channels, OUTBOX, at("2026-06-10 09:30"))
    assert sweeper.sweep(at("2026-06-10 09:30")).deliveries == 0


def test_what_expired_during_an_outage_is_missed_and_the_admins_are_told_once(ledger: Ledger) -> None:
    """Three weeks down: recorded as missed, one notice, no stale reminder."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
    sweeper, channels = sweeper_of(ledger, plan)
    sweeper.sweep(at("2026-06-30 10:00"))
    sweeper.sweep(at("2026-06-30 10:01"))
    assert entries(ledger, item="x") == [("x/2026-06-10#due+0wd", "", "", "miss", "expired")]
    assert [(to.id, "事项x" in message.text) for message, to, _ in channels["mail"].composed] == [
        ("p-clerk", True)
    ]


def test_a_short_outage_is_caught_up_and_says_so(ledger: Ledger) -> None:
    """An hour late before the due time: sent, marked as late."""
    sweeper, channels = sweeper_of(ledger, plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)))
    assert sweeper.sweep(at("2026-06-10 10:00")).deliveries == 1
    (entry,) = ledger.book.entries("test", EntryFilter(item="x"))
    assert (entry.late, entry.reason) == (True, "caught-up")
    assert "补发" in channels["mail"].composed[0][0].text


def test_missing_arrangement_is_told_from_november_on_once_a_week(ledger: Ledger) -> None:
    """2026-11-01 is a Sunday: the first notice goes out on Monday, the next a week later."""
    sweeper, _ = sweeper_of(ledger, plan_of(item_yaml("x", "every: year", ON_DUE_DAY)), "2026-10-30")
    moment = at("2026-10-30 09:00")
    told = []
    while moment < at("2026-11-12"):
        sweeper.sweep(moment)
        count = len(ledger.book.entries("test", EntryFilter(item="notice", receiver="p-clerk")))
        if len(told) < count:
            told.append(f"{moment:%m-%d}")
        moment += timedelta(days=1)
    # The plan's own end (60 days before 2026-12-31 is 11-01) is told on the same Monday.
    assert told[0] == "11-02"
    kinds = [entry.occurrence for entry in ledger.book.entries("test", EntryFilter(item="notice"))]
    assert sorted(kinds) == [
        "notice/arrangement-2027",
        "notice/arrangement-2027",
        "notice/plan-ends-2026-12-31",
    ]


def test_outbox_rows_do_not_keep_live_messages_from_going_out(ledger: Ledger) -> None:
    """Transport is part of identity: what was rehearsed is still to be sent."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
    sweeper, channels = sweeper_of(ledger, plan)
    sweeper.load(edition_of(plan), channels, Transport.LIVE, at("2026-06-01"))
    sweeper.load(edition_of(plan), channels, OUTBOX, at("2026-06-02"))
    assert sweeper.sweep(at("2026-06-10 09:00")).deliveries == 1
    sweeper.load(edition_of(plan), channels, Transport.LIVE, at("2026-06-10 09:05"))
    assert sweeper.sweep(at("2026-06-10 09:05")).deliveries == 1


def test_going_live_does_not_send_what_was_due_before(ledger: Ledger) -> None:
    """The adoption instant of the live transport is when it went live."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
    sweeper, channels = sweeper_of(ledger, plan)
    sweeper.load(edition_of(plan), channels, Transport.LIVE, at("2026-06-10 12:00"))
    assert sweeper.sweep(at("2026-06-10 12:00")).deliveries == 0


def test_a_template_that_fails_for_one_item_does_not_hold_up_the_others(ledger: Ledger) -> None:
    """The failure is recorded with its reason; the other reminder goes out."""
    plan = plan_of(
        item_yaml("bad", "date: 2026-06-10", ON_DUE_DAY + "  template: nonesuch\n"),
        item_yaml("good", "date: 2026-06-10", ON_DUE_DAY.replace("p-office", "p-theory")),
    )
    sweeper, _ = sweeper_of(ledger, plan)
    sweeper.sweep(at("2026-06-10 09:00"))
    assert entries(ledger, item="bad")[0][3:] == ("fail", "template")
    assert entries(ledger, item="good")[0][3:] == ("send", "due")
