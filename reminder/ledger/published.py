"""Plans that the nodes take from the ledger: each version whole, one in force, older ones to go back to.

A version is all files of one plan, by name and SHA-256; what they say is kept
once for each content, beside the versions of single files.  Which one is in
force is one row.  Whoever changes it says from which version he started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, insert, select, update

from reminder.ledger.errors import LedgerCorrupt, PublishedMeanwhile
from reminder.ledger.file_versions import VersionKind, append, digest_of, keep_contents, latest_of
from reminder.ledger.records import Note
from reminder.ledger.register import note
from reminder.ledger.statements import insert_new
from reminder.ledger.storage import Storage
from reminder.ledger.tables import AnyRow, file_contents, published_in_force, published_plans

PUBLISHED = "plan-published"
"""Kind of the note that another version came into force, with its number and the one before."""


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """One version of one plan.  ``files``: name to SHA-256; ``digest`` is of all of them; ``at`` in UTC.

    ``edition`` is the digest of the edition that its publisher's program made of it.
    """

    plan_id: str
    number: int
    digest: str
    edition: str
    at: datetime
    author: str
    remark: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InForce:
    """Which version is in force, since when, and who put it so; ``at`` in UTC."""

    number: int
    at: datetime
    author: str
    remark: str


def digest_of_files(files: Mapping[str, str]) -> str:
    """SHA-256 over the names and digests of all files of a version."""
    text = "\n".join(f"{digest} {name}" for name, digest in sorted(files.items()))
    return hashlib.sha256(text.encode()).hexdigest()


class PublishedPlans:
    """The versions of every plan in one ledger; each method is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def number(self, plan_id: str) -> int:
        """The number of the version in force, 0 for none: what nodes ask at every tick."""
        with self._storage.read() as connection:
            return _number(connection, plan_id)

    def in_force(self, plan_id: str) -> InForce | None:
        """The version in force; None where the plan is not taken from the ledger."""
        row = published_in_force.c
        query = select(row.number, row.at, row.author, row.remark).where(
            row.plan_id == plan_id, row.number > 0
        )
        with self._storage.read() as connection:
            found = connection.execute(query).first()
        return InForce(*found) if found is not None else None

    def plans(self) -> list[str]:
        """The plans that have a version in force, in order of name."""
        row = published_in_force.c
        query = select(row.plan_id).where(row.number > 0).order_by(row.plan_id)
        with self._storage.read() as connection:
            return [str(found[0]) for found in connection.execute(query)]

    def every(self, plan_id: str, limit: int = 200) -> list[PublishedPlan]:
        """The versions of a plan, the newest first."""
        query = _of_plan(plan_id).order_by(published_plans.c.number.desc()).limit(limit)
        with self._storage.read() as connection:
            return [_version(row) for row in connection.execute(query)]

    def get(self, plan_id: str, number: int) -> PublishedPlan | None:
        """One version."""
        with self._storage.read() as connection:
            return _get(connection, plan_id, number)

    def contents(self, version: PublishedPlan) -> dict[str, bytes]:
        """What the files of a version say, by name.

        Raises ``LedgerCorrupt`` where that is not what was published.
        """
        wanted = set(version.files.values())
        query = select(file_contents.c.sha256, file_contents.c.content).where(
            file_contents.c.plan_id == version.plan_id, file_contents.c.sha256.in_(sorted(wanted))
        )
        with self._storage.read() as connection:
            found = {row.sha256: bytes(row.content) for row in connection.execute(query)}
        whole = all(digest_of(content) == digest for digest, content in found.items())
        if not whole or found.keys() != wanted or digest_of_files(version.files) != version.digest:
            raise LedgerCorrupt(
                f"台账中第 {version.number} 版计划的内容与发布时的校验码不符，没有采用："
                "请用 reminder plan back 退回别的版本，或从文件夹重新发布（reminder plan push）"
            )
        return {name: found[digest] for name, digest in version.files.items()}

    def publish(
        self,
        plan_id: str,
        contents: Mapping[str, bytes],
        edition: str,
        *,
        at: datetime,
        author: str,
        remark: str = "",
        over: int,
        kept: Collection[str] = (),
    ) -> PublishedPlan:
        """Put a version into force, all of it or nothing; ``over``: the one it was started from, 0 for none.

        ``kept``: names of files whose change is a version of that file as well.
        Raises ``PublishedMeanwhile`` if another one is in force.
        """
        files = {name: digest_of(content) for name, content in contents.items()}
        with self._storage.write(plan_id) as connection:
            _still(connection, plan_id, over)
            keep_contents(connection, plan_id, contents)
            last = connection.execute(
                select(func.max(published_plans.c.number)).where(published_plans.c.plan_id == plan_id)
            ).scalar()
            version = PublishedPlan(
                plan_id, (last or 0) + 1, digest_of_files(files), edition, at, author, remark, files
            )
            values = {
                "plan_id": plan_id,
                "number": version.number,
                "digest": version.digest,
                "edition": edition,
                "at": at,
                "author": author,
                "remark": remark,
                "files": files,
            }
            connection.execute(insert(published_plans).values(values))
            _put_in_force(connection, plan_id, over, InForce(version.number, at, author, remark))
            _keep(connection, plan_id, contents, kept, at, author, remark)
        return version

    def go_back(
        self,
        version: PublishedPlan,
        contents: Mapping[str, bytes],
        *,
        at: datetime,
        author: str,
        remark: str = "",
        over: int,
        kept: Collection[str] = (),
    ) -> None:
        """Put an earlier version into force again.  Raises as :meth:`publish`."""
        with self._storage.write(version.plan_id) as connection:
            _still(connection, version.plan_id, over)
            _put_in_force(connection, version.plan_id, over, InForce(version.number, at, author, remark))
            _keep(connection, version.plan_id, contents, kept, at, author, remark)

    def withdraw(self, plan_id: str, *, at: datetime, author: str, remark: str = "", over: int) -> None:
        """Let the nodes read folders again.  Raises as :meth:`publish`."""
        with self._storage.write(plan_id) as connection:
            _still(connection, plan_id, over)
            _put_in_force(connection, plan_id, over, InForce(0, at, author, remark))


