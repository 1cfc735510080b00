"""The backup file: a gzipped tar that carries its own checksum.

``tar xzf`` opens it anywhere.  The SHA-256 of everything after the gzip header
stands in the header's comment, so that a changed, missing or added byte
anywhere is found before anything is unpacked (gzip's own CRC does not cover its
header, and bits of a deflate stream may change without changing the data).
The checksum finds damage and accidents; it is no signature.

Inside: ``manifest.json`` first, then the files in the order of the manifest,
each with its own SHA-256.  Written and read in plain USTAR (POSIX.1-1988), one
regular file after another: there are no links, no devices, no extended headers
to be misled by.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Generic, Protocol, TypeVar

from reminder.backup.errors import BackupError, damaged
from reminder.backup.manifest import (
    MANIFEST,
    MOST_MANIFEST_BYTES,
    Manifest,
    ManifestError,
    ManifestNewer,
    Member,
)
from reminder.errors import system_reason

CHUNK = 1024 * 1024
_BLOCK = tarfile.BLOCKSIZE
# RFC 1952: deflate, a comment follows, no time, no file system.
_HEAD = b"\x1f\x8b\x08\x10\x00\x00\x00\x00\x00\xff" + b"sha256:"
_DIGEST_AT = len(_HEAD)
_HEAD_BYTES = _DIGEST_AT + 64 + 1
_SEAL = re.compile(rb"[0-9a-f]{64}\x00")

Take = Callable[[Member, Iterator[bytes]], None]


class Listing(Protocol):
    """What stands first in an archive: which files follow, each with its size and sum."""

    @property
    def members(self) -> tuple[Member, ...]:
        """In the order in which they follow."""

    def to_bytes(self) -> bytes:
        """As it stands in the archive."""


L = TypeVar("L", bound=Listing)


@dataclass(frozen=True, slots=True)
class Kind(Generic[L]):
    """What an archive is for: how its list is read, and how people are told what is wrong with it.

    ``parse`` raises :class:`ManifestError`.  ``name`` and ``undone`` are words of
    the errors: what the file is called, and what was not done.
    """

    parse: Callable[[bytes], L]
    damaged: Callable[[Path, str], BackupError]
    name: str
    undone: str


BACKUP: Kind[Manifest] = Kind(Manifest.from_bytes, damaged, "备份文件", "没有恢复任何内容")


def header(name: str, size: int) -> bytes:
    """The tar header of a regular file; the same for the same file, whenever it is made.

    Raises ``ValueError`` for a name longer than USTAR takes (255 bytes in UTF-8).
    """
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


class _Sealed:
    """Writes a gzip stream and sums up what it wrote."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._file.write(_HEAD + b"0" * 64 + b"\x00")
        self._squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._crc, self._size = 0, 0
        self._sum = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._out(self._squeeze.compress(data))

    def close(self) -> str:
        """Finish, put the checksum into the header; the checksum."""
        self._out(self._squeeze.flush())
        self._out(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))
        digest = self._sum.hexdigest()
        self._file.seek(_DIGEST_AT)
        self._file.write(digest.encode())
        return digest

    def _out(self, data: bytes) -> None:
        self._sum.update(data)
        self._file.write(data)


def write_archive(file: IO[bytes], manifest: Listing, contents: Callable[[Member], Iterable[bytes]]) -> str:
    """Write everything to an empty seekable file; the archive's checksum.

    ``contents`` gives the bytes of a member, which must be those that the
    manifest tells of; else :class:`BackupError`.
    """
    out = _Sealed(file)
    listing = manifest.to_bytes()
    out.write(header(MANIFEST, len(listing)) + _padded(listing))
    for member in manifest.members:
        out.write(header(member.name, member.size))
        digest, size = hashlib.sha256(), 0
        for chunk in contents(member):
            digest.update(chunk)
            size += len(chunk)
            out.write(chunk)
        if size != member.size or digest.hexdigest() != member.sha256:
            raise BackupError(f"{member.name} 在备份过程中变了：请稍后重试")
        out.write(bytes(-size % _BLOCK))
    out.write(bytes(2 * _BLOCK))
    return out.close()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def read_archive(
    path: Path, take: Take | None = None, examine: Callable[[Manifest], None] | None = None
) -> Manifest:
    """Verify all of it; hand each member to ``take`` in turn, as chunks, once the manifest is known.

    ``take`` may leave chunks unread.  ``examine`` sees the manifest before the
    first member and may refuse by raising; neither may raise ``OSError``.  What
    was handed over counts only if this returns.  Raises :class:`~reminder.backup.errors.BackupDamaged` for
    any deviation, :class:`BackupError` for a file that cannot be read or is of
    a newer version.
    """
    return read_sealed(path, BACKUP, take, examine)


