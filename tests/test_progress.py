"""Signals of life are given on progress only."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from reminder.progress import HEARTBEAT_SECONDS, Heartbeat, notify_systemd
from tests.harness.process import wait_for


def test_systemd_gets_its_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NOTIFY_SOCKET set the state arrives as it was given."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify_systemd("WATCHDOG=1")
        assert receiver.recv(100) == b"WATCHDOG=1"


def test_without_systemd_or_with_a_dead_socket_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon outside systemd is no error."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_systemd("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify_systemd("READY=1")


def test_the_heartbeat_pings_on_progress_once_a_minute() -> None:
    """Progress within the minute adds no ping; without progress there is none."""
    pings: list[int] = []
    heartbeat = Heartbeat(lambda: pings.append(1))
    for moment in (0.0, 1.0, HEARTBEAT_SECONDS - 1):
        heartbeat.progress(moment)
    wait_for(lambda: len(pings) == 1, "the ping")
    heartbeat.progress(HEARTBEAT_SECONDS + 1)
    wait_for(lambda: len(pings) == 2, "the second ping")


def test_a_monitor_that_hangs_or_fails_holds_nothing_up() -> None:
    """Its thread is its own, and there is never more than one."""
    release = threading.Event()
    started: list[int] = []

    def hang() -> None:
        started.append(1)
        release.wait(30)
        raise OSError("https://monitor.example.com/key")

    heartbeat = Heartbeat(hang)
    for minute in range(5):
        heartbeat.progress(minute * (HEARTBEAT_SECONDS + 1))
    assert started == [1]
    release.set()
