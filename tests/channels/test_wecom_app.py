"""The app of WeCom: its payload, its token, and what every answer is taken for."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.channels import wecom_app
from reminder.channels.base import OutcomeKind, Reach, Recipient, Stamp, batch_of
from reminder.channels.errors import ChannelSettingError, ContentError
from reminder.channels.wecom_app import CONTENT_BYTES, WecomAppAdapter
from reminder.messages.message import Message
from reminder.plan.channels import WecomAppChannel
from tests.channels.conftest import AGENT, APP_SECRET, AT, MEMBERS, parcel
from tests.servers.wecom import WecomSimulator

TO = Recipient("p-theory", "理论科科长", "LiLun")
ALL = Recipient("p-theory等3人", "", "|".join(MEMBERS))
STAMP = Stamp("<a@example.com>", AT)
NOWHERE: Any = SimpleNamespace(base_url="http://127.0.0.1:9")
Build = Callable[..., WecomAppAdapter]


def _message(markdown: str) -> Message:
    return Message("主题", "正文\n", "<p>正文</p>", markdown)


def _contents(payloads: tuple[bytes, ...], kind: str = "markdown") -> list[str]:
    return [json.loads(payload)[kind]["content"] for payload in payloads]


def _sent(adapter: WecomAppAdapter, to: Recipient = TO, markdown: str = "请按时报送") -> Any:
    (payload,) = adapter.compose(_message(markdown), to, STAMP)
    return adapter.send(parcel(payload, to.address))


def test_the_payload_is_the_whole_request_and_holds_neither_secret_nor_token(app: Build) -> None:
    """Integer agentid, receivers joined, the duplicate check on; the same arguments give the same bytes."""
    adapter = app(NOWHERE)
    (payload,) = adapter.compose(_message("请按时报送"), ALL, STAMP)
    assert json.loads(payload) == {
        "touser": "LiLun|office|zhang.san",
        "msgtype": "markdown",
        "agentid": AGENT,
        "markdown": {"content": "请按时报送"},
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 1800,
    }
    assert "报送".encode() in payload
    assert adapter.compose(_message("请按时报送"), ALL, STAMP) == (payload,)
    assert APP_SECRET.encode() not in payload
    assert batch_of(adapter) == 1000


def test_as_text_the_subject_stands_above_the_mail_text(app: Build) -> None:
    """For offices that read in the plug-in, which shows no markdown."""
    payloads = app(NOWHERE, format="text").compose(_message("**正文**"), TO, STAMP)
    assert _contents(payloads, "text") == ["主题\n\n正文"]


@given(text=st.text(alphabet=st.sampled_from("廉政。\n x<@>é😀"), min_size=1, max_size=3000))
def test_no_part_exceeds_the_limit_and_nothing_is_lost(text: str) -> None:
    """2048 bytes with the number; more would be cut off by the service without a word."""
    fields = {"id": "w", "secret": "S", "corpid": "ww1", "agentid": "1", "base_url": "http://127.0.0.1:9"}
    adapter = WecomAppAdapter(WecomAppChannel.model_validate(fields), secret="x")
    contents = _contents(adapter.compose(_message("始" + text), TO, STAMP))
    assert all(len(content.encode()) <= CONTENT_BYTES for content in contents)
    if len(contents) > 1:
        contents = [content.partition("\n")[2] for content in contents]
    assert "".join("".join(contents).split()) == "".join(("始" + text).split())


@pytest.mark.parametrize(
    ("markdown", "address", "reason"),
    [
        (" \n", "LiLun", "为空"),
        ("\ud83d", "LiLun", "残缺"),
        ("长" * 100_000, "LiLun", "过长"),
        ("正文", "LiLun|", "userid"),
        ("正文", "@all", "userid"),
        ("正文", "@all\n", "userid"),
        ("正文", "|".join(f"u{n}" for n in range(1001)), "最多 1000"),
    ],
)
def test_what_can_never_be_sent_is_refused(app: Build, markdown: str, address: str, reason: str) -> None:
    """At composing, in the admin's language."""
    with pytest.raises(ContentError, match=reason):
        app(NOWHERE).compose(_message(markdown), Recipient("x", "x", address), STAMP)


