"""An office's folders with something in each, and a backup of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reminder.backup.create import Made, Sources, create_backup
from reminder.backup.restore import Targets
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, NewAlarm, NewClaim, NewDelivery, Note, Settlement, Transport
from reminder.settings import Settings

NOW = datetime(2026, 6, 10, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIVE = Transport.LIVE


def message(number: int) -> Settlement:
    """One alarm for one receiver, and the delivery made for it."""
    at = NOW + number * MINUTE
    key = f"d{number}"
    claim = NewClaim("p-office", "mail", "send", "due", f"m-{key}")
    alarm = NewAlarm(f"x/2026#{number}", "x", "x/2026", str(number), at, at, "send", "due", (claim,))
    delivery = NewDelivery(
        key, f"m-{key}", "mail", "p-office", "office@example.com", 1, 1, f"<{key}@example.com>", "题", "文",
        b"bytes", at, at, at + timedelta(days=1),
    )  # fmt: skip
    return Settlement((alarm,), (delivery,))


@dataclass
class Place:
    """The folders of one machine."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(
            schedules=self.folder / "schedules",
            templates=self.folder / "message_templates",
            data=self.folder / "var",
        )

    @property
    def path(self) -> Path:
        """The ledger's file."""
        return Path(self.settings.ledger)

    def fill(self, records: int = 3) -> None:
        """A plan, a calendar, a template, a link key, a secret, and a ledger with some records."""
        for name, text in {
            "schedules/plan.yaml": "plan:\n  id: test\n...\n",
            "schedules/channels.yaml": "channels:\n  - id: mail\n    secret: SMTP_PASSWORD\n...\n",
            "schedules/calendar/2027.yaml": "days: []\n...\n",
            "message_templates/口令提醒/subject.j2": "{{ item.title }}\n",
            "var/keys/links-1": "key-of-the-links\n",
            "var/secrets/SMTP_PASSWORD": "canary-of-the-mail\n",
        }.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        with self.ledger() as ledger:
            ledger.accept_plan("test", "digest", {}, "start", {}, NOW)
            ledger.go_live("test", by="机关党委办公室", now=NOW)
            self.add(ledger, range(records))

    def add(self, ledger: Ledger, numbers: range) -> None:
        for number in numbers:
            ledger.settle("test", LIVE, message(number), NOW + number * MINUTE)

    def ledger(self) -> Ledger:
        return Ledger.open(self.path, kind=LedgerKind.DAEMON, now=NOW)

    @property
    def sources(self) -> Sources:
        settings = self.settings
        return Sources(
            self.path,
            settings.schedules,
            settings.templates,
            settings.keys,
            "test",
            kept_out=(settings.data / "secrets", settings.data),
            secrets=("canary-of-the-mail",),
        )

    @property
    def targets(self) -> Targets:
        settings = self.settings
        return Targets(
            self.path,
            settings.schedules,
            settings.templates,
            settings.keys,
            settings.high_water,
            settings.lock,
        )

    def backup(self, name: str = "backup.tar.gz") -> Made:
        return create_backup(self.sources, self.folder / name, NOW + timedelta(hours=1))

    def everything(self) -> dict[str, bytes]:
        """Every file there is, and folders as such: what must not change."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b"/"
            for path in sorted(self.folder.rglob("*"))
        }


def settled(path: Path) -> set[str]:
    """The alarms that a ledger knows."""
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=NOW, create=False) as ledger:
        return ledger.settled("test", LIVE)


def note(path: Path, text: str) -> None:
    """One more record."""
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=NOW, create=False) as ledger:
        ledger.note("test", Note("test", NOW, "test", {"text": text}))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A machine with everything on it."""
    machine = Place(tmp_path / "机器 一")
    machine.fill()
    return machine


@pytest.fixture
def other(tmp_path: Path) -> Place:
    """Another machine, with nothing on it."""
    machine = Place(tmp_path / "other")
    machine.folder.mkdir()
    return machine
