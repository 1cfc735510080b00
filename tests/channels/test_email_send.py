"""Mail over real connections: what is sent, kept, refused, lost, and in what time."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from reminder.channels.base import OutcomeKind, Recipient, Stamp
from reminder.channels.deadline import Budget, secured
from reminder.channels.email import EmailAdapter
from reminder.channels.errors import ChannelSettingError, HeaderError
from reminder.channels.smtp_outcomes import CHANNEL_FAULT_SECONDS
from reminder.messages.message import Message
from tests.channels.conftest import PASSWORD, USER, parcel
from tests.servers.certificates import client_context, server_context, stranger_context
from tests.servers.smtp import Fault, SmtpStub

PAYLOAD = b"Subject: x\r\n\r\nline\r\n.\r\n..dots\r\n"
Build = Callable[..., EmailAdapter]


def test_the_octets_arrive_as_they_were_composed(
    mail: Build, smtp: SmtpStub, message: Message, to: Recipient, stamp: Stamp
) -> None:
    """Envelope from the channel, recipient from the parcel, content untouched."""
    adapter = mail(smtp)
    (payload,) = adapter.compose(message, to, stamp)
    outcome = adapter.send(parcel(payload))
    assert (outcome.kind, outcome.code, outcome.detail) == (OutcomeKind.ACCEPTED, "250", "queued")
    (received,) = smtp.messages
    assert (received.sender, received.recipient, received.content) == (
        "jgdw@example.com",
        "lilun@example.com",
        payload,
    )


def test_lines_of_dots_survive(mail: Build, smtp: SmtpStub) -> None:
    """RFC 5321 §4.5.2: a leading dot is doubled on the way and halved at the end of it."""
    mail(smtp).send(parcel(PAYLOAD))
    mail(smtp).send(parcel(b".\r\n"))
    assert [each.content for each in smtp.messages] == [PAYLOAD, b".\r\n"]


@pytest.mark.parametrize("pipelining", [True, False])
def test_sender_and_recipient_go_together_where_the_server_allows_it(mail: Build, pipelining: bool) -> None:
    """RFC 2920: in one piece with DATA if it says so, one waiting for the other if not; the text waits always."""
    with SmtpStub(pipelining=pipelining) as stub:
        stub.misbehave("rcpt", "reply", "550 no such user", only="nobody")
        adapter = mail(stub)
        kinds = [
            adapter.send(parcel(PAYLOAD, f"{name}@example.com")).kind
            for name in ("a", "nobody", "b", "nobody")
        ]
        assert kinds == [
            OutcomeKind.ACCEPTED, OutcomeKind.PERMANENT, OutcomeKind.ACCEPTED, OutcomeKind.PERMANENT,
        ]  # fmt: skip
        assert [each.recipient for each in stub.messages] == ["a@example.com", "b@example.com"]
        assert stub.connections == 1, "a refused receiver leaves answers and questions in step"
        assert stub.commands.count("DATA") == (4 if pipelining else 2)
        assert stub.commands.count("RSET") == 2
        assert stub.together == (8 if pipelining else 0)


def test_a_server_that_wants_a_text_for_nobody_gets_none(mail: Build) -> None:
    """RFC 2920 §3.1: it may say 354 though it refused the only receiver; the next mail goes its own way."""
    with SmtpStub(eager=True) as stub:
        stub.misbehave("rcpt", "reply", "550 no such user", only="nobody")
        adapter = mail(stub)
        refused = adapter.send(parcel(PAYLOAD, "nobody@example.com"))
        assert (refused.kind, refused.code) == (OutcomeKind.PERMANENT, "550")
        assert adapter.send(parcel(PAYLOAD, "a@example.com")).kind is OutcomeKind.ACCEPTED
        assert [each.recipient for each in stub.messages] == ["a@example.com"]
        assert stub.connections == 2


@pytest.mark.parametrize(
    ("stage", "reply"), [("mail", "451 later"), ("rcpt", "421 too many"), ("data", "452 no room")]
)
def test_what_was_refused_is_told_though_more_was_asked(mail: Build, stage: str, reply: str) -> None:
    """The first refusal counts, whatever the server says to what came with it; nothing is left half said."""
    with SmtpStub() as stub:
        stub.misbehave(stage, "reply", reply, times=1)
        adapter = mail(stub)
        refused = adapter.send(parcel(PAYLOAD))
        assert (refused.kind, refused.code) == (OutcomeKind.TRANSIENT, reply[:3])
        assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
        assert len(stub.messages) == 1


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN"])
def test_login_over_tls(mail: Build, tls: str, mechanisms: str) -> None:
    """Both ways of TLS, both usual ways of login; the password travels encrypted only."""
    with SmtpStub(tls=tls, accounts={USER: PASSWORD}, mechanisms=mechanisms) as stub:
        assert mail(stub, tls, PASSWORD).send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
    assert [(each.encrypted, each.user) for each in stub.messages] == [(True, USER)]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_of_another_host_is_not_accepted(mail: Build, tls: str) -> None:
    """No mail, no password; the admin is told what to look at."""
    with SmtpStub(tls=tls, accounts={USER: PASSWORD}, context=stranger_context()) as stub:
        outcome = mail(stub, tls, PASSWORD).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "tls")
    assert outcome.retry_after == CHANNEL_FAULT_SECONDS
    assert "证书" in outcome.detail
    assert not stub.messages
    assert "AUTH" not in stub.commands


def test_without_starttls_nothing_is_sent_in_the_clear(mail: Build) -> None:
    """A server that hides STARTTLS may be somebody in between."""
    with SmtpStub(accounts={USER: PASSWORD}) as stub:
        outcome = mail(stub, "starttls", PASSWORD).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "unsupported")
    assert "STARTTLS" in outcome.detail
    assert set(stub.commands) == {"EHLO"}


def test_plain_smtp_to_another_machine_is_refused_when_the_channel_is_built(mail: Build) -> None:
    """A password would be readable on the way."""
    with pytest.raises(ChannelSettingError, match=r"none.*smtp\.example\.com"):
        mail(SimpleNamespace(port=25), host="smtp.example.com")


def test_settings_that_could_never_send_are_refused_when_the_channel_is_built(mail: Build) -> None:
    """A sender that is no mailbox, a password with a stray character."""
    with pytest.raises(HeaderError):
        mail(SimpleNamespace(port=25), **{"from": "机关党委办公室"})
    with pytest.raises(ChannelSettingError, match="SMTP_PASSWORD") as raised:
        mail(SimpleNamespace(port=25), password="密码")
    assert "密码”" not in str(raised.value)


def test_a_connection_is_kept_and_used_again(mail: Build, smtp: SmtpStub) -> None:
    """Three mails, one connection, and a farewell when the channel is closed."""
    adapter = mail(smtp)
    for _ in range(3):
        adapter.send(parcel(PAYLOAD))
    adapter.close()
    assert (smtp.connections, len(smtp.messages)) == (1, 3)
    assert smtp.commands[-1] == "QUIT"


def test_threads_share_the_channel_and_no_more_connections_stay_than_are_set(
    mail: Build, smtp: SmtpStub
) -> None:
    """Eight at once: each mail arrives once; the surplus connections say farewell."""
    adapter = mail(smtp, connections="2")
    barrier = threading.Barrier(8)
    kinds: list[OutcomeKind] = []

    def run(number: int) -> None:
        barrier.wait()
        kinds.append(adapter.send(parcel(PAYLOAD, f"p{number}@example.com")).kind)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds == [OutcomeKind.ACCEPTED] * 8
    assert sorted(each.recipient for each in smtp.messages) == [
        f"p{number}@example.com" for number in range(8)
    ]
    before = smtp.connections
    assert smtp.commands.count("QUIT") >= before - 2
    adapter.send(parcel(PAYLOAD))
    assert smtp.connections == before


def test_a_kept_connection_that_was_closed_is_replaced_unnoticed(mail: Build, smtp: SmtpStub) -> None:
    """Servers hang up on idle clients; the next mail goes out in its first attempt."""
    adapter = mail(smtp)
    adapter.send(parcel(PAYLOAD))
    smtp.hang_up()
    time.sleep(0.05)
    assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
    assert (smtp.connections, len(smtp.messages)) == (2, 2)


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(("do", "text"), [("drop", ""), ("reset", ""), ("reply", "421 idle too long")])
def test_a_kept_connection_that_dies_before_the_text_is_replaced_once(
    mail: Build, smtp: SmtpStub, stage: str, do: str, text: str
) -> None:
    """Nothing was handed over yet, so the same attempt goes on over a fresh connection."""
    adapter = mail(smtp)
    adapter.send(parcel(PAYLOAD))
    smtp.misbehave(stage, do, text, times=1)
    assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
    assert (smtp.connections, len(smtp.messages)) == (2, 2)
    smtp.misbehave(stage, do, text)
    assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.TRANSIENT
    assert (smtp.connections, len(smtp.messages)) == (3, 2)


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("do", ["drop", "reset"])
def test_a_connection_lost_after_the_final_dot_is_uncertain_and_never_tried_again(
    mail: Build, smtp: SmtpStub, kept: bool, taken: bool, do: str
) -> None:
    """Whether the server had taken the message cannot be known from here."""
    adapter = mail(smtp)
    if kept:
        adapter.send(parcel(PAYLOAD))
    smtp.misbehave("dot", do, times=1, taken=taken)
    outcome = adapter.send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.UNCERTAIN, "connection")
    assert len(smtp.messages) == kept + taken
    assert smtp.connections == 1


def test_a_connection_lost_in_the_middle_of_a_long_text_is_transient(mail: Build) -> None:
    """The final dot was never sent, so the server cannot have taken it."""
    with SmtpStub(Fault("text", "reset"), receive_buffer=8192) as stub:
        outcome = mail(stub).send(parcel(b"x" * 16 * 1024 * 1024 + b"\r\n"))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "connection")
    assert not stub.messages


def test_a_421_to_the_farewell_changes_nothing(mail: Build, smtp: SmtpStub) -> None:
    """What was accepted stays accepted."""
    smtp.misbehave("quit", "reply", "421 too busy to say goodbye")
    adapter = mail(smtp)
    assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
    adapter.close()
    assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
    assert len(smtp.messages) == 2


@pytest.mark.parametrize(
    ("stage", "text", "kind", "code", "retry_after"),
    [
        ("connect", "554 go away", OutcomeKind.TRANSIENT, "554", CHANNEL_FAULT_SECONDS),
        ("ehlo", "421 busy", OutcomeKind.TRANSIENT, "421", None),
        ("mail", "451 MI:SFQ 163 smtp8", OutcomeKind.TRANSIENT, "451", 900),
        (
            "mail",
            "501 Mail from address must be same as authorization user",
            OutcomeKind.TRANSIENT,
            "501",
            CHANNEL_FAULT_SECONDS,
        ),
        ("rcpt", "550 5.1.1 no such user", OutcomeKind.PERMANENT, "550", None),
        ("rcpt", "550 Ip frequency limited", OutcomeKind.TRANSIENT, "550", 900),
        ("rcpt", "450 4.2.0 greylisted", OutcomeKind.TRANSIENT, "450", 300),
        ("data", "452 out of space", OutcomeKind.TRANSIENT, "452", None),
        ("dot", "554 DT:SPM", OutcomeKind.PERMANENT, "554", None),
        ("dot", "550 Mail content denied", OutcomeKind.PERMANENT, "550", None),
        ("dot", "554 5.7.1 you are too frequently sending", OutcomeKind.TRANSIENT, "554", 900),
        ("dot", "what?", OutcomeKind.UNCERTAIN, "reply", None),
        ("rcpt", "what?", OutcomeKind.TRANSIENT, "reply", None),
    ],
)
def test_a_refusal_is_read_by_its_stage_its_number_and_its_words(
    mail: Build,
    smtp: SmtpStub,
    stage: str,
    text: str,
    kind: OutcomeKind,
    code: str,
    retry_after: float | None,
) -> None:
    """The table of ``smtp_outcomes`` through a real dialogue; the server's words are kept."""
    smtp.misbehave(stage, "reply", text)
    outcome = mail(smtp).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code, outcome.retry_after) == (kind, code, retry_after)
    if code != "reply":
        assert text.partition(" ")[2] in outcome.detail
    assert not smtp.messages


