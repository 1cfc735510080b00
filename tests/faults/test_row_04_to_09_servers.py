"""Rows 4 to 9: servers that drop, refuse, hang and lie, with the whole daemon in front of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.harness.office import Office, items
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """One alarm at nine, by mail and to the group; the plan in force since eight."""
    with Office(tmp_path, items(1)) as made:
        made.adopt()
        yield made


def outcomes(office: Office, channel: str) -> list[str]:
    with office.daemon.ledger() as ledger:
        return [
            attempt.outcome or "open"
            for entry in office.daemon.entries(item="n0000", channel=channel)
            for delivery in entry.deliveries
            for attempt in ledger.book.attempts_of("test", delivery)
        ]


def state(office: Office, channel: str) -> list[str | None]:
    return [entry.state for entry in office.daemon.entries(item="n0000", channel=channel)]


def test_row_04_dropped_after_the_final_dot_is_uncertain_and_repeated_as_itself(office: Office) -> None:
    """Nobody knows whether it was taken: recorded as such, sent again with the same Message-ID."""
    office.smtp.misbehave("dot", "drop", times=1, taken=True)
    office.set(NINE)
    office.daemon.start()
    wait_for(lambda: outcomes(office, "mail") == ["uncertain"], "the first try")
    office.set(NINE + timedelta(hours=2))
    wait_for(lambda: state(office, "mail") == ["accepted"], "the second try")
    mails = [each for each in office.arrivals() if each.channel == "mail"]
    assert len(mails) == 2
    assert len({each.identity for each in mails}) == 1
    assert len({message.content for message in office.smtp.messages}) == 1


def test_row_05_a_421_on_quit_changes_nothing(office: Office) -> None:
    """The message was taken; what is said at parting does not undo it."""
    office.smtp.misbehave("quit", "reply", "421 closing")
    office.set(NINE)
    office.daemon.start()
    wait_for(lambda: state(office, "mail") == ["accepted"], "the mail")
    assert office.daemon.stop() == 0
    assert len(office.smtp.messages) == 1


@pytest.mark.parametrize(
    ("reply", "expected"), [("450 4.2.0 later", "pending"), ("550 5.1.1 no such user", "failed")]
)
def test_row_06_4yz_is_tried_again_and_5yz_is_visible(office: Office, reply: str, expected: str) -> None:
    """The server's words stand in the ledger; the group's post is not affected."""
    office.smtp.misbehave("rcpt", "reply", reply)
    office.set(NINE)
    office.daemon.start()
    wait_for(lambda: outcomes(office, "mail") != [] and state(office, "mail") == [expected], "the refusal")
    (entry,) = office.daemon.entries(item="n0000", channel="mail")
    assert reply.split(" ", 1)[1] in entry.last_detail
    wait_for(lambda: state(office, "group") == ["accepted"], "the post")


def test_row_08_a_server_that_hangs_holds_up_only_its_own_channel(office: Office) -> None:
    """Mail hangs at the greeting; the group is told at once."""
    office.smtp.misbehave("connect", "hang")
    office.set(NINE)
    begun = time.monotonic()
    office.daemon.start()
    wait_for(lambda: state(office, "group") == ["accepted"], "the post")
    assert time.monotonic() - begun < 30
    assert office.smtp.messages == []


def test_row_09_a_200_with_an_errcode_is_a_failure(office: Office) -> None:
    """HTTP says 200 and the body says 40008: recorded as refused, with the code."""
    office.robot.misbehave("errcode", code=40008, times=1)
    office.set(NINE)
    office.daemon.start()
    wait_for(lambda: state(office, "group") == ["failed"], "the refusal")
    (entry,) = office.daemon.entries(item="n0000", channel="group")
    assert "40008" in entry.last_code
    wait_for(lambda: state(office, "mail") == ["accepted"], "the mail")


def test_row_09_a_throttled_robot_is_waited_for(office: Office) -> None:
    """45009: nothing for a minute, then the post goes out, once."""
    office.robot.misbehave("errcode", code=45009, times=1)
    office.set(NINE)
    office.daemon.start()
    wait_for(lambda: outcomes(office, "group") == ["transient"], "the first try")
    office.set(NINE + timedelta(minutes=3))
    wait_for(lambda: state(office, "group") == ["accepted"], "the second try")
    assert len(office.robot.posts) == 1
