"""Every state of the files of plan, calendar and templates: kept by content, listed by who and when.

Append-only.  A content is stored once, however often it stands in a file.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, insert, select

from reminder.ledger.statements import insert_new
from reminder.ledger.storage import Storage
from reminder.ledger.tables import AnyRow, file_contents, file_versions


class VersionKind(enum.StrEnum):
    """How a content came into its file."""

    FOUND = "found"
    """It stood there: adopted by the daemon, or met before the first edit in the console."""
    SAVED = "saved"
    """Somebody saved it in the console."""
    FAILED = "failed"
    """Saving came to nothing; this is what stands there still."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One state of one file.  ``name`` as in an edition's files; ``at`` in UTC."""

    id: int
    name: str
    sha256: str
    kind: VersionKind
    at: datetime
    author: str
    remark: str


def digest_of(content: bytes) -> str:
    """SHA-256 in hexadecimal, as plan and ledger name contents."""
    return hashlib.sha256(content).hexdigest()


class FileVersions:
    """The versions of every plan in one ledger; each method is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def keep(
        self,
        plan_id: str,
        name: str,
        content: bytes,
        kind: VersionKind,
        *,
        at: datetime,
        author: str,
        remark: str = "",
    ) -> int:
        """Append a version; its number."""
        with self._storage.write(plan_id) as connection:
            return append(connection, plan_id, name, content, kind, at, author, remark)

    def keep_found(self, plan_id: str, contents: Mapping[str, bytes], *, at: datetime, author: str) -> int:
        """Append what stands in files and is not their last version; how many that were."""
        digests = {name: digest_of(content) for name, content in contents.items()}
        known = self.latest(plan_id)
        if all(known.get(name) == digest for name, digest in digests.items()):
            return 0  # the rule, and nothing needs to be written for it
        with self._storage.write(plan_id) as connection:
            known = latest_of(connection, plan_id)
            new = [name for name, digest in digests.items() if known.get(name) != digest]
            keep_contents(connection, plan_id, {name: contents[name] for name in new})
            rows = [_row(plan_id, name, contents[name], VersionKind.FOUND, at, author, "") for name in new]
            if rows:
                connection.execute(insert(file_versions), rows)
        return len(new)

    def latest(self, plan_id: str) -> dict[str, str]:
        """The SHA-256 of each file's last version, by name."""
        with self._storage.read() as connection:
            return latest_of(connection, plan_id)

    def every(
        self, plan_id: str, name: str | None = None, limit: int = 200, *, changes: bool = False
    ) -> list[FileVersion]:
        """The versions of one file, or of all, the newest first; ``changes``: without each file's first."""
        query = _of_plan(plan_id).order_by(file_versions.c.id.desc()).limit(limit)
        if name is not None:
            query = query.where(file_versions.c.name == name)
        if changes:
            earlier = file_versions.alias()
            mine = (earlier.c.plan_id == plan_id, earlier.c.name == file_versions.c.name)
            query = query.where(select(earlier.c.id).where(*mine, earlier.c.id < file_versions.c.id).exists())
        with self._storage.read() as connection:
            return [_version(row) for row in connection.execute(query)]

    def get(self, plan_id: str, number: int) -> FileVersion | None:
        """One version."""
        with self._storage.read() as connection:
            row = connection.execute(_of_plan(plan_id).where(file_versions.c.id == number)).first()
        return _version(row) if row is not None else None

    def content(self, plan_id: str, sha256: str) -> bytes | None:
        """What a version said."""
        query = select(file_contents.c.content).where(
            file_contents.c.plan_id == plan_id, file_contents.c.sha256 == sha256
        )
        with self._storage.read() as connection:
            found = connection.execute(query).scalar()
        return bytes(found) if found is not None else None


def append(
    connection: Connection,
    plan_id: str,
    name: str,
    content: bytes,
    kind: VersionKind,
    at: datetime,
    author: str,
    remark: str,
) -> int:
    """One version more, inside a transaction; its number."""
    keep_contents(connection, plan_id, {name: content})
    values = _row(plan_id, name, content, kind, at, author, remark)
    made = connection.execute(insert(file_versions).values(values).returning(file_versions.c.id))
    return int(made.scalar_one())


def keep_contents(connection: Connection, plan_id: str, contents: Mapping[str, bytes]) -> None:
    """What files say, once however often it is said."""
    rows = {digest_of(each): each for each in contents.values()}
    insert_new(
        connection,
        file_contents,
        ("plan_id", "sha256"),
        [{"plan_id": plan_id, "sha256": digest, "content": content} for digest, content in rows.items()],
        file_contents.c.sha256,
    )


def _row(
    plan_id: str, name: str, content: bytes, kind: VersionKind, at: datetime, author: str, remark: str
) -> dict[str, object]:
    return {
        "plan_id": plan_id,
        "name": name,
        "sha256": digest_of(content),
        "kind": kind.value,
        "at": at,
        "author": author,
        "remark": remark,
    }


def latest_of(connection: Connection, plan_id: str) -> dict[str, str]:
    """The SHA-256 of each file's last version, by name."""
    last = (
        select(func.max(file_versions.c.id))
        .where(file_versions.c.plan_id == plan_id)
        .group_by(file_versions.c.name)
    )
    query = select(file_versions.c.name, file_versions.c.sha256).where(file_versions.c.id.in_(last))
    return {row.name: row.sha256 for row in connection.execute(query)}


def _of_plan(plan_id: str) -> Select[*tuple[object, ...]]:
    return select(file_versions).where(file_versions.c.plan_id == plan_id)


def _version(row: AnyRow) -> FileVersion:
    kind = VersionKind(row.kind)
    return FileVersion(row.id, row.name, row.sha256, kind, row.at, row.author, row.remark)
