"""Many offices in one ledger: what one of them asks and does is the same whether there are others or not."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from reminder.ledger.accounts import Account, LoginEvent, Session, Span
from reminder.ledger.file_versions import VersionKind
from reminder.ledger.holds import Hold, HoldReason, Release
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note, Transport
from reminder.ledger.standing import new_identity
from reminder.ledger.tokens import Token
from tests.backends import Backend
from tests.harness.rows import all_rows
from tests.ledger.test_ledger_statements import everything

OTHERS = ("lianjie2", "别的单位")
DAY = timedelta(days=1)


class Written:
    """A ledger that writes down what each call was answered; rows' own numbers are left out."""

    def __init__(self, ledger: Any, said: list[str], name: str = "") -> None:
        self._ledger, self._said, self._name = ledger, said, name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        if not callable(found):
            return Written(found, self._said, f"{self._name}{name}.")

        def call(*arguments: Any, **options: Any) -> Any:
            answer = found(*arguments, **options)
            if isinstance(answer, dict):
                shown: Any = sorted(map(repr, answer.items()))  # no order is promised
            elif isinstance(answer, set | frozenset):
                shown = sorted(map(repr, answer))
            else:
                shown = repr(answer)
            if name == "keep":
                return answer  # the row's own number
            self._said.append(
                f"{self._name}{name}: " + re.sub(r"\b(id|number|alarm|claim)=\d+", r"\1=…", str(shown))
            )
            return answer

        return call


def of_one(ledger: Any, sample: Any) -> None:
    """All that an office does: what it sends, and its users, sessions, logins, tokens and files."""
    everything(ledger, sample)
    plan, live, now = sample.plan, sample.live, sample.now
    ledger.nodes.waiting_channels(plan, live, now)
    ledger.book.stuck(plan, live, now)
    ledger.unreached(plan, live, now)
    ledger.postponed(plan, live, now)
    ledger.spool.expire(plan, live, now)
    for each in ("d1", "b1", "u1", "r1"):
        ledger.spool.delivery(plan, each)
        ledger.book.attempts_of(plan, each)
        ledger.book.leaf(plan, each)
        ledger.book.alarms_of(plan, f"m-{each}")
        ledger.book.concerns(plan, f"m-{each}")
    ledger.book.made_for(plan, live, ["m-d1", "m-b1"])
    ledger.book.letter_text(plan, live, ["alarm-d1"])
    ledger.book.outcomes(plan, live, ["alarm-d1", "alarm-b1"])
    ledger.book.outcomes_recorded(plan, live, now, now + DAY)
    ledger.book.outcomes_planned(plan, live, now, now + DAY)
    ledger.book.outcomes_tried(plan, live, ["mail", "app"], now, now + DAY)
    ledger.last_plan(plan)
    ledger.plan_versions(plan, now + DAY)
    ledger.messages_between(plan, live, now, now + DAY)
    ledger.next_postponed(plan, live)
    ledger.transport(plan)
    at_the_door(ledger, sample)


def at_the_door(ledger: Any, sample: Any) -> None:
    """Users of one name, who come in with the same browser from the same address."""
    plan, now = sample.plan, sample.now
    accounts, span = ledger.accounts, Span(now - DAY, now + DAY)
    assert accounts.get(plan, "p-clerk") is None
    accounts.put(plan, Account("p-clerk", ("admin",), private=False, password="x", changed_at=now))
    accounts.begin_session(plan, Session(f"token-{plan}", "p-clerk", now, now))
    for event in ("failed", "failed", "locked"):
        accounts.log(plan, LoginEvent(now, "p-clerk", "192.0.2.1", event, "192.0.2.1", "device"))
    accounts.session(plan, f"token-{plan}")
    for other in {*OTHERS, "lianjie"} - {plan}:
        assert accounts.session(plan, f"token-{other}") is None
        assert ledger.tokens.find(plan, f"hash-{other}") is None
    accounts.events(plan, now - DAY)
    accounts.last_logins(plan)
    accounts.failures_of_user(plan, span, "p-clerk")
    accounts.failures_from(plan, span, "192.0.2.1")
    accounts.was_locked(plan, span, user="p-clerk")
    accounts.every(plan)
    ledger.tokens.make(plan, Token("oa", f"hash-{plan}", ("viewer",), False, now, "p-clerk", now + DAY))
    ledger.tokens.used(plan, "oa", now)
    ledger.tokens.revoke(plan, "oa", by="p-clerk", now=now)
    ledger.files.keep(plan, "plan.yaml", b"x", VersionKind.SAVED, at=now, author="p-clerk")
    ledger.files.latest(plan)
    ledger.files.every(plan)
    accounts.end_session(plan, f"token-{plan}")


