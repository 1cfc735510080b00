"""Whom an alarm reaches, and with what they owe."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from reminder.agenda.alarms import expand
from reminder.agenda.facts import (
    NOTHING,
    DutyAction,
    DutyEvent,
    Facts,
    Silence,
    SilenceKind,
    Snooze,
    Way,
)
from reminder.agenda.reach import Reached, reach
from reminder.agenda.reasons import Reason
from tests.plans import CALENDAR, DIRECTORY, at, day, item_yaml, plan_of

PAIR = "duty:\n  each: pair\n  of: supervision"


def reached(audience: list[str], duty: str = PAIR, *more: str) -> Reached:
    rung = "- from: due\n  workdays: 0\n  to:\n" + textwrap.indent(
        "\n".join(f"- {each}" for each in audience), "    "
    )
    plan = plan_of(item_yaml("x", "every: half-year", rung, duty, *more))
    (alarm,) = expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-01"))
    return reach(alarm, plan, CALENDAR, NOTHING, alarm.at)


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (["everyone"], ["p-leader", "p-office", "p-theory", "p-liaison", "p-secretary", "p-clerk"]),
        (["everyone", "not unit:理论科"], ["p-leader", "p-office", "p-secretary", "p-clerk"]),
        (["owing"], ["p-leader"]),
        (["owing", "not person:p-leader"], []),
        (["owing", "post:办公室主任"], ["p-leader", "p-office"]),
        (["head:机关各科室"], ["p-office", "p-theory"]),
        (["contact:机关各科室"], ["p-office", "p-liaison"]),
        (["role:部务会成员"], ["p-leader"]),
        (["escalation"], []),
    ],
)
def test_audiences_are_unions_with_exclusions_in_roster_order(
    audience: list[str], expected: list[str]
) -> None:
    """Each person once, in the order of the directory."""
    assert [each.person.id for each in reached(audience).receivers] == expected


def test_a_receiver_sees_only_the_cells_they_own() -> None:
    """The leader reads both names; the office head, told for information, none."""
    found = {each.person.id: len(each.cells) for each in reached(["owing", "post:办公室主任"]).receivers}
    assert found == {"p-leader": 2, "p-office": 0}


def test_an_escalation_goes_to_those_above_with_the_cells_below_them() -> None:
    unit = "duty:\n  each: unit\n  of:\n    - role:责任单位"
    (above,) = reached(["escalation"], unit).receivers
    assert (above.person.id, [cell.id for cell in above.cells]) == ("p-leader", ["办公室", "理论科"])


def facts_of(*done: str, action: DutyAction = DutyAction.DONE, **more: Any) -> Facts:
    """Facts with these cells of the half-year done (or whatever ``action`` says)."""
    duties = {
        ("x/2026H1", cell): (
            DutyEvent(
                1, "x/2026H1", cell, action, at("2026-05-01"), "p-clerk", Way.COMMAND, day("2026-05-01")
            ),
        )
        for cell in done
    }
    return Facts(duties=duties, **more)


def told(
    audience: str, facts: Facts, *extra: str, rung: str = "", head: str = "", directory: str = DIRECTORY
) -> Reached:
    block = f"- from: due\n  workdays: 0\n  to: {audience}\n{textwrap.indent(rung, '  ')}"
    items = item_yaml("x", "every: half-year", block, "\n".join((PAIR, *extra)))
    plan = plan_of(items, head=head, directory=directory)
    (alarm,) = expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-01"))
    return reach(alarm, plan, CALENDAR, facts, alarm.at)


def test_only_what_is_still_open_is_named() -> None:
    (leader,) = told("owing", facts_of("p-leader/p-office")).receivers
    assert [cell.id for cell in leader.cells] == ["p-leader/p-theory"]


def test_when_all_is_done_nobody_is_reminded_and_the_reason_is_named() -> None:
    found = told("owing", facts_of("p-leader/p-office", "p-leader/p-theory"))
    assert (found.receivers, found.reason) == ((), Reason.NOTHING_OPEN)


def test_a_booked_cell_is_owed_and_not_asked_to_be_booked() -> None:
    booked = facts_of("p-leader/p-office", "p-leader/p-theory", action=DutyAction.BOOK)
    assert len(told("owing", booked).receivers[0].cells) == 2
    assert told("owing", booked, rung="if: not-booked").reason is Reason.BOOKED


def test_a_head_is_told_of_their_own_unit_while_it_owes() -> None:
    """With ``if: open`` the heads of units that are done hear nothing."""
    assert [each.person.id for each in told("head:机关各科室", NOTHING, rung="if: open").receivers] == [
        "p-office",
        "p-theory",
    ]
    found = told("head:机关各科室", facts_of("p-leader/p-office"), rung="if: open").receivers
    assert [(each.person.id, [cell.id for cell in each.cells]) for each in found] == [
        ("p-theory", ["p-leader/p-theory"])
    ]


def test_a_missing_list_has_every_open_cell() -> None:
    found = told("person:p-clerk", facts_of("p-leader/p-office"), rung="template: missing-list").receivers
    assert [(each.person.id, [cell.id for cell in each.cells]) for each in found] == [
        ("p-clerk", ["p-leader/p-theory"])
    ]


CHARGE = "  in_charge: post:第一党支部书记\n"


def test_a_private_item_shows_names_to_its_obligor_and_the_post_in_charge_and_counts_to_others() -> None:
    rung = "template: missing-list"
    (clerk,) = told("person:p-clerk", NOTHING, "private: true", rung=rung, head=CHARGE).receivers
    (charge,) = told("person:p-secretary", NOTHING, "private: true", rung=rung, head=CHARGE).receivers
    (leader,) = told("owing", NOTHING, "private: true", head=CHARGE).receivers
    assert (clerk.counts_only, charge.counts_only, leader.counts_only) == (True, False, False)


def test_a_pair_escalates_to_the_post_in_charge_and_concerns_a_leader() -> None:
    found = told("escalation", NOTHING, head=CHARGE)
    assert [each.person.id for each in found.receivers] == ["p-secretary"]
    assert found.concerns_leader


def test_an_escalation_never_goes_to_the_obligor() -> None:
    assert told("escalation", NOTHING, head="  in_charge: person:p-leader\n").receivers == ()


def silence(kind: SilenceKind, name: str, until: str = "2026-07-01") -> Silence:
    return Silence("s", kind, name, at("2026-06-01"), at(until), "p-clerk", "放假")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(SilenceKind.ITEM, "x"), (SilenceKind.PERSON, "p-leader")],
)
def test_a_silence_is_final_and_named(kind: SilenceKind, name: str) -> None:
    found = told("owing", Facts(silences=(silence(kind, name),)))
    reasons = {found.reason, *(each.reason for each in found.withheld)} - {None}
    assert (found.receivers, reasons) == ((), {Reason.SILENCED})
    assert all(each.until is None for each in found.withheld)
    ended = Facts(silences=(silence(kind, name, "2026-06-30 09:00"),))
    assert told("owing", ended).receivers != ()


def test_a_silenced_unit_is_left_out_of_what_is_owed() -> None:
    (leader,) = told("owing", Facts(silences=(silence(SilenceKind.UNIT, "理论科"),))).receivers
    assert [cell.id for cell in leader.cells] == ["p-leader/p-office"]


def test_who_asked_for_later_is_told_later() -> None:
    snoozed = Facts(snoozes=(Snooze("p-leader", "x/2026H1", day("2026-07-02"), at("2026-06-20")),))
    (withheld,) = told("owing", snoozed).withheld
    assert (withheld.reason, withheld.until) == (Reason.SNOOZED, at("2026-07-02 09:00"))


def test_a_deputy_stands_in_between_two_days() -> None:
    away = (
        DIRECTORY
        + "deputies:\n  - of: p-leader\n    deputy: p-clerk\n    from: 2026-06-01\n    until: 2026-06-30\n"
    )
    (deputy,) = told("owing", NOTHING, directory=away).receivers
    assert (deputy.person.id, [each.id for each in deputy.for_]) == ("p-clerk", ["p-leader"])
    back = away.replace("until: 2026-06-30", "until: 2026-06-29")
    assert [each.person.id for each in told("owing", NOTHING, directory=back).receivers] == ["p-leader"]


def test_a_cell_that_nobody_can_be_reminded_of_is_named() -> None:
    vacant = DIRECTORY.replace("  - post: 办公室主任\n    person: p-office\n", "")
    duty = "duty:\n  each: unit\n  of:\n    - role:责任单位"
    plan = plan_of(
        item_yaml("x", "every: half-year", "- from: due\n  workdays: 0\n  to: owing", duty), directory=vacant
    )
    (alarm,) = expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-01"))
    found = reach(alarm, plan, CALENDAR, NOTHING, alarm.at)
    assert [cell.id for cell in found.unowned] == ["办公室"]
    assert [each.person.id for each in found.receivers] == ["p-liaison"]
