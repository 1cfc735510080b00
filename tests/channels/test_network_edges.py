"""Where connections go: to the address that was judged, or nowhere."""

from __future__ import annotations

import base64
import contextlib
import functools
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reminder.channels.base import Channel, OutcomeKind
from reminder.channels.build import build_channel
from reminder.channels.email import EmailAdapter
from reminder.channels.errors import ChannelSettingError
from reminder.channels.http import HttpClient, HttpError
from reminder.channels.route import Route
from reminder.channels.smtp_outcomes import CHANNEL_FAULT_SECONDS
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.plan.channels import EmailChannel, WecomAppChannel, WecomRobotChannel
from tests.channels.conftest import KEY, PASSWORD, USER, parcel
from tests.servers.certificates import authority, client_context
from tests.servers.proxy import ConnectProxy
from tests.servers.smtp import SmtpStub
from tests.servers.wecom import WecomSimulator

MAIL = b"Subject: x\r\n\r\nx\r\n"
POST = b'{"msgtype":"markdown","markdown":{"content":"x"}}'
LOGIN = "office:canary-Pr0xy/pass"
HERE = ["127.0.0.0/8"]

Answers = list[tuple[str, int]]


@functools.cache
def named_context() -> ssl.SSLContext:
    """The certificate of a server that is known by names, not by loopback's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("mail.example.com", "wecom.example.com").configure_cert(context)
    return context


class Resolver:
    """Answers each question about a name with the next of its answers, the last one for ever."""

    def __init__(self) -> None:
        self.names: dict[str, list[Answers]] = {}
        self.asked: list[str] = []

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in self.names:
            return self._real(host, port, *args, **kwargs)
        self.asked.append(host)
        answers = self.names[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "name not known")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, chosen or port) + ((0, 0) if ":" in address else ()),
            )
            for address, chosen in answer
        ]

    _real = staticmethod(socket.getaddrinfo)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


@contextmanager
def named(kind: str, **changes: Any) -> Iterator[tuple[Any, Channel, bytes]]:
    """A server on loopback that goes by a name, the channel to it, and something to send."""
    channel: EmailAdapter | WecomRobotAdapter
    if kind == "email":
        with SmtpStub(tls="implicit", context=named_context()) as stub:
            fields = {"id": "mail", "host": "mail.example.com", "port": str(stub.port)}
            fields |= {"from": "jgdw@example.com", **changes}
            channel = EmailAdapter(
                EmailChannel.model_validate(fields),
                password=None,
                office_mailbox="jgdw@example.com",
                context=client_context(),
            )
            yield stub, channel, MAIL
            channel.close()
    else:
        with WecomSimulator(keys=(KEY,), context=named_context()) as simulator:
            base_url = f"https://wecom.example.com:{simulator.port}"
            config = WecomRobotChannel.model_validate(
                {"id": "group", "base_url": base_url, "secret": "ROBOT_KEY", **changes}
            )
            channel = WecomRobotAdapter(config, key=KEY, context=client_context())
            yield simulator, channel, POST
            channel.close()


NAMES = {"email": "mail.example.com", "wecom_robot": "wecom.example.com"}
KINDS = pytest.mark.parametrize("kind", NAMES)


@KINDS
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.100.100.200", "fd00:ec2::254", "::1"]
)
def test_a_name_that_resolves_to_an_unnamed_inner_address_is_not_connected_to(
    kind: str, address: str, resolver: Resolver
) -> None:
    """Refused before a packet leaves, with the address, and tried again only once people had time to mend."""
    resolver.names[NAMES[kind]] = [[(address, 0)]]
    with named(kind) as (server, channel, payload):
        started = time.monotonic()
        outcome = channel.send(parcel(payload))
        assert time.monotonic() - started < 2
        assert server.connections == 0
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "forbidden")
    assert address in outcome.detail
    assert "allow_networks" in outcome.detail
    assert outcome.retry_after == CHANNEL_FAULT_SECONDS
    assert KEY not in repr(outcome)


@KINDS
def test_the_connection_goes_to_the_very_address_that_was_judged(kind: str, resolver: Resolver) -> None:
    """DNS rebinding: the second answer is the metadata service, and it is never asked for."""
    resolver.names[NAMES[kind]] = [[("127.0.0.1", 0)], [("169.254.169.254", 0)]]
    with named(kind, allow_networks=HERE) as (server, channel, payload):
        assert channel.send(parcel(payload)).kind is OutcomeKind.ACCEPTED
        assert resolver.asked == [NAMES[kind]]
        assert server.connections == 1
        channel.close()
        # A new connection asks anew, and judges anew.
        assert channel.send(parcel(payload)).code == "forbidden"
        assert server.connections == 1


@KINDS
def test_of_several_addresses_only_the_allowed_are_tried(kind: str, resolver: Resolver) -> None:
    """One good address does not open the way to the others."""
    with (
        named(kind, allow_networks=["127.0.0.1/32"]) as (server, channel, payload),
        socket.create_server(("127.0.0.2", 0)) as neighbour,
    ):
        neighbour.settimeout(0.2)
        resolver.names[NAMES[kind]] = [
            [("127.0.0.2", neighbour.getsockname()[1]), ("127.0.0.1", server.port)]
        ]
        assert channel.send(parcel(payload)).kind is OutcomeKind.ACCEPTED
        with pytest.raises(TimeoutError):
            neighbour.accept()


@pytest.mark.parametrize("name", ["mail.example.com", "127.0.0.1"])
def test_a_relay_in_the_clear_must_stand_where_it_was_said_to(name: str, resolver: Resolver) -> None:
    """The name is judged after it was resolved; nothing is sent in the clear to anywhere else."""
    resolver.names["mail.example.com"] = [[("127.0.0.1", 0)], [("127.0.1.1", 0)]]
    with SmtpStub() as stub:
        fields = {"id": "mail", "host": name, "port": str(stub.port), "tls": "none"}
        fields |= {"from": "jgdw@example.com", "allow_networks": ["127.0.0.0/24"]}  # type: ignore[dict-item]
        adapter = EmailAdapter(
            EmailChannel.model_validate(fields), password=None, office_mailbox="jgdw@example.com"
        )
        assert adapter.send(parcel(MAIL)).kind is OutcomeKind.ACCEPTED
        adapter.close()
        again = adapter.send(parcel(MAIL))
        adapter.close()
        assert again.code == ("forbidden" if name == "mail.example.com" else "250")
        assert len(stub.messages) == (1 if name == "mail.example.com" else 2)


def test_a_relay_in_the_clear_on_the_public_net_is_refused(resolver: Resolver) -> None:
    """Even though a public address needs no permission otherwise: this test would leave the machine if it were not."""
    resolver.names["mail.example.com"] = [[("93.184.215.14", 0)]]
    fields = {"id": "mail", "host": "mail.example.com", "tls": "none", "from": "jgdw@example.com"}
    config = EmailChannel.model_validate(fields | {"allow_networks": ["10.0.0.0/8"]})
    outcome = EmailAdapter(config, password=None, office_mailbox="jgdw@example.com").send(parcel(MAIL))
    assert outcome.code == "forbidden"
    assert "不能不加密" in outcome.detail
    with pytest.raises(ChannelSettingError, match="allow_networks"):
        EmailAdapter(EmailChannel.model_validate(fields), password=None, office_mailbox="jgdw@example.com")


def test_a_client_asks_no_host_but_its_own(wecom: WecomSimulator) -> None:
    """Whatever builds the URL: the allow-list is the channel's host and nothing else."""
    client = HttpClient(route=Route(hosts=frozenset({"qyapi.weixin.qq.com"})))
    with pytest.raises(HttpError) as raised:
        client.post(f"{wecom.base_url}/?key={KEY}", b"{}", content_type="application/json", seconds=2)
    assert (raised.value.reason, raised.value.sent) == ("forbidden", False)
    assert KEY not in raised.value.words
    assert wecom.connections == 0


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/",
        "https://qyapi.weixin.qq.com/",
        "//10.0.0.1",
    ],
)
def test_a_redirect_goes_nowhere(
    robot: Callable[..., WecomRobotAdapter], wecom: WecomSimulator, location: str
) -> None:
    """Not to the inside, not to the vendor: one request, one refusal."""
    wecom.misbehave("redirect", location=location)
    outcome = robot(wecom).send(parcel(POST))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "http 302")
    assert len(wecom.requests) == 1
    assert wecom.connections == 1


