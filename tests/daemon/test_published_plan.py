"""Nodes that take their plan from the ledger: real processes on a real PostgreSQL, and no folder of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pytest

from reminder.editing.store import PlanStore
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.settings import Settings
from tests.editions import ROOT, TEMPLATES
from tests.harness.postgres import Server
from tests.harness.process import wait_for
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

DAEMON = LedgerKind.DAEMON


class Node:
    """``reminder run`` or ``worker`` with a data folder and nothing else."""

    def __init__(self, cluster: Cluster, name: str, command: str = "run") -> None:
        self._cluster, self._command = cluster, command
        self.data = cluster.folder / name
        self.data.mkdir(exist_ok=True)
        self.store = PlanStore(self.data / "published")
        self._log = self.data / "node.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "reminder", self._command, "--data", str(self.data)],
                cwd=self.data,
                env=self._cluster.environment(REMINDER_PLAN_FROM="ledger"),
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0, self.log

    def ready(self) -> Self:
        wait_for(lambda: "停止：Ctrl-C" in self.log, "the node's banner")
        return self

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    @property
    def problem(self) -> str:
        found: str = json.loads((self.data / "health.json").read_text("utf-8"))["problem"]
        return found

    def has(self, number: int) -> bool:
        """Whether this version is laid out here, and the node is well with it."""
        brought = self.store.brought()
        return brought is not None and brought.number == number and not self.problem


class Cluster:
    """One ledger, and the folder of whoever publishes."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.schedules = folder / "schedules"

    def environment(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("REMINDER_")}
        return {
            **clean,
            "PYTHONPATH": str(ROOT),
            "REMINDER_DATABASE_URL": self.address,
            "REMINDER_LISTEN": "off",
            **more,
        }

    def reminder(self, *arguments: str, code: int = 0, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "reminder", *arguments],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def push(self, *items: str) -> None:
        write_plan(self.schedules, *(item_yaml(each, "date: 2026-12-10", ON_DUE_DAY) for each in items))
        folders = ("--schedules", str(self.schedules), "--templates", str(TEMPLATES))
        self.reminder("plan", "push", "--by", "机关党委办公室干事", *folders)

    def in_force(self) -> tuple[str, str]:
        """The digest of the plan that the nodes agreed on, and who answers for it."""
        with Ledger.open(self.address, kind=DAEMON, now=datetime.now(UTC)) as ledger:
            last = ledger.last_plan("test")
            assert last is not None
            return last.digest, last.author


@pytest.fixture
def cluster(tmp_path: Path, postgres: Server) -> Iterator[Cluster]:
    address = postgres.empty_database()
    Ledger.open(address, kind=DAEMON, now=datetime.now(UTC), upgrade=True).close()
    yield Cluster(tmp_path, address)
    postgres.drop(address)


def test_nodes_take_up_what_is_published_and_go_back_with_it(cluster: Cluster) -> None:
    """Two daemons and a worker; none of them has a folder.  The publisher is the submitter."""
    cluster.push("x")
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(Node(cluster, name, command))
            for name, command in (("a", "run"), ("b", "run"), ("c", "worker"))
        ]
        for node in nodes:
            node.ready()
            assert "台账中发布的第 1 版" in node.log
        one = cluster.in_force()
        assert one[1] == "p-clerk"
        cluster.push("x", "y")
        wait_for(lambda: all(node.has(2) for node in nodes), "the second version on every node")
        wait_for(lambda: cluster.in_force() != one, "the second version in force")
        wait_for(lambda: all(node.log.count("plan reloaded") == 1 for node in nodes), "the second reading")
        cluster.reminder("plan", "back", "1", "--by", "办公室主任", REMINDER_PLAN_FROM="ledger")
        wait_for(lambda: all(node.has(1) for node in nodes), "the first version on every node")
        wait_for(lambda: cluster.in_force() == (one[0], "p-office"), "who went back")
        wait_for(lambda: all(node.log.count("plan reloaded") == 2 for node in nodes), "the third reading")
        for node in nodes:
            assert "Traceback" not in node.log


def test_what_is_changed_in_a_nodes_folder_is_put_right_and_changes_nothing(cluster: Cluster) -> None:
    """Not the plan in force either; and a node whose folder is gone takes it from the ledger at its start."""
    cluster.push("x", "y")
    node = Node(cluster, "a")
    with node:
        node.ready()
        digest = cluster.in_force()
        plan = Settings(data=node.data).laid_out().schedules / "plan.yaml"
        before = plan.read_bytes()
        plan.write_bytes(before.replace("事项y".encode(), "另一项".encode()))
        wait_for(lambda: "files of the published plan were changed here" in node.log, "the look at the files")
        wait_for(lambda: plan.read_bytes() == before, "the files as they were")
    assert cluster.in_force() == digest
    assert "plan reloaded" not in node.log
    shutil.rmtree(node.data / "published")
    with node:
        wait_for(lambda: node.log.count("停止：Ctrl-C") == 2, "the node's second banner")
        assert plan.read_bytes() == before
        assert node.has(1)
    assert cluster.in_force() == digest


