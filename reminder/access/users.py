"""Who has an account: given, changed, disabled by an admin, and recorded with the admin's name.

Nobody, by mistake or by haste, can leave the office without an admin: the last
account that may manage users stays as it is.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from reminder.access.login import hash_password
from reminder.access.rights import Right, Role, User
from reminder.errors import ReminderError
from reminder.ledger.accounts import Account
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Note

NOTE = "account-changed"
"""Kind of the note in the ledger; it never tells of a password but that it was set."""
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike: a first password is read aloud or copied from paper."""


class State(enum.StrEnum):
    """Whether an account lets its user in."""

    GOOD = "good"
    INITIAL = "initial"
    """Only to set an own password."""
    UNSET = "unset"
    LEFT = "left"
    DISABLED = "disabled"


STATE_TEXT: Mapping[str, str] = MappingProxyType(
    {
        State.GOOD: "可登录",
        State.INITIAL: "待本人改密码",
        State.UNSET: "未设密码",
        State.LEFT: "不在名册，不能登录",
        State.DISABLED: "已停用",
    }
)


class AccountRefused(ReminderError):
    """An account that cannot be made or changed so; nothing was changed."""


class Users:
    """The accounts of one plan, for whoever may manage them.  Safe to use from several threads."""

    def __init__(
        self,
        ledger: Ledger,
        plan_id: str,
        belongs: Callable[[str], bool] = lambda _user: True,
        *,
        last_stays: bool = True,
    ) -> None:
        """``belongs``: whether a user is in the directory today; who is not cannot log in.

        ``last_stays``: nothing is changed that would leave no admin; the server's
        command line, which can make another, may go without.
        """
        self._belongs = belongs
        self._last_stays = last_stays
        self._ledger = ledger
        self._plan_id = plan_id

    def every(self) -> list[Account]:
        """All accounts, in order of user."""
        return self._ledger.accounts.every(self._plan_id)

    def invite(self, user: str, roles: Iterable[str], *, private: bool, by: str, now: datetime) -> str:
        """A new account; its first password, which is told once and kept nowhere.

        Raises :class:`AccountRefused` for a user who has one already, or no role.
        """
        if self._ledger.accounts.get(self._plan_id, user) is not None:
            raise AccountRefused(f"“{user}”已有账户；改权限或重设密码请在名单中操作")
        password = first_password()
        account = Account(
            user, _known(roles), private, hash_password(user, password), now, disabled=False, initial=True
        )
        self._put(account, by, now)
        return password

    def change(
        self, user: str, roles: Iterable[str], *, private: bool, disabled: bool, by: str, now: datetime
    ) -> None:
        """Other roles, the right to private items, or an end; the user's sessions end.

        Raises :class:`AccountRefused`, also for what would leave no admin.
        """
        account = self._get(user)
        self._put(replace(account, roles=_known(roles), private=private, disabled=disabled), by, now)

    def set_password(
        self, user: str, password: str, roles: Iterable[str], *, private: bool, by: str, now: datetime
    ) -> None:
        """An account with this password, which is its user's own; made if there is none, in use if it was not.

        Raises :class:`AccountRefused`, and ``WeakPassword`` of :mod:`reminder.access.login`.
        """
        self._put(Account(user, _known(roles), private, hash_password(user, password), now), by, now)

    def somebody_manages(self) -> bool:
        """Whether anybody is left who can manage users."""
        return self._one_of(self.every())

    def reset(self, user: str, *, by: str, now: datetime) -> str:
        """Another first password for somebody who forgot theirs; told once, as by :meth:`invite`."""
        account, password = self._get(user), first_password()
        changed = replace(account, password=hash_password(user, password), changed_at=now, initial=True)
        self._put(changed, by, now)
        return password

    def _get(self, user: str) -> Account:
        account = self._ledger.accounts.get(self._plan_id, user)
        if account is None:
            raise AccountRefused(f"没有“{user}”这个账户")
        return account

    def _put(self, account: Account, by: str, now: datetime) -> None:
        before = self._ledger.accounts.get(self._plan_id, account.user)
        self._ledger.accounts.put(
            self._plan_id, account, self._somebody_manages if self._last_stays else None
        )
        detail = {
            "user": account.user,
            "roles": list(account.roles),
            "private": account.private,
            "disabled": account.disabled,
            "password": before is None or before.password != account.password,
            "first_password": account.initial,
        }
        self._ledger.note(self._plan_id, Note(NOTE, now, by, detail))

    def _somebody_manages(self, accounts: Sequence[Account]) -> None:
        if not self._one_of(accounts):
            raise AccountRefused(
                "这样一来就没有能管理账户的人了，没有修改；请先让另一位管理员登录并设好自己的密码"
            )

    def _one_of(self, accounts: Iterable[Account]) -> bool:
        return any(manages(each) and self._belongs(each.user) for each in accounts)


def first_password() -> str:
    """Sixteen random letters and digits in four groups: 79 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def manages(account: Account) -> bool:
    """Whether an account can really be used to manage users: a first password is none yet."""
    user = User(account.user, frozenset(Role(each) for each in account.roles))
    return user.may(Right.MANAGE) and not account.disabled and bool(account.password) and not account.initial


def state_of(account: Account, *, here: bool) -> State:
    """Whether an account lets its user in; ``here``: who is in the directory today."""
    if account.disabled:
        return State.DISABLED
    if not here:
        return State.LEFT
    if not account.password:
        return State.UNSET
    return State.INITIAL if account.initial else State.GOOD


def _known(roles: Iterable[str]) -> tuple[str, ...]:
    known = tuple(sorted({str(Role(each)) for each in roles if each in set(Role)}))
    if not known:
        raise AccountRefused("至少选一种角色；不再使用的账户请停用")
    return known
