"""Every statement is taken by both databases, and the hot ones find their index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ClauseElement, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from reminder.ledger import prepared
from reminder.ledger.ledger import Ledger
from reminder.ledger.months import Months
from reminder.ledger.prepared import Prepared
from reminder.ledger.records import (
    AttemptEnd,
    DeliveryState,
    HandDecision,
    LedgerKind,
    Note,
    PauseAsked,
    PauseKind,
    Quota,
    Refusal,
    Settlement,
)
from reminder.ledger.shown import EntryFilter
from reminder.ledger.statements import insert_once
from reminder.ledger.tables import metadata

DIALECTS = [sqlite.dialect(), postgresql.dialect()]  # type: ignore[no-untyped-call]


class Tape:
    """What was executed: constructs, and the SQL with its values as SQLite got it."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.constructs: list[ClauseElement] = []
        self.sql: list[tuple[str, Any]] = []
        for engine in (ledger._storage._writer, ledger._storage._reader):
            event.listen(engine, "before_execute", self._construct)
            event.listen(engine, "before_cursor_execute", self._cursor)
        carry_out = prepared.carry_out

        def noted(connection: Any, what: Prepared, text: str, values: Any, *, many: bool) -> Any:
            self.constructs.append(what.statement)
            self._cursor(connection, None, text, values, None, many)
            return carry_out(connection, what, text, values, many=many)

        monkeypatch.setattr(prepared, "carry_out", noted)

    def _construct(self, connection: Any, element: Any, *rest: Any) -> None:
        if isinstance(element, ClauseElement):
            self.constructs.append(element)

    def _cursor(self, connection: Any, cursor: Any, sql: str, values: Any, context: Any, many: bool) -> None:
        self.sql.append((sql, values[0] if many else values))


def plans_of(ledger: Ledger, tape: Tape) -> list[str]:
    """How SQLite would answer each question on the tape, a line for each step of it."""
    with ledger._storage.read() as connection:
        return [
            row.detail
            for sql, values in list(tape.sql)
            if sql.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        ]


@pytest.fixture
def tape(path: Path, sample: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ledger, Tape]]:
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=sample.now) as ledger:
        yield ledger, Tape(ledger, monkeypatch)


def everything(ledger: Ledger, sample: Any) -> None:
    """Each public method, each branch that has SQL of its own."""
    plan, live, now = sample.plan, sample.live, sample.now
    for key in ("d1", "d2", "d3", "d4"):
        ledger.settle(plan, live, sample.message(key), now)
    ledger.settle(plan, live, Settlement((sample.alarm("bare"),)), now)
    ledger.settled(plan, live)
    ledger.settled(plan, live, now)
    ledger.spool.due(plan, live, now, limit=5, skip_channels=["robot"])
    ledger.spool.next_instant(plan, live)
    ledger.spool.begin_many(plan, ["d1", "d2", "d3"], now)
    ledger.spool.finish(plan, "d1", 1, now, outcome="accepted", state=DeliveryState.ACCEPTED)
    ledger.spool.finish(plan, "d2", 1, now, outcome="uncertain", state=DeliveryState.UNCERTAIN)
    ledger.spool.interrupted(plan, live, now)
    ledger.spool.resolve(plan, "d2", DeliveryState.PENDING, now, now)
    ledger.spool.resolve(plan, "d3", DeliveryState.FAILED, None, now)
    beside_the_tries(ledger, sample)
    ledger.months.open_matters(Months(plan, now, sample.at(days=9)), now)
    ledger.months.retirements(plan)
    ledger.months.file_away(plan, now)
    ledger.book.entries(plan, EntryFilter(status="retired"))
    ledger.spool.expire(plan, live, sample.at(days=2))
    ledger.spool.attempts_since(plan, "mail", now, live)
    ledger.book.entries(
        plan, EntryFilter("a", "b", "c", "d", status="failed", since=now, until=now, transport=live, limit=3)
    )
    ledger.book.entries(plan, EntryFilter())
    ledger.book.counts(plan, live)
    ledger.book.attempts_of(plan, "d1")
    ledger.book.payload_of(plan, "d1")
    ledger.go_live(plan, by="机关党委干事", now=now)
    ledger.go_outbox(plan, by="机关党委干事", now=now)
    ledger.adopt(plan, live, [("talk", "due")], now)
    ledger.adoptions(plan, live)
    ledger.accept_plan(plan, "aa", {}, "文件", None, now)
    published(ledger, sample)
    ledger.note(plan, Note("daemon", now, "系统"))
    ledger.notes(plan, kind="daemon", since=now)


