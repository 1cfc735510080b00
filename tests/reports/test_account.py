"""The account of a span: what it says, what it must not say, and that nobody changes it unnoticed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from docx import Document
from openpyxl import load_workbook

from reminder.agenda.facts import DutyAction, Way
from reminder.cli.reporting import account_of
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.plan.model import Plan
from reminder.recording.recorder import Actor, Entry, Recorder
from reminder.reports.account import Account, Table
from reminder.reports.document import write_document
from reminder.reports.seal import LABEL, seal_of
from reminder.reports.workbook import ReportDamaged, verify_workbook, write_workbook
from reminder.simulate import play
from tests.editions import edition_of, remembering
from tests.plans import at, day, item_yaml, plan_of

REPORT = item_yaml(
    "report",
    "every: month",
    "- from: due\n  workdays:\n    - -1\n    - 0\n  to: owing",
    "duty:\n  each: unit\n  of:\n    - role:责任单位",
)
TALK = item_yaml(
    "talk",
    "every: half-year",
    "- from: due\n  workdays: 0\n  to: owing",
    "private: true\nduty:\n  each: pair\n  of: supervision",
)
FEAST = item_yaml(
    "feast", "festivals:\n  - 端午", "- from: break\n  workdays: -1\n  to: everyone", "alone: true"
)
ADMIN = Actor("p-clerk", Way.COMMAND)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.SIMULATION, now=at("2026-06-01"))
    yield opened
    opened.close()


def the_account(ledger: Ledger, plan: Plan | None = None) -> Account:
    """June 2026 of a small office: one report early, returned and late; one never; one talk of two held."""
    plan = plan or plan_of(REPORT, TALK, FEAST)
    edition = edition_of(plan)
    recorder = Recorder(ledger, edition)

    def record(
        action: str, occurrence: str, cell: str, now: str, on: str | None = None, note: str = ""
    ) -> None:
        entry = Entry(occurrence, cell, DutyAction(action), day(on) if on else None, note)
        recorder.record(ADMIN, entry, at(now))

    channels = remembering()
    play(edition, ledger, channels, at("2026-06-01"), at("2026-06-20"))
    record("done", "report/2026-06", "理论科", "2026-06-20 10:00", "2026-06-20", "已收到")
    record("return", "report/2026-06", "理论科", "2026-06-22 10:00", note="=HYPERLINK(1)")
    record("done", "talk/2026H1", "理论科科长", "2026-06-23 10:00", "2026-06-23")
    play(edition, ledger, channels, at("2026-06-20"), at("2026-07-01"))
    record("done", "report/2026-06", "理论科", "2026-07-02 10:00", "2026-07-02")
    transport = Transport.OUTBOX
    return account_of(ledger, edition, transport, at("2026-06-01"), at("2026-07-01"), at("2026-07-03 08:00"))


def table(account: Account, title: str) -> Table:
    (found,) = (each for each in account.tables if each.title.startswith(title))
    return found


def test_each_clause_has_its_numbers(ledger: Ledger) -> None:
    by_clause = table(the_account(ledger), "按条款汇总")
    rows = {row[2]: dict(zip(by_clause.columns, row, strict=True)) for row in by_clause.rows}
    report = rows["事项report"]
    assert [report[each] for each in ("应办", "按期办结", "迟办结", "过期未结", "退回次数")] == [
        "2",
        "0",
        "1",
        "1",
        "1",
    ]
    assert report["已接收提醒"] == "4"
    talk = rows["事项talk"]
    assert [talk[each] for each in ("非公开", "应办", "按期办结", "过期未结")] == ["是", "2", "1", "1"]


def test_each_unit_stands_in_roster_order_with_what_became_of_it(ledger: Ledger) -> None:
    units = table(the_account(ledger), "各单位办理情况")
    assert [row[3:] for row in units.rows] == [
        ("办公室", "2026-06-30", "未办结（已过截止）", "", "", ""),
        ("理论科", "2026-06-30", "已办结（迟2天）", "2026-07-02", "机关党委办公室干事", "退回1次"),
    ]


def test_a_festival_message_is_accounted_for_person_by_person(ledger: Ledger) -> None:
    feast = table(the_account(ledger), "事项feast：逐人情况")
    assert feast.columns == ("人员", "2026年端午节")
    assert [row[1] for row in feast.rows] == ["服务器已接收"] * 6


def test_private_items_are_numbers_and_nobodys_name_or_date(ledger: Ledger) -> None:
    account = the_account(ledger)
    private = table(account, "非公开事项统计")
    assert private.rows == (("二（一）1", "事项talk", "2026年上半年", "2", "1", "0", "1"),)
    for each in account.tables:
        for row in each.rows:
            if "事项talk" in row:
                assert not any("科长" in text or "主任" in text or "2026-06-23" in text for text in row), row


def test_what_was_not_sent_stands_there_with_its_reason(ledger: Ledger) -> None:
    plan = plan_of(
        REPORT.replace("title: 事项report", "title: 事项report").replace("to: owing", "to: escalation"), FEAST
    )
    edition = edition_of(plan)
    for unit in ("理论科", "办公室"):
        Recorder(ledger, edition).record(
            ADMIN, Entry("report/2026-06", unit, DutyAction.DONE, day("2026-06-02")), at("2026-06-02 10:00")
        )
    play(edition, ledger, remembering(), at("2026-06-01"), at("2026-07-01"))
    account = account_of(
        ledger, edition, Transport.OUTBOX, at("2026-06-01"), at("2026-07-01"), at("2026-07-01")
    )
    rows = table(account, "未发出的提醒及原因").rows
    assert {row[-1] for row in rows if row[1] == "事项report"} == {"不发送：已全部办结"}


def test_a_rehearsal_says_that_it_proves_nothing(ledger: Ledger) -> None:
    assert ("性质", "试运行，仅供核对，不作为发送凭证") in the_account(ledger).facts


def test_a_workbook_carries_its_seal_and_no_formula(ledger: Ledger, tmp_path: Path) -> None:
    """What a person typed is text, also when it begins like a formula."""
    account = the_account(ledger)
    note = "=HYPERLINK(1)"
    shown = Table("各单位办理情况", ("说明",), ((note,), ("+1",), ("@SUM(A1)",)))
    account = Account(account.title, account.facts, account.summary, (*account.tables, shown))
    path = tmp_path / "台账.xlsx"
    assert write_workbook(account, path) == seal_of(account)
    assert verify_workbook(path) == (seal_of(account), True)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert not any("vba" in name.lower() or "externalLink" in name for name in names)
        assert not any(b"<f>" in archive.read(name) for name in names if name.startswith("xl/worksheets/"))
    book = load_workbook(path)
    assert all(sheet.page_setup.paperSize == 9 for sheet in book.worksheets)
    assert book.worksheets[-1].cell(4, 1).value == note


@pytest.mark.parametrize("place", ["table", "cover", "row"])
def test_a_changed_cell_is_found(ledger: Ledger, tmp_path: Path, place: str) -> None:
    path = tmp_path / "台账.xlsx"
    write_workbook(the_account(ledger), path)
    book = load_workbook(path)
    if place == "table":
        book.worksheets[1].cell(4, 7).value = "9"
    elif place == "cover":
        book.worksheets[0].cell(4, 2).value = "2025-01-01 至 2026-12-31"
    else:
        book.worksheets[2].delete_rows(5)
    book.save(path)
    assert verify_workbook(path)[1] is False


def test_what_is_no_report_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "别的.xlsx"
    for content in (b"", b"PK\x03\x04 broken", b"text"):
        path.write_bytes(content)
        with pytest.raises(ReportDamaged, match="不是本程序生成的台账表格"):
            verify_workbook(path)


def test_the_page_names_the_seal_of_the_workbook(ledger: Ledger, tmp_path: Path) -> None:
    account = the_account(ledger)
    path = tmp_path / "台账.docx"
    seal = write_document(account, path)
    document = Document(str(path))
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert texts[0] == account.title
    assert f"{LABEL}：{seal}" in texts
    assert len(document.tables[0].rows) == 1 + len([row for row in account.tables[0].rows if row[4] != "0"])
    section = document.sections[0]
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)


def test_an_account_is_the_same_whenever_it_is_made_of_the_same(ledger: Ledger) -> None:
    first = the_account(ledger)
    edition = edition_of(plan_of(REPORT, TALK, FEAST))
    again = account_of(
        ledger, edition, Transport.OUTBOX, at("2026-06-01"), at("2026-07-01"), at("2026-07-03 08:00")
    )
    assert seal_of(first) == seal_of(again)
    later = account_of(
        ledger,
        edition,
        Transport.OUTBOX,
        at("2026-06-01"),
        at("2026-07-01"),
        at("2026-07-03 08:00") + timedelta(days=1),
    )
    assert seal_of(first) != seal_of(later)
