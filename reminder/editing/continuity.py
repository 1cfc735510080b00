"""What only the plan in force can tell of the next one: whether it is the same plan, and whole; what moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from reminder.agenda.alarms import expand
from reminder.agenda.difference import Difference, difference
from reminder.agenda.facts import Facts
from reminder.check import Edition
from reminder.errors import Position, Problem

DIFFERENCE_AHEAD = timedelta(days=400)
"""How far ahead two agendas are compared."""


def continuity(in_force: Edition, new: Edition, schedules: Path, besides: str = "") -> list[Problem]:
    """Another plan, or a file cut short: one that no longer ends with the mark it ended with.

    ``besides`` names a file that is asked for its mark elsewhere.
    """
    complete = {file.name for file in in_force.plan.files if file.complete_mark} - {besides}
    problems = []
    if new.plan.id != in_force.plan.id:
        problems.append(
            Problem(
                Position(str(schedules)),
                "plan.id",
                f"plan.id 由“{in_force.plan.id}”变成了“{new.plan.id}”",
                "plan.id 定下后不可更改，台账以它为准",
                "如要换一个计划，请另用一个数据目录",
            )
        )
    problems += [
        Problem(
            Position(file.name),
            "",
            "文件末尾没有“...”这一行，可能没有保存完整",
            "此文件上次生效时以“...”结尾",
            "请补全文件，并以单独一行“...”结尾",
        )
        for file in new.plan.files
        if file.name in complete and not file.complete_mark
    ]
    return problems


def changes(in_force: Edition, new: Edition, facts: Facts, now: datetime) -> Difference:
    """What becomes of the reminders of the next :data:`DIFFERENCE_AHEAD`."""
    until = now + DIFFERENCE_AHEAD
    before = expand(in_force.plan, in_force.calendar, now, until, facts)
    return difference(before, expand(new.plan, new.calendar, now, until, facts))
