"""The page beside the daemon: an address that is taken, a start later, a stop."""

from __future__ import annotations

import signal
import socket
import threading
from datetime import timedelta

import pytest
import requests

from reminder.clock import ManualClock
from reminder.settings import Listen
from reminder.web.server import AGAIN_SECONDS, PageServer
from tests.plans import at
from tests.web.conftest import Served


async def hello(scope: object, receive: object, send: object) -> None:
    """The smallest application."""
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


def get(server: PageServer) -> int:
    return requests.get(f"http://{server.address}/", timeout=20).status_code


def test_an_address_that_is_taken_is_one_clear_line_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock(at("2026-06-10"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = PageServer(hello, Listen("127.0.0.1", port), clock)
        server.tend()
        assert server.problem.startswith(f"网页没有打开：127.0.0.1:{port} 已被其他程序占用")
        assert "REMINDER_LISTEN" in server.problem
        for _ in range(5):
            clock.advance(timedelta(seconds=AGAIN_SECONDS + 1))
            server.tend()
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    server.tend()
    assert server.problem, "not yet: it is tried twice a minute, not at every tick"
    clock.advance(timedelta(seconds=AGAIN_SECONDS + 1))
    server.tend()
    assert server.problem == ""
    assert get(server) == 204
    server.stop()


def test_an_address_that_is_not_this_machine_s_is_said_so() -> None:
    server = PageServer(hello, Listen("192.0.2.1", 8750), ManualClock(at("2026-06-10")))
    server.tend()
    assert "192.0.2.1:8750 不是本机的地址" in server.problem
    server.stop()


def test_a_server_that_ended_by_itself_is_started_again() -> None:
    clock = ManualClock(at("2026-06-10"))
    server = PageServer(hello, Listen("127.0.0.1", 0), clock)
    server.tend()
    assert get(server) == 204
    assert server._server is not None
    assert server._thread is not None
    for sock in server._server.servers:
        sock.get_loop().call_soon_threadsafe(sock.get_loop().stop)
    server._thread.join(timeout=20)
    assert "意外停止" in server.problem
    clock.advance(timedelta(seconds=AGAIN_SECONDS + 1))
    server.tend()
    assert server.problem == ""
    assert get(server) == 204
    server.stop()


def test_the_main_thread_keeps_its_signals_and_a_stop_leaves_nothing(served: Served) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    served.get(served.personal("p-office"))
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    served.server.stop()
    assert not [each for each in threading.enumerate() if each.name == "page"]
    host, _, port = served.server.address.rpartition(":")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_stop_lets_what_is_being_answered_finish(served: Served) -> None:
    """Kept connections of browsers do not hold it up either."""
    served.get(served.personal("p-office"))
    before = threading.active_count()
    served.server.stop()
    assert threading.active_count() < before
