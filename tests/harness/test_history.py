"""The checker finds every kind of wrong history, and is content with a right one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.history import Arrival, Expectation, Kill, check

NINE = datetime(2026, 6, 10, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def expectation(number: int) -> Expectation:
    at = NINE + number * MINUTE
    return Expectation(f"r{number % 3}", "mail", f"<mark{number}>", at, at + 5 * MINUTE)


def arrival(number: int, copy: int = 0) -> Arrival:
    at = NINE + number * MINUTE + timedelta(seconds=2 + 20 * copy)
    return Arrival(f"r{number % 3}", "mail", f"id{number}", f"… <mark{number}> …", at)


WANTED = [expectation(n) for n in range(6)]
GOT = [arrival(n) for n in range(6)]


def test_a_right_history_is_clean() -> None:
    """Each expectation met once, in time, nothing else."""
    assert check(WANTED, GOT).clean


def test_a_loss_is_named() -> None:
    """What never arrived."""
    assert check(WANTED, GOT[1:]).lost == [WANTED[0]]


def test_a_duplicate_without_a_kill_is_a_fault() -> None:
    """Twice the same message, for no reason."""
    assert check(WANTED, [*GOT, arrival(2, 1)]).duplicates == [arrival(2, 1)]


def killed(at: datetime, *numbers: int) -> Kill:
    """A kill inside the send windows of these messages."""
    return Kill(at, frozenset(("mail", f"id{number}") for number in numbers))


def test_a_duplicate_around_a_kill_is_excused_once() -> None:
    """One send in flight, one repeat; a second repeat of the same kill is a fault."""
    kill = killed(arrival(2).at + timedelta(seconds=1), 1, 2)
    report = check(WANTED, [*GOT, arrival(2, 1)], [kill])
    assert report.clean
    assert report.excused == [arrival(2, 1)]
    assert report.by_kill == {kill.at: 1}
    twice = check(WANTED, [*GOT, arrival(2, 1), arrival(1, 6)], [kill])
    assert len(twice.excused) == 1
    assert len(twice.duplicates) == 1


def test_a_message_is_repeated_once_for_a_kill_however_many_were_in_flight() -> None:
    """Its own send was one of them."""
    kill = killed(arrival(2).at + timedelta(seconds=1), 1, 2)
    thrice = [*GOT, replace(arrival(2), at=arrival(2).at + timedelta(seconds=0.5)), arrival(2, 1)]
    report = check(WANTED, thrice, [kill], in_flight=2)
    assert len(report.excused) == len(report.duplicates) == 1


def test_a_duplicate_outside_the_send_window_is_not_excused() -> None:
    """The kill came between the arrivals, but the outcome stood in the ledger, or no intent did."""
    kill = killed(arrival(2).at + timedelta(seconds=1), 3)
    assert check(WANTED, [*GOT, arrival(2, 1)], [kill]).duplicates == [arrival(2, 1)]


def test_a_duplicate_after_a_kill_that_was_before_both_is_not_excused() -> None:
    """A kill explains only what was in flight when it came."""
    kill = killed(arrival(2).at - timedelta(seconds=1), 2)
    assert check(WANTED, [*GOT, arrival(2, 1)], [kill]).duplicates == [arrival(2, 1)]


def test_a_stop_that_was_no_end_explains_a_repeat_until_it_had_gone_on() -> None:
    """What it said after it went on, and others say after that; not what it said later, nor twice."""
    stop = killed(arrival(2).at - timedelta(seconds=1), 2)
    stop = replace(stop, until=arrival(2).at + timedelta(seconds=1))
    assert check(WANTED, [*GOT, arrival(2, 1)], [stop]).excused == [arrival(2, 1)]
    assert check(WANTED, [*GOT, arrival(2, 1), arrival(2, 6)], [stop]).duplicates == [arrival(2, 6)]
    over = replace(stop, until=arrival(2).at - timedelta(seconds=0.5))
    assert check(WANTED, [*GOT, arrival(2, 1)], [over]).duplicates == [arrival(2, 1)]


def test_the_same_thing_said_by_another_message_is_never_excused() -> None:
    """A new Message-ID makes a repeat unrecognisable for the receiver."""
    other = replace(arrival(2, 1), identity="new")
    kill = killed(arrival(2).at + timedelta(seconds=1), 2)
    assert check(WANTED, [*GOT, other], [kill]).repeated == [WANTED[2]]


def test_an_arrival_that_nobody_expected_is_named() -> None:
    """To somebody else, over another channel, or about something else."""
    for stray in (
        replace(GOT[0], receiver="x"),
        replace(GOT[0], channel="robot"),
        replace(GOT[0], text="?", identity="?"),
    ):
        assert check(WANTED, [*GOT, stray]).extras == [stray]


@pytest.mark.parametrize("shift", [-3 * MINUTE, 6 * MINUTE])
def test_too_early_and_too_late_are_named(shift: timedelta) -> None:
    """Outside of its tolerance an arrival is a fault."""
    moved = replace(GOT[4], at=GOT[4].at + shift)
    assert check(WANTED, [*GOT[:4], moved, GOT[5]]).untimely == [(WANTED[4], moved)]


def test_a_merged_message_meets_several_expectations() -> None:
    """A digest carries the marks of all its parts."""
    two = [replace(expectation(n), receiver="r0") for n in (0, 1)]
    digest = Arrival("r0", "mail", "id", "<mark0> and <mark1>", NINE + 2 * MINUTE)
    assert check(two, [digest]).clean


@given(st.integers(0, 5), st.sampled_from(["drop", "double", "stray", "late", "renamed"]))
def test_any_single_fault_in_a_right_history_is_found(number: int, fault: str) -> None:
    """Whichever message it befalls."""
    history = list(GOT)
    victim = history[number]
    match fault:
        case "drop":
            history.remove(victim)
        case "double":
            history.append(arrival(number, 1))
        case "stray":
            history.append(replace(victim, receiver="nobody"))
        case "late":
            history[number] = replace(victim, at=victim.at + timedelta(hours=1))
        case "renamed":
            history.append(replace(victim, identity="another"))
    assert not check(WANTED, history).clean
