"""Rows 35 and 36: a sweeper that stands still, and a machine on which little may be done."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.editions import ROOT, TEMPLATES
from tests.harness.office import Office, items
from tests.harness.process import wait_for
from tests.harness.shims import HEARTBEAT
from tests.plans import at, write_plan
from tests.servers.wecom import WecomSimulator

NINE = at("2026-06-10 09:00")


def health(data: Path) -> subprocess.CompletedProcess[str]:
    """What ``reminder health`` says: the container's HEALTHCHECK."""
    command = [sys.executable, "-m", "reminder", "health", "--data", str(data)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens with."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def heard(manager: socket.socket) -> list[bytes]:
    """Everything that was said since the last time."""
    said = []
    while True:
        try:
            said.append(manager.recv(200))
        except BlockingIOError:
            return said


def said_within(manager: socket.socket, seconds: float) -> list[bytes]:
    heard(manager)
    time.sleep(seconds)
    return heard(manager)


def test_row_35_a_sweeper_that_stands_still_fails_health_watchdog_and_heartbeat(
    tmp_path: Path, manager: socket.socket
) -> None:
    """The process is up and its threads wait: three ways to notice, none of them by a timer of its own."""
    with WecomSimulator() as monitor:
        environment = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "REMINDER_HEARTBEAT_URL": f"{monitor.base_url}/ping",
            HEARTBEAT: "0.2",
        }
        # The daemon's clock is 40 seconds behind: after 20 more its last word is a minute old.
        behind = datetime.now(UTC) - timedelta(seconds=40)
        with Office(tmp_path, items(1), behind, environment=environment) as office:
            office.daemon.start()
            wait_for(lambda: len(monitor.requests) > 2, "the heartbeat")
            fine = health(office.daemon.data)
            assert (fine.returncode, fine.stdout[:8]) == (0, "正常（正式发送）"), fine.stdout + fine.stderr
            assert {b"READY=1", b"WATCHDOG=1"} <= set(heard(manager))
            (office.daemon.data / "standstill").touch()
            wait_for(lambda: not said_within(manager, 2), "silence")  # what was under way is over
            pings = len(monitor.requests)
            assert not said_within(manager, 3)
            assert len(monitor.requests) == pings
            assert office.daemon.alive
            wait_for(lambda: health(office.daemon.data).returncode == 1, "the failing check", 60)
            stuck = health(office.daemon.data).stdout
            assert re.fullmatch(
                rf"守护进程已有 \d+ 秒没有动静（进程号 {office.daemon.pid}），其间没有发送任何提醒；"
                r"请重启守护进程（如 systemctl restart reminder），未发出而仍然有效的提醒会自动补发；"
                r"再次发生时请把日志交给维护人员\n",
                stuck,
            ), stuck
            (office.daemon.data / "standstill").unlink()
            wait_for(lambda: b"WATCHDOG=1" in heard(manager), "the watchdog")
            wait_for(lambda: len(monitor.requests) > pings, "the heartbeat")
            wait_for(lambda: health(office.daemon.data).returncode == 0, "health")
            assert office.daemon.stop() == 0
            assert b"STOPPING=1" in heard(manager)


def test_row_35_in_trouble_the_watchdog_is_fed_and_the_heartbeat_is_not(
    tmp_path: Path, manager: socket.socket
) -> None:
    """A restart would not bring a lost ledger back, but somebody outside has to hear of it."""
    with WecomSimulator() as monitor:
        environment = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "REMINDER_HEARTBEAT_URL": f"{monitor.base_url}/ping",
            HEARTBEAT: "0.2",
        }
        with Office(tmp_path, items(1), environment=environment) as office:
            office.daemon.start()
            wait_for(lambda: len(monitor.requests) > 2, "the heartbeat")
            for file in office.daemon.data.glob("ledger.sqlite3*"):
                file.rename(tmp_path / file.name)
            wait_for(lambda: office.health["problem"], "the problem")
            time.sleep(0.5)
            heard(manager)
            pings = len(monitor.requests)
            wait_for(lambda: heard(manager).count(b"WATCHDOG=1") >= 1, "the watchdog")
            time.sleep(1.5)
            assert len(monitor.requests) == pings


LOCKED = """\
mount --bind "$1" "$1" && mount -o remount,bind,ro / || exit 77
if touch "$1/../outside" 2>/dev/null; then exit 78; fi
[ "$2" = ro ] && mount -o remount,bind,ro "$1"
shift 2
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
"""As the image is run: everything read-only but the data folder, no capabilities, none to be had."""
NO_RIGHT = 77


def locked_down(tmp_path: Path, volume: str) -> subprocess.Popen[str]:
    """``reminder run`` on a machine that lets it write its data folder (``rw``) or nothing (``ro``)."""
    data, schedules = tmp_path / "data", tmp_path / "schedules"
    data.mkdir()
    write_plan(schedules, *items(1))
    command = [sys.executable, "-m", "reminder", "run", "--data", str(data)]
    command += ["--schedules", str(schedules), "--templates", str(TEMPLATES)]
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    return subprocess.Popen(
        [*unshare, "sh", "-c", LOCKED, "sh", str(data), volume, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_row_36_it_runs_on_a_read_only_root_without_capabilities(tmp_path: Path) -> None:
    """Healthy, and stopped with 0; what the image's own user may do is in tests/packaging."""
    daemon = locked_down(tmp_path, "rw")
    try:
        data = tmp_path / "data"
        wait_for(lambda: daemon.poll() is not None or (data / "health.json").exists(), "the first look")
        if daemon.returncode == NO_RIGHT:
            pytest.skip("a read-only root needs the right to mount")
        assert daemon.poll() is None, daemon.communicate()
        capabilities = Path(f"/proc/{daemon.pid}/status").read_text().split("CapEff:")[1].split()[0]
        assert int(capabilities, 16) == 0
        assert health(data).returncode == 0
        daemon.send_signal(signal.SIGTERM)
        output, errors = daemon.communicate(timeout=60)
    finally:
        daemon.kill()
        daemon.communicate()
    assert daemon.returncode == 0, errors
    assert output.endswith("已停止。\n")
    assert "Traceback" not in errors
    assert {each.name for each in tmp_path.iterdir()} == {"data", "schedules"}
    assert (data / "ledger.sqlite3").exists()


def test_row_36_a_volume_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """Exit code 1, what is not writable and why, and what to do; nothing else."""
    daemon = locked_down(tmp_path, "ro")
    output, errors = daemon.communicate(timeout=60)
    if daemon.returncode == NO_RIGHT:
        pytest.skip("a read-only root needs the right to mount")
    assert daemon.returncode == 1
    assert output == ""
    assert errors == (
        f"数据目录 {tmp_path / 'data'} 不可写（所在磁盘只读）；"
        "请检查目录权限或磁盘空间，或用 --data 指定可写的目录\n"
    )
    assert list((tmp_path / "data").iterdir()) == []
