"""Several offices in one process on one PostgreSQL: each with its folder, its mail server, and names that clash."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from unittest import mock

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.ledger.shown import Entry, EntryFilter
from tests.editing.conftest import SHARED
from tests.editions import TEMPLATES
from tests.harness.command import Said, here
from tests.harness.office import EIGHT
from tests.harness.process import DaemonProcess
from tests.plans import DIRECTORY, HEAD, files_of
from tests.servers.smtp import SmtpStub

CHANNELS = """\
channels:
  - id: mail
    kind: email
    host: 127.0.0.1
    port: {port}
    tls: none
    from: 机关党委 <jgdw@{name}.example.com>
"""


def lay_out_office(folder: Path, name: str, items: Iterable[str], port: int = 2525) -> None:
    """An office's folder; its plan is ``plan-NAME``, its people have the addresses of ``NAME.example.com``."""
    files = files_of(
        *items,
        directory=DIRECTORY.replace("@example.com", f"@{name}.example.com"),
        channels=CHANNELS.format(port=port, name=name),
    )
    head = files["plan.yaml"].decode().replace("id: test", f"id: plan-{name}", 1)
    assert f"plan-{name}" in head
    assert "id: test" in HEAD
    files["plan.yaml"] = head.replace("title: 测试计划", f"title: {name}的计划", 1).encode()
    (folder / name / "schedules").mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / name / "schedules" / file).write_bytes(content)
    for template in SHARED:
        shutil.copytree(
            TEMPLATES / template, folder / name / "message_templates" / template, dirs_exist_ok=True
        )
    shutil.copy(TEMPLATES / "wording.yaml", folder / name / "message_templates")
    (folder / name / "office.env").write_text(f"REMINDER_PUBLIC_URL=https://{name}.example.com\n")


class Offices:
    """``items`` by the office's name; every office is live, and nothing of it is due before ``start``."""

    def __init__(
        self,
        folder: Path,
        address: str,
        items: Mapping[str, Iterable[str]],
        start: datetime = EIGHT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder / "offices"
        self.address = address
        self._items = items
        self._start = start
        self._stack = ExitStack()
        self.smtp: dict[str, SmtpStub] = {}
        self.environment = {
            "REMINDER_OFFICES": str(self.folder),
            "REMINDER_DATABASE_URL": address,
            "REMINDER_DATA": str(folder / "data"),
            **(environment or {}),
        }

    def __enter__(self) -> Self:
        now = self._start - timedelta(hours=1)
        with self.ledger() as ledger:
            for name, items in self._items.items():
                self.smtp[name] = self._stack.enter_context(SmtpStub())
                lay_out_office(self.folder, name, items, self.smtp[name].port)
                ledger.go_live(f"plan-{name}", by="test", now=now)
        self.daemon = self._stack.enter_context(
            DaemonProcess(self.folder, self.folder.parent / "data", self.environment)
        )
        self.set(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def set(self, now: datetime) -> None:
        """Move the process's clock."""
        self.daemon.set_clock(now)

    def come_due(self, now: datetime) -> None:
        """It is now this instant, and the alarm clock wakes the process."""
        self.set(now)
        self.daemon.signal(signal.SIGUSR1)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger of all, opened from outside."""
        with Ledger.open(self.address, kind=LedgerKind.DAEMON, now=self._start, create=False) as ledger:
            yield ledger

    def entries(self, name: str, **wanted: Any) -> list[Entry]:
        """What the ledger has of one office."""
        with self.ledger() as ledger:
            return ledger.book.entries(f"plan-{name}", EntryFilter(**wanted))

    def received(self, name: str) -> list[str]:
        """Whom the office's mail server has had mail for."""
        return [each.recipient for each in self.smtp[name].messages]

    @property
    def health(self) -> dict[str, Any]:
        """What the process says of itself; empty as long as it says nothing."""
        try:
            found: dict[str, Any] = json.loads((self.daemon.data / "health.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found

    @property
    def running(self) -> int:
        """How many offices are running."""
        return int(self.health.get("offices", {}).get("running", 0))

    @property
    def troubles(self) -> dict[str, str]:
        """What is wrong, by the office's name."""
        return dict(self.health.get("offices", {}).get("troubles", {}))

    def command(self, now: datetime, *arguments: str) -> Said:
        """The command ``reminder`` beside the process, at an instant."""
        with mock.patch.dict(os.environ, self.environment):
            return here(now, *arguments, schedules=self.folder, data=self.daemon.data)