def test_a_refused_receiver_does_not_cost_the_connection(mail: Build, smtp: SmtpStub) -> None:
    """RSET, and the next receiver's mail goes over the same one."""
    smtp.misbehave("rcpt", "reply", "550 no such user", times=1)
    adapter = mail(smtp)
    assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.PERMANENT
    assert adapter.send(parcel(PAYLOAD)).kind is OutcomeKind.ACCEPTED
    assert smtp.connections == 1


def test_a_wrong_password_waits_for_being_mended_and_is_tried_once(mail: Build) -> None:
    """The channel is at fault, not the message; trying every mechanism would lock the account."""
    with SmtpStub(tls="implicit", accounts={USER: "another"}) as stub:
        outcome = mail(stub, "implicit", PASSWORD).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code, outcome.retry_after) == (
        OutcomeKind.TRANSIENT,
        "535",
        CHANNEL_FAULT_SECONDS,
    )
    assert "authentication failed" in outcome.detail
    assert stub.commands.count("AUTH") == 1


@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("do", ["hang", "drip", "flood"])
def test_no_stage_can_stretch_the_deadline_or_fill_the_memory(
    mail: Build, smtp: SmtpStub, stage: str, do: str
) -> None:
    """Less than half a second for all of it, whether the server is silent, drips, or never ends its reply."""
    smtp.misbehave(stage, do)
    started = time.monotonic()
    outcome = mail(smtp, seconds=0.4).send(parcel(PAYLOAD))
    assert time.monotonic() - started < 3
    assert outcome.kind is (OutcomeKind.UNCERTAIN if stage == "dot" else OutcomeKind.TRANSIENT)
    assert outcome.code == ("reply" if do == "flood" else "timeout")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_handshake_that_never_ends_meets_the_deadline(mail: Build, tls: str) -> None:
    """TLS is under the same clock."""
    with SmtpStub(Fault("tls", "hang"), tls=tls) as stub:
        started = time.monotonic()
        outcome = mail(stub, tls, seconds=0.4).send(parcel(PAYLOAD))
        assert time.monotonic() - started < 3
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "timeout")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("do", ["drop", "reset"])
def test_a_handshake_that_is_hung_up_on_is_no_fault_of_the_setting(mail: Build, tls: str, do: str) -> None:
    """An overloaded server does so: soon again, not in half an hour."""
    with SmtpStub(Fault("tls", do), tls=tls) as stub:
        outcome = mail(stub, tls).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.retry_after) == (OutcomeKind.TRANSIENT, None)
    assert outcome.code in ("connection", "connect")  # a reset may come before connecting has ended


