"""Occurrences: which there are, when they are due, and what they are called."""

from __future__ import annotations

from datetime import date

import pytest

from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.calendars.arrangement import DayStatus
from reminder.plan.model import Plan
from tests.plans import CALENDAR, ON_DUE_DAY, item_yaml, plan_of


def found(plan: Plan, first: str = "2020-01-01", last: str = "2099-12-31") -> list[Occurrence]:
    (item,) = plan.items
    return list(occurrences(item, plan.head, CALENDAR, date.fromisoformat(first), date.fromisoformat(last)))


def one(when: str) -> Plan:
    return plan_of(item_yaml("x", when, ON_DUE_DAY))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (
            "every: quarter",
            [
                ("x/2026Q1", "2026-03-31"),
                ("x/2026Q2", "2026-06-30"),
                ("x/2026Q3", "2026-09-30"),
                ("x/2026Q4", "2026-12-31"),
            ],
        ),
        ("every: half-year\ndue: last-day", [("x/2026H1", "2026-06-30"), ("x/2026H2", "2026-12-31")]),
        ("every: half-year\ndue: 15", [("x/2026H1", "2026-06-15"), ("x/2026H2", "2026-12-15")]),
        ("every: year\ndue: 06-30", [("x/2026", "2026-06-30")]),
        # 2026-02 has 28 days: a day it does not have is its last, nothing vanishes.
        ("every: year\ndue: 02-29", [("x/2026", "2026-02-28")]),
        ("every: year\ndue: first-workday", [("x/2026", "2026-01-04")]),
        ("window:\n  opens: 06-15\n  closes: 07-15", [("x/2026", "2026-07-15")]),
        ("window:\n  opens: 2026-03-01\n  closes: 2026-04-10", [("x/2026", "2026-04-10")]),
        # A window over the new year belongs to the year in which it opens.
        ("window:\n  opens: 11-15\n  closes: 01-15", [("x/2025", "2026-01-15")]),
        ("date: 2026-05-20", [("x/2026-05-20", "2026-05-20")]),
        (
            "dates:\n  - 2026-09-01\n  - 2026-03-02",
            [("x/2026-03-02", "2026-03-02"), ("x/2026-09-01", "2026-09-01")],
        ),
        ("lunar: 9/9", [("x/2026", "2026-10-18")]),
        # 腊月初八 of the lunar year 2025 falls into January 2026; 2026's into 2027.
        ("lunar: 12/8", [("x/2025", "2026-01-26")]),
        ("rrule: FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=1", [("x/2026-07-01", "2026-07-01")]),
    ],
)
def test_due_dates_and_ids_by_kind(when: str, expected: list[tuple[str, str]]) -> None:
    """Each kind of ``when`` gives its occurrences, with ids free of computed dates."""
    assert [(each.id, str(each.due)) for each in found(one(when))] == expected


def test_a_month_without_the_day_gives_its_last() -> None:
    """``due: 31`` monthly loses no month."""
    due = [str(each.due) for each in found(one("every: month\ndue: 31"))]
    assert due[:4] == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert len(due) == 12


def test_festival_is_due_on_the_last_working_day_before_the_break() -> None:
    """2026: the day before the Spring Festival break is Saturday 02-14, a makeup day."""
    spring, dragon, moon, national = found(one("festivals:\n  - 春节\n  - 端午\n  - 中秋\n  - 国庆"))
    assert (spring.id, str(spring.due), str(spring.first)) == ("x/2026/春节", "2026-02-14", "2026-02-15")
    assert (str(dragon.due), str(moon.due), str(national.due)) == ("2026-06-18", "2026-09-24", "2026-09-30")
    assert moon.label == "2026年中秋节"
    assert all(each.status is not DayStatus.PROVISIONAL for each in (spring, dragon, moon, national))


def test_new_year_belongs_to_the_plan_in_which_its_due_date_lies() -> None:
    """元旦 2026 was due on 2025-12-31, before the plan; 元旦 2027 is due inside it."""
    (new_year,) = found(one("festivals:\n  - 元旦"))
    assert new_year.id == "x/2027/元旦"
    assert str(new_year.due) == "2026-12-31"
    assert new_year.status is DayStatus.PROVISIONAL


def test_further_festivals_have_a_break_of_their_day_alone() -> None:
    """重阳 2026 is Sunday 10-18: its break is the weekend around it."""
    head = "  festivals:\n    - name: 重阳\n      lunar: 9/9\n"
    plan = plan_of(item_yaml("x", "festivals:\n  - 重阳", ON_DUE_DAY), head=head)
    (found_one,) = found(plan)
    assert found_one.festival is not None
    assert str(found_one.festival.day) == "2026-10-18"
    assert str(found_one.due) == "2026-10-16"


def test_former_ids_of_a_renamed_item_are_kept() -> None:
    """``was:`` leads from the ledger's old ids to the new one."""
    plan = plan_of(item_yaml("new", "every: year", ON_DUE_DAY, "was:\n  - old"))
    assert found(plan)[0].id == "new/2026"
    assert found(plan)[0].former_ids == ("old/2026",)


def test_touching_breaks_keep_their_own_occurrences() -> None:
    """2025: 中秋 lies inside the National Day break; each festival keeps its id, the break is one."""
    text = item_yaml("x", "festivals:\n  - 中秋\n  - 国庆", ON_DUE_DAY)
    plan = plan_of(text)
    head = plan.head.model_copy(update={"from_": date(2025, 1, 1), "until": date(2025, 12, 31)})
    moon, national = occurrences(plan.items[0], head, CALENDAR, head.from_, head.until)
    assert (moon.id, national.id) == ("x/2025/中秋", "x/2025/国庆")
    assert (str(moon.first), str(moon.last)) == (str(national.first), str(national.last))
    assert (str(moon.first), str(moon.last)) == ("2025-10-01", "2025-10-08")
