"""``plan push``, ``versions``, ``back``, ``pull``, ``withdraw``: the plan that nodes take from the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
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
from reminder.cli.usage import Command
from reminder.errors import PlanProblems, ReminderError, UsageError, errors_of, system_reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reminder.check import Edition
    from reminder.editing.publishing import Compared
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.published import InForce, PublishedPlan
    from reminder.plan.fingerprint import ItemChanges
    from reminder.settings import Settings

MARK = ".published.json"
"""Beside the plan's files, and no plan file: which version they were started from."""
NOBODY = "push"
"""The author of a version that nobody signed for: it is nobody's of the directory."""
LONGEST_NOTE = 200
MOST_NUMBER = 1_000_000
ROWS_SHOWN = 20

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
    remark = _remark(note)
    contents, examination = examined(settings.schedules, settings.templates, settings.public_url)
    if examination.edition is None:
        raise PlanProblems(examination.problems)
    edition = examination.edition
    print_problems(examination.problems)
    _without_secrets(contents, settings)
    plan_id = edition.plan.id
    with _opened(settings) as (ledger, now):
        author = _author(by, edition, now)
        in_force, before = _standing(ledger, plan_id)
        number = in_force.number if in_force is not None else 0
        digest = digest_of_files({name: digest_of(content) for name, content in contents.items()})
        if before is not None and before.digest == digest:
            _mark(settings.schedules, plan_id, number)
            print(f"文件夹与现行第 {number} 版相同，没有发布。")
            return
        _compare(ledger, before, edition, contents, now, settings)
        if over is None:
            not_of_another(ledger, edition)
            _started_from(settings.schedules, plan_id, in_force, before, edition)
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
    _mark(settings.schedules, plan_id, version.number)
    who = _who(author, edition)
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
    with _opened(settings) as (ledger, _):
        plan_id, zone, directory = _plan_of(ledger, settings)
        every = ledger.published.every(plan_id, limit)
        in_force, _before = _standing(ledger, plan_id)
    number = in_force.number if in_force is not None else 0
    if format is Format.JSON:
        print_json([_version_json(each, number) for each in every])
        return
    if not every:
        print(f"台账中还没有发布的计划（{plan_id}）：在有计划文件夹的机器上执行 reminder plan push。")
        return
    rows = [
        (
            "现行" if each.number == number else "",
            str(each.number),
            f"{each.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}",
            _name(each.author, directory),
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
    remark = _remark(note)
    with _opened(settings) as (ledger, now):
        plan_id, _, _ = _plan_of(ledger, settings)
        version = _required(ledger, plan_id, number)
        in_force, before = _standing(ledger, plan_id)
        if in_force is not None and in_force.number == number:
            print(f"现行的就是第 {number} 版，未作更改。")
            return
        contents = ledger.published.contents(version)
        examination = examined_version(contents, settings.public_url)
        if examination.edition is None:
            raise PlanProblems(examination.problems)
        edition = examination.edition
        print_problems(examination.problems)
        author = _author(by, edition, now)
        _compare(ledger, before, edition, contents, now, settings, breaks=False)
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
        f"已退回第 {number} 版（{_who(author, edition)}）。设了 REMINDER_PLAN_FROM=ledger 的节点几秒内采用。"
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
    with _opened(settings) as (ledger, _):
        plan_id, _, _ = _plan_of(ledger, settings)
        in_force, _before = _standing(ledger, plan_id)
        if number is None and in_force is None:
            raise ReminderError(f"台账中没有现行的版次（{plan_id}）；请写明第几版，见 reminder plan versions")
        version = _required(ledger, plan_id, number or (in_force.number if in_force is not None else 0))
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
    _mark(out / SCHEDULES, plan_id, version.number)
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
    remark = _remark(note)
    if not by.strip():
        raise UsageError("请用 --by 写明由谁决定，将记入台账；如 reminder plan withdraw --by 机关党委办公室")
    with _opened(settings) as (ledger, now):
        plan_id, zone, directory = _plan_of(ledger, settings)
        today = now.astimezone(ZoneInfo(zone)).date()
        author = author_of(by, directory, today) if directory is not None else " ".join(by.split())
        in_force, _before = _standing(ledger, plan_id)
        if in_force is None:
            print("台账中没有现行的版次，未作更改。")
            return
        ledger.published.withdraw(plan_id, at=now, author=author, remark=remark, over=in_force.number)
    print("台账不再发布计划。正在运行的节点照用现有的计划，直到改设 REMINDER_PLAN_FROM=folder 重新启动。")


# -- what they share -------------------------------------------------------------


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Ledger, datetime]]:
    from reminder.backup.guard import not_foreign
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind

    now = SystemClock().now()
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False) as ledger:
        not_foreign(ledger, settings.high_water)
        yield ledger, now


