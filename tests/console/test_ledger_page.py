"""台账: what was sent and not sent, the exact text, and what a person decides of what failed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from reminder.access.rights import Role
from reminder.backup.months import Wanted, retire
from reminder.channels.email import EmailAdapter
from reminder.ledger.records import DeliveryState, NewAlarm, NewClaim, NewDelivery, Settlement, Transport
from reminder.ledger.shown import EntryFilter
from reminder.links import PLACEHOLDER
from tests.console.conftest import REPORT, TALK
from tests.editions import edition_of
from tests.harness.console import Served, User, csrf_on, text_of
from tests.harness.together import at_once
from tests.plans import at, plan_of

NOW = at("2026-06-10 09:00")
START = at("2026-06-01 08:00")
FAILED, UNCERTAIN, ACCEPTED = DeliveryState.FAILED, DeliveryState.UNCERTAIN, DeliveryState.ACCEPTED
LIVE = Transport.LIVE


class Sent(Served):
    """An office that has sent its reminders of the day, live; real mails, no server."""

    def send(self) -> None:
        config = self.edition.plan.channels["mail"]
        self.channels["mail"] = EmailAdapter(config, password=None, office_mailbox="jgdw@example.com")
        self.ledger.go_live("test", by="test", now=START)
        self.sweep(LIVE, START)

    def of(self, receiver: str) -> str:
        """The id of a receiver's message."""
        due = self.ledger.spool.due("test", LIVE, self.clock.now(), limit=100)
        return next(each.id for each in due if each.receiver == receiver)

    def end(
        self, delivery: str, state: DeliveryState, code: str = "550", detail: str = "no such user"
    ) -> None:
        number = self.ledger.spool.begin("test", delivery, self.clock.now())
        assert isinstance(number, int)
        outcome = {FAILED: "permanent", UNCERTAIN: "uncertain", ACCEPTED: "accepted"}[state]
        assert self.ledger.spool.finish(
            "test", delivery, number, self.clock.now(), outcome=outcome, code=code, detail=detail, state=state
        )

    def state(self, delivery: str) -> DeliveryState:
        found = self.ledger.spool.delivery("test", delivery)
        assert found is not None
        return found.state


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Sent]:
    edition = edition_of(plan_of(REPORT, TALK), "https://djw.example.com")
    with Sent(tmp_path, edition, NOW) as office:
        office.send()
        yield office


@pytest.fixture
def operator(office: Sent) -> User:
    return office.log_in("p-clerk", Role.ADMIN)


def many(office: Sent, count: int, transport: Transport = LIVE, subject: str = "") -> None:
    """Lines of the report, a minute apart, each with an accepted message; every seventh sends nothing."""
    alarms, deliveries = [], []
    for number in range(count):
        when = NOW - timedelta(days=3, minutes=number)
        key, name = f"report/2026#n{number}", f"m{transport}{number}"
        sends = number % 7 != 0
        claims = (NewClaim("p-office", "mail", "send", "due", name),) if sends else ()
        decision = ("send", "due") if sends else ("suppress", "nothing-open")
        alarms.append(NewAlarm(key, "report", "report/2026", f"n{number}", when, NOW, *decision, claims))
        if sends:
            deliveries.append(
                NewDelivery(
                    id=f"d{transport}{number}", message=name, channel="mail", receiver="p-office",
                    address="office@example.com", part=1, parts=1, message_id=f"<{name}@example.com>",
                    subject=subject or f"第{number}条", text="正文", payload=b"x", planned_at=when, not_before=when,
                    expires_at=NOW + timedelta(days=1),
                )
            )  # fmt: skip
    office.ledger.settle("test", transport, Settlement(tuple(alarms), tuple(deliveries)), NOW)


def older(page: str) -> str:
    """Where “较早的” leads."""
    found = page.partition('rel="next" href="')[2].partition('"')[0]
    return unescape(found).removeprefix(".")


# What is seen


