"""The files that can be edited: their names, their contents, where they lie.

Names are those of an edition's files: ``plan.yaml``, ``calendar/2027.yaml``,
``templates/general/words.j2``, ``templates/wording.yaml``.  A name is taken apart
and compared with what the loaders read before it becomes a path; symbolic links
are not followed, so that no name leads out of the folders.
"""

from __future__ import annotations

import enum
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from reminder.calendars.yearfile import is_year_file
from reminder.check import CALENDAR_FOLDER, TEMPLATES_FOLDER
from reminder.editing.errors import EditRefused, NoSuchDocument
from reminder.errors import system_reason
from reminder.ledger.file_versions import digest_of
from reminder.messages.wording import FILE as WORDING_FILE
from reminder.plan.files import is_plan_file, plan_files
from reminder.source import MAX_BYTES

_TEMPLATE_FOLDER = re.compile(r"\w[\w-]*")
_TEMPLATE_FILE = re.compile(r"\w[\w.-]*\.j2")
BOM = b"\xef\xbb\xbf"


class DocumentKind(enum.StrEnum):
    """What a file is read as."""

    PLAN = "plan"
    YEAR = "year"
    TEMPLATE = "template"
    WORDING = "wording"


@dataclass(frozen=True, slots=True)
class Document:
    """One file as it stands."""

    name: str
    kind: DocumentKind
    content: bytes
    sha256: str

    @property
    def text(self) -> str:
        """Its text, lines ended by LF; raises :class:`EditRefused` where it is none."""
        return text_of(self.content)


def text_of(content: bytes) -> str:
    """The text of a file for an editor: without the mark in front, lines ended by LF."""
    try:
        return content.removeprefix(BOM).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise EditRefused("文件不是 UTF-8 编码的文本，不能在这里修改；请先用编辑器另存为 UTF-8") from None


def content_of(text: str, like: bytes | None = None) -> bytes:
    """The octets of an edited text, with the mark in front and the ends of lines that the file had."""
    text = text.replace("\r\n", "\n")
    if text and not text.endswith("\n"):
        text += "\n"
    if like is not None and b"\r\n" in like:
        text = text.replace("\n", "\r\n")
    # Half a pair of UTF-16 cannot be written; a browser never sends one.
    mark = BOM if like is not None and like.startswith(BOM) else b""
    return mark + text.encode("utf-8", "replace")


class Shelf:
    """The folders of one plan."""

    def __init__(self, schedules: Path, templates: Path) -> None:
        self.schedules = schedules
        self.templates = templates

    def kind_of(self, name: str) -> DocumentKind:
        """What a file of this name is.  Raises :class:`NoSuchDocument`."""
        folder, _, inner = name.partition("/")
        if name.isprintable() and "\\" not in name:
            if not inner and is_plan_file(name):
                return DocumentKind.PLAN
            if folder == CALENDAR_FOLDER and is_year_file(inner):
                return DocumentKind.YEAR
            if folder == TEMPLATES_FOLDER and inner == WORDING_FILE:
                return DocumentKind.WORDING
            if folder == TEMPLATES_FOLDER and _is_template(inner):
                return DocumentKind.TEMPLATE
        raise NoSuchDocument("没有这个文件：只能是计划文件夹里的计划、日历，或模板文件夹里的模板")

    def knows(self, name: str) -> bool:
        """Whether a file of this name is one of the documents."""
        try:
            self.kind_of(name)
        except NoSuchDocument:
            return False
        return True

    def path(self, name: str) -> Path:
        """Where a file lies.  Raises :class:`NoSuchDocument`, and :class:`EditRefused` for a link."""
        kind = self.kind_of(name)
        inner = name.partition("/")[2]
        if kind is DocumentKind.PLAN:
            path = self.schedules / name
        elif kind is DocumentKind.YEAR:
            path = self.schedules / CALENDAR_FOLDER / inner
        else:
            path = self.templates / inner
        # The folders themselves may be links: somebody set them so.
        inside = path.parent not in (self.templates, self.schedules)
        if path.is_symlink() or (inside and path.parent.is_symlink()):
            raise EditRefused(
                f"{name} 是符号链接，不在本文件夹里，不能在这里查看和修改；请在它所在的地方修改"
            )
        return path

    def read(self, name: str) -> Document | None:
        """A file as it stands now; None if it is not there.  Raises as :meth:`path`."""
        path = self.path(name)
        try:
            # A pipe would block the reader for ever; a link may have come since it was looked for.
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise EditRefused(f"{name} 不能读取（{system_reason(error)}）") from None
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise EditRefused(f"{name} 不是普通文件")
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise EditRefused(f"{name} 超过 {MAX_BYTES // 1024 // 1024} MiB，不能在这里查看和修改")
        return Document(name, self.kind_of(name), content, digest_of(content))

    def can_write(self, name: str) -> bool:
        """Whether this process may exchange a file at all: many an office keeps the folders read-only."""
        folder = self.path(name).parent
        return os.access(folder if folder.is_dir() else folder.parent, os.W_OK | os.X_OK)

    def names(self) -> tuple[str, ...]:
        """Every file there is: the plan's, the calendar's, the templates', each in order of name."""
        plan = [path.name for path in plan_files(self.schedules)[0]]
        years = [f"{CALENDAR_FOLDER}/{name}" for name in _listed(self.schedules / CALENDAR_FOLDER)]
        templates = [f"{TEMPLATES_FOLDER}/{name}" for name in _listed(self.templates)]
        for folder in _listed(self.templates):
            if _TEMPLATE_FOLDER.fullmatch(folder):
                inside = _listed(self.templates / folder)
                templates += [f"{TEMPLATES_FOLDER}/{folder}/{name}" for name in inside]
        return tuple(name for name in (*plan, *years, *templates) if self._is_document(name))

    def _is_document(self, name: str) -> bool:
        try:
            return self.path(name).is_file()
        except EditRefused:
            return False

    def document_of(self, file: str) -> str | None:
        """Which document a problem's position names: problems call files as commands show them."""
        years = str(self.schedules / CALENDAR_FOLDER) + os.sep
        name = file
        if file.startswith(years):
            name = f"{CALENDAR_FOLDER}/{file.removeprefix(years)}"
        elif file.startswith(f"{self.templates.name}/"):
            name = f"{TEMPLATES_FOLDER}/{file.removeprefix(self.templates.name + '/')}"
        try:
            self.kind_of(name)
        except NoSuchDocument:
            return None
        return name


def _is_template(inner: str) -> bool:
    folder, _, file = inner.partition("/")
    return bool(_TEMPLATE_FOLDER.fullmatch(folder) and _TEMPLATE_FILE.fullmatch(file))


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []
