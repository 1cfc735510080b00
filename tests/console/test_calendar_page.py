"""日历: what each day of a year is, what stands on it, and what is only expected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.access.rights import Role
from reminder.agenda.facts import DutyAction, Way
from reminder.ledger.facts import NewDutyEvent
from tests.console.conftest import NOW
from tests.console.offices import edition, send, shipped
from tests.harness.console import Served, User, text_of
from tests.plans import at, item_yaml

REPORT = item_yaml(
    "report",
    "every: quarter\ndue: last-workday",
    "- from: due\n  workdays: -5\n  to: owing\n- id: all\n  from: due\n  workdays: +1\n  to: everyone",
    "duty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科",
)
DRAWN = item_yaml(
    "spot",
    "draw:\n  per: quarter",
    "- from: due\n  workdays: 0\n  to: person:p-clerk",
    "duty:\n  each: person\n  of:\n    - person:p-clerk",
)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path, edition(REPORT, DRAWN), NOW) as served:
        yield served


def reader(office: Served) -> User:
    return office.log_in("p-office", Role.VIEWER)


def day_in(html: str, day: int, month: int) -> str:
    """What the grid of a month shows of a day: the cell's classes and its text."""
    table = re.findall(r'(?s)<section class="month">.*?</section>', html)[month - 1]
    return next(
        each for each in re.findall(r"(?s)<td>(.*?)</td>", table) if re.search(rf">{day}<", each + "<")
    )


def test_days_off_and_makeup_days_are_marked_in_words(office: Served) -> None:
    html = reader(office).get("/calendar/2026").text
    assert ">休<" in day_in(html, 1, 10)
    assert ">班<" in day_in(html, 10, 10)
    for plain in (day_in(html, 12, 10), day_in(html, 17, 10)):
        assert "休" not in plain
        assert "班" not in plain
    assert "预计" not in day_in(html, 1, 10)
    text = text_of(html)
    assert "放假安排：官方安排" in text
    assert "国庆 10月1日至7日 7 9月20日（周日）、10月10日（周六）" in text


def test_a_year_not_announced_yet_is_marked_as_expected(office: Served) -> None:
    html = reader(office).get("/calendar/2027").text
    assert ">预计<" in day_in(html, 1, 10)
    assert "预计" not in day_in(html, 12, 10)
    text = text_of(html)
    assert "2027 年放假安排公布前" in text
    assert "国庆 预计 10月1日至7日 7 未知" in text


def test_reminders_and_due_dates_stand_on_their_days(office: Served) -> None:
    html = reader(office).get("/calendar/2026").text
    assert 'aria-label="6月30日，工作日，截止 1 项"' in html
    assert 'aria-label="6月23日，工作日，提醒 1 项"' in html
    assert 'aria-label="7月1日，工作日，提醒 1 项"' in html
    assert "全年提醒 7 项，截止 4 项" in text_of(html)
    assert html.count("<title>") == 1 + 7  # the page's, and one for each square with something on it
    assert re.search(r"6月</th><td[^>]*>1</td><td[^>]*>1</td>", html)


def test_a_day_ahead_opens_to_its_agenda(office: Served) -> None:
    user = reader(office)
    text = text_of(user.get("/calendar/2026-06-23").text)
    assert (
        "09:00 二（一）1 事项report （2026年第二季度） 截止前5个工作日 办公室主任、理论科联络员 mail 将发出"
        in text
    )
    assert "这一天没有事项截止" in text
    text = text_of(user.get("/calendar/2026-07-01").text)
    assert "分管副部长、办公室主任等6人 mail" in text
    assert "17:00 二（一）1 事项report （2026年第二季度） 0/2" in text_of(
        user.get("/calendar/2026-06-30").text
    )


def test_whoever_is_done_is_not_listed_any_more(office: Served) -> None:
    for unit, left in (("办公室", "理论科联络员 mail 将发出"), ("理论科", "目前不必发送：已全部办结")):
        done = NewDutyEvent(("report/2026Q2",), unit, DutyAction.DONE, "p-clerk", Way.CONSOLE, NOW.date())
        office.ledger.record_duties("test", [done], NOW)
        assert left in text_of(reader(office).get("/calendar/2026-06-23").text)


def test_a_day_behind_shows_what_the_ledger_has(office: Served) -> None:
    assert "没有记录" in text_of(reader(office).get("/calendar/2026-04-01").text)
    send(office, at("2026-06-23 09:00"))
    office.clock.set(at("2026-06-25 09:00"))
    user = reader(office)
    assert "办公室主任、理论科联络员 mail 服务器已接收 2" in text_of(user.get("/calendar/2026-06-23").text)
    assert "不发送（早于该提醒启用）" in text_of(user.get("/calendar/2026-04-01").text)


def test_what_the_plan_has_there_no_more_is_shown_to_who_sees_private(office: Served) -> None:
    send(office, at("2026-06-23 09:00"))
    office.edition = edition(DRAWN)
    assert "report" not in reader(office).get("/calendar/2026-06-23").text
    text = text_of(office.log_in("p-clerk", Role.AUDITOR).get("/calendar/2026-06-23").text)
    assert "台账中这一天的其他提醒" in text
    assert "report （report/2026Q2） 服务器已接收 2" in text


def test_a_lot_that_nobody_may_know_is_shown_as_unpublished(office: Served) -> None:
    user = reader(office)
    text = text_of(user.get("/calendar/2026").text)
    assert "事项spot （2026年第一季度） 没有抽取结果" in text  # over, and nothing was running then
    for quarter in "二三四":
        assert f"事项spot （2026年第{quarter}季度） 未公布" in text
    assert "抽取的日子未公布" in text_of(user.get("/calendar/2026-06-23").text)
    assert "事项spot" not in text_of(user.get("/calendar/2026-06-01").text)


def test_the_shipped_inspections_are_not_even_mentioned_to_a_viewer(tmp_path: Path) -> None:
    with Served(tmp_path, shipped(), NOW) as served:
        viewer = served.log_in("p-bangongshi-zr", Role.VIEWER, Role.ADMIN)
        auditor = served.log_in("p-jgdw-zr", Role.AUDITOR)
        private = [item for item in served.edition.plan.items if item.spec.private]
        assert len(private) > 5
        for path in ("/", "/calendar/2026", "/calendar/2026-06-10", "/calendar/2026-06-16", "/tasks"):
            html = viewer.get(path).text
            for item in private:
                assert item.id not in html
                assert item.spec.title not in html
        assert "八项规定精神随机抽查" in auditor.get("/calendar/2026").text
        assert "八项规定精神节前检查" in auditor.get("/calendar/2026-06-16").text


@pytest.mark.parametrize(
    "which", ["2026-02-30", "2026-6-1", "1900", "2100-01-01", "next", "２０２６", "20260610"]
)
def test_what_is_no_day_has_no_page(office: Served, which: str) -> None:
    answer = reader(office).get(f"/calendar/{which}")
    assert answer.status_code == 404
    assert "没有这一页" in answer.text


def test_one_can_walk_from_day_to_day_and_year_to_year(office: Served) -> None:
    user = reader(office)
    html = user.get("/calendar/2026-12-31").text
    assert 'href="../calendar/2027-01-01"' in html
    assert 'href="../calendar/2026-12-30"' in html
    assert 'href="./calendar/2026-06-10"' in user.get("/calendar").text
    first = user.get("/calendar/2023-01-01").text
    assert 'rel="prev"' not in first
    assert 'rel="next"' in first
