"""审批: each text as its receivers will see it, and the word that lets it out or sends it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from reminder.access.rights import Role
from reminder.agenda.facts import Approval
from reminder.check import Edition
from reminder.ledger.records import Transport
from reminder.sweep.accept import accept
from reminder.sweep.approvals import pending
from tests.console.conftest import NOW
from tests.editions import edition_of
from tests.harness.console import Served, User, csrf_on, text_of
from tests.harness.together import at_once
from tests.plans import at, item_yaml, plan_of

START = at("2026-06-01 08:00")
BY = "approval:\n  by:\n    - person:p-office\n    - person:p-theory\n  from: due\n  workdays: -2"
MESSAGE = item_yaml(
    "m",
    "date: 2026-06-12",
    "- from: due\n  workdays: 0\n  to: everyone\n  via:\n    - mail\n    - group",
    f"brief: 请准时参加。\n{BY}",
)
SECRET = item_yaml(
    "secret", "date: 2026-06-12", "- from: due\n  workdays: 0\n  to: person:p-leader", f"private: true\n{BY}"
)


class Asked(Served):
    """An office whose approvers were asked, live; the plan is the secretary's."""

    def ask(self) -> None:
        self.ledger.go_live("test", by="test", now=START)
        accept(self.ledger, self.edition, "p-secretary", START, signed=True)
        self.sweep(Transport.LIVE, START)

    def code(self, item: str = "m") -> str:
        waiting = pending(self.ledger, self.edition, self.clock.now(), decided=True)
        return next(each.said.code for each in waiting if each.said.first.item.id == item)

    @property
    def words(self) -> tuple[Approval, ...]:
        return self.ledger.facts("test", Transport.LIVE).approvals

    def out(self) -> int:
        """How many messages of the item are on their way."""
        due = self.ledger.spool.due("test", Transport.LIVE, self.clock.now(), limit=100)
        made = self.ledger.book.made_for("test", Transport.LIVE, {each.message for each in due})
        return sum(claim.item == "m" for claims in made.values() for claim in claims)


def edition(*items: str) -> Edition:
    return edition_of(plan_of(*items), "https://djw.example.com")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Asked]:
    with Asked(tmp_path, edition(MESSAGE, SECRET), NOW) as office:
        office.ask()
        yield office


@pytest.fixture
def approver(office: Asked) -> User:
    return office.log_in("p-office", Role.APPROVER)


def test_what_waits_is_listed_with_hour_receivers_and_approvers(office: Asked, approver: User) -> None:
    page = text_of(approver.get("/approvals").text)
    for text in (
        "事项m（2026年6月12日）",
        "2026-06-12 09:00",
        "邮件6人，群“group”",
        "其中有您",
        office.code(),
    ):
        assert text in page


def test_each_receivers_text_is_shown_as_they_will_see_it(office: Asked, approver: User) -> None:
    code = office.code()
    page = text_of(approver.get(f"/approvals/{code}").text)
    assert "分管副部长：" in page
    assert "除称呼外，文字完全相同" in page
    frame = approver.get(f"/approvals/{code}/mail?to=2")
    assert "理论科科长：" in frame.text
    assert "请准时参加。" in frame.text
    robot = approver.get(f"/approvals/{code}?to=6").text
    assert "<iframe" not in robot
    assert "请准时参加。" in robot
    assert approver.get(f"/approvals/{code}/mail?to=6").status_code == 404
    for odd in ("99", "-1", "x", "9" * 9):
        assert approver.get(f"/approvals/{code}?to={odd}").status_code == 200


def test_the_mails_frame_can_do_nothing(office: Asked, approver: User) -> None:
    page = approver.get(f"/approvals/{office.code()}")
    assert '<iframe class="mail" sandbox title' in page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    frame = approver.get(f"/approvals/{office.code()}/mail")
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy
    assert policy.endswith("frame-ancestors 'self'; sandbox")
    assert "/d/" not in frame.text


def test_an_approval_lets_the_message_out_at_the_next_sweep(office: Asked, approver: User) -> None:
    answer = approver.post(f"/approvals/{office.code()}", {"action": "approve", "remark": "同意"})
    assert [each.status_code for each in answer.history] == [303]
    assert "办公室主任于 2026-06-10 09:00 批准：同意" in text_of(answer.text)
    (word,) = office.words
    assert (word.by, word.submitter, word.granted) == ("p-office", "p-secretary", True)
    office.clock.set(at("2026-06-12 09:00"))
    office.sweep(Transport.LIVE, START)
    assert office.out() == 7


def test_without_one_nothing_goes_out(office: Asked) -> None:
    office.clock.set(at("2026-06-12 09:00"))
    office.sweep(Transport.LIVE, START)
    assert office.out() == 0


