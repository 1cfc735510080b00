"""Accounts in an admin's hands: first passwords, changes with their author, and never nobody who manages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.access.login import INITIAL_LASTS, Door, Locked, LoginRefused, WeakPassword
from reminder.access.rights import Role
from reminder.access.users import AccountRefused, Users
from reminder.ledger.accounts import Account
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.harness.console import HASH, PASSWORD, anybody
from tests.plans import at

NOW = at("2026-06-01 09:00")
OWN = "wo-zi-ji-de-mi-ma-88"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW) as opened:
        for user in ("p-a", "p-b"):
            opened.accounts.put("test", Account(user, (Role.ADMIN,), False, HASH, NOW))
        yield opened


def change(users: Users, user: str, *roles: Role, disabled: bool = False, by: str = "p-a") -> None:
    users.change(user, roles, private=False, disabled=disabled, by=by, now=NOW)


def test_a_first_password_lets_in_once_it_is_changed_and_is_told_to_nobody_else(ledger: Ledger) -> None:
    users, door = Users(ledger, "test"), Door(ledger, "test", anybody)
    password = users.invite("p-c", [Role.EDITOR], private=False, by="p-a", now=NOW)
    assert password not in str(ledger.notes("test"))
    assert door.enter("p-c", password, "", NOW).initial
    with pytest.raises(LoginRefused):
        door.change_password("p-c", "not-this-one", OWN, NOW)
    with pytest.raises(WeakPassword):
        door.change_password("p-c", password, "short", NOW)
    with pytest.raises(WeakPassword, match="相同"):
        door.change_password("p-c", password, password, NOW)
    token = door.enter("p-c", password, "", NOW).token
    door.change_password("p-c", password, OWN, NOW)
    assert door.who(token, NOW) is None
    assert not door.enter("p-c", OWN, "", NOW).initial
    with pytest.raises(LoginRefused):
        door.enter("p-c", password, "", NOW)


def test_a_first_password_that_nobody_used_ends(ledger: Ledger) -> None:
    password = Users(ledger, "test").invite("p-c", [Role.EDITOR], private=False, by="p-a", now=NOW)
    door = Door(ledger, "test", anybody)
    assert door.enter("p-c", password, "", NOW + INITIAL_LASTS)
    with pytest.raises(LoginRefused):
        door.enter("p-c", password, "", NOW + INITIAL_LASTS + timedelta(seconds=1))


def test_wrong_current_passwords_lock_like_wrong_logins(ledger: Ledger) -> None:
    door = Door(ledger, "test", anybody)
    for _ in range(5):
        with pytest.raises(LoginRefused, match="现在的密码不对"):
            door.change_password("p-a", "guess-guess", OWN, NOW)
    with pytest.raises(LoginRefused, match="请15分钟后再试"):
        door.change_password("p-a", PASSWORD, OWN, NOW)


def test_nobody_who_guesses_at_a_name_hinders_its_user_from_setting_another_password(ledger: Ledger) -> None:
    """Also not from the first own one, without which a new user gets no further."""
    users, door = Users(ledger, "test"), Door(ledger, "test", anybody)
    for user, current in (
        ("p-a", PASSWORD),
        ("p-c", users.invite("p-c", [Role.EDITOR], private=False, by="p-a", now=NOW)),
    ):
        door.enter(user, current, "127.0.0.1", NOW)
        for _ in range(5):
            with pytest.raises(LoginRefused):
                door.enter(user, "guess-guess", "127.0.0.9", NOW)
        with pytest.raises(Locked):
            door.enter(user, current, "127.0.0.9", NOW)
        with pytest.raises(LoginRefused, match="现在的密码不对"):
            door.change_password(user, "guess-guess", OWN, NOW)
        door.change_password(user, current, OWN, NOW)


def test_wrong_current_passwords_lock_nobody_out_of_the_login(ledger: Ledger) -> None:
    door = Door(ledger, "test", anybody)
    for _ in range(6):
        with pytest.raises(LoginRefused):
            door.change_password("p-a", "guess-guess", OWN, NOW)
    assert [each.event for each in ledger.accounts.events("test", NOW)] == ["locked"] + ["failed"] * 5
    assert door.enter("p-a", PASSWORD, "127.0.0.1", NOW).user.id == "p-a"


def test_every_change_is_recorded_with_its_author(ledger: Ledger) -> None:
    users = Users(ledger, "test")
    users.change("p-b", [Role.VIEWER], private=True, disabled=False, by="p-a", now=NOW)
    (note,) = ledger.notes("test", "account-changed")
    assert note.author == "p-a"
    assert note.detail == {
        "user": "p-b",
        "roles": ["viewer"],
        "private": True,
        "disabled": False,
        "password": False,
        "first_password": False,
    }


def test_the_last_admin_stays_one(ledger: Ledger) -> None:
    users = Users(ledger, "test")
    change(users, "p-b", Role.EDITOR)
    before = ledger.accounts.get("test", "p-a")
    for roles, disabled in (
        ((Role.VIEWER,), False),
        ((Role.ADMIN,), True),
        ((Role.ADMIN, Role.AUDITOR), False),  # an auditor changes nothing, whatever else they are
    ):
        with pytest.raises(AccountRefused, match="没有能管理账户的人"):
            change(users, "p-a", *roles, disabled=disabled)
    with pytest.raises(AccountRefused):
        users.reset("p-a", by="p-a", now=NOW)
    # One who never came in with an own password is none to rely on.
    users.invite("p-c", [Role.ADMIN], private=False, by="p-a", now=NOW)
    with pytest.raises(AccountRefused):
        change(users, "p-a", Role.VIEWER)
    assert ledger.accounts.get("test", "p-a") == before


def test_an_admin_who_left_the_directory_is_none_to_rely_on(ledger: Ledger) -> None:
    users = Users(ledger, "test", lambda user: user != "p-b")
    with pytest.raises(AccountRefused, match="没有能管理账户的人"):
        change(users, "p-a", Role.VIEWER)


def test_two_admins_who_dismiss_each_other_at_once_leave_one(ledger: Ledger) -> None:
    users, start, refused = Users(ledger, "test"), threading.Barrier(2), []

    def dismiss(by: str, user: str) -> None:
        start.wait()
        try:
            change(users, user, Role.VIEWER, by=by)
        except AccountRefused:
            refused.append(by)

    threads = [threading.Thread(target=dismiss, args=pair) for pair in (("p-a", "p-b"), ("p-b", "p-a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert sum(Role.ADMIN in each.roles for each in users.every()) == 1


def test_what_makes_no_account_is_refused(ledger: Ledger) -> None:
    users = Users(ledger, "test")
    with pytest.raises(AccountRefused, match="已有账户"):
        users.invite("p-a", [Role.VIEWER], private=False, by="p-b", now=NOW)
    with pytest.raises(AccountRefused, match="至少选一种角色"):
        users.invite("p-c", ["root"], private=False, by="p-b", now=NOW)
    with pytest.raises(AccountRefused, match="没有“p-x”这个账户"):
        change(users, "p-x", Role.VIEWER)