def test_a_connection_reset_before_it_is_secured_is_closed_and_refused() -> None:
    """Between connecting and the handshake: ``ssl`` itself would leave it open, with a warning in the log."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
    with pytest.raises(ConnectionResetError):
        secured(ours, client_context(), "127.0.0.1", Budget(5))
    assert ours.fileno() == -1


def test_a_plain_server_on_a_tls_port_is_a_fault_of_the_setting(mail: Build, smtp: SmtpStub) -> None:
    """The admin is told to look at tls and port."""
    outcome = mail(smtp, "implicit").send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "tls")
    assert outcome.retry_after == CHANNEL_FAULT_SECONDS
    assert "port" in outcome.detail


def test_a_server_that_reads_nothing_meets_the_deadline(mail: Build) -> None:
    """Writing is under the same clock; the text never got through, so nothing is uncertain."""
    with SmtpStub(Fault("text", "hang"), receive_buffer=8192) as stub:
        started = time.monotonic()
        outcome = mail(stub, seconds=0.4).send(parcel(b"x" * 16 * 1024 * 1024 + b"\r\n"))
        assert time.monotonic() - started < 3
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "timeout")


def test_nobody_listening_and_no_such_host_are_transient(mail: Build) -> None:
    """A server that is away today may be back tomorrow."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcome = mail(SimpleNamespace(port=closed.getsockname()[1])).send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "connect")
    outcome = mail(SimpleNamespace(port=465), "implicit", host="smtp.invalid").send(parcel(PAYLOAD))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "dns")


