"""``doctor`` finds out why a channel cannot be reached, against servers that really cannot."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from typer.testing import CliRunner

import reminder.cli.doctor
import reminder.cli.records  # noqa: F401  # they register commands
from reminder.channels.base import Outcome, OutcomeKind
from reminder.channels.build import build_channel
from reminder.channels.diagnosis import diagnosis
from reminder.channels.route import Peer
from reminder.cli.app import app
from reminder.cli.findings import BAD, GOOD, WARN, Finding
from reminder.cli.reachability import probe_findings, settings_findings
from reminder.plan.authorities import earliest_end
from reminder.plan.channels import ChannelConfig, EmailChannel, WecomRobotChannel
from tests.editions import TEMPLATES
from tests.harness.ports import a_free_port
from tests.plans import ON_DUE_DAY, item_yaml, write_plan
from tests.servers.certificates import authority, client_context, stranger_context
from tests.servers.proxy import ConnectProxy
from tests.servers.smtp import Fault, SmtpStub
from tests.servers.wecom import Trouble, WecomSimulator

NOW = datetime.now(UTC)
USER, PASSWORD, KEY = "jgdw@example.com", "canary-Zq7password", "canary-7b1fd0c2-key"


def ending(days: float) -> ssl.SSLContext:
    """A certificate for this machine that ends in so many days."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = NOW + timedelta(days=days)
    issued = authority().issue_cert("127.0.0.1", not_before=NOW - timedelta(days=90), not_after=end)
    issued.configure_cert(context)
    return context


