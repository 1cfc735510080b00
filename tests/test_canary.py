"""Secrets through every way a send can fail: none in logs, ledger, outputs or any repr."""

from __future__ import annotations

import base64
import http.client
import logging
import smtplib
import ssl
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from reminder.channels.build import build_channel
from reminder.channels.smtp import Account
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.plan.channels import EmailChannel, WecomAppChannel, WecomRobotChannel
from tests.delivery.conftest import START, Bench
from tests.harness.ports import a_free_port
from tests.servers.certificates import client_context, server_context, stranger_context
from tests.servers.proxy import ConnectProxy
from tests.servers.smtp import Fault, SmtpStub
from tests.servers.wecom import Trouble, WecomSimulator

PASSWORD = "canary-p@ss/w+rd"
KEY = "canary-7b1fd0c2/key+more"
USER = "jgdw@example.com"
LOGIN = f"office:{PASSWORD}"
POST = b'{"msgtype":"markdown","markdown":{"content":"x"}}'
MAIL = b"Subject: x\r\n\r\nx\r\n"


def _traces(text: bytes) -> list[str]:
    """Forms of a secret that stand in a text."""
    forms = {"canary", quote("canary-p@ss", safe=""), "Y2FuYXJ5"}  # as it is, quoted, and base64 of "canary"
    for secret in (PASSWORD, KEY, LOGIN, f"\0{USER}\0{PASSWORD}"):
        forms |= {base64.b64encode(secret.encode()).decode().rstrip("="), quote(secret, safe="")}
    for before in range(3):
        forms.add(base64.b64encode(b"x" * before + PASSWORD.encode()).decode()[4:-4])
        forms.add(base64.b64encode(b"x" * before + KEY.encode()).decode()[4:-4])
    return [form for form in forms if form.encode() in text]


