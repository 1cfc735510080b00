"""``backup``, ``restore``, ``resume``, and what ``doctor``, ``health`` and ``run`` say of a held ledger."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from typer.testing import CliRunner

from reminder.backup.guard import Guard, LedgerHeld
from reminder.backup.highwater import Mark, write_mark
from reminder.cli import entry
from reminder.cli.backup import secret_values
from reminder.clock import SystemClock
from reminder.errors import ReminderError, UsageError
from reminder.ledger.holds import Hold, HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note
from reminder.settings import Settings
from tests.editions import ROOT, TEMPLATES
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 6, 10, 1, 30, 20, tzinfo=UTC)
"""Half past nine at the office, and some seconds."""


class Machine:
    """Folders of a small office, and the command in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(folder / "schedules", TEMPLATES, folder / "var")

    def fill(self) -> None:
        write_plan(self.settings.schedules, item_yaml("x", "date: 2026-06-10\nat: 23:59", ON_DUE_DAY))
        (self.settings.data / "secrets").mkdir(parents=True)
        (self.settings.data / "secrets" / "ROBOT_KEY").write_text("robot-canary\n")
        eight = NOW - timedelta(minutes=90)
        with self.ledger(eight) as ledger:
            ledger.accept_plan("test", "digest", {}, "start", {}, eight)
            ledger.adopt("test", ledger.transport("test"), [("x", "due+0wd")], eight)

    @property
    def path(self) -> Path:
        return Path(self.settings.ledger)

    def ledger(self, now: datetime = NOW) -> Ledger:
        return Ledger.open(self.path, kind=LedgerKind.DAEMON, now=now)

    def run(self, *words: str, code: int = 0, typed: str = "") -> str:
        """What the command prints; what it raises comes out."""
        where = ["--data", str(self.settings.data)]
        if words[0] != "health":
            where += [
                "--schedules",
                str(self.settings.schedules),
                "--templates",
                str(self.settings.templates),
            ]
        result = CliRunner().invoke(entry.app, [*words, *where], input=typed, catch_exceptions=False)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    def hold(self, reason: HoldReason = HoldReason.OLDER) -> None:
        with self.ledger() as ledger:
            ledger.holds.put(Hold(reason, NOW, ledger.holds.last_record()))

    def held(self) -> bool:
        with self.ledger() as ledger:
            return ledger.holds.standing().hold is not None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(SystemClock, "now", lambda _: NOW)
    made = Machine(tmp_path / "one")
    made.fill()
    return made


# -- backup and restore ------------------------------------------------------------


def test_a_backup_says_what_is_in_it_and_where_to_keep_it(machine: Machine) -> None:
    """By default below the data folder, and then it says to carry it away."""
    said = machine.run("backup")
    (archive,) = (machine.settings.data / "backups").iterdir()
    assert str(archive) in said
    assert "不含密码" in said
    assert "复制到另一台机器" in said
    assert "已核对" in said
    elsewhere = machine.folder / "elsewhere.tar.gz"
    said = machine.run("backup", "--out", str(elsewhere))
    assert elsewhere.exists()
    assert "复制到另一台机器" not in said


def test_a_backup_tells_programs_the_same(machine: Machine) -> None:
    told = json.loads(machine.run("backup", "--out", str(machine.folder / "x.tar.gz"), "--format", "json"))
    assert told["plan"] == "test"
    assert "schedules/plan.yaml" in told["files"]
    assert told["bytes"] == (machine.folder / "x.tar.gz").stat().st_size
    checked = json.loads(machine.run("restore", told["file"], "--check", "--format", "json"))
    assert checked.items() <= told.items()


def test_a_plan_with_an_error_is_backed_up_as_well(machine: Machine) -> None:
    """It may be why somebody wants the backup of yesterday, and the secrets in it are found all the same."""
    plan = machine.settings.schedules / "plan.yaml"
    plan.write_text("plan:\n  titel: 错\n")
    machine.run("backup", "--out", str(machine.folder / "x.tar.gz"))
    plan.write_text("plan:\n  titel: 错\n# robot-canary\n")
    with pytest.raises(ReminderError, match=r"plan\.yaml 里写有密码"):
        machine.run("backup", "--out", str(machine.folder / "y.tar.gz"))


