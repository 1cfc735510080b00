"""Private items: over the internet only that something waits, until when, and whom to ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reminder.agenda.alarms import expand
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.messages.message import Message
from reminder.plan.audience import parse_term
from reminder.sweep.shares import shares_of
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import edition_of, remembering
from tests.plans import CALENDAR, CHANNELS, DIRECTORY, ON_DUE_DAY, at, item_yaml, plan_of

pytestmark = pytest.mark.sqlite_only("what a message says has nothing to do with the storage")

TALK = item_yaml(
    "talk",
    "every: half-year",
    "- from: due\n  workdays:\n    - -5\n    - 0\n  to: owing\n  template: talk",
    "private: true\nbrief: 与分管科室负责人谈一次。\nduty:\n  each: pair\n  of: supervision",
).replace("title: 事项talk", "title: 廉政谈话")
OTHER = item_yaml("open", "date: 2026-06-23", ON_DUE_DAY.replace("p-office", "p-leader"))


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, at("2026-06-01"))


def sent(ledger: Ledger, network: str, *items: str) -> list[Message]:
    channels = CHANNELS.replace("network: intranet", f"network: {network}")
    adapters = remembering()
    sweeper = Sweeper(
        ledger, edition_of(plan_of(*items, channels=channels)), adapters, Transport.OUTBOX, at("2026-06-01")
    )
    sweeper.sweep(at("2026-06-23 09:00"))
    sweeper.sweep(at("2026-06-30 09:00"))
    return [message for message, to, _ in adapters["mail"].composed if to.id == "p-leader"]


SECRETS = ("谈", "办公室主任", "理论科科长", "科室", "2026年上半年", "talk", "二（一）1")


def test_over_the_internet_a_private_matter_is_not_named(ledger: Ledger) -> None:
    """Neither in the subject, nor in any form of the text, on any day of the ladder."""
    messages = sent(ledger, "internet", TALK)
    assert len(messages) == 2
    for message in messages:
        everything = f"{message.subject}\n{message.text}\n{message.html}\n{message.markdown}"
        assert [word for word in SECRETS if word in everything.replace("机关党委办公室", "")] == []
        assert "有一项工作事项" in everything
        assert "机关党委办公室" in message.text


def test_on_the_offices_own_network_it_names_what_is_open(ledger: Ledger) -> None:
    first, _ = sent(ledger, "intranet", TALK)
    assert "廉政谈话" in first.subject
    assert "办公室主任" in first.text


def test_it_stays_unnamed_in_a_digest_with_others(ledger: Ledger) -> None:
    first, _ = sent(ledger, "internet", TALK, OTHER)
    assert "事项open" in first.subject
    assert "谈" not in first.subject + first.text


def test_what_asks_for_something_still_owed_mentions_nobody_in_a_group() -> None:
    """No plan with such a rung is accepted; should one come all the same, nobody is shown up."""
    duty = "duty:\n  each: unit\n  of:\n    - role:责任单位"
    plan = plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY.replace("person:p-office", "owing"), duty))
    (alarm,) = expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-01"))
    rung = replace(alarm.rung, via=("group",))
    (share,), _ = shares_of(replace(alarm, rung=rung), edition_of(plan))
    assert (share.addressee.kind, share.mentions) == ("group", ())
    named = replace(rung, to=(parse_term("person:p-office"),))
    (share,), _ = shares_of(replace(alarm, rung=named), edition_of(plan))
    assert share.mentions == ("office",)


def test_on_the_offices_own_network_a_digests_subject_does_not_name_it_either(ledger: Ledger) -> None:
    """A subject stands on a locked screen; the text below says it."""
    first, _ = sent(ledger, "intranet", TALK, OTHER)
    assert first.subject == "今日提醒 2 项：事项open"
    assert "廉政谈话" in first.text


def test_the_admins_are_told_of_a_private_failure_without_its_matter_or_names(ledger: Ledger) -> None:
    """A notice is a mail like any other; the ledger has the rest."""
    homeless = DIRECTORY.replace("    mail: leader@example.com\n", "")
    adapters = remembering()
    sweeper = Sweeper(
        ledger, edition_of(plan_of(TALK, directory=homeless)), adapters, Transport.OUTBOX, at("2026-06-01")
    )
    sweeper.sweep(at("2026-06-23 09:00"))
    sweeper.sweep(at("2026-08-01 09:00"))  # long after: the second rung is missed
    failed, missed = [message for message, to, _ in adapters["mail"].composed if to.id == "p-clerk"]
    assert "一项非公开事项：收件人没有该通道的地址" in failed.text
    assert "2026-06-30 09:00 一项非公开事项" in missed.text
    for message in (failed, missed):
        everything = f"{message.subject}\n{message.text}\n{message.html}\n{message.markdown}"
        assert "谈话" not in everything
        assert "分管副部长" not in everything
