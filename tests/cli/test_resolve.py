"""``reminder resolve`` and ``reminder channel``: what a person decides, said in plain words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import reminder.cli.records
import reminder.cli.resolve  # noqa: F401  # they register the commands
from reminder.cli.app import app
from reminder.errors import ReminderError, UsageError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    AttemptEnd,
    DeliveryState,
    LedgerKind,
    NewAlarm,
    NewClaim,
    NewDelivery,
    PauseAsked,
    PauseKind,
    Settlement,
    Transport,
)
from reminder.ledger.shown import EntryFilter
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

LIVE = Transport.LIVE


class Desk:
    """A plan, a ledger with two deliveries that ended as a test says, and the command."""

    def __init__(self, folder: Path) -> None:
        self.schedules, self.data = folder / "schedules", folder / "var"
        write_plan(self.schedules, item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
        self.data.mkdir()
        self.now = datetime.now(UTC)
        with self.ledger() as ledger:
            ledger.go_live("test", by="test", now=self.now)

    def ledger(self) -> Ledger:
        return Ledger.open(self.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=self.now)

    def ended(
        self, key: str, state: DeliveryState, *, hours: float = 5, pause: PauseAsked | None = None
    ) -> None:
        delivery = NewDelivery(
            key, f"m-{key}", "mail", "p-office", "office@example.com", 1, 1, f"<{key}@example.com>", "题", "文", b"x",
            self.now, self.now, self.now + timedelta(hours=hours),
        )  # fmt: skip
        claim = NewClaim("p-office", "mail", "send", "due", delivery.message)
        alarm = NewAlarm(f"x/{key}", "x", "x/1", key, self.now, self.now, "send", "due", (claim,))
        with self.ledger() as ledger:
            ledger.settle("test", LIVE, Settlement((alarm,), (delivery,)), self.now)
            number = ledger.spool.begin("test", key, self.now)
            assert isinstance(number, int)
            again = self.now if state is DeliveryState.PENDING else None
            end = AttemptEnd(key, number, self.now, "x", state, "code", "words", again, pause=pause)
            ledger.spool.finish_many("test", [end])

    def run(self, *arguments: str) -> str:
        """What the command prints; what it raises comes out."""
        where = ["--schedules", str(self.schedules), "--data", str(self.data)]
        result = CliRunner().invoke(app, [*arguments, *where], catch_exceptions=False)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    def state(self, key: str) -> tuple[str | None, str | None]:
        with self.ledger() as ledger:
            (entry,) = [e for e in ledger.book.entries("test", EntryFilter()) if e.deliveries == (key,)]
            return entry.state, entry.decided_by


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("option", "state", "said"),
    [("--resend", "pending", "重发"), ("--arrived", "accepted", "人工认定"), ("--drop", "failed", "不再发")],
)
def test_each_way_out_of_uncertain(desk: Desk, option: str, state: str, said: str) -> None:
    """Recorded with the name, and shown with it."""
    desk.ended("d1", DeliveryState.UNCERTAIN)
    assert said in desk.run("resolve", "d1", option, "--by", "机关党委办公室干事")
    assert desk.state("d1") == (state, "机关党委办公室干事")
    shown = json.loads(desk.run("ledger", "--format", "json"))
    assert shown[0]["decided_by"] == "机关党委办公室干事"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resolve", "d1", "--by", "x"), "--resend"),
        (("resolve", "d1", "--resend", "--drop", "--by", "x"), "一种决定"),
        (("resolve", "d1", "--resend"), "--by"),
        (("channel", "resume", "mail"), "--by"),
    ],
)
def test_wrong_use_says_what_is_missing(desk: Desk, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        desk.run(*arguments)


def test_what_cannot_be_decided_is_said_with_the_reason(desk: Desk) -> None:
    """An unknown number, one that is decided, one whose time is over: nothing changes."""
    desk.ended("sent", DeliveryState.ACCEPTED)
    desk.ended("late", DeliveryState.UNCERTAIN, hours=0.0000001)
    with pytest.raises(ReminderError, match="没有消息 nowhere"):
        desk.run("resolve", "nowhere", "--drop", "--by", "x")
    with pytest.raises(ReminderError, match="现为“服务器已接收”"):
        desk.run("resolve", "sent", "--drop", "--by", "x")
    with pytest.raises(ReminderError, match="有效期已过"):
        desk.run("resolve", "late", "--resend", "--by", "x")
    assert desk.state("late") == ("uncertain", None)
    desk.run("resolve", "late", "--arrived", "--by", "x")


def test_a_paused_channel_is_listed_and_resumed_once(desk: Desk) -> None:
    assert "没有暂停的通道" in desk.run("channel", "list")
    desk.ended("d1", DeliveryState.PENDING, pause=PauseAsked(PauseKind.DEAD, (), 1))
    (listed,) = json.loads(desk.run("channel", "list", "--format", "json"))
    assert (listed["channel"], listed["kind"], listed["detail"]) == ("mail", "dead", "words")
    assert "mail" in desk.run("channel", "list")
    assert "已恢复" in desk.run("channel", "resume", "mail", "--by", "机关党委办公室")
    with pytest.raises(ReminderError, match="没有暂停"):
        desk.run("channel", "resume", "mail", "--by", "机关党委办公室")