def test_each_line_says_what_to_whom_when_and_what_came_of_it(office: Sent, operator: User) -> None:
    office.end(office.of("p-office"), FAILED)
    page = text_of(operator.get("/ledger").text)
    assert "2026-06-10 09:00 事项report 2026 办公室主任 mail" in page
    assert "发送失败 550 no such user" in page
    assert "理论科联络员 mail" in page
    assert "待发送" in page


def test_what_was_not_sent_stands_there_with_its_reason(office: Sent, operator: User) -> None:
    many(office, 8)
    page = text_of(operator.get("/ledger?status=suppress").text)
    assert page.count("没有消息 不发送 已全部办结") == 2
    assert "第1条" not in page


def test_a_duty_that_nobody_can_be_told_of_is_named_by_its_unit(office: Sent, operator: User) -> None:
    claim = NewClaim("cell:办公室", "-", "fail", "no-owner")
    alarm = NewAlarm("report/2026#x", "report", "report/2026", "x", NOW, NOW, "send", "due", (claim,))
    office.ledger.settle("test", LIVE, Settlement((alarm,), ()), NOW)
    page = text_of(operator.get("/ledger").text)
    assert "事项report 2026 办公室 -" in page
    assert "cell:" not in page


def test_lines_are_filtered(office: Sent, operator: User) -> None:
    many(office, 20)
    office.end(office.of("p-liaison"), FAILED)
    for query, there, gone in (
        ("item=report&person=p-liaison", "理论科联络员 mail", "第1条"),
        ("status=failed", "理论科联络员 mail", "第1条"),
        ("from=2026-06-07&to=2026-06-07", "第1条", "理论科联络员 mail"),
        ("to=2026-06-09", "第1条", "理论科联络员 mail"),
        ("channel=group", "没有符合条件的记录", "第1条"),
        ("item=notice", "没有符合条件的记录", "第1条"),
        ("from=gestern", "“起”的日期“gestern”看不懂", "——"),
        ("from=0001-01-01", "“起”的日期“0001-01-01”看不懂", "——"),
        ("to=9999-12-31", "“止”的日期“9999-12-31”看不懂", "——"),
        ("status=nonsense", "没有“nonsense”这种结果", "——"),
    ):
        page = text_of(operator.get(f"/ledger?{query}").text)
        assert there in page, query
        assert gone not in page, query


def test_pages_follow_one_another_without_gap_or_repetition(office: Sent, operator: User) -> None:
    many(office, 160)
    seen, address, back = [], "/ledger?item=report&to=2026-06-09", ""
    while address:
        page = operator.get(address).text
        rows = page.split("<tr>")[2:]
        assert len(rows) <= 50
        seen += [text_of(row).partition(" 结果")[0] for row in rows]
        back = page.partition('rel="prev" href="')[2].partition('"')[0]
        address = older(page)
    assert len(seen) == 160
    times = [row[:16] for row in seen]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 160
    before = operator.get(unescape(back).removeprefix(".")).text
    assert [text_of(row)[:16] for row in before.split("<tr>")[2:]] == times[100:150]
    for odd in (
        "x", "2026~1~1", "2026-06-01T00:00:00Z~9~x", "~~~", f"2026-06-01T00:00:00Z~{'9' * 40}~0",
        "0001-01-01T00:00:00+23:59~1~1", "9999-12-31T23:59:59-23:59~1~1",
    ):  # fmt: skip
        assert operator.get(f"/ledger?{urlencode({'after': odd})}").status_code == 200


