"""Versions of the plan in the ledger, as the commands need them: which is in force, what changes, who stands for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reminder.cli.app import settings_of
from reminder.cli.people import author_of
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


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Ledger, datetime]]:
    """The ledger of these nodes and the present instant.  Raises ``LedgerError``, also for another cluster's."""
    from reminder.backup.guard import not_foreign
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind

    now = SystemClock().now()
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False) as ledger:
        not_foreign(ledger, settings.high_water)
        yield ledger, now


def standing_of(ledger: Ledger, plan_id: str) -> tuple[InForce | None, PublishedPlan | None]:
    """What is in force, and that version."""
    in_force = ledger.published.in_force(plan_id)
    return in_force, ledger.published.get(plan_id, in_force.number) if in_force is not None else None


def plan_of(ledger: Ledger, settings: Settings) -> tuple[str, str, Any]:
    """Which plan is meant, its zone, and its directory: the folder's, or the only one that was published."""
    from reminder.plan.loader import load_plan

    plan = load_plan(settings.schedules).plan
    zone = plan.head.timezone if plan is not None else "Asia/Shanghai"
    directory = plan.directory if plan is not None else None
    wanted = settings_of().plan_wanted  # not the draft's: of many offices each names its own
    if wanted or plan is not None:
        return wanted or (plan.id if plan is not None else ""), zone, directory
    plans = ledger.published.plans()
    if settings.office:  # another's may be the only one there
        raise UsageError(
            f"单位“{settings.office}”的计划读不出编号，不知道指台账中的哪一个：请先执行 reminder check --office {settings.office}"
            " 更正，或在其 office.env 中写明 REMINDER_PLAN_FROM=ledger:计划编号"
        )
    if len(plans) != 1:
        several = f"有几个（{'、'.join(plans)}）" if plans else "没有"
        raise UsageError(
            f"台账中发布的计划{several}，不知道指哪一个：请用 --schedules 指定其计划文件夹，"
            "或设置 REMINDER_PLAN_FROM=ledger:计划编号"
        )
    return plans[0], zone, directory


def required(ledger: Ledger, plan_id: str, number: int) -> PublishedPlan:
    """A version.  Raises ``UsageError`` for one that there is not."""
    version = ledger.published.get(plan_id, number)
    if version is None:
        known = [str(each.number) for each in ledger.published.every(plan_id, ROWS_SHOWN)]
        raise UsageError(f"台账中没有第 {number} 版计划（{plan_id}）；有：{'、'.join(known) or '无'}")
    return version


def remark_of(note: str) -> str:
    """A note on one line.  Raises ``UsageError`` for one that is too long."""
    text = " ".join(note.split())
    if len(text) > LONGEST_NOTE or not text.isprintable():
        raise UsageError(f"--note 写一行，最多{LONGEST_NOTE}字")
    return text


def author_id(by: str, edition: Edition, now: datetime) -> str:
    """Who signs, by id; :data:`NOBODY` if nobody does.  Raises ``UsageError`` for a name nobody has."""
    from reminder.agenda.instants import zone_of

    if not by.strip():
        return NOBODY
    return author_of(by, edition.plan.directory, now.astimezone(zone_of(edition.plan.head.timezone)).date())


def told_of(author: str, edition: Edition) -> str:
    """Who published, as people are told."""
    if author == NOBODY:
        return "没有写明由谁发布，审批时没有提交人可查"
    return f"由{name_of(author, edition.plan.directory)}发布"


def name_of(author: str, directory: Any) -> str:
    """An author's name in a directory."""
    from reminder.cli.people import author_name

    if author == NOBODY:
        return "（未写明）"
    return author_name(author, directory) if directory is not None else author


def without_secrets(contents: Mapping[str, bytes], settings: Settings) -> None:
    """A secret that somebody wrote into a file is not handed to every node, and kept for ever."""
    from reminder.backup.collect import holds_secret
    from reminder.cli.backup import secret_values

    values = secret_values(settings)
    found = [name for name, content in contents.items() if holds_secret(content, values)]
    if found:
        raise ReminderError(
            f"{'、'.join(found)} 里写有密码或密钥，没有发布：请把它移到密钥文件夹（见 docs/settings.md），"
            "文件中只写名称"
        )


def started_from(
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
        f"现行的是第 {in_force.number} 版（{name_of(in_force.author, edition.plan.directory)}，{since:%Y-%m-%d %H:%M}"
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


def mark(schedules: Path, plan_id: str, number: int) -> None:
    """Note in a folder which version it now is."""
    try:
        (schedules / MARK).write_text(json.dumps({"plan": plan_id, "version": number}) + "\n", "utf-8")
    except OSError as error:
        print(
            f"注意：{schedules / MARK} 写不进去（{system_reason(error)}），记不下这个文件夹是第 {number} 版；"
            f"下次发布须加 --over {number}"
        )


def version_json(version: PublishedPlan, in_force: int) -> dict[str, Any]:
    """A version for programs."""
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


def compare(
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
