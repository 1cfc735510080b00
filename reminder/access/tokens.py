"""By what programs come in: a token, shown once, with roles and an end.

A program reads, records and operates as its roles allow; it never approves,
which is a person's word, and never manages who may come in.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminder.access.login import TOKEN_BYTES, fingerprint
from reminder.access.rights import ROLE_TEXT, Role, User
from reminder.errors import ReminderError
from reminder.ledger.errors import LedgerError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Note
from reminder.ledger.tokens import Token

PREFIX = "reminder_"
"""By which a token that got somewhere else is known for one."""
DAYS, MOST_DAYS = 180, 366
USED_EVERY = timedelta(minutes=1)
"""The last use is written at most so often."""
MADE, REVOKED = "token-made", "token-revoked"
"""Kinds of notes in the ledger."""
OF_PROGRAMS = (Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.AUDITOR)
_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}")


class TokenRefused(ReminderError):
    """No token was made or taken back; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token to be made.  ``taken`` are names that would be mistaken: those of persons."""

    name: str
    roles: frozenset[Role]
    private: bool = False
    days: int = DAYS
    taken: frozenset[str] = frozenset()


def make(ledger: Ledger, plan_id: str, wanted: Wanted, *, by: str, now: datetime) -> tuple[str, Token]:
    """A new token as the program shows it, and what is kept of it.  Raises :class:`TokenRefused`."""
    if not _NAME.fullmatch(wanted.name):
        raise TokenRefused(
            f"名称“{wanted.name}”不合要求：2至32个小写字母、数字或连字符，字母开头，如 oa-sync；没有生成"
        )
    if wanted.name in wanted.taken:
        raise TokenRefused(f"“{wanted.name}”是名册中的人员编号，台账里会分不清是谁；请换一个名称；没有生成")
    if not wanted.roles or not wanted.roles <= set(OF_PROGRAMS):
        allowed = "、".join(f"{each}（{ROLE_TEXT[each]}）" for each in OF_PROGRAMS)
        raise TokenRefused(f"程序的角色可用：{allowed}；审批须由人作出，不能交给程序；没有生成")
    if not 1 <= wanted.days <= MOST_DAYS:
        raise TokenRefused(f"有效期应为1至{MOST_DAYS}天，现为{wanted.days}天；没有生成")
    shown = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    token = Token(
        name=wanted.name,
        token=fingerprint(shown),
        roles=tuple(sorted(str(each) for each in wanted.roles)),
        private=wanted.private,
        made_at=now,
        made_by=by,
        expires_at=now + timedelta(days=wanted.days),
    )
    if not ledger.tokens.make(plan_id, token):
        raise TokenRefused(
            f"名称“{wanted.name}”已经用过（含已撤销的）；请换一个，如 {wanted.name}-2；没有生成"
        )
    detail = {
        "name": token.name,
        "roles": list(token.roles),
        "private": token.private,
        "until": token.expires_at.isoformat(),
    }
    ledger.note(plan_id, Note(MADE, now, by, detail))
    return shown, token


def revoke(ledger: Ledger, plan_id: str, name: str, *, by: str, now: datetime) -> None:
    """It opens nothing from now on.  Raises :class:`TokenRefused`."""
    known = {each.name: each for each in ledger.tokens.every(plan_id)}
    if name not in known:
        names = "、".join(each.name for each in known.values() if each.revoked_at is None) or "（无）"
        raise TokenRefused(f"没有名为“{name}”的令牌；现有：{names}；未作更改")
    if not ledger.tokens.revoke(plan_id, name, by=by, now=now):
        raise TokenRefused(f"令牌“{name}”早已撤销；未作更改")
    ledger.note(plan_id, Note(REVOKED, now, by, {"name": name}))


def bearer(ledger: Ledger, plan_id: str, shown: str, now: datetime) -> User | None:
    """Which program it is, if its token still holds."""
    if not shown.startswith(PREFIX):
        return None
    found = ledger.tokens.find(plan_id, fingerprint(shown))
    if found is None or not found.holds(now):
        return None
    if found.used_at is None or abs(now - found.used_at) >= USED_EVERY:
        with suppress(LedgerError):  # what may be read is read, also where nothing can be written
            ledger.tokens.used(plan_id, found.name, now)
    roles = frozenset(Role(each) for each in found.roles if each in set(OF_PROGRAMS))
    return User(found.name, roles, found.private)