class ProxyBench:
    """A service behind a proxy, whose name only the proxy can resolve."""

    def __init__(self, proxy: ConnectProxy, service: WecomSimulator) -> None:
        self.proxy, self.service = proxy, service

    def adapter(self, *, login: str | None = None, seconds: float = 5.0, **changes: Any) -> WecomRobotAdapter:
        fields = {"id": "group", "secret": "ROBOT_KEY", "proxy": self.proxy.url}
        fields |= {"base_url": f"https://wecom.example.com:{self.service.port}", **changes}
        config = WecomRobotChannel.model_validate(fields)
        route = Route.of(config, proxy_login=login)
        adapter = WecomRobotAdapter(config, key=KEY, context=client_context(), route=route)
        adapter._seconds = seconds
        return adapter


@contextmanager
def behind_proxy(resolver: Resolver, **proxy: Any) -> Iterator[ProxyBench]:
    resolver.names["wecom.example.com"] = [[]]
    with (
        WecomSimulator(keys=(KEY,), context=named_context()) as service,
        ConnectProxy((service.host, service.port), **proxy) as running,
    ):
        yield ProxyBench(running, service)


def test_a_post_goes_through_the_proxy_which_learns_only_the_host(resolver: Resolver) -> None:
    """TLS reaches from end to end: the key is not for the proxy. The service's name is not looked up here."""
    login = base64.b64encode(LOGIN.encode()).decode()
    with behind_proxy(resolver, login=f"Basic {login}") as bench:
        adapter = bench.adapter(login=LOGIN)
        assert adapter.send(parcel(POST)).kind is OutcomeKind.ACCEPTED
        assert adapter.peer is not None
        assert adapter.peer.certificate_ends is not None
        adapter.close()
        assert [post.body for post in bench.service.posts] == [POST]
        assert bench.proxy.heads[0].startswith(f"CONNECT wecom.example.com:{bench.service.port} HTTP/1.")
        assert not any(KEY in head or "key=" in head for head in bench.proxy.heads)
    assert resolver.asked == []


