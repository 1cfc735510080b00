"""What a link shows and what its person can record there, over real HTTP."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from reminder.agenda.facts import DutyAction, DutyState, Way
from reminder.ledger.records import Transport
from reminder.links import PLACEHOLDER, Links
from reminder.recording.recorder import Actor, Entry, Recorder
from tests.plans import DIRECTORY, at
from tests.web.conftest import ABSENT, LINKS, NOW, REPORT, STUDY, TALK, UNTIL, Served


def ids(served: Served) -> dict[str, str]:
    """The occurrence of each item."""
    board = Recorder(served.ledger, served.edition).board(served.clock.now())
    return {row.item.id: row.occurrence.id for row in board}


# -- what is shown ---------------------------------------------------------------


def test_a_link_shows_what_its_person_owes_with_due_date_and_what_counts_as_done(served: Served) -> None:
    shown = served.get(served.personal("p-office"))
    report = ids(served)["report"]
    assert shown.cells == [(report, "办公室")]
    for words in (
        "办公室主任，您好",
        "事项report",
        "2026年6月10日（星期三）17:00",
        "报送材料收到并确认。",
        "未办结",
    ):
        assert words in shown.text
    assert "理论科" not in shown.text


def test_a_message_s_link_shows_what_the_message_was_about_and_nothing_else(served: Served) -> None:
    tokens = served.sweep()
    found = ids(served)
    assert served.unfolded(tokens["p-leader"]).cells == [
        (found["talk"], "p-leader/p-office"),
        (found["talk"], "p-leader/p-theory"),
    ]
    later = at("2026-06-12 09:00")
    served.clock.set(later)
    assert {each for each, _ in served.get(tokens["p-theory"]).cells} == {found["study"]}
    assert {each for each, _ in served.get(served.personal("p-theory")).cells} == {
        found["study"],
        found["report"],
    }


def test_of_a_talk_only_a_date_can_be_recorded(served: Served) -> None:
    """No field for anything else stands on the page, and none is taken that somebody adds."""
    token, talk = served.personal("p-leader"), ids(served)["talk"]
    form = served.unfolded(token).form(talk, "p-leader/p-theory")
    assert set(form) == {"occurrence", "cell", "date"}
    answer = served.send(token, form | {"action": "done", "note": "谈话内容"})
    assert answer.status_code == 422
    assert "只登记日期" in answer.text
    assert served.events(talk, "p-leader/p-theory") == ()
    served.record(token, talk, "p-leader/p-theory")
    (event,) = served.events(talk, "p-leader/p-theory")
    assert (event.by, event.way, event.on, event.note) == ("p-leader", Way.LINK, NOW.date(), "")


def test_of_private_items_a_look_shows_no_more_than_that_there_are_some(served: Served) -> None:
    """What opens links before people do learns neither the matter nor whom it concerns."""
    token, talk = served.personal("p-leader"), ids(served)["talk"]
    shown = served.get(token)
    assert "非公开事项 有2项待登记" in shown.text
    assert shown.forms == [{}]
    assert shown.buttons == [["show"]]
    before = served.changes
    assert "事项talk" in served.unfolded(token).text
    assert served.changes == before
    answered = served.record(token, talk, "p-leader/p-theory")
    assert "理论科科长：2026年6月10日办结" in answered.text
    assert answered.cells == [(talk, "p-leader/p-office")]
    html = served.http.get(served.address(token)).text
    for words in ("谈", "talk", "理论科", "办公室主任", "p-theory", "6月10日", "已记录"):
        assert words not in html
    assert "有1项待登记" in served.get(token).text


def test_a_contact_sees_what_the_unit_s_people_owe_but_nothing_private(served: Served) -> None:
    shown = served.get(served.personal("p-liaison"))
    found = ids(served)
    assert set(shown.cells) == {(found["report"], "理论科"), (found["study"], "p-theory")}
    assert "由您代填" in shown.text
    assert "非公开" not in shown.text


def test_somebody_with_nothing_to_record_is_told_so(served: Served) -> None:
    shown = served.get(served.personal("p-secretary"))
    assert shown.forms == []
    assert "目前没有需要您登记的事项" in shown.text


def test_a_deputy_sees_and_records_while_the_person_is_away_and_not_after(tmp_path: Path) -> None:
    with Served(tmp_path, REPORT, directory=DIRECTORY + ABSENT) as served:
        token, report = served.personal("p-secretary"), ids(served)["report"]
        assert "由您代办（办公室主任外出）" in served.get(token).text
        served.record(token, report, "办公室")
        (event,) = served.events(report, "办公室")
        assert (event.by, event.for_) == ("p-secretary", "p-office")
        served.clock.set(at("2026-07-01 09:00"))
        assert served.get(token).forms == []


# -- what is recorded --------------------------------------------------------------


def test_done_is_recorded_once_and_shown_with_who_recorded_it(served: Served) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    shown = served.record(token, report, "办公室", date="2026-06-09", note="已报送 2 篇")
    (event,) = served.events(report, "办公室")
    assert (event.action, event.on, event.by, event.way) == (
        DutyAction.DONE,
        date(2026, 6, 9),
        "p-office",
        Way.LINK,
    )
    assert event.note == "已报送 2 篇"
    assert "已记录" in shown.text
    assert "2026年6月9日办结（2026年6月10日由办公室主任登记）" in shown.text
    assert shown.cells == []


def test_what_was_just_recorded_is_no_news_any_more_an_hour_later(served: Served) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    served.record(token, report, "办公室")
    served.clock.advance(timedelta(hours=1))
    shown = served.get(token)
    assert "已记录" not in shown.text
    assert "已办结" in shown.text


def test_a_liaison_s_record_says_that_it_was_filled_in_for_others(served: Served) -> None:
    study = ids(served)["study"]
    shown = served.record(served.personal("p-liaison"), study, "p-theory")
    (event,) = served.events(study, "p-theory")
    assert (event.by, event.way, event.for_) == ("p-liaison", Way.LIAISON, "p-theory")
    assert "由理论科联络员代填" in shown.text


def test_an_arranged_date_is_recorded_and_may_be_moved(served: Served) -> None:
    token, talk = served.personal("p-leader"), ids(served)["talk"]
    served.record(token, talk, "p-leader/p-office", "book", date="2026-06-15")
    shown = served.record(token, talk, "p-leader/p-office", "book", date="2026-06-16")
    assert [event.on for event in served.events(talk, "p-leader/p-office")] == [
        date(2026, 6, 15),
        date(2026, 6, 16),
    ]
    assert "安排在2026年6月16日" in shown.text
    assert "已安排" in shown.text


def test_a_returned_report_is_open_again_with_its_reason(served: Served) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    served.record(token, report, "办公室")
    entry = Entry(report, "办公室", DutyAction.RETURN, None, "缺少参加人数")
    Recorder(served.ledger, served.edition).record(Actor("p-clerk", Way.COMMAND), entry, NOW)
    shown = served.get(token)
    assert shown.cells == [(report, "办公室")]
    assert "已退回" in shown.text
    assert "缺少参加人数" in shown.text


def test_reminders_can_be_put_off(served: Served) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    form = served.get(token).form(report) | {"action": "snooze", "date": "2026-06-15"}
    assert served.send(token, form).status_code == 303
    assert served.send(token, form).status_code == 303
    snoozes = served.ledger.facts("test", Transport.OUTBOX).snoozes
    assert [(each.person, each.until) for each in snoozes] == [("p-office", date(2026, 6, 15))]
    assert "2026年6月15日之前不再提醒" in served.get(token).text


@pytest.mark.parametrize(
    "typed", ["2026/6/9", "2026.06.09", "2026年6月9日", "２０２６－０６－０９", "20260609"]
)
def test_a_browser_without_a_date_field_may_send_what_people_type(served: Served, typed: str) -> None:
    report = ids(served)["report"]
    served.record(served.personal("p-office"), report, "办公室", date=typed)
    assert served.events(report, "办公室")[0].on == date(2026, 6, 9)


# -- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"date": ""}, "请填写日期"),
        ({"date": "昨天"}, "“昨天”不是日期"),
        ({"date": "2026-02-30"}, "不是日期"),
        ({"date": "2026-06-11"}, "还没有到"),
        ({"date": "2020-01-01"}, "早于本期"),
        ({"action": "waive"}, "请用页面上的按钮"),
        ({"action": ""}, "请用页面上的按钮"),
        ({"cell": "理论科"}, "不在本链接之内"),
        ({"cell": "办公"}, "不在本链接之内"),
        ({"cell": ""}, "不在本链接之内"),
        ({"occurrence": "talk/2026"}, "不在本链接之内"),
        ({"note": "字" * 201}, "最多200字"),
        ({"note": "一\x00二"}, "控制字符"),
        ({"action": "book", "date": "2026-06-09"}, "不行"),
        ({"action": "snooze", "date": "2027-01-01"}, "不行"),
        ({"action": "snooze", "occurrence": "talk/2026"}, "不在本链接之内"),
    ],
)
def test_what_cannot_be_recorded_is_said_in_chinese_and_changes_nothing(
    served: Served, changes: dict[str, str], said: str
) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    form = served.get(token).form(report, "办公室") | {"action": "done"} | changes
    before = served.changes
    answer = served.send(token, form)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'role="alert"' in answer.text
    assert served.changes == before


def test_a_refused_form_keeps_what_was_typed(served: Served) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    form = served.get(token).form(report, "办公室")
    answer = served.send(token, form | {"action": "done", "date": "2026-06-30", "note": "<b>两篇"})
    assert 'value="2026-06-30"' in answer.text
    assert 'value="&lt;b&gt;两篇"' in answer.text
    assert "<b>" not in answer.text


def test_who_marks_a_waived_cell_done_corrects_it_and_a_closed_one_cannot_be_booked(served: Served) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    form = served.get(token).form(report, "办公室")
    served.record(token, report, "办公室")
    assert served.send(token, form | {"action": "done"}).status_code == 303
    answer = served.send(token, form | {"action": "book"})
    assert answer.status_code == 422
    assert "已办结" in answer.text
    assert len(served.events(report, "办公室")) == 1


# -- links that open nothing -----------------------------------------------------------


def dead_links(served: Served) -> dict[str, str]:
    tokens = served.sweep()
    good = tokens["p-office"]
    message = LINKS.read(good, NOW.date())
    assert message is not None
    return {
        "tampered": good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1],
        "shortened": good[:-1],
        "expired": LINKS.of_message(message.message, "p-office", NOW.date() - timedelta(days=1)),
        "of another key": Links([b"\1" * 32], "test").of_person("p-office", UNTIL),
        "of another plan": Links([bytes(range(32))], "other").of_person("p-office", UNTIL),
        "of another person": LINKS.of_message(message.message, "p-theory", UNTIL),
        "of no message": LINKS.of_message("ab" * 16, "p-office", UNTIL),
        "of nobody": LINKS.of_person("p-gone", UNTIL),
        "a placeholder": PLACEHOLDER,
        "nothing": "x",
    }


def test_links_that_open_nothing_give_one_and_the_same_answer(served: Served) -> None:
    """Unknown, tampered, expired, somebody else's: nobody can tell which, by GET or by POST."""
    answers = set()
    for what, token in dead_links(served).items():
        for answer in (served.http.get(served.address(token)), served.send(token, {"action": "done"})):
            assert answer.status_code == 404, what
            answers.add((answer.text, tuple(sorted(set(answer.headers) - {"date"}))))
    ((text, _),) = answers
    assert "链接无效或已过期" in text
    assert "请打开最近一次提醒中的链接" in text
    assert "机关党委办公室" in text


