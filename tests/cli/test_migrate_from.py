"""``reminder migrate --from``: what people read when a ledger moves up, and what they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminder.cli.moving import TABLES
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.storage_sqlite import SqliteStorage
from reminder.ledger.tables import metadata
from tests.cli.test_migrate import PASSWORD, Desk, desk  # noqa: F401 (a fixture)
from tests.harness.rows import BEGINNING, Filler

OLD = "var/ledger.sqlite3"
GOLDEN = """\
逐表核对（校验和为 SHA-256 的前 16 位，全文见台账备注）
内容 表 旧台账行数 新台账行数 旧校验和 新校验和 核对
台账信息 ledger_info 4 4 * * 一致
计划版本 plan_versions 1 1 {plan_versions} {plan_versions} 一致
生效时刻 adoptions 1 1 {adoptions} {adoptions} 一致
提醒 alarms 1 1 {alarms} {alarms} 一致
"""


@pytest.fixture
def old(tmp_path: Path, desk: Desk) -> Path:  # noqa: F811
    """The data folder's ledger, with a row in each table."""
    path = tmp_path / OLD
    Ledger.open(path, kind=LedgerKind.DAEMON, now=BEGINNING).close()
    storage = SqliteStorage(path, create=False)
    with storage.write() as connection:
        Filler(1, ("甲",), (b"x",), ({"a": 1},)).fill(connection, 1)
    storage.close()
    return path


def noted(path: Path) -> bool:
    """Whether the ledger takes records and may be sent from."""
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=BEGINNING) as ledger:
        ledger.note("p", Note("daemon", BEGINNING, "系统"))
        return ledger.standing().hold is None


def test_every_table_has_a_name_that_people_know() -> None:
    assert TABLES.keys() == metadata.tables.keys()
    assert len(set(TABLES.values())) == len(TABLES)
