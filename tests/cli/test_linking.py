"""``reminder link``: a person's own link, and the note of who made it; ``doctor`` on links."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import reminder.cli.linking  # noqa: F401  # it registers the command
from reminder.cli.app import app
from reminder.cli.linking import NOTE_KIND
from reminder.cli.machine import link_finding
from reminder.errors import ReminderError, UsageError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.links import Scope, open_links
from reminder.settings import Listen, Settings
from tests.editions import ROOT, TEMPLATES
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

URL = "https://djw.example.com/lianjie"


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan, and the public URL set."""
    write_plan(tmp_path / "schedules", item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
    directory = tmp_path / "schedules" / "directory.yaml"
    left = "  - id: p-left\n    name: 前任科长\n    until: 2026-01-31\n"
    directory.write_text(directory.read_text().replace("holdings:\n", left + "holdings:\n", 1))
    monkeypatch.setenv("REMINDER_PUBLIC_URL", URL)
    return tmp_path


def link(folder: Path, *words: str) -> str:
    """What the command prints; raises what it ends with."""
    where = ["--schedules", str(folder / "schedules"), "--data", str(folder / "var")]
    result = CliRunner().invoke(
        app, ["link", *words, *where, "--templates", str(TEMPLATES)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_a_liaison_s_link_opens_everything_they_may_record_until_its_last_day(office: Path) -> None:
    printed = link(office, "--person", "理论科联络员", "--by", "机关党委办公室", "--days", "7")
    url, said = printed.splitlines()
    today = datetime.now(UTC).astimezone().date()
    grant = open_links(office / "var" / "keys" / "links.key", "test").read(
        url.removeprefix(f"{URL}/d/"), today
    )
    assert grant is not None
    assert grant.scope is Scope.PERSON
    assert grant.is_for("p-liaison")
    assert timedelta(days=6) <= grant.last_day - today <= timedelta(days=8)
    assert f"理论科联络员（p-liaison）的登记链接，有效至 {grant.last_day}" in said


@pytest.mark.parametrize("named", ["p-liaison", "理论科联络员"])
def test_the_ledger_says_for_whom_and_by_whom_and_holds_no_token(office: Path, named: str) -> None:
    printed = json.loads(link(office, "--person", named, "--by", "p-clerk", "--format", "json"))
    assert printed["person"] == "p-liaison"
    with Ledger.open(
        office / "var" / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=datetime.now(UTC)
    ) as ledger:
        (note,) = ledger.notes("test", NOTE_KIND)
    assert (note.author, note.detail) == ("p-clerk", {"person": "p-liaison", "until": printed["until"]})
    token = printed["url"].rpartition("/")[2].encode()
    for file in (office / "var").rglob("*"):
        assert not file.is_file() or token not in file.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--person", "理论科联络", "--by", "x"), "理论科联络员"),
        (("--person", "谁", "--by", "x"), "名册中没有“谁”"),
        (("--person", "p-left", "--by", "x"), "目前不在名册之内"),
        (("--person", "p-clerk", "--by", " "), "--by"),
    ],
)
def test_a_link_for_nobody_is_refused_and_nothing_is_written(
    office: Path, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ReminderError, match=said):
        link(office, *words)
    assert not (office / "var").exists()


def test_without_a_public_url_there_is_nowhere_to_lead(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMINDER_PUBLIC_URL")
    with pytest.raises(UsageError, match="REMINDER_PUBLIC_URL"):
        link(office, "--person", "p-clerk", "--by", "x")


def test_doctor_says_how_links_stand(tmp_path: Path) -> None:
    bare = Settings(data=tmp_path)
    assert "消息不带链接" in link_finding(bare).found
    served = Settings(data=tmp_path, public_url=URL, listen=Listen("127.0.0.1", 8750))
    assert link_finding(served).state == "good"
    open_links(served.link_key, "test")
    assert link_finding(served).found == f"{URL}，页面在 127.0.0.1:8750"
    served.link_key.chmod(0o644)
    finding = link_finding(served)
    assert (finding.state, finding.remedy) == ("warn", f"chmod 600 {served.link_key}")


def test_nothing_of_the_page_is_loaded_where_it_is_not_served() -> None:
    """It would cost every office twelve megabytes."""
    code = (
        "import sys; import reminder.cli.running, reminder.cli.wiring, reminder.daemon;"
        "print(sorted({'fastapi', 'uvicorn', 'starlette', 'jinja2', 'reminder.web.app'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"
