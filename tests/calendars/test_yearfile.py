"""The admin's calendar file: what is accepted, what is told of what is not."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.calendars.arrangement import ArrangedDay, Arrangement, DayStatus, published
from reminder.calendars.workdays import WorkCalendar
from reminder.calendars.yearfile import dump_year, load_years, parse_year
from reminder.errors import Severity
from reminder.source import parse_source

BAD = sorted(path for path in (Path(__file__).parent / "bad").iterdir() if path.suffix != ".expected")


def library(year: int) -> Arrangement:
    arrangement = published(year)
    assert arrangement is not None
    return arrangement


def public_json(arrangement: Arrangement) -> str:
    """The arrangement as the public collections write it."""
    longer = {"清明": "清明节", "端午": "端午节", "中秋": "中秋节", "国庆": "国庆节"}
    return json.dumps(
        {
            "$schema": "../schema.json",
            "$id": "2026.json",
            "year": arrangement.year,
            "papers": ["https://www.example.com/2026"],
            "days": [
                {"name": longer.get(day.name, day.name), "date": day.date.isoformat(), "isOffDay": day.off}
                for day in arrangement.days
            ],
        },
        ensure_ascii=False,
        indent=4,
    )


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_every_fault_of_a_bad_file_is_told_at_its_place(path: Path) -> None:
    arrangement, problems = parse_year(parse_source(path.read_bytes(), path.name))
    told = "".join(f"{p.severity}: {p}\n" for p in sorted(problems, key=lambda p: p.sort_key))
    assert told == path.with_name(path.name + ".expected").read_text(encoding="utf-8")
    assert arrangement is None


@pytest.mark.parametrize("year", [2008, 2019, 2025, 2026])
def test_the_public_json_is_read(year: int) -> None:
    arrangement, problems = parse_year(parse_source(public_json(library(year)).encode(), "year.json"))
    assert problems == []
    assert arrangement is not None
    assert arrangement.days == library(year).days
    assert arrangement.papers == ("https://www.example.com/2026",)
    assert arrangement.status is DayStatus.OFFICIAL


@pytest.mark.parametrize("year", range(2007, 2027))
def test_what_is_dumped_reads_back_the_same(year: int) -> None:
    text = dump_year(library(year))
    assert parse_year(parse_source(text.encode(), "year.yaml")) == (library(year), [])


def test_a_dump_is_block_style_with_one_key_a_line() -> None:
    arrangement = Arrangement(
        2027, (ArrangedDay(date(2027, 1, 1), "元旦", True),), papers=("https://www.example.com/a: b", "通知")
    )
    assert dump_year(arrangement) == (
        "year: 2027\n"
        "papers:\n"
        '  - "https://www.example.com/a: b"\n'
        "  - 通知\n"
        "days:\n"
        "  - name: 元旦\n"
        "    date: 2027-01-01\n"
        "    isOffDay: true\n"
        "...\n"
    )


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp", "Cn", "Co"]), min_size=1)
)
def test_any_title_of_a_paper_survives(title: str) -> None:
    if not title.strip():
        return
    arrangement = Arrangement(2026, library(2026).days, papers=(title.strip(),))
    assert parse_year(parse_source(dump_year(arrangement).encode(), "year.yaml")) == (arrangement, [])


def test_a_weekday_marked_as_worked_is_a_warning_only() -> None:
    text = dump_year(library(2026)).replace(
        "...\n", "  - name: 国庆\n    date: 2026-10-12\n    isOffDay: false\n...\n"
    )
    arrangement, problems = parse_year(parse_source(text.encode(), "2026.yaml"))
    assert arrangement is not None
    assert [problem.severity for problem in problems] == [Severity.WARNING]
    assert WorkCalendar({2026: arrangement}).is_workday(date(2026, 10, 12))


def test_forgotten_makeup_days_are_doubted_but_accepted() -> None:
    """Without 09-20 and 10-10, two of the days off of 2026 are paid for by nothing."""
    text = dump_year(library(2026))
    for day in ("2026-09-20", "2026-10-10"):
        text = text.replace(f"  - name: 国庆\n    date: {day}\n    isOffDay: false\n", "")
    arrangement, problems = parse_year(parse_source(text.encode(), "2026.yaml"))
    assert arrangement is not None
    assert [str(problem) for problem in problems] == [
        (
            "2026.yaml:3:3: days: 周一至周五放假19天，调休上班4天，相差15天，而法定节假日是13天："
            "可能漏了或多了放假、上班的日期，请核对"
        )
    ]


def test_a_folder_of_years_is_read_whole(tmp_path: Path) -> None:
    expected = Arrangement(2024, library(2024).days, papers=("样例",))
    (tmp_path / "2024.yaml").write_text(dump_year(expected), encoding="utf-8")
    (tmp_path / "2026.json").write_text(public_json(library(2026)), encoding="utf-8")
    (tmp_path / "2025.YML").write_text(dump_year(library(2025)), encoding="utf-8")
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    (tmp_path / "~$2027.yaml").write_bytes(b"\x00")
    years, problems = load_years(tmp_path)
    assert problems == []
    assert sorted(years) == [2024, 2025, 2026]
    assert years[2024] == expected


def test_a_folder_that_does_not_exist_holds_no_years(tmp_path: Path) -> None:
    assert load_years(tmp_path / "calendar") == ({}, [])


def test_two_files_for_one_year_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "2026 - 副本.yaml").write_text(dump_year(library(2026)), encoding="utf-8")
    (tmp_path / "2026.yaml").write_text(dump_year(library(2026)), encoding="utf-8")
    years, problems = load_years(tmp_path)
    assert list(years) == [2026]
    (problem,) = problems
    assert problem.severity is Severity.ERROR
    assert str(problem) == (
        f"{tmp_path / '2026.yaml'}:1:7: year: 2026年已有 2026 - 副本.yaml；每年只能有一个文件；"
        "请删去其一，或把它移出本文件夹"
    )


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "2025.yaml").write_text("year: [\n", encoding="utf-8")
    (tmp_path / "2026.yaml").write_text(dump_year(library(2026)), encoding="utf-8")
    (tmp_path / "2027.yaml").write_text("year: 二〇二七\ndays: 没有\n", encoding="utf-8")
    years, problems = load_years(tmp_path)
    assert list(years) == [2026]
    assert {Path(problem.position.file).name for problem in problems} == {"2025.yaml", "2027.yaml"}
