"""``plan push``, ``versions``, ``back``, ``pull``, ``withdraw``: the plan that nodes take from the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    drafts_of,
)
from reminder.cli.people import author_of
from reminder.cli.planning import load_reader, plan_app, shared_ledger
from reminder.cli.publication import (
    MOST_NUMBER,
    author_id,
    compare,
    mark,
    name_of,
    opened,
    plan_of,
    remark_of,
    required,
    standing_of,
    started_from,
    told_of,
    version_json,
    without_secrets,
)
from reminder.cli.usage import Command
from reminder.errors import PlanProblems, ReminderError, UsageError, system_reason

ByOption = Annotated[str, typer.Option("--by", help="由谁发布：姓名、职务或编号（记入台账，视为提交人）")]
NoteOption = Annotated[str, typer.Option("--note", help="说明，一行")]


@plan_app.command("push", cls=Command)
def push(
    by: ByOption = "",
    note: NoteOption = "",
    over: Annotated[
        int | None,
        typer.Option("--over", help="现行版次：看过它之后仍以文件夹为准", min=0, max=MOST_NUMBER),
    ] = None,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """检查计划文件夹，列出变动，发布到台账（PostgreSQL）：各节点几秒内采用。有错误则不发布。"""
    from reminder.cli.output import print_problems

    load_reader()
    from reminder.editing.bundle import examined, in_histories
    from reminder.ledger.file_versions import digest_of
    from reminder.ledger.published import digest_of_files
    from reminder.sweep.accept import not_of_another

    settings = drafts_of(schedules, templates, data)
    shared_ledger(settings)
    remark = remark_of(note)
    contents, examination = examined(settings.schedules, settings.templates, settings.public_url)
    if examination.edition is None:
        raise PlanProblems(examination.problems)
    edition = examination.edition
    print_problems(examination.problems)
    without_secrets(contents, settings)
    plan_id = edition.plan.id
    with opened(settings) as (ledger, now):
        author = author_id(by, edition, now)
        in_force, before = standing_of(ledger, plan_id)
        number = in_force.number if in_force is not None else 0
        digest = digest_of_files({name: digest_of(content) for name, content in contents.items()})
        if before is not None and before.digest == digest:
            mark(settings.schedules, plan_id, number)
            print(f"文件夹与现行第 {number} 版相同，没有发布。")
            return
        compare(ledger, before, edition, contents, now, settings)
        if over is None:
            not_of_another(ledger, edition)
            started_from(settings.schedules, plan_id, in_force, before, edition)
        version = ledger.published.publish(
            plan_id,
            contents,
            edition.digest,
            at=now,
            author=author,
            remark=remark,
            over=number if over is None else over,
            kept=in_histories(contents),
        )
    mark(settings.schedules, plan_id, version.number)
    who = told_of(author, edition)
    print(
        f"已发布第 {version.number} 版（校验码 {version.digest[:12]}，{len(contents)} 个文件，{who}）。"
        "设了 REMINDER_PLAN_FROM=ledger 的节点几秒内采用。"
    )


@plan_app.command("versions", cls=Command)
def versions(
    limit: Annotated[int, typer.Option("--limit", help="最多列出几版", min=1, max=1000)] = 20,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """列出台账中发布过的各版计划，现行的是哪一版。"""
    from reminder.cli.output import print_json, print_table

    settings = drafts_of(schedules, templates, data)
    shared_ledger(settings)
    with opened(settings) as (ledger, _):
        plan_id, zone, directory = plan_of(ledger, settings)
        every = ledger.published.every(plan_id, limit)
        in_force, _before = standing_of(ledger, plan_id)
    number = in_force.number if in_force is not None else 0
    if format is Format.JSON:
        print_json([version_json(each, number) for each in every])
        return
    if not every:
        print(f"台账中还没有发布的计划（{plan_id}）：在有计划文件夹的机器上执行 reminder plan push。")
        return
    rows = [
        (
            "现行" if each.number == number else "",
            str(each.number),
            f"{each.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}",
            name_of(each.author, directory),
            str(len(each.files)),
            each.digest[:12],
            each.remark,
        )
        for each in every
    ]
    print_table(("", "版次", "发布时间", "发布人", "文件", "校验码", "说明"), rows, f"计划 {plan_id}")
    if not number:
        print("现在没有现行的版次：各节点读自己的文件夹。")


@plan_app.command("back", cls=Command)
def back(
    number: Annotated[int, typer.Argument(metavar="N", help="退回到第几版", min=1, max=MOST_NUMBER)],
    by: ByOption = "",
    note: NoteOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """退回台账中从前的一版计划：按现在的程序重新检查，没有错误才生效。"""
    from reminder.cli.output import print_problems

    load_reader()
    from reminder.editing.bundle import in_histories
    from reminder.editing.publishing import examined_version

    settings = drafts_of(schedules, templates, data)
    shared_ledger(settings)
    remark = remark_of(note)
    with opened(settings) as (ledger, now):
        plan_id, _, _ = plan_of(ledger, settings)
        version = required(ledger, plan_id, number)
        in_force, before = standing_of(ledger, plan_id)
        if in_force is not None and in_force.number == number:
            print(f"现行的就是第 {number} 版，未作更改。")
            return
        contents = ledger.published.contents(version)
        examination = examined_version(contents, settings.public_url)
        if examination.edition is None:
            raise PlanProblems(examination.problems)
        edition = examination.edition
        print_problems(examination.problems)
        author = author_id(by, edition, now)
        compare(ledger, before, edition, contents, now, settings, breaks=False)
        ledger.published.go_back(
            version,
            contents,
            at=now,
            author=author,
            remark=remark or f"退回第 {number} 版",
            over=in_force.number if in_force is not None else 0,
            kept=in_histories(contents),
        )
    print(
        f"已退回第 {number} 版（{told_of(author, edition)}）。设了 REMINDER_PLAN_FROM=ledger 的节点几秒内采用。"
    )


@plan_app.command("pull", cls=Command)
def pull(
    out: Annotated[Path, typer.Option("--out", help="放到哪个文件夹（须为空或不存在）")],
    number: Annotated[
        int | None, typer.Argument(metavar="N", help="第几版；默认为现行的", min=1, max=MOST_NUMBER)
    ] = None,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """把台账中的一版计划取到文件夹里，以便修改后再发布。"""
    from reminder.editing.bundle import lay_out
    from reminder.settings import SCHEDULES, TEMPLATES

    settings = drafts_of(schedules, templates, data)
    shared_ledger(settings)
    with opened(settings) as (ledger, _):
        plan_id, _, _ = plan_of(ledger, settings)
        in_force, _before = standing_of(ledger, plan_id)
        if number is None and in_force is None:
            raise ReminderError(f"台账中没有现行的版次（{plan_id}）；请写明第几版，见 reminder plan versions")
        version = required(ledger, plan_id, number or (in_force.number if in_force is not None else 0))
        contents = ledger.published.contents(version)
    try:
        if out.exists():
            if any(out.iterdir()):
                raise UsageError(f"{out} 不是空的，没有写入：请用 --out 指定空的或不存在的文件夹")
            out.rmdir()
        out.parent.mkdir(parents=True, exist_ok=True)
        lay_out(out, contents)
    except OSError as error:
        raise ReminderError(f"写不进 {out}（{system_reason(error)}）") from None
    mark(out / SCHEDULES, plan_id, version.number)
    print(
        f"第 {version.number} 版已取到 {out}（{len(contents)} 个文件）。修改后检查并发布：\n"
        f"reminder plan push --schedules {out / SCHEDULES} --templates {out / TEMPLATES} --by 姓名"
    )


@plan_app.command("withdraw", cls=Command)
def withdraw(
    by: ByOption = "",
    note: NoteOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """不再由台账发布计划：各节点改读自己的文件夹（REMINDER_PLAN_FROM=folder）。各版仍留在台账中。"""
    settings = drafts_of(schedules, templates, data)
    shared_ledger(settings)
    remark = remark_of(note)
    if not by.strip():
        raise UsageError("请用 --by 写明由谁决定，将记入台账；如 reminder plan withdraw --by 机关党委办公室")
    with opened(settings) as (ledger, now):
        plan_id, zone, directory = plan_of(ledger, settings)
        today = now.astimezone(ZoneInfo(zone)).date()
        author = author_of(by, directory, today) if directory is not None else " ".join(by.split())
        in_force, _before = standing_of(ledger, plan_id)
        if in_force is None:
            print("台账中没有现行的版次，未作更改。")
            return
        ledger.published.withdraw(plan_id, at=now, author=author, remark=remark, over=in_force.number)
    print("台账不再发布计划。正在运行的节点照用现有的计划，直到改设 REMINDER_PLAN_FROM=folder 重新启动。")