class Case:
    """A channel of one kind on its way into trouble."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def mail(self, *faults: Fault, context: ssl.SSLContext | None = None, **changes: Any) -> Any:
        options = {"tls": changes.pop("server_tls", "implicit"), "context": context}
        accounts = changes.pop("accounts", {USER: PASSWORD})
        stub = self._stack.enter_context(SmtpStub(*faults, accounts=accounts, **options))
        return self.mail_to(stub.port, **changes)

    def mail_to(self, port: int, **changes: Any) -> Any:
        fields = {"id": "mail", "host": "127.0.0.1", "port": str(port), "tls": "implicit", "from": USER}
        fields |= {"username": USER, "secret": "SMTP_PASSWORD", "timeout_seconds": "1"}
        return self._built(EmailChannel.model_validate(fields | changes), {"SMTP_PASSWORD": PASSWORD})

    def robot(self, *troubles: Trouble, tls: bool = False, **changes: Any) -> Any:
        simulator = self._stack.enter_context(WecomSimulator(*troubles, keys=(KEY,), tls=tls))
        return self.robot_at(simulator.base_url, **changes)

    def robot_at(self, base_url: str, **changes: Any) -> Any:
        fields = {"id": "mail", "base_url": base_url, "secret": "ROBOT_KEY", "timeout_seconds": "1"}
        config = WecomRobotChannel.model_validate(fields | changes)
        return self._built(config, {"ROBOT_KEY": KEY, "PROXY_LOGIN": LOGIN})

    def robot_behind(self, do: str) -> Any:
        proxy = self._stack.enter_context(ConnectProxy(("127.0.0.1", 9), do=do))
        return self.robot_at("https://127.0.0.1:9", proxy=proxy.url, proxy_secret="PROXY_LOGIN")

    def app(self, *troubles: Trouble) -> Any:
        simulator = self._stack.enter_context(WecomSimulator(*troubles))
        return self.app_at(simulator.base_url)

    def app_at(self, base_url: str) -> Any:
        fields = {"id": "mail", "corpid": "ww1", "agentid": "1000002", "secret": "APP_SECRET"}
        config = WecomAppChannel.model_validate(fields | {"base_url": base_url, "timeout_seconds": "1"})
        return self._built(config, {"APP_SECRET": KEY})

    def _built(self, config: Any, secrets: dict[str, str]) -> Any:
        channel = build_channel(config, secret=secrets.get, office_mailbox=USER, context=client_context())
        self._stack.callback(channel.close)
        if isinstance(getattr(channel, "_seconds", None), float):
            channel._seconds = 0.5  # type: ignore[union-attr]
        return channel


ECHO = f"you sent AUTH PLAIN {base64.b64encode(f'{chr(0)}{USER}{chr(0)}{PASSWORD}'.encode()).decode()} {PASSWORD}"
ECHO_URL = f"no: /cgi-bin/webhook/send?key={quote(KEY, safe='')} and {KEY}"

CASES: dict[str, Callable[[Case], Any]] = {
    "mail refused": lambda case: case.mail_to(a_free_port()),
    "mail no such host": lambda case: case.mail_to(465, host="smtp.invalid"),
    "mail forbidden address": lambda case: case.mail_to(465, host="10.255.0.1"),
    "mail stranger's certificate": lambda case: case.mail(context=stranger_context()),
    "mail no TLS there": lambda case: case.mail(server_tls="none"),
    "mail hangs up in the handshake": lambda case: case.mail(Fault("tls", "drop")),
    "mail greets with an error": lambda case: case.mail(Fault("connect", "reply", f"554 {ECHO}")),
    "mail wrong password, echoed": lambda case: case.mail(accounts={USER: "another"}),
    "mail echoes the login line": lambda case: case.mail(Fault("auth", "reply", f"535 {ECHO}")),
    "mail echoes over several lines": lambda case: case.mail(
        Fault("auth", "reply", f"535-{ECHO}\n535 {PASSWORD}")
    ),
    "mail answers the login with no reply": lambda case: case.mail(Fault("auth", "reply", f"xyz {ECHO}")),
    "mail drops in the login": lambda case: case.mail(Fault("auth", "drop")),
    "mail hangs in the login": lambda case: case.mail(Fault("auth", "hang")),
    "mail drips in the login": lambda case: case.mail(Fault("auth", "drip")),
    "mail floods": lambda case: case.mail(Fault("mail", "flood")),
    "mail refuses the receiver with an echo": lambda case: case.mail(Fault("rcpt", "reply", f"550 {ECHO}")),
    "mail echoes after the dot": lambda case: case.mail(Fault("dot", "reply", f"451 {ECHO}")),
    "mail drops after the dot": lambda case: case.mail(Fault("dot", "drop")),
    "mail accepts with an echo": lambda case: case.mail(Fault("dot", "reply", f"250 {ECHO}")),
    "robot refused": lambda case: case.robot_at(f"http://127.0.0.1:{a_free_port()}"),
    "robot no such host": lambda case: case.robot_at("https://wecom.invalid"),
    "robot forbidden address": lambda case: case.robot_at("https://10.255.0.1"),
    "robot metadata address": lambda case: case.robot_at("https://169.254.169.254"),
    "robot host that is no name": lambda case: case.robot_at(f"https://{'a' * 70}.example.com"),
    "robot no TLS there": lambda case: case.robot_at(case.robot()._base_url.replace("http:", "https:")),
    "robot 500 with an echo": lambda case: case.robot(Trouble("status", 500, ECHO_URL)),
    "robot 404 with an echo": lambda case: case.robot(Trouble("status", 404, ECHO_URL)),
    "robot errcode with an echo": lambda case: case.robot(Trouble("errcode", 40008, ECHO_URL)),
    "robot unknown errcode with an echo": lambda case: case.robot(Trouble("errcode", 77777, ECHO_URL)),
    "robot dead with an echo": lambda case: case.robot(Trouble("errcode", 93000, ECHO_URL)),
    "robot accepts with an echo": lambda case: case.robot(Trouble("errcode", 0, ECHO_URL)),
    "robot web page": lambda case: case.robot(Trouble("html")),
    "robot redirect": lambda case: case.robot(Trouble("redirect", location=f"http://127.0.0.1:9/?key={KEY}")),
    "robot huge": lambda case: case.robot(Trouble("huge")),
    "robot drips": lambda case: case.robot(Trouble("drip")),
    "robot drips its head": lambda case: case.robot(Trouble("drip-head")),
    "robot hangs": lambda case: case.robot(Trouble("hang")),
    "robot drops": lambda case: case.robot(Trouble("drop")),
    "robot drops unread": lambda case: case.robot(Trouble("drop-unread")),
    "robot header with an echo": lambda case: case.robot(
        Trouble("status", 503, "later", headers=(("Retry-After", KEY), ("Set-Cookie", f"a={KEY}")))
    ),
    "proxy refuses": lambda case: case.robot_behind("refuse"),
    "proxy echoes its login": lambda case: case.robot_behind("echo"),
    "proxy hangs": lambda case: case.robot_behind("hang"),
    "proxy tunnels to nowhere": lambda case: case.robot_behind("tunnel"),
    "app refused": lambda case: case.app_at(f"http://127.0.0.1:{a_free_port()}"),
    "app no such host": lambda case: case.app_at("https://wecom.invalid"),
    "app 500 to the token": lambda case: case.app_at(case.robot(Trouble("status", 500, ECHO_URL))._base_url),
    "robot sends well": lambda case: case.robot(tls=True),
    "mail sends well": lambda case: case.mail(context=server_context()),
}


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every library at its loudest, those that print included."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "requests", "smtplib"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    monkeypatch.setattr(smtplib.SMTP, "debuglevel", 2)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    return caplog


@pytest.fixture
def case() -> Iterator[Case]:
    with ExitStack() as stack:
        yield Case(stack)


@pytest.mark.parametrize("name", CASES)
def test_a_send_that_fails_tells_no_secret(
    name: str,
    case: Case,
    tmp_path: Path,
    talkative: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The ledger's files, all logs at DEBUG, both streams, and the adapter itself."""
    channel = CASES[name](case)
    bench = Bench(Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.SIMULATION, now=START))
    bench.add("a", "mail", payload=MAIL if channel.suffix == ".eml" else POST)
    deliverer = bench.deliverer(channel)
    deliverer.drain(bench.now)
    (attempt,) = bench.tries("a")
    channel.probe()
    bench.ledger.close()
    assert attempt.outcome
    seen = [repr(attempt), talkative.text, *capfd.readouterr(), repr(channel)]
    seen += [repr(record.args) + repr(record.exc_info) for record in talkative.records]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for text in [*(each.encode() for each in seen), *files]:
        assert _traces(text) == []