def test_every_receiver_of_a_batch_sees_the_message_after_one_request(
    app: Build, office: WecomSimulator
) -> None:
    """One token, one post, three members."""
    outcome = _sent(app(office), ALL)
    assert (outcome.kind, outcome.code) == (OutcomeKind.ACCEPTED, "errcode 0")
    assert [(each.userid, each.content) for each in office.desk.messages] == [
        (userid, "请按时报送") for userid in MEMBERS
    ]
    assert [method for method, _, _ in office.requests] == ["GET", "POST"]


def test_a_retry_is_the_same_to_the_byte_and_is_seen_once(app: Build, office: WecomSimulator) -> None:
    """The answer was lost, so nobody knows; the service drops the repeat, even under another token."""
    adapter = app(office)
    (payload,) = adapter.compose(_message("请按时报送"), TO, STAMP)
    office.misbehave("drop-taken", times=1)
    assert adapter.send(parcel(payload)).kind is OutcomeKind.UNCERTAIN
    office.desk.invalidate_tokens()
    assert adapter.send(parcel(payload)).kind is OutcomeKind.ACCEPTED
    bodies = {body for method, _, body in office.requests if method == "POST"}
    assert bodies == {payload}
    assert [each.userid for each in office.desk.messages] == ["LiLun"]
    assert office.desk.dropped == [("duplicate", "LiLun")]


def test_a_repeat_after_the_interval_is_shown_again(app: Build) -> None:
    """The setting travels with the request: two different windows."""
    now = [0.0]
    with WecomSimulator(apps={AGENT: APP_SECRET}, members=MEMBERS, clock=lambda: now[0]) as office:
        adapter = app(office, duplicate_check_seconds="100")
        for at in (0.0, 99.0, 200.0):
            now[0] = at
            _sent(adapter)
    assert [each.at for each in office.desk.messages] == [0.0, 200.0]


def test_those_whom_the_service_does_not_know_are_named_and_the_others_served(
    app: Build, office: WecomSimulator
) -> None:
    """It answers errcode 0 and gives the names in small letters; they come back as the office spells them."""
    office.desk.members.pop("lilun")
    outcome = _sent(app(office), ALL)
    assert (outcome.kind, outcome.code) == (OutcomeKind.PARTIAL, "invaliduser")
    assert outcome.refused == ("LiLun",)
    assert "LiLun" in outcome.detail
    assert [each.userid for each in office.desk.messages] == ["office", "zhang.san"]


def test_those_without_a_licence_count_as_refused_too(app: Build, office: WecomSimulator) -> None:
    """Another field of the same answer; a name nobody asked for is passed over."""
    text = json.dumps({"errcode": 0, "errmsg": "ok", "unlicenseduser": "OFFICE|stranger"})
    office.misbehave("status", code=200, text=text)
    assert _sent(app(office), ALL).refused == ("office",)


def test_when_nobody_is_known_the_message_has_failed(app: Build, office: WecomSimulator) -> None:
    """81013, and the same said in the other way."""
    office.desk.members.clear()
    outcome = _sent(app(office), ALL)
    assert (outcome.kind, outcome.code, outcome.reach) == (
        OutcomeKind.PERMANENT,
        "errcode 81013",
        Reach.MESSAGE,
    )
    office.misbehave("status", code=200, text='{"errcode":0,"invaliduser":"lilun"}')
    assert _sent(app(office), TO).kind is OutcomeKind.PERMANENT


@pytest.mark.parametrize("how", ["invalidate_tokens", "expire_tokens"])
def test_a_token_that_is_refused_is_replaced_once_within_the_same_attempt(
    app: Build, office: WecomSimulator, how: str
) -> None:
    """40014 and 42001 alike; the member sees one message."""
    adapter = app(office)
    _sent(adapter, markdown="其一")
    getattr(office.desk, how)()
    assert _sent(adapter, markdown="其二").kind is OutcomeKind.ACCEPTED
    assert office.desk.tokens_issued == 2
    assert [each.content for each in office.desk.messages] == ["其一", "其二"]


def test_a_service_that_refuses_every_token_is_not_asked_without_end(
    app: Build, office: WecomSimulator
) -> None:
    """Once more and then later: four requests, no loop."""
    office.misbehave("errcode", code=40014)
    outcome = _sent(app(office))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "errcode 40014")
    assert [method for method, _, _ in office.requests] == ["GET", "POST", "GET", "POST"]


