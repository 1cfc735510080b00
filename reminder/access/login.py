"""Logging in: passwords, sessions, the lock after many failures.

Rules (all times by the caller's ``now``): five failures of one user within 15
minutes lock that user, and thirty from one address that address, until the
window has passed; a session ends 30 minutes after its last use and 12 hours
after it began; every login has a new session, and what the browser had before
it is worth nothing.  A wrong name costs as much time as a wrong password.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from reminder.access.rights import Role, User
from reminder.errors import ReminderError
from reminder.ledger.accounts import (
    EXPIRED,
    FAILED,
    LOCKED,
    LOGOUT,
    SUCCEEDED,
    Account,
    LoginEvent,
    Session,
)
from reminder.ledger.ledger import Ledger

WINDOW = timedelta(minutes=15)
FAILURES_OF_USER = 5
FAILURES_OF_ADDRESS = 30
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
"""A session's last use is written at most so often."""
INITIAL_LASTS = timedelta(days=7)
"""A password that somebody else gave lets in for so long."""
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
TOKEN_BYTES = 32
ADDRESS_WIDTH = 64

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""Argon2id with 19 MiB, the smallest that OWASP's cheat sheet on passwords names: several may log in at once."""


@cache
def _nobodys() -> str:
    """What the password of a user who does not exist is compared with."""
    return _hasher.hash(secrets.token_hex())


class LoginRefused(ReminderError):
    """Nobody was let in; the text tells nothing about which part was wrong."""

    locked = False


class Locked(LoginRefused):
    """Too many failures; ``until`` is when the next try is heard."""

    locked = True

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(f"尝试次数过多，请{int(WINDOW.total_seconds() // 60)}分钟后再试，或请管理员重设密码")


class WeakPassword(ReminderError):
    """A password that is too short, too long, or the user's own name."""


@dataclass(frozen=True, slots=True)
class Entered:
    """Who is in.  ``token`` is the cookie's value, known to the browser alone."""

    user: User
    token: str
    initial: bool = False
    """Came in with a password that somebody else gave: has to set an own one before anything else."""

    @property
    def csrf(self) -> str:
        """What every form of this session carries; of another session it is another."""
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()


def fingerprint(token: str) -> str:
    """What the ledger keeps of a session's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_password(user: str, password: str) -> None:
    """Raises :class:`WeakPassword` with what is asked for."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise WeakPassword(f"密码应为{SHORTEST_PASSWORD}至{LONGEST_PASSWORD}个字符，现为{len(password)}个")
    if user.lower() in password.lower() or len(set(password)) < 5:
        raise WeakPassword("密码不能含有用户名，也不能只由少数几个字符重复组成")


def hash_password(user: str, password: str) -> str:
    """An argon2id hash.  Raises :class:`WeakPassword`."""
    check_password(user, password)
    return _hasher.hash(password)


class Door:
    """Lets users in and out.  Safe to use from several threads."""

    def __init__(self, ledger: Ledger, plan_id: str) -> None:
        self._accounts = ledger.accounts
        self._plan_id = plan_id

    def enter(self, user: str, password: str, address: str, now: datetime) -> Entered:
        """A new session.  Raises :class:`Locked` or :class:`LoginRefused`; either is logged."""
        address = address[:ADDRESS_WIDTH]
        self._not_locked(user, address, now)
        account = self._accounts.get(self._plan_id, user)
        if not self._fits(account, password) or account is None or _is_spent(account, now):
            self._log(now, user, address, FAILED)
            raise LoginRefused("用户名或密码不对")
        if _hasher.check_needs_rehash(account.password):
            self._accounts.put(self._plan_id, replace(account, password=_hasher.hash(password)))
        self._log(now, user, address, SUCCEEDED)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._accounts.begin_session(self._plan_id, Session(fingerprint(token), user, now, now))
        return Entered(_user(account), token, account.initial)

    def change_password(self, user: str, current: str, new: str, now: datetime) -> None:
        """A user sets another password, and has to log in with it.

        Raises :class:`Locked` or :class:`LoginRefused` for a wrong current one,
        which is logged like a wrong login, and :class:`WeakPassword`.
        """
        self._not_locked(user, "", now)
        account = self._accounts.get(self._plan_id, user)
        if not self._fits(account, current) or account is None:
            self._log(now, user, "", FAILED)
            raise LoginRefused("现在的密码不对，没有修改")
        if new == current:
            raise WeakPassword("新密码与现在的相同，没有修改")
        changed = replace(account, password=hash_password(user, new), changed_at=now, initial=False)
        self._accounts.put(self._plan_id, changed)

    def who(self, token: str, now: datetime) -> Entered | None:
        """Whose session it is, if it still holds."""
        kept = self._accounts.session(self._plan_id, fingerprint(token))
        if kept is None:
            return None
        if now - kept.seen_at > IDLE or now - kept.began_at > LONGEST:
            self._accounts.end_session(self._plan_id, kept.token)
            self._log(now, kept.user, "", EXPIRED)
            return None
        account = self._accounts.get(self._plan_id, kept.user)
        if account is None or account.disabled:
            return None
        if now - kept.seen_at >= SEEN_EVERY:
            self._accounts.saw_session(self._plan_id, kept.token, now)
        return Entered(_user(account), token, account.initial)

    def leave(self, token: str, now: datetime) -> None:
        """End a session."""
        kept = self._accounts.session(self._plan_id, fingerprint(token))
        if kept is not None:
            self._accounts.end_session(self._plan_id, kept.token)
            self._log(now, kept.user, "", LOGOUT)

    def _not_locked(self, user: str, address: str, now: datetime) -> None:
        since = now - WINDOW
        of_user = self._accounts.failures_of_user(self._plan_id, since, user)
        of_address = self._accounts.failures_from(self._plan_id, since, address)
        if of_user >= FAILURES_OF_USER or of_address >= FAILURES_OF_ADDRESS:
            self._log(now, user, address, LOCKED)
            raise Locked(now + WINDOW)

    def _fits(self, account: Account | None, password: str) -> bool:
        known = account is not None and not account.disabled and bool(account.password)
        hashed = account.password if known and account is not None else _nobodys()
        try:
            return _hasher.verify(hashed, password[: LONGEST_PASSWORD + 1]) and known
        except (VerificationError, InvalidHashError):
            return False

    def _log(self, now: datetime, user: str, address: str, event: str) -> None:
        self._accounts.log(self._plan_id, LoginEvent(now, user[:ADDRESS_WIDTH], address, event))


def _is_spent(account: Account, now: datetime) -> bool:
    return account.initial and now - account.changed_at > INITIAL_LASTS


def _user(account: Account) -> User:
    return User(account.user, frozenset(Role(each) for each in account.roles), account.private)
