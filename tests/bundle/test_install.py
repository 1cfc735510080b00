"""Installed without network: used, upgraded, broken off, rolled back."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from tests.bundle.conftest import EARLIER, LATER, Bundle, Office, offline, wait_for


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def schema(office: Office) -> str:
    with sqlite3.connect(office.data / "ledger.sqlite3") as ledger:
        (found,) = ledger.execute("SELECT version_num FROM alembic_version").fetchone()
    ledger.close()
    return str(found)


@pytest.fixture
def later(bundles: tuple[Bundle, Bundle], tmp_path: Path) -> Path:
    """The later version's ``install.sh``."""
    return bundles[1].unpack(tmp_path / "later") / "install.sh"


# -- the first time ------------------------------------------------------------


def test_an_installation_lies_where_it_says_with_modes_for_the_service_alone(office: Office) -> None:
    assert office.current == EARLIER
    assert mode(office.data) == mode(office.config) == 0o750
    assert mode(office.config / "secrets") == 0o700
    for path in (office.config / "schedules").rglob("*"):
        assert mode(path) & 0o027 == 0, path
    version = office.prefix / "versions" / EARLIER
    assert all(mode(path) & 0o044 for path in version.rglob("*") if not path.is_symlink())
    assert not list(version.rglob("pip")), "nothing can be installed into it later"


def test_the_next_steps_are_told_and_no_service_is_started(office: Office) -> None:
    said = (office.prefix.parent / "said").read_text("utf-8")
    assert f"装好了：版本 {EARLIER}" in said
    assert "试运行" in said
    assert f"cp {office.prefix}/reminder.service /etc/systemd/system/" in said
    assert not re.search(r"[A-Za-z]+Error|Traceback|WARNING", said)


def test_the_unit_names_the_installation_and_needs_no_new_systemd(office: Office) -> None:
    """``%d`` of the example is refused by systemd before 251, and offices' systems are older."""
    unit = (office.prefix / "reminder.service").read_text("utf-8")
    assert f"ExecStart={office.prefix}/current/bin/reminder run\n" in unit
    assert f"REMINDER_DATA={office.data}\n" in unit
    assert f"REMINDER_SECRETS={office.config}/secrets\n" in unit
    assert "%" not in unit
    assert "=/etc" not in unit
    assert "/var/lib" not in unit
    assert re.search(rf"^ReadWritePaths={office.data} ", unit, re.MULTILINE)


def test_the_installed_copy_checks_simulates_runs_and_stops_without_network(
    office: Office, tmp_path: Path
) -> None:
    checked = office.reminder("check")
    assert (checked.returncode, checked.stdout) == (0, "")
    days = ("--from", "2026-09-20", "--to", "2026-09-30")
    played = office.reminder("simulate", *days, "--data", str(tmp_path / "played"))
    assert played.returncode == 0, played.stdout + played.stderr
    assert list((tmp_path / "played/outbox").rglob("*.eml"))
    daemon = office.start()
    health = office.reminder("health")
    assert health.returncode == 0, health.stdout + health.stderr
    code, said = office.stop(daemon)
    assert code == 0
    assert "试运行" in said
    assert said.rstrip().endswith("已停止。")


def test_service_and_commands_share_one_file_of_settings(office: Office) -> None:
    """An approval is bound to the text, links included, so that both must see the same address."""
    unit = (office.prefix / "reminder.service").read_text("utf-8")
    path = office.config / "reminder.env"
    assert f"\nEnvironmentFile=-{path}\n" in unit
    assert mode(path) == 0o640
    before = path.read_text("utf-8")
    path.write_text("REMINDER_PUBLIC_URL=http://djw.example.com\n", "utf-8")
    try:
        refused = office.reminder("check")
    finally:
        path.write_text(before, "utf-8")
    assert refused.returncode == 2
    assert "REMINDER_PUBLIC_URL" in refused.stderr


