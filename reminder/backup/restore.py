"""Put a backup in place: all of it or nothing, and nothing that was there is deleted.

Everything is unpacked beside where it belongs, verified and synced; then names
are changed, and changed back if one of them cannot be.  The ledger comes last:
whatever a power cut leaves half done has no ledger but a mark, and nothing
starts from that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from reminder.backup.archive import read_archive
from reminder.backup.create import SPARE_BYTES
from reminder.backup.errors import BackupError, damaged
from reminder.backup.highwater import Mark, write_mark
from reminder.backup.manifest import FOLDERS, KEYS, LEDGER, SCHEDULES, TEMPLATES, Manifest, Member
from reminder.disk import sync_folder
from reminder.errors import system_reason
from reminder.ledger.copying import Copied, discard, mark_restored
from reminder.ledger.errors import LedgerKindError, LedgerSchemaError
from reminder.ledger.records import LedgerKind
from reminder.ledger.schema import HEAD
from reminder.lock import DataFolderLock

_SIDECARS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Targets:
    """Where everything is to lie.  ``schedules`` and ``templates`` None: the plan is left alone."""

    ledger: Path
    schedules: Path | None
    templates: Path | None
    keys: Path
    high_water: Path
    lock: Path

    def of(self, folder: str) -> Path | None:
        """Where a folder of the archive belongs."""
        return {SCHEDULES: self.schedules, TEMPLATES: self.templates, KEYS: self.keys}[folder]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place; ``aside``: what was there before, and where it is now."""

    manifest: Manifest
    ledger: Copied
    placed: tuple[Path, ...]
    aside: tuple[tuple[Path, Path], ...]


def restore_backup(archive: Path, targets: Targets, now: datetime, *, move_aside: bool = False) -> Restored:
    """Verify all of ``archive`` and put it in place, its ledger on hold.

    ``move_aside``: a ledger or folder that is there already gets another name;
    without it, that is refused.  Raises :class:`BackupError`, ``UsageError``
    while a daemon has the data folder, ``LedgerError`` for a ledger that cannot
    be taken (newer, damaged, a simulation); everything is then as it was.
    """
    work = _Work(archive, targets, now, move_aside)
    # Once without touching anything: most of what can be wrong is found by looking.
    read_archive(archive, examine=work.examine)
    try:
        with _made_if_missing(targets.lock.parent), _locked(targets.lock):
            return work.carry_out()
    except OSError as error:
        raise BackupError(
            f"没有恢复任何内容（{system_reason(error)}：{error.filename or targets.lock.parent}），一切如前："
            "请检查磁盘空间和权限；文件夹是挂载点的，请用 --schedules、--templates 另指一处，"
            "或用 --ledger-only 只恢复台账"
        ) from error


