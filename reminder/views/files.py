"""The files behind the plan: which there are, whether they are in force, what may be seen of them.

Whoever may not see private items sees of a file that holds one only the lines
of its public parts, and cannot edit it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from reminder.access.rights import Right
from reminder.check import TEMPLATES_FOLDER
from reminder.editing.errors import EditRefused, NoSuchDocument
from reminder.editing.private import is_closed, open_lines
from reminder.editing.shelf import Document, DocumentKind, Shelf
from reminder.editing.workshop import FOUND_BY
from reminder.ledger.file_versions import FileVersion, VersionKind
from reminder.plan.model import Item
from reminder.views.look import Look

FOUND_TEXT = "控制台以外的改动"
KIND_TEXT = {
    VersionKind.FOUND: "采用文件中原有的内容",
    VersionKind.SAVED: "保存",
    VersionKind.FAILED: "没有写进去，文件仍是此内容",
}


class FileState(enum.StrEnum):
    """How a file stands to the edition in force."""

    IN_FORCE = "in-force"
    DIFFERS = "differs"
    NEW = "new"


STATE_TEXT = {
    FileState.IN_FORCE: "运行中",
    FileState.DIFFERS: "与运行中的不同",
    FileState.NEW: "尚未采用",
}


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file in the list.  ``closed``: this user may not edit it, nor see all of it."""

    name: str
    about: str
    lines: int
    state: FileState
    closed: bool
    unread: str = ""
    """Why it cannot be shown, if so."""


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A folder of templates in the list; ``used_by`` are titles of items that this user may see."""

    name: str
    files: tuple[str, ...]
    used_by: tuple[str, ...]
    state: FileState


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in a list; ``closed`` as of a file; ``current``: it is what stands there now."""

    version: FileVersion
    at: datetime
    who: str
    what: str
    closed: bool
    current: bool


@dataclass(frozen=True, slots=True)
class FileView:
    """One file to look at and, if ``why_not`` is empty, to edit.

    ``parts`` are the lines to show where it is closed.
    """

    document: Document
    text: str
    closed: bool
    parts: tuple[tuple[int, str], ...]
    why_not: str


_ABOUT = {
    "plan.yaml": "任务与时间",
    "directory.yaml": "名录：单位、职务、人员",
    "channels.yaml": "通道（不含密钥）",
    "ladders.yaml": "提醒阶梯",
}
_ABOUT_KIND = {
    DocumentKind.PLAN: "计划",
    DocumentKind.YEAR: "一年的放假安排",
    DocumentKind.TEMPLATE: "模板",
    DocumentKind.WORDING: "提法：模板中的规定名称与用语",
}


def about(name: str, kind: DocumentKind) -> str:
    """What a file is for."""
    return _ABOUT.get(name, _ABOUT_KIND[kind])


def files(look: Look, shelf: Shelf) -> tuple[FileLine, ...]:
    """The files of plan and calendar, and the wording."""
    digests = look.edition.files()
    found = []
    for name in shelf.names():
        kind = shelf.kind_of(name)
        if kind is DocumentKind.TEMPLATE:
            continue
        said = about(name, kind)
        try:
            document = shelf.read(name)
        except EditRefused as error:
            found.append(FileLine(name, said, 0, FileState.DIFFERS, closed=True, unread=str(error)))
            continue
        if document is None:
            continue
        closed = not may_open(look, kind, document.content)
        lines = document.content.count(b"\n")
        found.append(FileLine(name, said, lines, _state(document, digests, look), closed))
    return tuple(found)


def templates(look: Look, shelf: Shelf) -> tuple[TemplateLine, ...]:
    """The folders of templates, with who uses them."""
    digests = look.edition.files()
    folders: dict[str, list[str]] = {}
    for name in shelf.names():
        if shelf.kind_of(name) is DocumentKind.TEMPLATE:
            _, folder, file = name.split("/")
            folders.setdefault(folder, []).append(file)
    found = []
    for folder, names in folders.items():
        states = []
        for file in names:
            try:
                document = shelf.read(f"{TEMPLATES_FOLDER}/{folder}/{file}")
            except EditRefused:
                states.append(FileState.DIFFERS)  # its own page says why it cannot be read
                continue
            if document is not None:
                states.append(_state(document, digests, look))
        worst = next((each for each in states if each is not FileState.IN_FORCE), FileState.IN_FORCE)
        titles = tuple(item.spec.title for item in users_of(look, folder))
        found.append(TemplateLine(folder, tuple(names), titles, worst))
    return tuple(sorted(found, key=lambda each: (each.name.startswith("_"), each.name)))


