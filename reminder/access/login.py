"""Logging in: passwords, sessions, the lock after many failures.

Rules (all times by the caller's ``now``): five failures of one user within 15
minutes lock that user, and thirty from one address that address, until the
window has passed or the password was set anew.  A browser that its user has
come in with before has a count of its own, and so has whoever sets another
password while logged in, so that nobody shuts others out by guessing at their
names.  A session ends 30 minutes after its last use and 12
hours after it began; every login has a new session, and what the browser had
before it is worth nothing.  A wrong name costs as much time as a wrong password.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
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
    Span,
)
from reminder.ledger.errors import LedgerError
from reminder.ledger.ledger import Ledger

log = logging.getLogger(__name__)

WINDOW = timedelta(minutes=15)
FAILURES_OF_USER = 5
FAILURES_OF_ADDRESS = 30
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
"""A session's last use is written at most so often."""
AHEAD = timedelta(minutes=5)
"""A session that began so much later than now is of a clock that was set back: nobody knows its age."""
KEPT = timedelta(days=200)
"""For how long the login log is kept at least: six months, and some days to look at them."""
INITIAL_LASTS = timedelta(days=7)
"""A password that somebody else gave lets in for so long."""
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
TOKEN_BYTES = 32
INSTANT = timedelta(microseconds=1)
NAME_WIDTH = 64
SESSION = "session"
"""The device under which wrong current passwords are counted: no browser can show it, theirs are signed."""
IPV6_NETWORK = 64
"""Bits of an IPv6 address that are one customer's: the rest are as many addresses as they like."""

EVENT_TEXT = {
    SUCCEEDED: "登录成功",
    FAILED: "登录失败",
    LOCKED: "已锁定，未受理",
    LOGOUT: "退出",
    EXPIRED: "超时退出",
}
"""What people read of a line of the login log."""

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
    """Too many failures; the next try is heard when the window has passed."""

    locked = True

    def __init__(self) -> None:
        super().__init__(f"尝试次数过多，请{int(WINDOW.total_seconds() // 60)}分钟后再试，或请管理员重设密码")


_one_at_a_time = threading.Lock()
"""Of many tries at once each is counted before the next is heard."""


class WeakPassword(ReminderError):
    """A password that is too short, too long, or the user's own name."""


