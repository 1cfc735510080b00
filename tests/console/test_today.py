"""今天: what went out, what comes next, what waits for somebody; and what a reader without the right never sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.access.rights import Role
from reminder.agenda.facts import DutyAction, Way
from reminder.ledger.facts import NewDutyEvent
from reminder.ledger.records import AttemptEnd, DeliveryState, Note, PauseAsked, PauseKind, Transport
from tests.console.conftest import NOW, OWING
from tests.console.offices import edition, health, send, shipped
from tests.harness.console import Served, text_of
from tests.plans import at, item_yaml

SECRET_DAY = "2026-08-19"
SECRET = item_yaml(
    "hushed",
    f"window:\n  opens: 2026-06-01\n  closes: {SECRET_DAY}",
    f"{OWING}\n- from: opens\n  days: +11\n  to: owing",
    "private: true\nduty:\n  each: pair\n  of: supervision\n  escalate_to:\n    - person:p-clerk",
)
OPEN = item_yaml(
    "open-item",
    "window:\n  opens: 2026-06-01\n  closes: 2026-06-12",
    OWING,
    "duty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科",
)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Served]:
    """A public item due on Friday and a private one due in August, on Wednesday 2026-06-10 at nine."""
    with Served(tmp_path, edition(OPEN, SECRET), NOW) as served:
        yield served


def test_an_empty_ledger_says_so_and_what_comes_next(office: Served) -> None:
    text = text_of(office.log_in("p-office", Role.VIEWER).get("/").text)
    assert "今天还没有消息发出" in text
    assert "没有运行记录" in text
    assert "现为试运行" in text
    assert "还有 2 天 0 小时 事项open-item" in text
    assert "6月12日（星期五） 09:00，截止日 收件人 办公室主任、理论科联络员" in text
    assert "没有等待审批、未能送达或超期的事项" in text


def test_what_went_out_stands_there_with_what_became_of_it(office: Served) -> None:
    send(office, at("2026-06-12 09:00"))
    office.clock.set(at("2026-06-12 10:00"))
    html = office.log_in("p-office", Role.VIEWER).get("/").text
    assert re.search(
        r"事项open-item</a><small>（2026年）</small></span></td>\s*<td[^>]*>办公室主任、理论科联络员<", html
    )
    assert "服务器已接收 2" in text_of(html)
    assert "现为试运行" not in html


def test_what_failed_is_counted_and_says_why(office: Served) -> None:
    send(office, at("2026-06-12 09:00"), DeliveryState.FAILED)
    text = text_of(office.log_in("p-office", Role.VIEWER).get("/").text)
    assert "2 未能送达（近七天）" in text
    assert "发送失败 理论科联络员（mail）" in text
    assert "250 OK" in text
    office.clock.set(at("2026-06-22 09:00"))
    assert "0 未能送达（近七天）" in text_of(office.log_in("p-office").get("/").text)


def test_what_is_unknown_waits_however_long_it_takes(office: Served) -> None:
    send(office, at("2026-06-12 09:00"), DeliveryState.UNCERTAIN)
    office.clock.set(at("2026-09-01 09:00"))
    assert "2 结果不明" in text_of(office.log_in("p-office", Role.VIEWER).get("/").text)


def test_the_troubles_of_private_items_are_not_for_everybody(office: Served) -> None:
    assert send(office, at(f"{SECRET_DAY} 09:00"), DeliveryState.FAILED, since=at("2026-08-19 08:00"))
    plain = office.log_in("p-office", Role.VIEWER).get("/").text
    assert "0 未能送达（近七天）" in text_of(plain)
    assert "hushed" not in plain
    assert "1 未能送达" in text_of(office.log_in("p-clerk", Role.VIEWER, private=True).get("/").text)


@pytest.mark.parametrize("path", ["/", "/calendar", "/calendar/2026", f"/calendar/{SECRET_DAY}", "/tasks"])
@pytest.mark.parametrize(
    "moment", ["2026-06-10 09:00", "2026-08-19 08:30", "2026-08-20 08:00", "2026-12-01 08:00"]
)
def test_a_plain_viewer_finds_nothing_of_private_items(office: Served, path: str, moment: str) -> None:
    """Whatever the day: neither title nor id, neither its people nor its dates."""
    if moment.startswith(("2026-08-20", "2026-12")):
        send(office, at(f"{SECRET_DAY} 09:00"), since=at(f"{SECRET_DAY} 08:00"))
    office.clock.set(at(moment))
    html = office.log_in("p-office", Role.VIEWER, Role.EDITOR, Role.ADMIN).get(path).text
    assert "hushed" not in html
    assert "非公开" not in html
    for hidden in ("分管副部长", "6月12日，工作日，提醒 2 项"):
        assert hidden not in html
    if not moment.startswith(SECRET_DAY) and not path.endswith(SECRET_DAY):
        own_days = {f"calendar/{moment[:10]}"} | {
            f"calendar/{(at(moment) + timedelta(days=n)).date()}" for n in range(7)
        }
        links = set(re.findall(r"calendar/\d{4}-\d{2}-\d{2}", html)) - own_days
        assert links <= {"calendar/2026-06-12"}
    whole = office.log_in("p-clerk", Role.VIEWER, private=True).get("/tasks").text
    assert "事项hushed" in whole


def test_the_right_to_see_private_items_shows_them(office: Served) -> None:
    office.clock.set(at("2026-08-17 09:00"))
    user = office.log_in("p-clerk", Role.AUDITOR)
    html = user.get("/").text
    assert "事项hushed" in html
    assert "非公开" in html
    assert f"calendar/{SECRET_DAY}" in user.get("/calendar/2026").text


def test_overdue_counts_private_duties_only_for_who_may_see_them(office: Served) -> None:
    office.clock.set(at("2026-08-20 09:00"))
    assert "2 超期未办结" in text_of(office.log_in("p-office", Role.VIEWER).get("/").text)
    assert "4 超期未办结" in text_of(office.log_in("p-clerk", Role.VIEWER, private=True).get("/").text)
    done = NewDutyEvent(
        ("open-item/2026",), "办公室", DutyAction.DONE, "p-clerk", Way.CONSOLE, at("2026-08-20").date()
    )
    office.ledger.record_duties("test", [done], office.clock.now())
    assert "1 超期未办结" in text_of(office.log_in("p-office").get("/").text)


def test_something_is_overdue_from_its_hour_on(office: Served) -> None:
    """17:00 on the due day: a moment before it is still open, and nothing else happened in between."""
    office.account("p-office", Role.VIEWER)
    counts = []
    for moment in ("2026-06-12 16:59", "2026-06-12 17:00", "2026-06-12 17:01"):
        office.clock.set(at(moment))
        found = re.search(r"(\d+) 超期未办结", text_of(office.log_in("p-office").get("/").text))
        assert found
        counts.append(int(found[1]))
    assert counts == [0, 0, 2]


def test_the_daemon_is_well_or_says_what_is_wrong(office: Served, tmp_path: Path) -> None:
    user = office.log_in("p-office", Role.VIEWER)
    health(tmp_path, NOW)
    assert "正常 守护进程" in text_of(user.get("/").text)
    health(tmp_path, NOW - timedelta(minutes=30))
    text = text_of(user.get("/").text)
    assert "不正常 守护进程" in text
    assert "没有动静" in text
    (tmp_path / "health.json").write_text("{", "utf-8")
    assert "没有运行记录 守护进程" in text_of(user.get("/").text)


def test_a_refused_plan_is_told_with_its_reason_but_private_yaml_only_to_who_may_see_it(
    office: Served, tmp_path: Path
) -> None:
    health(tmp_path, NOW, plan_refused=True)
    problems = "plan.yaml:30:9: items[1].when: hushed 的 closes 看不懂\ndirectory.yaml:4:1: units: 缺少“id”"
    office.ledger.note("test", Note("plan-refused", NOW, "daemon", {"problems": problems}))
    plain = office.log_in("p-office", Role.EDITOR).get("/").text
    assert "新计划有错误，未被采用" in plain
    assert "plan.yaml:30:9" in plain
    assert "hushed" not in plain
    assert "hushed 的 closes 看不懂" in office.log_in("p-clerk", Role.EDITOR, private=True).get("/").text
    health(tmp_path, NOW)
    assert "新计划有错误" not in office.log_in("p-office").get("/").text


def test_a_paused_channel_is_told_in_the_servers_words(office: Served) -> None:
    moment = at("2026-06-12 09:00")
    office.ledger.go_live("test", by="p-clerk", now=moment)
    office.clock.set(moment)
    office.sweep(Transport.LIVE, since=moment - timedelta(hours=1))
    first = office.ledger.spool.due("test", Transport.LIVE, moment, limit=1)[0]
    number = office.ledger.spool.begin("test", first.id, moment)
    assert isinstance(number, int)
    end = AttemptEnd(
        first.id, number, moment, "permanent", DeliveryState.PENDING, "535", "authentication failed",
        moment + timedelta(hours=1), pause=PauseAsked(PauseKind.DEAD, lasting_from=1),
    )  # fmt: skip
    office.ledger.spool.finish_many("test", [end])
    text = text_of(office.log_in("p-office", Role.VIEWER).get("/").text)
    assert "通道 mail 已暂停发送" in text
    assert "535 authentication failed" in text


def test_next_years_calendar_is_asked_for_when_it_is_time(office: Served) -> None:
    assert "放假安排还没有录入" not in office.log_in("p-office", Role.VIEWER).get("/").text
    office.clock.set(at("2026-11-02 09:00"))
    assert "2027 年放假安排还没有录入" in text_of(office.log_in("p-office").get("/").text)


def test_what_waits_for_an_approval_is_counted_until_it_is_approved(tmp_path: Path) -> None:
    approval = "alone: true\napproval:\n  by:\n    - person:p-leader\n  from: break\n  workdays: -3"
    message = "- id: message\n  from: break\n  workdays: -1\n  to: everyone\n  template: festival"
    item = item_yaml("greeting", "festivals:\n  - 端午", message, approval)
    with Served(tmp_path, edition(item), at("2026-06-15 08:00")) as served:
        served.ledger.go_live("test", by="p-clerk", now=served.clock.now())
        served.sweep(Transport.LIVE)
        assert "0 待审批" in text_of(served.log_in("p-office", Role.VIEWER).get("/").text)
        served.clock.set(at("2026-06-17 08:00"))
        text = text_of(served.log_in("p-office").get("/").text)
        assert "1 待审批" in text
        assert "事项greeting（2026年端午节）" in text


def test_after_the_plans_end_nothing_comes(office: Served) -> None:
    office.clock.set(at("2029-03-01 09:00"))
    user = office.log_in("p-office", Role.VIEWER)
    assert "计划里近期没有要发的提醒" in text_of(user.get("/").text)
    for path in ("/calendar", "/tasks", "/tasks/open-item"):
        assert user.get(path).status_code == 200


def test_the_shipped_plan_fits_on_a_page(tmp_path: Path) -> None:
    with Served(tmp_path, shipped(), at("2026-06-10 09:05")) as served:
        user = served.log_in("p-jgdw-zr", Role.ADMIN, private=True)
        for path in (
            "/",
            "/calendar/2026",
            "/calendar/2027",
            "/calendar/2026-06-11",
            "/tasks",
            "/tasks/festival",
        ):
            answer = user.get(path)
            assert answer.status_code == 200
            assert len(answer.content) <= 100_000, path
            assert "style=" not in answer.text, path
