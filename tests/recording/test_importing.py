"""Duties done from a table: CSV as offices save it, XLSX as office programs write it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from reminder.agenda.facts import Way
from reminder.errors import PlanProblems, ReminderError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.recording import sheets
from reminder.recording.importing import Examined, examine_table, record_table
from reminder.recording.recorder import Actor, Recorder, Refused
from tests.editions import edition_of
from tests.plans import at, item_yaml, plan_of

NOW = at("2026-06-20 10:00")
ACTOR = Actor("p-clerk", Way.IMPORT)
RUNG = "- from: due\n  workdays: 0\n  to: owing"
UNITS = "duty:\n  each: unit\n  of:\n    - role:责任单位"
HEAD = ("事项", "期次", "承担者", "办结日期", "备注")
ROW = ("report", "report/2026Q2", "理论科", "2026-06-18", "已收到")


class Desk:
    """A recorder over an empty ledger, and files to be read."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder, self.ledger = folder, ledger
        items = (
            item_yaml("report", "every: quarter", RUNG, UNITS),
            item_yaml("service", "every: month", RUNG, UNITS),
            item_yaml(
                "talk", "every: half-year", RUNG, "private: true\nduty:\n  each: pair\n  of: supervision"
            ),
            item_yaml("plain", "date: 2026-06-10", RUNG.replace("owing", "everyone")),
        )
        self.recorder = Recorder(ledger, edition_of(plan_of(*items)))

    def csv(
        self, *rows: Sequence[str], encoding: str = "utf-8", delimiter: str = ",", head: Sequence[str] = HEAD
    ) -> Path:
        path = self.folder / "登记.csv"
        path.write_bytes("".join(delimiter.join(row) + "\r\n" for row in (head, *rows)).encode(encoding))
        return path

    def xlsx(self, *rows: Sequence[Any], head: Sequence[str] = HEAD) -> Path:
        path = self.folder / "登记.xlsx"
        book = Workbook()
        for row in (head, *rows):
            book.active.append(row)
        book.save(path)
        return path

    def examine(self, path: Path) -> Examined:
        return examine_table(path, self.recorder, ACTOR, NOW)

    def faults(self, path: Path) -> list[str]:
        with pytest.raises(PlanProblems) as found:
            self.examine(path)
        assert self.duties == {}
        return [str(problem) for problem in found.value.problems]

    def days(self, path: Path) -> list[date | None]:
        return [each.entry.on for each in self.examine(path).planned]

    @property
    def duties(self) -> Any:
        return self.ledger.facts("test", Transport.OUTBOX).duties


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Ledger.open(tmp_path / "l.sqlite3", kind=LedgerKind.DAEMON, now=at("2026-01-01")) as ledger:
        yield Desk(tmp_path, ledger)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_table_is_read_as_whatever_program_saved_it(desk: Desk, encoding: str, delimiter: str) -> None:
    """𬭚, which GBK lacks, is in GB18030 and in Unicode."""
    note = "已收到" if encoding == "gbk" else "已收到𬭚"
    (planned,) = desk.examine(desk.csv((*ROW[:4], note), encoding=encoding, delimiter=delimiter)).planned
    assert (planned.row.standing.cell.id, planned.entry.on, planned.entry.note) == (
        "理论科",
        date(2026, 6, 18),
        note,
    )


@pytest.mark.parametrize(
    "written",
    [
        "2026-06-18", "2026/6/18", "2026.6.18", "2026年6月18日", "2026 年 6 月 18 日", "20260618", "2026-06-18 00:00:00",
        "2026／6／18", "46191",
    ],
)  # fmt: skip
def test_a_date_may_be_written_as_people_and_programs_write_it(desk: Desk, written: str) -> None:
    assert desk.days(desk.csv((*ROW[:3], written, ""))) == [date(2026, 6, 18)]


@pytest.mark.parametrize("value", [date(2026, 6, 18), datetime(2026, 6, 18, 15, 30), 46191, "2026-6-18"])
def test_a_workbook_may_hold_a_date_in_any_form(desk: Desk, value: Any) -> None:
    assert desk.days(desk.xlsx((*ROW[:3], value, None))) == [date(2026, 6, 18)]


@pytest.mark.parametrize(
    ("item", "occurrence"),
    [
        ("", "report/2026Q2"), ("report", "2026Q2"), ("事项report", "2026年第二季度"), ("事项report", "report/2026Q2"),
        ("report", "事项report（2026年第二季度）"), ("二(一)1", "2026Q2"),
    ],
)  # fmt: skip
def test_an_occurrence_may_be_named_in_several_ways(desk: Desk, item: str, occurrence: str) -> None:
    """The clause is shared by all items here; only one of them has quarters."""
    (planned,) = desk.examine(desk.csv((item, occurrence, *ROW[2:]))).planned
    assert planned.row.occurrence.id == "report/2026Q2"


