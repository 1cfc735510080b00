"""How far a refusal reaches: this message, the whole channel for a while, the account, a dead robot."""

from __future__ import annotations

import json

import pytest

from reminder.channels.base import Reach
from reminder.channels.http import Reply
from reminder.channels.smtp_outcomes import Stage, verdict
from reminder.channels.wecom_outcomes import classify
from reminder.channels.words import Scrubber


@pytest.mark.parametrize(
    ("stage", "code", "words", "reach"),
    [
        (Stage.AUTH, 535, "Error: authentication failed", Reach.LOGIN),
        (Stage.AUTH, 550, "User has no permission", Reach.LOGIN),
        (Stage.AUTH, 454, "4.7.0 Temporary authentication failure", Reach.LOGIN),
        (Stage.AUTH, 421, "too many connections from here, try later", Reach.THROTTLED),
        (Stage.AUTH, 421, "closing", Reach.MESSAGE),
        (Stage.MAIL, 501, "Mail from address must be same as authorization user", Reach.LOGIN),
        (Stage.RCPT, 550, "Ip frequency limited", Reach.THROTTLED),
        (Stage.TEXT, 554, "Reject by behaviour spam, too frequently sending", Reach.THROTTLED),
        (Stage.MAIL, 451, "MI:SFQ", Reach.THROTTLED),
        (Stage.RCPT, 450, "Greylisted, come back", Reach.MESSAGE),
        (Stage.RCPT, 550, "no such user", Reach.MESSAGE),
        (Stage.TEXT, 554, "DT:SPM", Reach.MESSAGE),
        (Stage.RCPT, 452, "mailbox full", Reach.MESSAGE),
    ],
)
def test_of_a_mail_server(stage: Stage, code: int, words: str, reach: Reach) -> None:
    """A login is the account's, a rate limit everybody's, a refused receiver nobody else's."""
    assert verdict(stage, code, words).reach is reach


@pytest.mark.parametrize(
    ("errcode", "reach"),
    [
        (45009, Reach.THROTTLED),
        (93000, Reach.DEAD),
        (93004, Reach.DEAD),
        (93008, Reach.DEAD),
        (45002, Reach.MESSAGE),
        (45033, Reach.MESSAGE),
        (-1, Reach.MESSAGE),
        (0, Reach.MESSAGE),
    ],
)
def test_of_a_robot(errcode: int, reach: Reach) -> None:
    body = json.dumps({"errcode": errcode, "errmsg": "x"}).encode()
    assert classify(Reply(200, body, None), Scrubber([])).reach is reach


def test_too_many_requests_is_everybodys() -> None:
    assert classify(Reply(429, b"", None), Scrubber([])).reach is Reach.THROTTLED
