"""Chains: the second channel for exactly those whom the first does not reach, each told once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reminder.channels.base import Channel, Outcome, OutcomeKind, Parcel, Reach, Recipient, Stamp
from reminder.channels.wecom_app import WecomAppAdapter
from reminder.clock import ManualClock
from reminder.delivery.deliver import Deliverer
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.messages.message import Message
from reminder.plan.model import Plan
from reminder.sweep.fallback import patience_ends
from reminder.sweep.sweeper import Sweeper
from tests import plans
from tests.amounts import amount
from tests.backends import Backend
from tests.editions import Remembering, edition_of
from tests.plans import CHANNELS, at, item_yaml
from tests.servers.wecom import WecomSimulator

LIVE = Transport.LIVE
SECRET = "app-secret"
MEMBERS = ("leader", "office", "theory", "liaison", "secretary")
APP = """\
  - id: wecom
    kind: wecom_app
    corpid: ww0123456789abcdef
    agentid: 1000002
    secret: WECOM_APP_SECRET
    base_url: {base_url}
"""
CHAIN = "via:\n  first: wecom\n  else: mail"
THREE = (
    "- from: due\n  workdays: 0\n  to:\n    - person:p-office\n    - person:p-theory\n    - person:p-clerk"
)
DAY = "date: 2026-06-10"
ALARM = "x/2026-06-10#due+0wd"
BEFORE, DUE = at("2026-06-01"), at("2026-06-10 09:00")


def plan_of(*items: str, base_url: str = "http://127.0.0.1:9", **changes: dict[str, Any]) -> Plan:
    """A plan with an app; ``changes`` are of persons, by id with ``_`` for ``-``."""
    plan = plans.plan_of(*items, channels=CHANNELS + APP.format(base_url=base_url))
    directory = plan.directory
    people = tuple(
        each.model_copy(update=changes.get(each.id.replace("-", "_"), {})) for each in directory.people
    )
    return replace(plan, directory=replace(directory, people=people, _index={}))


class WecomLike(Remembering):
    """Takes many receivers at once, and answers as it is told."""

    batch = 1000

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:
        self.composed.append((message, to, stamp))
        return (json.dumps({"touser": to.address, "text": message.markdown}).encode(),)


class Office:
    """Ledger, sweeper and deliverer on one manual clock."""

    def __init__(self, ledger: Ledger, plan: Plan, wecom: Channel, start: datetime = BEFORE) -> None:
        self.ledger, self.plan = ledger, plan
        self.clock = ManualClock(start)
        self.mail, self.group = Remembering("mail"), Remembering("group")
        self.channels: dict[str, Channel] = {"mail": self.mail, "group": self.group, "wecom": wecom}
        self.sweeper = Sweeper(ledger, edition_of(plan), self.channels, LIVE, self.clock.now())
        self.deliverer = Deliverer(ledger, plan.id, LIVE, self.channels, self.clock)

    def at(self, moment: datetime) -> None:
        """A daemon's tick and all that follows from it, until nothing happens any more."""
        self.clock.set(moment)
        for _ in range(5):
            self.sweeper.sweep(moment)
            if not self.deliverer.drain(moment):
                return

    def restart(self) -> None:
        now = self.clock.now()
        self.sweeper = Sweeper(self.ledger, edition_of(self.plan), self.channels, LIVE, now)

    def mailed(self, about: str = "事项") -> list[str]:
        """Whom a mail about an item reached, in order; notices to the admins are left out."""
        return sorted(
            p.receiver for p in self.mail.arrived if f"{about}".encode() in p.payload.split(b"\n")[0]
        )

    def claims(self, item: str = "x") -> list[tuple[str, str, str, str, str | None]]:
        found = self.ledger.book.entries(self.plan.id, EntryFilter(item=item))
        return sorted((e.receiver or "", e.channel or "", e.decision, e.reason, e.state) for e in found)


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, BEFORE)


@pytest.fixture
def service() -> Iterator[WecomSimulator]:
    with WecomSimulator(apps={1000002: SECRET}, members=MEMBERS) as simulator:
        yield simulator


def real(ledger: Ledger, service: WecomSimulator, *items: str, secret: str = SECRET) -> Office:
    """An office whose app talks to the service over HTTP."""
    plan = plan_of(*items, base_url=service.base_url)
    return Office(ledger, plan, WecomAppAdapter(plan.channels["wecom"], secret=secret))


def answering(*outcomes: Outcome) -> Callable[[Parcel], Outcome]:
    """One outcome after another, the last one repeated."""
    rest = list(outcomes)
    return lambda _parcel: rest.pop(0) if len(rest) > 1 else rest[0]