def _still(connection: Connection, plan_id: str, over: int) -> None:
    found = _number(connection, plan_id)
    if found != over:
        raise PublishedMeanwhile(over, found)


def _number(connection: Connection, plan_id: str) -> int:
    query = select(published_in_force.c.number).where(published_in_force.c.plan_id == plan_id)
    return int(connection.execute(query).scalar() or 0)


def _put_in_force(connection: Connection, plan_id: str, before: int, now: InForce) -> None:
    values = {"number": now.number, "at": now.at, "author": now.author, "remark": now.remark}
    made = insert_new(
        connection,
        published_in_force,
        ("plan_id",),
        [{"plan_id": plan_id, **values}],
        published_in_force.c.number,
    )
    if not made:
        row = published_in_force
        connection.execute(update(row).where(row.c.plan_id == plan_id).values(values))
    detail = {"number": now.number, "before": before, "remark": now.remark}
    note(connection, plan_id, Note(PUBLISHED, now.at, now.author, detail))


def _keep(
    connection: Connection,
    plan_id: str,
    contents: Mapping[str, bytes],
    kept: Collection[str],
    at: datetime,
    author: str,
    remark: str,
) -> None:
    """What changed in single files is found in their history, too."""
    known = latest_of(connection, plan_id)
    for name in sorted(kept):
        if known.get(name) != digest_of(contents[name]):
            append(connection, plan_id, name, contents[name], VersionKind.SAVED, at, author, remark)


def _of_plan(plan_id: str) -> Select[*tuple[object, ...]]:
    row = published_plans.c
    columns = (row.plan_id, row.number, row.digest, row.edition, row.at, row.author, row.remark, row.files)
    return select(*columns).where(row.plan_id == plan_id)


def _get(connection: Connection, plan_id: str, number: int) -> PublishedPlan | None:
    row = connection.execute(_of_plan(plan_id).where(published_plans.c.number == number)).first()
    return _version(row) if row is not None else None


def _version(row: AnyRow) -> PublishedPlan:
    return PublishedPlan(*row)