def test_sending_back_needs_a_reason(office: Asked, approver: User) -> None:
    code = office.code()
    refused = approver.post(f"/approvals/{code}", {"action": "return", "remark": " "})
    assert refused.status_code == 422
    assert "退回须写明理由" in refused.text
    long = approver.post(f"/approvals/{code}", {"action": "approve", "remark": "长" * 201})
    assert long.status_code == 422
    assert "长" * 201 in long.text
    assert office.words == ()
    answer = approver.post(f"/approvals/{code}", {"action": "return", "remark": "日期有误"})
    assert "退回：日期有误" in text_of(answer.text)
    assert office.words[-1].remark == "日期有误"


def test_only_whom_the_plan_names_may_approve(office: Asked) -> None:
    """Not the submitter, not another approver, not a viewer, not an auditor; all of them may read."""
    code = office.code()
    for person, roles, status in (
        ("p-secretary", (Role.APPROVER,), 422),
        ("p-clerk", (Role.APPROVER, Role.ADMIN), 422),
        ("p-liaison", (Role.VIEWER,), 403),
        ("p-leader", (Role.AUDITOR, Role.APPROVER), 403),
        ("p-theory", (Role.EDITOR,), 403),
    ):
        user = office.log_in(person, *roles)
        page = user.get(f"/approvals/{code}")
        assert page.status_code == 200
        assert 'value="approve"' not in page.text
        assert user.post(f"/approvals/{code}", {"action": "approve"}).status_code == status
    assert office.words == ()


def test_a_private_text_is_seen_by_who_is_asked_and_who_may_see_private(
    office: Asked, approver: User
) -> None:
    code = office.code("secret")
    viewer = office.log_in("p-liaison", Role.VIEWER, Role.ADMIN)
    pages = [viewer.get(each) for each in ("/approvals", f"/approvals/{code}", f"/approvals/{code}/mail")]
    assert [each.status_code for each in pages] == [200, 404, 404]
    assert all("事项secret" not in each.text for each in pages)
    assert code not in pages[0].text
    for user in (approver, office.log_in("p-leader", Role.AUDITOR)):
        assert "事项secret" in user.get("/approvals").text
        assert user.get(f"/approvals/{code}").status_code == 200


def test_today_counts_of_what_waits_what_the_list_shows(office: Asked, approver: User) -> None:
    for user, waiting, seen in (
        (office.log_in("p-liaison", Role.VIEWER), 1, False),
        (approver, 2, True),
        (office.log_in("p-leader", Role.AUDITOR), 2, True),
    ):
        page = user.get("/").text
        assert f"{waiting} 待审批" in text_of(page)
        assert ("事项secret" in page) == seen == ("事项secret" in user.get("/approvals").text)


def test_a_form_that_is_not_from_the_page_says_nothing(office: Asked, approver: User) -> None:
    address = f"{office.url}/approvals/{office.code()}"
    answer = approver.http.post(address, data={"action": "approve", "csrf": "0" * 64}, timeout=60)
    assert answer.status_code == 403
    assert office.words == ()


def test_fifty_approvals_at_once_are_one(office: Asked, approver: User) -> None:
    form = {"csrf": csrf_on(approver.get("/").text), "action": "approve"}
    address = f"{office.url}/approvals/{office.code()}"

    def post() -> int:
        return requests.post(
            address, data=form, cookies=approver.http.cookies, allow_redirects=False, timeout=120
        ).status_code

    assert at_once(post, 50) == [303] * 50
    assert len(office.words) == 1


def test_a_changed_text_is_another_and_shows_what_changed(office: Asked, approver: User) -> None:
    """The old code leads to the new text, which says what came and went; the old approval is void."""
    before = office.code()
    approver.post(f"/approvals/{before}", {"action": "approve"})
    office.edition = edition(MESSAGE.replace("请准时参加。", "请提前十分钟到场。"), SECRET)
    accept(office.ledger, office.edition, "p-secretary", NOW, signed=True)
    after = office.code()
    assert after != before
    gone = approver.get(f"/approvals/{before}")
    assert gone.status_code == 404
    assert f"approvals/{after}" in gone.text
    assert approver.post(f"/approvals/{before}", {"action": "approve"}).status_code == 404
    page = text_of(approver.get(f"/approvals/{after}").text)
    assert "删去 请准时参加。" in page
    assert "新增 请提前十分钟到场。" in page
    assert "待审批" in page
    office.clock.set(NOW + timedelta(days=2))
    office.sweep(Transport.LIVE, START)
    assert office.out() == 0


def test_an_unknown_code_is_said_to_be_one(approver: User) -> None:
    for code in ("00000000", "zz", "%3Cscript%3E"):
        answer = approver.get(f"/approvals/{code}")
        assert answer.status_code == 404
        assert "没有这件待审批的内容" in answer.text
        assert "reminder approve" not in answer.text
