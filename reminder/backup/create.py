"""Make a backup while the daemon runs: one file, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reminder import __version__
from reminder.backup.archive import CHUNK, read_archive, write_archive
from reminder.backup.collect import collect
from reminder.backup.errors import BackupError
from reminder.backup.manifest import (
    KEYS,
    LEDGER,
    SCHEDULES,
    TEMPLATES,
    LedgerFacts,
    Manifest,
    ManifestError,
    Member,
)
from reminder.disk import sync_folder
from reminder.errors import system_reason
from reminder.ledger.copying import Copied, discard, take_copy
from reminder.ledger.errors import LedgerFull

SPARE_BYTES = 16 * 1024 * 1024
"""Room that must be left over: the daemon writes to the same disk."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything lies.  What is in ``kept_out`` and the values in ``secrets`` are kept out."""

    ledger: Path
    schedules: Path
    templates: Path
    keys: Path
    plan: str = ""
    timezone: str = "Asia/Shanghai"
    kept_out: Sequence[Path] = ()
    secrets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """The finished backup.  ``size`` in bytes; ``left_out`` names files that look like secrets."""

    path: Path
    size: int
    checksum: str
    manifest: Manifest
    left_out: tuple[str, ...]


def default_name(plan: str, now: datetime) -> str:
    """A name that sorts by time, in UTC."""
    return f"reminder-{plan or 'backup'}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar.gz"


def create_backup(sources: Sources, out: Path, now: datetime) -> Made:
    """Write the backup file ``out`` (mode 0600), read it back, and only then give it its name.

    Raises :class:`BackupError` (and ``LedgerError`` for the ledger's own
    trouble); nothing is left behind then.
    """
    if out.exists():
        raise BackupError(f"{out} 已经存在，没有覆盖：请换一个文件名")
    folders = [(SCHEDULES, sources.schedules), (TEMPLATES, sources.templates), (KEYS, sources.keys)]
    collected = collect(folders, sources.kept_out, sources.secrets)  # whatever is refused is refused first
    copy = out.with_name(f".{out.name}.{os.getpid()}.ledger")
    scratch = out.with_name(f".{out.name}.{os.getpid()}.part")
    made = [each for each in out.parent.parents if not each.exists()]
    made = [out.parent, *made] if not out.parent.exists() else made
    done = False
    try:
        out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _room(sources.ledger, sum(map(len, collected.files.values())), out.parent)
        facts = take_copy(sources.ledger, copy, now)
        # After the ledger: a draw that it has committed to has its seed among the keys, not yet the other way round.
        collected = collect(folders, sources.kept_out, sources.secrets)
        manifest = _manifest(sources, collected.files, facts, copy, now)

        def contents(member: Member) -> Iterable[bytes]:
            return _chunks(copy) if member.name == LEDGER else (collected.files[member.name],)

        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b") as file:
            checksum = write_archive(file, manifest, contents)
            file.flush()
            os.fsync(file.fileno())
        read_archive(scratch)
        size = scratch.stat().st_size
        scratch.replace(out)
        done = True
        sync_folder(out.parent)
    except OSError as error:
        raise _unwritten(out, system_reason(error)) from error
    except LedgerFull as error:
        raise _unwritten(out, "磁盘已满") from error
    finally:
        with contextlib.suppress(OSError):
            discard(copy)
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        if not done:
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()
    return Made(out, size, checksum, manifest, collected.left_out)


def _unwritten(out: Path, why: str) -> BackupError:
    return BackupError(
        f"备份 {out} 没有写成（{why}），没有留下任何文件：请检查磁盘空间和权限，或用 --out 换一处"
    )


def _manifest(
    sources: Sources, files: Mapping[str, bytes], facts: Copied, copy: Path, now: datetime
) -> Manifest:
    manifest = Manifest(
        now.astimezone(UTC).isoformat(timespec="seconds"),
        __version__,
        sources.plan or (facts.plans[-1] if facts.plans else ""),
        sources.timezone,
        LedgerFacts(
            facts.kind.value,
            facts.revision,
            facts.identity,
            facts.changes,
            facts.last_record.isoformat(),
        ),
        tuple(sorted(_members(files, copy), key=lambda member: member.name)),
    )
    try:
        manifest.check()
    except ManifestError as error:
        raise BackupError(f"计划、模板或密钥文件夹的内容不能收入备份（{error}），没有备份") from error
    return manifest


def _room(ledger: Path, other: int, folder: Path) -> None:
    """The copy and, at worst, an archive that does not shrink."""
    size = sum(
        path.stat().st_size for path in (ledger, ledger.with_name(f"{ledger.name}-wal")) if path.exists()
    )
    needed, free = 2 * (size + other) + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise BackupError(
            f"{folder} 所在磁盘只剩 {free // 2**20} MB，备份需要 {-(-needed // 2**20)} MB，没有备份："
            "请清理磁盘，或用 --out 换一处"
        )


def _members(files: Mapping[str, bytes], copy: Path) -> Iterator[Member]:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(copy):
        digest.update(chunk)
        size += len(chunk)
    yield Member(LEDGER, size, digest.hexdigest())
    for name, data in files.items():
        yield Member(name, len(data), hashlib.sha256(data).hexdigest())


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
