"""The archive of months that leave the ledger: written, read back, and only then are the rows removed.

A gzipped tar as a backup is, with the sum of everything in its header.  Inside:
``manifest.json``, and for each table a file ``TABLE.jsonl``: the names of its
columns on the first line, then a row on each line, as JSON, in the order of
their numbers.  Instants are in UTC, octets in hexadecimal.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reminder import __version__
from reminder.backup.archive import CHUNK, Kind, read_sealed, write_archive
from reminder.backup.create import SPARE_BYTES
from reminder.backup.errors import BackupDamaged, BackupError
from reminder.backup.manifest import ManifestError, ManifestNewer, Member, check_instant
from reminder.disk import sync_folder
from reminder.errors import system_reason
from reminder.ledger.errors import LedgerError, LedgerUnsure
from reminder.ledger.ledger import Ledger
from reminder.ledger.months import LEAVE, PARTS, Held, Months, MonthsChanged, Open, Retirement
from reminder.ledger.proving import Content, measured

FORMAT = "reminder-months"
VERSION = 1
ENDING = ".jsonl"
MOST_BYTES = 64 * 1024**3
PAYLOAD, SUM = "payload", "payload_sha256"

OPEN_TEXT = {
    Open.PENDING: "{} 条消息待发送",
    Open.SENDING: "{} 条消息正在发送",
    Open.UNCERTAIN: "{} 条消息结果不明，须先用 reminder resolve 决定",
    Open.FAILED: "{} 条消息发送失败、尚可重发，须先用 reminder resolve 重发或决定不再发",
    Open.POSTPONED: "{} 条提醒暂缓，尚未到时",
    Open.UNTOLD: "{} 件故障尚未告知管理员（守护进程运行时会告知）",
}


class MonthsRefused(BackupError):
    """Months that cannot be retired; nothing was removed, and no archive is left."""


class ArchiveDamaged(BackupDamaged):
    """The file is no archive of months, or no longer the one that was written."""


@dataclass(frozen=True, slots=True)
class MonthsManifest:
    """What an archive holds.

    ``before`` is the first month that was kept, in ``timezone``; ``since`` (empty:
    from the beginning) and ``until`` are instants in ISO 8601.  ``tables`` by name.
    """

    created_at: str
    program: str
    plan: str
    timezone: str
    ledger: str
    before: str
    since: str
    until: str
    by: str
    reason: str
    tables: Mapping[str, Content]
    sizes: Mapping[str, int]

    @property
    def members(self) -> tuple[Member, ...]:
        """A file for each table."""
        return tuple(
            Member(f"{name}{ENDING}", self.sizes[name], each.sha256) for name, each in self.tables.items()
        )

    def to_bytes(self) -> bytes:
        """As it stands in the archive."""
        value = {"format": FORMAT, "version": VERSION} | asdict(replace(self, tables={}, sizes={}))
        del value["sizes"]
        leave = {table.name for table in LEAVE}
        value["tables"] = [
            {
                "name": name,
                "rows": each.rows,
                "bytes": self.sizes[name],
                "sha256": each.sha256,
                "removed": name in leave,
            }
            for name, each in self.tables.items()
        ]
        return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> MonthsManifest:
        """Raises ``ManifestError`` for anything that :meth:`to_bytes` would not write."""
        try:
            value = json.loads(data.decode())
            if value.pop("format") != FORMAT:
                raise ManifestError("清单不是归档的清单")
            if (version := value.pop("version")) != VERSION:
                raise ManifestNewer(f"归档格式 {version}，本程序只认 {VERSION}")
            tables = value.pop("tables")
            manifest = cls(
                **value,
                tables={each["name"]: Content(each["rows"], each["sha256"]) for each in tables},
                sizes={each["name"]: each["bytes"] for each in tables},
            )
            manifest._check()
        except ManifestError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ManifestError("清单看不懂") from error
        return manifest

    def _check(self) -> None:
        if list(self.tables) != [table.name for table in PARTS]:
            raise ManifestError("清单中的表不对")
        numbers = [*self.sizes.values(), *(each.rows for each in self.tables.values())]
        sums = [each.sha256 for each in self.tables.values()]
        texts = [*sums, self.plan, self.program, self.ledger, self.before, self.by, self.reason]
        if any(type(each) is not int or not 0 <= each <= MOST_BYTES for each in numbers):
            raise ManifestError("清单中的数目超出范围")
        if any(type(each) is not str for each in texts):
            raise ManifestError("清单看不懂")
        for instant in (self.created_at, self.until, *([self.since] if self.since else ())):
            check_instant(instant)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ManifestError("清单中的时区看不懂") from None


def _damaged(path: Path, why: str) -> ArchiveDamaged:
    return ArchiveDamaged(
        f"{path} 不是完整的归档文件（{why}）：可能没有传完、被改动过或拿错了文件；"
        "请换用另一处存放的同一份归档"
    )


ARCHIVE: Kind[MonthsManifest] = Kind(MonthsManifest.from_bytes, _damaged, "归档文件", "没有核对")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be retired: of ``plan_id``, all before the month ``before`` (``2024-01``), which begins at ``until``."""

    plan_id: str
    timezone: str
    before: str
    until: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """An archive that is whole.  ``sha256`` is that of the file, as ``sha256sum`` shows it."""

    manifest: MonthsManifest
    sha256: str
    size: int