def test_a_rehearsal_is_never_shown_as_sent(office: Sent, operator: User) -> None:
    """Left out once messages really go out; asked for, marked on every line, the page and the table."""
    many(office, 3, Transport.OUTBOX)
    number = office.ledger.spool.begin("test", "doutbox1", NOW)
    assert isinstance(number, int)
    office.ledger.spool.finish(
        "test", "doutbox1", number, NOW, outcome="accepted", code="outbox", detail="x.eml", state=ACCEPTED
    )
    assert "第1条" not in operator.get("/ledger").text
    page = text_of(operator.get("/ledger?transport=outbox&status=accepted").text)
    assert "没有发给任何人，不作凭据" in page
    assert "第1条 试运行 已写入 outbox" in page
    assert "服务器已接收" not in page.partition("没有发给任何人")[2]
    one = text_of(operator.get("/ledger/doutbox1").text)
    assert "试运行：只写入 outbox 文件夹，没有发给任何人，不作凭据" in one
    table = operator.get("/ledger/export.csv?transport=all").content.decode("utf-8-sig")
    rows = [row for row in csv.DictReader(io.StringIO(table)) if row["主题"] == "第1条"]
    assert [(row["方式"], row["结果"]) for row in rows] == [("试运行", "已写入 outbox（试运行，不作凭据）")]


def test_a_message_shows_its_tries_and_the_exact_text(office: Sent, operator: User) -> None:
    delivery = office.of("p-office")
    office.end(delivery, UNCERTAIN, "timeout", "等待答复时<超过>总时限")
    page = operator.get(f"/ledger/{delivery}")
    words = text_of(page.text)
    for text in (
        "办公室主任（office@example.com）",
        "结果不明 timeout 等待答复时<超过>总时限",
        "发送：按计划",
    ):
        assert text in words
    assert office.ledger.book.text_of("test", delivery).split()[0] in words
    assert f"/d/{PLACEHOLDER}" in page.text
    frame = operator.get(f"/ledger/{delivery}/mail")
    assert "<html" in frame.text
    assert PLACEHOLDER in frame.text
    assert frame.headers["content-security-policy"].endswith("sandbox")
    for unknown in ("/ledger/nothing", "/ledger/nothing/mail"):
        assert operator.get(unknown).status_code == 404


# Private items


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
def test_private_lines_and_texts_are_for_who_may_see_them(office: Sent, role: Role) -> None:
    """Neither the lines nor the table nor the message; not by asking for the item either."""
    delivery = office.of("p-leader")
    user = office.log_in("p-secretary", role)
    for address in (
        "/ledger",
        "/ledger?item=talk",
        "/ledger?person=p-leader",
        "/ledger/export.csv",
        "/duties",
    ):
        answer = user.get(address).content.decode("utf-8-sig")
        for word in ("事项talk", "talk/2026", delivery, "工作安排提醒"):
            assert word not in answer, address
    for address in (f"/ledger/{delivery}", f"/ledger/{delivery}/mail"):
        answer = user.get(address)
        assert answer.status_code == 404
        assert "talk" not in answer.text
    auditor = office.log_in("p-clerk", Role.AUDITOR)
    assert "事项talk" in auditor.get("/ledger?person=p-leader").text
    assert "talk/2026" in auditor.get("/ledger/export.csv").content.decode("utf-8-sig")
    assert auditor.get(f"/ledger/{delivery}").status_code == 200


def test_of_a_message_with_something_private_in_it_only_the_own_line_is_seen(office: Sent) -> None:
    claims = {
        item: NewAlarm(
            f"{item}/2026#x", item, f"{item}/2026", "x", NOW, NOW, "send", "due",
            (NewClaim("p-leader", "mail", "merge", "due", "both"),),
        )
        for item in ("report", "talk")
    }  # fmt: skip
    made = NewDelivery(
        id="both-1", message="both", channel="mail", receiver="p-leader", address="leader@example.com",
        part=1, parts=1, message_id="<both@example.com>", subject="今日提醒2项：事项talk、事项report",
        text="事项talk：理论科科长", payload=b"x", planned_at=NOW, not_before=NOW, expires_at=NOW + timedelta(days=1),
    )  # fmt: skip
    office.ledger.settle("test", LIVE, Settlement(tuple(claims.values()), (made,)), NOW)
    office.end("both-1", FAILED)
    user = office.log_in("p-secretary", Role.ADMIN)
    for address in ("/ledger?person=p-leader", "/ledger/both-1", "/ledger/export.csv"):
        answer = user.get(address).content.decode("utf-8-sig")
        assert "事项report" in answer
        assert "talk" not in answer
    assert user.get("/ledger/both-1/mail").status_code == 404
    assert user.post("/ledger/both-1", {"action": "resend"}).status_code == 422
    assert office.state("both-1") is FAILED


