"""``reminder worker``: a node that only sends, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.editions import ROOT, TEMPLATES
from tests.harness.postgres import Server
from tests.plans import item_yaml, write_plan

RUNG = "- from: due\n  workdays: 0\n  to: person:p-office\n"


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    made = postgres.empty_database()
    Ledger.open(made, kind=LedgerKind.DAEMON, now=datetime.now(UTC), upgrade=True).close()
    yield made
    postgres.drop(made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_plan(tmp_path / "schedules", item_yaml("x", "date: 2026-06-10", RUNG))
    return tmp_path


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REMINDER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "reminder", *arguments, "--data", str(folder / "data")],
        cwd=ROOT,
        env={
            **clean,
            "REMINDER_SCHEDULES": str(folder / "schedules"),
            "REMINDER_TEMPLATES": str(TEMPLATES),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_works_until_it_is_told_to_stop_and_says_how_it_is(
    folder: Path, address: str, postgres: Server
) -> None:
    """It is known to the others while it runs, and no longer after; health tells a worker from a daemon."""
    worker = start(folder, "worker", REMINDER_DATABASE_URL=address)
    assert worker.stdout is not None
    said = ""
    while "停止：Ctrl-C" not in said:
        line = worker.stdout.readline()
        assert line, worker.communicate()
        said += line
    assert "工作节点" in said
    assert "试运行" in said
    health = start(folder, "health")
    assert (health.communicate(timeout=60)[0], health.returncode) == ("正常（试运行），工作节点，只发送\n", 0)
    nodes = "SELECT count(*) FROM procrastinate_workers"
    deadline = time.monotonic() + 20
    while asked(address, nodes) != 1:
        assert time.monotonic() < deadline, "it was never registered"
        time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (0, "已停止。\n"), err
    assert "Traceback" not in err
    assert asked(address, nodes) == 0


def asked(address: str, query: str) -> object:
    import psycopg

    with psycopg.connect(address) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_over_a_file_it_says_what_it_needs(folder: Path) -> None:
    worker = start(folder, "worker")
    out, err = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (2, "")
    assert err == (
        f"台账 {folder}/data/ledger.sqlite3 是文件，只供一个进程使用；工作节点需要 PostgreSQL 台账："
        "请设置 REMINDER_DATABASE_URL，或用 reminder run\n"
    )
    assert not (folder / "data").exists()


def test_without_the_key_of_the_links_it_sends_none_that_lead_nowhere(folder: Path, address: str) -> None:
    worker = start(
        folder, "worker", REMINDER_DATABASE_URL=address, REMINDER_PUBLIC_URL="https://djw.example.com/x"
    )
    out, err = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (1, "")
    assert "请从运行 reminder run 的节点复制" in err
    assert not (folder / "data" / "keys").exists()
