"""``reminder migrate --from``: what people read when a ledger moves up, and what they are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reminder.cli.moving import TABLES
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.storage_sqlite import SqliteStorage
from reminder.ledger.tables import metadata
from reminder.lock import DataFolderLock
from tests.cli.test_migrate import Desk
from tests.harness.commands import Commands
from tests.harness.postgres import Server
from tests.harness.rows import BEGINNING, Filler

OLD = "var/ledger.sqlite3"
GOLDEN = """\
逐表核对（校验和为 SHA-256 的前 16 位，全文见台账备注）
内容 表 旧台账行数 新台账行数 旧校验和 新校验和 核对
─
台账信息 ledger_info 4 4 # # 一致
计划版本 plan_versions 1 1 # # 一致
生效时刻 adoptions 1 1 # # 一致
提醒 alarms 1 1 # # 一致
提醒对象 claims 1 1 # # 一致
消息 deliveries 1 1 # # 一致
消息内容 contents 1 1 # # 一致
发送记录 attempts 1 1 # # 一致
备注 notes 1 1 # # 一致
办理记录 duty_events 1 1 # # 一致
登记事项 happenings 1 1 # # 一致
账号 accounts 1 1 # # 一致
登录状态 sessions 1 1 # # 一致
登录日志 logins 1 1 # # 一致
接口令牌 tokens 1 1 # # 一致
文件内容 file_contents 1 1 # # 一致
文件版本 file_versions 1 1 # # 一致
发布的计划 published_plans 1 1 # # 一致
现行的版次 published_in_force 1 1 # # 一致
收件人 receivers 1 1 # # 一致
拒收 refusals 1 1 # # 一致
处理决定 resolutions 1 1 # # 一致
通道暂停 pauses 1 1 # # 一致
故障 troubles 1 1 # # 一致
迁移完成：24 个表共 27 行，已写入并读回核对，两边一致。
旧台账：OLD（已暂停，不会再从它发送；请保留存档）
新台账：NEW
接下来：
1. 把环境变量 REMINDER_DATABASE_URL 设为新台账的地址，数据目录照旧（密钥、链接密钥仍在那里）
2. 执行 reminder doctor 核对
3. 启动守护进程：从旧台账停下的地方接着发送，不重发，不漏发"""
CONTENTS_SUM = "9a8afe6c0ea47e0e"
"""Of the one message in it: no later version may sum up a ledger in another way unnoticed."""


@pytest.fixture
def desk(tmp_path: Path, commands: Commands, postgres: Server) -> Iterator[Desk]:
    made = Desk(tmp_path, commands, postgres)
    yield made
    postgres.drop(made.made)
    postgres.execute("DROP ROLE owner")


@pytest.fixture
def old(tmp_path: Path, desk: Desk) -> Path:
    """The data folder's ledger, with a row in each table."""
    path: Path = desk.secret.parents[1] / "ledger.sqlite3"
    assert path == tmp_path / OLD
    Ledger.open(path, kind=LedgerKind.DAEMON, now=BEGINNING).close()
    storage = SqliteStorage(path, create=False)
    with storage.write() as connection:
        Filler(1, ("甲",), (b"x",), ({"a": 1},)).fill(connection, 1)
    storage.close()
    return path


def usable(path: Path) -> bool:
    """Whether the ledger takes records and may be sent from."""
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=BEGINNING) as ledger:
        ledger.note("p", Note("daemon", BEGINNING, "系统"))
        return ledger.holds.standing().hold is None


def tables_of(desk: Desk) -> int:
    with psycopg.connect(desk.made) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert found is not None
    return int(found[0])


def plain(text: str) -> str:
    """A table's lines with one space between its columns, sums as ``#``."""
    lines = (" ".join(re.sub(r"─+", "─", line).split()) for line in text.splitlines())
    return "\n".join(re.sub(r"\b[0-9a-f]{16}\b", "#", line) for line in lines if line)


def test_every_table_has_a_name_that_people_know() -> None:
    assert TABLES.keys() == metadata.tables.keys()
    assert len(set(TABLES.values())) == len(TABLES)


