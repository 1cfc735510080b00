"""``reminder plan push`` and its kin on a real PostgreSQL: what a clerk and an operator do and read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.editions import ROOT, TEMPLATES
from tests.harness.commands import Commands, Done
from tests.harness.postgres import Server
from tests.harness.process import wait_for
from tests.plans import CHANNELS, ON_DUE_DAY, item_yaml, write_plan
from tests.servers.certificates import authority

SHARED = ("_layout", "_shared", "general", "notice")


class Desk:
    """A plan in folders of its own, a data folder, and a ledger in PostgreSQL."""

    def __init__(self, folder: Path, commands: Commands, address: str) -> None:
        self.folder, self._commands, self.address = folder, commands, address
        self.schedules, self.templates = folder / "schedules", folder / "message_templates"
        self.write("x")
        self.templates.mkdir()
        for name in SHARED:
            shutil.copytree(TEMPLATES / name, self.templates / name)
        shutil.copy(TEMPLATES / "wording.yaml", self.templates)

    def write(self, *items: str, **options: str) -> None:
        write_plan(
            self.schedules, *(item_yaml(each, "date: 2026-12-10", ON_DUE_DAY) for each in items), **options
        )

    def run(self, *arguments: str, **environment: str) -> Done:
        environment = {"REMINDER_DATABASE_URL": self.address, **environment}
        done = self._commands.run(self.folder, *arguments, **environment)
        assert "Traceback" not in done.err
        return done

    def push(self, *arguments: str) -> Done:
        return self.run("plan", "push", "--by", "机关党委办公室干事", *arguments)

    def versions(self) -> list[dict[str, object]]:
        done = self.run("plan", "versions", "--format", "json")
        found: list[dict[str, object]] = json.loads(done.out)
        return found

    def in_force(self) -> object:
        return next((each["version"] for each in self.versions() if each["in_force"]), None)


@pytest.fixture
def desk(tmp_path: Path, commands: Commands, postgres: Server) -> Iterator[Desk]:
    address = postgres.empty_database()
    Ledger.open(address, kind=LedgerKind.DAEMON, now=datetime.now(UTC), upgrade=True).close()
    yield Desk(tmp_path, commands, address)
    postgres.drop(address)


def test_a_plan_is_published_changed_and_gone_back_to(desk: Desk) -> None:
    """Each time what changes is shown before, and who did it is kept."""
    first = desk.push("--note", "第一次发布")
    assert (first.code, first.err) == (0, "")
    assert "已发布第 1 版" in first.out
    assert "由机关党委办公室干事发布" in first.out
    desk.write("x", "y")
    second = desk.push()
    assert (second.code, second.err) == (0, "")
    assert "与现行第 1 版相比：\n文件：改动 plan.yaml\n事项：新增 y\n提醒：新增 1 条" in second.out
    assert "2026-12-10 09:00  事项y（" in second.out
    assert [(each["version"], each["in_force"], each["author"]) for each in desk.versions()] == [
        (2, True, "p-clerk"),
        (1, False, "p-clerk"),
    ]
    back = desk.run("plan", "back", "1", "--by", "办公室主任")
    assert (back.code, back.err) == (0, "")
    assert "事项：删去 y\n提醒：取消 1 条" in back.out
    assert "已退回第 1 版（由办公室主任发布）" in back.out
    assert desk.in_force() == 1
    assert "现行的就是第 1 版" in desk.run("plan", "back", "1").out
    shown = desk.run("plan", "versions").out
    assert "第一次发布" in shown
    assert "机关党委办公室干事" in shown


def test_a_version_holds_every_file_of_the_office_and_no_other(desk: Desk) -> None:
    """Plan, calendar, templates, certificates; neither secrets nor what else lies about."""
    calendar = desk.schedules / "calendar"
    calendar.mkdir()
    festivals = {
        "春节": "02-05",
        "清明": "04-05",
        "劳动": "05-01",
        "端午": "06-09",
        "中秋": "09-15",
        "国庆": "10-01",
    }
    year = "year: 2027\ndays:\n  - name: 元旦\n    date: 2027-01-01\n    isOffDay: true\n"
    year += "".join(
        f"  - name: {name}\n    date: 2027-{day}\n    isOffDay: true\n" for name, day in festivals.items()
    )
    year += "...\n"
    (calendar / "2027.yaml").write_text(year)
    (desk.schedules / "certs").mkdir()
    (desk.schedules / "certs" / "office.pem").write_bytes(authority().cert_pem.bytes())
    channels = CHANNELS.replace("    tls: none\n", "    tls: starttls\n    ca_file: certs/office.pem\n")
    desk.write("x", channels=channels)
    (desk.schedules / "README.md").write_text("not of the plan")
    (desk.schedules / "secrets").mkdir()
    (desk.schedules / "secrets" / "SMTP_PASSWORD").write_text("hunter2-hunter2")
    assert desk.push().code == 0
    files = desk.versions()[0]["files"]
    assert isinstance(files, dict)
    assert {name for name in files if not name.startswith("templates/")} == {
        "plan.yaml",
        "directory.yaml",
        "channels.yaml",
        "calendar/2027.yaml",
        "ca_file/certs/office.pem",
    }
    assert "templates/wording.yaml" in files
    assert "templates/general/subject.j2" in files
    out = desk.folder / "taken"
    assert desk.run("plan", "pull", "--out", str(out)).code == 0
    for name in ("plan.yaml", "calendar/2027.yaml", "certs/office.pem"):
        assert (out / "schedules" / name).read_bytes() == (desk.schedules / name).read_bytes()
    taken = {"schedules": str(out / "schedules"), "templates": str(out / "message_templates")}
    again = desk.push("--schedules", taken["schedules"], "--templates", taken["templates"])
    assert "与现行第 1 版相同，没有发布" in again.out


def test_a_broken_plan_is_refused_with_all_its_faults(desk: Desk) -> None:
    """Nothing of it is in the ledger."""
    desk.push()
    plan = desk.schedules / "plan.yaml"
    plan.write_text(plan.read_text().replace("date: 2026-12-10", "date: 2026-13-10").replace("via:", "vai:"))
    (desk.templates / "general" / "subject.j2").write_text("{{ nonsense }")
    refused = desk.push()
    assert (refused.code, refused.out) == (1, "")
    for fault in ("2026-13-10", "vai", "general/subject.j2"):
        assert fault in refused.err
    assert [each["version"] for each in desk.versions()] == [1]


def test_a_file_cut_short_is_not_published(desk: Desk) -> None:
    """It parses, but no longer ends with the mark it ended with."""
    desk.push()
    directory = desk.schedules / "directory.yaml"
    directory.write_text(directory.read_text().removesuffix("...\n"))
    refused = desk.push()
    assert refused.code == 1
    assert "文件末尾没有“...”这一行" in refused.err
    assert desk.in_force() == 1


def test_nothing_is_published_over_what_somebody_else_published(desk: Desk) -> None:
    """The folder remembers where it started from; to go over it one has to name what one has seen."""
    desk.push()
    other = desk.folder / "other"
    desk.run("plan", "pull", "--out", str(other))
    write_plan(
        other / "schedules",
        item_yaml("z", "date: 2026-12-10", ON_DUE_DAY),
        item_yaml("x", "date: 2026-12-10", ON_DUE_DAY),
    )
    folders = ("--schedules", str(other / "schedules"), "--templates", str(other / "message_templates"))
    assert desk.push(*folders, "--note", "别处").code == 0
    desk.write("x", "y")
    refused = desk.push()
    assert refused.code == 1
    assert "是从第 1 版改起的，而现行的是第 2 版（机关党委办公室干事，" in refused.err
    assert "别处）" in refused.err
    assert "请加 --over 2" in refused.err
    assert refused.err.count("\n") == 1
    assert "事项：新增 y；删去 z" in refused.out
    stale = desk.push("--over", "1")
    assert (stale.code, stale.err.count("\n")) == (1, 1)
    assert "现行的是第 2 版，不是第 1 版" in stale.err
    assert desk.in_force() == 2
    assert desk.push("--over", "2").code == 0
    assert desk.in_force() == 3


def test_a_folder_of_which_nobody_knows_where_it_started_is_asked_for(desk: Desk) -> None:
    desk.push()
    (desk.schedules / ".published.json").unlink()
    desk.write("x", "y")
    refused = desk.push()
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "不知道这个文件夹是从哪一版改起的" in refused.err


def test_a_plan_of_another_office_is_not_published_by_mistake(desk: Desk) -> None:
    """Under the same plan id, without one item in common."""
    desk.push()
    now = datetime.now(UTC)
    with Ledger.open(desk.address, kind=LedgerKind.DAEMON, now=now) as ledger:
        ledger.accept_plan("test", "d", {}, "start", {"digests": {"x": "1"}}, now, published=1)
    desk.write("quite", "different")
    refused = desk.push()
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "像是另一个单位的" in refused.err
    assert desk.push("--over", "1").code == 0


def test_a_secret_in_a_file_is_not_handed_to_every_node(desk: Desk) -> None:
    (desk.folder / "var" / "secrets").mkdir(parents=True)
    (desk.folder / "var" / "secrets" / "ROBOT_KEY").write_text("0123-4567-89ab")
    wording = desk.templates / "wording.yaml"
    wording.write_text(wording.read_text().removesuffix("...\n") + "# 0123-4567-89ab\n...\n")
    refused = desk.push()
    assert refused.code == 1
    assert "templates/wording.yaml 里写有密码或密钥，没有发布" in refused.err
    assert "0123-4567-89ab" not in refused.err
    assert desk.versions() == []


def test_an_older_version_is_checked_by_the_program_of_today(desk: Desk) -> None:
    """One that it cannot read does not come into force, and every fault is told."""
    desk.push()
    with Ledger.open(desk.address, kind=LedgerKind.DAEMON, now=datetime.now(UTC)) as ledger:
        first = ledger.published.get("test", 1)
        assert first is not None
        contents = ledger.published.contents(first)
        contents["plan.yaml"] = contents["plan.yaml"].replace(b"from: due", b"from: once")
        contents["calendar/2026.yaml"] = b"year: never\n"
        now = datetime.now(UTC)
        ledger.published.publish("test", contents, "old", at=now, author="x", over=1)
    assert desk.push("--over", "2").code == 0
    refused = desk.run("plan", "back", "2")
    assert refused.code == 1
    assert "once" in refused.err
    assert "calendar/2026.yaml:1:" in refused.err
    assert "/tmp" not in refused.err
    assert desk.in_force() == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("plan", "back", "7"), 2, "台账中没有第 7 版计划（test）；有：1"),
        (("plan", "pull", "7", "--out", "new"), 2, "台账中没有第 7 版计划（test）；有：1"),
        (("plan", "pull", "--out", "schedules"), 2, "schedules 不是空的"),
        (("plan", "push", "--note", "两\n行" * 200), 2, "--note 写一行"),
        (("plan", "withdraw"), 2, "请用 --by 写明由谁决定"),
    ],
)
def test_wrong_use_is_told_in_one_line(desk: Desk, arguments: tuple[str, ...], code: int, said: str) -> None:
    desk.push()
    done = desk.run(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert said in done.err


@pytest.mark.parametrize("name", ["push", "versions", "back 1", "pull --out x", "withdraw --by y"])
def test_over_a_file_there_is_nothing_to_publish(desk: Desk, name: str) -> None:
    desk.address = "sqlite:///var/ledger.sqlite3"
    done = desk.run("plan", *name.split())
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "这需要 PostgreSQL 台账" in done.err


SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
CREATE TRIGGER slow BEFORE UPDATE ON published_in_force FOR EACH ROW EXECUTE FUNCTION slow();
"""


