"""The most that a plan can send to a person: counted as the sweep would make it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from reminder.agenda.load import Letter, Load, group_posts, load_of
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.plan.model import Plan
from reminder.simulate import play
from tests.editions import Remembering, edition_of, remembering
from tests.plans import CALENDAR, CHANNELS, at, day, item_yaml, plan_of

APP = """\
  - id: wecom
    kind: wecom_app
    corpid: ww0123456789abcdef
    agentid: 1000002
    secret: WECOM_APP_SECRET
"""
UNITS = "duty:\n  each: unit\n  of:\n    - role:责任单位"


def rung(workdays: int = 0, to: str = "person:p-office", *more: str) -> str:
    lines = [f"- from: due\n  workdays: {workdays}\n  to: {to}", *(f"  {each}" for each in more)]
    return "\n".join(lines)


def loads(plan: Plan, since: str = "2026-01-01", until: str = "2026-12-31") -> dict[str, Load]:
    return {each.person.id: each for each in load_of(plan, CALENDAR, day(since), day(until))}


def letters(plan: Plan, person: str = "p-office") -> tuple[Letter, ...]:
    found = loads(plan)
    return found[person].letters if person in found else ()


def test_what_falls_on_one_hour_is_one_message() -> None:
    one, two = (item_yaml(name, "date: 2026-06-10", rung()) for name in "ab")
    later = item_yaml("c", "date: 2026-06-10", rung(0, "person:p-office", "at: 10:00"))
    found = letters(plan_of(one, two, later))
    assert [(f"{each.at:%H:%M}", each.about) for each in found] == [
        ("09:00", ("a/2026-06-10#due+0wd", "b/2026-06-10#due+0wd")),
        ("10:00", ("c/2026-06-10#due+0wd",)),
    ]


def test_what_is_alone_is_a_message_of_its_own() -> None:
    one = item_yaml("a", "date: 2026-06-10", rung())
    alone = item_yaml("b", "date: 2026-06-10", rung(), "alone: true")
    assert [each.about for each in letters(plan_of(one, alone))] == [
        ("a/2026-06-10#due+0wd",),
        ("b/2026-06-10#due+0wd",),
    ]


def test_nothing_is_ever_done_so_all_rungs_and_repeats_count() -> None:
    up = "- id: up\n  from: due\n  workdays: +3\n  to: escalation\n  repeat:\n    every_workdays: 2\n    at_most: 3"
    plan = plan_of(item_yaml("x", "date: 2026-06-10", rung(-5, "owing") + "\n" + up, UNITS))
    assert [f"{each.at:%m-%d}" for each in letters(plan, "p-leader")] == ["06-15", "06-17", "06-22"]
    assert [f"{each.at:%m-%d}" for each in letters(plan)] == ["06-03"]


def test_over_the_daily_cap_a_message_waits_for_the_next_working_day_and_meets_its_like() -> None:
    """But not on the due day, and not beyond it."""
    hours = ("09:00", "10:00", "11:00")
    items = [
        item_yaml(f"i{n}", "date: 2026-06-30", rung(-5, "person:p-office", f"at: {hour}"))
        for n, hour in enumerate(hours)
    ]
    capped = plan_of(*items, head="  daily_cap: 1\n")
    assert [(f"{each.at:%m-%d %H:%M}", len(each.about)) for each in letters(capped)] == [
        ("06-23 09:00", 1),
        ("06-24 09:00", 2),
    ]
    due = [each.replace("workdays: -5", "workdays: 0") for each in items]
    assert len(letters(plan_of(*due, head="  daily_cap: 1\n"))) == 3


def test_a_week_is_judged_without_what_goes_to_everyone() -> None:
    everyone = item_yaml("a", "date: 2026-06-10", rung(0, "everyone"))
    mine = [item_yaml(f"i{n}", "date: 2026-06-10", rung(-n)) for n in (1, 2)]
    load = loads(plan_of(everyone, *mine))["p-office"]
    assert (len(load.letters), len(load.reminders), load.busiest) == (3, 2, (day("2026-06-08"), 2))
    theirs = loads(plan_of(everyone))["p-clerk"]
    assert (len(theirs.letters), theirs.busiest) == (1, None)


def test_a_chain_counts_on_the_channel_that_has_an_address_and_a_group_is_nobodys() -> None:
    chain = "via:\n  - group\n  - first: wecom\n    else: mail"
    item = item_yaml("x", "date: 2026-06-10", rung(0, "everyone"), chain)
    plan = plan_of(item, channels=CHANNELS + APP)
    found = loads(plan)
    assert found["p-office"].by_channel == {"wecom": 1}
    assert found["p-clerk"].by_channel == {"mail": 1}  # no account there
    assert group_posts(plan, CALENDAR, day("2026-01-01"), day("2026-12-31")) == {"group": 1}


def test_who_is_shown_a_text_before_it_goes_out_has_one_message_more() -> None:
    approval = "approval:\n  by: person:p-clerk\n  from: due\n  workdays: -3"
    plan = plan_of(item_yaml("x", "date: 2026-06-10", rung(), approval))
    (asked,) = letters(plan, "p-clerk")
    assert (f"{asked.at:%m-%d %H:%M}", asked.about) == ("06-05 09:00", ("x/2026-06-10#approval",))
    up = "- id: up\n  from: due\n  workdays: +3\n  to: escalation"
    pair = "private: true\nduty:\n  each: pair\n  of: supervision"
    head = "  in_charge: person:p-secretary\n  approvers: person:p-clerk\n"
    plan = plan_of(item_yaml("y", "date: 2026-06-10", up, pair), head=head)
    assert [f"{each.at:%m-%d}" for each in letters(plan, "p-clerk")] == ["06-12"]
    assert [f"{each.at:%m-%d}" for each in letters(plan, "p-secretary")] == ["06-15"]


def test_a_lot_is_taken_to_fall_in_the_middle_of_its_period() -> None:
    draw = "draw:\n  per: half-year\n  times: 1\n  from: group:机关各科室"
    found = letters(plan_of(item_yaml("x", draw, rung(), "private: true")))
    assert [f"{each.at:%m-%d}" for each in found] == ["04-01", "09-30"]


def test_the_count_is_what_a_played_year_writes(tmp_path: Path) -> None:
    """Person by person and day by day, over the real sweep; nothing is done in it."""
    duty = "by: head"
    up = "- id: up\n  from: due\n  workdays: +1\n  to: escalation\n  repeat:\n    every_workdays: 2\n    at_most: 3"
    plan = plan_of(
        item_yaml("m", "every: month", f"{rung(-3, 'owing')}\n{rung(0, 'owing')}\n{up}", UNITS),
        item_yaml("q", "every: quarter", f"{rung(-3, 'owing')}\n{rung(-1, 'owing')}", f"{UNITS}\n  {duty}"),
        item_yaml("f", "festivals:\n  - 端午\n  - 国庆", rung(0, "everyone"), "alone: true"),
        item_yaml("w", "date: 2026-06-30", rung(-3, "everyone", "at: 09:30"), ""),
        item_yaml("v", "date: 2026-06-30", rung(-3, "everyone", "at: 10:00"), ""),
        head="  daily_cap: 2\n",
    )
    ledger = Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.SIMULATION, now=at("2026-01-01"))
    channels = remembering()
    try:
        play(edition_of(plan), ledger, channels, at("2026-01-01"), at("2026-12-31"))
    finally:
        ledger.close()
    counted = Counter(
        (each.person.id, letter.at.date())
        for each in load_of(plan, CALENDAR, day("2026-01-01"), day("2026-12-30"))
        for letter in each.letters
    )
    assert _composed(channels["mail"]) == counted
    assert sum(counted.values()) > 100


def _composed(channel: Remembering) -> Counter[object]:
    """Messages by receiver and day; notices to the admins are no part of the plan."""
    return Counter(
        (to.id, stamp.date.date())
        for message, to, stamp in channel.composed
        if "计划将于" not in message.subject and "放假安排" not in message.subject
    )