def test_who_has_no_address_on_the_first_channel_gets_the_second_at_once(
    ledger: Ledger, service: WecomSimulator
) -> None:
    """In the same sweep; the ledger holds both steps, and nobody is said to have failed."""
    office = real(ledger, service, item_yaml("x", DAY, THREE, CHAIN))
    office.at(DUE)
    assert [each.userid for each in service.desk.messages] == ["office", "theory"]
    assert office.mailed() == ["p-clerk"]
    assert office.claims() == [
        ("p-clerk", "mail", "send", "fallback:wecom", "accepted"),
        ("p-clerk", "wecom", "suppress", "no-address", None),
        ("p-office", "wecom", "send", "due", "accepted"),
        ("p-theory", "wecom", "send", "due", "accepted"),
    ]


def test_who_is_refused_gets_the_second_channel_and_nobody_else(
    ledger: Ledger, service: WecomSimulator
) -> None:
    """One of a batch is not known to the service; the others are not told twice, however often is looked."""
    del service.desk.members["theory"]
    office = real(ledger, service, item_yaml("x", DAY, THREE, CHAIN))
    office.at(DUE)
    office.at(DUE + timedelta(minutes=1))
    office.restart()
    office.at(DUE + timedelta(minutes=2))
    assert [each.userid for each in service.desk.messages] == ["office"]
    assert office.mailed() == ["p-clerk", "p-theory"]
    assert ("p-theory", "mail", "send", "fallback:wecom", "accepted") in office.claims()


@pytest.mark.parametrize("fault", ["secret", "address"])
def test_a_dead_app_sends_everybody_to_mail(ledger: Ledger, service: WecomSimulator, fault: str) -> None:
    """What waited is given up with it: once the app is mended, nobody hears it a second time."""
    office = real(
        ledger, service, item_yaml("x", DAY, THREE, CHAIN), secret="wrong" if fault == "secret" else SECRET
    )
    service.desk.trusted = fault != "address"
    office.at(DUE)
    assert office.mailed() == ["p-clerk", "p-office", "p-theory"]
    service.desk.trusted = True
    office.channels["wecom"] = WecomAppAdapter(office.plan.channels["wecom"], secret=SECRET)
    office.deliverer = Deliverer(ledger, office.plan.id, LIVE, office.channels, office.clock)
    ledger.resume(office.plan.id, LIVE, "wecom", by="机关党委办公室干事", now=DUE)
    office.at(DUE + timedelta(minutes=5))
    office.restart()
    office.at(DUE + timedelta(minutes=6))
    assert not service.desk.messages
    assert office.mailed() == ["p-clerk", "p-office", "p-theory"]


def test_a_message_that_failed_for_good_goes_over_the_second_channel(ledger: Ledger) -> None:
    """A batch of two failed: both are told by mail."""
    wecom = WecomLike("wecom", answering(Outcome(OutcomeKind.PERMANENT, "errcode 44004", "empty")))
    office = Office(ledger, plan_of(item_yaml("x", DAY, THREE, CHAIN)), wecom)
    office.at(DUE)
    assert office.mailed() == ["p-clerk", "p-office", "p-theory"]
    assert len(wecom.arrived) == 1


def test_tries_that_keep_failing_end_in_the_second_channel_after_two_hours(ledger: Ledger) -> None:
    """Not before; and when the first recovers afterwards, nothing is left to send there."""
    wecom = WecomLike("wecom", answering(Outcome(OutcomeKind.TRANSIENT, "connect", "down")))
    office = Office(ledger, plan_of(item_yaml("x", DAY, THREE, CHAIN)), wecom)
    moment = DUE
    while moment < DUE + timedelta(hours=2):
        office.at(moment)
        assert office.mailed() == ["p-clerk"]
        moment += timedelta(minutes=10)
    office.at(DUE + timedelta(hours=2))
    assert office.mailed() == ["p-clerk", "p-office", "p-theory"]
    tries = len(wecom.arrived)
    wecom._answer = None
    office.at(DUE + timedelta(hours=4))
    assert len(wecom.arrived) == tries


def test_patience_is_half_of_what_time_there_is() -> None:
    """A reminder of use for one more hour waits for thirty minutes, one of use for days two hours."""
    assert patience_ends(DUE, DUE + timedelta(hours=1)) == DUE + timedelta(minutes=30)
    assert patience_ends(DUE, DUE + timedelta(days=3)) == DUE + timedelta(hours=2)
    assert patience_ends(DUE, DUE - timedelta(hours=1)) == DUE


