"""The group robot: its payload, and what every answer is taken for."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.channels.base import OutcomeKind, Recipient, Stamp
from reminder.channels.errors import ChannelSettingError, ContentError
from reminder.channels.wecom_robot import CONTENT_BYTES, WecomRobotAdapter
from reminder.messages.message import Message
from reminder.plan.channels import WecomRobotChannel
from tests.channels.conftest import AT, KEY, parcel
from tests.servers.certificates import stranger_context
from tests.servers.wecom import WecomSimulator

PAYLOAD = '{"msgtype":"markdown","markdown":{"content":"请按时报送"}}'.encode()
GROUP = Recipient("staff-group", "全体干部群", "")
STAMP = Stamp("<a@example.com>", AT)
NOWHERE: Any = SimpleNamespace(base_url="http://127.0.0.1:9")
Build = Callable[..., WecomRobotAdapter]


def _contents(payloads: tuple[bytes, ...]) -> list[str]:
    return [json.loads(payload)["markdown"]["content"] for payload in payloads]


def _message(markdown: str) -> Message:
    return Message("主题", "正文", "<p>正文</p>", markdown)


def test_the_payload_is_the_json_body_and_holds_no_key(robot: Build, message: Message) -> None:
    """UTF-8 as it is, without escapes; the same arguments give the same bytes."""
    (payload,) = robot(NOWHERE).compose(message, GROUP, STAMP)
    assert json.loads(payload) == {"msgtype": "markdown", "markdown": {"content": message.markdown}}
    assert "季度".encode() in payload
    assert KEY.encode() not in payload
    assert robot(NOWHERE).compose(message, GROUP, STAMP) == (payload,)


def test_mentions_stand_at_the_end_of_the_last_part(robot: Build) -> None:
    """So that who is meant sees the end of the text; none in the parts before."""
    to = dataclasses.replace(GROUP, mentions=("zhang.san", "li-si"))
    contents = _contents(robot(NOWHERE).compose(_message("请按时报送。" * 400), to, STAMP))
    assert len(contents) > 1
    assert contents[-1].endswith("<@zhang.san><@li-si>")
    assert not any("<@" in content for content in contents[:-1])


def test_a_channel_that_does_not_mention_leaves_mentions_out(robot: Build) -> None:
    """``mention: false`` in the channels' file."""
    to = dataclasses.replace(GROUP, mentions=("zhang",))
    assert _contents(robot(NOWHERE, mention=False).compose(_message("正文"), to, STAMP)) == ["正文"]


@given(
    text=st.text(alphabet=st.sampled_from("廉政。\n x<@>é😀"), min_size=1, max_size=3000),
    people=st.integers(0, 300),
)
def test_no_part_exceeds_the_limit_and_nothing_is_lost(text: str, people: int) -> None:
    """Number and mentions are counted in the 4096 bytes."""
    config = WecomRobotChannel.model_validate({"id": "g", "secret": "S", "base_url": "http://127.0.0.1:9"})
    adapter = WecomRobotAdapter(config, key=KEY)
    text = "始" + text
    to = dataclasses.replace(GROUP, mentions=tuple(f"user-{number}" for number in range(people)))
    contents = _contents(adapter.compose(_message(text), to, STAMP))
    assert all(len(content.encode()) <= CONTENT_BYTES for content in contents)
    if len(contents) > 1:
        numbers = [content.partition("\n")[0] for content in contents]
        assert numbers == [f"（{n}/{len(contents)}）" for n in range(1, len(contents) + 1)]
        contents = [content.partition("\n")[2] for content in contents]
    whole = "".join("".join(contents).split())
    assert whole == "".join(text.split()) + "".join(f"<@user-{number}>" for number in range(people))


@pytest.mark.parametrize(
    ("markdown", "mentions", "reason"),
    [
        (" \n", (), "为空"),
        ("\ud83d", (), "残缺"),
        ("长" * 200_000, (), "过长"),
        ("正文", ("zhang>\n<@all",), "userid"),
        ("正文", ("@all",), "userid"),
    ],
)
def test_what_can_never_be_posted_is_refused(
    robot: Build, markdown: str, mentions: tuple[str, ...], reason: str
) -> None:
    """At composing, in the admin's language."""
    with pytest.raises(ContentError, match=reason):
        robot(NOWHERE).compose(_message(markdown), dataclasses.replace(GROUP, mentions=mentions), STAMP)


