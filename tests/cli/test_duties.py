"""Duties from the command line: what each command says and does, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from tests.harness.command import Said, command, here
from tests.plans import DIRECTORY, at, item_yaml, write_plan

NOW = at("2026-06-20 10:00")
RUNG = "- from: due\n  workdays: 0\n  to: owing"
REPORT = item_yaml("report", "every: quarter", RUNG, "duty:\n  each: unit\n  of:\n    - role:责任单位")
TALK = item_yaml("talk", "every: half-year", RUNG, "private: true\nduty:\n  each: pair\n  of: supervision")
IN_CHARGE = "  in_charge:\n    - person:p-clerk\n"
BY = ("--by", "机关党委办公室")


class Desk:
    """A plan, an empty ledger and the command."""

    def __init__(self, folder: Path) -> None:
        self.schedules, self.data = folder / "schedules", folder / "var"
        self.write()
        self.data.mkdir()
        with self.ledger():
            pass

    def write(self, directory: str = DIRECTORY) -> None:
        write_plan(self.schedules, REPORT, TALK, head=IN_CHARGE, directory=directory)

    def ledger(self) -> Ledger:
        return Ledger.open(self.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW)

    def run(self, *arguments: str, now: datetime = NOW) -> Said:
        return here(now, *arguments, schedules=self.schedules, data=self.data)

    def does(self, *arguments: str) -> str:
        said = self.run(*arguments)
        assert (said.code, said.err) == (0, "")
        return said.text

    def refuses(self, *arguments: str, code: int = 1) -> str:
        """Its words; nothing must have changed."""
        before = self.number()
        said = self.run(*arguments)
        assert (said.code, said.out) == (code, ""), said
        assert self.number() == before
        return said.err.strip()

    def number(self) -> int:
        with self.ledger() as ledger:
            return ledger.facts_number("test")

    def recorded(self) -> list[tuple[Any, ...]]:
        with self.ledger() as ledger:
            duties = ledger.facts("test", Transport.OUTBOX).duties
        return [
            (occurrence, cell, str(each.action), str(each.on or ""), each.note, each.by, str(each.way))
            for (occurrence, cell), events in duties.items()
            for each in events
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_duty_from_arranged_to_done_returned_and_taken_back(desk: Desk) -> None:
    report = "事项report（2026年第二季度）“理论科”"
    assert desk.does("book", "report/2026Q2", "理论科", "--on", "2026-06-25", *BY) == (
        f"已登记安排：{report}，拟 2026-06-25。登记人：机关党委办公室。"
    )
    assert desk.does("done", "report/2026Q2", "理论", "--on", "2026-06-18", "--note", "已收到", *BY) == (
        f"已登记办结：{report}，2026-06-18。登记人：机关党委办公室。此后不再提醒。"
    )
    assert desk.does("done", "report/2026Q2", "理论科", "--on", "2026-06-19", "--by", "p-clerk") == (
        f"没有变化：{report}此前已是“已办结” 2026-06-18，机关党委办公室（命令行，2026-06-20）。\n"
        "要把办结日期改为 2026-06-19，请先 reminder reopen 撤销，再登记。"
    )
    assert "恢复为待办" in desk.does("return", "report/2026Q2", "理论科", "--reason", "缺附件", *BY)
    assert "此后不再提醒" in desk.does("waive", "report/2026Q2", "理论科", "--reason", "合并报送", *BY)
    assert "恢复为待办" in desk.does("reopen", "report/2026Q2", "理论科", "--reason", "仍须报送", *BY)
    who = ("机关党委办公室", "command")
    cell = ("report/2026Q2", "理论科")
    assert desk.recorded() == [
        (*cell, "book", "2026-06-25", "", *who),
        (*cell, "done", "2026-06-18", "已收到", *who),
        (*cell, "return", "", "缺附件", *who),
        (*cell, "waive", "", "合并报送", *who),
        (*cell, "reopen", "", "仍须报送", *who),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("done", "report/2026Q2", "理伦科", *BY), 1, "没有承担者“理伦科”；可用：办公室、理论科；是否想写“理论科”？"),
        (("done", "report/2026Q2", "理论科"), 2, "请用 --by 写明由谁办理"),
        (("done", "report/2026Q2", "理论科", "--on", "2026-02-30", *BY), 2, "--on 的值“2026-02-30”不是日期"),
        (("done", "report/2026Q2"), 2, "缺少 CELL"),
        (("book", "report/2026Q2", "理论科", "--on", "2026-06-19", *BY), 1, "安排在 2026-06-19 不行：可选 2026-06-20 至"),
        (("return", "report/2026Q2", "理论科", *BY), 1, "退回须写明理由（命令行用 --reason）；没有登记"),
        (("waive", "report/2026Q9", "理论科", "--reason", "x", *BY), 1, "没有期次“report/2026Q9”；可用：report/2026Q2、report/2026Q1"),
        (("reopen", "talk/2026H1", "理论科", "--reason", "x", *BY), 1, "只登记日期，不登记任何说明"),
        (("snooze", "report/2026Q2", "--person", "理论科联络员", "--until", "2027-01-01", *BY), 1, "可选 2026-06-21 至 2026-06-30"),
        (("snooze", "report/2026Q2", "--person", "文艺科联络员", "--until", "2026-06-25", *BY), 2, "在名册中没有；是否想写“理论科联络员”？"),
        (("silence", "add", "--item", "reports", "--until", "2026-06-30", "--reason", "x", *BY), 1, "没有事项“reports”；是否想写“report”？"),
        (("silence", "add", "--until", "2026-06-30", "--reason", "x", *BY), 2, "只写一种：--item"),
        (("silence", "add", "--item", "report", "--until", "2026-06-30", *BY), 1, "静默须写明理由"),
        (("silence", "end", "S7", *BY), 1, "没有编号为“S7”的静默；现行的：（无）"),
        (("duties", "--unit", "理论"), 2, "没有单位“理论”；可用：办公室、理论科、第一党支部；是否想写“理论科”？"),
        (("duties", "--item", "reprot"), 2, "是否想写“report”？"),
        (("duties", "import"), 2, "请写要登记的文件名"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_what_can_and_nothing_changes(
    desk: Desk, arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert words in desk.refuses(*arguments, code=code)


def test_who_still_owes_what(desk: Desk) -> None:
    """Words, no colours; names of a private item only for the obligor and the one in charge."""
    desk.does("done", "report/2026Q2", "理论科", "--on", "2026-06-18", "--by", "机关党委办公室干事")
    desk.does("return", "report/2026Q2", "理论科", "--reason", "缺附件", *BY)
    desk.does("done", "talk/2026H1", "理论科", "--on", "2026-06-18", "--by", "p-clerk")
    shown = desk.does("duties")
    assert "事项report report/2026Q1 办公室 未办结（已过截止日期） 2026-03-31" in shown
    assert "report/2026Q2 理论科 已退回：缺附件 2026-06-30 机关党委办公室（命令行，2026-06-20）" in shown
    assert "事项talk talk/2026H1 未办结 1、已办结 1" in shown
    assert "与理论科科长" not in shown
    assert shown.endswith(
        "合计 6 项：未办结 4、已办结 1、已退回 1；其中已过截止日期 2。\n"
        "只列出截止日期在 2026-03-20 及以后的；更早的用 --from，全部未办结的用 --open。"
    )
    for viewer in ("分管副部长", "p-clerk"):
        named = desk.does("duties", "--item", "talk", "--by", viewer)
        assert "分管副部长与理论科科长 已办结 2026-06-30 2026-06-18 机关党委办公室干事" in named
    assert "分管副部长与" not in desk.does("duties", "--item", "talk", "--by", "理论科科长")
    rows = json.loads(desk.run("duties", "--open", "--format", "json").out)
    assert [(row["occurrence"], row.get("cell"), row.get("state"), row["overdue"]) for row in rows] == [
        ("report/2026Q1", "办公室", "open", True),
        ("report/2026Q1", "理论科", "open", True),
        ("report/2026Q2", "办公室", "open", False),
        ("report/2026Q2", "理论科", "returned", False),
        ("talk/2026H1", None, None, 0),
    ]
    assert rows[-1]["count"] == 1
    overdue = json.loads(desk.run("duties", "--overdue", "--person", "办公室主任", "--format", "json").out)
    assert [(row["occurrence"], row["cell"]) for row in overdue] == [("report/2026Q1", "办公室")]
    assert desk.does("duties", "--unit", "第一党支部") == "没有符合条件的事项。"


def test_a_rotation_is_seen_before_it_takes_effect(desk: Desk) -> None:
    assert "没有因名册变动而交接的事项" in desk.does("duties", "transfers")
    desk.does("done", "talk/2026H1", "理论科", "--on", "2026-06-18", "--by", "p-clerk")
    desk.write(
        DIRECTORY.replace(
            "  - post: 理论科科长\n    person: p-theory\n",
            "  - post: 理论科科长\n    person: p-theory\n    until: 2026-06-24\n"
            "  - post: 理论科科长\n    person: p-clerk\n    from: 2026-06-25\n",
        )
    )
    shown = desk.does("duties", "transfers", "--ahead", "30")
    assert "2026-06-25 事项talk talk/2026H1 不再承担 分管副部长与理论科科长\n" in shown
    # Twenty working days from the day itself.
    assert "2026-06-25 事项talk talk/2026H1 开始承担 分管副部长与机关党委办公室干事 2026-07-23" in shown
    after = at("2026-06-26 09:00")
    refused = desk.run("done", "talk/2026H1", "p-leader/p-theory", *BY, now=after)
    assert refused.code == 1
    assert "已于 2026-06-25 因名册调整关闭，原有记录保留；现由“分管副部长与机关党委办公室干事”" in refused.err
    kept = desk.run("duties", "--item", "talk", "--by", "p-clerk", now=after)
    assert "分管副部长与理论科科长 已办结（职责已因名册调整关闭） 2026-06-18" in kept.text


def test_a_snooze_and_a_silence_are_set_and_ended(desk: Desk) -> None:
    assert desk.does(
        "snooze", "report/2026Q2", "--person", "理论科联络员", "--until", "2026-06-25", *BY
    ).startswith("已暂缓：理论科联络员在 report/2026Q2 的提醒推迟到 2026-06-25 早上")
    assert desk.does("silence", "list") == "没有现行的静默。"
    made = desk.does(
        "silence", "add", "--person", "理论科科长", "--until", "2026-06-30", "--reason", "住院", *BY
    )
    assert made.startswith("已设静默 S1：人员“理论科科长”，至 2026-06-30（含当日）。")
    again = ("silence", "add", "--person", "p-theory", "--until", "2026-06-25", "--reason", "住院", *BY)
    assert desk.refuses(*again) == "人员“p-theory”已在静默中（S1），不需要再设"
    assert "S1 人员 理论科科长 2026-06-30（含） 现行 住院 机关党委办公室" in desk.does("silence", "list")
    assert "此后的提醒照常发送" in desk.does("silence", "end", "s1", *BY)
    assert desk.refuses("silence", "end", "S1", *BY).startswith("静默 S1 已于 2026-06-20 10:00 结束")
    (only,) = json.loads(desk.run("silence", "list", "--all", "--format", "json").out)
    assert (only["id"], only["kind"], only["running"]) == ("S1", "person", False)


def test_commands_of_each_kind_as_processes_of_their_own(desk: Desk, tmp_path: Path) -> None:
    """Under a C locale, with a refusal in between: words on the right stream, the right exit code."""

    def run(*arguments: str) -> Said:
        return command(NOW, *arguments, schedules=desk.schedules, data=desk.data)

    def does(*arguments: str) -> str:
        said = run(*arguments)
        assert (said.code, said.err) == (0, "")
        return said.text

    cell = ("report/2026Q2", "理论科")
    assert "已登记安排" in does("book", *cell, "--on", "2026-06-25", *BY)
    assert "已登记办结" in does("done", *cell, "--on", "2026-06-18", *BY)
    refused = run("reopen", *cell, *BY)
    assert (refused.code, refused.out, refused.err) == (
        1,
        "",
        "撤销登记须写明理由（命令行用 --reason）；没有登记\n",
    )
    assert "已撤销登记" in does("reopen", *cell, "--reason", "仍须报送", *BY)
    assert "S1" in does("silence", "add", "--unit", "理论科", "--until", "2026-06-30", "--reason", "x", *BY)
    assert "未办结：撤销登记，仍须报送" in does("duties")
    assert "未办结的 4 项" in does("duties", "import", "--template", str(tmp_path / "表样.csv"))
    assert "将登记 0 项" in does("duties", "import", str(tmp_path / "表样.csv"), "--dry-run")


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., str]:
    """A CSV file in an encoding of one's own."""

    def made(*rows: str, encoding: str = "utf-8", head: str = "事项,期次,承担者,办结日期,备注") -> str:
        path = tmp_path / "登记.csv"
        path.write_bytes("\n".join([head, *rows, ""]).encode(encoding))
        return str(path)

    return made