def test_every_fault_is_told_at_once_with_its_place_and_nothing_is_recorded(desk: Desk) -> None:
    path = desk.csv(
        ROW,
        ("report", "2026Q2", "理伦科", "2026-06-18", ""),
        ("reprot", "2026Q2", "办公室", "2026-06-18", ""),
        ("report", "2026Q3", "办公室", "6月18日", ""),
        ("", "", "", "2026-02-30", ""),
        ("talk", "2026H1", "理论科", "2026-06-18", "谈了一小时"),
        ("report", "2026Q2", "办公室", "", "在写"),
        ("report", "2026Q2", "办公室", "2026-06-21", ""),
        ("plain", "2026-06-10", "办公室", "2026-06-10", ""),
        ("report", "2026Q2", "理论科", "2026-06-17", ""),
        ("talk", "report/2026Q2", "办公室", "2026-06-18", ""),
        ("", "2026Q2", "办公室", "2026-06-18", ""),
    )
    assert desk.faults(path) == [
        "登记.csv:3:3: 承担者: report/2026Q2 没有承担者“理伦科”；可用：办公室、理论科；是否想写“理论科”？",
        "登记.csv:4:1: 事项: 没有要办结的事项“reprot”；可写事项编号、标题或条款，如 quarterly-report、活动开展情况报送、三（三）；是否想写“report”？",
        "登记.csv:5:2: 期次: “report”没有已开始的期次“2026Q3”；可用：report/2026Q1、report/2026Q2",
        "登记.csv:5:4: 办结日期: “6月18日”不是日期；日期写作 2026-06-30、2026/6/30 或 2026年6月30日；请写明年份",
        "登记.csv:6:2: 期次: 没有写期次；期次写作 quarterly-report/2026Q3，或 2026Q3、2026年第三季度",
        "登记.csv:6:3: 承担者: 没有写承担者；写单位、姓名或职务；谈话写“领导/科室负责人”",
        "登记.csv:6:4: 办结日期: 没有“2026-02-30”这一天；日期写作 2026-06-30、2026/6/30 或 2026年6月30日",
        "登记.csv:7:5: 备注: “事项talk”是非公开事项，只登记日期，不登记任何说明",
        "登记.csv:8:4: 办结日期: 有备注而没有办结日期；日期写作 2026-06-30、2026/6/30 或 2026年6月30日；尚未办结的，请删去备注",
        "登记.csv:9:4: 办结日期: 办结日期 2026-06-21 还没有到：今天是 2026-06-20；尚未办的请用登记安排",
        "登记.csv:10:1: 事项: 没有要办结的事项“plain”；可写事项编号、标题或条款，如 quarterly-report、活动开展情况报送、三（三）",
        "登记.csv:11:3: 承担者: 与第 2 行重复：同一期次、同一承担者只写一行",
        "登记.csv:12:1: 事项: “talk”与期次“report/2026Q2”不是同一事项；该期次属于“事项report”",
        "登记.csv:13:1: 事项: 没有写事项，期次也没有写全；写出事项，或把期次写全，如 quarterly-report/2026Q3",
    ]


def test_a_row_without_a_date_says_nothing_yet_and_columns_nobody_reads_are_named(desk: Desk) -> None:
    head = ("序号", *HEAD, "联系电话", "截止日期")
    found = desk.examine(desk.xlsx((1, *ROW[:3], None, None, "123", "x"), (2, *ROW, "456", "y"), head=head))
    assert (len(found.planned), found.blank, found.ignored) == (1, 1, ("序号", "联系电话"))
    assert found.planned[0].line.number == 3


def test_a_title_may_stand_above_the_head_and_empty_rows_between(desk: Desk) -> None:
    path = desk.xlsx((), HEAD, (), ROW, head=("2026年办结登记",))
    assert [each.line.number for each in desk.examine(path).planned] == [5]


