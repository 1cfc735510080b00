"""Which messages carry a link: one person's, with something of their own to record."""

from __future__ import annotations

import json

import pytest

from reminder.channels.wecom_app import WecomAppAdapter
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Delivery, LedgerKind, Transport
from reminder.links import PLACEHOLDER
from reminder.plan.model import Plan
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import Remembering, edition_of
from tests.plans import DIRECTORY, at, item_yaml
from tests.sweep.test_batches import plan_of

pytestmark = pytest.mark.sqlite_only("what a message says has nothing to do with the storage")

START, DUE = at("2026-06-01"), at("2026-06-10 09:00")
URL = "https://djw.example.com/lianjie"
LINK = f"{URL}/d/{PLACEHOLDER}"
TELL = "办结后请告知机关党委（机关党委办公室）"
UNITS = "duty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科"
BY_HEAD = UNITS + "\n  by: head"
OWING = "- from: due\n  workdays: 0\n  to: owing"


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, START)


def swept(ledger: Ledger, plan: Plan, public_url: str | None = URL) -> dict[str, Delivery]:
    """What one sweep leaves to be sent, by its address."""
    channels = {
        "mail": Remembering("mail"),
        "group": Remembering("group"),
        "wecom": WecomAppAdapter(plan.channels["wecom"], secret=None),
    }
    Sweeper(ledger, edition_of(plan, public_url), channels, Transport.OUTBOX, START).sweep(DUE)
    return {each.address: each for each in ledger.spool.due(plan.id, Transport.OUTBOX, DUE, limit=100)}


def said(ledger: Ledger, delivery: Delivery) -> str:
    return ledger.book.text_of("test", delivery.id)


def item(rung: str, *extra: str, item_id: str = "x") -> str:
    return item_yaml(item_id, "date: 2026-06-10", rung, "\n".join(extra))


def test_who_owes_gets_one_link_for_the_whole_message(ledger: Ledger) -> None:
    plan = plan_of(item(OWING, UNITS), item(OWING, UNITS, item_id="y"))
    found = swept(ledger, plan)
    assert set(found) == {"office@example.com", "liaison@example.com"}
    for delivery in found.values():
        text = said(ledger, delivery)
        assert "今天有2项提醒" in text
        assert text.count(LINK) == 1
        assert "办结后点此登记" in text
        assert TELL not in text


def test_without_a_public_url_messages_say_whom_to_tell(ledger: Ledger) -> None:
    for delivery in swept(ledger, plan_of(item(OWING, UNITS)), None).values():
        text = said(ledger, delivery)
        assert TELL in text
        assert "/d/" not in text
        assert "点此" not in text


def test_who_is_only_told_has_no_link_and_nobody_to_tell(ledger: Ledger) -> None:
    """The leader above, somebody with no part in it, and whoever has the missing list."""
    rungs = """\
- from: due
  workdays: 0
  to:
    - escalation
- id: other
  from: due
  workdays: 0
  to: person:p-secretary
- id: list
  from: due
  workdays: 0
  to: person:p-clerk
  template: missing-list
"""
    plan = plan_of(item(rungs, UNITS))
    found = swept(ledger, plan)
    assert set(found) == {"leader@example.com", "secretary@example.com", "clerk@example.com"}
    for delivery in found.values():
        text = said(ledger, delivery)
        assert PLACEHOLDER not in text
        assert TELL not in text
        assert "点此" not in text


def test_a_group_never_carries_a_link(ledger: Ledger) -> None:
    rung = "- from: due\n  workdays: 0\n  to:\n    - unit:理论科\n  via:\n    - group"
    (delivery,) = swept(ledger, plan_of(item(rung, UNITS))).values()
    assert PLACEHOLDER not in said(ledger, delivery)


def test_contact_and_head_who_are_told_of_each_others_duty_have_a_link(ledger: Ledger) -> None:
    for item_id, whose, told in (("x", BY_HEAD, "contact"), ("y", UNITS, "head")):
        rung = f"- from: due\n  workdays: 0\n  to: {told}:理论科\n  if: open"
        found = swept(ledger, plan_of(item(rung, whose, item_id=item_id)))
        address = {"contact": "liaison", "head": "theory"}[told]
        assert LINK in said(ledger, found[f"{address}@example.com"])


def test_a_deputy_has_a_link_for_what_the_absent_person_owes(ledger: Ledger) -> None:
    absent = (
        "deputies:\n  - of: p-office\n    deputy: p-theory\n    from: 2026-06-01\n    until: 2026-06-30\n"
    )
    plan = plan_of(item(OWING, UNITS), directory=DIRECTORY + absent + "...\n")
    found = swept(ledger, plan)
    assert set(found) == {"theory@example.com", "liaison@example.com"}
    assert LINK in said(ledger, found["theory@example.com"])


def test_messages_with_a_link_are_never_one_request(ledger: Ledger) -> None:
    """Their frozen words may be the same; what is sent is not."""
    people = "duty:\n  each: person\n  of:\n    - person:p-office\n    - person:p-theory\nvia:\n  - wecom"
    found = swept(ledger, plan_of(item(OWING, people)))
    assert set(found) == {"office", "theory"}
    contents = {json.loads(each.payload)["markdown"]["content"] for each in found.values()}
    assert len(contents) == 1
    assert LINK in contents.pop()


def test_without_links_the_same_words_are_still_one_request(ledger: Ledger) -> None:
    people = "duty:\n  each: person\n  of:\n    - person:p-office\n    - person:p-theory\nvia:\n  - wecom"
    assert set(swept(ledger, plan_of(item(OWING, people)), None)) == {"office|theory"}


def test_a_private_item_is_linked_for_its_obligor_alone(ledger: Ledger) -> None:
    pairs = "private: true\nduty:\n  each: pair\n  of: supervision\n  escalate_to:\n    - person:p-clerk"
    rungs = OWING + "\n- id: up\n  from: due\n  workdays: 0\n  to: escalation"
    found = swept(ledger, plan_of(item(rungs, pairs)))
    assert set(found) == {"leader@example.com", "clerk@example.com"}
    assert LINK in said(ledger, found["leader@example.com"])
    assert PLACEHOLDER not in said(ledger, found["clerk@example.com"])
