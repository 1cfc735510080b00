"""What a node of a cluster says when it is set up wrongly: one clear line, and nothing is sent or changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.amounts import FULL
from tests.editions import ROOT, TEMPLATES
from tests.harness.commands import Commands, Done
from tests.harness.postgres import Server
from tests.harness.process import wait_for
from tests.plans import DIRECTORY, HEAD, ON_DUE_DAY, files_of, item_yaml

SECRET = "s3cr3t-of-the-database"
ITEM = item_yaml("x", "date: 2026-12-10", ON_DUE_DAY)


class Site:
    """A machine that is to become a node: a plan, a data folder, and an address."""

    def __init__(self, folder: Path, commands: Commands, server: Server) -> None:
        self.folder, self._commands, self.server = folder, commands, server
        self.made: list[str] = []
        self.write(files_of(ITEM))

    def write(self, files: dict[str, bytes]) -> None:
        (self.folder / "schedules").mkdir(exist_ok=True)
        for name, content in files.items():
            (self.folder / "schedules" / name).write_bytes(content)

    def ledger(self) -> str:
        """The address of a new ledger."""
        self.made.append(self.server.empty_database())
        Ledger.open(self.made[-1], kind=LedgerKind.DAEMON, now=datetime.now(UTC), upgrade=True).close()
        return self.made[-1]

    def run(self, address: str, *arguments: str) -> Done:
        done = self._commands.run(
            self.folder, *arguments, REMINDER_DATABASE_URL=address, REMINDER_TEMPLATES=str(TEMPLATES)
        )
        assert SECRET not in done.out + done.err
        assert "Traceback" not in done.err
        return done

    def node(self, address: str, data: str, until: str) -> tuple[dict[str, Any], str]:
        """``reminder run`` until its health says so; its last health, and its log."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("REMINDER_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "reminder", "run", "--data", data],
            cwd=self.folder,
            env={
                **clean,
                "PYTHONPATH": str(ROOT),
                "REMINDER_LISTEN": "off",
                "REMINDER_DATABASE_URL": address,
                "REMINDER_TEMPLATES": str(TEMPLATES),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        health = self.folder / data / "health.json"
        wait_for(lambda: health.exists() and until in health.read_text("utf-8"), until)
        found: dict[str, Any] = json.loads(health.read_text("utf-8"))
        process.send_signal(signal.SIGTERM)
        return found, process.communicate(timeout=60)[1]


@pytest.fixture
def site(tmp_path: Path, commands: Commands, postgres: Server) -> Iterator[Site]:
    found = Site(tmp_path, commands, postgres)
    yield found
    for address in found.made:
        postgres.drop(address)


def plan_in_force(address: str) -> str | None:
    with Ledger.open(address, kind=LedgerKind.DAEMON, now=datetime.now(UTC)) as ledger:
        assert ledger.holds.standing().hold is None
        return ledger.common("test").digest


COMMANDS = (("run",), ("worker",), ("plan", "push"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/x", "连不上台账所在的数据库 postgresql://u@127.0.0.1:1/x"),
        (f"postgresql://u:{SECRET}@a@b/x", "台账的地址看不懂"),
        ("nowhere", "没有台账所在的数据库"),
        ("empty", "还没有台账：请先执行 reminder migrate"),
        ("foreign", "有别的表，不是台账"),
        ("older", "结构版本是 0005，本程序需要"),
        ("newer", "由更新的版本写成（结构版本 9999"),
    ],
)
def test_a_database_that_is_none_of_ours_is_told_in_one_line(site: Site, address: str, said: str) -> None:
    if address == "nowhere":
        address = site.server.url("nowhere")
    elif address in ("empty", "foreign"):
        kind, address = address, site.server.empty_database()
        site.made.append(address)
        if kind == "foreign":
            with psycopg.connect(address) as connection:
                connection.execute("CREATE TABLE customers (id int)")
    elif address in ("older", "newer"):
        kind, address = address, site.ledger()
        with psycopg.connect(address) as connection:
            connection.execute(
                "UPDATE alembic_version SET version_num = %s", ("0005" if kind == "older" else "9999",)
            )
            connection.execute("UPDATE ledger_info SET value = '9998' WHERE key = 'serves'")
    for command in COMMANDS if FULL or address == "foreign" else COMMANDS[:1]:
        done = site.run(address, *command)
        assert done.code in (1, 2)
        assert (done.out, done.err.count("\n")) == ("", 1), done.err
        assert said in done.err
    assert not list((site.folder / "var").glob("outbox/*"))


def test_a_node_of_one_cluster_is_kept_from_anothers_ledger(site: Site) -> None:
    """Its data folder knows which ledger it belongs to.  The other cluster goes on as if nothing had been."""
    ours, theirs = site.ledger(), site.ledger()
    site.node(ours, "var", '"problem": ""')
    before = plan_in_force(theirs)
    for command in (*COMMANDS, ("plan", "versions")):
        done = site.run(theirs, *command)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done.err
        assert "是另一本台账" in done.err
        assert "请核对 REMINDER_DATABASE_URL" in done.err
    assert plan_in_force(theirs) == before
    assert site.run(ours, "plan", "versions").code == 0


def test_a_new_node_of_another_office_does_not_replace_the_plan_in_force(site: Site) -> None:
    """Both began with the same sample: plan id and items are alike, office and people are not."""
    address = site.ledger()
    site.node(address, "ours", '"problem": ""')
    before = plan_in_force(address)
    files = files_of(ITEM, directory=DIRECTORY.replace("    name: ", "    name: 外单位"))
    head = files["plan.yaml"].replace(b"jgdw@example.com", b"other@example.org")
    assert head != files["plan.yaml"], HEAD
    site.write({**files, "plan.yaml": head})
    health, log = site.node(address, "theirs", "像是另一个单位的")
    assert "邮箱不同，名册中大多不是同样的人" in health["problem"]
    assert "plan not put into force" in log
    assert plan_in_force(address) == before
    refused = site.run(address, "plan", "push")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "像是另一个单位的" in refused.err
    assert plan_in_force(address) == before
    signed = site.run(address, "plan", "adopt", "--by", "外单位办公室主任")
    assert signed.code == 0, signed.err
    assert plan_in_force(address) != before
