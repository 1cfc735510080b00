"""What a change does to the agenda."""

from __future__ import annotations

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.difference import difference
from tests.plans import CALENDAR, ON_DUE_DAY, at, item_yaml, plan_of


def agenda(*items: str) -> tuple[Alarm, ...]:
    return expand(plan_of(*items), CALENDAR, at("2026-01-01"), at("2027-12-31"))


def test_added_removed_and_moved_are_told_apart() -> None:
    """A later time of day moves an alarm; it is not a new one."""
    later = ON_DUE_DAY + "  at: 10:00\n"
    before = agenda(
        item_yaml("stays", "date: 2026-06-10", ON_DUE_DAY), item_yaml("goes", "every: year", ON_DUE_DAY)
    )
    after = agenda(
        item_yaml("stays", "date: 2026-06-10", later), item_yaml("comes", "every: year", ON_DUE_DAY)
    )
    changes = difference(before, after)
    assert [alarm.item.id for alarm in changes.added] == ["comes"]
    assert [alarm.item.id for alarm in changes.removed] == ["goes"]
    assert [(move.alarm.item.id, move.before.hour, move.alarm.at.hour) for move in changes.moved] == [
        ("stays", 9, 10)
    ]


def test_a_rename_changes_nothing() -> None:
    """With ``was:`` the alarms are the same alarms."""
    before = agenda(item_yaml("old", "every: quarter", ON_DUE_DAY))
    after = agenda(item_yaml("new", "every: quarter", ON_DUE_DAY, "was:\n  - old"))
    assert not difference(before, after)