def test_every_secret_is_known_to_a_backup(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the plan and found in the environment, in a file, or lying beside those; the monitor's address."""
    (machine.settings.data / "secrets" / "OTHER").write_text("lies-beside\n")
    channels = machine.settings.schedules / "channels.yaml"
    channels.write_text(
        channels.read_text() + '#\n  - id: a\n    secret: "QUOTED"\n    proxy_secret: PROXY # why\n'
    )
    monkeypatch.setenv("QUOTED", "from-the-environment")
    monkeypatch.setenv("PROXY", "user:proxy-password")
    settings = Settings(
        machine.settings.schedules, TEMPLATES, machine.settings.data, heartbeat_url="https://m/1"
    )
    found = secret_values(settings)
    assert {
        "robot-canary",
        "lies-beside",
        "from-the-environment",
        "user:proxy-password",
        "proxy-password",
        "https://m/1",
    } <= set(found)


def test_a_check_alone_restores_nothing(machine: Machine, tmp_path: Path) -> None:
    """It says when the backup was made and what is in it, or that it is damaged."""
    archive = tmp_path / "x.tar.gz"
    machine.run("backup", "--out", str(archive))
    other = Machine(tmp_path / "two")
    assert "备份完整" in other.run("restore", str(archive), "--check")
    assert not other.folder.exists()
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(ReminderError, match="不是完整的备份文件"):
        other.run("restore", str(archive), "--check")
    with pytest.raises(UsageError, match="--check"):
        other.run("restore", str(archive), "--check", "--move-aside")


def test_a_restore_says_what_to_do_next(machine: Machine, tmp_path: Path) -> None:
    """The old machine, the secrets, the confirmation, the start; and what was moved aside."""
    archive = tmp_path / "x.tar.gz"
    machine.run("backup", "--out", str(archive))
    other = Machine(tmp_path / "two")
    other.settings = Settings(other.folder / "schedules", other.folder / "templates", other.folder / "var")
    said = other.run("restore", str(archive))
    for words in ("原机器", "备份不含密码", "reminder doctor", "reminder resume", "启动守护进程"):
        assert words in said
    again = json.loads(other.run("restore", str(archive), "--move-aside", "--format", "json"))
    assert str(other.path) in again["aside"]
    assert Path(again["aside"][str(other.path)]).exists()
    assert other.held()


def test_a_backup_carried_to_another_machine_by_the_commands(machine: Machine, tmp_path: Path) -> None:
    """As processes: made, restored, run until it says that it is paused, confirmed."""

    def command(*words: str, code: int = 0) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("REMINDER_")}
        done = subprocess.run(
            [sys.executable, "-m", "reminder", *words],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    here = ["--data", str(machine.settings.data), "--schedules", str(machine.settings.schedules)]
    command("backup", "--out", "x.tar.gz", *here, "--templates", str(TEMPLATES))
    assert "已恢复" in command("restore", "x.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "message_templates",
        "one",
        "schedules",
        "var",
        "x.tar.gz",
    ]
    assert "从备份恢复" in command("resume")
    assert "故障" in command("doctor", "--offline", code=1)
    assert "已继续" in command("resume", "--nothing-sent", "--by", "机关党委办公室", "--yes")
    assert "没有暂停" in command("resume")


# -- resume --------------------------------------------------------------------------


def test_resume_lists_what_is_concerned_and_says_how_to_go_on(machine: Machine) -> None:
    """Alarms the ledger does not know; and the two ways to decide."""
    machine.hold()
    said = machine.run("resume")
    assert "事项x" in said
    assert "补发" in said
    assert "--sent-until" in said
    assert "--nothing-sent" in said
    told = json.loads(machine.run("resume", "--format", "json"))
    assert (told["held"], told["reason"], told["transport"]) == (True, "older", "outbox")
    assert [alarm["item"] for alarm in told["alarms"]] == ["x"]
    assert machine.held()


def test_resume_without_a_hold_has_nothing_to_ask(machine: Machine) -> None:
    """Nothing changes, whatever is decided."""
    before = machine.path.read_bytes()
    assert "没有暂停" in machine.run("resume")
    assert "没有暂停" in machine.run("resume", "--nothing-sent", "--by", "x", "--yes")
    assert json.loads(machine.run("resume", "--format", "json")) == {"held": False}
    assert machine.path.read_bytes() == before


def test_resume_asks_and_only_yes_is_yes(machine: Machine) -> None:
    """What will become of each alarm is shown with the question."""
    machine.hold()
    until = "2026-06-10 09:30"
    for typed in ("", "n\n", "\n", "ja\n"):
        with pytest.raises(ReminderError, match="未作更改"):
            machine.run("resume", "--sent-until", until, "--by", "x", typed=typed)
        assert machine.held()
    said = machine.run("resume", "--sent-until", until, "--by", "x", typed="y\n")
    assert "按已发出处理，不再发" in said
    assert "1 次提醒" in said
    assert not machine.held()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--nothing-sent",), "--by"),
        (("--nothing-sent", "--by", "  "), "--by"),
        (("--nothing-sent", "--sent-until", "2026-06-10 09:00", "--by", "x"), "只能写一个"),
        (("--sent-until", "2026-06-10", "--by", "x"), "不是时刻"),
        (("--sent-until", "2026-06-31 09:00", "--by", "x"), "不是时刻"),
        (("--sent-until", "九点", "--by", "x"), "不是时刻"),
        (("--sent-until", "２０２６-06-10 09:00", "--by", "x"), "不是时刻"),
        (("--sent-until", "2026-06-10 09:31", "--by", "x"), "晚于现在"),
        (("--sent-until", "2026-06-10 07:59", "--by", "x"), "早于台账的最后一条记录.*--nothing-sent"),
        (("--nothing-sent", "--by", "x", "--format", "json"), "--yes"),
    ],
)
def test_wrong_use_of_resume_says_what_to_write(machine: Machine, words: tuple[str, ...], error: str) -> None:
    machine.hold()
    with pytest.raises(UsageError, match=error):
        machine.run("resume", *words)
    assert machine.held()


