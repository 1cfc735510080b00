"""How a plan's rules read in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminder.views.wording import audience_words, cadence, clause_part, rung_words
from reminder.web.console.words import until_words
from tests.console.conftest import NOW
from tests.plans import item_yaml, plan_of


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("festivals:\n  - 春节\n  - 中秋", "春节、中秋节放假前"),
        ("every: month\ndue: 24", "每月，24日截止"),
        ("every: quarter", "每季度，最后一个工作日截止"),
        ("every: half-year\ndue: 10", "每半年，末月10日截止"),
        ("every: year\ndue: 11-30\nat: 12:00", "每年，11月30日12:00截止"),
        ("window:\n  opens: 06-15\n  closes: 07-15", "每年6月15日至7月15日"),
        ("window:\n  opens: 2026-06-15\n  closes: 2026-07-15", "2026年6月15日至2026年7月15日"),
        ("dates:\n  - 2026-05-15\n  - 2026-09-01\nat: 15:00", "2026年5月15日、2026年9月1日15:00"),
        ("lunar: 9/9", "每年农历九月初九"),
        ("lunar: 12/20", "每年农历腊月二十"),
        ("lunar: 1/15", "每年农历正月十五"),
        ("rrule: FREQ=WEEKLY;BYDAY=MO,TH", "每周一、四"),
        ("rrule: FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=5", "每2个月5日"),
        ("rrule: FREQ=MONTHLY;BYDAY=1FR", "按重复规则 FREQ=MONTHLY;BYDAY=1FR"),
        ("event: circular\ndue_workdays: 10", "有事即办，登记的日子后10个工作日截止"),
        ("event: appointment", "有事即办，在登记的日子截止"),
        ("draw:\n  per: quarter\n  from: group:机关各科室", "每季度随机抽取1天，抽定一个单位"),
    ],
)
def test_a_cadence_reads_as_an_office_would_say_it(when: str, words: str) -> None:
    remind = "- from: due\n  workdays: 0\n  to: person:p-office"
    (item,) = plan_of(item_yaml("one", when, remind, "private: true")).items
    assert cadence(item) == words


def test_a_rung_reads_from_its_anchor() -> None:
    remind = (
        "- from: due\n  workdays: [-10, 0]\n  to: [everyone, not person:p-office]\n"
        "- from: opens\n  days: +3\n  at: 10:30\n  to: head:机关各科室\n"
        "- on_day: first-workday\n  to: person:p-office\n- on_day: 15\n  to: post:办公室主任\n"
    )
    (item,) = plan_of(item_yaml("one", "every: month", remind)).items
    assert [rung_words(rung) for rung in item.rungs] == [
        "截止前10个工作日 09:00",
        "截止日 09:00",
        "开始后3天 10:30",
        "期内第一个工作日 09:00",
        "15日 09:00",
    ]
    assert audience_words(item.rungs[0].to) == "全体人员（p-office除外）"
    assert audience_words(item.rungs[2].to) == "机关各科室负责人"


@pytest.mark.parametrize(
    ("clause", "part"), [("二（三）5", "二（三）"), ("三（三）", "三（三）"), ("附则", "附则")]
)
def test_a_clause_belongs_to_its_part(clause: str, part: str) -> None:
    assert clause_part(clause) == part


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(0), "即将发出"),
        (timedelta(minutes=5, seconds=30), "还有 5 分"),
        (timedelta(hours=3, minutes=1), "还有 3 小时 1 分"),
        (timedelta(days=2, hours=23, minutes=59), "还有 2 天 23 小时"),
    ],
)
def test_how_long_until_an_instant(left: timedelta, words: str) -> None:
    assert until_words(NOW + left, NOW) == words