class Office:
    """Channels to servers that misbehave, and what is found out about them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def mail(self, *faults: Fault, context: ssl.SSLContext | None = None, **changes: Any) -> list[Finding]:
        accounts = changes.pop("accounts", {USER: PASSWORD})
        tls = changes.pop("server_tls", "implicit")
        stub = self._stack.enter_context(SmtpStub(*faults, tls=tls, accounts=accounts, context=context))
        return self.mail_to(stub.port, **changes)

    def mail_to(self, port: int, **changes: Any) -> list[Finding]:
        fields = {"id": "mail", "host": "127.0.0.1", "port": str(port), "from": USER, "timeout_seconds": "1"}
        fields |= {"username": USER, "secret": "SMTP_PASSWORD"}
        return self._findings(EmailChannel.model_validate(fields | changes))

    def robot(self, base_url: str, **changes: Any) -> list[Finding]:
        fields = {"id": "group", "base_url": base_url, "secret": "ROBOT_KEY", "timeout_seconds": "1"}
        return self._findings(WecomRobotChannel.model_validate(fields | changes))

    def service(self, *troubles: Trouble, context: ssl.SSLContext | None = None) -> str:
        options: dict[str, Any] = {"context": context} if context else {"tls": True}
        return self._stack.enter_context(WecomSimulator(*troubles, keys=(KEY,), **options)).base_url

    def proxy(self, do: str) -> str:
        return self._stack.enter_context(ConnectProxy(("127.0.0.1", 9), do=do)).url

    def _findings(self, config: ChannelConfig) -> list[Finding]:
        secrets = {"SMTP_PASSWORD": PASSWORD, "ROBOT_KEY": KEY}
        channel = build_channel(config, secret=secrets.get, office_mailbox=USER, context=client_context())
        try:
            return list(probe_findings(config, channel, NOW))  # type: ignore[arg-type]
        finally:
            channel.close()


@pytest.fixture
def office() -> Iterator[Office]:
    with ExitStack() as stack:
        yield Office(stack)


CAUSES: dict[str, tuple[Callable[[Office], list[Finding]], str, str]] = {
    "mail: no such host": (
        lambda o: o.mail_to(465, host="smtp.invalid"),
        "域名解析失败",
        "getent hosts smtp.invalid",
    ),
    "mail: nobody listens": (lambda o: o.mail_to(a_free_port()), "连接不上", "放行本机到 127.0.0.1:"),
    "mail: silent": (lambda o: o.mail(Fault("connect", "hang")), "没有及时答复", "线路"),
    "mail: inner address": (lambda o: o.mail_to(465, host="10.255.0.1"), "地址未获许可", "allow_networks"),
    "mail: no TLS there": (
        lambda o: o.mail(server_tls="none"),
        "加密未建立",
        "465 用 implicit，587 用 starttls",
    ),
    "mail: another's certificate": (
        lambda o: o.mail(context=stranger_context()),
        "加密未建立",
        "证书不是为 127.0.0.1 签发的",
    ),
    "mail: expired": (lambda o: o.mail(context=ending(-1)), "加密未建立", "服务器证书已过期"),
    "mail: wrong password": (lambda o: o.mail(accounts={USER: "x"}), "登录被拒", "授权码"),
    "mail: no STARTTLS": (
        lambda o: o.mail(server_tls="none", tls="starttls"),
        "服务器不支持",
        "另一种 tls",
    ),
    "mail: hangs up": (lambda o: o.mail(Fault("ehlo", "drop")), "连接中断", "稍后再试"),
    "mail: refuses to talk": (
        lambda o: o.mail(Fault("ehlo", "reply", "554 no")),
        "服务器拒绝",
        "服务器管理员",
    ),
    "robot: no such host": (lambda o: o.robot("https://wecom.invalid"), "域名解析失败", "wecom.invalid"),
    "robot: nobody listens": (
        lambda o: o.robot(f"https://127.0.0.1:{a_free_port()}"),
        "连接不上",
        "127.0.0.1:",
    ),
    "robot: metadata": (lambda o: o.robot("https://169.254.169.254"), "地址未获许可", "169.254.169.254"),
    "robot: another's certificate": (
        lambda o: o.robot(o.service(context=stranger_context())),
        "加密未建立",
        "证书不是为 127.0.0.1 签发的",
    ),
    "robot: proxy refuses": (
        lambda o: o.robot("https://wecom.example.com", proxy=o.proxy("refuse")),
        "代理不予转接",
        "proxy_secret",
    ),
    "robot: proxy away": (
        lambda o: o.robot("https://wecom.example.com", proxy=f"http://127.0.0.1:{a_free_port()}"),
        "连接不上",
        "确认代理已开启",
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_channel_that_cannot_be_reached_is_told_with_cause_and_cure(office: Office, name: str) -> None:
    """One line that says what happened, and what to do; no secret in it."""
    provoke, cause, cure = CAUSES[name]
    (finding,) = provoke(office)
    assert finding.state == BAD
    assert f"不可用（{cause}）" in finding.found
    assert cure in finding.remedy
    assert "canary" not in repr(finding)


def test_an_authority_that_nobody_knows_is_told_with_ca_file(office: Office) -> None:
    """The office's own: the cure is to name it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    for findings in (office.mail(context=context), office.robot(office.service(context=context))):
        assert "ca_file" in findings[0].remedy


def test_a_good_channel_is_good_and_an_inner_address_is_said(office: Office) -> None:
    """One finding, without a remedy."""
    for findings in (office.mail(), office.robot(office.service())):
        (finding,) = findings
        assert (finding.state, finding.remedy) == (GOOD, "")
        assert "127.0.0.1" in finding.found


@pytest.mark.parametrize(("days", "warned"), [(10.5, True), (29.9, True), (31, False)])
def test_a_certificate_that_ends_soon_is_warned_of(office: Office, days: float, warned: bool) -> None:
    """Thirty days ahead, for mail and WeCom alike; the channel itself is good."""
    for findings in (
        office.mail(context=ending(days)),
        office.robot(office.service(context=ending(days))),
    ):
        assert findings[0].state == GOOD
        assert [each.state for each in findings[1:]] == ([WARN] if warned else [])
        if warned:
            assert f"还有 {int(days)} 天" in findings[1].found
            assert "换发" in findings[1].remedy


