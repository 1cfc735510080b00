"""At the door: who gets in, who is locked out, how long a session holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reminder.access.login import (
    FAILURES_OF_ADDRESS,
    FAILURES_OF_USER,
    IDLE,
    LONGEST,
    WINDOW,
    Door,
    Locked,
    LoginRefused,
    WeakPassword,
    hash_password,
)
from reminder.ledger.accounts import Account
from reminder.ledger.copying import take_copy
from reminder.ledger.holds import Hold, HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.harness.console import anybody
from tests.plans import at

PASSWORD = "correct-horse-7"
NOW = at("2026-06-10 09:00")
SECOND = timedelta(seconds=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW)
    put(opened, "p-clerk")
    yield opened
    opened.close()


@pytest.fixture
def door(ledger: Ledger) -> Door:
    return Door(ledger, "test", anybody)


def put(
    ledger: Ledger,
    user: str,
    password: str = PASSWORD,
    roles: tuple[str, ...] = ("editor",),
    *,
    disabled: bool = False,
) -> None:
    ledger.accounts.put("test", Account(user, roles, False, hash_password(user, password), NOW, disabled))


def events(ledger: Ledger) -> list[tuple[str, str]]:
    return [(each.user, each.event) for each in reversed(ledger.accounts.events("test", NOW - WINDOW))]


def test_the_right_password_opens_a_session_that_knows_its_user(door: Door) -> None:
    entered = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)
    again = door.who(entered.token, NOW + SECOND)
    assert again is not None
    assert (again.user.id, again.csrf) == ("p-clerk", entered.csrf)


@pytest.mark.parametrize(
    ("user", "password"), [("p-clerk", "wrong-password"), ("p-nobody", PASSWORD), ("", "")]
)
def test_whatever_is_wrong_the_answer_is_the_same(
    door: Door, ledger: Ledger, user: str, password: str
) -> None:
    with pytest.raises(LoginRefused, match=r"^用户名或密码不对$"):
        door.enter(user, password, "127.0.0.1", NOW)
    assert events(ledger) == [(user, "failed")]


def test_a_disabled_account_and_one_without_a_password_let_nobody_in(door: Door, ledger: Ledger) -> None:
    put(ledger, "p-gone", disabled=True)
    ledger.accounts.put("test", Account("p-new", ("viewer",), False, "", NOW))
    for user in ("p-gone", "p-new"):
        for password in (PASSWORD, ""):
            with pytest.raises(LoginRefused):
                door.enter(user, password, "127.0.0.1", NOW)


def fail(door: Door, user: str, address: str, times: int, now: datetime = NOW) -> None:
    for _ in range(times):
        with pytest.raises(LoginRefused):
            door.enter(user, "wrong-password", address, now)


def test_five_failures_lock_a_user_for_a_quarter_of_an_hour(door: Door) -> None:
    """Also for the right password, and from everywhere."""
    fail(door, "p-clerk", "127.0.0.1", FAILURES_OF_USER)
    with pytest.raises(Locked, match="15分钟后再试"):
        door.enter("p-clerk", PASSWORD, "127.0.0.2", NOW + SECOND)
    assert door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + WINDOW + SECOND).user.id == "p-clerk"


def test_a_success_forgives_the_failures_before_it(door: Door) -> None:
    fail(door, "p-clerk", "127.0.0.1", FAILURES_OF_USER - 1)
    door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)
    fail(door, "p-clerk", "127.0.0.1", FAILURES_OF_USER - 1)
    assert door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)


def test_an_address_that_tries_many_names_is_locked_out(door: Door) -> None:
    for number in range(FAILURES_OF_ADDRESS):
        fail(door, f"p{number}", "127.0.0.9", 1)
    with pytest.raises(Locked):
        door.enter("p-clerk", PASSWORD, "127.0.0.9", NOW)
    assert door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)


def test_trying_while_locked_does_not_lock_for_longer(door: Door) -> None:
    fail(door, "p-clerk", "127.0.0.1", FAILURES_OF_USER)
    later = NOW + WINDOW - SECOND
    with pytest.raises(Locked):
        door.enter("p-clerk", PASSWORD, "127.0.0.1", later)
    assert door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + WINDOW + SECOND)


def test_a_session_ends_when_it_is_idle_and_when_it_is_old(door: Door, ledger: Ledger) -> None:
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    now = NOW
    while now - NOW <= LONGEST - IDLE:
        now += IDLE - SECOND
        assert door.who(token, now) is not None
    assert door.who(token, NOW + LONGEST + SECOND) is None
    idle = door.enter("p-clerk", PASSWORD, "127.0.0.1", now).token
    assert door.who(idle, now + IDLE + SECOND) is None
    assert events(ledger)[-1] == ("p-clerk", "expired")
    assert door.who(idle, now) is None, "an ended session does not come back with the clock"


def test_every_login_is_a_new_session_and_leaving_ends_it(door: Door) -> None:
    first, second = (door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW) for _ in range(2))
    assert first.token != second.token
    assert first.csrf != second.csrf
    door.leave(first.token, NOW)
    assert door.who(first.token, NOW) is None
    assert door.who(second.token, NOW) is not None


@pytest.mark.parametrize("change", ["password", "roles", "disabled"])
def test_a_change_of_the_account_ends_its_sessions(door: Door, ledger: Ledger, change: str) -> None:
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    if change == "password":
        put(ledger, "p-clerk", "another-horse-8")
    elif change == "roles":
        account = ledger.accounts.get("test", "p-clerk")
        assert account is not None
        ledger.accounts.put("test", Account("p-clerk", ("viewer",), False, account.password, NOW))
    else:
        put(ledger, "p-clerk", disabled=True)
    assert door.who(token, NOW) is None


def test_nobody_who_reads_the_ledger_can_take_over_a_session(door: Door, ledger: Ledger) -> None:
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    ledger.close()
    with sqlite3.connect(ledger.path) as database:
        dump = "\n".join(database.iterdump())
    assert token not in dump
    assert PASSWORD not in dump
    assert "$argon2id$" in dump


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaa", "my-p-clerk-99"])
def test_a_weak_password_is_refused_with_what_is_asked_for(password: str) -> None:
    with pytest.raises(WeakPassword, match="密码"):
        hash_password("p-clerk", password)


def test_a_foreign_token_is_nobody(door: Door) -> None:
    assert door.who("", NOW) is None
    assert door.who("x" * 43, NOW) is None


# -- who shuts out whom ---------------------------------------------------------


def test_nobody_shuts_out_a_browser_that_its_user_has_come_in_with(door: Door) -> None:
    """Whoever guesses at a known name locks it for strangers; the user goes on where they always log in."""
    device = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).device
    fail(door, "p-clerk", "127.0.0.9", FAILURES_OF_USER, NOW + SECOND)
    with pytest.raises(Locked):
        door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + 2 * SECOND)
    entered = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + 2 * SECOND, device)
    assert entered.device == device


def test_a_browser_that_is_known_may_fail_no_more_often_than_others(door: Door) -> None:
    device = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).device
    for _ in range(FAILURES_OF_USER):
        with pytest.raises(LoginRefused, match="不对"):
            door.enter("p-clerk", "wrong-password", "127.0.0.1", NOW + SECOND, device)
    fail(door, "p-clerk", "127.0.0.9", FAILURES_OF_USER, NOW + SECOND)
    with pytest.raises(Locked):
        door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + SECOND, device)


def test_a_browser_is_known_for_its_own_user_and_until_the_password_changes(
    door: Door, ledger: Ledger
) -> None:
    put(ledger, "p-other")
    device = door.enter("p-other", PASSWORD, "127.0.0.1", NOW).device
    name, _, mark = device.partition(".")
    fail(door, "p-clerk", "127.0.0.9", FAILURES_OF_USER)
    for shown in (device, f"{name}.{'0' * 64}", f".{mark}", ".", "设备.印记", name):
        with pytest.raises(Locked):
            door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + SECOND, shown)
    put(ledger, "p-other", "another-horse-8")
    fail(door, "p-other", "127.0.0.9", FAILURES_OF_USER, NOW + SECOND)
    with pytest.raises(Locked):
        door.enter("p-other", "another-horse-8", "127.0.0.1", NOW + 2 * SECOND, device)


def test_a_password_set_on_the_server_is_the_way_back_of_who_is_locked_out(
    door: Door, ledger: Ledger
) -> None:
    fail(door, "p-clerk", "127.0.0.9", FAILURES_OF_USER)
    new = Account("p-clerk", ("admin",), False, hash_password("p-clerk", "another-horse-8"), NOW + SECOND)
    ledger.accounts.put("test", new)
    assert door.enter("p-clerk", "another-horse-8", "127.0.0.1", NOW + 2 * SECOND).user.id == "p-clerk"


def test_a_whole_ipv6_network_is_one_address(door: Door) -> None:
    """Its customer has more addresses than anybody can count."""
    for number in range(FAILURES_OF_ADDRESS):
        fail(door, f"p{number}", f"2001:db8::{number:x}", 1)
    with pytest.raises(Locked):
        door.enter("p-clerk", PASSWORD, "2001:db8::ffff", NOW)
    assert door.enter("p-clerk", PASSWORD, "2001:db8:0:1::1", NOW)


def test_of_many_guesses_at_once_no_more_are_heard_than_of_one_after_the_other(
    door: Door, ledger: Ledger
) -> None:
    def guess(_: int) -> str:
        try:
            door.enter("p-clerk", "wrong-password", "127.0.0.1", NOW)
        except Locked:
            return "locked"
        except LoginRefused:
            return "heard"
        return "in"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(guess, range(16))) == ["heard"] * 5 + ["locked"] * 11
    assert [event for _, event in events(ledger)] == ["failed"] * 5 + ["locked"]


def test_whoever_hammers_at_a_locked_door_does_not_fill_the_ledger(door: Door, ledger: Ledger) -> None:
    for number in range(FAILURES_OF_ADDRESS):
        fail(door, f"p{number}", "127.0.0.9", 1)
    for number in range(50):
        with pytest.raises(Locked):
            door.enter(f"q{number}", "wrong-password", "127.0.0.9", NOW)
    assert len(events(ledger)) == FAILURES_OF_ADDRESS + 1


# -- clocks, the directory, ledgers that come back -------------------------------


def test_a_clock_that_was_ahead_locks_nobody_out_for_longer(door: Door) -> None:
    fail(door, "p-clerk", "127.0.0.1", FAILURES_OF_USER, NOW + timedelta(days=400))
    assert door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)


def test_an_account_changed_while_the_clock_was_ahead_is_locked_as_any_other(
    door: Door, ledger: Ledger
) -> None:
    account = ledger.accounts.get("test", "p-clerk")
    assert account is not None
    ledger.accounts.put("test", replace(account, changed_at=NOW + timedelta(days=400)))
    fail(door, "p-clerk", "127.0.0.1", FAILURES_OF_USER)
    with pytest.raises(Locked):
        door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)


def test_a_session_does_not_live_longer_because_the_clock_was_set_back(door: Door) -> None:
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    assert door.who(token, NOW + timedelta(minutes=20)) is not None
    back = NOW + timedelta(minutes=1)
    assert door.who(token, back) is not None, "set back by less than it is old: it goes on"
    assert door.who(token, back + IDLE + SECOND) is None, "and is idle from its last use on"
    ahead = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + timedelta(hours=10)).token
    assert door.who(ahead, NOW) is None, "it has not begun yet: nobody knows how old it is"
    assert door.who(ahead, NOW + timedelta(hours=10)) is None


def test_whoever_has_left_the_directory_is_out_and_stays_out(ledger: Ledger) -> None:
    there = {"p-clerk"}
    door = Door(ledger, "test", there.__contains__)
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    there.clear()
    assert door.who(token, NOW) is None
    with pytest.raises(LoginRefused, match="不对"):
        door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)
    there.add("p-clerk")
    assert door.who(token, NOW) is None, "its session ended with it"


def test_a_ledger_put_on_hold_knows_no_session(door: Door, ledger: Ledger) -> None:
    """Who left, or was shut out, since it was the newest one is not in it."""
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    ledger.holds.put(Hold(HoldReason.OLDER, NOW, NOW))
    assert door.who(token, NOW) is None
    during = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    ledger.holds.put(Hold(HoldReason.OLDER, NOW + SECOND, NOW))
    assert door.who(during, NOW) is not None, "it was on hold already"


def test_no_copy_of_a_ledger_brings_a_session_back(door: Door, ledger: Ledger, tmp_path: Path) -> None:
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    take_copy(ledger.path, tmp_path / "copy.sqlite3", NOW)
    with Ledger.open(tmp_path / "copy.sqlite3", kind=LedgerKind.DAEMON, now=NOW, create=False) as copy:
        assert Door(copy, "test", anybody).who(token, NOW) is None
        assert Door(copy, "test", anybody).enter("p-clerk", PASSWORD, "127.0.0.1", NOW)
    assert door.who(token, NOW) is not None


def test_who_is_in_may_still_read_when_the_ledger_cannot_be_written(door: Door, ledger: Ledger) -> None:
    token = door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW).token
    blocked = sqlite3.connect(ledger.path, isolation_level=None)
    quick = Ledger.open(ledger.path, kind=LedgerKind.DAEMON, now=NOW, busy_timeout=0.1)
    blocked.execute("BEGIN IMMEDIATE")
    try:
        assert Door(quick, "test", anybody).who(token, NOW + timedelta(minutes=5)) is not None
    finally:
        blocked.execute("ROLLBACK")
        blocked.close()
        quick.close()


# -- the login log ---------------------------------------------------------------


def test_the_login_log_is_kept_for_two_hundred_days(door: Door, ledger: Ledger) -> None:
    door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)
    for days in (199, 200):
        door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + timedelta(days=days))
    assert len(ledger.accounts.events("test", NOW)) == 3
    for days in (201, 202):
        door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + timedelta(days=days))
    assert [each.at - NOW for each in ledger.accounts.events("test", NOW)][-1] == timedelta(days=199)


def test_one_look_of_a_clock_far_ahead_does_not_empty_the_log(door: Door, ledger: Ledger) -> None:
    door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW)
    door.enter("p-clerk", PASSWORD, "127.0.0.1", NOW + timedelta(days=4000))
    assert len(ledger.accounts.events("test", NOW)) == 2


def test_a_name_that_is_written_down_is_one_line_and_short(door: Door, ledger: Ledger) -> None:
    with pytest.raises(LoginRefused):
        door.enter("x\nlogin succeeded user=p-clerk\x1b[2J" + "y" * 500, PASSWORD, "127.0.0.1", NOW)
    ((user, _),) = events(ledger)
    assert user.startswith("x?login succeeded user=p-clerk?[2Jyyy")
    assert len(user) == 64