def _standing(ledger: Ledger, plan_id: str) -> tuple[InForce | None, PublishedPlan | None]:
    in_force = ledger.published.in_force(plan_id)
    return in_force, ledger.published.get(plan_id, in_force.number) if in_force is not None else None


def _plan_of(ledger: Ledger, settings: Settings) -> tuple[str, str, Any]:
    """Which plan is meant, its zone, and its directory: the folder's, or the only one that was published."""
    from reminder.plan.loader import load_plan
    from reminder.settings import Settings as Environment

    plan = load_plan(settings.schedules).plan
    zone = plan.head.timezone if plan is not None else "Asia/Shanghai"
    directory = plan.directory if plan is not None else None
    wanted = Environment.from_environment().plan_wanted
    if wanted or plan is not None:
        return wanted or (plan.id if plan is not None else ""), zone, directory
    plans = ledger.published.plans()
    if len(plans) != 1:
        several = f"有几个（{'、'.join(plans)}）" if plans else "没有"
        raise UsageError(
            f"台账中发布的计划{several}，不知道指哪一个：请用 --schedules 指定其计划文件夹，"
            "或设置 REMINDER_PLAN_FROM=ledger:计划编号"
        )
    return plans[0], zone, directory


def _required(ledger: Ledger, plan_id: str, number: int) -> PublishedPlan:
    version = ledger.published.get(plan_id, number)
    if version is None:
        known = [str(each.number) for each in ledger.published.every(plan_id, ROWS_SHOWN)]
        raise UsageError(f"台账中没有第 {number} 版计划（{plan_id}）；有：{'、'.join(known) or '无'}")
    return version


def _remark(note: str) -> str:
    text = " ".join(note.split())
    if len(text) > LONGEST_NOTE or not text.isprintable():
        raise UsageError(f"--note 写一行，最多{LONGEST_NOTE}字")
    return text


def _author(by: str, edition: Edition, now: datetime) -> str:
    from reminder.agenda.instants import zone_of

    if not by.strip():
        return NOBODY
    return author_of(by, edition.plan.directory, now.astimezone(zone_of(edition.plan.head.timezone)).date())


def _who(author: str, edition: Edition) -> str:
    if author == NOBODY:
        return "没有写明由谁发布，审批时没有提交人可查"
    return f"由{_name(author, edition.plan.directory)}发布"


def _name(author: str, directory: Any) -> str:
    from reminder.cli.people import author_name

    if author == NOBODY:
        return "（未写明）"
    return author_name(author, directory) if directory is not None else author


def _without_secrets(contents: Mapping[str, bytes], settings: Settings) -> None:
    """A secret that somebody wrote into a file is not handed to every node, and kept for ever."""
    from reminder.backup.collect import holds_secret
    from reminder.cli.backup import secret_values

    values = secret_values(settings, settings.secrets_folder)
    found = [name for name, content in contents.items() if holds_secret(content, values)]
    if found:
        raise ReminderError(
            f"{'、'.join(found)} 里写有密码或密钥，没有发布：请把它移到密钥文件夹（见 docs/settings.md），"
            "文件中只写名称"
        )