def test_the_service_never_sees_the_login_of_the_proxy(resolver: Resolver) -> None:
    """It stands in the head of CONNECT and nowhere else."""
    with behind_proxy(resolver) as bench:
        seen: list[str] = []
        handler = bench.service._server.RequestHandlerClass
        original = handler.do_POST  # type: ignore[attr-defined]

        def do_post(self: Any) -> None:
            seen.append(str(self.headers))
            original(self)

        handler.do_POST = do_post  # type: ignore[attr-defined]
        adapter = bench.adapter(login=LOGIN)
        assert adapter.send(parcel(POST)).kind is OutcomeKind.ACCEPTED
        adapter.close()
    assert seen
    assert "proxy-authorization" not in seen[0].lower()


@pytest.mark.parametrize(("do", "words"), [("refuse", "403"), ("echo", "407")])
def test_a_proxy_that_refuses_is_named_and_its_words_hold_no_login(
    resolver: Resolver, do: str, words: str
) -> None:
    """Nothing was sent; the channel is to be mended, not the message."""
    with behind_proxy(resolver, do=do) as bench:
        outcome = bench.adapter(login=LOGIN).send(parcel(POST))
        assert not bench.service.requests
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "proxy")
    assert outcome.retry_after == CHANNEL_FAULT_SECONDS
    assert words in outcome.detail
    assert "proxy_secret" in outcome.detail
    assert base64.b64encode(LOGIN.encode()).decode() not in outcome.detail
    assert "canary" not in repr(outcome)


