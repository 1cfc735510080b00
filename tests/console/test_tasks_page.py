"""任务: the plan by clause, and one item with its occurrences and its ladder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.access.rights import Role
from reminder.agenda.facts import DutyAction, Way
from reminder.ledger.facts import NewDutyEvent
from tests.console.conftest import NOW
from tests.console.offices import edition, send
from tests.harness.console import Served, text_of
from tests.plans import at, item_yaml

REPORT = item_yaml(
    "report",
    "every: quarter\ndue: last-workday",
    "- from: due\n  workdays: -5\n  to: owing\n- from: due\n  workdays: +1\n  to: escalation\n"
    "  repeat:\n    every_workdays: 2\n    at_most: 3",
    "done_when: 材料收到并确认。\nresponsible:\n  leaders:\n    - 分管副部长\n  units:\n    - 机关各科室\n"
    "duty:\n  each: unit\n  of:\n    - group:机关各科室",
)
DAILY = item_yaml("daily", "rrule: FREQ=DAILY", "- from: due\n  workdays: 0\n  to: person:p-office").replace(
    "二（一）1", "三（二）"
)
SECRET = item_yaml(
    "hushed",
    "window:\n  opens: 2026-06-01\n  closes: 2026-08-19",
    "- from: due\n  workdays: 0\n  to: owing",
    "private: true\nduty:\n  each: pair\n  of: supervision\n  escalate_to:\n    - person:p-clerk",
)
DRAWN = item_yaml(
    "spot", "draw:\n  per: quarter", "- from: due\n  workdays: 0\n  to: person:p-clerk",
    "duty:\n  each: person\n  of:\n    - person:p-clerk",
)  # fmt: skip


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path, edition(REPORT, DAILY, SECRET, DRAWN), NOW) as served:
        yield served


def page(office: Served, path: str, *, private: bool = False) -> str:
    user = office.log_in("p-clerk" if private else "p-office", Role.VIEWER, private=private)
    answer = user.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def done(office: Served, occurrence: str, cell: str, on: str) -> None:
    event = NewDutyEvent((occurrence,), cell, DutyAction.DONE, "p-clerk", Way.CONSOLE, at(on).date())
    office.ledger.record_duties("test", [event], office.clock.now())


def test_the_plan_stands_by_clause_in_words(office: Served) -> None:
    text = text_of(page(office, "/tasks"))
    assert (
        "二（一）1 拟 事项report 每季度，最后一个工作日截止 机关各科室 责任领导：分管副部长 "
        "6月23日（星期二） 09:00 截止前5个工作日 超期 2 0/2" in text
    )
    assert "三（二） 拟 事项daily 每天 — 6月11日（星期四） 09:00 截止日 只提醒" in text
    assert "每季度随机抽取1天 — — 未公布" in text


def test_private_items_have_no_page_and_are_not_counted(office: Served) -> None:
    user = office.log_in("p-office", Role.VIEWER, Role.ADMIN)
    assert "hushed" not in user.get("/tasks").text
    secret, unknown = user.get("/tasks/hushed"), user.get("/tasks/nothing-of-the-kind")
    assert secret.status_code == unknown.status_code == 404
    assert re.sub(r'name="csrf" value="\w+"', "", secret.text) == re.sub(
        r'name="csrf" value="\w+"', "", unknown.text
    )
    whole = text_of(page(office, "/tasks", private=True))
    assert "事项hushed 非公开" in whole
    assert "应办 6 项" in whole
    assert "应办 4 项" in text_of(page(office, "/tasks"))
    assert "和公开的事项" in text_of(page(office, "/tasks"))


def test_an_item_names_only_those_reported_with_it_that_the_reader_may_see(tmp_path: Path) -> None:
    extra = "collect_with: report\nduty:\n  each: unit\n  of:\n    - unit:办公室"
    told = item_yaml("told", "every: quarter", "", extra)
    kept = item_yaml("kept", "every: quarter", "", f"private: true\n{extra}")
    with Served(tmp_path, edition(REPORT, told, kept), NOW) as served:
        assert "事项kept" not in page(served, "/tasks/report")
        assert "一并报送 事项told" in text_of(page(served, "/tasks/report"))
        assert "一并报送 事项told、事项kept" in text_of(page(served, "/tasks/report", private=True))


def test_completion_is_counted_by_clause_and_by_unit_in_roster_order(office: Served) -> None:
    done(office, "report/2026Q1", "理论科", "2026-03-20")
    done(office, "report/2026Q1", "办公室", "2026-04-10")
    done(office, "report/2026Q2", "理论科", "2026-06-09")
    html = page(office, "/tasks")
    text = text_of(html)
    assert "应办 4 项：办结 3（其中迟办结 1），免办 0，办理中 1，超期 0" in text
    assert re.search(r"办公室 2 1 （迟 1） 1 理论科 2 2 ", text)
    assert re.search(r"二（一） 4 3 （迟 1） 1 ", text)
    bar = re.findall(r"(?s)<svg class=\"bar\".*?</svg>", html)
    assert any(re.search(r'class="done" x="0.0" width="200.0"', each) for each in bar)


def test_an_item_shows_its_rules_and_the_period_that_is_running(office: Served) -> None:
    text = text_of(page(office, "/tasks/report"))
    assert "办结标准 材料收到并确认。" in text
    assert "承担 每个单位各办一次：机关各科室" in text
    assert "截止后1个工作日 09:00，此后每2个工作日一次，最多3次 发给其分管领导，mail" in text
    assert "2026年第二季度 4月1日至6月30日，6月30日（星期二） 17:00 截止" in text
    assert "应办 2：办结 0，免办 0，办理中 2，超期 0" in text
    line = [
        "4月1日（星期三） 开始", "现在", "6月23日（星期二） 09:00 截止前5个工作日 将发出 办公室主任、理论科联络员（mail）",
        "6月30日（星期二） 17:00 截止", "7月1日（星期三） 09:00 截止后1个工作日 将发出 分管副部长（mail）",
        "7月3日（星期五） 09:00 截止后1个工作日（第2次）", "7月7日（星期二） 09:00 截止后1个工作日（第3次）",
    ]  # fmt: skip
    ladder = text[text.index("4月1日（星期三） 开始") :]
    places = [ladder.find(each) for each in line]
    assert -1 not in places, line[places.index(-1)]
    assert places == sorted(places)


def test_the_timeline_has_what_was_sent_and_what_was_not(office: Served) -> None:
    send(office, at("2026-06-23 09:00"))
    for unit in ("办公室", "理论科"):
        done(office, "report/2026Q2", unit, "2026-06-23")
    send(office, at("2026-07-01 09:00"))
    office.clock.set(at("2026-07-02 10:00"))
    text = text_of(page(office, "/tasks/report?occurrence=report/2026Q2"))
    assert "截止前5个工作日 服务器已接收 2 办公室主任、理论科联络员（mail）" in text
    assert "截止后1个工作日 不发送（已全部办结）" in text
    assert "7月3日（星期五） 09:00 截止后1个工作日（第2次） 目前不必发送：已全部办结" in text
    assert "应办 2：办结 2，免办 0" in text


def test_what_is_left_of_the_last_period_comes_before_the_next_one(tmp_path: Path) -> None:
    yearly = item_yaml(
        "visit", "window:\n  opens: 03-01\n  closes: 05-29", "- from: due\n  workdays: -1\n  to: owing",
        "duty:\n  each: unit\n  of:\n    - unit:办公室",
    ).replace("clause: 二（一）1", "clause: 二（一）6")  # fmt: skip
    with Served(tmp_path, edition(yearly), NOW) as served:
        assert "应办 1：办结 0，免办 0，办理中 0，超期 1" in text_of(page(served, "/tasks/visit"))
        assert "超期 1" in text_of(page(served, "/tasks"))


def test_an_item_with_hundreds_of_occurrences_is_paged_around_today(office: Served) -> None:
    html = page(office, "/tasks/daily")
    assert len(html.encode()) < 60_000
    text = text_of(html)
    assert "各期（365）" in text
    assert "第 9 页，共 19 页" in text
    assert "2026年6月10日 2026年6月10日 17:00" in text
    first = text_of(page(office, "/tasks/daily?page=1"))
    assert "2026年1月1日 2026年1月1日 17:00" in first
    assert "上一页" not in first
    assert "下一页" in first
    assert "第 19 页，共 19 页" in text_of(page(office, "/tasks/daily?page=4000"))
    chosen = text_of(page(office, "/tasks/daily?occurrence=daily/2026-12-24"))
    assert "2026年12月24日 12月24日，12月24日（星期四） 17:00 截止" in chosen
    assert "第 18 页" in chosen


@pytest.mark.parametrize(
    "query", ["page=x", "page=-1", "page=99999999999", "occurrence=none", "occurrence=hushed/2026"]
)
def test_an_odd_address_shows_the_item_as_it_is(office: Served, query: str) -> None:
    assert "2026年第二季度 4月1日至6月30日" in text_of(page(office, f"/tasks/report?{query}"))


def test_a_lot_stays_unpublished_on_its_items_page(office: Served) -> None:
    text = text_of(page(office, "/tasks/spot"))
    assert "还没有公布的抽取结果" in text
    assert "2026年第二季度 未公布 2026年第三季度 未公布 2026年第四季度 未公布" in text
    assert "下一次提醒 没有" in text


def test_after_the_plans_end_items_are_over(office: Served) -> None:
    office.clock.set(at("2027-06-01 09:00"))
    text = text_of(page(office, "/tasks"))
    assert "每天 — — 已结束" in text
    assert "2026 年办理情况" in text
    text = text_of(page(office, "/tasks/report"))
    assert "2026年第四季度 可能调整 2026年10月1日至12月31日" in text
    assert "下一次提醒 没有" in text
