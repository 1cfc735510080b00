"""A prepared statement is the same statement: what it writes and finds is what SQLAlchemy writes and finds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, create_engine, func, insert, select, update

from reminder.ledger.errors import LedgerConflict
from reminder.ledger.ledger import Ledger
from reminder.ledger.prepared import Prepared
from reminder.ledger.statements import among
from reminder.ledger.tables import deliveries

NAMED = select(
    deliveries.c.id,
    deliveries.c.delivery,
    deliveries.c.not_before,
    deliveries.c.late,
    deliveries.c.node,
    deliveries.c.attempts,
).where(deliveries.c.plan_id == bindparam("plan"))
FOUND = Prepared(NAMED.where(among(deliveries.c.delivery, "ids")), each="ids")


def found(ledger: Ledger, plan: str, ids: list[str]) -> list[Any]:
    with ledger._storage.read() as connection:
        prepared = sorted(FOUND.rows(connection, {"plan": plan, "ids": ids}), key=lambda row: row.id)
        usual = connection.execute(
            NAMED.where(deliveries.c.delivery.in_(ids)).order_by(deliveries.c.id), {"plan": plan}
        ).all()
    assert [row._asdict() for row in prepared] == [dict(row._mapping) for row in usual]
    return prepared


@pytest.mark.parametrize("ids", [[], ["d1"], ["d2", "d1", "d1"], ["d1", "no one", "d3 '\"%()[]{}"]])
def test_rows_are_those_that_sqlalchemy_finds(ledger: Ledger, sample: Any, ids: list[str]) -> None:
    """Names, instants in UTC, truth and nothing at all come back alike, however many are asked for."""
    for key in ("d1", "d2", "d3 '\"%()[]{}"):
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
    rows = found(ledger, sample.plan, ids)
    assert {row.delivery for row in rows} == set(ids) - {"no one"}
    assert all(row.not_before == sample.now and row.not_before.utcoffset() == timedelta(0) for row in rows)
    assert all(row.late is False and row.node is None for row in rows)


def test_what_is_written_goes_through_the_same_columns(ledger: Ledger, sample: Any) -> None:
    """An instant of any zone is kept in UTC; None leaves what stands; one and many are written alike."""
    for key in ("d1", "d2", "d3"):
        ledger.settle(sample.plan, sample.live, sample.message(key), sample.now)
    numbers = [row.id for row in found(ledger, sample.plan, ["d1", "d2", "d3"])]
    again = bindparam("again", type_=deliveries.c.not_before.type)
    later = Prepared(
        update(deliveries)
        .where(deliveries.c.id == bindparam("row"))
        .values(attempts=deliveries.c.attempts + 1, not_before=func.coalesce(again, deliveries.c.not_before))
    )
    shanghai = timezone(timedelta(hours=8))
    wanted = sample.at(hours=1)
    with ledger._storage.write(sample.plan) as connection:
        later.run(connection, {"row": numbers[0], "again": wanted.astimezone(shanghai)})
        later.run(connection, {"row": numbers[1], "again": None}, {"row": numbers[2], "again": wanted})
        later.run(connection)
    rows = found(ledger, sample.plan, ["d1", "d2", "d3"])
    assert [row.not_before for row in rows] == [wanted, sample.now, wanted]
    assert [row.attempts for row in rows] == [1, 1, 1]


def test_a_naive_instant_is_refused(ledger: Ledger, sample: Any) -> None:
    """As everywhere in the ledger; nothing of the transaction is kept."""
    moved = Prepared(update(deliveries).values(not_before=bindparam("at")))
    with pytest.raises(ValueError, match="aware"), ledger._storage.write(sample.plan) as connection:
        moved.run(connection, {"at": datetime(2026, 9, 24)})


def test_a_row_that_is_refused_is_told_as_everywhere(ledger: Ledger, sample: Any) -> None:
    """Whichever way the driver is reached, its errors become the ledger's, and the ledger goes on."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    (row,) = found(ledger, sample.plan, ["d1"])
    renamed = Prepared(insert(deliveries), columns=("id",))
    with pytest.raises(LedgerConflict), ledger._storage.write(sample.plan) as connection:
        renamed.run(connection, {"id": row.id})
    ledger.settle(sample.plan, sample.live, sample.message("d2"), sample.now)
    assert len(found(ledger, sample.plan, ["d1", "d2"])) == 2


def test_prepared_questions_see_one_snapshot(ledger: Ledger, sample: Any) -> None:
    """What is committed between two of them is seen by neither, as with all that is asked in one block."""
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    asked = {"plan": sample.plan, "ids": ["d1", "d2"]}
    with ledger._storage.read() as connection:
        before = FOUND.rows(connection, asked)
        ledger.settle(sample.plan, sample.live, sample.message("d2"), sample.now)
        assert FOUND.rows(connection, asked) == before
        assert connection.execute(NAMED, {"plan": sample.plan}).all() == before
    assert len(found(ledger, sample.plan, ["d1", "d2"])) == 2


def test_a_list_of_values_is_no_text_of_its_own() -> None:
    """What SQLAlchemy writes anew for each number of values cannot be prepared, and says so at once."""
    statement = Prepared(NAMED.where(deliveries.c.delivery.in_(bindparam("ids", expanding=True))))
    with create_engine("sqlite://").connect() as connection, pytest.raises(AssertionError):
        statement.rows(connection, {"plan": "p", "ids": ["a"]})
