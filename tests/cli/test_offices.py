"""Commands where there are many offices: each is about one of them, and says so where it is not told which."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

from reminder.ledger.records import LedgerKind
from reminder.offices import OfficeSettingsError, chosen_office, host_of, office_names, settings_of_office
from reminder.settings import Settings
from tests.harness.command import Said, here
from tests.harness.office import EIGHT, items
from tests.harness.offices import Offices, lay_out_office
from tests.harness.postgres import Server, stamp

MAIL = "  via:\n    - mail\n"


@pytest.fixture
def offices(postgres: Server, tmp_path: Path) -> Iterator[Offices]:
    """Two offices; nothing runs."""
    address = postgres.new_database()
    stamp(address, LedgerKind.DAEMON, EIGHT - timedelta(hours=2))
    with Offices(tmp_path, address, {"a": items(1, via=MAIL), "b": items(2, via=MAIL)}) as made:
        yield made
    postgres.drop(address)


def test_a_command_is_about_the_office_it_names(offices: Offices) -> None:
    """By option, in either spelling, before or after the command's own words; or by the variable."""
    for arguments in (("--office", "b"), ("--office=b",)):
        said = offices.command(EIGHT, "agenda", "--from", "2026-06-10", "--to", "2026-06-10", *arguments)
        assert said.code == 0, said
        assert said.out.count("事项n000") == 2
    with mock.patch.dict(os.environ, {"REMINDER_OFFICE": "a"}):
        said = offices.command(EIGHT, "agenda", "--from", "2026-06-10", "--to", "2026-06-10")
        assert said.out.count("事项n000") == 1
    assert offices.command(EIGHT, "check", "--office", "a").code == 0


def test_going_live_and_users_are_the_named_offices_own(offices: Offices) -> None:
    """What is recorded for one stands under its plan alone."""
    by = ("--by", "机关党委办公室", "--yes")
    assert offices.command(EIGHT, "live", "--off", *by, "--office", "a").code == 0
    with offices.ledger() as ledger:
        assert str(ledger.transport("plan-a")) == "outbox"
        assert str(ledger.transport("plan-b")) == "live"
    said = offices.command(EIGHT, "token", "create", "oa", "--by", "p-clerk", "--office", "b")
    assert said.code == 0, said
    with offices.ledger() as ledger:
        assert [each.name for each in ledger.tokens.every("plan-b")] == ["oa"]
        assert ledger.tokens.every("plan-a") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "这里有多个单位，请用 --office 写明是哪一个；可用：a、b"),
        (("--office", "c"), "没有“c”这个单位；可用：a、b"),
        (("--office", "../a"), "没有“../a”这个单位；可用：a、b"),
        (("--office",), "--office 后面缺少单位的名字"),
        (("--office="), "--office 后面缺少单位的名字"),
    ],
)
def test_which_office_is_asked_for_in_one_line(
    offices: Offices, arguments: tuple[str, ...] | str, said: str
) -> None:
    words = (arguments,) if isinstance(arguments, str) else arguments
    found = offices.command(EIGHT, "ledger", *words)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(said)
    assert found.err.count("\n") == 1


def test_offices_want_postgresql(offices: Offices, tmp_path: Path) -> None:
    """On a file a process runs one office."""
    with mock.patch.dict(offices.environment, {"REMINDER_DATABASE_URL": ""}):
        for command in ("run", "worker", "check"):
            found = offices.command(EIGHT, command, "--office", "a")
            assert (found.code, found.out) == (2, "")
            assert "REMINDER_OFFICES 需要 PostgreSQL 台账" in found.err
    without: Said = here(EIGHT, "check", "--office", "a", schedules=tmp_path, data=tmp_path / "data")
    assert without.code == 2
    assert "没有设置单位文件夹" in without.err


def test_where_the_plan_comes_from_is_each_offices_own_word(offices: Offices) -> None:
    with mock.patch.dict(offices.environment, {"REMINDER_PLAN_FROM": "ledger"}):
        found = offices.command(EIGHT, "run")
    assert (found.code, found.out) == (2, "")
    assert "在该单位的 office.env 中写 REMINDER_PLAN_FROM=ledger:计划编号" in found.err


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "withdraw", "--by", "p-clerk"),
        ("plan", "versions"),
        ("ledger",),
        ("channel", "list"),
    ],
    ids=" ".join,
)
def test_an_office_whose_plan_cannot_be_read_is_not_taken_for_the_only_other(
    offices: Offices, command: tuple[str, ...]
) -> None:
    """The ledger and its published plans are all offices': the only one there may be another's."""
    said = offices.command(EIGHT, "plan", "push", "--by", "p-clerk", "--office", "a")
    assert said.code == 0, said
    (offices.folder / "b" / "schedules" / "plan.yaml").write_text("[", "utf-8")
    said = offices.command(EIGHT, *command, "--office", "b")
    assert said.code != 0
    assert "单位“b”的计划" in said.err
    assert said.out == ""
    with offices.ledger() as ledger:
        assert ledger.published.number("plan-a") == 1


