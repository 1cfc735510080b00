"""``reminder calendar import`` as a process: what is shown, asked, written, and left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.editions import ROOT, TEMPLATES
from tests.harness.commands import Commands, Done
from tests.plans import item_yaml, write_plan

NOTICE = ROOT / "tests" / "calendars" / "notices" / "2026.txt"
MONTHLY = item_yaml(
    "m", "every: month\ndue: last-workday", "- from: due\n  workdays: 0\n  to: person:p-office"
)

LATER = """\
关于2028年部分节假日安排的通知
一、元旦：1月1日（周六）至3日（周一）放假，共3天。
二、春节：1月25日（周二）至2月1日（周二）放假调休，共8天。1月23日（周日）、2月5日（周六）上班。
三、清明节：4月4日（周二）放假1天。
四、劳动节：4月29日（周六）至5月3日（周三）放假调休，共5天。5月6日（周六）上班。
五、端午节：5月28日（周日）放假1天，5月29日（周一）补休。
六、国庆节、中秋节：10月1日（周日）至8日（周日）放假调休，共8天。9月30日（周六）上班。
"""
"""A year that no library knows yet; its dates are made up, its weekdays are right."""

Import = Callable[..., Done]


@pytest.fixture
def bring_in(commands: Commands, tmp_path: Path) -> Import:
    """Import a file into a folder with one monthly item."""
    write_plan(tmp_path / "schedules", MONTHLY)
    (tmp_path / "message_templates").symlink_to(TEMPLATES)

    def bring_in(file: Path, *options: str) -> Done:
        return commands.run(tmp_path, "calendar", "import", str(file), *options)

    return bring_in


def written(folder: Path) -> list[str]:
    return sorted(each.name for each in (folder / "schedules" / "calendar").glob("*"))


def test_without_an_answer_it_shows_everything_and_writes_nothing(bring_in: Import, tmp_path: Path) -> None:
    """The breaks, the days worked for them, what moves; then the question, and no file."""
    done = bring_in(NOTICE)
    assert done.code == 1
    assert done.err == "没有得到回答，未作更改。如不需要询问，请加 --yes。\n"
    assert " 春节     2026-02-15   2026-02-23   9天" in done.out
    assert " 2026-09-20   周日   国庆" in done.out
    assert "没有提醒因此改变日期。" in done.out
    assert "以上安排写入 schedules/calendar/2026.yaml，是否确认？" in done.out
    assert written(tmp_path) == []


def test_what_was_written_is_the_calendar_from_then_on(
    bring_in: Import, commands: Commands, tmp_path: Path
) -> None:
    """A year that nobody else knows: expected before, official after; and the plan still passes its check."""
    assert commands.run(tmp_path, "calendar", "2028").out.splitlines()[0] == "2028年  预计（尚未公布）"
    assert commands.run(tmp_path, "workday", "--last-of", "2028-09").out == "2028-09-29\n"
    later = tmp_path / "later.txt"
    later.write_text(LATER, "utf-8")
    done = bring_in(later, "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(
        "已写入 schedules/calendar/2028.yaml。正在运行的守护进程会自动重新计算提醒日期；已发出的不会重发。\n"
    )
    assert written(tmp_path) == ["2028.yaml"]
    assert commands.run(tmp_path, "calendar", "2028").out.splitlines()[0] == "2028年  官方安排"
    assert commands.run(tmp_path, "workday", "--last-of", "2028-09").out == "2028-09-30\n"
    assert commands.run(tmp_path, "check").out == ""


def test_reminders_that_move_are_listed_before_the_question(bring_in: Import, tmp_path: Path) -> None:
    """A break that begins on the last day of a month: that month's reminder comes a day earlier."""
    changed = tmp_path / "changed.txt"
    text = NOTICE.read_text("utf-8")
    old, new = "10月1日（周四）至7日（周三）", "9月30日（周三）至10月6日（周二）"
    assert old in text
    changed.write_text(text.replace(old, new), "utf-8")
    done = bring_in(changed)
    assert done.code == 1
    assert "1 条提醒的日期有变动" in done.out
    assert " 2026-09-30 09:00   2026-09-29 09:00   事项m   m/2026-09#due+0wd" in done.out
    assert written(tmp_path) == []


