"""``backup`` and ``restore``: one file that another machine can go on from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    settings_of,
)
from reminder.cli.usage import Command
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.backup.create import Made
    from reminder.backup.manifest import Manifest
    from reminder.backup.restore import Restored
    from reminder.settings import Settings

_NAMES_SECRET = re.compile(
    rb"""^[ \t]*(?:-[ \t]+)?(?:proxy_)?secret:[ \t]*["']?([A-Za-z0-9_.-]+)""", re.MULTILINE
)
MOST_SECRET_BYTES = 64 * 1024


@app.command(cls=Command)
def backup(
    out: Annotated[
        Path | None, typer.Option("--out", help="备份文件；默认放入数据目录的 backups 文件夹，按时间命名")
    ] = None,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """备份：台账、计划、日历、模板、链接密钥存成一个带校验和的文件，不含密码；守护进程可照常运行。"""
    from reminder.backup.create import create_backup, default_name
    from reminder.cli.output import print_json
    from reminder.clock import SystemClock

    settings = settings_of(schedules, templates, data)
    sources = _sources(settings)
    now = SystemClock().now()
    target = out or settings.data / "backups" / default_name(sources.plan, now)
    made = create_backup(sources, target, now)
    if format is Format.JSON:
        print_json(
            {
                "file": str(made.path),
                "bytes": made.size,
                "sha256": made.checksum,
                "left_out": list(made.left_out),
                **_manifest_json(made.manifest),
            }
        )
        return
    _print_made(made, chosen=out is not None)


def _sources(settings: Settings) -> Any:
    """What is to be backed up.  Does without a valid plan: a broken one is worth keeping, too."""
    from reminder.backup.create import Sources
    from reminder.ledger.address import file_of
    from reminder.plan.heading import heading_of

    heading = heading_of(settings.schedules)
    return Sources(
        file_of(settings.ledger),
        settings.schedules,
        settings.templates,
        settings.keys,
        heading.plan_id or "",
        heading.zone.key,
        (settings.secrets_folder, settings.data),
        tuple(secret_values(settings)),
    )


def secret_values(settings: Settings) -> list[str]:
    """Every secret there is: those the plan names, and whatever else lies with them."""
    names = {path.name for path in _small_files(settings.secrets_folder, "*")}
    for path in _small_files(settings.schedules, "**/*.y*ml"):
        names.update(name.decode() for name in _NAMES_SECRET.findall(path.read_bytes()))
    found = [value for name in sorted(names) if (value := settings.secret(name)) is not None]
    if settings.heartbeat_url is not None:
        found.append(settings.heartbeat_url)
    # As it stands, and the password of a ``user:password`` alone.
    return [form for value in found for form in (value.strip(), value.strip().partition(":")[2]) if form]


def _small_files(folder: Path, pattern: str) -> list[Path]:
    try:
        return [
            path
            for path in folder.glob(pattern)
            if path.is_file() and path.stat().st_size <= MOST_SECRET_BYTES
        ]
    except OSError:
        return []


def _manifest_json(manifest: Manifest) -> dict[str, Any]:
    return {
        "created_at": manifest.created_at,
        "program": manifest.program,
        "plan": manifest.plan,
        "schema": manifest.ledger.schema,
        "last_record": manifest.ledger.last_record,
        "files": [member.name for member in manifest.members],
    }


def _print_made(made: Made, *, chosen: bool) -> None:
    print(f"已备份：{made.path}（{_size(made.size)}，已核对）")
    print(f"校验和 SHA-256：{made.checksum}")
    print(f"内容：{_contents(made.manifest)}；不含密码，密钥文件夹须另行妥善保管")
    if made.left_out:
        print(f"像是密码或私钥、没有收入的文件：{'、'.join(made.left_out)}")
    if not chosen:
        print(
            "它与台账在同一块磁盘上：请复制到另一台机器或介质，并只让需要的人读取（内有姓名、地址和消息全文）"
        )
    print("恢复：reminder restore 文件名")


def _contents(manifest: Manifest) -> str:
    from reminder.backup.manifest import KEYS, SCHEDULES, TEMPLATES

    names = [member.name.partition("/")[0] for member in manifest.members]
    counts = [
        (SCHEDULES, "计划与日历 {} 个文件"),
        (TEMPLATES, "模板 {} 个文件"),
        (KEYS, "链接密钥 {} 个文件"),
    ]
    found = [text.format(names.count(name)) for name, text in counts if name in names]
    return "、".join([f"台账（最后一条记录 {_local(manifest, manifest.ledger.last_record)}）", *found])


def _local(manifest: Manifest, instant: str) -> str:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    return f"{datetime.fromisoformat(instant).astimezone(ZoneInfo(manifest.timezone)):%Y-%m-%d %H:%M}"


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{-(-size // 1024)} KB"


@app.command(cls=Command)
def restore(
    file: Annotated[Path, typer.Argument(help="备份文件", metavar="FILE")],
    check: Annotated[bool, typer.Option("--check", help="只核对备份是否完整，不恢复")] = False,
    move_aside: Annotated[
        bool, typer.Option("--move-aside", help="已有的台账、计划改名留存后再恢复（不删除）")
    ] = False,
    ledger_only: Annotated[
        bool, typer.Option("--ledger-only", help="只恢复台账和链接密钥，计划与模板不动")
    ] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """恢复备份：全部核对后放到位，绝不覆盖；恢复的台账在 reminder resume 确认之前什么也不发。"""
    from reminder.backup.archive import read_archive
    from reminder.backup.restore import Targets, restore_backup
    from reminder.cli.output import print_json
    from reminder.clock import SystemClock
    from reminder.ledger.address import file_of

    if check and (move_aside or ledger_only):
        raise UsageError("--check 只核对，不能与 --move-aside、--ledger-only 同用")
    settings = settings_of(schedules, templates, data)
    if check:
        manifest = read_archive(file)
        if format is Format.JSON:
            print_json(_manifest_json(manifest))
        else:
            print(f"备份完整：{file}，备份于 {_local(manifest, manifest.created_at)}，{_contents(manifest)}")
        return
    targets = Targets(
        file_of(settings.ledger),
        None if ledger_only else settings.schedules,
        None if ledger_only else settings.templates,
        settings.keys,
        settings.high_water,
        settings.lock,
    )
    restored = restore_backup(file, targets, SystemClock().now(), move_aside=move_aside)
    if format is Format.JSON:
        print_json(
            {
                **_manifest_json(restored.manifest),
                "placed": [str(path) for path in restored.placed],
                "aside": {str(was): str(now) for was, now in restored.aside},
            }
        )
        return
    _print_restored(restored, settings)


def _print_restored(restored: Restored, settings: Settings) -> None:
    manifest = restored.manifest
    print(f"已恢复，备份于 {_local(manifest, manifest.created_at)}：{_contents(manifest)}")
    for path in restored.placed:
        print(f"  {path}")
    for was, now in restored.aside:
        print(f"原有的 {was} 已改名为 {now}，没有删除")
    print(
        "台账已暂停发送：备份之后发过什么，它不知道。接下来：\n"
        "  1. 确认原机器上的守护进程已停止，不再启动\n"
        f"  2. 放好密钥（备份不含密码；默认放在 {settings.secrets_folder}），执行 reminder doctor 核对\n"
        "  3. 执行 reminder resume，核对备份之后发过的提醒并确认\n"
        "  4. 启动守护进程（先启动也可以：确认之前它什么也不发）"
    )
