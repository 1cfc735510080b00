"""``migrate --from --to``: the ledger's way up into PostgreSQL, as people see it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reminder.cli.app import Format
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.ledger.moving import Compared, Moved
    from reminder.settings import Settings

TABLES = {
    "ledger_info": "台账信息",
    "plan_versions": "计划版本",
    "adoptions": "生效时刻",
    "alarms": "提醒",
    "claims": "提醒对象",
    "deliveries": "消息",
    "contents": "消息内容",
    "attempts": "发送记录",
    "notes": "备注",
    "duty_events": "办理记录",
    "happenings": "登记事项",
    "accounts": "账号",
    "sessions": "登录状态",
    "logins": "登录日志",
    "tokens": "接口令牌",
    "file_contents": "文件内容",
    "file_versions": "文件版本",
    "published_plans": "发布的计划",
    "published_in_force": "现行的版次",
    "receivers": "收件人",
    "refusals": "拒收",
    "resolutions": "处理决定",
    "pauses": "通道暂停",
    "troubles": "故障",
}
"""What people call the ledger's tables."""
SUM_SHOWN = 16


def move(settings: Settings, source: str, target: str | None, format: Format) -> None:
    """Carry the ledger over, print the proof, and say what is to be done next."""
    from reminder.backup.highwater import compared, read_mark
    from reminder.cli.output import print_json
    from reminder.clock import SystemClock
    from reminder.ledger.address import file_of, is_postgres
    from reminder.ledger.moving import LedgersDiffer, move_up
    from reminder.log import redactor

    chosen = replace(settings, database_url=target) if target is not None else settings
    redactor.add(chosen.ledger_password)
    if chosen.database_url is None or not is_postgres(chosen.database_url):
        raise UsageError(
            "请用 --to 或 REMINDER_DATABASE_URL 写明迁移到哪个数据库："
            "postgresql://用户@主机:端口/数据库（密码放进密钥 DATABASE_PASSWORD）"
        )
    path = file_of(source)
    now = SystemClock().now()
    with _nobody_runs_on(path, settings):
        mark = read_mark(path.with_name(settings.high_water.name)) or read_mark(settings.high_water)
        try:
            moved = move_up(path, chosen.ledger, now, lambda standing: compared(standing, mark))
        except LedgersDiffer as error:
            if format is Format.TABLE:
                _print_proof(error.tables)
            raise
    if format is Format.JSON:
        print_json(
            {
                "from": str(moved.source),
                "to": moved.place,
                "resumed": moved.resumed,
                "held": moved.hold.reason.value if moved.hold is not None else None,
                "tables": [
                    {"table": each.table, "old": asdict(each.old), "new": asdict(each.new)}
                    for each in moved.tables
                ],
            }
        )
        return
    _print_proof(moved.tables)
    _print_next(moved)


@contextlib.contextmanager
def _nobody_runs_on(path: Path, settings: Settings) -> Iterator[None]:
    """The locks of the folders whose daemon may have this ledger.

    Only those that are there: where no daemon ever ran no lock is left behind.
    Raises ``UsageError`` if a daemon runs.
    """
    from reminder.lock import DataFolderLock

    locks = {each.resolve(): each for each in (path.with_name(settings.lock.name), settings.lock)}
    with ExitStack() as held:
        for lock in locks.values():
            if lock.exists():
                try:
                    held.enter_context(DataFolderLock(lock))
                except UsageError as error:
                    found, _, _ = str(error).partition("；")
                    raise UsageError(
                        f"{found}，没有迁移：请先停止它（如 systemctl stop reminder），再重新执行"
                    ) from None
        yield


def _print_proof(tables: tuple[Compared, ...]) -> None:
    from reminder.cli.output import print_table

    rows = [
        (
            TABLES[each.table],
            each.table,
            str(each.old.rows),
            str(each.new.rows),
            each.old.sha256[:SUM_SHOWN],
            each.new.sha256[:SUM_SHOWN],
            "一致" if each.equal else "不一致",
        )
        for each in sorted(tables, key=lambda each: [*TABLES].index(each.table))
    ]
    columns = ("内容", "表", "旧台账行数", "新台账行数", "旧校验和", "新校验和", "核对")
    print_table(columns, rows, f"逐表核对（校验和为 SHA-256 的前 {SUM_SHOWN} 位，全文见台账备注）")


def _print_next(moved: Moved) -> None:
    total = sum(each.new.rows for each in moved.tables)
    done = "上次已写入，此次重新核对并完成" if moved.resumed else "已写入并读回核对"
    print(f"迁移完成：{len(moved.tables)} 个表共 {total} 行，{done}，两边一致。")
    print(f"  旧台账：{moved.source}（已暂停，不会再从它发送；请保留存档）")
    print(f"  新台账：{moved.place}")
    print(
        "接下来：\n"
        "  1. 把环境变量 REMINDER_DATABASE_URL 设为新台账的地址，数据目录照旧（密钥、链接密钥仍在那里）\n"
        "  2. 执行 reminder doctor 核对"
    )
    if moved.hold is not None:
        print("  3. 旧台账迁移前就须确认才能发送，新台账也是：执行 reminder resume，核对并确认")
        print("  4. 启动守护进程（先启动也可以：确认之前它什么也不发）")
    else:
        print("  3. 启动守护进程：从旧台账停下的地方接着发送，不重发，不漏发")
