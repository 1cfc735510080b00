"""``check``, ``agenda``, ``preview``, ``load``, ``schema``, ``plan new-year``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.checked import was_checked
from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    drafts_of,
    parse_days,
    settings_of,
    span_of,
)
from reminder.cli.usage import Command, Group
from reminder.errors import PlanProblems, UsageError

if TYPE_CHECKING:
    from reminder.agenda.alarms import Alarm
    from reminder.calendars.periods import Period
    from reminder.check import Edition, Examination
    from reminder.plan.model import Item
    from reminder.settings import Settings

plan_app = typer.Typer(cls=Group, help="计划的拟定。", no_args_is_help=True)
app.add_typer(plan_app, name="plan")

DAY = timedelta(days=1)
UNPUBLISHED = "未公布"


def edition_of(settings: Settings, *, whole: bool = False) -> Edition:
    """The edition in the folders; one that the daemon has taken into force is rendered to be checked only if ``whole``.

    Raises ``PlanProblems`` with every problem when it cannot be accepted.
    """

    def known(edition: Edition) -> bool:
        return was_checked(settings.checked, edition.digest, edition.public_url)

    examination = examined(settings, None if whole else known)
    if examination.edition is None:
        raise PlanProblems(examination.errors)
    return examination.edition


def brought(settings: Settings) -> None:
    """Lay out the plan that is published in the ledger, if another one lies there."""
    from reminder.backup.guard import not_foreign
    from reminder.clock import SystemClock
    from reminder.editing.store import PlanStore
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind

    shared_ledger(settings)
    with Ledger.open(
        settings.ledger, kind=LedgerKind.DAEMON, now=SystemClock().now(), create=False
    ) as ledger:
        not_foreign(ledger, settings.high_water)
        PlanStore(settings.published).bring(ledger, settings.plan_wanted)


def shared_ledger(settings: Settings) -> None:
    """Raises ``UsageError`` where the ledger is a file: its one daemon reads its own folder."""
    from reminder.ledger.address import is_postgres

    if not is_postgres(settings.ledger):
        raise UsageError(
            f"台账 {settings.ledger_shown} 是文件，不能由它发布计划；这需要 PostgreSQL 台账："
            "请设置 REMINDER_DATABASE_URL，或改回 REMINDER_PLAN_FROM=folder"
        )


def load_reader() -> None:
    """Load what reads a plan; what renders starts meanwhile."""
    from reminder.messages import limited

    limited.shared.start()
    import reminder.check  # noqa: F401


def examined(settings: Settings, known: Callable[[Edition], bool] | None = None) -> Examination:
    """Everything found in the folders; where the plan comes from the ledger, in those in which it is laid out.

    ``known`` as in :func:`reminder.check.examine`.
    """
    load_reader()
    from reminder.check import examine

    if settings.follows_ledger:
        brought(settings)
    return examine(settings.schedules, settings.templates, settings.public_url, known=known)


@app.command(cls=Command)
def check(
    directory: Annotated[Path | None, typer.Argument(help="计划文件夹", metavar="DIR")] = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """检查计划、名册、通道、日历与模板，列出全部问题；没有问题则不输出。"""
    from reminder.cli.output import print_json, print_problems, problem_json

    examination = examined(drafts_of(directory or schedules, templates))
    if format is Format.JSON:
        print_json([problem_json(problem) for problem in examination.problems])
    else:
        print_problems(examination.problems, to_stdout=True)
    if examination.errors:
        raise typer.Exit(1)


@app.command(cls=Command)
def agenda(
    since: Annotated[str, typer.Option("--from", help="起始日期，如 2026-01-01")],
    until: Annotated[str, typer.Option("--to", help="结束日期（含当日）")],
    item: Annotated[str | None, typer.Option("--item", help="只看这一项")] = None,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """列出一段日期内将发出的提醒：何时、何事、发给谁。随机抽取的，公布之前只列“未公布”。"""
    from reminder.agenda.alarms import expand
    from reminder.agenda.draws import draw_items, unpublished
    from reminder.agenda.instants import zone_of
    from reminder.calendars.arrangement import CERTAINTY_TEXT
    from reminder.cli.known import facts_of
    from reminder.cli.output import print_json, print_table
    from reminder.sweep.compose import shares_of

    days = parse_days(since, until)
    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    start, end = span_of(days, zone_of(edition.plan.head.timezone))
    if item is not None:
        item = required_item(edition, item).id
    facts = facts_of(settings, edition.plan.id)
    found = expand(edition.plan, edition.calendar, start, end, facts)
    alarms = [alarm for alarm in found if item in (None, alarm.item.id)]
    hidden = [
        (each, period)
        for each, when in draw_items(edition.plan)
        if item in (None, each.id)
        for period in unpublished(each, when, edition.plan, facts, start.date(), (end - DAY).date())
    ]
    receivers = {a.key: list(dict.fromkeys(s.addressee.id for s in shares_of(a, edition)[0])) for a in alarms}
    if format is Format.JSON:
        print_json(
            [_alarm_json(alarm, receivers[alarm.key]) for alarm in alarms]
            + [_hidden_json(each, period) for each, period in hidden]
        )
        return
    rows = [
        (
            f"{a.at:%Y-%m-%d %H:%M}",
            _weekday(a.at),
            a.item.spec.clause,
            f"{a.item.spec.title}（{a.occurrence.label}）",
            a.rung.id,
            f"{a.occurrence.due_at:%m-%d %H:%M}",
            "、".join(str(route) for route in a.rung.via),
            _receivers_text(receivers[a.key], edition),
            CERTAINTY_TEXT[a.status],
        )
        for a in alarms
    ]
    title = f"{since} 至 {until}，共 {len(rows)} 条提醒"
    rows += [
        (
            UNPUBLISHED,
            "",
            each.spec.clause,
            f"{each.spec.title}（{period.label}）",
            "",
            UNPUBLISHED,
            "",
            "",
            "抽取",
        )
        for each, period in hidden
    ]
    columns = ("时间", "星期", "条款", "事项", "提醒", "截止", "通道", "收件人", "备注")
    print_table(columns, rows, title)


def _alarm_json(alarm: Alarm, receivers: list[str]) -> dict[str, Any]:
    from reminder.plan.via import channels_of

    return {
        "item": alarm.item.id,
        "clause": alarm.item.spec.clause,
        "basis": str(alarm.item.spec.basis),
        "occurrence": alarm.occurrence.id,
        "alarm": alarm.key,
        "at": alarm.at.isoformat(),
        "due": alarm.occurrence.due_at.isoformat(),
        "channels": list(channels_of(alarm.rung.via)),
        "receivers": receivers,
        "template": alarm.rung.template,
        "calendar_status": str(alarm.status),
    }


def _hidden_json(item: Item, period: Period) -> dict[str, Any]:
    """A lot that nobody may know yet: everything that would tell is null."""
    return {
        "item": item.id,
        "clause": item.spec.clause,
        "basis": str(item.spec.basis),
        "occurrence": f"{item.id}/{period.id}",
        "alarm": None,
        "at": None,
        "due": None,
        "channels": [],
        "receivers": [],
        "template": None,
        "calendar_status": None,
        "unpublished": True,
    }


def _weekday(at: datetime) -> str:
    return "周" + "一二三四五六日"[at.weekday()]


def _receivers_text(ids: list[str], edition: Edition) -> str:
    names = [person.name if (person := edition.plan.directory.person(each)) else each for each in ids]
    return "、".join(names) if len(names) <= 3 else f"{names[0]}、{names[1]}等{len(names)}人"


def required_item(edition: Edition, item_id: str) -> Item:
    """The item of that id.

    Raises ``UsageError`` that suggests the nearest one.
    """
    from reminder.plan.fields import did_you_mean

    item = edition.plan.item(item_id)
    if item is None:
        ids = [each.id for each in edition.plan.items]
        hint = did_you_mean(item_id, ids)
        raise UsageError(
            f"计划中没有编号为“{item_id}”的任务；可用：{'、'.join(ids)}" + (f"；{hint}" if hint else "")
        )
    return item


@app.command(cls=Command)
def preview(
    item_id: Annotated[str, typer.Argument(help="任务编号", metavar="ITEM")],
    occurrence: Annotated[
        str | None, typer.Option("--occurrence", help="某一次，如 festival/2026/中秋")
    ] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="通道编号")] = None,
    alarm: Annotated[str | None, typer.Option("--alarm", help="哪一次提醒，如 due-3wd；默认第一次")] = None,
    receiver: Annotated[str | None, typer.Option("--receiver", help="收件人编号；默认第一位")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="输出将要发送的原始字节")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """预览一条提醒：将要发出的原文。"""
    import sys

    from reminder.cli.known import facts_of
    from reminder.sweep.preview import preview_message

    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    item = required_item(edition, item_id)
    facts = facts_of(settings, edition.plan.id)
    shown = preview_message(edition, item, facts, occurrence, channel, alarm, receiver)
    if raw:
        sys.stdout.buffer.write(b"\n".join(shown.payloads))
        return
    print(shown.head)
    print()
    print(shown.body)


@app.command(cls=Command)
def load(
    year: Annotated[int | None, typer.Option("--year", help="年度；默认为今年")] = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """假定事项一件未办，看一年之中每个人最多会收到多少消息。"""
    from reminder.cli.loads import loads_json, print_loads
    from reminder.cli.output import print_json

    edition = edition_of(settings_of(schedules, templates))
    if format is Format.JSON:
        print_json(loads_json(edition, year))
    else:
        print_loads(edition, year)


@app.command(cls=Command)
def schema() -> None:
    """输出计划文件的 JSON Schema，供编辑器补全与检查。"""
    from reminder.cli.output import print_json
    from reminder.plan.schema import json_schema

    print_json(json_schema())


@plan_app.command("new-year", cls=Command)
def new_year(
    year: Annotated[int | None, typer.Argument(metavar="YEAR", help="年度；默认为现计划截止的次年")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="草稿存放的文件夹（须为空或不存在）")] = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """由现计划生成下一年度计划的草稿，并列出需要核对的日期与名册。"""
    from reminder.cli.newyear import draft

    settings = drafts_of(schedules, templates)
    edition = edition_of(settings)
    target_year = year or edition.plan.head.until.year + 1
    print(draft(settings, edition, target_year, out or Path(f"schedules-{target_year}")))
