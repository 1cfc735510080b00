"""督办: who sees whose duty, what is recorded by whom, and tables recorded in one go."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

import pytest
import requests

from reminder.access.rights import Role
from reminder.agenda.facts import DutyAction, DutyEvent, Way
from reminder.ledger.records import Transport
from tests.console.conftest import NOW
from tests.harness.console import Served, User, csrf_on, text_of
from tests.harness.together import at_once
from tests.plans import at

REPORT, TALK = "report/2026", "talk/2026"
PAIR = "p-leader/p-theory"
PRIVATE = ("事项talk", "talk/2026", "p-leader/p-", "分管副部长与")


def address(occurrence: str, cell: str) -> str:
    return "/duties/cell?" + urlencode({"occurrence": occurrence, "cell": cell})


def say(user: User, occurrence: str, cell: str, action: str, **fields: str) -> requests.Response:
    form = {"occurrence": occurrence, "cell": cell, "action": action, **fields}
    return user.post("/duties/cell", form)


def events(office: Served, occurrence: str, cell: str) -> tuple[DutyEvent, ...]:
    return office.ledger.facts("test", Transport.OUTBOX).events_of((occurrence,), cell)


@pytest.fixture
def editor(served: Served) -> User:
    return served.log_in("p-clerk", Role.EDITOR)


# What is seen


def test_the_talks_stand_as_leader_by_head_for_who_may_see_them(served: Served) -> None:
    page = text_of(served.log_in("p-clerk", Role.EDITOR, private=True).get("/duties?period=2026H1").text)
    assert "事项talk" in page
    assert "领导 办公室主任 理论科科长" in page
    assert "分管副部长 未办结 未办结" in page


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.ADMIN])
def test_others_see_how_many_talks_and_nothing_else_of_them(served: Served, role: Role) -> None:
    user = served.log_in("p-clerk", role)
    pages = [user.get("/duties").text, user.get(f"/duties/occurrence?occurrence={REPORT}").text]
    assert "已办结 0，未办结 2" in text_of(pages[0])
    for address_ in ("/duties/occurrence?occurrence=talk/2026", address(TALK, PAIR)):
        answer = user.get(address_)
        assert answer.status_code == 404
        pages.append(answer.text)
    for page in pages:
        assert not [word for word in PRIVATE if word in page]


def test_every_state_is_said_in_words(served: Served, editor: User) -> None:
    say(editor, REPORT, "办公室", "done", on="2026-06-09")
    say(editor, REPORT, "理论科", "book", on="2026-06-10")
    page = text_of(editor.get(f"/duties/occurrence?occurrence={REPORT}").text)
    assert "办公室 已办结 6月9日" in page
    assert "理论科 已安排 6月10日" in page
    served.clock.set(at("2026-06-11 09:00"))
    page = text_of(served.log_in("p-clerk").get(f"/duties/occurrence?occurrence={REPORT}").text)
    assert "理论科 超期，已安排 6月10日" in page


def test_a_period_is_chosen_and_a_wrong_one_is_todays(editor: User) -> None:
    for period in ("2026H1", "1999H9", "<script>"):
        assert "督办 2026年上半年" in text_of(editor.get(f"/duties?period={period}").text)
    page = text_of(editor.get("/duties?period=2026H2").text)
    assert "还没有已开始的任务" in page


# What is recorded


def test_what_is_recorded_has_its_author_and_way(served: Served, editor: User) -> None:
    answer = say(editor, REPORT, "办公室", "done", on="2026-06-09", note="三楼会议室")
    assert [each.status_code for each in answer.history] == [303]
    page = text_of(answer.text)
    assert "已登记办结" in page
    assert "登记办结 2026-06-09：三楼会议室 机关党委办公室干事（网页）" in page
    (event,) = events(served, REPORT, "办公室")
    assert (event.action, event.by, event.way, event.on) == (
        DutyAction.DONE,
        "p-clerk",
        Way.CONSOLE,
        date(2026, 6, 9),
    )


def test_returning_waiving_and_taking_back_need_a_reason(served: Served, editor: User) -> None:
    say(editor, REPORT, "办公室", "done", on="2026-06-09")
    for action, state in (("return", "已退回"), ("waive", "已免办"), ("reopen", "未办结")):
        before = events(served, REPORT, "办公室")
        refused = say(editor, REPORT, "办公室", action, note="  ")
        assert refused.status_code == 422
        assert "请写明理由" in refused.text
        assert events(served, REPORT, "办公室") == before
        answer = say(editor, REPORT, "办公室", action, note=f"因{action}")
        assert answer.status_code == 200
        assert f"办公室 {state}" in text_of(answer.text)
        assert events(served, REPORT, "办公室")[-1].note == f"因{action}"


def test_a_refusal_stands_beside_its_form_and_keeps_what_was_typed(served: Served, editor: User) -> None:
    answer = say(editor, REPORT, "办公室", "done", on="2026-06-11", note="提前<写>的")
    assert answer.status_code == 422
    assert "办结日期 2026-06-11 还没有到" in text_of(answer.text)
    assert 'value="2026-06-11"' in answer.text
    assert 'value="提前&lt;写&gt;的"' in answer.text
    assert events(served, REPORT, "办公室") == ()
    for bad in ("gestern", "2026-13-01"):
        assert say(editor, REPORT, "办公室", "done", on=bad).status_code == 422
    assert say(editor, REPORT, "办公室", "explode").status_code == 422
    assert events(served, REPORT, "办公室") == ()


def test_a_delay_is_one_persons(served: Served, editor: User) -> None:
    refused = say(editor, REPORT, "理论科", "snooze", person="p-office", on="2026-06-11")
    assert refused.status_code == 422
    answer = say(editor, REPORT, "理论科", "snooze", person="p-liaison", on="2026-06-11")
    assert "理论科联络员在 2026年6月11日 早上之前不提醒" in text_of(answer.text)
    (snooze,) = served.ledger.facts("test", Transport.OUTBOX).snoozes
    assert (snooze.person, snooze.until) == ("p-liaison", date(2026, 6, 11))


def test_a_talk_has_a_date_and_no_field_for_anything_else(served: Served) -> None:
    user = served.log_in("p-clerk", Role.EDITOR, private=True)
    page = user.get(address(TALK, PAIR)).text
    assert 'name="note"' not in page
    refused = say(user, TALK, PAIR, "done", on="2026-06-09", note="谈了纪律")
    assert refused.status_code == 422
    assert "谈了纪律" not in refused.text
    assert events(served, TALK, PAIR) == ()
    say(user, TALK, PAIR, "done", on="2026-06-09")
    say(user, TALK, PAIR, "return")
    assert [(each.action, each.note) for each in events(served, TALK, PAIR)] == [
        (DutyAction.DONE, ""),
        (DutyAction.RETURN, ""),
    ]


def test_who_may_not_record_changes_nothing(served: Served) -> None:
    """A viewer; an auditor, who sees everything; an editor, of what is private."""
    viewer = served.log_in("p-office", Role.VIEWER)
    auditor = served.log_in("p-secretary", Role.AUDITOR, Role.EDITOR)
    assert "分管副部长与理论科科长" in auditor.get(address(TALK, PAIR)).text
    for user, cell in ((viewer, (REPORT, "办公室")), (auditor, (REPORT, "办公室")), (auditor, (TALK, PAIR))):
        assert "登记办结" not in user.get(address(*cell)).text
        assert say(user, *cell, "done", on="2026-06-09").status_code == 403
    editor = served.log_in("p-clerk", Role.EDITOR)
    assert say(editor, TALK, PAIR, "done", on="2026-06-09").status_code == 404
    assert served.ledger.facts("test", Transport.OUTBOX).duties == {}


def test_a_form_that_is_not_from_the_page_records_nothing(served: Served, editor: User) -> None:
    stranger = csrf_on(served.log_in("p-office", Role.EDITOR).get("/").text)
    for token in ("", stranger):
        form = {"occurrence": REPORT, "cell": "办公室", "action": "done", "on": "2026-06-09", "csrf": token}
        assert editor.http.post(f"{served.url}/duties/cell", data=form, timeout=60).status_code == 403
    assert events(served, REPORT, "办公室") == ()


def test_fifty_who_record_the_same_at_once_are_one_record(served: Served, editor: User) -> None:
    form = {
        "csrf": csrf_on(editor.get("/").text),
        "occurrence": REPORT,
        "cell": "办公室",
        "action": "done",
        "on": "2026-06-09",
    }

    def post() -> int:
        return requests.post(
            f"{served.url}/duties/cell",
            data=form,
            cookies=editor.http.cookies,
            allow_redirects=False,
            timeout=120,
        ).status_code

    assert at_once(post, 50) == [303] * 50
    assert len(events(served, REPORT, "办公室")) == 1


# In bulk

HEAD = "事项,期次,承担者,办结日期,备注\r\n"


def preview(user: User, text: str, encoding: str = "gbk", name: str = "办结.csv") -> requests.Response:
    return user.post("/duties/import", {}, files={"file": (name, text.encode(encoding))})


def packed_in(page: str) -> str:
    return page.partition('name="packed" value="')[2].partition('"')[0]


@pytest.mark.parametrize("encoding", ["gbk", "utf-8-sig"])
def test_a_table_is_shown_before_it_is_recorded(served: Served, editor: User, encoding: str) -> None:
    rows = f"事项report,{REPORT},办公室,2026年6月9日,会议室\r\n事项report,{REPORT},理论科,,\r\n"
    shown = preview(editor, HEAD + rows, encoding)
    page = text_of(shown.text)
    assert "将登记 1 项办结" in page
    assert "没有填办结日期的 1 行不登记" in page
    assert "办公室 2026-06-09 会议室 将登记" in page
    assert events(served, REPORT, "办公室") == ()
    packed = packed_in(shown.text)
    assert "已按表格登记" in text_of(editor.post("/duties/import", {"packed": packed}).text)
    assert "此前都已登记" in text_of(editor.post("/duties/import", {"packed": packed}).text)
    (event,) = events(served, REPORT, "办公室")
    assert (event.by, event.way, event.note) == ("p-clerk", Way.IMPORT, "会议室")


def test_one_fault_and_nothing_is_recorded(served: Served, editor: User) -> None:
    rows = f"事项report,{REPORT},办公室,2026-06-09,\r\n事项report,{REPORT},文艺科,昨天,\r\n"
    answer = preview(editor, HEAD + rows)
    assert answer.status_code == 422
    page = text_of(answer.text)
    assert "第 3 行“办结日期”" in page
    assert "“昨天”不是日期" in page
    assert 'name="packed"' not in answer.text
    for content in (b"", b"\x00\x01\x02", b"PK\x03\x04broken"):
        answer = editor.post("/duties/import", {}, files={"file": ("x.xlsx", content)})
        assert answer.status_code == 422
    assert served.ledger.facts("test", Transport.OUTBOX).duties == {}


def test_a_private_row_is_unknown_to_who_may_not_see_it(served: Served, editor: User) -> None:
    """And what the second form carries is judged like anything else that comes from outside."""
    answer = preview(editor, f"{HEAD}事项talk,{TALK},{PAIR},2026-06-09,\r\n")
    assert answer.status_code == 422
    assert "没有要办结的事项" in answer.text
    private = served.log_in("p-leader", Role.EDITOR, private=True)
    packed = packed_in(preview(private, f"{HEAD}事项talk,{TALK},{PAIR},2026-06-09,\r\n").text)
    for bad in (packed, "x", "eJw=", "AAAA", packed[:-9]):
        answer = editor.post("/duties/import", {"packed": bad})
        assert answer.status_code == 422
        assert "一行也没有登记" in answer.text
    assert events(served, TALK, PAIR) == ()
    private.post("/duties/import", {"packed": packed})
    assert len(events(served, TALK, PAIR)) == 1


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_table_to_be_filled_in_can_be_handed_back(served: Served, editor: User, kind: str) -> None:
    """It lists what is open; of what is private nothing, for who may not see it."""
    table = editor.get(f"/duties/template.{kind}").content
    everything = served.log_in("p-leader", Role.EDITOR, private=True).get(f"/duties/template.{kind}").content
    if kind == "csv":
        assert table.startswith(b"\xef\xbb\xbf")
        assert not [word for word in PRIVATE if word in table.decode("utf-8")]
        assert "事项talk" in everything.decode("utf-8")
    answer = editor.post("/duties/import", {}, files={"file": (f"t.{kind}", table)})
    assert "没有填办结日期的 2 行不登记" in text_of(answer.text)
    assert editor.get("/duties/template.exe").status_code == 404


def test_a_viewer_is_shown_no_import(served: Served) -> None:
    viewer = served.log_in("p-office", Role.VIEWER)
    assert "批量登记" not in viewer.get("/duties").text
    assert viewer.get("/duties/import").status_code == 403
    assert viewer.post("/duties/import", {"packed": "x"}).status_code == 403


def test_the_day_is_the_offices(served: Served, editor: User) -> None:
    assert f'value="{NOW.date()}"' in editor.get(address(REPORT, "办公室")).text
