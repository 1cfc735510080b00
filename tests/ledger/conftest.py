"""A ledger of every backend, and plausible things to put in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import reminder
from reminder.ledger import schema
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    DeliveryState,
    LedgerKind,
    NewAlarm,
    NewClaim,
    NewDelivery,
    Settlement,
    Transport,
)
from tests.backends import Backend
from tests.harness.postgres import Server, stamp
from tests.ledger.moves import fill


class Sample:
    """Builders; everything has a value, and what a test is about is said by the test."""

    plan = "lianjie"
    live = Transport.LIVE
    outbox = Transport.OUTBOX
    now = datetime(2026, 9, 24, 1, 30, tzinfo=UTC)

    def at(self, **after: float) -> datetime:
        return self.now + timedelta(**after)

    def claim(self, receiver: str = "post:理论科科长", **changes: Any) -> NewClaim:
        values: dict[str, Any] = {
            "receiver": receiver,
            "channel": "mail",
            "decision": "send",
            "reason": "due",
            "message": None,
        }
        return NewClaim(**values | changes)

    def alarm(self, key: str = "festival/2026/中秋/break-1wd", **changes: Any) -> NewAlarm:
        values: dict[str, Any] = {
            "key": key,
            "item": "festival",
            "occurrence": "festival/2026/中秋",
            "rung": "break-1wd",
            "planned_at": self.now,
            "due": self.at(days=1),
            "decision": "send",
            "reason": "due",
        }
        return NewAlarm(**values | changes)

    def delivery(self, key: str = "d1", **changes: Any) -> NewDelivery:
        values: dict[str, Any] = {
            "id": key,
            "message": f"m-{key}",
            "channel": "mail",
            "receiver": "post:理论科科长",
            "address": "lilunke@example.com",
            "part": 1,
            "parts": 1,
            "message_id": f"<{key}@example.com>",
            "subject": "节日廉政提醒",
            "text": "中秋将至，请遵守有关规定。",
            "payload": b"Subject: test\r\n\r\nbody\r\n",
            "planned_at": self.now,
            "not_before": self.now,
            "expires_at": self.at(days=1),
        }
        return NewDelivery(**values | changes)

    def message(self, key: str = "d1", **changes: Any) -> Settlement:
        """One alarm for one receiver, and the delivery made for it."""
        claim = self.claim(message=f"m-{key}", channel=changes.get("channel", "mail"))
        return Settlement((self.alarm(f"alarm-{key}", claims=(claim,)),), (self.delivery(key, **changes),))


class Child:
    """Another process that works on the same ledger."""

    def __init__(self, code: str, *arguments: object) -> None:
        root = Path(reminder.__file__).parents[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
        )

    def line(self) -> str:
        """The next line it prints; empty if it ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for it; its exit code."""
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Start a process that runs the given code; killed at the end if it is still there."""
    started: list[Child] = []

    def start(code: str, *arguments: object) -> Child:
        started.append(Child(code, *arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder whose name would break a naive URL."""
    return tmp_path / "数据 50%" / "ledger.sqlite"


@pytest.fixture
def ledger(backend: Backend, sample: Sample) -> Ledger:
    """The contract holds for each storage."""
    return backend.open(LedgerKind.DAEMON, sample.now)


@pytest.fixture
def empty(postgres: Server) -> Iterator[str]:
    """A database without any table."""
    made = postgres.empty_database()
    yield made
    postgres.drop(made)


@pytest.fixture
def virgin(postgres: Server, sample: Sample) -> Iterator[str]:
    """One in which ``reminder migrate`` has made the tables, and nobody has written."""
    made = postgres.new_database()
    stamp(made, LedgerKind.DAEMON, sample.now)
    yield made
    postgres.drop(made)


@pytest.fixture
def old(path: Path, sample: Sample) -> Path:
    """A ledger in a file: a plan, messages on their way and sent, and a row of every table."""
    fill(path, sample, 3)
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now) as ledger:
        ledger.accept_plan(sample.plan, "digest", {"plan.yaml": "sha"}, "p-clerk", {}, sample.now)
        ledger.go_live(sample.plan, by="机关党委", now=sample.now)
        for key in ("d1", "d2"):
            ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
        assert ledger.spool.begin(sample.plan, "d1", sample.now) == 1
        ledger.spool.finish(
            sample.plan, "d1", 1, sample.now, outcome="accepted", state=DeliveryState.ACCEPTED
        )
    return path


NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{head}"


def upgrade():
    with op.batch_alter_table("{table}") as batch:
        batch.add_column(sa.Column("remark", sa.Text(), nullable=True))
        batch.alter_column("plan_id", nullable=False, type_=sa.String(200))
    {more}
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """This version, as if it had one more revision, which rebuilds a table."""

    def install(table: str = "deliveries", more: str = "pass") -> None:
        folder = tmp_path / "migrations 100%"
        shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "r9000.py").write_text(NEXT.format(head=schema.HEAD, table=table, more=more))
        monkeypatch.setattr(schema, "MIGRATIONS", folder)
        monkeypatch.setattr(schema, "HEAD", "9000")

    return install
