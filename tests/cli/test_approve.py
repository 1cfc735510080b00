"""``reminder approve`` and ``reminder plan adopt``: what a second person and a submitter do and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

import reminder.cli.approving  # noqa: F401  # it registers the commands
from reminder.cli.app import app
from reminder.cli.golive import obstacles
from reminder.clock import SystemClock
from reminder.errors import ReminderError, UsageError
from reminder.ledger.records import Transport
from reminder.settings import Settings
from tests.editions import TEMPLATES
from tests.harness.desk import APPROVED, Desk, festival
from tests.plans import DIRECTORY, at, plan_of, write_plan


class Office:
    """The files of a plan, a desk that works by them, and the command at the desk's time."""

    def __init__(self, folder: Path, desk: Desk) -> None:
        self.schedules, self.data, self.desk = folder / "schedules", folder, desk

    def run(self, *arguments: str) -> str:
        """What the command prints; what it raises comes out."""
        where = ["--schedules", str(self.schedules), "--data", str(self.data), "--templates", str(TEMPLATES)]
        result = CliRunner().invoke(app, [*arguments, *where], catch_exceptions=False)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    def code(self) -> str:
        (waiting,) = self.desk.waiting()
        return waiting.said.code


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The festival message, submitted by the clerk and asked for this morning."""
    write_plan(tmp_path / "schedules", festival())
    with Desk(tmp_path, plan_of(festival())) as desk:
        desk.until("2026-09-22 10:00")
        office = Office(tmp_path, desk)

        def now(_: SystemClock) -> datetime:
            return office.desk.now

        monkeypatch.setattr(SystemClock, "now", now)
        yield office


def test_without_a_code_it_lists_what_waits(office: Office) -> None:
    printed = office.run("approve")
    for text in (
        office.code(),
        "事项f（2026年中秋节）",
        "2026-09-24 09:30",
        "2026-09-22 09:00",
        "办公室主任",
        "机关党委办公室干事",
        "待审批",
    ):
        assert text in printed


def test_programs_read_the_same_as_json(office: Office) -> None:
    (one,) = json.loads(office.run("approve", "--format", "json"))
    assert one["code"] == office.code()
    assert (one["approvers"], one["submitter"], one["state"]) == (["p-office"], "p-clerk", "waiting")
    assert one["alarms"] == ["f/2026/中秋#message"]


def test_show_prints_the_whole_text_and_how_the_others_differ(office: Office) -> None:
    printed = office.run("approve", "--show", office.code())
    (waiting,) = office.desk.waiting()
    assert waiting.said.texts[0].message.text in printed
    assert "除称呼外，文字完全相同" in printed


def test_an_approver_named_by_post_approves_and_both_names_are_said(office: Office) -> None:
    printed = office.run("approve", office.code(), "--by", "办公室主任")
    assert "已批准：事项f（2026年中秋节），将于 2026-09-24 09:30 发出，邮件6人，群“group”" in printed
    assert "审批人：办公室主任；提交人：机关党委办公室干事" in printed
    assert office.run("approve").startswith("没有待审批的内容")
    assert "已批准" in office.run("approve", "--all")


def test_a_second_time_nothing_changes(office: Office) -> None:
    code = office.code()
    office.run("approve", code, "--by", "p-office")
    assert "此前已批准，未作更改" in office.run("approve", code.upper(), "--by", "p-office")
    assert len(office.desk.ledger.facts("test", Transport.LIVE).approvals) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{code}", "--by", "机关党委办公室干事"], "机关党委办公室干事不是“事项f（2026年中秋节）”的审批人"),
        (["{code}", "--by", "某某"], "名册中没有“某某”；可审批的是：办公室主任（p-office）"),
        (["{code}", "--by", "p-office", "--reject"], "退回须写明理由"),
        (["00000000", "--by", "p-office"], "没有审批编号“00000000”；待审批的编号：{code}"),
        (["{code}"], "请用 --by 写明由谁办理"),
        (["{code}", "--show", "{code}"], "审批编号只写一处"),
        (["--reject"], "请写明退回哪一件"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(office: Office, arguments: list[str], text: str) -> None:
    code = office.code()
    with pytest.raises((ReminderError, UsageError)) as refused:
        office.run("approve", *(each.format(code=code) for each in arguments))
    assert text.format(code=code) in str(refused.value)
    assert office.desk.ledger.facts("test", Transport.LIVE).approvals == ()


def test_sent_back_it_says_so(office: Office) -> None:
    printed = office.run("approve", office.code(), "--by", "p-office", "--reject", "--remark", "放假时间有误")
    assert printed.startswith("已退回：事项f（2026年中秋节），不会发出")
    assert "已退回：放假时间有误" in office.run("approve")


def test_the_code_of_a_changed_text_names_the_new_one(office: Office) -> None:
    old = office.code()
    directory = DIRECTORY.replace("name: 理论科联络员", "name: 理论科副科长")
    write_plan(office.schedules, festival(), directory=directory)
    with pytest.raises(ReminderError, match="原审批作废") as refused:
        office.run("approve", old, "--by", "p-office")
    office.desk.reload(plan_of(festival(), directory=directory))
    assert office.code() in str(refused.value)


def test_what_is_to_come_can_be_listed_and_approved_ahead(office: Office) -> None:
    office.desk.now = at("2026-08-20 10:00")
    code = json.loads(office.run("approve", "--ahead", "60", "--format", "json"))[0]["code"]
    assert "已批准" in office.run("approve", code, "--by", "p-office")


def test_whoever_submits_is_recorded_until_a_file_changes(office: Office) -> None:
    printed = office.run("plan", "adopt", "--by", "理论科科长")
    assert "由理论科科长（p-theory）提交" in printed
    last = office.desk.ledger.last_plan("test")
    assert last is not None
    assert last.submitter == "p-theory"
    assert "此前已记明由理论科科长提交，未作更改" in office.run("plan", "adopt", "--by", "p-theory")
    office.desk.reload(plan_of(festival(), directory=DIRECTORY.replace("theory@", "lilun@")))
    changed = office.desk.ledger.last_plan("test")
    assert changed is not None
    assert changed.submitter == ""


def test_a_daemon_that_reads_adopted_files_keeps_who_submitted_them(office: Office) -> None:
    """Adopted before it has read them: its own record is the same plan, and the name stays."""
    office.run("plan", "adopt", "--by", "p-theory")
    office.desk.adopt("files")
    from reminder.check import examine
    from reminder.sweep.accept import accept

    edition = examine(office.schedules, TEMPLATES).edition
    assert edition is not None
    office.run("plan", "adopt", "--by", "p-theory")
    assert accept(office.desk.ledger, edition, "files", office.desk.now) is False
    last = office.desk.ledger.last_plan("test")
    assert last is not None
    assert last.submitter == "p-theory"


@pytest.mark.parametrize("by", ["", "某办公室"])
def test_a_plan_is_adopted_by_somebody_of_the_directory(office: Office, by: str) -> None:
    with pytest.raises(UsageError, match="--by"):
        office.run("plan", "adopt", "--by", by)


def test_the_only_approver_who_submits_is_told_at_once(office: Office) -> None:
    printed = office.run("plan", "adopt", "--by", "p-office")
    assert "“事项f”的审批人只有办公室主任，提交人不能审批自己提交的内容" in printed


def test_going_live_asks_for_somebody_who_can_approve_today(office: Office) -> None:
    """Not that there is an approval, but that nobody holds the post, stands in the way."""
    from reminder.check import examine

    gone = DIRECTORY.replace(
        "- post: 办公室主任\n    person: p-office",
        "- post: 办公室主任\n    person: p-office\n    until: 2026-03-31",
    )
    item = festival(APPROVED.replace("person:p-office", "post:办公室主任"))
    write_plan(office.schedules, item, directory=gone)
    edition = examine(office.schedules, TEMPLATES).edition
    assert edition is not None
    settings = Settings(schedules=office.schedules, data=office.data)
    mark = "而现在没有审批人，到时不能发出：事项f"
    assert any(mark in each for each in obstacles(edition, settings, at("2026-09-22").date()))
    assert not any(mark in each for each in obstacles(edition, settings, at("2026-03-01").date()))
