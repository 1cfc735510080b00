"""Alarms: at which instant, under which identity, and for how long they are useful."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.agenda.alarms import Alarm, expand, next_alarm
from reminder.calendars.arrangement import DayStatus
from reminder.plan.model import Plan
from tests.plans import CALENDAR, ON_DUE_DAY, at, item_yaml, plan_of

YEAR = (at("2025-06-01"), at("2027-12-31"))


def alarms(plan: Plan) -> list[Alarm]:
    return list(expand(plan, CALENDAR, *YEAR))


def rung(text: str) -> str:
    return f"{text.strip()}\n  to: everyone"


def test_working_days_count_makeup_days_and_skip_breaks() -> None:
    """Five working days before 中秋 2026 is Sunday 09-20, a makeup day."""
    plan = plan_of(
        item_yaml("f", "festivals:\n  - 中秋", rung("- from: break\n  workdays:\n    - -5\n    - 2"))
    )
    assert [(each.key, f"{each.at:%m-%d %H:%M}") for each in alarms(plan)] == [
        ("f/2026/中秋#break-5wd", "09-20 09:00"),
        ("f/2026/中秋#break+2wd", "09-29 09:00"),
    ]


def test_a_numbered_day_is_never_a_rest_day() -> None:
    """2026-02-15 begins the Spring Festival break: the rung comes on Saturday 14, a makeup day."""
    plan = plan_of(item_yaml("x", "every: month", rung("- on_day: 15")))
    assert f"{alarms(plan)[1].at:%m-%d}" == "02-14"
    plan = plan_of(item_yaml("x", "every: month", rung("- on_day: 1")))
    assert f"{alarms(plan)[0].at:%m-%d}" == "01-04"  # 元旦: not before the month begins


def test_zero_working_days_is_the_day_or_the_working_day_before() -> None:
    """2026-05-31 is a Sunday: the rung falls on Friday."""
    plan = plan_of(item_yaml("x", "date: 2026-05-31", ON_DUE_DAY))
    assert [f"{each.at:%m-%d}" for each in alarms(plan)] == ["05-29"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- from: opens\n  days: 0", "01-01"),
        ("- from: midpoint\n  days: 0", "02-14"),
        ("- from: due\n  days: -10", "03-21"),
        ("- from: due\n  workdays: +3", "04-03"),
        ("- from: period-start\n  workdays: 1", "01-04"),
        ("- from: period-end\n  workdays: -1", "03-30"),
        ("- on_day: first-workday", "01-04"),
        ("- on_day: last-workday", "03-31"),
        ("- on_day: 15", "01-15"),
    ],
)
def test_each_anchor_counts_from_its_day(text: str, expected: str) -> None:
    """Anchors of the first quarter of 2026, whose last working day is 03-31."""
    plan = plan_of(item_yaml("x", "every: quarter", rung(text)))
    assert f"{alarms(plan)[0].at:%m-%d}" == expected


def test_a_rung_before_due_is_useful_until_due_and_the_last_for_five_working_days() -> None:
    """After the due date a rung is useful until the next one with the same audience."""
    plan = plan_of(
        item_yaml("x", "date: 2026-06-10", rung("- from: due\n  workdays:\n    - -3\n    - 1\n    - 3"))
    )
    before, first, last = alarms(plan)
    assert before.useful_until == before.occurrence.due_at
    assert first.useful_until == last.at
    assert f"{last.useful_until:%m-%d %H:%M}" == "06-23 09:00"  # 06-19 is 端午


def test_rungs_for_other_audiences_do_not_end_each_others_use() -> None:
    """A message to one person is not made useless by one to another."""
    text = (
        "- from: due\n  workdays: 1\n  to: person:p-office\n- from: due\n  workdays: 2\n  to: person:p-theory"
    )
    first, second = alarms(plan_of(item_yaml("x", "date: 2026-06-10", text)))
    assert first.useful_until > second.at


def test_renamed_items_and_rungs_keep_their_former_keys() -> None:
    """Every combination of old and new ids leads to the same alarm."""
    text = "- id: now\n  was:\n    - before\n  from: due\n  days: 0\n  to: everyone"
    (alarm,) = alarms(plan_of(item_yaml("new", "date: 2026-06-10", text, "was:\n  - old")))
    assert alarm.key == "new/2026-06-10#now"
    assert set(alarm.former_keys) == {
        "new/2026-06-10#before",
        "old/2026-06-10#now",
        "old/2026-06-10#before",
    }


def test_provisional_days_are_marked_and_fixed_days_are_not() -> None:
    """In an unpublished year what was counted in working days is 预计; a plain date is not."""
    plan = plan_of(
        item_yaml("counted", "date: 2026-12-31", rung("- from: due\n  workdays: 3")),
        item_yaml("fixed", "date: 2026-12-31", rung("- from: due\n  days: 30")),
    )
    status = {each.item.id: each.status for each in alarms(plan)}
    assert status == {"counted": DayStatus.PROVISIONAL, "fixed": DayStatus.OFFICIAL}


def test_until_ends_occurrences_and_not_the_rungs_that_follow_them() -> None:
    """The plan ends on 2026-12-31; the rung after its last due date comes in January."""
    plan = plan_of(item_yaml("x", "every: quarter", rung("- from: due\n  workdays: 2")))
    assert [each.at.year for each in alarms(plan)] == [2026, 2026, 2026, 2027]


# Europe/Berlin leaves summer time on 2026-10-25: 03:00 CEST -> 02:00 CET, so 02:30 comes twice.
# It enters it on 2026-03-29: 02:00 CET -> 03:00 CEST, so 02:30 does not exist.
@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-03-28", "2026-03-28T01:30:00+00:00"),
        ("2026-03-29", "2026-03-29T01:30:00+00:00"),  # with the offset before the gap: 03:30 CEST
        ("2026-10-25", "2026-10-25T00:30:00+00:00"),  # the first of the two
        ("2026-10-26", "2026-10-26T01:30:00+00:00"),
    ],
)
def test_gap_and_fold_follow_rfc_5545(date: str, expected: str) -> None:
    """An instant in a gap takes the offset before it; an ambiguous one is the first."""
    text = "- from: due\n  days: 0\n  at: 02:30\n  to: everyone"
    (alarm,) = alarms(plan_of(item_yaml("x", f"date: {date}", text), zone="Europe/Berlin"))
    assert alarm.at.astimezone(UTC).isoformat() == expected


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"]
)
@pytest.mark.parametrize("time", ["00:00", "00:30", "02:15", "23:59"])
def test_a_daily_rule_fires_once_on_every_local_day(zone: str, time: str) -> None:
    """No transition of any zone loses or doubles a day."""
    plan = plan_of(
        item_yaml("x", "rrule: FREQ=DAILY", f"- from: due\n  days: 0\n  at: {time}\n  to: everyone"),
        zone=zone,
    )
    found = expand(plan, CALENDAR, *YEAR)
    assert len(found) == 365
    instants = [each.at.astimezone(UTC) for each in found]
    assert len(set(instants)) == 365
    assert sorted(instants) == instants


@pytest.mark.parametrize("former", ["due+0wd", "due-3wd", "day-15", "period-start+2d"])
def test_a_rung_that_had_no_id_of_its_own_can_be_named_as_former(former: str) -> None:
    """Its id was made of anchor and offset; a sign of plus is part of some."""
    text = f"- id: now\n  was:\n    - {former}\n  from: due\n  days: 0\n  to: everyone"
    (alarm,) = alarms(plan_of(item_yaml("x", "date: 2026-06-10", text)))
    assert alarm.former_keys == (f"x/2026-06-10#{former}",)


def test_alarms_of_a_gap_are_in_the_order_of_time() -> None:
    """29 March in Berlin has no 02:00 to 03:00: 02:30 is told at 03:30, after what is told at 03:00."""
    times = ["02:30", "03:00", "03:15"]
    plan = plan_of(
        *(
            item_yaml(
                f"x{n}", "date: 2026-03-29\nat: 23:00", f"- from: due\n  days: 0\n  at: {at}\n  to: everyone"
            )
            for n, at in enumerate(times)
        ),
        zone="Europe/Berlin",
    )
    assert [(each.item.id, f"{each.at:%H:%M}") for each in alarms(plan)] == [
        ("x1", "03:00"),
        ("x2", "03:15"),
        ("x0", "03:30"),
    ]


def test_an_alarm_of_a_gap_that_comes_after_its_due_time_is_still_of_use() -> None:
    """Due at 03:00, told at 02:30, which that day is half an hour later: no reason to call it missed."""
    text = "- from: due\n  days: 0\n  at: 02:30\n  to: everyone"
    (alarm,) = alarms(plan_of(item_yaml("x", "date: 2026-03-29\nat: 03:00", text), zone="Europe/Berlin"))
    assert alarm.at > alarm.occurrence.due_at
    assert alarm.useful_until > alarm.at + timedelta(days=1)


def busy_plan() -> Plan:
    ladder = rung("- from: due\n  workdays:\n    - -10\n    - -2\n    - 0\n    - 3")
    return plan_of(
        item_yaml("quarterly", "every: quarter", ladder),
        item_yaml("monthly", "every: month\ndue: 31", rung("- on_day: 15\n  at: 15:30")),
        item_yaml(
            "festival", "festivals:\n  - 春节\n  - 国庆", rung("- from: break\n  workdays: -1\n  at: 09:30")
        ),
        item_yaml("window", "window:\n  opens: 06-15\n  closes: 07-15", rung("- from: midpoint\n  days: 0")),
        item_yaml("lunar", "lunar: 9/9", ladder),
        item_yaml("rule", "rrule: FREQ=WEEKLY;BYDAY=MO", ladder),
    )


BUSY = busy_plan()
WHOLE = expand(BUSY, CALENDAR, *YEAR)
instants = st.integers(0, int((YEAR[1] - YEAR[0]).total_seconds())).map(
    lambda s: YEAR[0] + timedelta(seconds=s)
)
exact = st.sampled_from([alarm.at for alarm in WHOLE])


@given(st.lists(instants | exact, max_size=6))
def test_law_a_window_split_anywhere_gives_the_same_agenda(cuts: list[datetime]) -> None:
    """Half-open windows that meet neither lose nor repeat an alarm, also when cut at one."""
    edges = [YEAR[0], *sorted(cuts), YEAR[1]]
    parts = [
        alarm.key
        for left, right in itertools.pairwise(edges)
        for alarm in expand(BUSY, CALENDAR, left, right)
    ]
    assert parts == [alarm.key for alarm in WHOLE]


@given(st.permutations(range(len(BUSY.items))))
def test_law_the_order_of_items_does_not_matter(order: list[int]) -> None:
    """The agenda is a set in order of time, whatever the file's order."""
    from dataclasses import replace

    shuffled = replace(BUSY, items=tuple(BUSY.items[index] for index in order))
    assert [alarm.key for alarm in expand(shuffled, CALENDAR, *YEAR)] == [alarm.key for alarm in WHOLE]


def test_law_a_second_expansion_changes_nothing_and_keys_are_unique() -> None:
    """Expanding is pure, and no two alarms share a key."""
    assert expand(BUSY, CALENDAR, *YEAR) == WHOLE
    assert len({alarm.key for alarm in WHOLE}) == len(WHOLE)


@given(instants | exact)
def test_next_alarm_is_the_first_of_the_agenda_after_an_instant(after: datetime) -> None:
    """What the alarm clock is set to is what the agenda says."""
    for item in BUSY.items:
        expected = next((each.at for each in WHOLE if each.item.id == item.id and each.at > after), None)
        assert next_alarm(item, BUSY, CALENDAR, after) == expected


def test_instants_stand_in_the_plans_zone() -> None:
    """``at`` is aware and reads as the office's wall clock."""
    (alarm,) = alarms(plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)))
    assert alarm.at.tzinfo == ZoneInfo("Asia/Shanghai")
    assert alarm.at.isoformat() == "2026-06-10T09:00:00+08:00"