def test_what_is_of_no_use_any_more_does_not_go_out_over_any_channel(ledger: Ledger) -> None:
    """The app dies after the due time: the ledger says so, and no mail comes too late."""
    dead = Outcome(OutcomeKind.TRANSIENT, "connect", "down")
    wecom = WecomLike("wecom", answering(dead))
    office = Office(ledger, plan_of(item_yaml("x", DAY, THREE, CHAIN)), wecom)
    office.at(DUE)
    office.at(at("2026-06-10 17:00"))
    assert office.mailed() == ["p-clerk"]
    assert ("p-office", "wecom", "send", "due", "expired") in office.claims()


def test_items_with_and_without_a_chain_are_not_one_message(ledger: Ledger) -> None:
    """Only the one with a chain falls back; the other keeps waiting for its channel."""
    only = "- from: due\n  workdays: 0\n  to: person:p-office"
    plan = plan_of(item_yaml("x", DAY, only, CHAIN), item_yaml("y", DAY, only, "via:\n  - wecom"))
    dead = Outcome(OutcomeKind.PERMANENT, "errcode 40001", "secret", reach=Reach.DEAD)
    wecom = WecomLike("wecom", answering(dead))
    office = Office(ledger, plan, wecom)
    office.at(DUE)
    assert office.mailed("事项x") == ["p-office"]
    assert office.mailed("事项y") == []
    assert office.claims("y") == [("p-office", "wecom", "send", "due", "pending")]


def test_a_digest_falls_back_as_a_whole(ledger: Ledger) -> None:
    """Two alarms in one message: one mail with both, and a claim for each."""
    only = "- from: due\n  workdays: 0\n  to: person:p-office"
    plan = plan_of(item_yaml("x", DAY, only, CHAIN), item_yaml("y", DAY, only, CHAIN))
    wecom = WecomLike("wecom", answering(Outcome(OutcomeKind.PERMANENT, "errcode 81013", "unknown")))
    office = Office(ledger, plan, wecom)
    office.at(DUE)
    (mail,) = [parcel for parcel in office.mail.arrived if parcel.receiver == "p-office"]
    assert "事项x".encode() in mail.payload
    assert "事项y".encode() in mail.payload
    assert [claim[:4] for claim in office.claims("x") + office.claims("y")] == [
        ("p-office", "mail", "merge", "fallback:wecom"),
        ("p-office", "wecom", "merge", "due"),
    ] * 2


def test_a_dead_group_sends_everybody_meant_to_mail(ledger: Ledger) -> None:
    """A group is one receiver; its place is taken by a mail to each."""
    plan = plan_of(item_yaml("x", DAY, THREE, "via:\n  - first: group\n    else: mail"))
    office = Office(ledger, plan, WecomLike("wecom"))
    office.group._answer = answering(
        Outcome(OutcomeKind.PERMANENT, "errcode 93000", "gone", reach=Reach.DEAD)
    )
    office.at(DUE)
    assert office.mailed() == ["p-clerk", "p-office", "p-theory"]


def test_a_group_may_be_the_second_channel_and_hears_it_once(ledger: Ledger) -> None:
    """Whoever was not reached is mentioned; a later look posts nothing more."""
    plan = plan_of(
        item_yaml("x", DAY, THREE, "via:\n  first: wecom\n  else: group"), p_clerk={"wecom": "clerk"}
    )
    wecom = WecomLike(
        "wecom", answering(Outcome(OutcomeKind.PARTIAL, "invaliduser", "some", refused=("theory",)))
    )
    office = Office(ledger, plan, wecom)
    office.at(DUE)
    office.restart()
    office.at(DUE + timedelta(minutes=1))
    assert office.group.composed[0][1].mentions == ("theory",)
    assert len(office.group.arrived) == 1
    assert ("group:group", "group", "send", "fallback:wecom", "accepted") in office.claims()


def test_a_group_in_a_dead_apps_place_is_all_that_is_posted(ledger: Ledger) -> None:
    """The app recovers: what its receivers read in the group does not come to them again."""
    plan = plan_of(item_yaml("x", DAY, THREE, "via:\n  first: wecom\n  else: group"))
    wecom = WecomLike(
        "wecom", answering(Outcome(OutcomeKind.PERMANENT, "errcode 40001", "secret", reach=Reach.DEAD))
    )
    office = Office(ledger, plan, wecom)
    office.at(DUE)
    assert len(office.group.arrived) == 1
    wecom._answer, tries = None, len(wecom.arrived)
    ledger.resume(plan.id, LIVE, "wecom", by="机关党委办公室干事", now=DUE)
    office.at(DUE + timedelta(minutes=5))
    assert len(wecom.arrived) == tries
    assert len(office.group.arrived) == 1