def test_a_token_is_renewed_before_it_ends(
    app: Build, office: WecomSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``expires_in`` less five minutes, or half of it if that is more: no message meets 42001."""
    now = [1000.0]
    monkeypatch.setattr(wecom_app, "monotonic", lambda: now[0])
    adapter = app(office)
    for seconds, renewed_after in ((7200, 6900), (60, 30)):
        office.desk.token_seconds = seconds
        office.desk.invalidate_tokens()
        _sent(adapter, markdown=f"起 {seconds}")
        issued = office.desk.tokens_issued
        now[0] += renewed_after - 1
        _sent(adapter, markdown=f"前 {seconds}")
        assert office.desk.tokens_issued == issued
        now[0] += 1
        _sent(adapter, markdown=f"后 {seconds}")
        assert office.desk.tokens_issued == issued + 1


def test_many_threads_ask_for_one_token(app: Build, office: WecomSimulator) -> None:
    """At the start, and when the token they all hold is refused."""
    adapter = app(office)
    kinds: list[OutcomeKind] = []
    together = threading.Barrier(12)

    def work(markdown: str) -> None:
        together.wait()
        kinds.append(_sent(adapter, markdown=markdown).kind)

    for turn in (1, 2):
        office.desk.invalidate_tokens()
        threads = [threading.Thread(target=work, args=(f"{turn}-{number}",)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert kinds == [OutcomeKind.ACCEPTED] * 12 * turn
        assert office.desk.tokens_issued == turn


@pytest.mark.parametrize(
    ("errcode", "kind", "reach", "retry_after", "word"),
    [
        (-1, OutcomeKind.TRANSIENT, Reach.MESSAGE, None, ""),
        (45009, OutcomeKind.TRANSIENT, Reach.THROTTLED, 60, ""),
        (45033, OutcomeKind.TRANSIENT, Reach.MESSAGE, 10, ""),
        (40008, OutcomeKind.PERMANENT, Reach.MESSAGE, None, "类型"),
        (44004, OutcomeKind.PERMANENT, Reach.MESSAGE, None, "为空"),
        (45002, OutcomeKind.PERMANENT, Reach.MESSAGE, None, "上限"),
        (81013, OutcomeKind.PERMANENT, Reach.MESSAGE, None, "可见范围"),
        (40001, OutcomeKind.PERMANENT, Reach.DEAD, None, "secret"),
        (40056, OutcomeKind.PERMANENT, Reach.DEAD, None, "agentid"),
        (48002, OutcomeKind.PERMANENT, Reach.DEAD, None, "权限"),
        (60020, OutcomeKind.PERMANENT, Reach.DEAD, None, "可信IP"),
        (301002, OutcomeKind.PERMANENT, Reach.DEAD, None, "agentid"),
        (99999, OutcomeKind.TRANSIENT, Reach.MESSAGE, 300, ""),
    ],
)
def test_a_200_with_an_errcode_is_a_failure_of_its_kind(
    app: Build,
    office: WecomSimulator,
    errcode: int,
    kind: OutcomeKind,
    reach: Reach,
    retry_after: float | None,
    word: str,
) -> None:
    """The server's words are kept and not matched on; what a person must mend is said in Chinese."""
    office.misbehave("errcode", code=errcode, text="ok, or so it says")
    outcome = _sent(app(office))
    assert (outcome.kind, outcome.code, outcome.reach) == (kind, f"errcode {errcode}", reach)
    assert outcome.retry_after == retry_after
    assert "ok, or so it says" in outcome.detail
    assert word in outcome.detail


def test_a_wrong_secret_and_a_strange_address_are_faults_of_the_channel(
    app: Build, office: WecomSimulator
) -> None:
    """Both show when the token is asked for; nothing is posted, and each text says what to mend."""
    wrong = _sent(app(office, secret="another"))
    office.desk.trusted = False
    strange = _sent(app(office))
    company = _sent(app(office, corpid="ww9"))
    assert [(each.kind, each.code, each.reach) for each in (wrong, strange, company)] == [
        (OutcomeKind.PERMANENT, "errcode 40001", Reach.DEAD),
        (OutcomeKind.PERMANENT, "errcode 60020", Reach.DEAD),
        (OutcomeKind.PERMANENT, "errcode 40013", Reach.DEAD),
    ]
    assert "取得访问凭证时" in wrong.detail
    assert "企业可信IP" in strange.detail
    assert all(method == "GET" for method, _, _ in office.requests)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ({"do": "hang"}, "timeout"),
        ({"do": "drip-head"}, "timeout"),
        ({"do": "drop"}, "connection"),
        ({"do": "html"}, "reply"),
        ({"do": "redirect", "location": "http://127.0.0.1:9/"}, "http 302"),
        ({"do": "status", "code": 502, "text": "sorry"}, "http 502"),
        ({"do": "status", "code": 200, "text": '{"errcode":0}'}, "reply"),
        ({"do": "status", "code": 200, "text": '{"errcode":0,"access_token":"t","expires_in":0}'}, "reply"),
    ],
)
def test_without_a_token_nothing_was_sent(
    app: Build, office: WecomSimulator, trouble: dict[str, Any], code: str
) -> None:
    """Whatever happened to the request for it: later, and never uncertain."""
    office.misbehave(on="token", **trouble)
    started = time.monotonic()
    outcome = _sent(app(office, seconds=0.4))
    assert time.monotonic() - started < 3
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, code)
    assert not office.desk.messages