def test_a_table_is_recorded_after_a_trial(desk: Desk, table: Callable[..., str]) -> None:
    rows = (
        "事项report,2026Q2,理论科,2026/6/18,已收到",
        "事项report,2026Q2,办公室,,",
        "事项talk,2026H1,理论科,2026-06-17,",
    )
    path = table(*rows, encoding="gbk")
    tried = desk.does("duties", "import", path, "--dry-run")
    assert "2 事项report report/2026Q2 理论科 2026-06-18 已收到 将登记" in tried
    assert "没有填办结日期的 1 行：不登记。\n核对无误：将登记 2 项办结。" in tried
    assert desk.recorded() == []
    assert desk.does("duties", "import", path, "--by", "p-clerk").endswith(
        "已登记 2 项办结，登记人：机关党委办公室干事。"
    )
    assert desk.recorded() == [
        ("report/2026Q2", "理论科", "done", "2026-06-18", "已收到", "p-clerk", "import"),
        ("talk/2026H1", "p-leader/p-theory", "done", "2026-06-17", "", "p-clerk", "import"),
    ]
    assert desk.does("duties", "import", path, "--by", "p-clerk").endswith(
        "已登记 0 项办结，登记人：机关党委办公室干事。"
    )


def test_one_fault_in_a_table_and_nothing_is_recorded(desk: Desk, table: Callable[..., str]) -> None:
    path = table(
        "事项report,2026Q2,理论科,2026-06-18,",
        "事项report,2026Q2,文艺科,2026-13-18,",
        "事项talk,2026H1,理论科,2026-06-17,谈了",
    )
    said = desk.refuses("duties", "import", path, *BY)
    assert said.splitlines() == [
        "错误 登记.csv:3:4: 办结日期: 没有“2026-13-18”这一天；日期写作 2026-06-30、2026/6/30 或 2026年6月30日",
        "错误 登记.csv:4:5: 备注: “事项talk”是非公开事项，只登记日期，不登记任何说明",
        "共 2 处问题，一行也没有登记；请改正后再执行。",
    ]
    assert "请用 --by" in desk.refuses("duties", "import", path, code=2)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_table_to_be_filled_in_can_be_read_back(desk: Desk, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"表样.{kind}"
    assert "未办结的 4 项" in desk.does("duties", "import", "--template", str(path))
    assert "未办结的 6 项" in desk.does(
        "duties", "import", "--template", str(tmp_path / f"全.{kind}"), "--by", "p-clerk"
    )
    assert "已经存在，没有覆盖" in desk.refuses("duties", "import", "--template", str(path))
    if kind == "csv":
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
        rows[3][4] = "2026-06-18"
        path.write_text("\n".join(",".join(row) for row in rows), "utf-8-sig")
    else:
        from openpyxl import load_workbook

        book = load_workbook(path)
        book.active["E4"] = datetime(2026, 6, 18)
        book.save(path)
    said = desk.does("duties", "import", str(path), *BY)
    assert "4 事项report report/2026Q2 办公室 2026-06-18 已登记" in said
    assert "没有读取的列" not in said
    assert [each[:4] for each in desk.recorded()] == [("report/2026Q2", "办公室", "done", "2026-06-18")]