@dataclass
class _Work:
    archive: Path
    targets: Targets
    now: datetime
    move_aside: bool
    _undo: list[Callable[[], object]] = field(default_factory=list)
    _aside: list[tuple[Path, Path]] = field(default_factory=list)

    # -- looking ------------------------------------------------------------

    def examine(self, manifest: Manifest) -> None:
        """Raises for everything that can be known before the first byte is written."""
        facts = manifest.ledger
        if facts.kind != LedgerKind.DAEMON:
            raise LedgerKindError(f"{self.archive} 里是模拟台账，不能恢复成正式台账")
        if facts.schema > HEAD:
            raise LedgerSchemaError(
                f"{self.archive} 里的台账由更新的版本写成（结构版本 {facts.schema}，本程序只认到 {HEAD}）："
                "请改用新版本的程序；没有恢复任何内容"
            )
        self._check_places()
        there = [path for path, _ in self._wanted(manifest) if _occupied(path)]
        if there and not self.move_aside:
            raise BackupError(
                f"已有 {'、'.join(map(str, there))}，没有覆盖，也没有恢复任何内容："
                "请换一处，或加 --move-aside 把已有的改名留存后再恢复"
            )
        self._check_room(manifest)

    def _check_places(self) -> None:
        folders = [
            each for each in (self.targets.schedules, self.targets.templates, self.targets.keys) if each
        ]
        real = [each.resolve() for each in folders]
        for number, one in enumerate(real):
            inside = [self.targets.ledger.resolve(), *real[:number], *real[number + 1 :]]
            if any(each.is_relative_to(one) for each in inside):
                raise BackupError(
                    f"{folders[number]} 与其他要恢复的位置重叠，没有恢复任何内容：请为计划、模板和数据各指定一处"
                )

    def _check_room(self, manifest: Manifest) -> None:
        needed: dict[int, tuple[Path, int]] = {}
        for member in manifest.members:
            place = self._place(member)
            if place is None:
                continue
            folder = _existing(place.parent)
            disk = folder.stat().st_dev
            needed[disk] = (folder, needed.get(disk, (folder, 0))[1] + member.size)
        for folder, size in needed.values():
            free = shutil.disk_usage(folder).free
            if free < size + SPARE_BYTES:
                raise BackupError(
                    f"{folder} 所在磁盘只剩 {free // 2**20} MB，恢复需要 {-(-(size + SPARE_BYTES) // 2**20)} MB，"
                    "没有恢复任何内容：请清理磁盘"
                )

    def _wanted(self, manifest: Manifest) -> list[tuple[Path, Path]]:
        """Every place that is to be filled, with its scratch; the ledger last."""
        holding = {member.name.partition("/")[0] for member in manifest.members}
        places = [place for name in FOLDERS if name in holding and (place := self.targets.of(name))]
        return [(place, _scratch(place)) for place in [*places, self.targets.ledger]]

    def _place(self, member: Member) -> Path | None:
        if member.name == LEDGER:
            return self.targets.ledger
        return self.targets.of(member.name.partition("/")[0])

    # -- doing --------------------------------------------------------------

    def carry_out(self) -> Restored:
        with contextlib.ExitStack() as cleaning:
            for place in (self.targets.schedules, self.targets.templates, self.targets.keys):
                if place is not None:
                    cleaning.enter_context(_made_if_missing(place.parent))
                    cleaning.callback(shutil.rmtree, _scratch(place), ignore_errors=True)
            cleaning.enter_context(_made_if_missing(self.targets.ledger.parent))
            cleaning.callback(_discard, _scratch(self.targets.ledger))
            manifest = read_archive(self.archive, self._unpack, self.examine)
            copied = self._ledger(manifest)
            wanted = self._wanted(manifest)
            for place, scratch in wanted:
                _settle_folders(place, scratch)
            try:
                self._put_in_place(wanted, copied)
            except BaseException as error:
                self._put_back(error)
                raise
            for place, _ in wanted:
                sync_folder(place.parent)
        return Restored(manifest, copied, tuple(place for place, _ in wanted), tuple(self._aside))

    def _unpack(self, member: Member, chunks: Iterator[bytes]) -> None:
        place, name = self._place(member), member.name.partition("/")[2]
        if place is None:
            return
        path = _scratch(place) / name if name else _scratch(place)
        try:
            # Not by ``parents=True``, whose mode is for the last one only.
            for folder in reversed([each for each in path.parents if each.is_relative_to(_scratch(place))]):
                folder.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            _give_to_owner_of(place, path)
        except OSError as error:
            raise BackupError(
                f"{path} 写不进去（{system_reason(error)}），没有恢复任何内容：请检查磁盘空间和权限"
            ) from error

    def _ledger(self, manifest: Manifest) -> Copied:
        scratch = _scratch(self.targets.ledger)
        copied = mark_restored(scratch, self.now)
        _give_to_owner_of(self.targets.ledger, scratch)
        if (copied.identity, copied.changes) != (manifest.ledger.identity, manifest.ledger.changes):
            raise damaged(self.archive, "台账与清单不符")
        return copied

    def _put_in_place(self, wanted: list[tuple[Path, Path]], copied: Copied) -> None:
        """The old ledger goes first and the new one comes last, with a mark all the time."""
        if not os.path.lexists(self.targets.high_water):
            mark = Mark(copied.identity, copied.changes, 0, self.now.isoformat())
            self._undo.append(lambda: self.targets.high_water.unlink(missing_ok=True))
            write_mark(self.targets.high_water, mark)
        ledger = self.targets.ledger
        named = _aside(ledger, self.now)
        for suffix in ("", *_SIDECARS):
            self._rename_aside(_beside(ledger, suffix), _beside(named, suffix), tell=not suffix)
        for place, scratch in wanted:
            if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
                self._remove_empty(place)
            elif place != ledger:
                self._rename_aside(place, _aside(place, self.now))
            self._rename(scratch, place)

    def _put_back(self, cause: BaseException) -> None:
        failed = []
        for step in reversed(self._undo):
            try:
                step()
            except OSError as error:
                failed.append(f"{error.filename}（{system_reason(error)}）")
        if failed:
            kept = "、".join(f"{was} 现名 {now}" for was, now in self._aside)
            raise BackupError(
                f"恢复中途出错，有些未能放回原处：{'、'.join(failed)}。原来的内容都还在（{kept}）：请改回原名后重试"
            ) from cause

    def _remove_empty(self, folder: Path) -> None:
        mode = folder.stat().st_mode & 0o7777
        folder.rmdir()
        self._undo.append(lambda: folder.mkdir(mode))

    def _rename_aside(self, path: Path, to: Path, *, tell: bool = True) -> None:
        if os.path.lexists(path):
            self._rename(path, to)
            if tell:
                self._aside.append((path, to))

    def _rename(self, path: Path, to: Path) -> None:
        path.rename(to)
        self._undo.append(lambda: to.rename(path))