@pytest.mark.parametrize("do", ["hang", "drip"])
def test_a_proxy_cannot_stretch_the_deadline(resolver: Resolver, do: str) -> None:
    """The tunnel is under the same clock as everything else."""
    with behind_proxy(resolver, do=do) as bench:
        started = time.monotonic()
        outcome = bench.adapter(seconds=0.4).send(parcel(POST))
        assert time.monotonic() - started < 3
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "timeout")


def test_the_proxys_own_address_is_judged(resolver: Resolver) -> None:
    """In place of the service's: a proxy may not be what a server may not be."""
    resolver.names["proxy.example.com"] = [[("10.0.0.7", 0)]]
    with behind_proxy(resolver) as bench:
        outcome = bench.adapter(proxy=f"http://proxy.example.com:{bench.proxy.port}").send(parcel(POST))
        assert (outcome.code, bench.proxy.heads) == ("forbidden", [])
        assert "10.0.0.7" in outcome.detail
        resolver.names["proxy.example.com"] = [[("127.0.0.1", 0)]]
        named_proxy = bench.adapter(
            proxy=f"http://proxy.example.com:{bench.proxy.port}", allow_networks=["127.0.0.1/32"]
        )
        assert named_proxy.send(parcel(POST)).kind is OutcomeKind.ACCEPTED
        named_proxy.close()


@pytest.mark.parametrize("value", ["office", ":password", "office:pass\nword"])
def test_a_login_of_the_proxy_that_is_none_is_refused_without_being_shown(value: str) -> None:
    """The secret's form is said, its value is not."""
    fields = {"id": "group", "secret": "ROBOT_KEY", "proxy": "http://proxy.example.com:3128"}
    config = WecomRobotChannel.model_validate(fields | {"proxy_secret": "PROXY_LOGIN"})
    secrets = {"ROBOT_KEY": KEY, "PROXY_LOGIN": value}
    with pytest.raises(ChannelSettingError, match=r"PROXY_LOGIN.*用户名:密码") as raised:
        build_channel(config, secret=secrets.get, office_mailbox="jgdw@example.com")
    assert value not in str(raised.value)
    with pytest.raises(ChannelSettingError, match="缺少密钥 PROXY_LOGIN（代理的用户名和密码）"):
        build_channel(config, secret={"ROBOT_KEY": KEY}.get, office_mailbox="jgdw@example.com")


def test_an_authority_of_the_offices_own_is_trusted_when_it_is_named() -> None:
    """For mail and for WeCom alike; without it the server is a stranger."""
    pem = authority().cert_pem.bytes().decode()
    with (
        SmtpStub(tls="implicit", accounts={USER: PASSWORD}) as smtp,
        WecomSimulator(keys=(KEY,), tls=True) as wecom,
    ):
        mail = EmailChannel.model_validate(
            {
                "id": "mail",
                "host": smtp.host,
                "port": str(smtp.port),
                "from": "jgdw@example.com",
                "username": USER,
                "secret": "SMTP_PASSWORD",
            }
        )
        robot = WecomRobotChannel.model_validate(
            {"id": "group", "base_url": wecom.base_url, "secret": "ROBOT_KEY"}
        )
        for config, value, payload in ((mail, PASSWORD, MAIL), (robot, KEY, POST)):
            for trusted, code in ((None, "tls"), (pem, None)):
                channel = build_channel(
                    config,
                    secret=lambda name, value=value: value,
                    office_mailbox="jgdw@example.com",
                    authorities=trusted,
                )
                outcome = channel.send(parcel(payload))
                channel.close()
                if code:
                    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, code)
                    assert "self-signed" in outcome.detail or "issuer" in outcome.detail
                else:
                    assert outcome.kind is OutcomeKind.ACCEPTED, outcome