def test_a_second_import_says_that_it_overwrites(bring_in: Import, tmp_path: Path) -> None:
    """And does so only when it may."""
    assert bring_in(NOTICE, "--yes").code == 0
    before = (tmp_path / "schedules" / "calendar" / "2026.yaml").read_bytes()
    done = bring_in(NOTICE)
    assert "写入 schedules/calendar/2026.yaml（覆盖原文件），是否确认？" in done.out
    assert done.code == 1
    assert (tmp_path / "schedules" / "calendar" / "2026.yaml").read_bytes() == before


def test_the_public_json_is_taken_too(bring_in: Import, commands: Commands, tmp_path: Path) -> None:
    """The form in which the arrangement is passed around by programs."""
    assert bring_in(NOTICE, "--yes").code == 0
    target = tmp_path / "schedules" / "calendar" / "2026.yaml"
    once = target.read_bytes()
    days = [
        {"name": each["name"], "date": str(each["date"]), "isOffDay": each["isOffDay"]}
        for each in yaml.safe_load(once)["days"]
    ]
    file = tmp_path / "2026.json"
    file.write_text(json.dumps({"year": 2026, "papers": [], "days": days}), "utf-8")
    target.unlink()
    done = bring_in(file, "--yes")
    assert done.code == 0, done.err
    assert target.read_bytes() == once


def test_a_json_in_which_a_statutory_day_is_worked_is_refused(bring_in: Import, tmp_path: Path) -> None:
    """Cut short after the first festival: each of the others is named."""
    days = [{"name": "元旦", "date": f"2026-01-0{day}", "isOffDay": day < 4} for day in range(1, 5)]
    (tmp_path / "2026.json").write_text(json.dumps({"year": 2026, "papers": [], "days": days}), "utf-8")
    done = bring_in(tmp_path / "2026.json", "--yes")
    assert (done.code, done.out) == (1, "")
    assert "春节（2026-02-17，周二）在本文件里是工作日；七个法定节日当天都应放假" in done.err
    assert written(tmp_path) == []


BAD = {
    "nothing of the kind": ("会议通知：明天开会。\n", "没有找到通知所安排的年份"),
    "a weekday that is wrong": (
        "2026年部分节假日安排\n一、元旦：1月1日（周五）至3日（周六）放假，共3天。\n",
        "bad.txt:2:",
    ),
    "a count that is wrong": (
        "2026年部分节假日安排\n一、元旦：1月1日（周四）至3日（周六）放假，共4天。\n",
        "bad.txt:2:",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_notice_with_a_fault_is_refused_with_its_line(bring_in: Import, tmp_path: Path, case: str) -> None:
    """Exit code 1, even with ``--yes``; nothing is written."""
    text, words = BAD[case]
    (tmp_path / "bad.txt").write_text(text, "utf-8")
    done = bring_in(tmp_path / "bad.txt", "--yes")
    assert (done.code, done.out) == (1, "")
    assert words in done.err
    assert all(line.startswith("错误 bad.txt:") for line in done.err.splitlines())
    assert written(tmp_path) == []


def test_a_folder_that_cannot_be_written_changes_nothing(bring_in: Import, tmp_path: Path) -> None:
    """Where the year's folder should be is a file."""
    (tmp_path / "schedules" / "calendar").write_text("in the way\n")
    done = bring_in(NOTICE, "--yes")
    assert done.code == 1
    assert done.err == "写不进 schedules/calendar/2026.yaml：已有同名文件；未作更改。\n"
    assert "Traceback" not in done.out


def test_a_plan_with_errors_does_not_stand_in_the_way(bring_in: Import, tmp_path: Path) -> None:
    """The calendar can be brought in first, and the plan put right afterwards."""
    (tmp_path / "schedules" / "plan.yaml").write_text("plan:\n  id: x\n...\n", "utf-8")
    done = bring_in(NOTICE, "--yes")
    assert done.code == 0, done.err
    assert "计划文件有误，暂不能比较提醒日期的变动" in done.out
    assert written(tmp_path) == ["2026.yaml"]
