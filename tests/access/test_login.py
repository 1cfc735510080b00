"""At the door: who gets in, who is locked out, how long a session holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
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
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
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
    return Door(ledger, "test")


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
