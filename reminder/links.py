"""Links by which a person says that something is done: their tokens, and the key that signs them.

A token says for which message and which person it is and until which day it
holds; it is always 80 characters long, and the same arguments give the same
token.  It stands in no file: frozen messages, the ledger and every page of it
hold :data:`PLACEHOLDER`, and the token is put in its place when the message is
sent, at every try anew.

The key file has one key a line, 64 hexadecimal digits each.  The last one
signs; those before it are still believed, until their line is taken out.
"""

from __future__ import annotations

import base64
import contextlib
import enum
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from itsdangerous import BadSignature, Signer

from reminder.disk import sync_folder
from reminder.errors import ReminderError, system_reason
from reminder.redaction import LINK_TOKEN

TOKEN_LENGTH = 80
PLACEHOLDER = "PLACEHOLDER-IN-WHOSE-PLACE-THE-RECEIVERS-OWN-TOKEN-STANDS-ONCE-A-MESSAGE-IS-SENT"
"""As long as a token and never one: text that is split by its length is split alike."""
PATH = "/d/"
"""Between the public URL and the token."""
APPROVAL_PATH = "/a/"
"""The same, where an approver reads a text."""

_SEPARATOR = "."
_EPOCH = date(1970, 1, 1)
_MESSAGE_OCTETS, _PERSON_OCTETS, _DAY_OCTETS = 16, 8, 2
_KEY = re.compile(r"[0-9a-f]{64}")


class LinkKeyError(ReminderError):
    """The key file cannot be read, written or understood."""


class Scope(enum.IntEnum):
    """What a token opens."""

    MESSAGE = 1
    """What one message was about."""
    PERSON = 2
    """Everything its person may record."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says once its signature has been found good.

    ``message`` is the message's identity (32 hexadecimal digits), empty for
    :attr:`Scope.PERSON`; ``person`` a fingerprint, see :meth:`is_for`.
    """

    scope: Scope
    message: str
    person: bytes
    last_day: date

    def is_for(self, person_id: str) -> bool:
        """Whether the token was made for that person of the directory."""
        return self.person == _fingerprint(person_id)


class Links:
    """Makes and reads the tokens of one plan."""

    def __init__(self, keys: Sequence[bytes], plan_id: str) -> None:
        """``keys``: the last one signs, all are believed; at least one."""
        self._signer = Signer(
            list(keys),
            salt=f"reminder link {plan_id}",
            sep=_SEPARATOR,
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def of_message(self, message: str, person_id: str, last_day: date) -> str:
        """The token of a message (its identity, 32 hexadecimal digits) for its one receiver."""
        return self._token(Scope.MESSAGE, bytes.fromhex(message), person_id, last_day)

    def of_person(self, person_id: str, last_day: date) -> str:
        """The token for everything that a person may record."""
        return self._token(Scope.PERSON, bytes(_MESSAGE_OCTETS), person_id, last_day)

    def read(self, token: str, today: date) -> Grant | None:
        """What a token says, if it is whole, signed here and not past its last day; else None.

        Nobody learns from the answer, or from how long it took, which of these it was.
        """
        if not LINK_TOKEN.fullmatch(token):
            return None
        try:
            said = base64.urlsafe_b64decode(self._signer.unsign(token))
        except BadSignature:
            return None
        # The last letter of a signature has bits to spare, which a reader of base64 passes over.
        signature = token.rpartition(_SEPARATOR)[2]
        if _encoded(base64.urlsafe_b64decode(signature + "=")) != signature:
            return None
        scope, rest = said[0], said[1:]
        message, person = rest[:_MESSAGE_OCTETS], rest[_MESSAGE_OCTETS:-_DAY_OCTETS]
        last_day = _EPOCH + timedelta(days=int.from_bytes(rest[-_DAY_OCTETS:], "big"))
        if today > last_day or scope not in set(Scope):
            return None
        return Grant(Scope(scope), message.hex() if scope == Scope.MESSAGE else "", person, last_day)

    def _token(self, scope: Scope, message: bytes, person_id: str, last_day: date) -> str:
        if len(message) != _MESSAGE_OCTETS:
            raise ValueError("a message's identity has 32 hexadecimal digits")
        day = (last_day - _EPOCH).days.to_bytes(_DAY_OCTETS, "big")
        # 27 octets are 36 letters of base64 to the bit: nothing is left over to be changed unnoticed.
        said = bytes([scope]) + message + _fingerprint(person_id) + day
        return self._signer.sign(_encoded(said)).decode("ascii")


def open_links(key_file: Path, plan_id: str) -> Links:
    """The links of a plan; the key file is made if there is none.

    Raises :class:`LinkKeyError`.
    """
    try:
        text = key_file.read_text("ascii")
    except FileNotFoundError:
        _make(key_file)
        return open_links(key_file, plan_id)
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "内容不是密钥"
        raise LinkKeyError(f"链接密钥 {key_file} 读不出来（{reason}）；请检查权限，或从备份中恢复") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        if not _KEY.fullmatch(line):
            raise LinkKeyError(
                f"链接密钥 {key_file} 的第 {number} 行不是密钥；每行一个，为 64 位十六进制数。"
                "请从备份中恢复；如移走该文件，将另生成一个，已发出的链接全部失效"
            )
    if not lines:
        raise LinkKeyError(
            f"链接密钥 {key_file} 是空的；请从备份中恢复。如移走该文件，将另生成一个，已发出的链接全部失效"
        )
    return Links([bytes.fromhex(line) for line in lines], plan_id)


def _make(key_file: Path) -> None:
    """Write a new key, mode 0600; whoever comes second finds the first one's."""
    try:
        key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whole before it has its name: a second process reads all of it, or makes it itself.
        handle, scratch = tempfile.mkstemp(dir=key_file.parent, prefix=".key-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(scratch, key_file)
        finally:
            Path(scratch).unlink()
        sync_folder(key_file.parent)
    except OSError as error:
        raise LinkKeyError(
            f"链接密钥 {key_file} 写不下来（{system_reason(error)}）；请检查目录权限和磁盘空间"
        ) from None


def _fingerprint(person_id: str) -> bytes:
    return hashlib.sha256(person_id.encode()).digest()[:_PERSON_OCTETS]


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
