"""Row 8: a server that hangs, at each stage; the deadline is of the whole attempt, other channels go on."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.harness.office import Office, items
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
SECONDS = 1
PATIENCE = 5
"""More seconds than a machine that tests share is late by; the hang itself is of a minute."""
DEADLINE = {"timeout_seconds": SECONDS}
WORDS = {
    "connect": "等待问候时超过总时限",
    "ehlo": "问候时超过总时限",
    "auth": "登录时超过总时限",
    "mail": "提交发件人时超过总时限",
    "rcpt": "提交收件人时超过总时限",
    "data": "开始传送时超过总时限",
    "text": "等待答复时超过总时限",  # a short text is with the system before the server reads it
    "dot": "等待答复时超过总时限",
}


def stands(office: Office, item: str, channel: str, state: str) -> bool:
    return set(office.states(item, channel).values()) == {state}


def test_row_08_mail_that_hangs_at_any_stage_ends_in_time_and_holds_up_nobody(tmp_path: Path) -> None:
    """Eight alarms, each met by a hang at another stage: over within seconds, told apart, the group on time."""
    login = {"username": "jgdw", "secret": "SMTP_PASSWORD"}
    with Office(
        tmp_path,
        items(len(WORDS), minutes=2),
        mail=DEADLINE | login,
        smtp={"accounts": {"jgdw": "password"}},
        environment={"SMTP_PASSWORD": "password"},
    ) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        for number, (stage, words) in enumerate(WORDS.items()):
            due, name = NINE + timedelta(minutes=2 * number), f"n{number:04d}"
            office.smtp.misbehave(stage, "hang", times=1, taken=False)
            office.smtp.hang_up()  # so that the next mail begins at the beginning
            office.set(due)
            begun = time.monotonic()
            wait_for(partial(stands, office, name, "group", "accepted"), "the post")
            wait_for(partial(office.ended, name, "mail"), "the end of the attempt")
            assert time.monotonic() - begun < SECONDS + 4 * PATIENCE, stage
            (attempt,) = office.tries(name, "mail")
            assert attempt.finished_at is not None
            assert attempt.finished_at - attempt.started_at < timedelta(seconds=SECONDS + PATIENCE), stage
            assert attempt.code == "timeout", stage
            assert words in attempt.detail, stage
            assert attempt.outcome == ("uncertain" if words.startswith("等待答复") else "transient"), stage
            office.set(due + timedelta(minutes=1))
            wait_for(partial(stands, office, name, "mail", "accepted"), "the second try")
        report = office.judge(NINE + timedelta(minutes=2 * len(WORDS)))
        assert report.clean, report
        assert report.excused == []


def test_row_08_a_robot_that_hangs_ends_in_time_and_holds_up_no_mail(tmp_path: Path) -> None:
    """The post was handed over and no answer came: uncertain after the deadline; mail goes out meanwhile."""
    with Office(tmp_path, items(1), group=DEADLINE) as office:
        office.adopt()
        office.robot.misbehave("hang", times=1)
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.states("n0000", "mail") == {"p-office": "accepted"}, "the mail")
        assert office.ended("n0000", "group") == []
        wait_for(lambda: office.ended("n0000", "group") != [], "the end of the attempt")
        (attempt,) = office.tries("n0000", "group")
        assert (attempt.outcome, attempt.code) == ("uncertain", "timeout")
        assert attempt.finished_at is not None
        assert attempt.finished_at - attempt.started_at < timedelta(seconds=SECONDS + PATIENCE)
        assert attempt.detail == "超过总时限；消息已全部发出，是否收下不明"
        office.set(NINE + timedelta(hours=1))
        report = office.judge(NINE + timedelta(minutes=1))
        assert report.clean, report
