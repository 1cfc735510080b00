"""The login log told to syslog: every line arrives, and nothing there holds up a login."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.access.login import Door, LoginRefused, hash_password
from reminder.access.syslog import WAITING, Syslog
from reminder.ledger.accounts import FAILED, Account, LoginEvent
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.harness.console import anybody
from tests.harness.process import wait_for
from tests.plans import at

NOW = at("2026-06-10 09:00")
PASSWORD = "correct-horse-7"
AUTH_INFO, AUTH_WARNING = "<38>", "<36>"


def event(number: int = 0) -> LoginEvent:
    return LoginEvent(NOW + timedelta(seconds=number), "p-clerk", "127.0.0.1", FAILED)


def receiver(family: socket.AddressFamily = socket.AF_INET, path: str = "") -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(path or ("127.0.0.1", 0))
    sock.settimeout(20)
    return sock


def test_every_login_and_every_failure_is_told_over_udp(tmp_path: Path) -> None:
    with (
        receiver() as sock,
        Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW) as ledger,
    ):
        account = Account("p-clerk", ("viewer",), False, hash_password("p-clerk", PASSWORD), NOW)
        ledger.accounts.put("test", account)
        door = Door(ledger, "test", anybody, tell=Syslog(sock.getsockname()))
        with pytest.raises(LoginRefused):
            door.enter("p-clerk", "wrong-password", "192.0.2.7", NOW)
        door.leave(door.enter("p-clerk", PASSWORD, "192.0.2.7", NOW).token, NOW)
        lines = [sock.recv(2048).decode().rstrip("\0") for _ in range(3)]
    assert lines == [
        f"{AUTH_WARNING}reminder: login failed user=p-clerk address=192.0.2.7 at=2026-06-10T09:00:00+08:00",
        f"{AUTH_INFO}reminder: login succeeded user=p-clerk address=192.0.2.7 at=2026-06-10T09:00:00+08:00",
        f"{AUTH_INFO}reminder: login logout user=p-clerk address=- at=2026-06-10T09:00:00+08:00",
    ]


def test_a_local_socket_is_told_as_well_also_one_that_comes_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the machine's syslog is restarted; the log says once that it was away."""
    path = str(tmp_path / "log")
    tell = Syslog(path)
    with caplog.at_level(logging.WARNING, "reminder.access.syslog"):
        for number in range(3):
            tell(event(number))
        wait_for(lambda: tell._lines.empty(), "the lines that nobody hears")
        with receiver(socket.AF_UNIX, path) as sock:
            wait_for(_heard(tell, sock), "a line")
    assert [each.message for each in caplog.records] == ["syslog not reached"]


def _heard(tell: Syslog, sock: socket.socket) -> Callable[[], bool]:
    def heard() -> bool:
        tell(event(9))
        return "login failed user=p-clerk" in sock.recv(2048).decode()

    return heard


def test_a_syslog_that_takes_nothing_holds_up_nobody(tmp_path: Path) -> None:
    """A local socket whose reader has stopped: sending to it waits, telling does not."""
    path = str(tmp_path / "log")
    with receiver(socket.AF_UNIX, path):
        tell = Syslog(path)
        for number in range(3 * WAITING):
            tell(event(number))
        wait_for(lambda: tell._lines.full(), "a queue that is full")
        tell(event())
