"""Instants in the database, and the lock that is handed out in order."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from reminder.ledger.columns import UtcDateTime
from reminder.ledger.turn import Turn

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)
LITE, GRES = sqlite.dialect(), postgresql.dialect()  # type: ignore[no-untyped-call]


@given(INSTANTS)
def test_an_instant_comes_back_as_it_was_in_utc(instant: datetime) -> None:
    """To the microsecond, whatever zone it was given in."""
    kept = UtcDateTime().process_bind_param(instant, LITE)
    back = UtcDateTime().process_result_value(kept, LITE)
    assert back == instant
    assert back is not None
    assert back.tzinfo is UTC
    assert UtcDateTime().process_bind_param(instant, GRES) == instant


def test_the_two_halves_of_an_hour_that_comes_twice_are_two() -> None:
    """In a zone that sets its clocks back, both have one wall clock and are equal to Python."""
    first, second = (
        datetime(2026, 10, 25, hour, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin")) for hour in (0, 1)
    )
    assert first == second
    kept = [UtcDateTime().process_bind_param(each, LITE) for each in (first, second)]
    assert kept == ["2026-10-25T00:30:00.000000Z", "2026-10-25T01:30:00.000000Z"]


@given(INSTANTS, INSTANTS)
def test_text_sorts_as_the_instants_do(one: datetime, two: datetime) -> None:
    """SQLite compares text; the width never changes."""
    first, second = (UtcDateTime().process_bind_param(each, LITE) for each in (one, two))
    assert len(first) == len(second) == 27
    assert (first < second) is (one < two)


@pytest.mark.parametrize("dialect", [LITE, GRES])
def test_a_naive_instant_is_no_instant(dialect: object) -> None:
    """On either database."""
    with pytest.raises(ValueError, match="aware"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1, 9), dialect)  # type: ignore[arg-type]
    assert UtcDateTime().process_bind_param(None, dialect) is None  # type: ignore[arg-type]


def test_a_turn_goes_to_whoever_asked_first() -> None:
    """Ten threads that lined up in an order are let in in that order, one at a time."""
    turn = Turn()
    order: list[int] = []
    inside: list[int] = []

    def work(number: int) -> None:
        with turn:
            inside.append(number)
            assert inside == [number]
            order.append(number)
            inside.remove(number)

    threads = []
    with turn:
        for number in range(10):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(turn._waiting) <= number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(10))
    with turn:
        assert len(turn._waiting) == 0
