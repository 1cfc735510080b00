"""Tokens of programs: who made them, what for, until when; of a token itself only its SHA-256 is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from reminder.ledger.statements import insert_new
from reminder.ledger.storage import Storage
from reminder.ledger.tables import AnyRow, tokens


@dataclass(frozen=True, slots=True)
class Token:
    """A program's way in; ``token`` is the SHA-256 of what it shows, ``name`` is never given twice."""

    name: str
    token: str
    roles: tuple[str, ...]
    private: bool
    made_at: datetime
    made_by: str
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it opens anything at ``now``."""
        return self.revoked_at is None and now < self.expires_at


class Tokens:
    """The tokens of every plan in one ledger; each method is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def every(self, plan_id: str) -> list[Token]:
        """Every token that was ever made, in the order in which they were."""
        query = select(tokens).where(tokens.c.plan_id == plan_id).order_by(tokens.c.made_at, tokens.c.name)
        with self._storage.read() as connection:
            return [_token(row) for row in connection.execute(query)]

    def make(self, plan_id: str, new: Token) -> bool:
        """Keep a token; False, and nothing, if its name was given already."""
        row = {
            "plan_id": plan_id,
            "name": new.name,
            "token": new.token,
            "roles": ",".join(sorted(new.roles)),
            "private": new.private,
            "made_at": new.made_at,
            "made_by": new.made_by,
            "expires_at": new.expires_at,
        }
        with self._storage.write(plan_id) as connection:
            return bool(insert_new(connection, tokens, ("plan_id", "name"), [row], tokens.c.name))

    def find(self, plan_id: str, token: str) -> Token | None:
        """The token with this hash, whether it still holds or not."""
        query = select(tokens).where(tokens.c.plan_id == plan_id, tokens.c.token == token)
        with self._storage.read() as connection:
            row = connection.execute(query).first()
        return _token(row) if row is not None else None

    def used(self, plan_id: str, name: str, now: datetime) -> None:
        """A program came with it at ``now``."""
        mine = (tokens.c.plan_id == plan_id, tokens.c.name == name)
        with self._storage.write(plan_id) as connection:
            connection.execute(update(tokens).where(*mine).values(used_at=now))

    def revoke(self, plan_id: str, name: str, *, by: str, now: datetime) -> bool:
        """It opens nothing any more; False if it was revoked already, or is not there."""
        mine = (tokens.c.plan_id == plan_id, tokens.c.name == name, tokens.c.revoked_at.is_(None))
        with self._storage.write(plan_id) as connection:
            done = connection.execute(update(tokens).where(*mine).values(revoked_at=now, revoked_by=by))
            return bool(done.rowcount)


def _token(row: AnyRow) -> Token:
    return Token(
        row.name,
        row.token,
        tuple(each for each in row.roles.split(",") if each),
        row.private,
        row.made_at,
        row.made_by,
        row.expires_at,
        row.used_at,
        row.revoked_at,
        row.revoked_by,
    )