def test_a_post_arrives_byte_for_byte(robot: Build, wecom: WecomSimulator) -> None:
    """And twice over one kept connection."""
    adapter = robot(wecom)
    outcomes = [adapter.send(parcel(PAYLOAD)) for _ in range(2)]
    assert [(each.kind, each.code) for each in outcomes] == [(OutcomeKind.ACCEPTED, "errcode 0")] * 2
    assert [(post.body, post.content) for post in wecom.posts] == [(PAYLOAD, "请按时报送")] * 2
    assert wecom.connections == 1


def test_over_tls_the_certificate_is_verified(robot: Build) -> None:
    """Good for this host: accepted. Another's: refused, and the key stays here."""
    with WecomSimulator(keys=(KEY,), tls=True) as good:
        assert robot(good).send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
    with WecomSimulator(keys=(KEY,), context=stranger_context()) as stranger:
        outcome = robot(stranger).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "tls")
    assert not stranger.requests


@pytest.mark.parametrize(
    ("errcode", "kind", "retry_after"),
    [
        (-1, OutcomeKind.TRANSIENT, None),
        (45009, OutcomeKind.TRANSIENT, 60),
        (45033, OutcomeKind.TRANSIENT, 10),
        (40008, OutcomeKind.PERMANENT, None),
        (40058, OutcomeKind.PERMANENT, None),
        (40063, OutcomeKind.PERMANENT, None),
        (44004, OutcomeKind.PERMANENT, None),
        (45002, OutcomeKind.PERMANENT, None),
        (93000, OutcomeKind.PERMANENT, None),
        (93004, OutcomeKind.PERMANENT, None),
        (93008, OutcomeKind.PERMANENT, None),
        (99999, OutcomeKind.TRANSIENT, 300),
    ],
)
def test_a_200_with_an_errcode_is_a_failure_of_its_kind(
    robot: Build, wecom: WecomSimulator, errcode: int, kind: OutcomeKind, retry_after: float | None
) -> None:
    """HTTP says 200 to everything; the words are kept and not matched on."""
    wecom.misbehave("errcode", code=errcode, text="ok, or so it says")
    outcome = robot(wecom).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code, outcome.retry_after) == (kind, f"errcode {errcode}", retry_after)
    assert "ok, or so it says" in outcome.detail
    assert ("机器人已失效" in outcome.detail) == (errcode >= 93000 and errcode != 99999)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "retry_after"),
    [
        (500, (), OutcomeKind.TRANSIENT, None),
        (502, (("Retry-After", "120"),), OutcomeKind.TRANSIENT, 120),
        (503, (("Retry-After", "999999"),), OutcomeKind.TRANSIENT, 3600),
        (503, (("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),), OutcomeKind.TRANSIENT, None),
        (429, (), OutcomeKind.TRANSIENT, 60),
        (400, (), OutcomeKind.PERMANENT, None),
        (413, (), OutcomeKind.PERMANENT, None),
        (403, (), OutcomeKind.TRANSIENT, 1800),
        (404, (), OutcomeKind.TRANSIENT, 1800),
    ],
)
def test_an_http_failure_is_read_by_its_status(
    robot: Build,
    wecom: WecomSimulator,
    status: int,
    headers: tuple[tuple[str, str], ...],
    kind: OutcomeKind,
    retry_after: float | None,
) -> None:
    """5yz and 429 later, at most an hour; what a portal or a wrong base_url says, once people have mended it."""
    wecom.misbehave("status", code=status, text="sorry", headers=headers)
    outcome = robot(wecom).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code, outcome.retry_after) == (kind, f"http {status}", retry_after)
    portal = "服务器不接受这个请求，请核对 base_url 和上网认证：" if status in (403, 404) else ""
    assert outcome.detail == f"{portal}sorry"


@pytest.mark.parametrize(
    "text", ["[]", '{"errcode":"0"}', '{"errcode":true}', "{}", "[" * 60_000, "\xff", ""]
)
def test_an_answer_that_is_not_the_robots_is_never_taken_for_success(
    robot: Build, wecom: WecomSimulator, text: str
) -> None:
    """Other JSON, JSON too deep, no JSON."""
    wecom.misbehave("status", code=200, text=text)
    outcome = robot(wecom).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "reply")
    assert len(outcome.detail) <= 500


def test_a_web_page_is_no_answer_however_long(robot: Build, wecom: WecomSimulator) -> None:
    """A login portal answers 200 too; a gigabyte is not read."""
    wecom.misbehave("html", times=1)
    outcome = robot(wecom).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "reply")
    wecom.misbehave("huge")
    started = time.monotonic()
    outcome = robot(wecom).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "too-long")
    assert time.monotonic() - started < 3