def published(ledger: Ledger, sample: Any) -> None:
    """Versions of the plan in the ledger: put into force, gone back to, withdrawn."""
    plan, plans, now = sample.plan, ledger.published, sample.now
    version = plans.publish(plan, {"plan.yaml": b"a"}, "aa", at=now, author="x", over=0, kept=["plan.yaml"])
    plans.publish(plan, {"plan.yaml": b"b"}, "bb", at=now, author="x", over=1)
    plans.go_back(version, plans.contents(version), at=now, author="x", over=2, kept=["plan.yaml"])
    ledger.accept_plan(plan, "aa", {}, "x", None, now, published=plans.number(plan))
    assert plans.plans() == [plan]
    assert plans.in_force(plan) is not None
    assert plans.get(plan, 2) == plans.every(plan)[0]
    plans.withdraw(plan, at=now, author="x", over=1)


def beside_the_tries(ledger: Ledger, sample: Any) -> None:
    """Slots, pauses, batches, refusals, decisions, chains, and what is told."""
    plan, live, now = sample.plan, sample.live, sample.now
    batch = (("p-a", "a"), ("p-b", "b"))
    ledger.settle(plan, live, sample.message("b1", channel="app", receivers=batch), now)
    ledger.settle(plan, live, sample.message("b2", channel="app", receivers=batch), now)
    minute = timedelta(minutes=1)
    quotas = {"app": (Quota(1, minute, each_receiver=True),), "mail": (Quota(1, minute),)}
    ledger.spool.begin(plan, "b1", now, quotas)
    ledger.spool.begin(plan, "b2", now, quotas)
    ledger.settle(plan, live, sample.message("q1"), now)
    ledger.spool.begin(plan, "q1", now, quotas)
    pause = PauseAsked(PauseKind.LOGIN, (minute,), 1)
    ends = [
        AttemptEnd("b1", 1, now, "partial", DeliveryState.ACCEPTED, refused=(Refusal("p-b"),), recovered=now)
    ]
    ledger.spool.finish_many(plan, ends)
    ledger.spool.begin(plan, "b2", sample.at(minutes=2))
    at = sample.at(minutes=2)
    ledger.spool.finish_many(
        plan, [AttemptEnd("b2", 1, at, "transient", DeliveryState.PENDING, "", "", at, pause=pause)]
    )
    ledger.spool.begin(plan, "b2", sample.at(minutes=3))
    ledger.spool.begin(plan, "b2", sample.at(minutes=4))
    at = sample.at(minutes=4)
    ledger.spool.finish_many(
        plan, [AttemptEnd("b2", 2, at, "transient", DeliveryState.PENDING, "", "", at, pause=pause)]
    )
    ledger.pauses(plan, live)
    ledger.spool.next_instant(plan, live)
    ledger.spool.next_after(plan, live, now)
    ledger.unreached(plan, live, now)
    ledger.resume(plan, live, "app", by="x", now=now)
    ledger.spool.postpone(plan, "b2", sample.at(hours=1), now)
    ledger.spool.sending(plan, live)
    ledger.spool.interrupted(plan, live, now, only=["b1"])
    ledger.settle(plan, live, sample.message("u1", channel="robot"), now)
    ledger.spool.begin(plan, "u1", now)
    ledger.spool.finish(plan, "u1", 1, now, outcome="uncertain", state=DeliveryState.UNCERTAIN)
    ledger.spool.decide(plan, "u1", HandDecision.RESEND, by="x", now=now)
    ledger.spool.delivery(plan, "u1")
    instead = replace(sample.message("r1"), replaced=("m-u1",))
    ledger.settle(plan, live, instead, now)
    found = ledger.troubles(plan, live)
    assert found
    ledger.told(plan, [each.id for each in found], now)


