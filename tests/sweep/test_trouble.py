"""What went wrong for good is told: once, together, and over a channel that works."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Reach
from reminder.clock import ManualClock
from reminder.delivery.conduct import Conduct
from reminder.delivery.deliver import Deliverer
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import Entry, EntryFilter
from reminder.sweep.sweeper import Sweeper
from reminder.sweep.trouble import tell_troubles
from tests.backends import Backend
from tests.editions import Remembering, edition_of
from tests.plans import at, item_yaml, plan_of

LIVE = Transport.LIVE
TO_ALL = """
- from: due
  workdays: 0
  to: everyone
  via:
    - {via}
"""
ACCEPTED = Outcome(OutcomeKind.ACCEPTED, "250", "OK")
REFUSED = Outcome(OutcomeKind.PERMANENT, "550", "user unknown")
DEAD = Outcome(OutcomeKind.PERMANENT, "errcode 93000", "invalid webhook", reach=Reach.DEAD)
LOGIN = Outcome(OutcomeKind.TRANSIENT, "535", "authorization code expired", 1800.0, reach=Reach.LOGIN)


class Office:
    """A sweeper, a deliverer and a clock over one live ledger."""

    def __init__(self, backend: Backend, *items: str, hold: bool = False) -> None:
        self.clock = ManualClock(at("2026-06-01"))
        self.ledger = backend.open(LedgerKind.SIMULATION, self.clock.now())
        self.answers: dict[str, Outcome] = {}
        self.channels = {name: Remembering(name, self._answer_of(name)) for name in ("mail", "group")}
        plan = plan_of(*items)
        self.sweeper = Sweeper(self.ledger, edition_of(plan), self.channels, LIVE, self.clock.now())
        conduct = {name: Conduct(hold=hold) for name in self.channels}
        self.deliverer = Deliverer(self.ledger, plan.id, LIVE, self.channels, self.clock, conduct)

    def _answer_of(self, name: str):  # type: ignore[no-untyped-def]
        def answer(parcel: Parcel) -> Outcome:
            # The clerk, who is the admin, has a mailbox that works.
            return ACCEPTED if parcel.address == "clerk@example.com" else self.answers.get(name, ACCEPTED)

        return answer

    def tick(self, now: str | datetime) -> int:
        self.clock.set(at(now) if isinstance(now, str) else now)
        self.sweeper.sweep(self.clock.now())
        self.deliverer.drain(self.clock.now())
        told = tell_troubles(self.ledger, self.sweeper, self.clock.now())
        self.deliverer.drain(self.clock.now())
        return told

    def notices(self) -> list[tuple[str, str, str]]:
        """(to whom, over which channel, subject and text) of every notice composed."""
        found = [
            (to.id, name, f"{message.subject}\n{message.text}")
            for name, channel in self.channels.items()
            for message, to, _ in channel.composed
        ]
        return [each for each in found if "处理办法" in each[2] and "错过发送时间" not in each[2]]

    def told(self) -> list[Entry]:
        return self.ledger.book.entries("test", EntryFilter(item="notice"))


@pytest.fixture
def office(backend: Backend) -> Office:
    return Office(
        backend,
        item_yaml("m", "date: 2026-06-10", TO_ALL.format(via="mail")),
        item_yaml("g", "date: 2026-06-11", TO_ALL.format(via="group")),
        item_yaml("h", "date: 2026-06-12", TO_ALL.format(via="mail")),
    )


def test_failures_of_one_kind_are_one_notice_with_the_servers_words(office: Office) -> None:
    """Five refused mailboxes: one notice to the admin, who reads which and why."""
    office.answers["mail"] = REFUSED
    assert office.tick("2026-06-10 09:00") == 1
    ((receiver, channel, text),) = office.notices()
    assert (receiver, channel) == ("p-clerk", "mail")
    for words in ("5条消息发送失败", "550", "user unknown", "理论科科长", "事项m", "reminder ledger"):
        assert words in text
    assert office.tick("2026-06-10 09:01") == 0
    assert office.ledger.troubles("test", LIVE) == []
    (entry,) = office.told()
    assert entry.state == "accepted"


def test_more_of_the_same_within_an_hour_waits_for_the_next_notice(backend: Backend) -> None:
    """At most one notice per channel and reason per hour, and none is left out."""
    office = Office(
        backend,
        *(item_yaml(f"i{minute}", "date: 2026-06-10", f"- from: due\n  workdays: 0\n  at: 09:{minute:02}\n  to: person:p-office") for minute in range(0, 60, 10)),
    )  # fmt: skip
    office.answers["mail"] = REFUSED
    told = [office.tick(at("2026-06-10 09:00") + timedelta(minutes=minute)) for minute in range(0, 130, 5)]
    assert sum(told) == 2
    assert [index for index, count in enumerate(told) if count] == [0, 13]
    texts = [text for _, _, text in office.notices()]
    assert ["1条消息" in texts[0], "5条消息" in texts[1]] == [True, True]
    office.ledger.close()


def test_another_reason_is_told_at_once(backend: Backend) -> None:
    """Only what is alike waits for the hour."""
    remind = "- from: due\n  workdays: 0\n  at: {at}\n  to: person:p-office"
    items = [item_yaml(f"i{n}", "date: 2026-06-10", remind.format(at=f"09:{n}0")) for n in range(3)]
    office = Office(backend, *items)
    office.answers["mail"] = REFUSED
    assert office.tick("2026-06-10 09:00") == 1
    assert office.tick("2026-06-10 09:10") == 0
    office.answers["mail"] = Outcome(OutcomeKind.PERMANENT, "554", "DT:SPM")
    assert office.tick("2026-06-10 09:20") == 1
    assert "DT:SPM" in office.notices()[-1][2]
    office.ledger.close()


def test_a_dead_robot_is_told_by_mail_with_what_to_do(office: Office) -> None:
    office.answers["group"] = DEAD
    assert office.tick("2026-06-11 09:00") == 1
    texts = [
        text for receiver, channel, text in office.notices() if (receiver, channel) == ("p-clerk", "mail")
    ]
    assert len(texts) == 1
    for words in (
        "通道“group”已暂停发送",
        "errcode 93000",
        "invalid webhook",
        "reminder channel resume group --by",
    ):
        assert words in texts[0]
    assert office.tick("2026-06-11 11:00") == 0


def test_a_dead_mail_account_is_told_in_the_group_and_nothing_waits_for_mail(office: Office) -> None:
    """The admin's mailbox is behind the very account that is refused."""
    office.channels["mail"] = Remembering("mail", lambda _: LOGIN)
    office.sweeper.channels = office.channels
    office.deliverer = Deliverer(office.ledger, "test", LIVE, office.channels, office.clock)
    assert office.tick("2026-06-10 09:00") == 0, "once may be a hiccup"
    assert office.tick("2026-06-10 09:01") == 1
    assert [(receiver, channel) for receiver, channel, _ in office.notices()] == [("group:group", "group")]
    (entry,) = office.told()
    assert (entry.receiver, entry.state) == ("group:group", "accepted")