def test_the_ledger_that_is_backed_up_is_the_one_the_service_writes_to(
    office: Office, bundles: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    """The file of settings wins at the service; a data folder it names elsewhere is refused before anything is done."""
    path = office.config / "reminder.env"
    before = path.read_text("utf-8")
    path.write_text(f"REMINDER_DATA={tmp_path}/elsewhere\n", "utf-8")
    try:
        done = office.install(bundles[0].unpack(tmp_path) / "install.sh")
    finally:
        path.write_text(before, "utf-8")
    assert done.returncode == 1
    assert f"把数据放在 {tmp_path}/elsewhere" in done.stderr
    assert "--data" in done.stderr


def test_installing_the_same_again_changes_nothing(
    office: Office, bundles: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    plan = office.config / "schedules/plan.yaml"
    plan.write_text(plan.read_text("utf-8").replace("title: ", "title:  ", 1), "utf-8")
    before = {path: path.stat().st_mtime_ns for path in office.config.rglob("*") if path.is_file()}
    done = office.install(bundles[0].unpack(tmp_path) / "install.sh")
    assert done.returncode == 0, done.stderr
    assert "没有什么要做的" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in office.config.rglob("*") if path.is_file()}
    assert [
        path.name for path in (office.prefix / "versions").iterdir() if path.name.startswith(EARLIER)
    ] == [EARLIER]


# -- another version -----------------------------------------------------------


def test_an_upgrade_waits_for_the_daemon_and_is_rolled_back_before_the_ledger_moved(
    office: Office, later: Path
) -> None:
    """Killed midway it leaves the old version at work; a new shape of ledger never comes under a running daemon."""
    daemon = office.start()
    half = office.prefix / "versions" / LATER
    began = subprocess.Popen(
        office.words(later, "--python", str(half.parent / EARLIER / "bin/python")),
        env=offline(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: len(list(half.glob("lib/python*/site-packages/*"))) > 2, began)
    os.killpg(began.pid, signal.SIGKILL)
    began.wait()
    assert (office.prefix / ".installing").exists()
    assert office.current == EARLIER
    assert office.reminder("health").returncode == 0

    refused = office.install(later)
    assert refused.returncode == 1
    assert "守护进程还在运行" in refused.stderr
    assert "systemctl stop reminder" in refused.stderr
    assert office.current == EARLIER
    assert daemon.poll() is None
    assert office.stop(daemon)[0] == 0

    kept = office.config / "message_templates/wording.yaml"
    before = kept.read_bytes()
    done = office.install(later)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "不再重装" in done.stdout
    assert f"已从 {EARLIER} 升级到 {LATER}" in done.stdout
    assert office.current == LATER
    assert kept.read_bytes() == before
    (backup,) = (office.data / "backups").glob(f"before-{LATER}-*.tar.gz")
    assert office.reminder("restore", str(backup), "--check").returncode == 0

    shape = schema(office)
    back = office.install(office.prefix / "current/install.sh", "--rollback")
    assert back.returncode == 0, back.stderr
    assert office.current == EARLIER
    assert schema(office) == shape
    again = office.install(office.prefix / "current/install.sh", "--rollback")
    assert again.returncode == 1
    assert "没有更早的版本" in again.stderr
    backup.unlink()


@pytest.mark.long_only("a roll-back before it moved is tried in every run")
def test_rolled_back_after_the_ledger_moved_only_with_the_backup_made_before(
    office: Office, later: Path
) -> None:
    """What the restored ledger does not know of is asked about before anything is sent."""
    if not (office.data / "ledger.sqlite3").exists():
        assert office.stop(office.start())[0] == 0
    shape = schema(office)
    assert office.install(later).returncode == 0
    daemon = office.start()
    assert schema(office) > shape
    rollback = office.prefix / "current/install.sh"

    refused = office.install(rollback, "--rollback")
    assert refused.returncode == 1
    assert "--rollback --restore-backup" in refused.stderr
    refused = office.install(rollback, "--rollback", "--restore-backup")
    assert refused.returncode == 1
    assert "守护进程还在运行" in refused.stderr
    assert office.current == LATER
    assert daemon.poll() is None
    assert office.stop(daemon)[0] == 0

    done = office.install(rollback, "--rollback", "--restore-backup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert office.current == EARLIER
    assert schema(office) == shape
    assert "reminder resume" in done.stdout
    assert list((office.data / "backups").glob(f"before-rollback-{LATER}-*.tar.gz"))
    held = office.reminder("doctor", "--offline")
    assert "暂停" in held.stdout, held.stdout
    resumed = office.reminder("resume", "--nothing-sent", "--by", "机关党委办公室", "--yes")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr


def test_a_plan_the_new_version_does_not_take_stops_the_upgrade(office: Office, later: Path) -> None:
    plan = office.config / "schedules/plan.yaml"
    before = plan.read_text("utf-8")
    plan.write_text(before.replace("items:", "itmes:", 1), "utf-8")
    try:
        refused = office.install(later)
    finally:
        plan.write_text(before, "utf-8")
    assert refused.returncode == 1
    assert "itmes" in refused.stderr
    assert "没有切换" in refused.stderr
    assert office.current == EARLIER