class Other:
    """A sample of another office that calls everything the same."""

    def __init__(self, sample: Any, plan: str) -> None:
        self._sample, self.plan = sample, plan

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sample, name)


def rows_of(ledger: Ledger, plans: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    with ledger._storage.read() as connection:
        found = all_rows(connection)
    return {
        table: [row for row in rows if row.get("plan_id") in plans]
        for table, rows in found.items()
        if table != "ledger_info"
    }


def test_an_office_neither_sees_nor_changes_another(backend: Backend, sample: Any) -> None:
    """Every call is answered as in a ledger of its own, and leaves every row of the others as it was."""
    alone: list[str] = []
    of_one(Written(backend.open(LedgerKind.DAEMON, sample.now), alone), sample)
    assert len(alone) > 100

    among: list[str] = []
    ledger = backend.open(LedgerKind.DAEMON, sample.now, "shared")
    for other in OTHERS:
        of_one(ledger, Other(sample, other))
    before = rows_of(ledger, OTHERS)
    assert sum(map(len, before.values())) > 100
    of_one(Written(ledger, among), sample)
    assert among == alone
    assert rows_of(ledger, OTHERS) == before


def test_going_live_and_a_hold_are_each_offices_own(backend: Backend, sample: Any) -> None:
    """One goes live, one is spoken for after a hold: the other is as it was."""
    ledger = backend.open(LedgerKind.DAEMON, sample.now)
    plan, (other, _) = sample.plan, OTHERS
    for each in (plan, other):
        ledger.accept_plan(each, "digest", {}, "文件", {}, sample.now)
    ledger.go_live(plan, by="x", now=sample.now)
    assert ledger.transport(other) is Transport.OUTBOX
    hold = Hold(HoldReason.RESTORED, sample.now, sample.now)
    ledger.holds.put(hold)
    release = Release("p", None, (), (), new_identity())
    ledger.holds.release(plan, sample.live, release, sample.now)
    assert ledger.holds.standing(plan).hold is None
    if ledger.shared:
        assert ledger.holds.standing(other).hold == ledger.holds.standing().hold == hold
        assert ledger.adopt(other, sample.live, [("talk", "due")], sample.now) == 0
        assert ledger.adopt(plan, sample.live, [("talk", "due")], sample.now) == 1
        ledger.holds.release(other, sample.live, release, sample.now)
    assert ledger.holds.standing().hold is None


def test_what_is_new_names_those_offices_alone(backend: Backend, sample: Any) -> None:
    """A note, a message that is due and one in the middle of a try; nothing of those who rest."""
    ledger = backend.open(LedgerKind.DAEMON, sample.now)
    plan, (other, third) = sample.plan, OTHERS
    ledger.note(third, Note("daemon", sample.now, "系统"))
    known = ledger.nodes.numbers()
    assert ledger.nodes.stirred(known, sample.now) == set()
    ledger.note(other, Note("daemon", sample.now, "系统"))
    ledger.settle(plan, sample.live, sample.message("later", not_before=sample.at(hours=1)), sample.now)
    assert ledger.nodes.stirred(known, sample.now) == {other}
    assert ledger.nodes.stirred(known, sample.at(hours=1)) == {other, plan}
    assert ledger.nodes.stirred(ledger.nodes.numbers(), sample.at(hours=1)) == {plan}
    ledger.spool.begin(plan, "later", sample.at(hours=1))
    assert ledger.nodes.stirred(ledger.nodes.numbers(), sample.at(hours=1)) == set()
    assert ledger.nodes.in_the_middle([plan, other, third]) == {plan}
    assert ledger.nodes.in_the_middle([other]) == set()