def test_resume_finds_what_only_the_mark_knows(machine: Machine, tmp_path: Path) -> None:
    """The daemon has not even been started since the old ledger came back."""
    with machine.ledger() as ledger:
        guard = Guard(machine.settings.high_water)
        assert guard.check(ledger, NOW, live=True) is None
    copy = shutil.copy(machine.path, tmp_path / "old")
    with machine.ledger() as ledger:
        ledger.note("test", Note("test", NOW, "test"))
        assert guard.check(ledger, NOW + timedelta(seconds=5), live=True) is None
    shutil.copy(copy, machine.path)
    said = machine.run("resume")
    assert "台账是旧的" in said
    assert "此前已是正式发送" in said
    assert not machine.held()
    machine.run("resume", "--nothing-sent", "--by", "x", "--yes")
    assert "没有暂停" in machine.run("resume")
    with machine.ledger() as ledger:
        assert guard.check(ledger, NOW + timedelta(seconds=9), live=True) is None


def test_a_long_list_is_cut_and_counted(machine: Machine) -> None:
    """People see the latest; programs get all."""
    write_plan(
        machine.settings.schedules,
        *[item_yaml(f"n{number:03d}", "date: 2026-06-10\nat: 23:59", ON_DUE_DAY) for number in range(60)],
    )
    with machine.ledger() as ledger:
        ledger.holds.put(Hold(HoldReason.OLDER, NOW, NOW - timedelta(hours=1)))
    said = machine.run("resume")
    assert "共 60 次，只列出最近 40 行" in said
    assert said.count("事项n") == 40
    assert len(json.loads(machine.run("resume", "--format", "json"))["alarms"]) == 60


# -- doctor, health ------------------------------------------------------------------


def ledger_finding(machine: Machine) -> dict[str, Any]:
    result = CliRunner().invoke(
        entry.app,
        [
            *("doctor", "--offline", "--format", "json", "--data", str(machine.settings.data)),
            *("--schedules", str(machine.settings.schedules), "--templates", str(TEMPLATES)),
        ],
    )
    (found,) = [each for each in json.loads(result.output) if each["what"] == "台账"]
    return dict(found)


def damage(machine: Machine) -> None:
    for number in range(50):
        with machine.ledger() as ledger:
            ledger.note("test", Note("test", NOW, "test", {"x": "y" * 500, "n": number}))
    with machine.path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)


def newer(machine: Machine) -> None:
    connection = sqlite3.connect(machine.path)
    connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.commit()
    connection.close()


def lost(machine: Machine) -> None:
    write_mark(machine.settings.high_water, Mark("x", 1, 0, "x"))
    machine.path.unlink()


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        (lambda machine: None, "good", "完整.*未暂停"),
        (lambda machine: machine.path.unlink(), "good", "还没有"),
        (lambda machine: machine.hold(), "bad", "已暂停全部发送.*reminder resume"),
        (lambda machine: machine.path.write_bytes(b"x" * 9000), "bad", "不是台账，或已损坏.*备份"),
        (damage, "bad", "已损坏.*reminder restore"),
        (newer, "bad", "更新的版本.*新版本的程序"),
        (lost, "bad", "不见了.*没有另建"),
    ],
)
def test_doctor_names_the_ledger_s_state_and_the_cure(
    machine: Machine, change: Callable[[Machine], object], state: str, words: str
) -> None:
    change(machine)
    found = ledger_finding(machine)
    assert found["state"] == state, found
    assert re.search(words, found["found"] + found["remedy"], re.DOTALL), found


def test_the_words_of_a_hold_say_what_was_found() -> None:
    """Each reason in its own words, with the last record in the office's time."""
    said = set()
    for reason in HoldReason:
        error = LedgerHeld(Hold(reason, NOW, datetime(2026, 6, 10, 1, 30, tzinfo=UTC)), SHANGHAI)
        assert "最后一条记录是 2026-06-10 09:30" in str(error)
        assert "reminder resume" in str(error)
        said.add(str(error))
    assert len(said) == len(HoldReason)


def test_the_commands_are_there_with_their_help() -> None:
    """Registered, in Chinese."""
    names = set(typer.main.get_command(entry.app).commands)  # type: ignore[attr-defined]
    assert {"backup", "restore", "resume"} <= names
    for name in ("backup", "restore", "resume"):
        result = CliRunner().invoke(entry.app, [name, "--help"])
        assert "用法：" in result.output
        assert "Usage" not in result.output
