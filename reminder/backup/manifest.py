"""The list of contents of a backup, and which names may stand in it."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FORMAT = "reminder-backup"
VERSION = 1
MANIFEST = "manifest.json"
LEDGER = "ledger.sqlite3"
SCHEDULES, TEMPLATES, KEYS = "schedules", "templates", "keys"
FOLDERS = (SCHEDULES, TEMPLATES, KEYS)

MOST_MEMBERS = 20_000
MOST_MANIFEST_BYTES = 8 * 1024 * 1024
MOST_FILE_BYTES = 64 * 1024 * 1024
"""Of a file of the plan: a hundred times what a large one has."""
MOST_LEDGER_BYTES = 64 * 1024**3
LONGEST_PART_BYTES = 255
"""Of one part of a name: what Linux file systems take."""


class ManifestError(ValueError):
    """The list is not one that this program writes; the text says why, in Chinese."""


class ManifestNewer(ManifestError):
    """Written by a newer version."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its name with ``/``, its size in bytes, its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """The copy of the ledger: what it is and how far it had come.  ``last_record`` is ISO 8601 in UTC."""

    kind: str
    schema: str
    identity: str
    changes: int
    last_record: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """``created_at`` is ISO 8601 in UTC; ``plan`` is empty when no plan was ever in force.

    ``timezone`` is the one in which people are shown the times.
    """

    created_at: str
    program: str
    plan: str
    timezone: str
    ledger: LedgerFacts
    members: tuple[Member, ...]

    def to_bytes(self) -> bytes:
        """As it stands in the archive."""
        value = {
            "format": FORMAT,
            "version": VERSION,
            "created_at": self.created_at,
            "program": self.program,
            "plan": self.plan,
            "timezone": self.timezone,
            "ledger": asdict(self.ledger),
            "members": [asdict(member) for member in self.members],
        }
        return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises :class:`ManifestError` for anything that :meth:`to_bytes` would not write."""
        try:
            value = json.loads(data.decode())
            if value["format"] != FORMAT:
                raise ManifestError("清单不是本程序的")
            if value["version"] != VERSION:
                raise ManifestNewer(f"备份格式 {value['version']}，本程序只认 {VERSION}")
            manifest = cls(
                value["created_at"],
                str(value["program"]),
                str(value["plan"]),
                str(value["timezone"]),
                LedgerFacts(**value["ledger"]),
                tuple(Member(**member) for member in value["members"]),
            )
        except ManifestError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ManifestError("清单看不懂") from error
        manifest.check()
        return manifest

    def check(self) -> None:
        """Raises :class:`ManifestError` for what may not stand in an archive."""
        if len(self.members) > MOST_MEMBERS:
            raise ManifestError("文件太多")
        facts = self.ledger
        texts = (facts.kind, facts.schema, facts.identity, facts.last_record, self.created_at)
        if type(facts.changes) is not int or any(type(text) is not str for text in texts):
            raise ManifestError("清单看不懂")
        for instant in (facts.last_record, self.created_at):
            check_instant(instant)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ManifestError("清单中的时区看不懂") from None
        for member in self.members:
            if type(member.size) is not int or type(member.sha256) is not str:
                raise ManifestError("清单看不懂")
            check_name(member.name)
            most = MOST_LEDGER_BYTES if member.name == LEDGER else MOST_FILE_BYTES
            if not 0 <= member.size <= most:
                raise ManifestError(f"{member.name} 的大小 {member.size} 超出范围")
        names = [member.name for member in self.members]
        if LEDGER not in names:
            raise ManifestError("清单中没有台账")
        if names != sorted(set(names)):
            raise ManifestError("清单中的文件重复或次序不对")
        folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
        if not folders.isdisjoint(names):
            raise ManifestError("清单中有既是文件又是文件夹的名称")
        # On a disk that does not tell upper case from lower, two would be written into one.
        if len({unicodedata.normalize("NFC", name).casefold() for name in names}) != len(names):
            raise ManifestError("清单中有只差大小写的文件名")


def check_name(name: object) -> None:
    """Raises :class:`ManifestError` unless it is the ledger's or lies below one of the known folders."""
    if not isinstance(name, str) or not name.isprintable() or "\\" in name:
        raise ManifestError("有不能用的文件名")
    if name == LEDGER:
        return
    parts = name.split("/")
    if (
        len(parts) < 2
        or parts[0] not in FOLDERS
        or any(part in ("", ".", "..") or len(part.encode()) > LONGEST_PART_BYTES for part in parts)
        or PurePosixPath(name).is_absolute()
    ):
        raise ManifestError(f"有不认识的文件 {name[:80]}")


def check_instant(text: str) -> None:
    """Raises :class:`ManifestError` unless it is an instant, with its zone, in ISO 8601."""
    try:
        aware = datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        aware = False
    if not aware:
        raise ManifestError("清单中的时间看不懂")
