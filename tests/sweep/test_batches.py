"""One request for many: who shares it, and what keeps a message a receiver's own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reminder.channels.wecom_app import WecomAppAdapter
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Delivery, LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.plan.model import Plan
from reminder.sweep.sweeper import Sweeper
from tests import plans
from tests.backends import Backend
from tests.editions import Remembering, edition_of
from tests.plans import CHANNELS, DIRECTORY, at, item_yaml

APP = """\
  - id: wecom
    kind: wecom_app
    corpid: ww0123456789abcdef
    agentid: 1000002
    secret: WECOM_APP_SECRET
"""
START, DUE = at("2026-06-01"), at("2026-06-10 09:00")
HEADS = ("office", "theory", "secretary")
TO_HEADS = "- from: due\n  workdays: 0\n  to:\n" + "".join(f"    - person:p-{each}\n" for each in HEADS)
BY_APP = "via:\n  - wecom"


def plan_of(*items: str, directory: str = DIRECTORY) -> Plan:
    return plans.plan_of(*items, channels=CHANNELS + APP, directory=directory)


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, START)


def swept(ledger: Ledger, plan: Plan, batch: int | None = None) -> list[Delivery]:
    """What one sweep at the due time leaves to be sent by the app."""
    app = WecomAppAdapter(plan.channels["wecom"], secret=None)
    if batch is not None:
        app.batch = batch
    channels = {"mail": Remembering("mail"), "group": Remembering("group"), "wecom": app}
    Sweeper(ledger, edition_of(plan), channels, Transport.OUTBOX, START).sweep(DUE)
    due = ledger.spool.due(plan.id, Transport.OUTBOX, DUE, limit=100)
    return [each for each in due if each.channel == "wecom"]


def _said(delivery: Delivery) -> str:
    content: str = json.loads(delivery.payload)["markdown"]["content"]
    return content.partition("办结后请告知")[0].partition('<font color="comment">联系')[0]


def test_receivers_of_the_same_words_are_one_delivery_with_a_claim_each(ledger: Ledger) -> None:
    """Its address is theirs, in the order of the roster; nobody is greeted by name."""
    (delivery,) = swept(ledger, plan_of(item_yaml("x", "date: 2026-06-10", TO_HEADS, BY_APP)))
    assert delivery.address == "office|theory|secretary"
    assert set(delivery.receivers) == {(f"p-{each}", each) for each in HEADS}
    assert delivery.receiver == "p-office等3人"
    assert _said(delivery).startswith("您好。")
    entries = ledger.book.entries("test", EntryFilter(item="x"))
    assert {entry.receiver for entry in entries} == {f"p-{each}" for each in HEADS}
    assert {entry.message for entry in entries} == {delivery.message}


def test_the_same_sweep_gives_the_same_delivery(backend: Backend) -> None:
    """Identity and bytes follow from the claims: made again after a crash, it is the same request."""
    made = []
    for name in ("one", "two"):
        with backend.open(LedgerKind.SIMULATION, START, name) as ledger:
            made += swept(ledger, plan_of(item_yaml("x", "date: 2026-06-10", TO_HEADS, BY_APP)))
    assert (made[0].id, made[0].payload) == (made[1].id, made[1].payload)


def test_who_owes_something_of_their_own_gets_a_message_of_their_own(ledger: Ledger) -> None:
    """Words that differ are never shared, and each names only its receiver's part."""
    duty = BY_APP + "\nduty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科"
    owing = "- from: due\n  workdays: 0\n  to: owing"
    deliveries = swept(ledger, plan_of(item_yaml("x", "date: 2026-06-10", owing, duty)))
    assert {each.address for each in deliveries} == {"office", "liaison"}
    assert all(each.receivers == ((each.receiver, each.address),) for each in deliveries)
    for delivery, (own, other) in zip(
        sorted(deliveries, key=lambda each: each.address),
        [("理论科", "办公室"), ("办公室", "理论科")],
        strict=True,
    ):
        assert own in _said(delivery)
        assert other not in _said(delivery)


def test_who_has_more_to_read_that_morning_is_not_in_the_batch(ledger: Ledger) -> None:
    """Merging comes before batching: one message a person."""
    only = "- from: due\n  workdays: 0\n  to: person:p-theory"
    plan = plan_of(
        item_yaml("x", "date: 2026-06-10", TO_HEADS, BY_APP), item_yaml("y", "date: 2026-06-10", only, BY_APP)
    )
    deliveries = {each.address: _said(each) for each in swept(ledger, plan)}
    assert set(deliveries) == {"office|secretary", "theory"}
    assert "事项y" in deliveries["theory"]
    assert "事项y" not in deliveries["office|secretary"]


def test_a_batch_holds_no_more_than_its_channel_takes(ledger: Ledger) -> None:
    """Two and one, of three."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", TO_HEADS, BY_APP))
    assert sorted(each.address for each in swept(ledger, plan, batch=2)) == ["office|theory", "secretary"]


def test_an_account_that_cannot_be_one_fails_for_its_owner_alone(ledger: Ledger) -> None:
    """The others of the batch are served; the failure says whose entry is wrong.

    The loader refuses such an entry; one that comes by another way fails here.
    """
    plan = plan_of(item_yaml("x", "date: 2026-06-10", TO_HEADS, BY_APP))
    people = tuple(
        each.model_copy(update={"wecom": "理论科"}) if each.id == "p-theory" else each
        for each in plan.directory.people
    )
    (delivery,) = swept(ledger, replace(plan, directory=replace(plan.directory, people=people, _index={})))
    assert delivery.address == "office|secretary"
    failed = ledger.book.entries("test", EntryFilter(item="x", receiver="p-theory"))
    assert [(entry.decision, entry.reason, entry.message) for entry in failed] == [
        ("fail", "unsendable", None)
    ]


def test_two_entries_of_one_account_are_asked_for_once(ledger: Ledger) -> None:
    """A person of two posts may stand twice in the directory; the service gets each userid once."""
    directory = DIRECTORY.replace("wecom: theory", "wecom: office")
    (delivery,) = swept(
        ledger, plan_of(item_yaml("x", "date: 2026-06-10", TO_HEADS, BY_APP), directory=directory)
    )
    assert delivery.address == "office|secretary"
    assert {receiver for receiver, _ in delivery.receivers} == {"p-office", "p-theory", "p-secretary"}


def test_mail_stays_one_message_a_person_with_its_name(ledger: Ledger) -> None:
    """Nothing changes for channels that take one receiver at a time."""
    plan = plan_of(item_yaml("x", "date: 2026-06-10", TO_HEADS))
    channels = {"mail": Remembering("mail"), "group": Remembering("group"), "wecom": Remembering("wecom")}
    Sweeper(ledger, edition_of(plan), channels, Transport.OUTBOX, START).sweep(DUE)
    assert [to.address for _, to, _ in channels["mail"].composed] == [f"{each}@example.com" for each in HEADS]
    assert channels["mail"].composed[0][0].text.startswith("办公室主任：")
