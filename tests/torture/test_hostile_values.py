"""Hostile values in fields that reach headers and receivers: refused at load, refused at send, or neutral."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from email.utils import getaddresses

import pytest

from reminder.agenda.alarms import expand
from reminder.agenda.policy import Action, Decision, Reason
from reminder.channels.base import Channel, Recipient, Stamp
from reminder.channels.build import build_channel
from reminder.channels.email import EmailAdapter
from reminder.channels.headers import wire_address
from reminder.errors import ReminderError
from reminder.ledger.records import NewDelivery, Transport
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel
from reminder.plan.loader import load_plan_bytes
from reminder.plan.model import Plan
from reminder.sweep.compose import compose
from tests.amounts import amount, report
from tests.editions import edition_of
from tests.plans import CALENDAR, CHANNELS, at, files_of, item_yaml
from tests.torture.hostile_values import FIELDS, Hostile, hostile_values, quoted

NOW = at("2026-06-10 09:00")
HEADERS = {
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
    "MIME-Version", "Content-Type",
}  # fmt: skip
APP = """\
  - id: app
    kind: wecom_app
    corpid: ww1234567890abcdef
    agentid: 1000002
    secret: APP_SECRET
"""
REMIND = """
- from: due
  workdays: 0
  to: person:p-office
  via:
    - mail
    - group
    - app