def test_a_request_to_approve_something_private_is_private(office: Sent) -> None:
    key = "approval/talk/2026#due+1wd@0123abcd~p-office"
    claim = NewClaim("p-office", "mail", "send", "due", "ask")
    alarm = NewAlarm(key, "approval", key.partition("#")[0], "x", NOW, NOW, "send", "due", (claim,))
    made = NewDelivery(
        id="ask-1", message="ask", channel="mail", receiver="p-office", address="office@example.com", part=1,
        parts=1, message_id="<ask@example.com>", subject="请审批：事项talk", text="事项talk", payload=b"x",
        planned_at=NOW, not_before=NOW, expires_at=NOW + timedelta(days=1),
    )  # fmt: skip
    office.ledger.settle("test", LIVE, Settlement((alarm,), (made,)), NOW)
    user = office.log_in("p-secretary", Role.ADMIN)
    assert "talk" not in user.get("/ledger").text
    assert user.get("/ledger/ask-1").status_code == 404
    assert "请审批：事项talk" in office.log_in("p-clerk", Role.AUDITOR).get("/ledger").text


# What is decided


def test_a_retry_puts_a_failed_message_up_again(office: Sent, operator: User) -> None:
    delivery = office.of("p-office")
    office.end(delivery, FAILED)
    assert delivery not in {each.id for each in office.ledger.spool.due("test", LIVE, NOW, limit=100)}
    answer = operator.post(f"/ledger/{delivery}", {"action": "resend"})
    assert [each.status_code for each in answer.history] == [303]
    page = text_of(answer.text)
    assert "已列入重发" in page
    assert "机关党委办公室干事：再发一次" in page
    assert office.of("p-office") == delivery
    office.end(delivery, ACCEPTED, "250", "OK")
    assert office.state(delivery) is ACCEPTED


def test_a_failed_message_can_be_left_and_an_uncertain_one_taken_for_arrived(
    office: Sent, operator: User
) -> None:
    failed, uncertain = office.of("p-office"), office.of("p-liaison")
    office.end(failed, FAILED)
    office.end(uncertain, UNCERTAIN)
    assert "认定" not in operator.get(f"/ledger/{failed}").text
    assert operator.post(f"/ledger/{failed}", {"action": "arrived"}).status_code == 422
    operator.post(f"/ledger/{failed}", {"action": "drop"})
    assert not [each for each in office.ledger.unreached("test", LIVE, START) if each.receiver == "p-office"]
    assert "不再发</button>" not in operator.get(f"/ledger/{failed}").text
    operator.post(f"/ledger/{uncertain}", {"action": "arrived"})
    assert (office.state(failed), office.state(uncertain)) == (FAILED, ACCEPTED)
    assert "由机关党委办公室干事决定" in operator.get("/ledger").text


def test_what_is_past_its_use_is_not_sent_again(office: Sent, operator: User) -> None:
    delivery = office.of("p-office")
    office.end(delivery, FAILED)
    office.clock.set(NOW + timedelta(days=30))
    user = office.log_in("p-clerk")
    assert "有效期已过，重发已没有意义" in user.get(f"/ledger/{delivery}").text
    refused = user.post(f"/ledger/{delivery}", {"action": "resend"})
    assert refused.status_code == 422
    assert "有效期已过" in refused.text
    assert office.state(delivery) is FAILED


def test_only_an_operator_decides_and_only_from_the_page(office: Sent, operator: User) -> None:
    delivery = office.of("p-office")
    office.end(delivery, FAILED)
    for person, role in (("p-office", Role.VIEWER), ("p-theory", Role.EDITOR), ("p-leader", Role.AUDITOR)):
        user = office.log_in(person, role)
        assert 'value="resend"' not in user.get(f"/ledger/{delivery}").text
        assert user.post(f"/ledger/{delivery}", {"action": "resend"}).status_code == 403
    form = {"action": "resend", "csrf": "0" * 64}
    assert operator.http.post(f"{office.url}/ledger/{delivery}", data=form, timeout=60).status_code == 403
    assert operator.post(f"/ledger/{delivery}", {"action": "shout"}).status_code == 422
    assert office.state(delivery) is FAILED


