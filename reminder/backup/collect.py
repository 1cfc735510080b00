"""Which files of an office's folders go into a backup, and which never do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reminder.backup.archive import header
from reminder.backup.errors import BackupError
from reminder.backup.manifest import KEYS, MOST_FILE_BYTES, ManifestError, check_name
from reminder.errors import system_reason
from reminder.watch import snapshot

LOOKS = 3
"""How often a folder is read again because a file changed meanwhile."""
SHORTEST_SECRET = 6
"""Shorter ones would be found in ordinary words."""
MOST_TOTAL_BYTES = 512 * 1024 * 1024
"""Of all files together, which are held in memory: a plan with its templates has less than one megabyte."""

_SECRET_SUFFIXES = frozenset({".key", ".p12", ".pfx", ".jks", ".kdbx", ".env", ".asc", ".gpg"})
_CERTIFICATE_SUFFIXES = frozenset({".pem", ".crt", ".cer"})
"""Usually the office's own authorities, which the plan names; now and then a private key."""
_SECRET_FOLDERS = frozenset({"secrets", "secret", "密钥", "密码"})
_SECRET_WORD = re.compile(r"passw|secret|credential|token|apikey|api_key|id_rsa|id_ed25519|密码|口令|密钥")
_SECRET_NAMES = frozenset(
    {"secret", "secrets", "password", "passwords", "credentials", "密码", "口令", "密钥"}
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PLAN_SUFFIXES = frozenset({".yaml", ".yml"})
_LEFT_BEHIND = re.compile(r"\.|~\$|__pycache__$|Thumbs\.db$|desktop\.ini$")


@dataclass(frozen=True, slots=True)
class Collected:
    """Contents by their names in the archive; and what was left out because it looks like a secret."""

    files: dict[str, bytes]
    left_out: tuple[str, ...]


def collect(
    folders: Sequence[tuple[str, Path]], kept_out: Sequence[Path], secrets: Sequence[str]
) -> Collected:
    """Read every file below the folders, each given with its name in the archive.

    A folder that does not exist is empty.  Files named like a secret, private
    keys, and what lies in a folder of ``kept_out`` (the secrets, the data) are
    left out.  Raises :class:`BackupError` for a file that holds one of
    ``secrets`` or a private key within other text, that keeps changing, or that
    cannot be read.
    """
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    for prefix, folder in folders:
        inside, outside = _still(prefix, folder, kept_out)
        files |= inside
        left_out += outside
    for name, data in files.items():
        if not name.startswith(f"{KEYS}/"):
            _without_secrets(name, data, secrets)
    return Collected(files, tuple(sorted(left_out)))


def _still(prefix: str, folder: Path, kept_out: Sequence[Path]) -> tuple[dict[str, bytes], list[str]]:
    """All contents at one moment: nothing was changed between the first file and the last."""
    # A folder of secrets that holds the plan as well says nothing about the plan's files.
    apart = [each.resolve() for each in kept_out]
    apart = [each for each in apart if not folder.resolve().is_relative_to(each)]
    for _ in range(LOOKS):
        before = snapshot([folder])
        files: dict[str, bytes] = {}
        left_out: list[str] = []
        total = 0
        for path in _walk(folder, frozenset()):
            name = PurePosixPath(prefix, path.relative_to(folder).as_posix())
            if any(path.resolve().is_relative_to(each) for each in apart):
                continue
            data = b"" if looks_secret(name) else _read(path)
            if looks_secret(name) or _is_key_file(name, data):
                left_out.append(str(name))
                continue
            files[_usable(str(name))] = data
            total += len(data)
            if total > MOST_TOTAL_BYTES:
                raise BackupError(f"{folder} 里的文件太多太大，不像是计划或模板，没有备份：请核对文件夹")
        if snapshot([folder]) == before:
            return files, left_out
    raise BackupError(f"{folder} 里的文件一直在变动，没有备份：请保存并关闭正在编辑的文件，然后重试")


def _is_key_file(name: PurePosixPath, data: bytes) -> bool:
    return (
        name.parts[0] != KEYS
        and name.suffix.lower() in _CERTIFICATE_SUFFIXES
        and _PRIVATE_KEY.search(data) is not None
    )


def _walk(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Regular files, links followed once; what editors and systems leave behind is passed over."""
    real = folder.resolve()
    if real in above or not folder.is_dir():
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise BackupError(f"读不到 {folder}（{system_reason(error)}），没有备份") from error
    for entry in entries:
        if _LEFT_BEHIND.match(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(entry, above | {real})
        elif entry.is_file():
            yield entry


def looks_secret(name: PurePosixPath) -> bool:
    """By its name alone.  Templates and plan files may well be *about* passwords; link keys are meant."""
    folders, suffix, stem = name.parts[1:-1], name.suffix.lower(), name.stem.lower()
    if name.parts[0] == KEYS:
        return False
    if suffix in _SECRET_SUFFIXES or any(folder.lower() in _SECRET_FOLDERS for folder in folders):
        return True
    if suffix == ".j2":
        return False
    if suffix in _PLAN_SUFFIXES:
        return stem in _SECRET_NAMES
    return bool(_SECRET_WORD.search(name.name.lower()))


def _usable(name: str) -> str:
    try:
        check_name(name)
        header(name, 0)
    except (ManifestError, ValueError):
        raise BackupError(
            f"文件名 {name[:120]!r} 太长或含有特殊字符，不能收入备份，没有备份：请改名后重试"
        ) from None
    return name


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_FILE_BYTES:
            raise BackupError(
                f"{path} 有 {size // 2**20} MB，不像是计划或模板，没有备份：请移出该文件夹后重试"
            )
        return path.read_bytes()
    except OSError as error:
        raise BackupError(f"读不到 {path}（{system_reason(error)}），没有备份") from error


def holds_secret(data: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of these secrets, or a private key, stands in a file."""
    return _PRIVATE_KEY.search(data) is not None or any(
        secret.encode() in data for secret in secrets if len(secret) >= SHORTEST_SECRET
    )


def _without_secrets(name: str, data: bytes, secrets: Sequence[str]) -> None:
    if holds_secret(data, secrets):
        raise BackupError(
            f"{name} 里写有密码或密钥，备份不能含有密码，没有备份："
            "请把它移到密钥文件夹（见 docs/settings.md），文件中只写名称，然后重试"
        )
