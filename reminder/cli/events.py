"""``event``: register what happens outside the plan, and see how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    parse_day,
    settings_of,
)
from reminder.cli.people import author_name, author_of
from reminder.cli.planning import edition_of
from reminder.cli.usage import Command, Group

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from reminder.agenda.duties import Standing
    from reminder.check import Edition
    from reminder.recording.events import Begun, Events, Listed, Start, Step

REGISTER = "register"


class EventGroup(Group):
    """``event NAME …`` is ``event register NAME …``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [REGISTER, *args]
        return super().resolve_command(ctx, args)


event_app = typer.Typer(
    cls=EventGroup,
    name="event",
    help="事件：登记任职、通报等，随即启动相应事项；查看办到哪一步。"
    "登记也可简写为 reminder event 事件名 --on 日期 --subject 代号。",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(event_app)

EventArgument = Annotated[str, typer.Argument(help="事件名，即计划中 when: event 的值，如 appointment")]
SubjectOption = Annotated[str, typer.Option("--subject", help="代号，如 任前-2026-03；不写姓名")]
ByOption = Annotated[str, typer.Option("--by", help="由谁登记（记入台账）：姓名、职务或部门")]
ReasonOption = Annotated[str, typer.Option("--reason", help="理由（记入台账）；不写姓名")]


@event_app.command(REGISTER, cls=Command)
def register(
    event: EventArgument,
    on: Annotated[str, typer.Option("--on", help="事件日期，今天或以后，如 2026-05-20")],
    subject: SubjectOption,
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """登记一个事件，并列出由此启动的事项、截止和提醒。"""
    day = parse_day(on, "--on")
    with _opened(data, schedules, templates) as (events, edition, now):
        author = author_of(by, edition.plan.directory, now.date())
        begun = events.register(event, subject, day, by=author, now=now)
    _show(begun, format, "已登记" if begun.new else "此前已经登记，未作更改")


@event_app.command(cls=Command)
def move(
    event: EventArgument,
    subject: SubjectOption,
    on: Annotated[str, typer.Option("--on", help="改到哪一天")],
    reason: ReasonOption = "",
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """事件改期：提醒按新的日期重新计算，已办结的仍算办结。"""
    day = parse_day(on, "--on")
    with _opened(data, schedules, templates) as (events, edition, now):
        author = author_of(by, edition.plan.directory, now.date())
        begun = events.move(event, subject, day, by=author, reason=reason, now=now)
    _show(begun, format, "已改期" if begun.new else "日期没有变化，未作更改")


@event_app.command(cls=Command)
def cancel(
    event: EventArgument,
    subject: SubjectOption,
    reason: ReasonOption = "",
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """事件取消：此后不再提醒；登记和已有的记录保留。"""
    with _opened(data, schedules, templates) as (events, edition, now):
        author = author_of(by, edition.plan.directory, now.date())
        there = events.cancel(event, subject, by=author, reason=reason, now=now)
    print(f"已取消 {there.event} {there.subject}（原定 {there.on}），此后不再提醒。")


@event_app.command("list", cls=Command)
def list_events(
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """列出已登记的事件和各步骤办理情况。"""
    from reminder.cli.output import print_json, print_table

    with _opened(data, schedules, templates) as (events, edition, now):
        rows, names = events.listed(now), "、".join(events.items()) or "（无）"
    if format is Format.JSON:
        print_json([_listed_json(row) for row in rows])
        return
    if not rows:
        print(f"还没有登记任何事件；计划中的事件名：{names}。")
        return
    directory = edition.plan.directory
    table = [
        (
            row.event.event,
            row.event.subject,
            str(row.event.on),
            _state_text(row),
            "；".join(_step_text(step) for step in row.steps),
            author_name(row.event.by, directory),
        )
        for row in rows
    ]
    columns = ("事件", "代号", "日期", "情况", "各步骤", "登记人")
    print_table(columns, table, f"已登记的事件，共 {len(rows)} 个")


def _opened(
    data: Path | None, schedules: Path | None, templates: Path | None
) -> AbstractContextManager[tuple[Events, Edition, datetime]]:
    """The daemon's ledger with the plan in the folders; it must be there already."""
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[tuple[Events, Edition, datetime]]:
        from reminder.clock import SystemClock
        from reminder.ledger.ledger import Ledger
        from reminder.ledger.records import LedgerKind
        from reminder.recording.events import Events

        settings = settings_of(schedules, templates, data)
        edition = edition_of(settings)
        now = SystemClock().now()
        with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False) as ledger:
            yield Events(ledger, edition), edition, now

    return opened()


# What is shown


def _show(begun: Begun, format: Format, head: str) -> None:
    from reminder.cli.output import print_json, print_table

    event = begun.event
    if format is Format.JSON:
        print_json(
            {
                "event": event.event,
                "subject": event.subject,
                "on": event.on.isoformat(),
                "new": begun.new,
                "starts": [_start_json(start) for start in begun.starts],
            }
        )
        return
    print(f"{head}：{event.event} {event.subject}，{event.on}。由此启动 {len(begun.starts)} 项：")
    rows = [
        (
            start.item.spec.clause,
            start.item.spec.title,
            f"{start.occurrence.due_at:%Y-%m-%d %H:%M}",
            _owners(start),
            "、".join(dict.fromkeys(_when(start, alarm.at) for alarm in start.alarms)),
        )
        for start in begun.starts
    ]
    print_table(("条款", "事项", "截止", "承担者", "提醒"), rows)
    for start in begun.starts:
        if start.item.spec.duty is not None and not any(each.cell.owners for each in start.owed):
            print(f"注意：“{start.item.spec.title}”目前没有人承担，请检查 directory.yaml 中的任职。")


def _when(start: Start, at: datetime) -> str:
    return "登记即发" if at == start.occurrence.started else f"{at:%m-%d}"


def _owners(start: Start) -> str:
    names = list(dict.fromkeys(owner.name for each in start.owed for owner in each.cell.owners))
    return "、".join(names) if len(names) <= 4 else f"{names[0]}、{names[1]}等{len(names)}人"


def _start_json(start: Start) -> dict[str, Any]:
    return {
        "item": start.item.id,
        "occurrence": start.occurrence.recorded_under[0],
        "due": start.occurrence.due_at.isoformat(),
        "cells": [each.cell.id for each in start.owed],
        "alarms": [{"alarm": alarm.key, "at": alarm.at.isoformat()} for alarm in start.alarms],
    }


def _state_text(row: Listed) -> str:
    from reminder.agenda.facts import DutyState

    if row.called_off is not None:
        return f"已取消：{row.called_off.reason}"
    past = "日期已过，" if row.past else ""
    if not row.gate:
        return f"{past}{'未办结' if any(step.open for step in row.steps) else '已办结'}"
    if row.complete:
        return f"{_count(len(row.gate))}步齐备"
    waived = any(each.state is DutyState.WAIVED for step in row.gate for each in step.cells)
    if waived and not any(step.open for step in row.gate):
        return f"{past}{_count(len(row.gate))}步未齐备（有免办）"
    return f"{past}{_count(len(row.gate))}步未齐备，缺{sum(not step.done for step in row.gate)}步"


def _count(number: int) -> str:
    return "零一二三四五六七八九十"[number] if number <= 10 else str(number)


def _step_text(step: Step) -> str:
    from reminder.agenda.facts import DUTY_STATE_TEXT

    title = step.item.spec.title
    if not step.cells:
        return f"{title} 无人承担"
    if len(step.cells) > 1:
        return f"{title} 已办 {sum(not each.owed for each in step.cells)}/{len(step.cells)}"
    (only,) = step.cells
    return f"{title} {_date_of(only) or DUTY_STATE_TEXT[only.state]}"


def _date_of(standing: Standing) -> str:
    if standing.done_on is not None:
        return f"{standing.done_on} 办结"
    return f"{standing.booked_on} 已安排" if standing.booked_on is not None else ""


def _listed_json(row: Listed) -> dict[str, Any]:
    event, off = row.event, row.called_off
    return {
        "event": event.event,
        "subject": event.subject,
        "on": event.on.isoformat(),
        "registered_by": event.by,
        "registered_at": event.at.isoformat(),
        "past": row.past,
        "called_off": None if off is None else {"by": off.by, "at": off.at.isoformat(), "reason": off.reason},
        "complete": row.complete if row.gate else None,
        "steps": [
            {
                "item": step.item.id,
                "title": step.item.spec.title,
                "gate": step.gate,
                "done": step.done,
                "done_on": step.done_on.isoformat() if step.done_on else None,
                "states": [str(each.state) for each in step.cells],
            }
            for step in row.steps
        ],
    }