"""
PLACES = {
    "person.name": ("directory.yaml", "    name: 办公室主任\n", "    name: {}\n"),
    "person.mail": ("directory.yaml", "mail: office@example.com", "mail: {}"),
    "person.wecom": ("directory.yaml", "wecom: office\n", "wecom: {}\n"),
    "office.mailbox": ("plan.yaml", "mailbox: jgdw@example.com", "mailbox: {}"),
    "office.sign_off": ("plan.yaml", "sign_off: 机关党委\n", "sign_off: {}\n"),
    "office.contact": ("plan.yaml", "contact: 机关党委办公室", "contact: {}"),
    "plan.title": ("plan.yaml", "title: 测试计划", "title: {}"),
    "item.title": ("plan.yaml", "title: 事项x", "title: {}"),
    "channel.from": ("channels.yaml", "from: 机关党委 <jgdw@example.com>", "from: {}"),
    "channel.reply_to": ("channels.yaml", "tls: none\n", "tls: none\n    reply_to: {}\n"),
    "group.name": ("channels.yaml", "kind: wecom_robot\n", "kind: wecom_robot\n    name: {}\n"),
}


def files_with(hostile: Hostile) -> dict[str, bytes]:
    """A sound plan with the value in its field."""
    files = files_of(item_yaml("x", "date: 2026-06-10", REMIND), channels=CHANNELS + APP)
    name, sound, place = PLACES[hostile.field]
    text = files[name].decode()
    assert text.count(sound) == 1, hostile.field
    changed = text.replace(sound, place.replace("{}", quoted(hostile.value)))
    return {**files, name: changed.encode("utf-8", "surrogatepass")}


def channels_of(plan: Plan) -> dict[str, Channel]:
    mailbox = plan.head.office.mailbox
    return {
        key: build_channel(config, secret=lambda name: "a-secret", office_mailbox=mailbox)
        for key, config in plan.channels.items()
    }


def same(one: str, other: str) -> bool:
    """But for white space: a parser may fold it, and it can start nothing."""
    return "".join(one.split()) == "".join(other.split())


def is_neutral(octets: bytes, to: Recipient, subject: str) -> None:
    """One mail with our headers, each once, to one address, whose texts read back as they were."""
    head, _, _ = octets.partition(b"\r\n\r\n")
    assert head.isascii()
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\0" not in octets
    names = [line.split(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert Counter(names) == dict.fromkeys(HEADERS, 1)
    for policy in (default, compat32):
        assert Counter(message_from_bytes(octets, policy=policy).keys()) == dict.fromkeys(HEADERS, 1)
    mail = message_from_bytes(octets, policy=default)
    (address,) = mail["To"].addresses
    assert address.addr_spec == wire_address(to.address)
    assert same(address.display_name, to.name)
    assert same(str(mail["Subject"]), subject)
    plain = message_from_bytes(octets, policy=compat32)
    assert [each for _, each in getaddresses([plain["To"]])] == [wire_address(to.address)]
    assert same(str(make_header(decode_header(plain["Subject"]))), subject)
    for name in ("From", "Reply-To"):
        assert len(mail[name].addresses) == 1
    parts = [part.get_content_type() for part in mail.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]


def is_sound(delivery: NewDelivery, plan: Plan) -> None:
    """The delivery goes to whom the plan says, and its bytes say nothing else."""
    person = plan.directory.person("p-office")
    if delivery.channel == "mail":
        assert delivery.address == person.mail
        is_neutral(delivery.payload, Recipient(person.id, person.name, person.mail), delivery.subject)
        return
    body = json.loads(delivery.payload)
    assert set(re.findall(r"<@([^>]*)>", body["markdown"]["content"])) <= {person.wecom}
    assert person.wecom.lower() != "@all"
    if delivery.channel == "app":
        assert body["touser"] == delivery.address == person.wecom
        assert "|" not in body["touser"]


def outcome_of(hostile: Hostile) -> str:
    """Load, compose and read back what would be sent."""
    loaded = load_plan_bytes(files_with(hostile))
    if loaded.plan is None:
        assert loaded.errors, hostile
        assert all(error.position.line > 0 for error in loaded.errors), hostile
        return "refused at load"
    plan = loaded.plan
    try:
        channels = channels_of(plan)
    except ReminderError:
        return "refused at start"
    (alarm,) = expand(plan, CALENDAR, at("2026-01-01"), at("2026-12-31"))
    decided = [(alarm, Decision(Action.SEND, Reason.DUE))]
    composed = compose(decided, edition_of(plan), channels, Transport.LIVE, NOW)
    for delivery in composed.settlement.deliveries:
        is_sound(delivery, plan)
    claims = [claim for each in composed.settlement.alarms for claim in each.claims]
    assert {claim.channel for claim in claims} == {"mail", "group", "app"}, hostile
    for channel in channels.values():
        channel.close()
    return "refused at send" if composed.failures else "neutral"


def test_every_field_reaches_what_is_sent_and_sound_values_pass() -> None:
    """Without this the test below could pass by refusing everything."""
    sound = {"mail": "office@example.com", "wecom": "office", "mailbox": "jgdw@example.com"}
    sound |= {"from": "机关党委 <jgdw@example.com>", "reply_to": "jgdw@example.com"}
    assert set(PLACES) == set(FIELDS)
    for field in FIELDS:
        assert outcome_of(Hostile(field, sound.get(field.partition(".")[2], "寻常文字"))) == "neutral", field


def test_no_hostile_value_becomes_a_header_or_a_receiver() -> None:
    count = amount(500, 120)
    outcomes = Counter(outcome_of(hostile) for hostile in hostile_values(count))
    report(f"{count} hostile values through the plan: {dict(outcomes)}")
    assert outcomes["refused at load"] > count // 4
    assert outcomes["neutral"] > count // 10


def test_no_hostile_value_gets_past_the_adapter_alone() -> None:
    """As if nothing had been checked at load: subject, name, address and identity straight to the mail."""
    config = EmailChannel.model_validate({"id": "mail", "host": "127.0.0.1", "from": "jgdw@example.com"})
    adapter = EmailAdapter(config, password=None, office_mailbox="jgdw@example.com")
    outcomes: Counter[str] = Counter()
    count = amount(500, 120)
    for value in (hostile.value for hostile in hostile_values(count)):
        for place in range(4):
            parts = ["标题", "理论科科长", "a@example.com", "<q2@example.com>"]
            parts[place] = value
            subject, name, address, identity = parts
            message, to = Message(subject, "文", "<p>文</p>", "文"), Recipient("p", name, address)
            try:
                (octets,) = adapter.compose(message, to, Stamp(identity, NOW))
            except ReminderError as error:
                outcomes["refused" if re.search("[一-龥]", str(error)) else "refused without a word"] += 1
                continue
            is_neutral(octets, to, subject)
            outcomes["neutral"] += 1
    adapter.close()
    report(f"{4 * count} hostile values straight to the adapter: {dict(outcomes)}")
    assert outcomes.keys() == {"refused", "neutral"}
    assert min(outcomes.values()) > count // 4


@pytest.mark.parametrize(
    "harm",
    [
        lambda octets: octets.replace(b"Subject:", b"Bcc: evil@example.net\r\nSubject:"),
        lambda octets: octets.replace(b"a@example.com", b"a@example.com, evil@example.net"),
        lambda octets: octets.replace(b"Subject:", b"Subject: x\r\nSubject:"),
        lambda octets: octets.replace(b"\r\n\r\n", b"\r\n\r\n\0", 1),
        lambda octets: octets.replace(b"Subject: ", b"Subject: x"),
        lambda octets: octets.replace(b"Date:", b"X-A: 1\nDate:"),
    ],
)
def test_the_reader_of_these_tests_sees_harm(harm: Callable[[bytes], bytes]) -> None:
    """A mail that was tampered with on purpose is not taken for neutral."""
    config = EmailChannel.model_validate({"id": "mail", "host": "127.0.0.1", "from": "jgdw@example.com"})
    adapter = EmailAdapter(config, password=None, office_mailbox="jgdw@example.com")
    to = Recipient("p", "Head", "a@example.com")
    (octets,) = adapter.compose(Message("Title", "文", "<p>文</p>", "文"), to, Stamp("<q2@example.com>", NOW))
    is_neutral(octets, to, "Title")
    assert harm(octets) != octets
    with pytest.raises((AssertionError, ValueError)):
        is_neutral(harm(octets), to, "Title")
