"""Try a change out, and save it: checked as the daemon checks, whole or not at all, over nobody's change."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reminder.agenda.difference import Difference
from reminder.agenda.facts import Facts
from reminder.check import Edition, examine
from reminder.disk import sync_folder
from reminder.editing.continuity import changes, continuity
from reminder.editing.errors import EditRefused, Stale, Unchanged
from reminder.editing.publisher import Publisher
from reminder.editing.shelf import Document, DocumentKind, Shelf
from reminder.errors import Position, Problem, errors_of, system_reason
from reminder.ledger.file_versions import VersionKind
from reminder.ledger.ledger import Ledger
from reminder.source import MAX_BYTES, parse_source

LONGEST_REMARK = 200
FOUND_BY = "files"
"""Author of what stood in a file and was not saved in the console."""
SCRATCH = ".saving"
NEW_FILE_MODE = 0o640

_saving = threading.Lock()
"""One change at a time: between looking at a file and exchanging it, nobody here exchanges it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What would come of a change.

    ``problems`` are all that the gate finds in all files; ``edition`` is None
    where one is an error.  ``changes`` is against the edition in force.
    """

    problems: tuple[Problem, ...]
    edition: Edition | None
    changes: Difference

    @property
    def errors(self) -> list[Problem]:
        return errors_of(self.problems)


class Faulty(EditRefused):
    """What is to be saved would not be accepted."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        super().__init__(f"有 {len(trial.errors)} 处错误，没有保存；原来的计划照常运行")


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved: its number among the versions, and what came of it."""

    version: int
    trial: Trial


class Workshop:
    """Edits the files of the plan in force.  Safe to use from several threads."""

    def __init__(
        self,
        shelf: Shelf,
        ledger: Ledger,
        edition: Edition,
        facts: Facts,
        public_url: str | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        """With a ``publisher`` files are saved in the ledger, else where they stand."""
        self._publisher = publisher
        self._shelf = shelf
        self._ledger = ledger
        self._edition = edition
        self._facts = facts
        self._public_url = public_url

    def trial(self, name: str, content: bytes, now: datetime) -> Trial:
        """Examine everything as if ``content`` stood in a file.  Writes nothing."""
        self._shelf.kind_of(name)
        examination = examine(self._shelf.schedules, self._shelf.templates, self._public_url, {name: content})
        problems = [*examination.problems, *self._of_file(name, content)]
        if (new := examination.edition) is not None:
            problems += continuity(self._edition, new, self._shelf.schedules, besides=name)
        problems.sort(key=lambda problem: problem.sort_key)
        if new is None or errors_of(problems):
            return Trial(tuple(problems), None, Difference())
        return Trial(tuple(problems), new, changes(self._edition, new, self._facts, now))

    def save(self, name: str, base: str, content: bytes, *, by: str, remark: str, now: datetime) -> Saved:
        """Exchange a file as a whole, and keep what stood there before.

        ``base`` is the SHA-256 of the file when it was opened, empty for one that
        was not there.  Raises :class:`Faulty` for a content with errors,
        :class:`Stale` when the file is another one by now, :class:`Unchanged`,
        and :class:`EditRefused`; the file is then as it was.
        """
        remark = " ".join(remark.split())
        if len(remark) > LONGEST_REMARK or not remark.isprintable():
            raise EditRefused(f"说明写一行，最多{LONGEST_REMARK}字；没有保存")
        if len(content) > MAX_BYTES:
            raise EditRefused(f"内容超过 {MAX_BYTES // 1024 // 1024} MiB；没有保存")
        started = self._publisher.started_from() if self._publisher is not None else None
        self._still(name, base, content)
        trial = self.trial(name, content, now)
        if not self.savable(name, trial, now):
            raise Faulty(trial)
        if self._publisher is not None and started is not None and trial.edition is not None:
            number = self._publisher.publish(
                started, name, content, trial.edition, by=by, remark=remark, now=now
            )
            return Saved(number, trial)
        with _saving:
            number = self._exchange(name, base, content, by, remark, now)
        return Saved(number, trial)

    def _of_file(self, name: str, content: bytes) -> list[Problem]:
        """What is asked of a file that is saved here, beyond what the loader asks."""
        if self._shelf.kind_of(name) not in (DocumentKind.PLAN, DocumentKind.YEAR):
            return []
        if parse_source(content, name).complete_mark:
            return []
        last = content.count(b"\n") + (not content.endswith(b"\n"))
        return [
            Problem(
                Position(name, max(last, 1), 1),
                "",
                "文件末尾没有“...”这一行",
                "最后一行应是单独的三个英文句点",
                "请确认内容完整，并补上这一行",
            )
        ]

    def savable(self, name: str, trial: Trial, now: datetime) -> bool:
        """Whether a change may be saved: without errors, or with none but what stood in other files before.

        Mending goes file by file; until the last of them is well the plan in
        force stays.
        """
        if not trial.errors:
            return True
        if self._publisher is not None:
            return False  # all of it comes into force, on every node
        if any(self._shelf.document_of(each.position.file) == name for each in trial.errors):
            return False
        document = self._shelf.read(name)
        known = set(self.trial(name, document.content, now).errors) if document is not None else set()
        return known.issuperset(trial.errors)

    def _still(self, name: str, base: str, content: bytes) -> Document | None:
        """The file as it stands, if it is the one that was opened."""
        document = self._shelf.read(name)
        if (document.sha256 if document is not None else "") != base:
            raise Stale(
                f"{name} 在您打开之后已被别人改过，没有保存，以免覆盖。"
                "您写的内容仍在下面，请对照现在的文件，把改动并进去再保存"
            )
        if document is not None and document.content == content:
            raise Unchanged("内容与现在的文件相同，不需要保存")
        return document

    def _exchange(
        self,
        name: str,
        base: str,
        content: bytes,
        by: str,
        remark: str,
        now: datetime,
    ) -> int:
        path, plan_id, kept = self._shelf.path(name), self._edition.plan.id, self._ledger.files
        scratch = path.with_name(f".{path.name}{SCRATCH}")
        try:
            _write_scratch(path, scratch, content)
            before = self._still(name, base, content)
            # Recorded first: what stands in the file and in no version would have no author.
            if before is not None:
                kept.keep_found(plan_id, {name: before.content}, at=now, author=FOUND_BY)
            number = kept.keep(plan_id, name, content, VersionKind.SAVED, at=now, author=by, remark=remark)
            try:
                scratch.replace(path)
            except OSError:
                if before is not None:
                    kept.keep(plan_id, name, before.content, VersionKind.FAILED, at=now, author=by)
                raise
            sync_folder(path.parent)
        except OSError as error:
            raise EditRefused(
                f"{name} 写不进去（{system_reason(error)}），没有保存；文件还是原来的"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                scratch.unlink(missing_ok=True)
        return number


def _write_scratch(path: Path, scratch: Path, content: bytes) -> None:
    """The content beside its file, on disk, with the file's own mode and owner."""
    path.parent.mkdir(exist_ok=True)
    scratch.unlink(missing_ok=True)
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        try:
            was = path.stat()
        except FileNotFoundError:
            os.fchmod(file.fileno(), NEW_FILE_MODE)
        else:
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
            os.fchmod(file.fileno(), was.st_mode & 0o777)
        file.flush()
        os.fsync(file.fileno())
