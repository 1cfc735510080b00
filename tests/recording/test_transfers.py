"""What a change of the directory hands over, told before it takes effect."""

from __future__ import annotations

from datetime import date, timedelta

from reminder.agenda.facts import NOTHING
from reminder.check import Edition
from reminder.recording.transfers import brought_by, lines_of, upcoming
from reminder.sweep.notices import LINES_SHOWN, handover_notice
from tests.editions import edition_of
from tests.plans import DIRECTORY, at, day, item_yaml, plan_of

RUNG = "- from: due\n  workdays: 0\n  to: owing"
HEADS = "duty:\n  each: person\n  of:\n    - head:机关各科室"
PAIRS = "private: true\nduty:\n  each: pair\n  of: supervision"
STUDY = item_yaml("study", "every: quarter", RUNG, HEADS)
TALK = item_yaml("talk", "every: half-year", RUNG, PAIRS)
THEORY = "  - post: 理论科科长\n    person: p-theory\n"
NOW = at("2026-05-08 10:00")
YEAR = timedelta(days=366)


def rotated(on: str, comes: str = "p-clerk") -> str:
    last = date.fromordinal(day(on).toordinal() - 1)
    return DIRECTORY.replace(
        THEORY, f"{THEORY}    until: {last}\n  - post: 理论科科长\n    person: {comes}\n    from: {on}\n"
    )


def edition(directory: str = DIRECTORY, *items: str) -> Edition:
    return edition_of(plan_of(*(items or (STUDY, TALK)), directory=directory))


def test_a_rotation_is_told_once_with_the_newcomers_own_due_date() -> None:
    """Of the talk, which is private, only how many."""
    after = edition(rotated("2026-06-15"))
    found = brought_by(edition(), after, NOTHING, NOW, YEAR)
    assert lines_of(found) == [
        "2026-06-15 起，事项study（2026年第二季度）：机关党委办公室干事开始承担，截止 2026-07-14",
        "2026-06-15 起，事项study（2026年第二季度）：理论科科长不再承担",
        "2026-06-15 起，事项talk（2026年上半年）：关闭1项，新开1项（非公开事项，不列名单）",
    ]
    assert brought_by(after, edition(rotated("2026-06-15")), NOTHING, NOW, YEAR) == []


def test_another_day_for_the_same_rotation_is_told_again() -> None:
    found = brought_by(edition(rotated("2026-06-15")), edition(rotated("2026-06-22")), NOTHING, NOW, YEAR)
    assert {each.on for each in found} == {day("2026-06-22")}


def test_what_is_over_is_not_handed_over() -> None:
    """A rotation entered after the fact concerns what is still running, and no earlier period.

    The quarter began after it: the newcomer has owed it from its first day, which nobody knew.
    """
    found = brought_by(edition(), edition(rotated("2026-02-02")), NOTHING, NOW, YEAR)
    assert {(each.occurrence.id, each.on, each.at_once) for each in found} == {
        ("talk/2026H1", day("2026-02-02"), False),
        ("study/2026Q2", day("2026-05-08"), True),
    }


def test_a_row_deleted_where_it_should_have_ended_is_told_too() -> None:
    """The directory then has it so from the beginning, and no day says why."""
    gone = edition(DIRECTORY.replace(THEORY, THEORY.replace("p-theory", "p-clerk")))
    found = brought_by(edition(), gone, NOTHING, NOW, YEAR)
    assert [(each.item.id, each.cell, each.opens, each.on, each.at_once) for each in found] == [
        ("study", "p-theory", False, day("2026-05-08"), True),
        ("study", "p-clerk", True, day("2026-05-08"), True),
        ("talk", "p-leader/p-theory", False, day("2026-05-08"), True),
        ("talk", "p-leader/p-clerk", True, day("2026-05-08"), True),
    ]


def test_a_renamed_item_hands_nothing_over_again() -> None:
    before = edition(rotated("2026-06-15"), STUDY)
    renamed = item_yaml("reading", "every: quarter", RUNG, f"{HEADS}\nwas:\n  - study")
    assert brought_by(before, edition(rotated("2026-06-15"), renamed), NOTHING, NOW, YEAR) == []


def test_a_duty_that_is_another_altogether_is_no_handover() -> None:
    other = item_yaml("study", "every: quarter", RUNG, "duty:\n  each: unit\n  of:\n    - role:责任单位")
    assert brought_by(edition(DIRECTORY, STUDY), edition(DIRECTORY, other), NOTHING, NOW, YEAR) == []


def test_the_preview_has_the_days_asked_for_and_no_others() -> None:
    after = edition(rotated("2026-06-15"), STUDY)
    assert upcoming(after, NOTHING, day("2026-05-08"), day("2026-06-14")) == []
    assert [each.opens for each in upcoming(after, NOTHING, day("2026-06-15"), day("2026-06-15"))] == [
        False,
        True,
    ]
    assert upcoming(after, NOTHING, day("2026-06-16"), day("2026-12-31")) == []


def test_a_notice_is_no_longer_than_can_be_read() -> None:
    many = [item_yaml(f"s{number:02}", "every: quarter", RUNG, HEADS) for number in range(25)]
    found = brought_by(edition(DIRECTORY, *many), edition(rotated("2026-06-15"), *many), NOTHING, NOW, YEAR)
    notice = handover_notice(found)
    assert len(notice.lines) == LINES_SHOWN + 1
    assert notice.lines[-1] == "……共50行，其余见 reminder duties transfers"
