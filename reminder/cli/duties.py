"""``duties``: who still owes what, and what a rotation will hand over."""

from __future__ import annotations

from datetime import timedelta
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
from reminder.cli.planning import edition_of, required_item
from reminder.cli.usage import Command, Group

if TYPE_CHECKING:
    from datetime import date

    from reminder.recording.transfers import Handover
    from reminder.recording.view import Gone, Row, View
    from reminder.settings import Settings

AHEAD_DAYS = 60
PAST_SHOWN = timedelta(days=92)
"""How far back the whole list goes when nothing narrows it."""

duties_app = typer.Typer(
    cls=Group,
    name="duties",
    help="办结情况：谁还有什么没有办结。另有 transfers（轮岗交接预览）、import（表格批量登记）。",
    invoke_without_command=True,
    add_completion=False,
)
app.add_typer(duties_app)


@duties_app.callback()
def duties(
    context: typer.Context,
    item: Annotated[str | None, typer.Option("--item", help="只看这一项（任务编号）")] = None,
    person: Annotated[str | None, typer.Option("--person", help="只看此人承担的：编号、姓名或职务")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="只看此单位的")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="只看没有办结的")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="只看已过截止日期而没有办结的")] = False,
    since: Annotated[
        str | None, typer.Option("--from", help="截止日期不早于此日；不加其他条件时默认为三个月前")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="截止日期不晚于此日")] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="由谁查看：非公开事项只对承担者和掌握人列名单，其余只列数目")
    ] = None,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """办结情况：谁还有什么没有办结。"""
    if context.invoked_subcommand is not None:
        return
    from reminder.agenda.facts import Way
    from reminder.cli.desk import required_person, required_unit

    view = view_of(settings_of(schedules, templates, data))
    edition, directory = view.edition, view.edition.plan.directory
    items = [required_item(edition, item).id] if item is not None else None
    owner = required_person(person, directory, view.today).id if person is not None else None
    concerned = required_unit(unit, edition) if unit is not None else None
    viewer = author_of(by, directory, view.today) if by is not None else None
    narrowed = open_only or overdue or item or person or unit
    earliest = None if narrowed else view.today - PAST_SHOWN
    first = parse_day(since, "--from") if since is not None else earliest
    last = parse_day(until, "--to") if until is not None else None

    def within(due: date) -> bool:
        return (first is None or first <= due) and (last is None or due <= last)

    rows = [
        row
        for row in view.rows(items)
        if within(row.standing.cell.due or row.occurrence.due)
        and (row.standing.owed or not (open_only or overdue))
        and (row.standing.overdue or not overdue)
        and (owner is None or view.role_of(owner, row) is Way.LINK)
        and (concerned is None or _concerns(row, concerned, view))
    ]
    rows.sort(key=lambda row: (row.standing.cell.due or row.occurrence.due, row.occurrence.id))
    shown = [row for row in rows if view.sees(viewer, row)]
    hidden = [row for row in rows if not view.sees(viewer, row)]
    gone = [] if open_only or overdue or owner or concerned else list(view.gone(items))
    gone = [
        each
        for each in gone
        if within(each.occurrence.due) and (not each.item.spec.private or _in_charge(viewer, view))
    ]
    if format is Format.JSON:
        from reminder.cli.output import print_json

        print_json(
            [_row_json(row, view) for row in shown]
            + [_gone_json(each, view) for each in gone]
            + [_counts_json(group) for group in _groups(hidden)]
        )
        return
    _print(shown, gone, hidden, view)
    if first is not None and since is None:
        print(f"只列出截止日期在 {first} 及以后的；更早的用 --from，全部未办结的用 --open。")


def view_of(settings: Settings) -> View:
    """What the ledger knows; without one, everything is open."""
    from reminder.agenda.facts import NOTHING
    from reminder.clock import SystemClock
    from reminder.ledger.errors import LedgerMissing
    from reminder.ledger.ledger import Ledger
    from reminder.recording.view import View

    edition = edition_of(settings)
    now = SystemClock().now()
    plan_id = edition.plan.id
    try:
        with Ledger.open(settings.ledger, kind=None, now=now, create=False) as ledger:
            facts = ledger.facts(plan_id, ledger.transport(plan_id))
    except LedgerMissing:
        facts = NOTHING
    return View(edition, facts, now)


def _concerns(row: Row, unit: str, view: View) -> bool:
    from reminder.agenda.acting import units_of_cell

    cells = units_of_cell(row.standing.cell, view.edition.plan.directory, view.today)
    return any(each.id == unit for each in cells)


def _in_charge(viewer: str | None, view: View) -> bool:
    from reminder.agenda.reach import in_charge

    return viewer is not None and viewer in in_charge(view.edition.plan, view.today)