@pytest.mark.parametrize(("state", "action"), [(FAILED, "resend"), (FAILED, "drop"), (UNCERTAIN, "resend")])
def test_fifty_who_decide_the_same_at_once_are_one_decision(
    office: Sent, operator: User, state: DeliveryState, action: str
) -> None:
    delivery = office.of("p-office")
    office.end(delivery, state)
    form = {"csrf": csrf_on(operator.get("/").text), "action": action}

    def post() -> int:
        return requests.post(
            f"{office.url}/ledger/{delivery}",
            data=form,
            cookies=operator.http.cookies,
            allow_redirects=False,
            timeout=120,
        ).status_code

    assert at_once(post, 50) == [303] * 50
    leaf = office.ledger.book.leaf("test", delivery)
    assert leaf is not None
    assert [(each.decision, each.author) for each in leaf.resolutions] == [(action, "p-clerk")]


# The table


def test_the_table_holds_every_filtered_line_and_calculates_nothing(office: Sent, operator: User) -> None:
    many(office, 1100)
    answer = operator.get("/ledger/export.csv?to=2026-06-09&status=pending")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == sum(number % 7 != 0 for number in range(1100))
    assert len({row["计划时间"] for row in rows}) == len(rows)


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(1)", '=HYPERLINK("http://x")'])
def test_the_table_calculates_nothing(office: Sent, operator: User, words: str) -> None:
    many(office, 2, subject=words)
    text = operator.get("/ledger/export.csv?to=2026-06-09").content.decode("utf-8-sig")
    assert f"'{words}" in {row["主题"] for row in csv.DictReader(io.StringIO(text))}


def test_an_address_that_is_none_is_said_to_be_one(office: Sent, operator: User) -> None:
    """In words for whoever uses the console; a link that opens nothing keeps its own."""
    for path in ("/no-such-page", "/ledger/x/y/z", "/dd/x"):
        answer = operator.get(path)
        assert answer.status_code == 404
        assert "没有这一页" in answer.text
        assert "链接无效" not in answer.text
    assert "链接无效或已过期" in operator.get("/d/nothing").text
    assert "链接无效或已过期" in operator.get("/a/nothing").text


def test_a_page_of_months_that_were_retired_says_when_by_whom_and_where_to(
    office: Sent, operator: User, tmp_path: Path
) -> None:
    """Its lines are there, their messages are not; a later month says nothing of it."""
    many(office, 9)
    office.ledger.spool.expire("test", LIVE, NOW + timedelta(days=2))
    office.ledger.told("test", [each.id for each in office.ledger.troubles("test", LIVE)], NOW)
    wanted = Wanted("test", "Asia/Shanghai", "2026-07", at("2026-07-01"), "p-clerk", "已满保管期限")
    office.clock.set(NOW + timedelta(days=40))
    later = office.log_in("p-office", Role.ADMIN)
    told = "2026-06 及以前的消息"
    assert told not in later.get("/ledger").text
    made, _ = retire(office.ledger, wanted, tmp_path / "2026.tar.gz", office.clock.now())
    page = text_of(later.get("/ledger").text)
    assert told in page
    assert f"档案 2026.tar.gz（SHA-256 {made.sha256}）" in page
    assert "由机关党委办公室干事办理，理由：已满保管期限" in page
    assert "消息在档案中 已归档" in page
    assert told in text_of(later.get("/ledger?to=2026-06-30&status=accepted").text)
    assert told not in later.get("/ledger?from=2026-07-02").text
    exported = later.get("/ledger/export.csv?status=retired").content.decode("utf-8-sig")
    gone = office.ledger.book.entries("test", EntryFilter(status="retired"))
    assert exported.count("已归档") == sum(each.item == "report" for each in gone) > 5
