"""What is wrong with the approvals of an item, as far as calendar and directory tell.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from reminder.agenda.alarms import Alarm
from reminder.agenda.approvals import asks_at, covered
from reminder.agenda.duties import cells_of
from reminder.agenda.reach import asks_above, concerns_leader
from reminder.calendars.workdays import WorkCalendar
from reminder.errors import Position, Problem
from reminder.plan.directory import Directory
from reminder.plan.model import Item, Plan


def asked_too_late(
    alarms: list[Alarm], calendar: WorkCalendar, position: Position, path: str
) -> Iterator[Problem]:
    """Approvers who are asked when the message should have gone out already; said of the first such rung."""
    for alarm in alarms:
        if covered(alarm.item, alarm.rung) is not None and asks_at(alarm, calendar) >= alarm.at:
            yield Problem(
                position,
                f"{path}.approval",
                f"提请审批的时间不早于提醒“{alarm.rung.id}”的发出时间（{alarm.occurrence.label}："
                f"{alarm.at:%Y-%m-%d %H:%M} 发出）",
                "提请须早于发出",
                "请把 approval 的日子提前，或用 approval.rungs 写明只审批哪几档提醒",
            )
            return


def asks_approvers(item: Item, plan: Plan) -> bool:
    """Whether something of the item may have to be shown to approvers."""
    by_plan = plan.head.approvers is not None and item.spec.duty is not None
    return item.spec.approval is not None or (by_plan and any(asks_above(rung) for rung in item.rungs))


def leaders_unapproved(item: Item, plan: Plan, position: Position, path: str) -> Iterator[Problem]:
    """An escalation that concerns a leader, and nobody to approve it."""
    rungs = [rung for rung in item.rungs if asks_above(rung) and covered(item, rung) is None]
    if item.spec.duty is None or not rungs:
        return
    directory: Directory = plan.directory
    day = next(
        (day for day in days_of(plan) if concerns_leader(cells_of(item, directory, day), directory, day)),
        None,
    )
    if day is None:
        return
    where = f"{path}.{rungs[0].id}"
    if plan.head.approvers is None:
        yield Problem(
            position,
            where,
            "提请关注涉及分管领导，须经审批，而计划没有写由谁审批",
            "在 plan 下写 approvers，如 post:机关党委书记",
            "或在本项写 approval",
        )
    elif not directory.people_meant(plan.head.approvers, day):
        audience = "、".join(str(term) for term in plan.head.approvers)
        found = f"提请关注涉及分管领导，须经审批，而 plan.approvers“{audience}”在 {day} 没有任何人"
        yield Problem(position, where, found, "", "请检查 directory.yaml 中的任职（holdings）与起止日期")


def days_of(plan: Plan) -> tuple[date, ...]:
    """The days of a plan on which the directory may differ: its first, every change, its last."""
    first, last = plan.head.from_, plan.head.until
    directory: Directory = plan.directory
    return (first, *(day for day in directory.changes if first < day < last), last)
