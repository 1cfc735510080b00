"""What the Dockerfile would make, run as another user over a read-only tree."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time

from tests.packaging.conftest import Image, as_other_user
from tests.packaging.dockerfile import ROOT

UP_WITHIN_SECONDS = 45


def test_the_shipped_plan_passes_its_check_inside_the_image(image: Image) -> None:
    """The templates and schedules that are copied are found by the settings that are set."""
    done = image.run("check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_daemon_starts_becomes_healthy_and_stops_cleanly_on_sigterm(image: Image) -> None:
    """ENTRYPOINT with CMD runs, HEALTHCHECK's command turns from 1 to 0, STOPSIGNAL ends it with 0.

    Meanwhile it tells a service manager what ``Type=notify`` waits for.
    """
    check = image.final.last("HEALTHCHECK")
    assert check.rest.startswith("CMD ")
    probe = re.sub(r"[\[\]\",]", " ", check.rest.removeprefix("CMD ")).split()
    assert probe[0] == image.final.last("ENTRYPOINT").words[0]
    assert image.run(*probe[1:]).returncode == 1, "nothing has run here yet"

    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(UP_WITHIN_SECONDS)
    manager.bind(str(image.data / "notify"))
    (image.data / "notify").chmod(0o666)
    daemon = subprocess.Popen(
        image.entry(*image.final.last("CMD").words),
        env=image.environment | {"NOTIFY_SOCKET": str(image.data / "notify"), "REMINDER_LISTEN": "off"},
        cwd=image.data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **as_other_user(),
    )
    try:
        deadline = time.monotonic() + UP_WITHIN_SECONDS
        while (health := image.run(*probe[1:])).returncode != 0:
            assert daemon.poll() is None, daemon.communicate()[0]
            assert time.monotonic() < deadline, health.stdout + health.stderr
            time.sleep(0.3)
        daemon.send_signal(getattr(signal, image.final.last("STOPSIGNAL").rest))
        output, _ = daemon.communicate(timeout=30)
        told = {manager.recv(100)}
        while b"STOPPING=1" not in told:
            told.add(manager.recv(100))
    finally:
        daemon.kill()
        manager.close()
    assert daemon.returncode == 0, output
    assert b"READY=1" in told
    assert "试运行" in health.stdout
    assert "试运行（outbox）" in output
    assert output.rstrip().endswith("已停止。")
    written = {path.name for path in image.data.iterdir()}
    assert {"ledger.sqlite3", "health.json"} <= written


def test_nothing_but_the_data_folder_can_be_written(image: Image) -> None:
    """A data folder elsewhere in the image is refused in words, not with a trace."""
    done = image.run("run", "--data", image.inside("/opt/reminder/elsewhere"))
    assert done.returncode == 1
    assert "不可写" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_runs_above_were_not_roots(image: Image) -> None:
    """They would prove little otherwise: root writes wherever it likes."""
    question = f"id -u; test -w {image.root}/opt/reminder || echo locked; test -w {image.data} && echo open"
    shown = subprocess.run(
        ["/bin/sh", "-c", question],
        capture_output=True,
        text=True,
        check=True,
        cwd=image.data,
        **as_other_user(),
    )
    user, *found = shown.stdout.split()
    assert user != "0"
    assert found == ["locked", "open"]


def test_the_environment_holds_what_is_locked_and_no_tools(image: Image) -> None:
    """Neither pip nor a build backend, and nothing that the lock does not pin."""
    (site,) = (image.root / "opt/reminder/venv/lib").glob("python3.*/site-packages")
    found = {
        path.name.removesuffix(".dist-info").rpartition("-")[0].lower().replace("_", "-")
        for path in site.glob("*.dist-info")
    }
    locked = set(
        re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    )
    assert found - {"reminder"} <= locked
    assert {"reminder", "apscheduler", "jinja2", "sqlalchemy", "tzdata"} <= found
    assert not {"pip", "setuptools", "hatchling", "wheel"} & found


def test_the_wheel_holds_the_whole_package_and_nothing_else(image: Image) -> None:
    """Migrations and their templates are data that an import never misses; tests stay out."""
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "reminder").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    names = set(image.wheel_names)
    assert {name for name in names if ".dist-info/" not in name} == package
    assert "reminder/ledger/migrations/env.py" in names
    assert "reminder/ledger/migrations/script.py.mako" in names
    assert any(name.startswith("reminder/ledger/migrations/versions/") for name in names)