def retire(ledger: Ledger, wanted: Wanted, out: Path, now: datetime) -> tuple[Retirement, int]:
    """Archive the months, verify the archive, remove them from the ledger; what was recorded, and the file's size.

    Whether the plan's months are over and their duties done is the caller's to
    judge.  Raises :class:`MonthsRefused`, :class:`BackupError` and ``LedgerError``:
    the ledger is as it was then, and no file is left; only if nobody can say
    whether the ledger committed (``LedgerUnsure``, or an interruption in its
    middle) the archive stays.
    """
    done = ledger.months.retirements(wanted.plan_id)
    since = done[-1].until if done else None
    if since is not None and wanted.until <= since:
        raise MonthsRefused(f"{done[-1].before} 之前的记录已经归档（{done[-1].archive}），没有可归档的月份")
    months = Months(wanted.plan_id, since, wanted.until)
    if waits := ledger.months.open_matters(months, now):
        found = "；".join(OPEN_TEXT[each].format(number) for each, number in waits.items())
        raise MonthsRefused(f"{wanted.before} 之前还有没有了结的：{found}。没有归档，台账未变")
    if out.exists():
        raise MonthsRefused(
            f"{out} 已经存在，没有覆盖，台账未变：请换一个文件名；如是上次中断留下的，台账未记归档时可以删去"
        )
    scratch = out.with_name(f".{out.name}.{os.getpid()}.part")
    named = False
    try:
        with ledger.months.held(months) as held:
            manifest = _manifest(ledger, wanted, months, held, now)
            if not any(manifest.tables[table.name].rows for table in LEAVE):
                raise MonthsRefused(f"{wanted.before} 之前没有可归档的消息，台账未变")
            _room(manifest, out.parent)
            with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b") as file:
                write_archive(file, manifest, lambda member: held.lines(member.name.removesuffix(ENDING)))
                file.flush()
                os.fsync(file.fileno())
        found_file = verify(scratch)
        made = Retirement(
            wanted.before, since, wanted.until, out.name, found_file.sha256, wanted.reason, wanted.by, now,
            found_file.manifest.tables,
        )  # fmt: skip
        try:
            with ledger.months.retire(months, made):
                # Before the ledger commits: killed in between, all of it is in both.
                if out.exists():
                    raise MonthsRefused(f"{out} 刚由别的程序建立，没有覆盖，台账未变：请换一个文件名")
                scratch.rename(out)
                named = True
                sync_folder(out.parent)
        except LedgerUnsure:
            raise
        except Exception as error:
            # Interrupted, it stays: the rows may be gone already, and then they are nowhere else.
            _forget(out, named=named)
            if isinstance(error, MonthsChanged):
                raise MonthsRefused(str(error)) from error
            raise
    except OSError as error:
        raise MonthsRefused(
            f"归档 {out} 没有写成（{system_reason(error)}），没有留下文件，台账未变："
            "请检查目录、磁盘空间和权限，或换一处"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
    # What became empty is taken away now, or, if somebody is in the way, by the daemon later.
    with contextlib.suppress(LedgerError):
        ledger.months.drop_empty()
    return made, found_file.size


def _forget(out: Path, *, named: bool) -> None:
    if named:
        with contextlib.suppress(OSError):
            out.unlink(missing_ok=True)


def _manifest(ledger: Ledger, wanted: Wanted, months: Months, held: Held, now: datetime) -> MonthsManifest:
    found = {table.name: measured(held.lines(table.name)) for table in PARTS}
    return MonthsManifest(
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        program=__version__,
        plan=wanted.plan_id,
        timezone=wanted.timezone,
        ledger=ledger.holds.standing().identity,
        before=wanted.before,
        since=months.since.isoformat() if months.since is not None else "",
        until=wanted.until.astimezone(UTC).isoformat(),
        by=wanted.by,
        reason=wanted.reason,
        tables={name: content for name, (content, _) in found.items()},
        sizes={name: size for name, (_, size) in found.items()},
    )


def _room(manifest: MonthsManifest, folder: Path) -> None:
    """At worst nothing shrinks."""
    needed, free = sum(manifest.sizes.values()) + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise MonthsRefused(
            f"{folder} 所在磁盘只剩 {free // 2**20} MB，归档需要 {-(-needed // 2**20)} MB，没有归档，台账未变："
            "请清理磁盘，或换一处"
        )


def verify(path: Path) -> Verified:
    """All of an archive: its sum, each table's sum and count, every row, every message's own sum.

    Raises :class:`ArchiveDamaged`, or :class:`BackupError` for a file that
    cannot be read or was written by a newer version.
    """
    counted: dict[str, int] = {}

    def take(member: Member, chunks: Iterator[bytes]) -> None:
        name = member.name.removesuffix(ENDING)
        counted[name] = sum(1 for _ in _rows(path, name, chunks))

    manifest = read_sealed(path, ARCHIVE, take)
    for name, each in manifest.tables.items():
        if counted[name] != each.rows:
            raise _damaged(path, f"{name} 有 {counted[name]} 行，清单中是 {each.rows} 行")
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise BackupError(f"读不到归档文件 {path}（{system_reason(error)}），没有核对") from error
    return Verified(manifest, digest.hexdigest(), size)


def _rows(path: Path, name: str, chunks: Iterator[bytes]) -> Iterator[list[Any]]:
    """The rows of a table, each as long as its columns are many, and each message's octets as they were frozen."""
    lines = _lines(chunks)
    try:
        columns = json.loads(next(lines, b"null"))
        if not isinstance(columns, list):
            raise _damaged(path, f"{name} 第 1 行不是列名")
        frozen = (columns.index(PAYLOAD), columns.index(SUM)) if PAYLOAD in columns else None
        for number, line in enumerate(lines, 2):
            row = json.loads(line)
            if not isinstance(row, list) or len(row) != len(columns):
                raise _damaged(path, f"{name} 第 {number} 行与列名对不上")
            if frozen is not None:
                octets = bytes.fromhex(row[frozen[0]])
                if hashlib.sha256(octets).hexdigest() != row[frozen[1]]:
                    raise _damaged(path, f"{name} 第 {number} 行的消息内容与封存时不符")
            yield row
    except (ValueError, TypeError) as error:
        raise _damaged(path, f"{name} 中有看不懂的行") from error


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
