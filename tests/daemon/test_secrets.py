"""Secrets that are missing, wrong or changed while the daemon runs: the rest goes on, and no restart is needed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.harness.office import KEY, Office, items
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
LOGIN = {"username": "jgdw", "secret": "SMTP_PASSWORD"}


@contextmanager
def office_with_files(tmp_path: Path, count: int = 2) -> Iterator[tuple[Office, Path]]:
    """An office whose secrets are files; both are right at first."""
    with Office(tmp_path, items(count), smtp={"accounts": {"jgdw": "right"}}, mail=LOGIN) as office:
        office.daemon.environment.pop("ROBOT_KEY")
        secrets = office.daemon.data / "secrets"
        secrets.mkdir()
        (secrets / "ROBOT_KEY").write_text(KEY + "\n")
        (secrets / "SMTP_PASSWORD").write_text("right\n")
        yield office, secrets


def test_a_plan_that_lacks_a_secret_is_not_taken_until_it_is_there(tmp_path: Path) -> None:
    """The old plan goes on over the old channels; with the secret the new one comes into force by itself."""
    plan = items(2)
    with office_with_files(tmp_path) as (office, secrets):
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        (secrets / "ROBOT_KEY").unlink()
        office.write([*plan, "  # changed\n"])
        office.daemon.signal(signal.SIGHUP)
        wait_for(lambda: office.notices(), "the word to the admin")
        (notice,) = office.notices()
        assert "新计划缺少密钥，未予采用" in notice
        assert "通道“group”缺少密钥 ROBOT_KEY（机器人 webhook 的 key）；请设置环境变量 ROBOT_KEY" in notice
        assert "原计划仍在运行。密钥补齐后自动采用新计划。" in notice
        assert office.health["plan_refused"]
        office.set(NINE)
        wait_for(lambda: office.states("n0000", "mail") == {"p-office": "accepted"}, "the mail")
        wait_for(lambda: office.states("n0000", "group") == {"group:group": "accepted"}, "the post")
        (secrets / "ROBOT_KEY").write_text(KEY)
        wait_for(lambda: "plan reloaded" in office.daemon.log.read_text(), "the new plan")
        wait_for(lambda: not office.health["plan_refused"], "health")
        office.set(NINE + timedelta(minutes=1))
        wait_for(lambda: office.states("n0001", "group") == {"group:group": "accepted"}, "the post")


def test_a_password_that_is_put_right_sends_what_waits(tmp_path: Path) -> None:
    """Refused twice, paused, told to the group; corrected in its file: sent at once, with no command."""
    with office_with_files(tmp_path) as (office, secrets):
        (secrets / "SMTP_PASSWORD").write_text("wrong\n")
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: len(office.ended("n0000", "mail")) == 1, "the first refusal")
        office.set(NINE + timedelta(minutes=2))
        wait_for(lambda: office.health["paused"] == ["mail"], "the pause")
        (secrets / "SMTP_PASSWORD").write_text("right\n")
        wait_for(lambda: office.states("n0000", "mail") == {"p-office": "accepted"}, "the mail")
        wait_for(lambda: office.health["paused"] == [], "health")
        assert "channel taken up again" in office.daemon.log.read_text()
        assert office.daemon.stop() == 0


def test_a_secret_that_goes_leaves_the_channels_as_they_are(tmp_path: Path) -> None:
    """The daemon goes on with what it has and says what will be missing at the next start."""
    with office_with_files(tmp_path) as (office, secrets):
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        (secrets / "ROBOT_KEY").unlink()
        wait_for(lambda: "缺少密钥 ROBOT_KEY" in office.health["problem"], "the problem")
        assert office.health["problem"].endswith("；在此之前仍使用原来的密钥发送")
        office.set(NINE)
        wait_for(lambda: office.states("n0000", "group") == {"group:group": "accepted"}, "the post")
        (secrets / "ROBOT_KEY").write_text(KEY)
        wait_for(lambda: office.health["problem"] == "", "health")


def test_going_live_without_a_secret_waits_for_it(tmp_path: Path) -> None:
    """Decided with another environment than the daemon's: nothing changes but health, until the secret is there."""
    with office_with_files(tmp_path) as (office, secrets):

        def decide(*, live: bool) -> None:
            path = office.daemon.data / "ledger.sqlite3"
            with Ledger.open(path, kind=LedgerKind.DAEMON, now=office.now()) as ledger:
                (ledger.go_live if live else ledger.go_outbox)("test", by="test", now=office.now())

        decide(live=False)
        (secrets / "ROBOT_KEY").unlink()
        office.daemon.start()
        wait_for(lambda: office.health.get("transport") == "outbox", "the rehearsal")
        decide(live=True)
        wait_for(lambda: "缺少密钥 ROBOT_KEY" in office.health["problem"], "the problem")
        assert office.health["transport"] == "outbox"
        (secrets / "ROBOT_KEY").write_text(KEY)
        wait_for(lambda: office.health["transport"] == "live", "going live")
        wait_for(lambda: office.health["problem"] == "", "health")
        office.set(NINE)
        wait_for(lambda: office.states("n0000", "group") == {"group:group": "accepted"}, "the post")
        assert len(office.robot.posts) == 1


@pytest.mark.parametrize("file", ["ROBOT_KEY", "SMTP_PASSWORD"])
def test_a_secret_replaced_by_another_is_used_from_then_on(tmp_path: Path, file: str) -> None:
    """Rotated while the daemon runs: what comes due next goes out with the new one."""
    with office_with_files(tmp_path) as (office, secrets):
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.states("n0000", "mail") == {"p-office": "accepted"}, "the mail")
        wait_for(lambda: office.states("n0000", "group") == {"group:group": "accepted"}, "the post")
        (secrets / file).write_text("fresh\n")
        wait_for(lambda: "secrets changed" in office.daemon.log.read_text(), "the change")
        office.smtp.hang_up()
        office.robot.keys = ("fresh",) if file == "ROBOT_KEY" else (KEY,)
        office.smtp.accounts = {"jgdw": "fresh"} if file == "SMTP_PASSWORD" else {"jgdw": "right"}
        office.set(NINE + timedelta(minutes=1))
        wait_for(lambda: office.states("n0001", "mail") == {"p-office": "accepted"}, "the mail")
        wait_for(lambda: office.states("n0001", "group") == {"group:group": "accepted"}, "the post")
        assert "fresh" not in office.daemon.log.read_text()
