"""What ``agenda`` and ``preview`` show of a chain, and the ledger of its steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reminder.agenda.policy import in_place_of, reason_text
from reminder.cli.planning import app
from tests.editions import TEMPLATES
from tests.plans import CHANNELS, item_yaml, write_plan

APP = """\
  - id: wecom
    kind: wecom_app
    corpid: ww0123456789abcdef
    agentid: 1000002
    secret: WECOM_APP_SECRET
"""
TO = "- from: due\n  workdays: 0\n  to:\n    - person:p-office\n    - person:p-clerk"


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    item = item_yaml("x", "date: 2026-06-10", TO, "via:\n  first: wecom\n  else: mail")
    write_plan(tmp_path / "schedules", item, channels=CHANNELS + APP)
    return ["--schedules", str(tmp_path / "schedules"), "--templates", str(TEMPLATES)]


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_agenda_names_both_channels_and_every_receiver(folders: list[str]) -> None:
    """As a list for programs, with the word for people that says which comes second."""
    span = ["--from", "2026-06-01", "--to", "2026-06-30"]
    (alarm,) = json.loads(told("agenda", *span, *folders, "--format", "json"))
    assert alarm["channels"] == ["wecom", "mail"]
    assert alarm["receivers"] == ["p-office", "p-clerk"]
    assert "wecom（不通则 mail）" in told("agenda", *span, *folders)


def test_a_preview_shows_the_first_channel_and_on_request_the_other(folders: list[str]) -> None:
    """The other as it would come to somebody whom the first does not reach."""
    first = json.loads(told("preview", "x", *folders, "--raw"))
    assert (first["touser"], first["agentid"]) == ("office", 1000002)
    assert "通道：mail    收件人：办公室主任" in told("preview", "x", *folders, "--channel", "mail")
    # Without an address on the first channel, the second is the one that will be used.
    assert "通道：mail    收件人：机关党委办公室干事" in told(
        "preview", "x", *folders, "--receiver", "p-clerk"
    )
    wrong = CliRunner().invoke(app, ["preview", "x", *folders, "--channel", "group"])
    assert "可用：wecom、mail" in str(wrong.exception) + wrong.output


def test_a_step_of_a_chain_is_read_in_chinese() -> None:
    """The ledger keeps a word and a channel; people read which channel was replaced."""
    assert reason_text(in_place_of("wecom")) == "改用备用通道（代替 wecom）"
    assert reason_text("due") == "按计划"
    assert reason_text("something:else") == "something:else"