def test_an_adapter_that_raises_is_recorded_without_what_it_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the kind of the error goes into the ledger; the trace goes through the process's redactor."""

    class Broken:
        id, suffix = "mail", ".eml"

        def send(self, parcel: object) -> object:
            raise ValueError(f"https://wecom.example.com/?key={KEY}")

    bench = Bench(Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.SIMULATION, now=START))
    bench.add("a", "mail")
    bench.deliverer(Broken()).drain(bench.now)
    bench.ledger.close()
    assert "channel raised" in caplog.text
    assert _traces(b"".join(path.read_bytes() for path in tmp_path.rglob("*"))) == []


def test_settings_show_names_of_secrets_only(case: Case) -> None:
    """``repr`` and ``vars`` of what is configured: the name, never the value."""
    account = Account("smtp.example.com", 465, "implicit", USER, PASSWORD)
    config = EmailChannel.model_validate(
        {"id": "mail", "host": "smtp.example.com", "from": USER, "username": USER, "secret": "SMTP_PASSWORD"}
    )
    adapter = case.robot_at("https://127.0.0.1:9", proxy="http://127.0.0.1:9", proxy_secret="PROXY_LOGIN")
    shown = (
        repr(account) + str(account) + repr(config) + config.model_dump_json() + repr(adapter._client._route)
    )
    assert _traces(shown.encode()) == []
    assert "SMTP_PASSWORD" in shown


def test_the_traps_themselves_work(
    capfd: pytest.CaptureFixture[str], talkative: pytest.LogCaptureFixture
) -> None:
    """What these tests look for is what the bare libraries would leave: otherwise they would prove nothing."""
    with SmtpStub(accounts={USER: PASSWORD}) as stub:
        client = smtplib.SMTP(stub.host, stub.port, timeout=5)
        client.login(USER, PASSWORD)
        client.quit()
    assert _traces(capfd.readouterr().err.encode())
    import requests

    with pytest.raises(requests.ConnectionError) as raised:
        requests.post(f"http://127.0.0.1:9/?key={KEY}", timeout=2)
    assert _traces("".join(traceback.format_exception(raised.value)).encode())
    assert _traces(repr(f"say {PASSWORD}").encode())