def test_the_value_of_a_formula_counts_and_one_never_worked_out_is_a_fault(desk: Desk) -> None:
    path = desk.xlsx((*ROW[:3], "=DATE(2026,6,18)", ""), (*ROW[:2], "办公室", "=NOW()", ""))
    assert desk.faults(path) == [
        "登记.xlsx:2:4: 办结日期: “=DATE(2026,6,18)”没有算出结果；请在办公软件中打开并保存，或改为直接填写",
        "登记.xlsx:3:4: 办结日期: “=NOW()”没有算出结果；请在办公软件中打开并保存，或改为直接填写",
    ]
    worked_out = _with_results(path, {"D2": "46191", "D3": "46190"})
    assert desk.days(worked_out) == [date(2026, 6, 18), date(2026, 6, 17)]


def _with_results(path: Path, values: dict[str, str]) -> Path:
    """As an office program saves it: the value beside each formula."""
    target = path.with_name("算出.xlsx")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as out:
        for info in source.infolist():
            data = source.read(info).decode()
            for cell, value in values.items():
                start = data.find(f'<c r="{cell}"')
                if start >= 0:
                    end = data.index("</c>", start)
                    body = data[start:end].replace("<v></v>", "").replace("<v />", "").replace("<v/>", "")
                    data = f"{data[:start]}{body}<v>{value}</v>{data[end:]}"
            out.writestr(info, data)
    return target


def test_an_error_value_is_a_fault(desk: Desk) -> None:
    assert desk.faults(desk.xlsx((*ROW[:2], "#N/A", *ROW[3:]))) == [
        "登记.xlsx:2:3: 承担者: “#N/A”没有算出结果；请在办公软件中打开并保存，或改为直接填写"
    ]


def test_a_column_that_is_missing_is_named(desk: Desk) -> None:
    (fault,) = desk.faults(desk.csv(head=("事项", "期次", "单位", "日期")))
    assert fault == (
        "登记.csv:1:1: 没有“办结日期”这一列；第一行写列名：事项、期次、承担者、办结日期、备注；"
        "可用 reminder duties import --template 文件名 生成表样"
    )


OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600
NO_TABLE = {
    "nothing": (b" \r\n", "是空的"),
    "old or encrypted": (OLD_EXCEL, "设有打开密码，或是旧式的 .xls、.et 文件"),
    "broken archive": (b"PK\x03\x04" + b"x" * 600, "不是完好的 .xlsx 文件"),
    "no text": (bytes(range(128, 256)) * 9, "不是文字表格"),
    "a quote left open": ('事项,期次,承担者,办结日期\n"a,b,c\n'.encode(), "第 2 行的引号没有配对"),
    "too large": (b"x" * (sheets.LARGEST + 1), "最大 5 MB"),
    "too long": ("事项,期次,承担者,办结日期\n".encode() + b"a,b,c,d\n" * 6000, "超过 5000 行"),
}


@pytest.mark.parametrize("case", NO_TABLE)
def test_what_is_no_table_is_refused_with_what_to_do(desk: Desk, tmp_path: Path, case: str) -> None:
    data, words = NO_TABLE[case]
    path = tmp_path / "登记.xlsx"
    path.write_bytes(data)
    with pytest.raises(ReminderError, match=words):
        desk.examine(path)


def test_an_archive_that_unpacks_to_a_mountain_is_not_unpacked(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "登记.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (sheets.LARGEST_UNPACKED + 1))
    with pytest.raises(ReminderError, match="没有读取"):
        desk.examine(path)


def test_a_file_that_is_not_there_is_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ReminderError, match="没有这个文件或文件夹"):
        desk.examine(tmp_path / "none.csv")


def test_all_rows_are_recorded_in_one_transaction(desk: Desk) -> None:
    """And a second time nothing changes."""
    examined = desk.examine(desk.csv(ROW, ("service", "2026-05", "办公室", "2026-05-20", "")))
    found = record_table(examined, desk.recorder, ACTOR, NOW)
    assert [recorded.effect.value for _, recorded in found] == ["recorded", "recorded"]
    again = record_table(examined, desk.recorder, ACTOR, NOW)
    assert [recorded.effect.value for _, recorded in again] == ["already", "already"]
    (event,) = desk.duties["report/2026Q2", "理论科"]
    assert (event.on, event.note, event.by, event.way) == (date(2026, 6, 18), "已收到", "p-clerk", Way.IMPORT)


def test_a_plan_that_changed_meanwhile_records_nothing(desk: Desk) -> None:
    examined = desk.examine(desk.csv(ROW, ("service", "2026-05", "办公室", "2026-05-20", "")))
    smaller = Recorder(desk.ledger, edition_of(plan_of(item_yaml("report", "every: quarter", RUNG, UNITS))))
    with pytest.raises(Refused, match="没有“service/2026-05”"):
        record_table(examined, smaller, ACTOR, NOW)
    assert desk.duties == {}
