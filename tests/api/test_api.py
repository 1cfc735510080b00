"""The interface for programs: what it tells, to whom, what it records, and how it says no."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from reminder.access.rights import Role
from reminder.access.tokens import Wanted, make, revoke
from reminder.ledger.accounts import Account
from reminder.ledger.records import Transport
from reminder.ledger.shown import EntryFilter
from reminder.sweep.accept import accept
from reminder.web.api.bounds import MOST_OCTETS
from reminder.web.api.paging import cursor_of
from tests.api.conftest import NOW, Program, Programs, problem_of
from tests.console.conftest import REPORT
from tests.console.conftest import TALK as PRIVATE
from tests.editions import edition_of
from tests.harness.console import HASH, Served, csrf_on
from tests.plans import plan_of

TALK = "p-leader/p-office"


# -- who is let in -----------------------------------------------------------------


def test_without_a_token_or_a_login_nothing_is_told(served: Served) -> None:
    for path in ("/users/me", "/items", "/openapi.json"):
        answer = Program(served, "").get(path)
        assert "reminder token" in problem_of(answer, 401)["detail"] or "Bearer" in answer.text
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Bearer reminder_x", "Bearer ", "Basic eDp5", "reminder_x", "Bearer 令牌"]
)
def test_what_is_no_token_opens_nothing(served: Served, header: str) -> None:
    answer = requests.get(
        f"{served.url}/api/v1/items", headers={"authorization": header.encode()}, timeout=60
    )
    problem_of(answer, 401)


def test_a_token_says_who_it_is_until_it_is_revoked_or_ends(served: Served, program: Programs) -> None:
    caller = program(Role.EDITOR)
    me = caller.get("/users/me").json()
    assert (me["id"], me["kind"], me["rights"]) == ("oa-sync", "program", ["edit-plan", "read", "record"])
    revoke(served.ledger, "test", "oa-sync", by="p-clerk", now=NOW)
    assert "已撤销" in problem_of(caller.get("/users/me"), 401)["detail"]
    other = program(name="other")
    served.clock.set(NOW + timedelta(days=181))
    problem_of(other.get("/users/me"), 401)


def test_a_browser_that_is_logged_in_may_read_and_changes_only_with_its_page_s_token(served: Served) -> None:
    browser = served.log_in("p-clerk", Role.EDITOR)
    assert browser.get("/api/v1/users/me").json()["kind"] == "person"
    wanted = {"occurrence": "report/2026", "cell": "办公室", "action": "done"}
    url = f"{served.url}/api/v1/duties/transitions"
    for headers in ({}, {"x-csrf-token": "0" * 64}):
        problem_of(browser.http.post(url, json=wanted, headers=headers, timeout=60), 403)
    assert not served.ledger.facts("test", Transport.OUTBOX).duties
    token = csrf_on(browser.get("/").text)
    answer = browser.http.post(url, json=wanted, headers={"x-csrf-token": token}, timeout=60)
    assert answer.json()["effect"] == "recorded"
    ((event,),) = served.ledger.facts("test", Transport.OUTBOX).duties.values()
    assert event.by == "p-clerk"


def test_a_first_password_opens_nothing_but_the_page_to_set_an_own_one(served: Served) -> None:
    account = Account("p-office", ("admin",), False, HASH, NOW, initial=True)
    served.ledger.accounts.put("test", account)
    browser = served.log_in("p-office")
    assert "设置自己的密码" in problem_of(browser.get("/api/v1/users/me"), 403)["detail"]


def test_whoever_may_only_look_changes_nothing(served: Served, program: Programs) -> None:
    for caller in (program(), program(Role.AUDITOR, Role.ADMIN, name="audit")):
        for path, body in (
            ("/duties/transitions", {"occurrence": "report/2026", "cell": "办公室", "action": "done"}),
            ("/duties/snooze", {"occurrence": "report/2026", "person": "p-office", "until": "2026-06-11"}),
            ("/silences", {"kind": "item", "name": "report", "until": "2026-06-11", "reason": "x"}),
            ("/silences/S1/end", {}),
            ("/approvals/00000000/decision", {"granted": True}),
            ("/deliveries/x/decision", {"decision": "resend"}),
        ):
            assert "没有执行" in problem_of(caller.post(path, body), 403)["detail"]


# -- private items -----------------------------------------------------------------


READS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/agenda", {"from": "2026-01-01", "to": "2026-12-31"}),
    ("/items", {}),
    ("/duties", {}),
    ("/ledger", {}),
    ("/approvals", {"ahead": "60"}),
    ("/silences", {"all": "true"}),
    ("/health", {}),
)


def test_a_private_item_is_nowhere_for_whoever_may_not_see_it(served: Served, program: Programs) -> None:
    served.sweep()
    seeing = program(Role.EDITOR, Role.ADMIN, private=True)
    assert seeing.post(
        "/silences", {"kind": "item", "name": "talk", "until": "2026-07-01", "reason": "会议"}
    ).ok
    blind = program(Role.EDITOR, Role.ADMIN, name="blind")
    for path, query in READS:
        assert "talk" not in blind.get(path, **query).text, path
    assert any("talk" in seeing.get(path, **query).text for path, query in READS)
    for path in ("/items/talk", "/items/talk/occurrences?from=2026-01-01&to=2026-12-31", "/duties?item=talk"):
        assert problem_of(blind.get(path), 404)["detail"].endswith("不存在，或者不在您的查看范围内")
        assert seeing.get(path).status_code == 200
    done = {"occurrence": "talk/2026", "cell": TALK, "action": "done"}
    nowhere = problem_of(blind.post("/duties/transitions", done), 404)
    other = problem_of(blind.post("/duties/transitions", done | {"occurrence": "tolk/2026"}), 404)
    assert nowhere["detail"].replace("talk", "tolk") == other["detail"]
    assert seeing.post("/duties/transitions", done).json()["effect"] == "recorded"
    (silence,) = seeing.get("/silences").json()
    problem_of(blind.post(f"/silences/{silence['id']}/end", {}), 404)


def test_a_message_that_says_more_than_its_reader_may_know_is_shown_without_its_text(
    served: Served, program: Programs
) -> None:
    served.sweep()
    seeing, blind = program(private=True), program(name="blind")
    private = {
        each for line in seeing.get("/ledger", item="talk").json()["lines"] for each in line["deliveries"]
    }
    assert private
    for each in private:
        assert seeing.get(f"/deliveries/{each}").json()["text"]
        answer = blind.get(f"/deliveries/{each}")
        assert answer.status_code == 404 or answer.json()["text"] is None
        assert "talk" not in answer.text.replace(each, "")


# -- what is told ------------------------------------------------------------------


def test_the_agenda_of_some_days_with_its_receivers(program: Programs) -> None:
    caller = program()
    found = caller.get("/agenda", **{"from": "2026-06-01", "to": "2026-06-30", "receivers": "true"}).json()
    report = next(each for each in found["alarms"] if each["item"] == "report")
    assert (report["at"], report["receivers"]) == ("2026-06-10T09:00:00+08:00", ["p-office", "p-liaison"])
    one = caller.get("/agenda", **{"from": "2026-06-01", "to": "2026-06-30", "item": "f"}).json()
    assert {each["item"] for each in one["alarms"]} == {"f"}
    assert one["alarms"][0]["receivers"] is None
    for days, said in (({"from": "2026-06-02", "to": "2026-06-01"}, "早于"), ({"from": "2026-01-01", "to": "2027-06-01"}, "最多 366 天")):  # fmt: skip
        assert said in problem_of(caller.get("/agenda", **days), 422)["detail"]
    problem_of(caller.get("/agenda", **{"from": "2026-06-01", "to": "2026-06-30", "item": "x"}), 404)


@pytest.mark.parametrize("days", [("0001-01-01", "0001-12-31"), ("9999-01-01", "9999-12-31")])
def test_days_at_the_ends_of_all_time_are_refused(program: Programs, days: tuple[str, str]) -> None:
    """A zone east of Greenwich has no first day of the year one."""
    caller, query = program(), dict(zip(("from", "to"), days, strict=True))
    for path in ("/agenda", "/items/report/occurrences", "/ledger"):
        assert {each["where"] for each in problem_of(caller.get(path, **query), 422)["errors"]} == {
            "query.from",
            "query.to",
        }


def test_items_and_their_occurrences_with_how_far_they_are(program: Programs) -> None:
    caller = program(Role.EDITOR)
    assert [each["id"] for each in caller.get("/items").json()] == ["report", "f"]
    assert caller.get("/items/report").json()["duty"] == "每个单位各办一次：办公室、理论科"
    year = {"from": "2026-01-01", "to": "2026-12-31"}
    caller.post("/duties/transitions", {"occurrence": "report/2026", "cell": "办公室", "action": "done"})
    (found,) = caller.get("/items/report/occurrences", **year).json()
    assert found["due"] == "2026-06-10T17:00:00+08:00"
    assert found["tally"] == {"done": 1, "late": 0, "waived": 0, "open": 1, "overdue": 0}


def test_a_year_of_the_calendar(program: Programs) -> None:
    caller = program()
    found = caller.get("/calendar/2026").json()
    assert len(found["days"]) == 365
    day = next(each for each in found["days"] if each["date"] == "2026-06-19")
    assert (day["kind"], day["words"]) == ("holiday", "端午节放假")
    problem_of(caller.get("/calendar/1999"), 404)
    assert problem_of(caller.get("/calendar/今年"), 422)["errors"] == [
        {"where": "path.year", "what": "应为整数"}
    ]


def test_the_ledger_is_read_page_by_page_without_a_gap(served: Served, program: Programs) -> None:
    served.sweep()
    caller = program(private=True)
    every = caller.get("/ledger", limit=500).json()
    assert every["next"] is None
    assert len(every["lines"]) == len(served.ledger.book.entries("test", EntryFilter())) == 3
    pages: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = caller.get("/ledger", limit=1, **cursor).json()
        pages += page["lines"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert pages == every["lines"]
    only = caller.get("/ledger", item="report", receiver="p-office", status="pending").json()["lines"]
    assert [(each["item"], each["receiver"], each["state"]) for each in only] == [
        ("report", "p-office", "pending")
    ]
    assert "可用：" in problem_of(caller.get("/ledger", status="sent"), 422)["detail"]
    assert not caller.get("/ledger", transport="live").json()["lines"]


BEYOND_TIME = [cursor_of((at, 1, 1)) for at in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")]


@pytest.mark.parametrize(
    "cursor",
    ["x", "W10", "WyJ4IiwxLDFd", "WyIyMDI2LTAxLTAxIiwxLDFd", "=", "汉字", "W1tbW1tb" * 50, *BEYOND_TIME],
)
def test_a_cursor_that_is_none_of_ours_is_refused(program: Programs, cursor: str) -> None:
    caller = program()
    assert "第一页" in problem_of(caller.get("/ledger", cursor=cursor), 422)["detail"]
    assert "第一页" in problem_of(caller.get("/duties", cursor=cursor), 422)["detail"]


def test_a_delivery_with_its_text_and_attempts(served: Served, program: Programs) -> None:
    served.sweep()
    (line,) = program().get("/ledger", item="report", receiver="p-office").json()["lines"]
    found = program(name="other").get(f"/deliveries/{line['deliveries'][0]}").json()
    assert "事项report" in found["text"]
    assert (found["state"], found["attempts"]) == ("pending", [])
    assert [each["occurrence"] for each in found["claims"]] == ["report/2026"]
    problem_of(program(name="third").get("/deliveries/nothing"), 404)


def test_health_is_what_the_daemon_last_said(served: Served, program: Programs) -> None:
    caller = program()
    assert "没有运行状况文件" in caller.get("/health").json()["problem"]
    served.settings.health.write_text(
        f'{{"at": "{NOW.isoformat()}", "pid": 1, "transport": "outbox", "plan": "test", "next": null,'
        ' "plan_refused": false, "paused": ["mail"], "problem": "", "page": null}'
    )
    found = caller.get("/health").json()
    assert (found["healthy"], found["paused"], found["held"]) == (True, ["mail"], False)
    days = {"from": "2026-06-10", "to": "2027-06-10"}
    assert found["next"] == caller.get("/agenda", **days).json()["alarms"][0]["at"]


# -- what is recorded --------------------------------------------------------------


def test_whoever_may_see_no_item_is_told_of_no_duty(tmp_path: Path) -> None:
    """Nothing to see is not everything."""
    talks = [TALK, "p-leader/p-theory"]
    with Served(tmp_path, edition_of(plan_of(PRIVATE)), NOW) as office:
        for name, private, cells in (("blind", False, []), ("seeing", True, talks)):
            wanted = Wanted(name, frozenset({Role.VIEWER}), private)
            caller = Program(office, make(office.ledger, "test", wanted, by="p-clerk", now=NOW)[0])
            assert [each["cell"] for each in caller.get("/duties").json()["duties"]] == cells


def test_duties_are_listed_page_by_page_and_recorded_once(served: Served, program: Programs) -> None:
    caller = program(Role.EDITOR)
    first = caller.get("/duties", limit=1).json()
    second = caller.get("/duties", limit=1, cursor=first["next"]).json()
    assert [each["cell"] for each in first["duties"] + second["duties"]] == ["办公室", "理论科"]
    assert second["next"] is None
    wanted = {
        "occurrence": "report/2026",
        "cell": "办公室",
        "action": "done",
        "on": "2026-06-09",
        "note": "已报",
    }
    for effect in ("recorded", "already"):
        found = caller.post("/duties/transitions", wanted).json()
        assert found["effect"] == effect
        assert (found["duty"]["state"], found["duty"]["done_on"], found["duty"]["recorded_by"]) == (
            "done",
            "2026-06-09",
            "oa-sync",
        )
    assert [each["cell"] for each in caller.get("/duties", open="true").json()["duties"]] == ["理论科"]
    assert [each["cell"] for each in caller.get("/duties", unit="办公室").json()["duties"]] == ["办公室"]
    for query in ({"unit": "某科"}, {"person": "某人"}, {"item": "x"}):
        problem_of(caller.get("/duties", **query), 404)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cell": "某科"}, "没有承担者“某科”"),
        ({"on": "2026-06-11"}, "还没有到"),
        ({"action": "waive"}, "须写明理由"),
        ({"action": "return", "note": "缺附件"}, "不能退回"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_what_can(
    program: Programs, changed: dict[str, str], said: str
) -> None:
    wanted = {"occurrence": "report/2026", "cell": "办公室", "action": "done"} | changed
    assert said in problem_of(program(Role.EDITOR).post("/duties/transitions", wanted), 422)["detail"]


def test_a_body_that_is_not_as_described_is_refused_place_by_place(program: Programs) -> None:
    wanted = {
        "occurrence": "report/2026",
        "action": "finish",
        "on": "昨天",
        "by": "p-clerk",
        "note": "好" * 201,
    }
    faults = problem_of(program(Role.EDITOR).post("/duties/transitions", wanted), 422)["errors"]
    assert {each["where"]: each["what"] for each in faults} == {
        "body.cell": "缺少这一项",
        "body.action": "可用的是 'done', 'book', 'return', 'waive' 或 'reopen'",
        "body.on": "不是这里要的日期或时间；日期写作 2026-06-30，时间写作 2026-06-30T09:00:00+08:00",
        "body.note": "太长，最多 200 个字符",
        "body.by": "没有这一项，请删去",
    }


def test_a_reminder_is_put_off(served: Served, program: Programs) -> None:
    caller = program(Role.EDITOR)
    wanted = {"occurrence": "report/2026", "person": "p-office", "until": "2026-06-11"}
    assert caller.post("/duties/snooze", wanted).json() == wanted
    (snooze,) = served.ledger.facts("test", Transport.OUTBOX).snoozes
    assert snooze.person == "p-office"
    assert (
        "可选" in problem_of(caller.post("/duties/snooze", wanted | {"until": "2027-06-11"}), 422)["detail"]
    )
    problem_of(caller.post("/duties/snooze", wanted | {"person": "某人"}), 404)


def test_silences_are_set_listed_and_ended(program: Programs) -> None:
    caller = program(Role.ADMIN)
    wanted = {"kind": "unit", "name": "理论科", "until": "2026-06-20", "reason": "集中办公"}
    made = caller.post("/silences", wanted)
    assert (made.status_code, made.json()["until"]) == (201, "2026-06-21T00:00:00+08:00")
    assert "已在静默中" in problem_of(caller.post("/silences", wanted), 422)["detail"]
    (one,) = caller.get("/silences").json()
    assert (one["by"], one["running"]) == ("oa-sync", True)
    assert caller.post(f"/silences/{one['id']}/end", {}).json()["running"] is False
    assert caller.get("/silences").json() == []
    assert len(caller.get("/silences", all="true").json()) == 1
    problem_of(caller.post("/silences/S9/end", {}), 404)


def test_an_approver_approves_and_a_program_never_does(served: Served, program: Programs) -> None:
    accept(served.ledger, served.edition, "p-clerk", NOW, signed=True)
    (one,) = program().get("/approvals", ahead=60).json()
    assert (one["state"], [each["id"] for each in one["approvers"]]) == ("waiting", ["p-office"])
    shown = program(name="other").get(f"/approvals/{one['code']}").json()
    assert "端午" in shown["text"]
    office = served.log_in("p-office", Role.APPROVER)
    headers = {"x-csrf-token": csrf_on(office.get("/").text)}

    def say(granted: bool, remark: str = "") -> requests.Response:
        url = f"{served.url}/api/v1/approvals/{one['code']}/decision"
        return office.http.post(url, json={"granted": granted, "remark": remark}, headers=headers, timeout=60)

    assert "须写明理由" in problem_of(say(False), 422)["detail"]
    for already in (False, True):
        found = say(True).json()
        assert (found["already"], found["approval"]["state"]) == (already, "approved")
    clerk = served.log_in("p-clerk", Role.APPROVER)
    answer = clerk.http.post(
        f"{served.url}/api/v1/approvals/{one['code']}/decision",
        json={"granted": False, "remark": "x"},
        headers={"x-csrf-token": csrf_on(clerk.get("/").text)},
        timeout=60,
    )
    assert "可审批的是：办公室主任" in problem_of(answer, 422)["detail"]
    problem_of(program(name="third").get("/approvals/00000000"), 404)


# -- bounds and errors ---------------------------------------------------------------


def test_a_body_that_is_too_large_is_not_read(program: Programs) -> None:
    caller = program(Role.EDITOR)
    answer = caller.http.post(f"{caller.url}/duties/transitions", data=b"{" + b" " * MOST_OCTETS, timeout=60)
    assert "16 KB" in problem_of(answer, 413)["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000, b"null", b"[]", b'"x"', b""])
def test_a_body_that_is_no_object_is_refused_in_chinese(program: Programs, body: bytes) -> None:
    caller = program(Role.EDITOR)
    answer = caller.http.post(
        f"{caller.url}/duties/transitions",
        data=body,
        headers={"content-type": "application/json"},
        timeout=60,
    )
    assert answer.status_code in (400, 422)
    found = problem_of(answer, answer.status_code)
    assert not any(word in answer.text.lower() for word in ("input", "valid", "error parsing")), found


def test_an_address_or_a_method_that_is_none_is_a_problem_too(program: Programs) -> None:
    caller = program()
    assert "/api/docs" in problem_of(caller.get("/nothing"), 404)["detail"]
    assert "/api/docs" in problem_of(caller.get("/items%0A"), 404)["detail"]
    answer = caller.http.delete(f"{caller.url}/items", timeout=60)
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_a_ledger_in_trouble_is_said_and_nothing_of_how(served: Served, program: Programs) -> None:
    caller = program()
    path = served.ledger.path
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        found = problem_of(caller.get("/ledger"), 503)
    finally:
        aside.rename(path)
    assert "台账" in found["detail"]
    assert caller.get("/ledger").status_code == 200


def test_whoever_goes_before_their_body_is_here_disturbs_nobody(served: Served, program: Programs) -> None:
    host, port = served.server.address.rsplit(":", 1)
    for _ in range(6):
        with socket.create_connection((host, int(port)), timeout=20) as sock:
            sock.sendall(
                b"POST /api/v1/duties/transitions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
            )
    assert program().get("/items").status_code == 200


def test_every_answer_carries_the_guard_s_headers(served: Served, program: Programs) -> None:
    for answer in (program().get("/items"), Program(served, "").get("/items")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("base", ["/api/v1", "/lianjie/api/v1"])
def test_behind_a_proxy_that_takes_its_prefix_off_and_one_that_leaves_it(tmp_path: Path, base: str) -> None:
    from reminder.access.tokens import Wanted, make

    with Served(tmp_path, edition_of(plan_of(REPORT)), NOW, prefix="/lianjie") as office:
        token, _ = make(office.ledger, "test", Wanted("oa-sync", frozenset({Role.VIEWER})), by="x", now=NOW)
        caller = Program(office, token, base)
        assert caller.get("/items").json()[0]["id"] == "report"
        problem_of(caller.get("/nothing"), 404)
        assert caller.get("/openapi.json").json()["servers"] == [{"url": "."}]