def _started_from(
    schedules: Path, plan_id: str, in_force: InForce | None, before: PublishedPlan | None, edition: Edition
) -> None:
    """Raises ``ReminderError`` unless the folder was started from the version in force."""
    if in_force is None or before is None:
        return
    started = _marked(schedules, plan_id)
    if started == in_force.number:
        return
    since = in_force.at.astimezone(_zone(edition))
    now = (
        f"现行的是第 {in_force.number} 版（{_name(in_force.author, edition.plan.directory)}，{since:%Y-%m-%d %H:%M}"
        + (f"，{in_force.remark}" if in_force.remark else "")
        + "）"
    )
    found = (
        f"这个文件夹是从第 {started} 版改起的，而{now}"
        if started
        else f"{now}，不知道这个文件夹是从哪一版改起的"
    )
    raise ReminderError(
        f"{found}；为免盖掉别人的改动，没有发布：请核对上面的变动；"
        "要并入现行版本的改动，先用 reminder plan pull --out 文件夹 取出；"
        f"确以这个文件夹为准，请加 --over {in_force.number}"
    )


def _zone(edition: Edition) -> Any:
    from reminder.agenda.instants import zone_of

    return zone_of(edition.plan.head.timezone)


def _marked(schedules: Path, plan_id: str) -> int:
    """The version that the folder was started from; 0 if nobody knows."""
    try:
        value = json.loads((schedules / MARK).read_text("utf-8"))
        return int(value["version"]) if value["plan"] == plan_id else 0
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def _mark(schedules: Path, plan_id: str, number: int) -> None:
    try:
        (schedules / MARK).write_text(json.dumps({"plan": plan_id, "version": number}) + "\n", "utf-8")
    except OSError as error:
        print(
            f"注意：{schedules / MARK} 写不进去（{system_reason(error)}），记不下这个文件夹是第 {number} 版；"
            f"下次发布须加 --over {number}"
        )


def _version_json(version: PublishedPlan, in_force: int) -> dict[str, Any]:
    return {
        "plan": version.plan_id,
        "version": version.number,
        "in_force": version.number == in_force,
        "at": version.at.isoformat(),
        "author": None if version.author == NOBODY else version.author,
        "note": version.remark,
        "digest": version.digest,
        "files": dict(version.files),
    }


# -- the difference ---------------------------------------------------------------


def _compare(
    ledger: Ledger,
    before: PublishedPlan | None,
    edition: Edition,
    contents: Mapping[str, bytes],
    now: datetime,
    settings: Settings,
    *,
    breaks: bool = True,
) -> None:
    """Show what would change.  Raises ``PlanProblems`` for what only the plan in force shows."""
    from reminder.editing.publishing import compared

    found = compared(ledger, before, edition, contents, now, settings.public_url)
    if breaks and errors_of(found.breaks):
        raise PlanProblems(list(found.breaks))
    _print(found, before)


def _print(found: Compared, before: PublishedPlan | None) -> None:
    if before is None:
        print("这是台账中发布的第一版，或现在没有现行的版次。")
    else:
        print(f"与现行第 {before.number} 版相比：")
        print(f"文件：{_text(found.files)}")
    print(f"事项：{_text(found.items)}")
    moves = found.moves
    if moves is None:
        if before is not None:
            print("提醒：现行的版本用本程序读不了，不能比较。")
        return
    if not moves:
        print("提醒：时间没有变动。")
        return
    counts = (("新增", len(moves.added)), ("取消", len(moves.removed)), ("改期", len(moves.moved)))
    print("提醒：" + "，".join(f"{word} {count} 条" for word, count in counts if count))
    for word, alarms in (("新增", moves.added), ("取消", moves.removed)):
        for alarm in alarms[:ROWS_SHOWN]:
            print(f"  {word}  {alarm.at:%Y-%m-%d %H:%M}  {alarm.item.spec.title}（{alarm.occurrence.label}）")
    for move in moves.moved[:ROWS_SHOWN]:
        title = f"{move.alarm.item.spec.title}（{move.alarm.occurrence.label}）"
        print(f"  改期  {move.before:%Y-%m-%d %H:%M} → {move.alarm.at:%Y-%m-%d %H:%M}  {title}")


def _text(changes: ItemChanges) -> str:
    parts = [
        f"{word} {'、'.join(names[:ROWS_SHOWN])}"
        + (f" 等 {len(names)} 个" if len(names) > ROWS_SHOWN else "")
        for word, names in (("新增", changes.added), ("删去", changes.removed), ("改动", changes.changed))
        if names
    ]
    return "；".join(parts) or "没有变动"