def test_the_ledger_moves_and_the_proof_is_printed(desk: Desk, old: Path) -> None:
    """Into the database of the setting, with the password of the secret; afterwards commands work on it."""
    done = desk.run("migrate", "--from", OLD)
    assert (done.code, done.err) == (0, "")
    place = re.search(r"新台账：(\S+)", done.out)
    assert place is not None
    assert place[1].startswith("postgresql://owner@")
    assert place[1].endswith(f"/{desk.name}")
    assert plain(done.out.replace(str(old), "OLD").replace(place[1], "NEW")) == GOLDEN
    (contents,) = (line for line in done.out.splitlines() if "contents" in line and "file_" not in line)
    assert contents.count(CONTENTS_SUM) == 2
    assert "可用，未暂停" in "".join(desk.run("doctor", "--offline").out.split("\n"))
    assert desk.run("ledger").code == 0
    again = desk.run("migrate", "--from", OLD)
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert f"已经迁移到 {place[1]}，不能再迁移" in again.err
    desk.address = ""
    held = " ".join(desk.run("resume").out.split())
    assert "台账已迁移到数据库，现行的在那里，由 REMINDER_DATABASE_URL 指明" in held


def test_where_from_and_to_may_be_said_in_full(desk: Desk, old: Path) -> None:
    """Also for programs; the password in an address, and the setting of another ledger, are not taken up."""
    target, desk.address = (
        desk.address.replace("owner@", "owner:s3cr3t%2Fpass%40word@"),
        "sqlite:///elsewhere",
    )
    done = desk.run("migrate", "--from", f"sqlite:///{old}", "--to", target, "--format", "json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["from"], found["resumed"], found["held"]) == (str(old), False, None)
    assert {each["table"] for each in found["tables"]} == metadata.tables.keys()
    assert all(each["old"] == each["new"] and len(each["new"]["sha256"]) == 64 for each in found["tables"])


def test_while_a_daemon_runs_on_it_nothing_is_moved(desk: Desk, old: Path) -> None:
    """By its lock, beside the ledger or in the data folder that is named."""
    with DataFolderLock(old.with_name("daemon.lock")):
        for data in ((), ("--data", "another")):
            done = desk.run("migrate", "--from", OLD, *data)
            assert (done.code, done.err.count("\n")) == (2, 1)
            assert re.search(r"已有守护进程在运行（进程号 \d+），没有迁移：请先停止它", done.err)
    assert tables_of(desk) == 0
    assert usable(old)
    assert desk.run("migrate", "--from", OLD).code == 0


def test_a_copied_ledger_is_held_where_it_arrives(desk: Desk, old: Path) -> None:
    """Its mark is missing: a newer one may exist elsewhere. The new one asks, as the old one would have."""
    with Ledger.open(old, kind=LedgerKind.DAEMON, now=BEGINNING) as ledger:
        ledger.holds.mark()
    done = desk.run("migrate", "--from", OLD)
    assert done.code == 0
    assert "旧台账迁移前就须确认才能发送，新台账也是：执行 reminder resume" in done.out
    assert "别处可能有更新的台账" in " ".join(desk.run("resume").out.split())


def test_a_wrong_password_and_a_wrong_call_are_told_in_one_line(desk: Desk, old: Path) -> None:
    desk.secret.write_text("wrong")
    address = desk.address
    for arguments, setting, code, words in (
        (("--from", OLD), address, 1, "拒绝登录"),
        (("--from", "nothing"), address, 1, "没有台账"),
        (("--from", OLD), "", 2, "请用 --to 或 REMINDER_DATABASE_URL 写明迁移到哪个数据库"),
        (("--from", OLD, "--to", "sqlite:///new"), address, 2, "写明迁移到哪个数据库"),
        (("--from", address), address, 2, "不是文件"),
        (("--to", address), address, 2, "请用 --from 写明迁移哪一本台账"),
    ):
        desk.address = setting
        done = desk.run("migrate", *arguments)
        assert (done.code, done.err.count("\n"), done.out) == (code, 1, ""), arguments
        assert words in done.err
    assert usable(old)


def test_what_differs_is_shown_in_the_table(desk: Desk, old: Path) -> None:
    assert desk.run("migrate").code == 0
    with psycopg.connect(desk.made) as connection:
        connection.execute(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.subject := 'x'; RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER meddle BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION meddle()"
        )
    done = desk.run("migrate", "--from", OLD)
    assert done.code == 1
    assert "消息 deliveries 1 1 # # 不一致" in plain(done.out)
    assert done.out.count("不一致") == 1
    assert "迁移后核对不符：deliveries" in done.err
    assert usable(old)


def test_from_an_unfinished_ledger_nothing_runs(desk: Desk) -> None:
    assert desk.run("migrate").code == 0
    with psycopg.connect(desk.made) as connection:
        connection.execute("INSERT INTO ledger_info VALUES ('moving', '{}')")
    for arguments in (("run",), ("ledger",), ("live", "--by", "x", "--off", "--yes"), ("migrate",)):
        done = desk.run(*arguments)
        assert done.code == 1, arguments
        assert "迁移还没有完成，不能使用" in done.err