def test_what_expired_unsent_is_told_with_the_last_words_of_the_server(office: Office) -> None:
    office.answers["mail"] = Outcome(OutcomeKind.TRANSIENT, "421", "service not available")
    office.tick("2026-06-10 09:00")
    office.answers.clear()
    office.clock.set(at("2026-07-20 09:00"))
    office.deliverer.drain(office.clock.now())
    assert tell_troubles(office.ledger, office.sweeper, office.clock.now()) == 1
    text = office.notices()[-1][2]
    assert "5条消息直到失效也没有发出" in text
    assert "service not available" in text


def test_an_unknown_outcome_on_hold_is_told_with_the_number_to_decide_by(backend: Backend) -> None:
    office = Office(backend, item_yaml("m", "date: 2026-06-10", TO_ALL.format(via="mail")), hold=True)
    office.answers["mail"] = Outcome(OutcomeKind.UNCERTAIN, "connection", "连接中断")
    assert office.tick("2026-06-10 09:00") == 1
    text = office.notices()[-1][2]
    numbers = [e.deliveries[0] for e in office.ledger.book.entries("test", EntryFilter(status="uncertain"))]
    assert len(numbers) == 5
    assert all(number in text for number in numbers)
    assert "reminder resolve" in text
    office.ledger.close()


def test_a_notice_that_fails_makes_no_notice(office: Office) -> None:
    """It would go the same way; the log has it."""
    office.channels["mail"] = Remembering("mail", lambda _: REFUSED)
    office.sweeper.channels = office.channels
    office.deliverer = Deliverer(office.ledger, "test", LIVE, office.channels, office.clock)
    assert office.tick("2026-06-10 09:00") == 1
    for hour in range(10, 15):
        assert office.tick(f"2026-06-10 {hour}:00") == 0
    assert len(office.told()) == 1
    assert office.ledger.troubles("test", LIVE) == []


def test_a_crash_between_the_notice_and_its_mark_tells_nothing_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice's key says which troubles it is about."""
    office.answers["mail"] = REFUSED
    with monkeypatch.context() as patch:
        patch.setattr(office.ledger, "told", lambda *_: None)
        assert office.tick("2026-06-10 09:00") == 1
    assert office.tick("2026-06-10 09:00") == 1
    assert office.tick("2026-06-10 11:30") == 0
    assert len(office.told()) == 1
