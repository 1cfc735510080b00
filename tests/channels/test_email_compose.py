"""The bytes of a mail."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from types import SimpleNamespace
from typing import Any

import pytest

from reminder.channels.base import OutcomeKind, Parcel, Recipient, Stamp
from reminder.channels.email import EmailAdapter
from reminder.channels.errors import ContentError, HeaderError
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel


@pytest.fixture
def adapter(mail: Callable[..., EmailAdapter]) -> EmailAdapter:
    return mail(SimpleNamespace(port=25))


def _parsed(octets: bytes) -> Any:
    return message_from_bytes(octets, policy=default)


def test_a_mail_says_who_to_whom_what_when_and_that_a_machine_wrote_it(
    adapter: EmailAdapter, message: Message, to: Recipient, stamp: Stamp
) -> None:
    """Every header the product promises, read back by a parser."""
    (octets,) = adapter.compose(message, to, stamp)
    mail = _parsed(octets)
    assert str(mail["From"]) == "机关党委办公室 <jgdw@example.com>"
    assert str(mail["To"]) == "理论科科长 <lilun@example.com>"
    assert str(mail["Reply-To"]) == "jgdw@example.com"
    assert mail["Subject"] == message.subject
    assert mail["Date"].datetime == stamp.date
    assert octets.count(b"Date: Tue, 30 Jun 2026 09:00:00 +0800\r\n") == 1
    assert mail["Message-ID"] == stamp.message_id
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["MIME-Version"] == "1.0"
    assert mail.get_content_type() == "multipart/alternative"


def test_text_stands_before_html_and_both_come_back(
    adapter: EmailAdapter, message: Message, to: Recipient, stamp: Stamp
) -> None:
    """RFC 2046: the last alternative is the richest; base64 and UTF-8, no 8-bit octet, no long line."""
    (octets,) = adapter.compose(message, to, stamp)
    text, html = _parsed(octets).iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert {part["Content-Transfer-Encoding"] for part in (text, html)} == {"base64"}
    assert {part.get_content_charset() for part in (text, html)} == {"utf-8"}
    assert text.get_content().replace("\r\n", "\n") == message.text
    assert html.get_content() == message.html
    assert octets.isascii()
    assert max(len(line) for line in octets.split(b"\r\n")) <= 78
    assert octets.replace(b"\r\n", b"").count(b"\n") == octets.replace(b"\r\n", b"").count(b"\r") == 0
    assert not _parsed(octets).defects


def test_without_html_it_is_plain_text(
    adapter: EmailAdapter, message: Message, to: Recipient, stamp: Stamp
) -> None:
    """No empty alternative, which some clients would show."""
    (octets,) = adapter.compose(dataclasses.replace(message, html=""), to, stamp)
    mail = _parsed(octets)
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == message.text


def test_the_same_arguments_give_the_same_bytes_and_another_identity_others(
    adapter: EmailAdapter, message: Message, to: Recipient, stamp: Stamp
) -> None:
    """Frozen content can be composed again and compared."""
    assert adapter.compose(message, to, stamp) == adapter.compose(message, to, stamp)
    other = dataclasses.replace(stamp, message_id="<other@example.com>")
    assert adapter.compose(message, to, stamp) != adapter.compose(message, to, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "主题\r\nBcc: all@example.com"},
        {"subject": "主题\n\n正文"},
        {"subject": "主题\u2028"},
        {"subject": "主题\0"},
    ],
)
def test_a_subject_that_would_begin_another_header_is_refused(
    adapter: EmailAdapter, message: Message, to: Recipient, stamp: Stamp, changes: dict[str, str]
) -> None:
    """Composed never, so sent never."""
    with pytest.raises(HeaderError, match="Subject"):
        adapter.compose(dataclasses.replace(message, **changes), to, stamp)


def test_a_name_or_an_address_that_no_mail_may_carry_is_refused(
    adapter: EmailAdapter, message: Message, stamp: Stamp
) -> None:
    """In the recipient's fields as well."""
    for name, address in (("科长\r\n", "a@example.com"), ("科长", "张@example.com"), ("科长", "")):
        with pytest.raises(HeaderError):
            adapter.compose(message, Recipient("x", name, address), stamp)


def test_a_broken_character_in_the_text_is_refused(
    adapter: EmailAdapter, message: Message, to: Recipient, stamp: Stamp
) -> None:
    """Half of a surrogate pair is no text."""
    with pytest.raises(ContentError, match="残缺"):
        adapter.compose(dataclasses.replace(message, text="\ud83d"), to, stamp)


def test_a_date_without_a_zone_is_a_mistake_of_the_caller(
    adapter: EmailAdapter, message: Message, to: Recipient
) -> None:
    """A naive date would be read as another hour somewhere."""
    with pytest.raises(ValueError, match="aware"):
        adapter.compose(message, to, Stamp("<a@example.com>", datetime(2026, 6, 30, 9, 0)))


def test_the_machines_authorities_are_read_when_somebody_connects(
    message: Message, to: Recipient, stamp: Stamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal composes the same octets, and needs none of them."""
    read: list[bool] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda: read.append(True))
    fields = {"id": "mail", "host": "127.0.0.1", "port": "1", "tls": "none", "from": "jgdw@example.com"}
    config = EmailChannel.model_validate(fields)
    adapter = EmailAdapter(config, password=None, office_mailbox="jgdw@example.com")
    assert adapter.compose(message, to, stamp)
    assert read == []
    outcome = adapter.send(Parcel("d", to.id, to.address, b"x", stamp.date))
    assert (outcome.kind, read) == (OutcomeKind.TRANSIENT, [True])
    adapter.close()
