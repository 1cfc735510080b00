"""A live daemon, a mail server and a group robot: what an approver lets out is what arrives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.check import Edition, examine
from reminder.sweep.accept import accept
from reminder.sweep.approvals import Waiting, pending
from reminder.sweep.approving import approve
from tests.editions import TEMPLATES
from tests.harness.desk import festival
from tests.harness.office import Office
from tests.harness.process import wait_for
from tests.plans import DIRECTORY, at

TWO_DAYS_BEFORE = at("2026-09-22 09:00")
THE_HOUR = at("2026-09-24 09:30")
EVERYBODY = {
    f"{name}@example.com" for name in ("leader", "office", "theory", "liaison", "secretary", "clerk")
}
AWAY = "deputies:\n  - of: p-office\n    deputy: p-theory\n    from: 2026-09-23\n"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Live since before the request, the plan submitted by the clerk."""
    with Office(tmp_path, [festival()], at("2026-09-22 08:00")) as office:
        with office.daemon.ledger() as ledger:
            accept(ledger, edition_of(office), "p-clerk", office.now(), signed=True)
        office.daemon.start()
        yield office


def edition_of(office: Office) -> Edition:
    found = examine(office.daemon.schedules, TEMPLATES).edition
    assert found is not None
    return found


def waiting(office: Office) -> list[Waiting]:
    with office.daemon.ledger() as ledger:
        return pending(ledger, edition_of(office), office.now())


def give(office: Office, by: str) -> None:
    with office.daemon.ledger() as ledger:
        (one,) = pending(ledger, edition_of(office), office.now())
        approve(ledger, edition_of(office), by, one.said.code, office.now())


def mails(office: Office, mark: str) -> set[str]:
    """Who got a mail whose subject begins so."""
    return {
        each.receiver for each in office.arrivals() if each.channel == "mail" and each.text.startswith(mark)
    }


def test_asked_at_t_minus_3_approved_and_delivered_at_t_minus_1(office: Office) -> None:
    office.set(TWO_DAYS_BEFORE)
    wait_for(lambda: mails(office, "请审批") == {"office@example.com"}, "the request")
    (shown,) = waiting(office)
    give(office, "p-office")
    office.set(THE_HOUR)
    wait_for(lambda: mails(office, "中秋节廉洁过节提醒") == EVERYBODY, "the message to everybody")
    wait_for(lambda: len(office.robot.posts) == 1, "the post to the group")
    approved = {each.message.text for each in shown.said.texts if each.channel == "mail"}
    received = {
        each.text.partition("\n")[2].replace("\r\n", "\n").strip()
        for each in office.arrivals()
        if each.text.startswith("中秋节")
    }
    assert received == {text.strip() for text in approved}
    assert mails(office, "提请关注") == set()


def test_unapproved_it_waits_and_warns_and_goes_out_the_moment_it_is_approved(office: Office) -> None:
    office.set(TWO_DAYS_BEFORE)
    wait_for(lambda: mails(office, "请审批") == {"office@example.com"}, "the request")
    office.set(THE_HOUR)
    warned = {"office@example.com", "leader@example.com", "clerk@example.com"}
    wait_for(lambda: mails(office, "提请关注") == warned, "the warning")
    assert mails(office, "中秋节") == set()
    assert len(office.robot.posts) == 0
    give(office, "p-office")
    wait_for(lambda: mails(office, "中秋节廉洁过节提醒") == EVERYBODY, "the message to everybody")
    assert not any("补发" in each.text for each in office.arrivals())


def test_a_new_roster_voids_it_and_the_deputy_it_names_is_asked_and_approves(office: Office) -> None:
    """Approved, then somebody is away on the day: asked again at once, the deputy says yes."""
    office.set(TWO_DAYS_BEFORE)
    wait_for(lambda: mails(office, "请审批") == {"office@example.com"}, "the request")
    give(office, "p-office")
    office.set(at("2026-09-23 10:00"))
    (office.daemon.schedules / "directory.yaml").write_text(DIRECTORY + AWAY + "...\n", "utf-8")
    wait_for(lambda: mails(office, "请重新审批") == {"theory@example.com"}, "the second request")
    give(office, "p-theory")
    office.set(THE_HOUR)
    wait_for(lambda: mails(office, "中秋节廉洁过节提醒") == EVERYBODY - {"office@example.com"}, "the message")