def _print(shown: list[Row], gone: list[Gone], hidden: list[Row], view: View) -> None:
    from reminder.cli.desk import day_text, recorded_text, state_text, summary_of
    from reminder.cli.output import print_table

    table = [
        (
            row.item.spec.title,
            row.occurrence.id,
            row.standing.cell.title,
            state_text(row.standing),
            str(row.standing.cell.due or row.occurrence.due),
            day_text(row.standing),
            recorded_text(row.standing.last, view.edition),
        )
        for row in shown
    ]
    table += [
        (
            each.item.spec.title,
            each.occurrence.id,
            each.standing.cell.title,
            f"{state_text(each.standing)}（职责已因名册调整关闭）",
            "",
            day_text(each.standing),
            recorded_text(each.standing.last, view.edition),
        )
        for each in gone
    ]
    if table:
        columns = ("事项", "期次", "承担者", "情况", "截止", "办结日", "登记")
        print_table(columns, table, f"办结情况，{view.today}")
    if hidden:
        counts = [
            (group[0].item.spec.title, group[0].occurrence.id, summary_of([row.standing for row in group]))
            for group in _groups(hidden)
        ]
        title = "非公开事项，只列数目（承担者本人和掌握人可用 --by 查看名单）"
        print_table(("事项", "期次", "数目"), counts, title)
    rows = [*shown, *hidden]
    if not rows and not gone:
        print("没有符合条件的事项。")
        return
    print(f"合计 {len(rows)} 项：{summary_of([row.standing for row in rows])}。")


def _groups(rows: list[Row]) -> list[list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.occurrence.id, []).append(row)
    return list(found.values())


def _row_json(row: Row, view: View) -> dict[str, Any]:
    cell, standing = row.standing.cell, row.standing
    return {
        "item": row.item.id,
        "title": row.item.spec.title,
        "occurrence": row.occurrence.id,
        "cell": cell.id,
        "label": cell.title,
        "unit": cell.subject,
        "owners": [owner.id for owner in cell.owners],
        "state": str(standing.state),
        "overdue": standing.overdue,
        "since": str(cell.since) if cell.since else None,
        "due": str(cell.due or row.occurrence.due),
        "done_on": str(standing.done_on) if standing.done_on else None,
        "booked_on": str(standing.booked_on) if standing.booked_on else None,
        "closed_on": None,
        "recorded": _recorded_json(row, view),
    }


def _recorded_json(row: Row | Gone, view: View) -> dict[str, Any] | None:
    last = row.standing.last
    if last is None:
        return None
    return {
        "action": str(last.action),
        "by": last.by,
        "name": author_name(last.by, view.edition.plan.directory),
        "in_place_of": last.for_,
        "way": str(last.way),
        "at": last.at.isoformat(),
        "note": last.note,
    }


def _gone_json(each: Gone, view: View) -> dict[str, Any]:
    return {
        "item": each.item.id,
        "title": each.item.spec.title,
        "occurrence": each.occurrence.id,
        "cell": each.standing.cell.id,
        "label": each.standing.cell.title,
        "unit": each.standing.cell.subject,
        "owners": [],
        "state": str(each.standing.state),
        "overdue": False,
        "since": None,
        "due": None,
        "done_on": str(each.standing.done_on) if each.standing.done_on else None,
        "booked_on": str(each.standing.booked_on) if each.standing.booked_on else None,
        "closed_on": str(each.moved.on) if each.moved.on else "",
        "recorded": _recorded_json(each, view),
    }


def _counts_json(group: list[Row]) -> dict[str, Any]:
    from reminder.agenda.facts import DutyState

    standings = [row.standing for row in group]
    return {
        "item": group[0].item.id,
        "title": group[0].item.spec.title,
        "occurrence": group[0].occurrence.id,
        "private": True,
        "count": len(group),
        "overdue": sum(each.overdue for each in standings),
        "states": {str(state): sum(each.state is state for each in standings) for state in DutyState},
    }


@duties_app.command("transfers", cls=Command)
def transfers(
    ahead: Annotated[int, typer.Option("--ahead", help="往后看多少天", min=0, max=366)] = AHEAD_DAYS,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """预览轮岗交接：名册变动将使谁不再承担、谁开始承担，各自何时截止。"""
    from reminder.cli.output import print_json, print_table
    from reminder.recording.transfers import upcoming

    view = view_of(settings_of(schedules, templates, data))
    until = view.today + timedelta(days=ahead)
    found = upcoming(view.edition, view.facts, view.today, until)
    if format is Format.JSON:
        print_json([_handover_json(each) for each in found])
        return
    if not found:
        print(f"{view.today} 至 {until} 没有因名册变动而交接的事项。")
        return
    rows = [
        (
            str(each.on),
            each.item.spec.title,
            each.occurrence.id,
            "开始承担" if each.opens else "不再承担",
            each.title,
            str(each.due) if each.due else "",
        )
        for each in found
    ]
    columns = ("日期", "事项", "期次", "变动", "承担者", "截止")
    print_table(columns, rows, f"{view.today} 至 {until} 的交接，共 {len(rows)} 项")


def _handover_json(each: Handover) -> dict[str, Any]:
    return {
        "on": str(each.on),
        "item": each.item.id,
        "occurrence": each.occurrence.id,
        "cell": each.cell,
        "label": each.title,
        "change": "opens" if each.opens else "closes",
        "due": str(each.due) if each.due else None,
    }
