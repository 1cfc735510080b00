"""``reminder migrate``, and the other commands on a ledger in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editions import TEMPLATES
from tests.harness.commands import Commands, Done
from tests.harness.postgres import Server
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

PASSWORD = "s3cr3t/pass@word"


class Desk:
    """A plan, a data folder, and the address of a database whose owner needs a password."""

    def __init__(self, folder: Path, commands: Commands, server: Server) -> None:
        self._folder, self._commands = folder, commands
        server.execute("DROP ROLE IF EXISTS owner")
        server.execute(f"CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'")
        server.ask_passwords("owner")
        self.made = server.empty_database()
        self.name = self.made.partition("@/")[2].partition("?")[0]
        server.execute(f"ALTER DATABASE {self.name} OWNER TO owner")
        self.address = server.url(self.name, "owner")
        write_plan(folder / "schedules", item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
        (folder / "message_templates").symlink_to(TEMPLATES)
        self.secret = folder / "var" / "secrets" / "DATABASE_PASSWORD"
        self.secret.parent.mkdir(parents=True)
        self.secret.write_text(PASSWORD)

    def run(self, *arguments: str) -> Done:
        done = self._commands.run(self._folder, *arguments, REMINDER_DATABASE_URL=self.address)
        for part in (PASSWORD, "s3cr3t", "pass%40word"):
            assert part not in done.out + done.err
        return done


@pytest.fixture
def desk(tmp_path: Path, commands: Commands, postgres: Server) -> Iterator[Desk]:
    made = Desk(tmp_path, commands, postgres)
    yield made
    postgres.drop(made.made)
    postgres.execute("DROP ROLE owner")


def test_before_it_every_command_says_that_it_is_missing_and_after_it_they_work(desk: Desk) -> None:
    """Twice is as good as once; nothing of the ledger is in the data folder."""
    before = desk.run("ledger")
    assert before.code == 1
    assert "还没有台账：请先执行 reminder migrate" in before.err
    for _ in range(2):
        done = desk.run("migrate")
        assert (done.code, done.err) == (0, "")
        assert f"/{desk.name} 可用，结构版本" in done.out
    found = json.loads(desk.run("migrate", "--format", "json").out)
    assert found["ledger"].startswith("postgresql://owner@")
    assert desk.run("live", "--by", "机关党委", "--off", "--yes").code == 0
    assert desk.run("ledger").code == 0
    assert f"/{desk.name} 可用，未暂停" in "".join(desk.run("doctor", "--offline").out.split("\n"))
    assert not list(desk.secret.parents[1].glob("ledger*"))


def test_a_wrong_password_a_missing_database_and_a_backup_are_told_in_one_line(desk: Desk) -> None:
    desk.run("migrate")
    backup = desk.run("backup")
    assert (backup.code, backup.err.count("\n")) == (2, 1)
    assert "pg_dump" in backup.err
    desk.secret.write_text("wrong")
    refused = desk.run("ledger")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "拒绝登录" in refused.err
    desk.secret.write_text(PASSWORD)
    desk.address = desk.address.replace(desk.name, "nowhere")
    missing = desk.run("migrate")
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    assert "没有台账所在的数据库" in missing.err


def test_a_file_is_made_by_it_as_well(desk: Desk) -> None:
    desk.address = ""
    done = desk.run("migrate")
    assert done.code == 0
    assert "ledger.sqlite3 可用" in done.out
    assert (desk.secret.parents[1] / "ledger.sqlite3").exists()