def test_the_deadline_holds_for_token_and_message_together(app: Build, office: WecomSimulator) -> None:
    """A thread that waits for another's token gives up in its own time; nothing was sent."""
    office.misbehave("hang", on="token")
    adapter = app(office, seconds=0.4)
    outcomes: list[Any] = []
    started = time.monotonic()
    threads = [threading.Thread(target=lambda: outcomes.append(_sent(adapter))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 3
    assert {(each.kind, each.code) for each in outcomes} == {(OutcomeKind.TRANSIENT, "timeout")}


def test_secret_and_token_stay_out_of_outcomes_and_logs(
    app: Build, office: WecomSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the service repeats them, in the form in which they travel."""
    caplog.set_level(logging.DEBUG)
    adapter = app(office)
    _sent(adapter)
    office.misbehave("errcode", code=40001, text=f"bad corpsecret {APP_SECRET}", on="token")
    office.misbehave("errcode", code=42001, text="access_token=token-canary-1 is stale")
    outcome = _sent(adapter)
    assert "***" in outcome.detail
    seen = repr(outcome) + caplog.text + repr(adapter) + repr(adapter._tokens._token)
    assert APP_SECRET not in seen
    assert "token-canary" not in seen


def test_a_channel_without_its_secret_waits(app: Build, office: WecomSimulator) -> None:
    """The outbox builds it so; sent for real it says what is missing and asks nobody."""
    outcome = _sent(app(office, secret=""))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "secret")
    assert not office.requests


def test_a_probe_fetches_a_token_and_writes_to_nobody(app: Build, office: WecomSimulator) -> None:
    """What the doctor asks for; a wrong secret is found without a message."""
    assert app(office).probe().kind is OutcomeKind.ACCEPTED
    assert app(office, secret="another").probe().code == "errcode 40001"
    assert app(NOWHERE).probe().code == "connect"
    assert not office.desk.messages


def test_an_unsafe_base_url_is_refused_when_the_channel_is_built(app: Build) -> None:
    """The secret travels in the query."""
    with pytest.raises(ChannelSettingError, match="未加密"):
        app(NOWHERE, base_url="http://wecom.example.com")


def test_the_simulator_drops_what_a_member_gets_too_much_of_and_cuts_what_is_too_long(
    app: Build, office: WecomSimulator
) -> None:
    """Silently, as the service does: only who counts beforehand knows."""
    adapter = app(office)
    for number in range(31):
        assert _sent(adapter, markdown=f"第 {number} 条").kind is OutcomeKind.ACCEPTED
    assert len(office.desk.messages) == 30
    assert office.desk.dropped == [("limit", "LiLun")]
    (payload,) = adapter.compose(_message("短"), Recipient("x", "x", "office"), STAMP)
    long = payload.replace("短".encode(), ("长" * 700).encode())
    assert adapter.send(parcel(long)).kind is OutcomeKind.ACCEPTED
    assert len(office.desk.messages[-1].content) == 682