@dataclass(frozen=True, slots=True)
class Entered:
    """Who is in.  ``token`` is the cookie's value, known to the browser alone."""

    user: User
    token: str
    device: str = ""
    """By what the browser is known at its next login; empty but after a login."""
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

    def __init__(
        self,
        ledger: Ledger,
        plan_id: str,
        belongs: Callable[[str], bool],
        tell: Callable[[LoginEvent], None] | None = None,
    ) -> None:
        """``belongs``: whether a user is in the directory today; ``tell``: who else hears of each event."""
        self._accounts = ledger.accounts
        self._plan_id = plan_id
        self._belongs = belongs
        self._tell = tell

    def enter(self, user: str, password: str, address: str, now: datetime, device: str = "") -> Entered:
        """A new session.  Raises :class:`Locked` or :class:`LoginRefused`; either is logged.

        ``device``: what the browser was given at an earlier login.
        """
        with _one_at_a_time:
            account = self._accounts.get(self._plan_id, user)
            came = LoginEvent(
                now, _plain(user), address[:NAME_WIDTH], FAILED, _origin(address), _device(account, device)
            )
            came = self._not_locked(came, account)
            if not self._fits(account, password) or account is None or _is_spent(account, now):
                self._log(came)
                raise LoginRefused("用户名或密码不对")
            if _hasher.check_needs_rehash(account.password):
                account = replace(account, password=_hasher.hash(password))
                self._accounts.put(self._plan_id, account)
            self._accounts.tidy(self._plan_id, now, LONGEST, KEPT)
            self._log(replace(came, event=SUCCEEDED))
            token = secrets.token_urlsafe(TOKEN_BYTES)
            self._accounts.begin_session(self._plan_id, Session(fingerprint(token), user, now, now))
        device = device if _device(account, device) else _new_device(account)
        return Entered(_user(account), token, device, account.initial)

    def change_password(self, user: str, current: str, new: str, now: datetime) -> None:
        """A user sets another password, and has to log in with it.

        Raises :class:`Locked` or :class:`LoginRefused` for a wrong current one,
        which is logged like a wrong login, and :class:`WeakPassword`.
        """
        with _one_at_a_time:
            account = self._accounts.get(self._plan_id, user)
            came = self._not_locked(LoginEvent(now, _plain(user), "", FAILED, device=SESSION), account)
            if not self._fits(account, current) or account is None:
                self._log(came)
                raise LoginRefused("现在的密码不对，没有修改")
            if new == current:
                raise WeakPassword("新密码与现在的相同，没有修改")
            changed = replace(account, password=hash_password(user, new), changed_at=now, initial=False)
            self._accounts.put(self._plan_id, changed)

    def who(self, token: str, now: datetime) -> Entered | None:
        """Whose session it is, if it still holds."""
        kept = self._accounts.session(self._plan_id, fingerprint(token)) if token else None
        if kept is None:
            return None
        account = self._accounts.get(self._plan_id, kept.user)
        if account is None or account.disabled or not self._belongs(kept.user):
            self._accounts.end_session(self._plan_id, kept.token)
            return None
        if now - kept.seen_at > IDLE or not -AHEAD <= now - kept.began_at <= LONGEST:
            if self._accounts.end_session(self._plan_id, kept.token):
                self._log(LoginEvent(now, kept.user, "", EXPIRED))
            return None
        # Also when the clock was set back: the last use is never later than now.
        if abs(now - kept.seen_at) >= SEEN_EVERY:
            with suppress(LedgerError):  # a ledger that cannot be written may still be read for a while
                self._accounts.saw_session(self._plan_id, kept.token, now)
        return Entered(_user(account), token, initial=account.initial)

    def leave(self, token: str, now: datetime) -> None:
        """End a session."""
        kept = self._accounts.session(self._plan_id, fingerprint(token))
        if kept is not None and self._accounts.end_session(self._plan_id, kept.token):
            self._log(LoginEvent(now, kept.user, "", LOGOUT))

    def _not_locked(self, came: LoginEvent, account: Account | None) -> LoginEvent:
        """Who came, without a browser that has failed too often itself.  Raises :class:`Locked`."""
        span = Span(came.at - WINDOW, came.at)
        of_user = span
        if account is not None and span.since < account.changed_at <= came.at:
            of_user = Span(account.changed_at - INSTANT, came.at)  # set anew, nothing before it counts
        if came.device:
            failed = self._accounts.failures_of_user(self._plan_id, of_user, came.user, came.device)
            if failed < FAILURES_OF_USER:
                return came
            if came.device != SESSION:
                came = replace(came, device="")
        if came.device:
            known = self._accounts.was_locked(self._plan_id, span, user=came.user)
        elif self._accounts.failures_from(self._plan_id, span, came.origin) >= FAILURES_OF_ADDRESS:
            known = self._accounts.was_locked(self._plan_id, span, origin=came.origin)
        elif self._accounts.failures_of_user(self._plan_id, of_user, came.user) >= FAILURES_OF_USER:
            known = self._accounts.was_locked(self._plan_id, span, user=came.user)
        else:
            return came
        if not known:  # once a while: whoever hammers at the door must not fill the ledger
            self._log(replace(came, event=LOCKED))
        raise Locked

    def _fits(self, account: Account | None, password: str) -> bool:
        known = account is not None and not account.disabled and bool(account.password)
        hashed = account.password if known and account is not None else _nobodys()
        try:
            fits = _hasher.verify(hashed, password[: LONGEST_PASSWORD + 1])
        except (VerificationError, InvalidHashError):
            return False
        return fits and known and account is not None and self._belongs(account.user)

    def _log(self, event: LoginEvent) -> None:
        self._accounts.log(self._plan_id, event)
        log.info("login", extra={"user": event.user, "address": event.address, "what": event.event})
        if self._tell is not None:
            self._tell(event)


def _plain(user: str) -> str:
    """A name as it may be written down: of one line, and not too long."""
    return "".join(each if each.isprintable() else "?" for each in user[:NAME_WIDTH])


def _origin(address: str) -> str:
    """What failures from an address are counted by."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:NAME_WIDTH]
    if ip.version == 4:
        return str(ip)
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/{IPV6_NETWORK}", strict=False))


def _new_device(account: Account) -> str:
    name = secrets.token_hex(8)
    return f"{name}.{_device_mark(account, name)}"


def _device(account: Account | None, shown: str) -> str:
    """The name of a browser that this user has logged in with before; empty for any other."""
    name, _, mark = shown.partition(".")
    if account is None or not account.password or not mark.isascii():
        return ""
    return name if hmac.compare_digest(mark, _device_mark(account, name)) else ""


def _device_mark(account: Account, name: str) -> str:
    # With a new password every browser is new.
    return hmac.new(account.password.encode(), f"{account.user} {name}".encode(), hashlib.sha256).hexdigest()


def _is_spent(account: Account, now: datetime) -> bool:
    return account.initial and now - account.changed_at > INITIAL_LASTS


def _user(account: Account) -> User:
    roles = frozenset(Role(each) for each in account.roles if each in set(Role))
    return User(account.user, roles, account.private)