def test_a_redirect_is_not_followed(robot: Build, wecom: WecomSimulator) -> None:
    """Not even to a server that would have taken the post."""
    with WecomSimulator(keys=(KEY,)) as other:
        wecom.misbehave("redirect", location=f"{other.base_url}/cgi-bin/webhook/send?key={KEY}")
        outcome = robot(wecom).send(parcel(PAYLOAD))
        assert not other.requests
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "http 302")


@pytest.mark.parametrize("do", ["hang", "hang-taken", "drip", "drip-head"])
def test_a_slow_answer_ends_at_the_deadline_and_is_uncertain(
    robot: Build, wecom: WecomSimulator, do: str
) -> None:
    """Every octet was sent, so the group may have seen the post."""
    wecom.misbehave(do)
    started = time.monotonic()
    outcome = robot(wecom, seconds=0.4).send(parcel(PAYLOAD))
    assert time.monotonic() - started < 3
    assert (outcome.kind, outcome.code) == (OutcomeKind.UNCERTAIN, "timeout")


@pytest.mark.parametrize(("do", "shown"), [("drop", 0), ("drop-taken", 1)])
def test_a_lost_answer_is_uncertain(robot: Build, wecom: WecomSimulator, do: str, shown: int) -> None:
    """Both look the same from here, and neither is tried again by itself."""
    wecom.misbehave(do)
    outcome = robot(wecom).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.UNCERTAIN, "connection")
    assert len(wecom.posts) == shown
    assert wecom.connections == 1


def test_a_post_that_was_never_sent_in_full_is_transient(robot: Build, wecom: WecomSimulator) -> None:
    """The service cannot have shown what it did not receive."""
    wecom.misbehave("drop-unread")
    outcome = robot(wecom).send(parcel(b"x" * 16 * 1024 * 1024))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "connection")
    with WecomSimulator() as gone:
        pass
    assert robot(gone).send(parcel(PAYLOAD)).code == "connect"
    outcome = robot(NOWHERE, base_url="https://wecom.invalid").send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "dns")


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("http://wecom.example.com", "未加密"),
        ("ftp://wecom.example.com", "不合要求"),
        ("wecom.example.com", "不合要求"),
        ("https://user:pw@wecom.example.com", "不合要求"),
        ("https://wecom.example.com/?key=1", "不合要求"),
        ("https://wecom.example.com:x", "不是网址"),
    ],
)
def test_a_base_url_that_would_give_the_key_away_is_refused(robot: Build, base_url: str, reason: str) -> None:
    """When the channel is built, not when the first reminder is due."""
    with pytest.raises(ChannelSettingError, match=reason):
        robot(NOWHERE, base_url=base_url)


def test_a_probe_reaches_the_host_without_the_key(robot: Build, wecom: WecomSimulator) -> None:
    """What the doctor asks for; nobody's group sees it."""
    assert robot(wecom, base_url=wecom.base_url + "/").probe().kind is OutcomeKind.ACCEPTED
    assert wecom.requests == [("GET", "/", b"")]
    assert robot(NOWHERE).probe().code == "connect"


def test_the_twenty_first_post_of_a_minute_is_refused_until_the_block_is_over(robot: Build) -> None:
    """The simulator's window slides on its own clock."""
    now = [0.0]
    with WecomSimulator(keys=(KEY,), clock=lambda: now[0]) as wecom:
        adapter = robot(wecom)
        codes = []
        for _ in range(21):
            codes.append(adapter.send(parcel(PAYLOAD)).code)
            now[0] += 1
        assert codes == ["errcode 0"] * 20 + ["errcode 45009"]
        now[0] = 79.9
        assert adapter.send(parcel(PAYLOAD)).code == "errcode 45009"
        now[0] = 80.0
        assert adapter.send(parcel(PAYLOAD)).code == "errcode 0"
    assert len(wecom.posts) == 21


def test_the_simulator_counts_bytes_and_knows_its_robots(robot: Build, wecom: WecomSimulator) -> None:
    """1366 Chinese characters are 4098 bytes."""
    body = json.dumps({"msgtype": "markdown", "markdown": {"content": "长" * 1366}}).encode()
    assert robot(wecom).send(parcel(body)).code == "errcode 40058"
    assert robot(wecom).send(parcel(b"{")).code == "errcode 40008"
    assert robot(wecom).send(parcel(b'{"msgtype":"markdown","markdown":{}}')).code == "errcode 44004"
    assert robot(wecom, key="gone").send(parcel(PAYLOAD)).code == "errcode 93000"
    assert not wecom.posts
