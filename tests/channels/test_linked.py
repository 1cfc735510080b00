"""The receiver's own link is put in when a message is sent, against the real protocols."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reminder.channels.base import OutcomeKind, Parcel, PersonalChannel, Recipient, Stamp
from reminder.channels.linked import LinkedChannel
from reminder.channels.outbox import OutboxChannel
from reminder.links import PLACEHOLDER, LinkKeyError, Links
from reminder.messages.message import Message
from tests.channels.conftest import AT
from tests.servers.smtp import SmtpStub
from tests.servers.wecom import WecomSimulator

LINKS = Links([bytes(32)], "test")
LINK = f"https://djw.example.com/d/{PLACEHOLDER}"
LINKED = Message(
    subject="【提醒】二季度活动开展情况报送",
    text=f"请于 6 月 30 日前报送。\n办结后点此登记：\n{LINK}\n",
    html=f'<p>请于 6 月 30 日前报送。</p><p><a href="{LINK}">办结后点此登记</a></p>',
    markdown=f"请于 6 月 30 日前报送。\n[办结后点此登记]({LINK})",
)
IDENTITY = "00112233445566778899aabbccddeeff"


def token_of(parcel: Parcel) -> str:
    assert parcel.useful_until is not None
    return LINKS.of_message(parcel.message, parcel.receiver, parcel.useful_until.date())


TOKEN = LINKS.of_message(IDENTITY, "p-theory", AT.date() + timedelta(days=5))


def linked(inner: PersonalChannel) -> LinkedChannel:
    return LinkedChannel(inner, PLACEHOLDER, token_of)


def parcel(payload: bytes, address: str) -> Parcel:
    return Parcel(f"{IDENTITY}-1", "p-theory", address, payload, AT, IDENTITY, AT + timedelta(days=5))


def test_a_mail_arrives_with_the_token_in_both_its_forms_and_is_otherwise_as_it_was_frozen(
    smtp: SmtpStub, mail: Callable[..., Any], stamp: Stamp, to: Recipient
) -> None:
    channel = linked(mail(smtp))
    (payload,) = channel.compose(LINKED, to, stamp)
    assert channel.send(parcel(payload, to.address)).kind is OutcomeKind.ACCEPTED
    (received,) = smtp.messages
    assert len(received.content) == len(payload)
    sent, frozen = (
        email.message_from_bytes(octets, policy=email.policy.default)
        for octets in (received.content, payload)
    )
    assert sent.items() == frozen.items()
    for one, other in zip(sent.iter_parts(), frozen.iter_parts(), strict=True):
        assert one.items() == other.items()
        assert one.get_content() == other.get_content().replace(PLACEHOLDER, TOKEN)
        assert one.get_content().count(TOKEN) == 1


def test_a_mail_of_one_part_is_filled_too(
    smtp: SmtpStub, mail: Callable[..., Any], stamp: Stamp, to: Recipient
) -> None:
    channel = linked(mail(smtp))
    plain = Message(LINKED.subject, LINKED.text, "", LINKED.markdown)
    (payload,) = channel.compose(plain, to, stamp)
    channel.send(parcel(payload, to.address))
    (received,) = smtp.messages
    sent = email.message_from_bytes(received.content, policy=email.policy.default)
    assert TOKEN in sent.get_content()


def test_a_link_is_found_wherever_base64_and_its_lines_put_it(
    smtp: SmtpStub, mail: Callable[..., Any], stamp: Stamp, to: Recipient
) -> None:
    """At each place in a group of three, and across each end of a line; in the text alone and in the page alone."""
    channel = mail(smtp)
    for before in range(80):
        said, unsaid = "x" * before + PLACEHOLDER + "y" * (before % 5), "z" * before
        for text, html in ((said, unsaid), (unsaid, said), (said, "")):
            (payload,) = channel.compose(Message("题", text, html, ""), to, stamp)
            (expected,) = channel.compose(
                Message("题", text.replace(PLACEHOLDER, TOKEN), html.replace(PLACEHOLDER, TOKEN), ""),
                to,
                stamp,
            )
            filled = channel.with_token(payload, PLACEHOLDER.encode(), TOKEN.encode)
            assert filled == expected != payload


@pytest.mark.parametrize("format", ["markdown", "text"])
def test_a_message_of_the_app_is_posted_with_the_token(
    office: WecomSimulator, app: Callable[..., Any], stamp: Stamp, format: str
) -> None:
    channel = linked(app(office, format=format))
    (payload,) = channel.compose(LINKED, Recipient("p-theory", "理论科科长", "LiLun"), stamp)
    assert channel.send(parcel(payload, "LiLun")).kind is OutcomeKind.ACCEPTED
    (shown,) = office.desk.messages
    assert TOKEN in json.dumps(shown.content, ensure_ascii=False)
    assert PLACEHOLDER not in json.dumps(shown.content, ensure_ascii=False)


def test_a_retry_is_the_same_to_the_byte(
    smtp: SmtpStub, mail: Callable[..., Any], stamp: Stamp, to: Recipient
) -> None:
    channel = linked(mail(smtp))
    (payload,) = channel.compose(LINKED, to, stamp)
    smtp.misbehave("dot", "reply", "451 later", times=1, taken=True)
    assert channel.send(parcel(payload, to.address)).kind is OutcomeKind.TRANSIENT
    assert linked(mail(smtp)).send(parcel(payload, to.address)).kind is OutcomeKind.ACCEPTED
    first, second = smtp.messages
    assert first.content == second.content


def test_what_holds_no_link_asks_for_no_token_and_is_not_touched(
    smtp: SmtpStub, mail: Callable[..., Any], message: Message, stamp: Stamp, to: Recipient
) -> None:
    def never(_parcel: Parcel) -> str:
        raise AssertionError("no token is needed")

    channel = LinkedChannel(mail(smtp), PLACEHOLDER, never)
    (payload,) = channel.compose(message, to, stamp)
    channel.send(parcel(payload, to.address))
    assert [each.content for each in smtp.messages] == [payload]


def test_every_part_of_a_split_text_keeps_to_the_limit_with_its_token(
    office: WecomSimulator, app: Callable[..., Any], stamp: Stamp
) -> None:
    """A placeholder is as long as a token, and like it is never cut in two."""
    said = "".join(f"第{number}段，" + "办" * 300 + f"\n[登记]({LINK})\n\n" for number in range(6))
    channel = linked(app(office))
    parts = channel.compose(
        Message("题", said, "", said), Recipient("p-theory", "理论科科长", "LiLun"), stamp
    )
    assert len(parts) > 2
    for part in parts:
        channel.send(parcel(part, "LiLun"))
    contents = [json.dumps(each.content, ensure_ascii=False) for each in office.desk.messages]
    assert sum(content.count(TOKEN) for content in contents) == 6
    for part in parts:
        assert len(json.loads(part)["markdown"]["content"].encode()) <= 2048


@pytest.mark.parametrize("how", ["plain", "base64"])
def test_a_server_that_says_it_again_puts_no_token_into_the_outcome(
    smtp: SmtpStub, mail: Callable[..., Any], stamp: Stamp, to: Recipient, how: str
) -> None:
    echo = (
        TOKEN
        if how == "plain"
        else base64.b64encode(f"见 {LINK} ".replace(PLACEHOLDER, TOKEN).encode()).decode()
    )
    smtp.misbehave("dot", "reply", f"554 5.7.1 spam: {echo}")
    channel = linked(mail(smtp))
    (payload,) = channel.compose(LINKED, to, stamp)
    outcome = channel.send(parcel(payload, to.address))
    assert outcome.kind is OutcomeKind.PERMANENT
    assert "***" in outcome.detail
    assert TOKEN[:30] not in outcome.detail
    assert echo[40:70] not in outcome.detail


def test_without_a_key_nothing_is_sent_and_the_outcome_says_what_to_do(
    smtp: SmtpStub, mail: Callable[..., Any], stamp: Stamp, to: Recipient
) -> None:
    def broken(_parcel: Parcel) -> str:
        raise LinkKeyError("链接密钥读不出来")

    channel = LinkedChannel(mail(smtp), PLACEHOLDER, broken)
    (payload,) = channel.compose(LINKED, to, stamp)
    outcome = channel.send(parcel(payload, to.address))
    assert (outcome.kind, outcome.code, outcome.detail) == (OutcomeKind.TRANSIENT, "link", "链接密钥读不出来")
    assert smtp.messages == []


def test_a_rehearsal_keeps_the_placeholder(
    tmp_path: Path, smtp: SmtpStub, mail: Callable[..., Any], stamp: Stamp, to: Recipient
) -> None:
    """Files of the outbox are copied around and shown to others: a token in one would be a way in."""
    outbox = OutboxChannel(mail(smtp), tmp_path)
    (payload,) = outbox.compose(LINKED, to, stamp)
    path = outbox.send(parcel(payload, to.address)).detail
    assert (tmp_path / path).read_bytes() == payload
    digest = hashlib.sha256(payload).hexdigest()
    assert digest == hashlib.sha256(outbox.compose(LINKED, to, stamp)[0]).hexdigest()