def users_of(look: Look, template: str) -> tuple[Item, ...]:
    """The items that send a template, as far as they may be seen."""
    return tuple(item for item in look.items if any(rung.template == template for rung in item.rungs))


def file(look: Look, shelf: Shelf, name: str) -> FileView:
    """One file.  Raises ``NoSuchDocument`` and ``EditRefused``."""
    document = shelf.read(name)
    if document is None:
        raise NoSuchDocument(f"没有 {name} 这个文件")
    closed = not may_open(look, document.kind, document.content)
    why_not = ""
    if closed:
        why_not = "这个文件里有非公开事项，您的账户没有查看非公开事项的权限：下面只显示公开的部分，不能修改"
    elif not look.user.may(Right.EDIT_PLAN):
        why_not = "您的账户可以查看，不能修改"
    elif not shelf.can_write(name):
        why_not = (
            f"运行本系统的用户不能写 {name} 所在的文件夹，只能查看；如要在这里修改，请维护人员放开写权限"
        )
    parts = open_lines(document.content) if closed else ()
    return FileView(document, "" if closed else document.text, closed, parts, why_not)


def may_open(look: Look, kind: DocumentKind, content: bytes) -> bool:
    """Whether all of a content may be shown to this user."""
    return look.private or not is_closed(kind, content)


def versions(
    look: Look, shelf: Shelf, name: str | None = None, limit: int = 50, *, changes: bool = False
) -> tuple[VersionLine, ...]:
    """The versions of a file, or of all, the newest first; ``changes``: not what stood there at first."""
    kept = look.ledger.files
    current: dict[str, str] = {}
    closed: dict[str, bool] = {}
    found = []
    for each in kept.every(look.plan_id, name, limit, changes=changes):
        try:
            kind = shelf.kind_of(each.name)
            if each.name not in current:
                document = shelf.read(each.name)
                current[each.name] = document.sha256 if document is not None else ""
        except EditRefused:
            continue
        if each.sha256 not in closed:
            # Only a plan's own file can be closed; others are not read for a list.
            content = kept.content(look.plan_id, each.sha256) if _may_be_closed(look, kind) else b""
            closed[each.sha256] = not may_open(look, kind, content or b"")
        found.append(
            VersionLine(
                each,
                each.at.astimezone(look.zone),
                author(look, each.author),
                KIND_TEXT[each.kind],
                closed[each.sha256],
                current[each.name] == each.sha256,
            )
        )
    return tuple(found)


def author(look: Look, user: str) -> str:
    """Who put a version in place."""
    return FOUND_TEXT if user == FOUND_BY else look.name_of(user)


def refused_at(look: Look) -> datetime | None:
    """When files as they stand were last refused, if nothing was accepted since; in the plan's zone."""
    notes = look.ledger.notes(look.plan_id, "plan-refused", limit=1)
    accepted = look.ledger.last_plan(look.plan_id)
    if not notes or (accepted is not None and accepted.accepted_at >= notes[0].at):
        return None
    return notes[0].at.astimezone(look.zone)


def _may_be_closed(look: Look, kind: DocumentKind) -> bool:
    return not look.private and kind is DocumentKind.PLAN


def _state(document: Document, digests: dict[str, str], look: Look) -> FileState:
    if document.kind is DocumentKind.YEAR:
        year = document.name.rpartition("/")[2].partition(".")[0]
        given = year.isdecimal() and len(year) == 4 and look.edition.calendar.is_given(int(year))
        return FileState.IN_FORCE if given else FileState.NEW
    digest = digests.get(document.name)
    if digest is None:
        return FileState.NEW
    return FileState.IN_FORCE if digest == document.sha256 else FileState.DIFFERS