def test_an_office_names_the_plan_it_takes_from_the_ledger(offices: Offices) -> None:
    """In its own settings; then its commands need no folder of the plan."""
    for name in "ab":
        said = offices.command(EIGHT, "plan", "push", "--by", "p-clerk", "--office", name)
        assert said.code == 0, said
    with (offices.folder / "b" / "office.env").open("a", encoding="utf-8") as own:
        own.write("REMINDER_PLAN_FROM=ledger:plan-b\n")
    shutil.rmtree(offices.folder / "b" / "schedules")
    said = offices.command(EIGHT, "plan", "withdraw", "--by", "p-clerk", "--office", "b")
    assert said.code == 0, said
    with offices.ledger() as ledger:
        assert (ledger.published.number("plan-a"), ledger.published.number("plan-b")) == (1, 0)


def test_a_folder_that_cannot_be_read_is_named(offices: Offices) -> None:
    with mock.patch.dict(offices.environment, {"REMINDER_OFFICES": "/nowhere"}):
        found = offices.command(EIGHT, "run")
    assert found.code == 1
    assert found.err.startswith("单位文件夹 /nowhere 读不出来")


# -- an office's settings ----------------------------------------------------------


def of(folder: Path, name: str = "a") -> Settings:
    environment = {
        "REMINDER_OFFICES": str(folder),
        "REMINDER_DATABASE_URL": "postgresql://u:secret@/db",
        "REMINDER_DATA": str(folder / "data"),
        "REMINDER_PUBLIC_URL": "https://everybody.example.com",
        "REMINDER_HEARTBEAT_URL": "https://monitor.example.com/key",
    }
    return settings_of_office(Settings.from_environment(environment), name)


def test_an_office_has_its_own_folders_and_the_processs_ledger(tmp_path: Path) -> None:
    lay_out_office(tmp_path, "a", items(1, via=MAIL))
    found = of(tmp_path)
    assert found.schedules == tmp_path / "a" / "schedules"
    assert found.outbox == tmp_path / "data" / "offices" / "a" / "outbox"
    assert found.link_key == tmp_path / "data" / "offices" / "a" / "keys" / "links.key"
    assert found.high_water == tmp_path / "data" / "high-water.json"
    assert found.ledger == "postgresql://u:secret@/db"
    assert "secret" not in found.ledger_shown
    assert host_of(found) == "a.example.com"
    assert found.heartbeat_url is None
    (tmp_path / "a" / "office.env").unlink()
    assert of(tmp_path).public_url is None, "one address cannot be two offices'"


def test_an_offices_secrets_are_those_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the environment's, which are the operator's; and no name leads into another's folder."""
    for name in "ab":
        (tmp_path / name / "secrets").mkdir(parents=True)
        (tmp_path / name / "secrets" / "SMTP_PASSWORD").write_text(f"of {name}\n")
    monkeypatch.setenv("SMTP_PASSWORD", "the operator's")
    monkeypatch.setenv("DATABASE_PASSWORD", "the operator's")
    found = of(tmp_path)
    assert found.secret("SMTP_PASSWORD") == "of a"
    assert found.secret("DATABASE_PASSWORD") is None
    assert found.secret("../../b/secrets/SMTP_PASSWORD") is None
    assert found.secret(str(tmp_path / "b" / "secrets" / "SMTP_PASSWORD")) is None
    assert Settings(secrets=tmp_path / "b" / "secrets").secret("SMTP_PASSWORD") == "the operator's"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "REMINDER_DATABASE_URL=postgresql://x/y",
            "“REMINDER_DATABASE_URL”不是单位自己的设置；可用：REMINDER_PUBLIC_URL",
        ),
        ("网址", "“网址”不是单位自己的设置"),
        ("REMINDER_PUBLIC_URL=http://a.example.com", "未加密"),
        ("REMINDER_PLAN_FROM=ledger", "须写明编号，如 REMINDER_PLAN_FROM=ledger:djw"),
    ],
)
def test_what_an_office_may_not_set_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "office.env").write_text(f"# 本单位的设置\n\n{line}\n", "utf-8")
    with pytest.raises(OfficeSettingsError, match=said) as caught:
        of(tmp_path)
    assert "office.env:3: " in str(caught.value)


def test_hidden_folders_are_no_offices(tmp_path: Path) -> None:
    for name in ("b", "a", ".git", "_old"):
        (tmp_path / name).mkdir()
    (tmp_path / "README").write_text("x")
    assert office_names(tmp_path) == ["a", "b"]
    settings = Settings(offices=tmp_path, office="_old")
    with pytest.raises(Exception, match="没有“_old”这个单位"):
        chosen_office(settings)