def test_every_statement_compiles_for_both_databases(tape: tuple[Ledger, Tape], sample: Any) -> None:
    """The one construct that is built for each apart is built and compiled for each."""
    ledger, record = tape
    everything(ledger, sample)
    kinds = {construct.__visit_name__ for construct in record.constructs}
    assert kinds == {"select", "insert", "update", "textclause"}
    assert len({str(construct) for construct in record.constructs}) > 25
    for construct in record.constructs:
        for dialect in DIALECTS:
            if isinstance(construct, sqlite.Insert):
                key = list(construct._post_values_clause.inferred_target_elements)
                assert key
                construct = insert_once(dialect.name, construct.table, key)  # type: ignore[arg-type]
                assert "ON CONFLICT" in str(construct.compile(dialect=dialect))
            assert str(construct.compile(dialect=dialect))


def test_rows_in_a_race_are_locked_where_the_database_needs_it(
    tape: tuple[Ledger, Tape], sample: Any
) -> None:
    """PostgreSQL skips what another node holds; SQLite, which locks as a whole, is told nothing."""
    ledger, record = tape
    everything(ledger, sample)
    texts = [
        str(each.compile(dialect=DIALECTS[1]))
        for each in record.constructs
        if each.__visit_name__ == "select"
    ]
    assert any("FOR UPDATE SKIP LOCKED" in text for text in texts)
    assert any("FOR UPDATE OF deliveries SKIP LOCKED" in text for text in texts)
    assert not any("FOR UPDATE" in sql for sql, _ in record.sql)