def test_what_deserves_a_second_look_is_warned_of() -> None:
    """In the clear, private networks, a proxy, an authority that ends; nothing for a channel without any."""
    relay = EmailChannel.model_validate(
        {
            "id": "m",
            "host": "relay.example.com",
            "tls": "none",
            "from": USER,
            "allow_networks": ["10.0.0.0/8"],
        }
    )
    clear, networks = settings_findings(relay, None, NOW)
    assert "不加密" in clear.found
    assert "starttls" in clear.remedy
    assert "10.0.0.0/8" in networks.found
    robot = WecomRobotChannel.model_validate(
        {"id": "g", "secret": "ROBOT_KEY", "proxy": "http://proxy.example.com:3128"}
    )
    (proxy,) = settings_findings(robot, None, NOW)
    assert "proxy.example.com:3128" in proxy.found
    pem = authority().cert_pem.bytes().decode()
    plain = EmailChannel.model_validate({"id": "m", "host": "smtp.example.com", "from": USER})
    local = EmailChannel.model_validate({"id": "m", "host": "127.0.0.1", "tls": "none", "from": USER})
    assert list(settings_findings(plain, pem, NOW)) == []
    assert list(settings_findings(local, None, NOW)) == []
    end = earliest_end(pem)
    assert end is not None
    (soon,) = settings_findings(plain, pem, end - timedelta(days=20))
    (late,) = settings_findings(plain, pem, end + timedelta(days=1))
    assert {soon.state, late.state, networks.state, proxy.state, clear.state} == {WARN, BAD}
    assert (soon.state, late.state) == (WARN, BAD)


class _Answering:
    """A channel whose server answered what no stub here can."""

    peer: Peer | None = None

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def probe(self) -> Outcome:
        return self._outcome


@pytest.mark.parametrize(
    "code", ["dns", "connect", "timeout", "forbidden", "tls", "proxy", "unsupported", "connection", "secret", "535",
             "550", "reply", "too-long", "http 302", "errcode 40001", "internal"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["email", "wecom_robot"])
def test_every_code_has_a_cause_and_a_cure_in_chinese(code: str, kind: str) -> None:
    """Nothing ends without a word on what to do."""
    config: ChannelConfig = (
        EmailChannel.model_validate({"id": "m", "host": "smtp.example.com", "from": USER})
        if kind == "email"
        else WecomRobotChannel.model_validate({"id": "m", "secret": "ROBOT_KEY"})
    )
    outcome = Outcome(OutcomeKind.TRANSIENT, code, "原话")
    for part in diagnosis(config, outcome):
        assert any("\u4e00" <= each <= "\u9fff" for each in part)
        assert "{" not in part
    (finding,) = probe_findings(config, _Answering(outcome), NOW)
    assert "原话" in finding.found


def test_the_command_finds_the_causes_and_prints_no_secret(tmp_path: Path) -> None:
    """From the plan's files, with the office's own authority, to what is printed."""
    schedules, data = tmp_path / "schedules", tmp_path / "var"
    schedules.mkdir()
    (data / "secrets").mkdir(parents=True)
    (data / "secrets" / "SMTP_PASSWORD").write_text(PASSWORD + "\n")
    (data / "secrets" / "ROBOT_KEY").write_text(KEY + "\n")
    (schedules / "office.pem").write_bytes(authority().cert_pem.bytes())
    with (
        SmtpStub(tls="implicit", accounts={USER: "another"}, context=ending(20)) as mail,
        WecomSimulator(keys=(KEY,), tls=True, context=ending(20)) as wecom,
    ):
        channels = (
            "channels:\n"
            f"  - id: mail\n    host: 127.0.0.1\n    port: {mail.port}\n    from: {USER}\n"
            f"    username: {USER}\n    secret: SMTP_PASSWORD\n    ca_file: office.pem\n"
            f"  - id: group\n    kind: wecom_robot\n    secret: ROBOT_KEY\n    base_url: {wecom.base_url}\n"
            "    ca_file: office.pem\n"
        )
        write_plan(schedules, item_yaml("x", "date: 2026-06-10", ON_DUE_DAY), channels=channels)
        where = ["--schedules", str(schedules), "--data", str(data), "--templates", str(TEMPLATES)]
        result = CliRunner().invoke(app, ["doctor", "--format", "json", *where], catch_exceptions=False)
    assert result.exit_code == 1, result.output
    found = {each["what"]: each for each in json.loads(result.output)}
    assert found["通道 mail"]["state"] == BAD
    assert "登录被拒" in found["通道 mail"]["found"]
    assert found["通道 group"]["state"] == GOOD
    assert found["通道 group 证书"]["state"] == WARN
    assert "canary" not in result.output
    assert PASSWORD not in result.output
