"""The plan that is published in the ledger, laid out in a node's own data folder.

Each version lies in a folder of its own that is never changed; ``current`` is a
link to the one in force and is exchanged as a whole.  Whoever looks through the
link sees one version or the next, and nothing between.  What lies there is
compared with its digests whenever it is read, and laid out anew if it differs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reminder.check import TEMPLATES_FOLDER, Edition
from reminder.disk import sync_folder
from reminder.editing.bundle import found_in, lay_out, write_new
from reminder.errors import ReminderError, system_reason
from reminder.ledger.ledger import Ledger
from reminder.ledger.published import InForce, PublishedPlan
from reminder.plan.files import is_plan_file
from reminder.settings import SCHEDULES, TEMPLATES

log = logging.getLogger(__name__)

CURRENT, MANIFEST, LOCK = "current", "version.json", ".lock"
PART = ".part-"


class NothingPublished(ReminderError):
    """There is no plan in the ledger to be taken from it, or it is not clear which one."""


class StoreFailed(ReminderError):
    """The plan could not be laid out."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A version as it lies in ``folder``.  ``author``: who put it into force; ``files``: name to SHA-256."""

    folder: Path
    plan_id: str
    number: int
    digest: str
    author: str
    files: dict[str, str]

    @property
    def schedules(self) -> Path:
        return self.folder / SCHEDULES

    @property
    def templates(self) -> Path:
        return self.folder / TEMPLATES

    def whole(self) -> bool:
        """Whether exactly these files lie there."""
        return found_in(self.folder) == self.files

    def made(self, edition: Edition) -> bool:
        """Whether an edition was made from these files, as far as it names them."""
        return _named(edition.files()) == _named(self.files)


def _named(files: Mapping[str, str]) -> dict[str, str]:
    return {
        name: digest
        for name, digest in files.items()
        if is_plan_file(name) or name.startswith(f"{TEMPLATES_FOLDER}/")
    }


class PlanStore:
    """Where a node lays the published plan out.  Several processes may use one at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def brought(self) -> Brought | None:
        """The version that was laid out last; None if there is none that makes sense."""
        try:
            folder = (self._folder / CURRENT).resolve(strict=True)
            value: Any = json.loads((folder / MANIFEST).read_text("utf-8"))
            files = {str(name): str(digest) for name, digest in value["files"].items()}
            return Brought(
                folder, str(value["plan"]), int(value["number"]), value["digest"], value["author"], files
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError):
            return None

    def bring(self, ledger: Ledger, wanted: str = "") -> Brought:
        """The version in force, whole: as it lies there, or laid out now.

        ``wanted`` is a plan's id; empty: the one that was taken before, or the
        only one.  Raises :class:`NothingPublished`, :class:`StoreFailed`, and
        ``LedgerError``; what lay there before is then as it was.
        """
        try:
            with self._locked():
                return self._bring(ledger, wanted)
        except OSError as error:
            raise StoreFailed(
                f"台账中发布的计划写不进 {self._folder}（{system_reason(error)}）：请检查数据目录的权限和磁盘空间"
            ) from None
        except ValueError as error:  # a name that leads out of the folder: no program of ours wrote it
            raise StoreFailed(f"台账中发布的计划有不能用的文件名，没有采用（{error}）：请重新发布") from None

    def _bring(self, ledger: Ledger, wanted: str) -> Brought:
        there = self.brought()
        plan_id = wanted or self._plan_of(ledger, there)
        now = ledger.published.in_force(plan_id)
        if now is None:
            raise NothingPublished(
                f"台账中没有发布的计划（{plan_id}）：请先在有计划文件夹的机器上执行 reminder plan push，"
                "或改回 REMINDER_PLAN_FROM=folder"
            )
        if there is not None and (there.plan_id, there.number) == (plan_id, now.number):
            if there.whole():
                return there
            log.warning("files of the published plan were changed here", extra={"version": there.number})
        version = ledger.published.get(plan_id, now.number)
        if version is None:
            raise NothingPublished(f"台账中没有第 {now.number} 版计划（{plan_id}）：请重新发布")
        return self._lay_out(ledger, version, now, there)

    def _plan_of(self, ledger: Ledger, there: Brought | None) -> str:
        plans = ledger.published.plans()
        if there is not None:
            return there.plan_id
        if len(plans) == 1:
            return plans[0]
        if not plans:
            raise NothingPublished(
                "台账中没有发布的计划：请先在有计划文件夹的机器上执行 reminder plan push，"
                "或改回 REMINDER_PLAN_FROM=folder"
            )
        raise NothingPublished(
            f"台账中发布了几个计划（{'、'.join(plans)}），不知道本节点用哪一个："
            f"请写明编号，如 REMINDER_PLAN_FROM=ledger:{plans[0]}"
        )

    def _lay_out(
        self, ledger: Ledger, version: PublishedPlan, now: InForce, before: Brought | None
    ) -> Brought:
        contents = ledger.published.contents(version)
        base = f"{version.number}-{version.digest[:12]}"
        folder = self._unused(base)
        part = self._folder / f"{PART}{os.getpid()}"
        shutil.rmtree(part, ignore_errors=True)
        lay_out(part, contents)
        manifest = {
            "plan": version.plan_id,
            "number": version.number,
            "digest": version.digest,
            "author": now.author,
            "files": dict(version.files),
        }
        write_new(part / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
        sync_folder(part)
        _give(part, self._folder.parent)
        part.rename(folder)
        link = self._folder / f"{PART}link"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.replace(self._folder / CURRENT)
        sync_folder(self._folder)
        self._clear({folder.name, before.folder.name if before is not None else ""})
        made = self.brought()
        if made is None or not made.whole():
            raise StoreFailed(f"台账中发布的计划写入 {self._folder} 后读回不符：请检查磁盘")
        log.info("plan taken from the ledger", extra={"version": made.number})
        return made

    def _unused(self, base: str) -> Path:
        names = (base if not again else f"{base}.{again}" for again in range(10_000))
        return next(self._folder / name for name in names if not (self._folder / name).exists())

    def _clear(self, kept: set[str]) -> None:
        """Remove what is not of use any more; the version before may be read by somebody still."""
        for entry in self._folder.iterdir():
            if entry.name not in {*kept, CURRENT, LOCK}:
                shutil.rmtree(entry, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _give(self._folder, self._folder.parent)
        lock = self._folder / LOCK
        made = not lock.exists()
        with lock.open("a") as file:
            if made:
                _give(lock, self._folder.parent)
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _give(path: Path, owner: Path) -> None:
    """What root lays out for a daemon of another user must be that one's."""
    if os.geteuid() == 0:
        status = owner.stat()
        for each in (path, *path.rglob("*")):
            os.chown(each, status.st_uid, status.st_gid, follow_symlinks=False)