def _occupied(path: Path) -> bool:
    """Whether there is anything that would be lost."""
    if path.is_dir():
        return any(path.iterdir())
    # All of a ledger may still be in its log.
    return any(_size(_beside(path, suffix)) for suffix in ("", *_SIDECARS))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _scratch(place: Path) -> Path:
    """On the same disk, so that a name is all that changes at the end."""
    return place.with_name(f".{place.name}.{os.getpid()}.restore")


def _aside(path: Path, now: datetime) -> Path:
    stem = f"{path.name}.before-restore-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    candidate, number = path.with_name(stem), 2
    while any(os.path.lexists(_beside(candidate, suffix)) for suffix in ("", *_SIDECARS)):
        candidate = path.with_name(f"{stem}-{number}")
        number += 1
    return candidate


def _existing(folder: Path) -> Path:
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):
        discard(path)


def _settle_folders(place: Path, scratch: Path) -> None:
    """Names and owners of everything unpacked, on the disk."""
    if scratch.is_dir():
        for folder in [scratch, *(each for each in scratch.rglob("*") if each.is_dir())]:
            _give_to_owner_of(place, folder)
            sync_folder(folder)


def _give_to_owner_of(place: Path, path: Path) -> None:
    """What root restores belongs to whoever had what was there before, or has the folder around it."""
    if os.geteuid() == 0:
        owner = _existing(place).stat()
        os.chown(path, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def _made_if_missing(folder: Path) -> Iterator[None]:
    """A folder for the time being; if what is done in it fails, it goes again."""
    made = [each for each in (folder.absolute(), *folder.absolute().parents) if not each.exists()]
    for each in reversed(made):
        each.mkdir(mode=0o700)
        _give_to_owner_of(each.parent, each)
    try:
        yield
    except BaseException:
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()
        raise


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """The data folder's lock; one that was not there before goes again if what is done fails."""
    was_there = lock.exists()
    try:
        with DataFolderLock(lock):
            if not was_there:
                _give_to_owner_of(lock.parent, lock)
            yield
    except BaseException:
        if not was_there:
            lock.unlink(missing_ok=True)
        raise