def test_a_probe_says_whom_it_reached_and_when_their_certificate_ends() -> None:
    """What ``doctor`` warns by."""
    with SmtpStub(tls="implicit") as smtp, WecomSimulator(keys=(KEY,), tls=True) as wecom:
        mail = EmailAdapter(
            EmailChannel.model_validate(
                {"id": "m", "host": smtp.host, "port": str(smtp.port), "from": "jgdw@example.com"}
            ),
            password=None,
            office_mailbox="jgdw@example.com",
            context=client_context(),
        )
        config = WecomRobotChannel.model_validate(
            {"id": "g", "base_url": wecom.base_url, "secret": "ROBOT_KEY"}
        )
        robot = WecomRobotAdapter(config, key=KEY, context=client_context())
        for channel in (mail, robot):
            assert channel.peer is None
            assert channel.probe().kind is OutcomeKind.ACCEPTED
            assert channel.peer is not None
            assert ipaddress.ip_address(channel.peer.address).is_loopback
            ends = channel.peer.certificate_ends
            assert ends is not None
            assert ends.tzinfo is not None
            channel.close()


def test_the_app_takes_the_same_route(resolver: Resolver) -> None:
    """Host allow-list, networks and proxy come from its own settings."""
    fields = {"id": "app", "corpid": "ww1", "agentid": "1000002", "secret": "APP_SECRET"}
    config = WecomAppChannel.model_validate(fields | {"base_url": "https://wecom.example.com"})
    resolver.names["wecom.example.com"] = [[("169.254.169.254", 0)]]
    channel = build_channel(config, secret=lambda name: KEY, office_mailbox="jgdw@example.com")
    probe = channel.probe()  # type: ignore[attr-defined]
    channel.close()
    assert probe.code == "forbidden"
    assert KEY not in repr(probe)


def test_a_rehearsal_does_without_the_http_library() -> None:
    """It sends nothing, so it does not pay for what sends."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import reminder.cli.wiring, reminder.daemon\n"
        "from reminder.channels.build import build_channel\n"
        "from reminder.plan.channels import WecomRobotChannel\n"
        "config = WecomRobotChannel.model_validate({'id': 'g', 'secret': 'K'})\n"
        "build_channel(config, secret=lambda n: None, office_mailbox='a@example.com', outbox=Path('x'))\n"
        "print(sorted(each for each in ('requests', 'urllib3') if each in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@KINDS
def test_a_name_server_that_never_answers_meets_the_deadline(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's resolver cannot be interrupted, and need not be: the attempt ends without it."""
    answered = threading.Event()

    def hang(*args: Any, **kwargs: Any) -> list[Any]:
        answered.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with named(kind) as (server, channel, payload):
        monkeypatch.setattr(socket, "getaddrinfo", hang)
        channel._seconds = 0.4  # type: ignore[attr-defined]
        started = time.monotonic()
        outcome = channel.send(parcel(payload))
        assert time.monotonic() - started < 2
        assert server.connections == 0
    answered.set()
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "timeout")


@pytest.mark.parametrize("kind", ["silent", "dripping"])
def test_a_handshake_of_https_that_never_ends_meets_the_deadline(kind: str) -> None:
    """As for mail: TLS is under the clock of the whole, however the octets are spread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopped = threading.Event()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                if kind == "dripping":
                    sock.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 KiB, octet by octet
                while not stopped.wait(0.05):
                    if kind == "dripping":
                        sock.sendall(b"\x02")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        base_url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        config = WecomRobotChannel.model_validate({"id": "g", "base_url": base_url, "secret": "ROBOT_KEY"})
        adapter = WecomRobotAdapter(config, key=KEY, context=client_context())
        adapter._seconds = 0.4
        started = time.monotonic()
        outcome = adapter.send(parcel(POST))
        took = time.monotonic() - started
        stopped.set()
        thread.join(5)
    assert took < 2
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "timeout")