def test_the_tables_compile_for_both_databases() -> None:
    """Instants are TIMESTAMPTZ on PostgreSQL, and no foreign key cascades anywhere."""
    for dialect in DIALECTS:
        text = "\n".join(
            [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
            + [
                str(CreateIndex(index).compile(dialect=dialect))
                for table in metadata.sorted_tables
                for index in table.indexes
            ]
        )
        assert text.count("WHERE state = 'pending'") == 3
        assert "CASCADE" not in text
        assert ("TIMESTAMP WITH TIME ZONE" in text) is (dialect.name == "postgresql")
    for table in metadata.sorted_tables:
        assert "plan_id" in table.c or table.name == "ledger_info"


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda it, s: it.spool.due(s.plan, s.live, s.now, limit=9), "ix_deliveries_pending"),
        (lambda it, s: it.spool.next_instant(s.plan, s.live), "ix_deliveries_pending"),
        (lambda it, s: it.spool.next_instant(s.plan, s.live), "ix_deliveries_expiring"),
        (lambda it, s: it.spool.expire(s.plan, s.live, s.at(days=9)), "ix_deliveries_expiring"),
        (lambda it, s: it.spool.interrupted(s.plan, s.live, s.now), "ix_deliveries_state"),
        (lambda it, s: it.book.counts(s.plan, s.live), "COVERING INDEX ix_deliveries_state"),
        (
            lambda it, s: it.spool.attempts_since(s.plan, "mail", s.now, s.live),
            "COVERING INDEX ix_attempts_started",
        ),
        (lambda it, s: it.settled(s.plan, s.live, s.now), "ix_alarms_recorded"),
        (lambda it, s: it.book.entries(s.plan, EntryFilter()), "ix_alarms_planned"),
        (lambda it, s: it.book.entries(s.plan, EntryFilter(status="failed")), "ix_deliveries_message"),
        (lambda it, s: it.book.entries(s.plan, EntryFilter(status="failed")), "ix_deliveries_state"),
        (lambda it, s: it.book.entries(s.plan, EntryFilter(status="suppress")), "ix_claims_unsent"),
        (lambda it, s: it.book.entries(s.plan, EntryFilter(receiver="p")), "ix_claims_receiver"),
        (lambda it, s: it.book.entries(s.plan, EntryFilter(item="festival")), "ix_alarms_item"),
        (lambda it, s: it.book.entries(s.plan, EntryFilter(transport=s.live)), "ix_alarms_transport"),
        (lambda it, s: it.book.leaf(s.plan, "d1"), "ix_claims_message"),
        (lambda it, s: it.settled_of(s.plan, s.live, ["a"]), "sqlite_autoindex_alarms_1"),
        (lambda it, s: it.book.letter_text(s.plan, s.live, ["a"]), "ix_deliveries_message"),
        (lambda it, s: it.transport(s.plan), "ix_notes_kind"),
        (lambda it, s: it.spool.next_after(s.plan, s.live, s.now), "ix_deliveries_pending"),
        (lambda it, s: it.spool.sending(s.plan, s.live), "ix_deliveries_state"),
        (lambda it, s: it.pauses(s.plan, s.live), "ix_pauses_open"),
        (lambda it, s: it.troubles(s.plan, s.live), "ix_troubles_untold"),
        (lambda it, s: it.troubles(s.plan, s.live), "ix_claims_message"),
        (lambda it, s: it.unreached(s.plan, s.live, s.now), "ix_deliveries_state"),
        (lambda it, s: it.unreached(s.plan, s.live, s.now), "ix_claims_message"),
        (
            lambda it, s: it.spool.begin_many(s.plan, ["d1", "d2"], s.now),
            "sqlite_autoindex_deliveries_1 (plan_id=? AND delivery=?)",
        ),
        (
            lambda it, s: it.spool.finish(
                s.plan, "d2", 1, s.now, outcome="accepted", state=DeliveryState.ACCEPTED
            ),
            "sqlite_autoindex_deliveries_1 (plan_id=? AND delivery=?)",
        ),
        (
            lambda it, s: it.spool.begin(s.plan, "d1", s.now, {"mail": (Quota(9, timedelta(minutes=1)),)}),
            "ix_attempts_started",
        ),
        (lambda it, s: it.last_plan(s.plan), "ix_plan_versions_plan_id_id"),
    ],
)
def test_a_question_finds_its_index(
    tape: tuple[Ledger, Tape], sample: Any, ask: Callable[..., Any], index: str
) -> None:
    """However long the ledger has grown, no table is read through."""
    ledger, record = tape
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.settle(sample.plan, sample.live, sample.message("d2"), sample.now)
    ledger.settle(sample.plan, sample.live, sample.message("d3"), sample.now)
    ledger.spool.begin_many(sample.plan, ["d2", "d3"], sample.now)
    ledger.spool.finish(sample.plan, "d3", 1, sample.now, outcome="permanent", state=DeliveryState.FAILED)
    record.sql.clear()
    ask(ledger, sample)
    plans = plans_of(ledger, record)
    assert any(index in line for line in plans), plans
    assert not any(line.startswith("SCAN") for line in plans), plans


@pytest.mark.parametrize(
    "ask",
    [
        lambda it, s: it.unreached(s.plan, s.live, s.now),
        lambda it, s: it.retrying(s.plan, s.live, ["mail"]),
        lambda it, s: it.troubles(s.plan, s.live),
        lambda it, s: it.book.stuck(s.plan, s.live, s.now),
        lambda it, s: it.book.entries(s.plan, EntryFilter(status="failed")),
        lambda it, s: it.book.leaf(s.plan, "d1"),
    ],
)
def test_claims_are_found_by_their_message_and_never_all_of_a_plan(
    tape: tuple[Ledger, Tape], sample: Any, ask: Callable[..., Any]
) -> None:
    """The few that failed or wait come first: a million claims are no place to begin at every sweep."""
    ledger, record = tape
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    ledger.spool.begin(sample.plan, "d1", sample.now)
    ledger.spool.finish(sample.plan, "d1", 1, sample.now, outcome="permanent", state=DeliveryState.FAILED)
    record.sql.clear()
    ask(ledger, sample)
    plans = [line for line in plans_of(ledger, record) if "ix_claims_message" in line]
    assert plans
    assert all("message=?" in line for line in plans), plans