def test_a_version_that_a_node_cannot_read_leaves_the_old_one_running(cluster: Cluster) -> None:
    """It is told in the log and in the health of the plan; the next good one is taken up."""
    cluster.push("x")
    with Node(cluster, "a") as node:
        node.ready()
        digest = cluster.in_force()
        with Ledger.open(cluster.address, kind=DAEMON, now=datetime.now(UTC)) as ledger:
            first = ledger.published.get("test", 1)
            assert first is not None
            contents = ledger.published.contents(first)
            contents["plan.yaml"] = contents["plan.yaml"].replace(b"from: due", b"from: newer-word")
            now = datetime.now(UTC)
            ledger.published.publish("test", contents, "of a newer program", at=now, author="p-clerk", over=1)
        wait_for(lambda: "plan refused, the old one stays in force" in node.log, "the refusal")
        assert "newer-word" in node.log
        wait_for(lambda: json.loads((node.data / "health.json").read_text())["plan_refused"], "its health")
        assert node.problem == ""
        assert cluster.in_force() == digest
        cluster.reminder("plan", "back", "1", "--schedules", str(cluster.schedules))
        wait_for(lambda: node.has(1), "the version before")
        wait_for(
            lambda: not json.loads((node.data / "health.json").read_text())["plan_refused"], "its health"
        )


def test_a_node_that_still_reads_a_folder_does_not_replace_what_is_published(cluster: Cluster) -> None:
    """It says so and decides nothing; with the published files in its folder it works like the others."""
    cluster.push("x")
    with Node(cluster, "a") as node:
        node.ready()
        digest = cluster.in_force()
        write_plan(cluster.schedules, *(item_yaml(each, "date: 2026-12-10", ON_DUE_DAY) for each in "xz"))
        old = subprocess.Popen(
            [sys.executable, "-m", "reminder", "run", "--data", str(cluster.folder / "old")],
            cwd=cluster.folder,
            env=cluster.environment(REMINDER_TEMPLATES=str(TEMPLATES)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        health = cluster.folder / "old" / "health.json"
        wait_for(lambda: health.exists() and "不是现行计划" in health.read_text(), "what it says")
        assert cluster.in_force() == digest
        old.send_signal(signal.SIGTERM)
        said = old.communicate(timeout=60)[1]
        assert "现行计划由台账发布（第 1 版）" in said


def test_commands_read_what_is_published_and_a_draft_when_it_is_named(cluster: Cluster) -> None:
    """On a machine with nothing but the setting; what a node needs is told in one line."""
    nothing = cluster.reminder(
        "agenda", "--from", "2026-12-01", "--to", "2026-12-31", code=1, REMINDER_PLAN_FROM="ledger"
    )
    assert nothing.count("\n") == 1
    assert "请先在有计划文件夹的机器上执行 reminder plan push" in nothing
    for command in ("run", "worker"):
        said = cluster.reminder(command, code=1, REMINDER_PLAN_FROM="ledger")
        assert "台账中没有发布的计划" in said
    cluster.push("x")
    december = ("agenda", "--from", "2026-12-01", "--to", "2026-12-31")
    assert "事项x" in cluster.reminder(*december, REMINDER_PLAN_FROM="ledger")
    write_plan(cluster.schedules, *(item_yaml(each, "date: 2026-12-10", ON_DUE_DAY) for each in "xz"))
    assert "事项z" not in cluster.reminder(*december, REMINDER_PLAN_FROM="ledger")
    draft = ("--schedules", str(cluster.schedules), "--templates", str(TEMPLATES))
    assert "事项z" in cluster.reminder(*december, *draft, REMINDER_PLAN_FROM="ledger")
    for command in ("run", "worker"):
        said = cluster.reminder(command, *draft, code=2, REMINDER_PLAN_FROM="ledger")
        assert "REMINDER_PLAN_FROM=ledger 时计划取自台账" in said
    wrong = cluster.reminder("check", code=2, REMINDER_PLAN_FROM="git")
    assert "REMINDER_PLAN_FROM 的值“git”不可用" in wrong
    alone = cluster.reminder(*december, code=2, REMINDER_PLAN_FROM="ledger", REMINDER_DATABASE_URL="")
    assert "这需要 PostgreSQL 台账" in alone
