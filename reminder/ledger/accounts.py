"""Accounts, sessions and the log of logins.

Passwords come in hashed and never go out except to be compared; of a session
only the hash of its token is kept, so that whoever reads the ledger cannot take
over a session.  The login log is append-only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from reminder.ledger.storage import Storage
from reminder.ledger.tables import AnyRow, accounts, logins, sessions

SUCCEEDED, FAILED, LOCKED, LOGOUT, EXPIRED = "succeeded", "failed", "locked", "logout", "expired"
"""What happened at the door."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may log in; ``password`` is an argon2 hash, empty before one was set."""

    user: str
    roles: tuple[str, ...]
    private: bool
    password: str
    changed_at: datetime
    disabled: bool = False
    initial: bool = False
    """The password was given by somebody else: it lets its user set an own one, and do nothing else."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login; ``token`` is the SHA-256 of the cookie's value."""

    token: str
    user: str
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class LoginEvent:
    """A line of the login log; ``address`` is where the browser was, as far as is known.

    ``origin`` is what failures from there are counted by; ``device`` a browser
    that the user has logged in with before.
    """

    at: datetime
    user: str
    address: str
    event: str
    origin: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Instants after ``since``, up to ``until``: what a clock that was wrong wrote later does not count."""

    since: datetime
    until: datetime


class Accounts:
    """The accounts of every plan in one ledger; each method is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, plan_id: str, user: str) -> Account | None:
        """The account of a user."""
        with self._storage.read() as connection:
            return _get(connection, plan_id, user)

    def every(self, plan_id: str) -> list[Account]:
        """Every account, in order of user."""
        query = select(accounts).where(accounts.c.plan_id == plan_id).order_by(accounts.c.user)
        with self._storage.read() as connection:
            return [_account(row) for row in connection.execute(query)]

    def put(
        self, plan_id: str, new: Account, allowed: Callable[[Sequence[Account]], None] | None = None
    ) -> None:
        """Make an account or change it; a new password, other roles or its end close its sessions.

        ``allowed`` is given all accounts as they would be then, and may raise:
        nothing is changed.  Nobody else changes any meanwhile.
        """
        values = {
            "roles": ",".join(sorted(new.roles)),
            "private": new.private,
            "password": new.password,
            "changed_at": new.changed_at,
            "disabled": new.disabled,
            "initial": new.initial,
        }
        with self._storage.write(plan_id) as connection:
            if allowed is not None:
                others = select(accounts).where(accounts.c.plan_id == plan_id, accounts.c.user != new.user)
                allowed([*(_account(row) for row in connection.execute(others)), new])
            before = _get(connection, plan_id, new.user)
            if before is None:
                connection.execute(insert(accounts), {"plan_id": plan_id, "user": new.user, **values})
                return
            mine = (accounts.c.plan_id == plan_id, accounts.c.user == new.user)
            connection.execute(update(accounts).where(*mine).values(values))
            if new.disabled or _rights(before) != _rights(new):
                connection.execute(
                    delete(sessions).where(sessions.c.plan_id == plan_id, sessions.c.user == new.user)
                )

    def begin_session(self, plan_id: str, session: Session) -> None:
        """Keep a session."""
        row = {
            "plan_id": plan_id,
            "token": session.token,
            "user": session.user,
            "began_at": session.began_at,
            "seen_at": session.seen_at,
        }
        with self._storage.write(plan_id) as connection:
            connection.execute(insert(sessions), row)

    def session(self, plan_id: str, token: str) -> Session | None:
        """The session with this token's hash."""
        query = select(sessions).where(sessions.c.plan_id == plan_id, sessions.c.token == token)
        with self._storage.read() as connection:
            row = connection.execute(query).first()
        return Session(row.token, row.user, row.began_at, row.seen_at) if row is not None else None

    def saw_session(self, plan_id: str, token: str, now: datetime) -> None:
        """The session was used at ``now``."""
        mine = (sessions.c.plan_id == plan_id, sessions.c.token == token)
        with self._storage.write(plan_id) as connection:
            connection.execute(update(sessions).where(*mine).values(seen_at=now))

    def end_session(self, plan_id: str, token: str) -> bool:
        """Forget a session; False if it was forgotten already."""
        mine = (sessions.c.plan_id == plan_id, sessions.c.token == token)
        with self._storage.write(plan_id) as connection:
            return bool(connection.execute(delete(sessions).where(*mine)).rowcount)

    def tidy(self, plan_id: str, now: datetime, longest: timedelta, kept: timedelta) -> None:
        """Forget sessions begun ``longest`` ago, and lines of the login log from ``kept`` ago and before.

        The log's own last line bounds what counts as now: one look of a clock
        that is far ahead does not empty it.
        """
        newest = select(logins.c.at).where(logins.c.plan_id == plan_id).order_by(logins.c.id.desc()).limit(1)
        with self._storage.write(plan_id) as connection:
            connection.execute(
                delete(sessions).where(sessions.c.plan_id == plan_id, sessions.c.began_at < now - longest)
            )
            last = connection.execute(newest).scalar()
            before = min(now, last or now) - kept
            connection.execute(delete(logins).where(logins.c.plan_id == plan_id, logins.c.at < before))

    def log(self, plan_id: str, event: LoginEvent) -> None:
        """Append to the login log."""
        row = {
            "plan_id": plan_id,
            "at": event.at,
            "user": event.user,
            "address": event.address,
            "origin": event.origin,
            "device": event.device,
            "event": event.event,
        }
        with self._storage.write(plan_id) as connection:
            connection.execute(insert(logins), row)

    def events(
        self, plan_id: str, since: datetime, limit: int = 1000, user: str | None = None
    ) -> list[LoginEvent]:
        """The login log from an instant on, the newest first; of one user, or of everybody."""
        query = (
            select(logins)
            .where(logins.c.plan_id == plan_id, logins.c.at >= since)
            .order_by(logins.c.id.desc())
            .limit(limit)
        )
        if user is not None:
            query = query.where(logins.c.user == user)
        with self._storage.read() as connection:
            return [_event(row) for row in connection.execute(query)]

    def last_logins(self, plan_id: str) -> dict[str, datetime]:
        """When each user last came in."""
        query = (
            select(logins.c.user, func.max(logins.c.at))
            .where(logins.c.plan_id == plan_id, logins.c.event == SUCCEEDED)
            .group_by(logins.c.user)
        )
        with self._storage.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def failures_of_user(self, plan_id: str, span: Span, user: str, device: str = "") -> int:
        """Failed logins of a user within a span, and since their last success.

        With one of the user's own devices, or (empty) with any that is not.
        """
        last = (
            select(func.coalesce(func.max(logins.c.id), 0))
            .where(logins.c.plan_id == plan_id, logins.c.user == user, logins.c.event == SUCCEEDED)
            .scalar_subquery()
        )
        query = _count(plan_id, span, FAILED).where(
            logins.c.user == user, logins.c.device == device, logins.c.id > last
        )
        return self._number(query)

    def failures_from(self, plan_id: str, span: Span, origin: str) -> int:
        """Failed logins from an origin within a span, whoever tried."""
        return self._number(_count(plan_id, span, FAILED).where(logins.c.origin == origin))

    def was_locked(self, plan_id: str, span: Span, *, user: str | None = None, origin: str = "") -> bool:
        """Whether the log has a refusal of this user, or of this origin, within a span."""
        who = logins.c.user == user if user is not None else logins.c.origin == origin
        return bool(self._number(_count(plan_id, span, LOCKED).where(who)))

    def _number(self, query: Select[int]) -> int:
        with self._storage.read() as connection:
            return int(connection.execute(query).scalar() or 0)


def _count(plan_id: str, span: Span, event: str) -> Select[int]:
    return select(func.count()).where(
        logins.c.plan_id == plan_id,
        logins.c.at > span.since,
        logins.c.at <= span.until,
        logins.c.event == event,
    )


def _event(row: AnyRow) -> LoginEvent:
    return LoginEvent(row.at, row.user, row.address, row.event, row.origin, row.device)


def _get(connection: Connection, plan_id: str, user: str) -> Account | None:
    query = select(accounts).where(accounts.c.plan_id == plan_id, accounts.c.user == user)
    row = connection.execute(query).first()
    return _account(row) if row is not None else None


def _account(row: AnyRow) -> Account:
    roles = tuple(each for each in row.roles.split(",") if each)
    return Account(row.user, roles, row.private, row.password, row.changed_at, row.disabled, row.initial)


def _rights(account: Account) -> tuple[object, ...]:
    """What of an account a session rests on."""
    return (account.password, sorted(account.roles), account.private)
