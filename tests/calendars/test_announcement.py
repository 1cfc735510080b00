"""The pasted text of a notice: read exactly, or refused with the reason."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminder.calendars.announcement import import_year, parse_announcement
from reminder.calendars.arrangement import ArrangedDay, Arrangement, doubts, published
from reminder.calendars.lunar import FESTIVALS
from reminder.calendars.workdays import WorkCalendar
from reminder.calendars.yearfile import dump_year
from reminder.errors import PlanProblems

NOTICES = Path(__file__).parent / "notices"
RECENT = (2023, 2024, 2025, 2026)
EVERY = (2007, 2008, 2015, *RECENT)


def notice(year: int) -> str:
    return (NOTICES / f"{year}.txt").read_text(encoding="utf-8")


def library(year: int) -> Arrangement:
    arrangement = published(year)
    assert arrangement is not None
    return arrangement


def differing(one: Arrangement, other: Arrangement) -> list[date]:
    """The days of which two arrangements of one year disagree whether they are worked."""
    first = date(one.year - 1, 12, 1)
    span = [first + timedelta(days=k) for k in range((date(one.year, 12, 31) - first).days + 1)]
    return [day for day in span if one.is_off(day) is not other.is_off(day)]


def problems_of(text: str) -> list[str]:
    with pytest.raises(PlanProblems) as caught:
        parse_announcement(text, "通知.txt")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("year", EVERY)
def test_a_notice_gives_every_day_as_the_library_has_it(year: int) -> None:
    """From the long explanations of 2007 to the terse sentences since 2025."""
    read = parse_announcement(notice(year))
    assert read.year == year
    assert differing(read, library(year)) == []


@pytest.mark.parametrize("year", RECENT)
def test_breaks_and_makeup_days_come_out_the_same(year: int) -> None:
    read = WorkCalendar({year: parse_announcement(notice(year))})
    assert read.breaks(year) == WorkCalendar().breaks(year)


def test_days_are_named_after_their_festivals() -> None:
    named = {day.date: day.name for day in parse_announcement(notice(2025)).days}
    assert named[date(2025, 10, 6)] == "中秋"
    assert named[date(2025, 10, 1)] == "国庆"
    assert named[date(2025, 10, 3)] == "国庆、中秋"
    assert named[date(2025, 4, 27)] == "劳动节"


def test_a_day_off_given_once_keeps_its_own_name() -> None:
    named = {day.date: day.name for day in parse_announcement(notice(2015)).days}
    assert named[date(2015, 9, 3)] == "中国人民抗日战争暨世界反法西斯战争胜利70周年纪念日"


def test_advice_is_not_an_arrangement() -> None:
    """2024 encouraged offices to let people go home on 除夕, which was a working day."""
    assert not parse_announcement(notice(2024)).is_off(date(2024, 2, 9))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.translate(str.maketrans("（）：，0123456789", "():,０１２３４５６７８９")),
        lambda text: text.replace("至", "—"),
        lambda text: text.replace("至", "～"),
        lambda text: text.replace("（周", "（星期").replace("、周", "、星期"),
        lambda text: text.replace("周日", "星期天"),
        lambda text: text.replace("。", "。\n"),
        lambda text: text.replace("，共", "，\n  共").replace("（周", "\u3000（周"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("日（", " 日（").replace("1月", " 1 月 "),
        lambda text: text.replace("调休，", "，"),
        lambda text: text.replace("、", "、\u00a0"),
        lambda text: "\n".join(
            line.strip().split("、", 1)[-1] if "：" in line else line for line in text.splitlines()
        ),
    ],
    ids=[
        "half and full width",
        "dash",
        "tilde",
        "星期",
        "星期天",
        "a sentence a line",
        "wrapped",
        "CRLF",
        "spaces",
        "no 调休",
        "no-break spaces",
        "no numbering",
    ],
)
def test_the_way_a_text_was_pasted_does_not_matter(change: object) -> None:
    assert callable(change)
    changed = change(notice(2026))
    assert changed != notice(2026)
    assert parse_announcement(changed) == parse_announcement(notice(2026))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "1月4日（周日）",
            "1月4日（周六）",
            ["通知.txt:6:34: 1月4日写作周六；2026年1月4日是周日；请核对日期和星期哪个抄错"],
        ),
        (
            "共9天",
            "共8天",
            ["通知.txt:7:47: 春节写作共8天；按所列日期是9天；请核对起止日期和天数哪个抄错"],
        ),
        (
            "9月20日（周日）",
            "9月21日（周一）",
            ["通知.txt:12:36: 9月21日上班：这一天是周一；调休上班日应为周六或周日；请核对日期"],
        ),
        (
            "五、端午节：6月19日（周五）至21日（周日）放假，共3天。",
            "",
            [
                "通知.txt:1:1: 缺少端午的安排；2026年应有"
                + "、".join(FESTIVALS)
                + "；请粘贴通知全文，并核对节日名称"
            ],
        ),
        (
            "6月19日（周五）至21日（周日）",
            "6月20日（周六）至22日（周一）",
            ["通知.txt:10:7: 端午当天（6月19日）不在所列的放假日期里；节日当天应放假；请核对日期"],
        ),
        (
            "5月9日（周六）上班",
            "5月3日（周日）上班",
            ["通知.txt:9:35: 5月3日既列为放假又列为上班；只能是其一；请核对日期"],
        ),
        (
            "5月9日（周六）上班",
            "5月9日（周六）值班",
            ["通知.txt:9:35: 看不懂“5月9日(周六)值班”；日期之后应为“放假”“补休”或“上班”；请对照原文"],
        ),
        (
            "5月9日（周六）上班。",
            "5月9日（周六）。",
            ["通知.txt:9:35: 5月9日没有说明是放假还是上班；日期之后应为“放假”“补休”或“上班”；请对照原文"],
        ),
        (
            "5月9日（周六）上班",
            "5月32日上班",
            ["通知.txt:9:35: 没有2026年5月32日这一天；请对照原文"],
        ),
        (
            "5月9日（周六）上班",
            "2027年5月9日上班",
            [
                (
                    "通知.txt:9:35: 2027年5月9日不属于2026年的安排；"
                    "应在2025年12月1日至2026年12月31日之间；请核对年份"
                )
            ],
        ),
    ],
)
def test_what_does_not_agree_is_told_with_what_is_expected(before: str, after: str, told: list[str]) -> None:
    text = notice(2026)
    assert text.count(before) == 1
    assert problems_of(text.replace(before, after)) == told


def test_all_faults_are_told_at_once() -> None:
    text = notice(2026).replace("共9天", "共10天").replace("5月9日（周六）", "5月9日（周日）")
    text = text.replace("六、中秋节：", "六、重阳节：")
    assert [line.split("；")[0] for line in problems_of(text)] == [
        "通知.txt:1:1: 缺少中秋的安排",
        "通知.txt:7:47: 春节写作共10天",
        "通知.txt:9:35: 5月9日写作周日",
    ]


def test_a_range_that_runs_backwards_is_told() -> None:
    text = notice(2026).replace("10月1日（周四）至7日（周三）", "10月7日（周三）至1日（周四）")
    assert any("“10月7日至10月1日”起止不对" in line for line in problems_of(text))


def test_a_festival_given_twice_is_told() -> None:
    text = notice(2026) + "八、元旦：1月1日（周四）放假，共1天。"
    told = problems_of(text)
    assert any("元旦出现了两次" in line for line in told)
    assert any("1月1日在元旦一段已列为放假" in line for line in told)


def test_a_text_without_year_or_sections_says_what_is_missing() -> None:
    assert "没有找到通知所安排的年份" in problems_of("一、元旦：1月1日放假。")[0]
    assert "没有找到各节日的安排" in problems_of("2027年部分节假日安排")[0]
    assert "没有找到通知所安排的年份" in problems_of("")[0]
    assert "1900年超出历法范围" in problems_of("1900年部分节假日安排")[0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_notice_is_read_right_or_refused(data: st.DataObject) -> None:
    """Cut off anywhere, it gives the right days, or a reason why not, or at least a doubt."""
    text = notice(data.draw(st.sampled_from((2025, 2026))))
    cut = text[: data.draw(st.integers(0, len(text)))]
    try:
        read = parse_announcement(cut)
    except PlanProblems as refusal:
        told = [problem.found for problem in refusal.problems]
    else:
        # Makeup days at the very end can be cut without a contradiction, but not without a doubt.
        told = list(doubts(read)) if differing(read, library(read.year)) else ["right"]
    assert any(told)


@settings(max_examples=100, deadline=None)
@given(st.text("一二、元旦春节：:（）()，。；至0123456789年月日周六放假上班共天调休\n", max_size=80))
def test_nonsense_is_refused_and_never_breaks_the_reader(noise: str) -> None:
    with pytest.raises(PlanProblems):
        parse_announcement("2027年部分节假日安排\n" + noise)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_a_notice_is_imported_in_any_usual_encoding(encoding: str) -> None:
    assert import_year(notice(2026).encode(encoding), "通知.txt") == parse_announcement(notice(2026))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_a_year_file_is_imported_as_yaml_and_as_json(encoding: str) -> None:
    arrangement = library(2026)
    days = [{"name": d.name, "date": d.date.isoformat(), "isOffDay": d.off} for d in arrangement.days]
    as_json = json.dumps({"year": 2026, "papers": [], "days": days}, ensure_ascii=False)
    assert import_year(as_json.encode(encoding), "2026.json") == arrangement
    assert import_year(dump_year(arrangement).encode(encoding), "2026.yaml") == arrangement


def test_a_faulty_year_file_is_refused_with_its_problems() -> None:
    with pytest.raises(PlanProblems, match=r"2026.json:1:2: yaer: 没有“yaer”这个键.*是否应为“year”"):
        import_year(b'{"yaer": 2026, "days": []}', "2026.json")


def test_a_file_that_is_no_text_is_refused() -> None:
    for data in (b"PK\x03\x04\x00\x00", b"\xff\xff\xff\xff"):
        with pytest.raises(PlanProblems, match="文件不是文本"):
            import_year(data, "通知.docx")


def test_an_imported_notice_survives_the_admins_file() -> None:
    read = parse_announcement(notice(2025))
    assert import_year(dump_year(read).encode(), "2025.yaml") == read
    assert ArrangedDay(date(2025, 10, 11), "国庆、中秋", False) in read.days
