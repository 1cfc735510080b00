"""Row 7: one recipient of several is refused; the others get their message once and never again."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

from tests.harness.office import MEMBERS, Office
from tests.harness.process import wait_for
from tests.plans import at, item_yaml

NINE = at("2026-06-10 09:00")
LATER = NINE + timedelta(minutes=40)
THREE = "- from: due\n  workdays: 0\n  to:\n    - person:p-office\n    - person:p-theory\n    - person:p-liaison\n"
ALL = {"p-office", "p-theory", "p-liaison"}


def item(via: str) -> list[str]:
    return [item_yaml("n0000", "date: 2026-06-10\nat: 23:59", THREE + via, "alone: true")]


MAIL = item("  via:\n    - mail\n")
APP = item("  via:\n    - app\n")
CHAIN = item("  via:\n    - first: app\n      else: mail\n")


def mailed(office: Office) -> Counter[str]:
    """How many reminders each address has got."""
    return Counter(each.recipient for each in office.smtp.messages if each.recipient != "clerk@example.com")


def shown(office: Office) -> Counter[str]:
    """How many messages of the app each member has seen."""
    return Counter(each.userid for each in office.robot.desk.messages)


def test_row_07_a_mail_refused_for_one_fails_for_that_one_only(tmp_path: Path) -> None:
    """550 to one address: failed with the server's words, and the admin is told of that one."""
    with Office(tmp_path, MAIL) as office:
        office.adopt()
        office.smtp.misbehave("rcpt", "reply", "550 5.1.1 no such user", only="theory@")
        office.set(NINE)
        office.daemon.start()
        states = dict.fromkeys(ALL, "accepted") | {"p-theory": "failed"}
        wait_for(lambda: office.states("n0000", "mail") == states, "all three outcomes")
        wait_for(lambda: len(office.notices()) == 1, "the word to the admin")
        (notice,) = office.notices()
        assert "通道“mail”有1条消息发送失败（550）" in notice
        assert (
            "理论科科长 《事项n0000（2026年6月10日）今天截止》：提交收件人时被拒：5.1.1 no such user"
            in notice
        )
        assert "办公室主任" not in notice
        office.set(LATER)
        office.daemon.stop()
        office.daemon.start()
        office.set(LATER + timedelta(hours=1))
        office.look()
        assert mailed(office) == {"office@example.com": 1, "liaison@example.com": 1}


def test_row_07_a_mail_put_off_for_one_is_tried_again_for_that_one_only(tmp_path: Path) -> None:
    """450 to one address, once: it waits and gets through; the others are not sent anything again."""
    with Office(tmp_path, MAIL) as office:
        office.adopt()
        office.smtp.misbehave("rcpt", "reply", "450 4.2.1 later", only="theory@", times=1)
        office.set(NINE)
        office.daemon.start()
        states = dict.fromkeys(ALL, "accepted") | {"p-theory": "pending"}
        wait_for(lambda: office.states("n0000", "mail") == states, "all three outcomes")
        office.set(LATER)
        wait_for(lambda: office.states("n0000", "mail") == dict.fromkeys(ALL, "accepted"), "the second try")
        assert mailed(office) == {f"{each}@example.com": 1 for each in ("office", "theory", "liaison")}
        assert Counter(each.outcome for each in office.tries("n0000", "mail")) == {
            "accepted": 3,
            "transient": 1,
        }


def test_row_07_an_invalid_userid_fails_for_that_one_only(tmp_path: Path) -> None:
    """One request for three, errcode 0 with ``invaliduser``: partial, and never sent again to the others."""
    with Office(tmp_path, APP, app=tuple(each for each in MEMBERS if each != "theory")) as office:
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        states = dict.fromkeys(ALL, "accepted") | {"p-theory": "failed"}
        wait_for(lambda: office.states("n0000", "app") == states, "all three outcomes")
        (attempt,) = office.tries("n0000", "app")
        assert (attempt.outcome, attempt.code) == ("partial", "invaliduser")
        wait_for(lambda: len(office.notices()) == 1, "the word to the admin")
        (notice,) = office.notices()
        assert "通道“app”有1名收件人被服务器拒收（invaliduser）" in notice
        assert "理论科科长" in notice
        assert "同一条消息的其他人不受影响" in notice
        office.set(LATER)
        office.look()
        assert shown(office) == {"office": 1, "liaison": 1}


def test_row_07_a_chain_falls_back_for_exactly_the_one_that_was_refused(tmp_path: Path) -> None:
    """The app refuses one of three: that one gets a mail, nobody else does."""
    with Office(tmp_path, CHAIN, app=tuple(each for each in MEMBERS if each != "theory")) as office:
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: mailed(office) == {"theory@example.com": 1}, "the mail in place of it")
        office.set(LATER)
        office.look()
        assert mailed(office) == {"theory@example.com": 1}
        assert shown(office) == {"office": 1, "liaison": 1}
        (entry,) = office.daemon.entries(item="n0000", channel="mail")
        assert (entry.receiver, entry.reason, entry.state) == ("p-theory", "fallback:app", "accepted")
