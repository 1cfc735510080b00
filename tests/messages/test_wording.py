"""The reviewed file of phrases: its dates, its problems."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from reminder.messages.wording import Wording, load_wording

FOLDER = Path(__file__).parents[2] / "message_templates"
SHIPPED = (FOLDER / "wording.yaml").read_text(encoding="utf-8")


def changed(tmp_path: Path, old: str, new: str) -> tuple[Wording, list[str]]:
    assert old in SHIPPED
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "wording.yaml").write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    loaded, problems = load_wording(folder)
    return loaded, [str(problem) for problem in problems]


def test_the_shipped_file_is_whole_and_names_its_review(wording: Wording) -> None:
    assert wording.reviewed == date(2026, 11, 22)
    assert wording.review_by
    assert set(wording.terms) == {"rules", "closings", "general", "festivals"}


def test_a_review_is_due_from_its_day_on(wording: Wording) -> None:
    assert wording.review_due(date(2027, 11, 21)) is None
    assert wording.review_due(date(2027, 11, 22)) == date(2027, 11, 22)
    assert wording.review_due(date(2028, 3, 1)) == date(2027, 11, 22)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "reviewed: 2026-11-22",
            "reviewed: 2026-11-31",
            ":5:11: reviewed: “2026-11-31”不是日期；日期写作 2026-06-30",
        ),
        (
            "next_review: 2027-11-22",
            "next_review: 2025-11-22",
            "next_review（2025-11-22）不晚于 reviewed（2026-11-22）",
        ),
        ("closings:", "closing:", "不认识的键“closing”"),
        ("closings:", "closing:", "缺少 closings"),
        ("祝端午安康。", "祝端午节快乐。", "“端午”的文字里有“快乐”"),
        ("    title: 清明节\n", "", "festivals.清明: 缺少 title"),
        ("    remark: 提倡", "    remarks: 提倡", "不认识的键“remarks”"),
        ("eight: 中央八项规定及其实施细则精神", "eight:", "rules.eight: 此处没有文字"),
        ("  国庆中秋:", "  中秋国庆:", "festivals: 缺少 国庆中秋"),
        ("review_by: 机关党委办公室、纪检委员", "review_by:", "没有写由谁复核"),
    ],
)
def test_a_slip_is_told_with_its_place(old: str, new: str, said: str, tmp_path: Path) -> None:
    _, problems = changed(tmp_path, old, new)
    assert [
        problem for problem in problems if problem.startswith("templates/wording.yaml") and said in problem
    ], problems


def test_a_missing_or_empty_file_is_a_problem_and_gives_no_terms(tmp_path: Path) -> None:
    loaded, problems = load_wording(tmp_path)
    assert loaded.terms == {}
    assert [problem.found for problem in problems] == ["文件不存在"]
    (tmp_path / "wording.yaml").write_text("", encoding="utf-8")
    assert [problem.found for problem in load_wording(tmp_path)[1]] == ["文件里没有内容"]