def test_killed_in_the_middle_the_version_before_stays_in_force(desk: Desk) -> None:
    """Everything of the new one is written, and not yet committed."""
    desk.push()
    desk.write("x", "y")
    with psycopg.connect(desk.address, autocommit=True) as connection:
        connection.execute(SLOW)
        pushing = subprocess.Popen(
            [sys.executable, "-m", "reminder", "plan", "push"],
            cwd=desk.folder,
            env={**os.environ, "REMINDER_DATABASE_URL": desk.address, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        wait_for(lambda: connection.execute(asleep).fetchone() == (1,), "the push in its transaction")
        pushing.kill()
        assert pushing.wait(30) == -signal.SIGKILL
        wait_for(lambda: connection.execute(asleep).fetchone() == (0,), "the end of its transaction")
        connection.execute("DROP TRIGGER slow ON published_in_force")
    assert [each["version"] for each in desk.versions()] == [1]
    assert desk.in_force() == 1
    assert "已发布第 2 版" in desk.push().out


def test_a_plan_that_is_withdrawn_is_kept(desk: Desk) -> None:
    desk.push()
    assert desk.run("plan", "withdraw", "--by", "办公室主任").code == 0
    assert desk.in_force() is None
    assert [each["version"] for each in desk.versions()] == [1]
    assert "现在没有现行的版次" in desk.run("plan", "versions").out
    assert desk.run("plan", "back", "1").code == 0
    assert desk.in_force() == 1
