"""Tokens of programs: shown once, good for what they say, until they end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.access.rights import Right, Role
from reminder.access.tokens import MADE, REVOKED, TokenRefused, Wanted, bearer, make, revoke
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.plans import at

NOW = at("2026-06-10 09:00")
VIEWER = frozenset({Role.VIEWER})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW) as opened:
        yield opened


def made(ledger: Ledger, name: str = "oa-sync", **wanted: object) -> str:
    asked = Wanted(name, **({"roles": VIEWER} | wanted))  # type: ignore[arg-type]
    return make(ledger, "test", asked, by="p-clerk", now=NOW)[0]


def test_a_token_lets_its_program_in_with_its_roles(ledger: Ledger) -> None:
    user = bearer(ledger, "test", made(ledger, roles=frozenset({Role.VIEWER, Role.EDITOR})), NOW)
    assert user is not None
    assert (user.id, user.may(Right.RECORD), user.private) == ("oa-sync", True, False)
    assert bearer(ledger, "another-plan", "reminder_x", NOW) is None


@pytest.mark.parametrize("shown", ["", "reminder_", "reminder_" + "x" * 43, "Bearer", "令牌"])
def test_what_is_no_token_is_nobody(ledger: Ledger, shown: str) -> None:
    made(ledger)
    assert bearer(ledger, "test", shown, NOW) is None


def test_a_token_ends_on_its_day_and_when_it_is_revoked(ledger: Ledger) -> None:
    shown = made(ledger, days=30)
    assert bearer(ledger, "test", shown, NOW + timedelta(days=30, seconds=-1)) is not None
    assert bearer(ledger, "test", shown, NOW + timedelta(days=30)) is None
    other = made(ledger, "other")
    revoke(ledger, "test", "other", by="p-clerk", now=NOW)
    assert bearer(ledger, "test", other, NOW) is None
    with pytest.raises(TokenRefused, match="早已撤销"):
        revoke(ledger, "test", "other", by="p-clerk", now=NOW)
    with pytest.raises(TokenRefused, match="没有名为“nobody”的令牌；现有：oa-sync"):
        revoke(ledger, "test", "nobody", by="p-clerk", now=NOW)


def test_the_ledger_says_who_made_it_and_never_what_it_is(ledger: Ledger) -> None:
    shown = made(ledger)
    revoke(ledger, "test", "oa-sync", by="p-office", now=NOW)
    assert [(each.kind, each.author) for each in reversed(ledger.notes("test"))] == [
        (MADE, "p-clerk"),
        (REVOKED, "p-office"),
    ]
    ledger.close()
    with sqlite3.connect(ledger.path) as database:
        assert shown not in "\n".join(database.iterdump())


def test_its_last_use_is_kept_to_the_minute(ledger: Ledger) -> None:
    shown = made(ledger)
    for seconds in (0, 30, 61):
        bearer(ledger, "test", shown, NOW + timedelta(seconds=seconds))
    (token,) = ledger.tokens.every("test")
    assert token.used_at == NOW + timedelta(seconds=61)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"name": "OA"}, "不合要求"),
        ({"name": "x"}, "不合要求"),
        ({"name": "同步程序"}, "不合要求"),
        ({"name": "p-clerk", "taken": frozenset({"p-clerk"})}, "名册中的人员编号"),
        ({"roles": frozenset()}, "角色可用"),
        ({"roles": frozenset({Role.APPROVER})}, "审批须由人作出"),
        ({"days": 0}, "1至366天"),
        ({"days": 367}, "1至366天"),
    ],
)
def test_a_token_that_would_be_a_mistake_is_refused(
    ledger: Ledger, wanted: dict[str, object], said: str
) -> None:
    with pytest.raises(TokenRefused, match=said):
        made(ledger, **wanted)  # type: ignore[arg-type]
    assert not ledger.tokens.every("test")


def test_a_name_is_given_once_and_for_all(ledger: Ledger) -> None:
    """What it did stands in the ledger under that name."""
    made(ledger)
    revoke(ledger, "test", "oa-sync", by="p-clerk", now=NOW)
    with pytest.raises(TokenRefused, match="已经用过"):
        made(ledger)


def test_a_token_is_read_where_nothing_can_be_written(ledger: Ledger) -> None:
    shown = made(ledger)
    quick = Ledger.open(ledger.path, kind=LedgerKind.DAEMON, now=NOW, busy_timeout=0.1)
    blocked = sqlite3.connect(ledger.path, isolation_level=None)
    blocked.execute("BEGIN IMMEDIATE")
    try:
        assert bearer(quick, "test", shown, NOW) is not None
    finally:
        blocked.execute("ROLLBACK")
        blocked.close()
        quick.close()
