"""A header value that would begin another header is refused where the mail is made, and where it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reminder.channels.base import OutcomeKind, Recipient, Stamp
from reminder.channels.email import EmailAdapter
from reminder.channels.errors import HeaderError
from reminder.channels.http import HttpClient, HttpError
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.messages.message import Message
from tests.channels.conftest import parcel
from tests.servers.smtp import SmtpStub
from tests.servers.wecom import WecomSimulator

BREAKS = ["\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x9b", "\ud800"]
PLACES = ["{}提醒", "提醒{}", "提醒{}Bcc: leak@example.com", "{}Bcc: leak@example.com", "提醒{}\r\n\r\n正文"]


@pytest.fixture
def adapter(mail: Callable[..., EmailAdapter], smtp: SmtpStub) -> EmailAdapter:
    return mail(smtp)


@pytest.mark.parametrize("break_", BREAKS)
@pytest.mark.parametrize("place", PLACES)
def test_every_part_of_a_mail_refuses_a_break(
    adapter: EmailAdapter,
    smtp: SmtpStub,
    message: Message,
    to: Recipient,
    stamp: Stamp,
    break_: str,
    place: str,
) -> None:
    """Subject, name and address of the receiver, identity: with the character in the words for the admin."""
    bad = place.format(break_)
    made = [
        (replace(message, subject=bad), to, stamp),
        (message, replace(to, name=bad), stamp),
        (message, replace(to, address=f"lilun{break_}@example.com"), stamp),
        (message, replace(to, address=f"lilun@example.com{break_}>, <leak@example.com"), stamp),
        (message, to, replace(stamp, message_id=f"<{bad}@example.com>")),
    ]
    for arguments in made:
        with pytest.raises(HeaderError) as raised:
            adapter.compose(*arguments)
        assert len(str(raised.value).splitlines()) == 1
    assert smtp.connections == 0


@pytest.mark.parametrize("break_", BREAKS)
def test_a_sender_with_a_break_builds_no_channel(smtp: SmtpStub, break_: str) -> None:
    """Settings that did not come through the loader are held to the same."""
    from reminder.plan.channels import EmailChannel

    good = EmailChannel.model_validate(
        {"id": "mail", "host": smtp.host, "from": "jgdw@example.com", "tls": "none"}
    )
    for changes, mailbox in (
        ({"from_": f"机关{break_}党委 <jgdw@example.com>"}, "jgdw@example.com"),
        ({"reply_to": f"机关党委{break_}Bcc: x <jgdw@example.com>"}, "jgdw@example.com"),
        ({}, f"jgdw{break_}@example.com"),
    ):
        with pytest.raises(HeaderError):
            EmailAdapter(good.model_copy(update=changes), password=None, office_mailbox=mailbox)


@pytest.mark.parametrize("break_", BREAKS)
def test_an_address_with_a_break_is_refused_at_the_moment_of_sending(
    adapter: EmailAdapter, smtp: SmtpStub, break_: str
) -> None:
    """An old ledger may hold what was never checked; SMTP commands are lines, too."""
    outcome = adapter.send(
        parcel(b"Subject: x\r\n\r\nx\r\n", f"a@example.com{break_}RCPT TO:<leak@example.com>")
    )
    assert (outcome.kind, outcome.code) == (OutcomeKind.PERMANENT, "address")
    assert len(outcome.detail.splitlines()) == 1
    assert smtp.commands == []


@pytest.mark.parametrize("break_", BREAKS[:-1])  # no file and no environment gives a lone surrogate
def test_a_key_with_a_break_stays_one_line_of_the_request(
    robot: Callable[..., WecomRobotAdapter], wecom: WecomSimulator, break_: str
) -> None:
    """A secret file may hold anything; it travels quoted, or not at all."""
    key = f"key{break_}Host: leak.example.com"
    outcome = robot(wecom, key=key).send(parcel(b"{}"))
    assert outcome.code == "errcode 93000"
    ((method, path, _body),) = wecom.requests
    assert method == "POST"
    assert path.startswith("/cgi-bin/webhook/send?key=key%")
    assert not any(each in path for each in ("\r", "\n", " "))


def test_a_content_type_with_a_break_is_not_sent(wecom: WecomSimulator) -> None:
    """The library refuses it; the error knows no URL."""
    client = HttpClient()
    with pytest.raises(HttpError) as raised:
        client.post(wecom.base_url, b"", content_type="text/plain\r\nX-Leak: 1", seconds=2)
    client.close()
    assert not raised.value.sent
    assert wecom.requests == []