def test_a_person_whom_no_channel_reaches_is_told_about_to_the_admins(ledger: Ledger) -> None:
    """Without any address: one failure with both channels in its words, no silence."""
    plan = plan_of(item_yaml("x", DAY, THREE, CHAIN), p_theory={"mail": None, "wecom": None})
    office = Office(ledger, plan, WecomLike("wecom"))
    office.at(DUE)
    assert ("p-theory", "mail", "fail", "no-address", None) in office.claims()
    (notice,) = [parcel for parcel in office.mail.arrived if "未能发出".encode() in parcel.payload]
    assert "没有 wecom 和 mail 通道的地址".encode() in notice.payload


def test_a_renamed_item_falls_back_under_the_name_the_ledger_knows(ledger: Ledger) -> None:
    """``was:`` carries the identity: the claim joins the alarm that was settled."""
    wecom = WecomLike("wecom", answering(Outcome(OutcomeKind.TRANSIENT, "connect", "down")))
    office = Office(ledger, plan_of(item_yaml("old", DAY, THREE, CHAIN)), wecom)
    office.at(DUE)
    plan = plan_of(item_yaml("new", DAY, THREE, CHAIN + "\nwas:\n  - old"))
    office.sweeper.load(edition_of(plan), office.channels, LIVE, office.clock.now())
    office.at(DUE + timedelta(hours=3))
    assert office.mailed("事项new") == ["p-office", "p-theory"]
    assert ("p-office", "mail", "send", "fallback:wecom", "accepted") in office.claims("old")
    assert office.claims("new") == []


def test_a_plan_without_chains_asks_the_ledger_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The idle tick of most plans stays a comparison."""
    office = Office(ledger, plan_of(item_yaml("x", DAY, THREE)), WecomLike("wecom"))
    monkeypatch.setattr(ledger, "unreached", lambda *_: pytest.fail("asked"))
    office.at(DUE)
    assert office.mailed() == ["p-clerk", "p-office", "p-theory"]


IDS = {"p-leader": "leader", "p-office": "office", "p-theory": "theory", "p-liaison": "liaison"}
ALL = "- from: due\n  workdays: 0\n  to:\n" + "".join(f"    - person:{each}\n" for each in IDS)


@settings(
    max_examples=amount(100, 8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    without=st.sets(st.sampled_from(sorted(IDS))),
    refused=st.sets(st.sampled_from(sorted(IDS.values()))),
    trouble=st.sampled_from(["none", "dead", "failed", "down for an hour", "down for good"]),
)
def test_whatever_befalls_the_first_channel_everybody_is_told_once(
    tmp_path_factory: pytest.TempPathFactory, without: set[str], refused: set[str], trouble: str
) -> None:
    """A law: reached over the first or over the second, never over both, never over none."""
    reached: Counter[str] = Counter()
    now = [DUE]

    def answer(parcel: Parcel) -> Outcome:
        if trouble == "dead":
            return Outcome(OutcomeKind.PERMANENT, "errcode 40001", "secret", reach=Reach.DEAD)
        if trouble == "failed":
            return Outcome(OutcomeKind.PERMANENT, "errcode 44004", "empty")
        if trouble == "down for good" or (trouble != "none" and now[0] < DUE + timedelta(hours=1)):
            return Outcome(OutcomeKind.TRANSIENT, "connect", "down")
        given = parcel.address.split("|")
        taken = [each for each in given if each not in refused]
        reached.update(taken)
        if not taken:
            return Outcome(OutcomeKind.PERMANENT, "errcode 81013", "unknown")
        if len(taken) == len(given):
            return Outcome(OutcomeKind.ACCEPTED, "errcode 0", "ok")
        gone = tuple(each for each in given if each in refused)
        return Outcome(OutcomeKind.PARTIAL, "invaliduser", "some", refused=gone)

    changes = {each.replace("-", "_"): {"wecom": None} for each in without}
    path = tmp_path_factory.mktemp("law") / "ledger.sqlite3"
    with Ledger.open(path, kind=LedgerKind.SIMULATION, now=BEFORE) as ledger:
        office = Office(
            ledger, plan_of(item_yaml("x", DAY, ALL, CHAIN), **changes), WecomLike("wecom", answer)
        )
        while now[0] < at("2026-06-10 18:00"):
            office.at(now[0])
            now[0] += timedelta(minutes=30)
        reached.update(IDS[receiver] for receiver in office.mailed())
    assert reached == Counter(IDS.values())