def read_sealed(
    path: Path, kind: Kind[L], take: Take | None = None, examine: Callable[[L], None] | None = None
) -> L:
    """As :func:`read_archive`, for an archive of any kind."""
    try:
        with path.open("rb") as file:
            _check_seal(path, file, kind)
            file.seek(0)
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                return _Reader(path, stream, kind).read(take, examine)
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, UnicodeDecodeError) as error:
        raise kind.damaged(path, "压缩内容损坏") from error
    except OSError as error:
        raise BackupError(f"读不到{kind.name} {path}（{system_reason(error)}），{kind.undone}") from error


def _check_seal(path: Path, file: IO[bytes], kind: Kind[L]) -> None:
    head = file.read(_HEAD_BYTES)
    if not head.startswith(_HEAD) or not _SEAL.fullmatch(head[_DIGEST_AT:]):
        raise kind.damaged(path, f"开头不是{kind.name}的样子")
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    if digest.hexdigest().encode() != head[_DIGEST_AT:-1]:
        raise kind.damaged(path, "校验和不符")


class _Reader(Generic[L]):
    """One pass over the unpacked stream; reads no more than the manifest announces."""

    def __init__(self, path: Path, stream: gzip.GzipFile, kind: Kind[L]) -> None:
        self._path = path
        self._stream = stream
        self._kind = kind

    def read(self, take: Take | None, examine: Callable[[L], None] | None) -> L:
        manifest = self._manifest()
        if examine is not None:
            examine(manifest)
        for member in manifest.members:
            self._expect(member)
            chunks = self._chunks(member)
            if take is not None:
                take(member, chunks)
            for _ in chunks:
                pass
        if self._exactly(2 * _BLOCK).strip(b"\x00") or self._stream.read(1):
            raise self._kind.damaged(self._path, "末尾有多余的内容")
        return manifest

    def _manifest(self) -> L:
        info = self._header()
        # A size may be negative in the number format of GNU tar.
        if info.name != MANIFEST or not 0 < info.size <= MOST_MANIFEST_BYTES:
            raise self._kind.damaged(self._path, "没有清单")
        data = self._exactly(info.size)
        self._exactly(-info.size % _BLOCK)
        try:
            return self._kind.parse(data)
        except ManifestNewer as error:
            raise BackupError(f"{self._path} 由更新的版本写成（{error}）：请改用新版本的程序") from error
        except ManifestError as error:
            raise self._kind.damaged(self._path, str(error)) from error

    def _expect(self, member: Member) -> None:
        info = self._header()
        if info.name != member.name or info.size != member.size:
            raise self._kind.damaged(self._path, f"内容与清单不符，此处应为 {member.name}")

    def _header(self) -> tarfile.TarInfo:
        info = tarfile.TarInfo.frombuf(self._exactly(_BLOCK), "utf-8", "strict")
        # Only what header() writes is read: no link, no device, no extension.
        if info.type != tarfile.REGTYPE:
            raise self._kind.damaged(self._path, f"{info.name} 不是普通文件")
        return info

    def _chunks(self, member: Member) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), member.size
        while left:
            chunk = self._exactly(min(left, CHUNK))
            left -= len(chunk)
            digest.update(chunk)
            yield chunk
        self._exactly(-member.size % _BLOCK)
        if digest.hexdigest() != member.sha256:
            raise self._kind.damaged(self._path, f"{member.name} 的校验和不符")

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise self._kind.damaged(self._path, "没有到结尾")
        return data
