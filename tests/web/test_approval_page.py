"""The page of a request: what an approver reads there, and that only a submitted form says anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from reminder.agenda.facts import Approval
from reminder.channels.base import Channel
from reminder.ledger.records import Transport
from reminder.sweep.accept import accept
from reminder.sweep.sweeper import Sweeper
from tests.editions import Remembering, edition_of
from tests.harness.together import at_once
from tests.plans import DIRECTORY, item_yaml, plan_of
from tests.web.conftest import LINKS, NOW, START, UNTIL, URL, Served, Shown

APPROVED = "approval:\n  by:\n    - person:p-office\n    - person:p-theory\n  from: due\n  workdays: -2"
MESSAGE = item_yaml("m", "date: 2026-06-12", "- from: due\n  workdays: 0\n  to: everyone", APPROVED)


class Asked(Served):
    """An office whose approvers have been asked, live; the plan is the secretary's."""

    def ask(self, author: str = "p-secretary") -> dict[str, str]:
        """Sweep, and give back each approver's token."""
        self.ledger.go_live("test", by="test", now=START)
        accept(self.ledger, self.edition, author, START, signed=True)
        self.mail = Remembering("mail")
        channels: dict[str, Channel] = {"mail": self.mail, "group": Remembering("group")}
        self.sweeper = Sweeper(self.ledger, self.edition, channels, Transport.LIVE, START)
        self.sweeper.sweep(NOW)
        due = self.ledger.spool.due("test", Transport.LIVE, NOW, limit=100)
        return {each.receiver: LINKS.of_message(each.message, each.receiver, UNTIL) for each in due}

    def address(self, token: str) -> str:
        return f"http://{self.server.address}/a/{token}"

    def say(self, token: str, action: str, note: str = "") -> requests.Response:
        form = {"action": action} | ({"note": note} if note else {})
        return self.http.post(self.address(token), data=form, timeout=30)

    @property
    def words(self) -> tuple[Approval, ...]:
        return self.ledger.facts("test", Transport.LIVE).approvals


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Asked]:
    with Asked(tmp_path, MESSAGE) as office:
        yield office


def test_the_link_of_the_mail_opens_the_text_with_both_answers(office: Asked) -> None:
    token = office.ask()["p-office"]
    assert f"{URL}/a/" in office.mail.composed[0][0].text
    page = office.get(token)
    for text in (
        "事项m（2026年6月12日）",
        "2026年6月12日（星期五）09:00发出",
        "邮件6人",
        "分管副部长：",
        "除称呼外，文字完全相同",
    ):
        assert text in page.text
    assert page.buttons == [["approve"], ["return"]]


def test_looking_changes_nothing(office: Asked) -> None:
    token = office.ask()["p-office"]
    before = office.changes
    for _ in range(3):
        office.get(token)
        office.http.head(office.address(token), timeout=20)
    assert (office.changes, office.words) == (before, ())


def test_a_submitted_approval_is_recorded_and_lets_the_message_out(office: Asked) -> None:
    token = office.ask()["p-office"]
    answer = office.say(token, "approve")
    assert [each.status_code for each in answer.history] == [303]
    assert "办公室主任已于2026年6月10日（星期三）09:00批准" in Shown(answer.text).text
    (word,) = office.words
    assert (word.by, word.submitter, word.granted) == ("p-office", "p-secretary", True)
    swept = office.sweeper.sweep(NOW + timedelta(days=2))
    assert swept.deliveries == 6


def test_sending_back_needs_a_reason_and_keeps_what_was_typed(office: Asked) -> None:
    token = office.ask()["p-office"]
    refused = office.say(token, "return")
    assert refused.status_code == 422
    assert "退回须写明理由" in refused.text
    assert office.words == ()
    answer = office.say(token, "return", "日期有误")
    assert "退回：日期有误" in Shown(answer.text).text
    assert office.words[-1].remark == "日期有误"


def test_fifty_posts_at_once_are_one_approval(office: Asked) -> None:
    token = office.ask()["p-office"]

    def post() -> int:
        return requests.post(
            office.address(token), data={"action": "approve"}, allow_redirects=False, timeout=120
        ).status_code

    assert at_once(post, 50) == [303] * 50
    assert len(office.words) == 1


def test_who_submitted_reads_it_and_is_offered_no_answer(office: Asked) -> None:
    """Asked while the submitter was another; they have adopted the plan since."""
    token = office.ask()["p-office"]
    accept(office.ledger, office.edition, "p-office", NOW, signed=True)
    page = office.get(token)
    assert page.buttons == []
    assert "是现行计划的提交人，不能审批自己提交的内容；可审批的是：理论科科长（p-theory）" in page.text
    assert office.say(token, "approve").status_code == 422
    assert office.words == ()


def test_a_text_that_has_changed_cannot_be_approved_by_the_old_link(office: Asked) -> None:
    token = office.ask()["p-office"]
    changed = DIRECTORY.replace("name: 理论科联络员", "name: 理论科副科长")
    office.edition = edition_of(plan_of(MESSAGE, directory=changed), URL)
    page = office.get(token)
    assert "已有变动" in page.text
    assert page.buttons == []
    assert office.say(token, "approve").status_code == 422
    assert office.words == ()


def test_a_link_is_one_approvers_and_opens_nothing_else(office: Asked) -> None:
    """Another person's, a forged one, a personal link, and the page of duties."""
    tokens = office.ask()
    message = office.ledger.spool.due("test", Transport.LIVE, NOW, limit=100)[0].message
    stranger = LINKS.of_message(message, "p-clerk", UNTIL)
    token = tokens["p-office"]
    broken = ("A" if token[0] != "A" else "B") + token[1:]
    for bad in (stranger, broken, office.personal("p-office")):
        assert office.http.get(office.address(bad), timeout=20).status_code == 404
        assert office.say(bad, "approve").status_code == 404
    duties = office.http.get(f"http://{office.server.address}/d/{token}", timeout=20)
    assert "目前没有需要您登记的事项" in duties.text
    assert office.words == ()


@pytest.mark.parametrize("form", [{}, {"action": "done"}, {"action": "approve", "x": "1"}])
def test_a_form_that_is_none_of_ours_is_refused(office: Asked, form: dict[str, str]) -> None:
    token = office.ask()["p-office"]
    assert office.http.post(office.address(token), data=form, timeout=20).status_code == 400
    assert office.words == ()


def test_the_link_of_a_message_for_its_receiver_is_not_shown_to_the_approver(tmp_path: Path) -> None:
    """A text with a link of its receiver's own: approvers read that there is one, and no address."""
    duty = "duty:\n  each: unit\n  of: unit:理论科\n"
    item = item_yaml("d", "date: 2026-06-12", "- from: due\n  workdays: 0\n  to: owing", duty + APPROVED)
    with Asked(tmp_path, item) as office:
        token = office.ask()["p-office"]
        (request, *_) = [message for message, to, _ in office.mail.composed if to.id == "p-office"]
        for text in (request.text, office.http.get(office.address(token), timeout=20).text):
            assert "（收件人本人的链接）" in text
            assert "/d/" not in text
        office.say(token, "approve")
        office.sweeper.sweep(NOW + timedelta(days=2))
        assert f"{URL}/d/" in office.mail.composed[-1][0].text