def test_an_address_that_none_can_be_is_permanent(mail: Build, smtp: SmtpStub) -> None:
    """Refused at send as well, and before any connection."""
    outcome = mail(smtp).send(parcel(PAYLOAD, "a@example.com\r\nRCPT TO:<b@example.com>"))
    assert (outcome.kind, outcome.code) == (OutcomeKind.PERMANENT, "address")
    assert smtp.connections == 0


def test_a_probe_logs_in_and_sends_nothing(mail: Build) -> None:
    """What the doctor asks for: good, and wrong."""
    with SmtpStub(tls="implicit", accounts={USER: PASSWORD}) as stub:
        assert mail(stub, "implicit", PASSWORD).probe().kind is OutcomeKind.ACCEPTED
        assert mail(stub, "implicit", "wrong").probe().code == "535"
        assert mail(stub, "implicit").probe().kind is OutcomeKind.ACCEPTED
    assert not stub.messages


class _Inbox:
    def __init__(self) -> None:
        self.envelopes: list[tuple[Envelope, bool]] = []

    async def handle_DATA(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        encrypted = server.transport is not None and server.transport.get_extra_info("ssl_object") is not None
        self.envelopes.append((envelope, encrypted))
        return "250 OK"


class _Controller(Controller):
    """Listens on an ephemeral port; its readiness check trusts our authority."""

    @property
    def bound(self) -> int:
        assert isinstance(self.server, asyncio.Server)
        return int(self.server.sockets[0].getsockname()[1])

    def _trigger_server(self) -> None:
        with socket.create_connection(("127.0.0.1", self.bound), timeout=5) as sock:
            secure = self.ssl_context is not None
            with (
                client_context().wrap_socket(sock, server_hostname="127.0.0.1") if secure else sock as client
            ):
                client.sendall(b"QUIT\r\n")
                while client.recv(1024):
                    pass


@pytest.fixture(params=["implicit", "starttls"])
def inbox(request: pytest.FixtureRequest) -> Iterator[tuple[_Inbox, int, str]]:
    handler = _Inbox()
    context = server_context()
    options: dict[str, Any] = {"ssl_context": context}
    if request.param == "starttls":
        options = {"tls_context": context, "require_starttls": True}
    controller = _Controller(handler, hostname="127.0.0.1", port=0, **options)
    controller.start()
    yield handler, controller.bound, request.param
    controller.stop()
    # aiosmtpd leaves the plain transport under a STARTTLS one to the collector: its matter, not ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_mail_reaches_a_server_that_is_not_ours_over_tls(
    mail: Build, inbox: tuple[_Inbox, int, str], message: Message, to: Recipient, stamp: Stamp
) -> None:
    """One real delivery through aiosmtpd, both ways of TLS."""
    handler, port, tls = inbox
    adapter = mail(SimpleNamespace(port=port), tls)
    (payload,) = adapter.compose(message, to, stamp)
    outcome = adapter.send(parcel(payload))
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome
    ((envelope, encrypted),) = handler.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("jgdw@example.com", ["lilun@example.com"])
    assert envelope.content == payload
    assert encrypted
    adapter.close()