def test_who_has_left_opens_nothing(tmp_path: Path) -> None:
    left = DIRECTORY.replace("    name: 办公室主任\n", "    name: 办公室主任\n    until: 2026-06-09\n")
    with Served(tmp_path, REPORT, STUDY, TALK, directory=left) as served:
        assert served.http.get(served.address(served.personal("p-office"))).status_code == 404


def test_a_link_lives_through_its_last_day_in_the_office_s_time_zone(served: Served) -> None:
    token = LINKS.of_person("p-office", date(2026, 6, 12))
    served.clock.set(at("2026-06-12 23:59"))
    served.get(token)
    served.clock.set(at("2026-06-13 00:01"))
    assert served.http.get(served.address(token)).status_code == 404


def test_an_item_renamed_since_the_message_is_found_under_its_new_name(tmp_path: Path) -> None:
    with Served(tmp_path, REPORT) as served:
        tokens = served.sweep()
        renamed = REPORT.replace("- id: report", "- id: reporting").replace(
            "    clause:", "    was:\n      - report\n    clause:", 1
        )
        with Served(tmp_path / "other", renamed) as other:
            served.edition = other.edition
            assert [cell for _, cell in served.get(tokens["p-office"]).cells] == ["办公室"]


def test_states_are_read_anew_at_every_visit(served: Served) -> None:
    token, report = served.personal("p-office"), ids(served)["report"]
    served.get(token)
    entry = Entry(report, "办公室", DutyAction.WAIVE, None, "并入年度报告")
    Recorder(served.ledger, served.edition).record(Actor("p-clerk", Way.COMMAND), entry, NOW)
    rows = Recorder(served.ledger, served.edition).board(NOW, items=("report",), person="p-office")
    assert rows[0].standing.state is DutyState.WAIVED
    assert served.get(token).cells == []
    assert "并入年度报告" in served.get(token).text
