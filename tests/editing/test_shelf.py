"""Which files can be named, and that no name leads out of the folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reminder.editing.errors import EditRefused, NoSuchDocument
from reminder.editing.shelf import DocumentKind, Shelf, content_of, text_of


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "schedules" / "calendar").mkdir(parents=True)
    (tmp_path / "templates" / "general").mkdir(parents=True)
    (tmp_path / "schedules" / "plan.yaml").write_text("plan:\n...\n")
    (tmp_path / "outside.yaml").write_text("secret: yes\n")
    return Shelf(tmp_path / "schedules", tmp_path / "templates")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("plan.yaml", DocumentKind.PLAN),
        ("计划.yml", DocumentKind.PLAN),
        ("calendar/2027.yaml", DocumentKind.YEAR),
        ("calendar/2027.json", DocumentKind.YEAR),
        ("templates/general/words.j2", DocumentKind.TEMPLATE),
        ("templates/_layout/mail.html.j2", DocumentKind.TEMPLATE),
        ("templates/wording.yaml", DocumentKind.WORDING),
    ],
)
def test_what_the_loaders_read_can_be_named(shelf: Shelf, name: str, kind: DocumentKind) -> None:
    assert shelf.kind_of(name) is kind


@pytest.mark.parametrize(
    "name",
    [
        "../outside.yaml",
        "..\\outside.yaml",
        "/etc/passwd",
        "calendar/../plan.yaml",
        "calendar/../../outside.yaml",
        "calendar/sub/2027.yaml",
        "templates/../plan.yaml",
        "templates/../../outside.yaml",
        "templates/general/../../outside.j2",
        "templates/general/../wording.yaml",
        "templates/a/b/c.j2",
        "templates/.git/words.j2",
        "templates/general/.words.j2",
        "plan.yaml\0.txt",
        "plan.yaml\n",
        "plan.schema.json",
        "README.md",
        ".plan.yaml",
        "plan - 副本.yaml",
        "~$plan.yaml",
        "plan.yaml.txt",
        "",
        ".",
        "..",
        "templates",
        "templates/other.yaml",
    ],
)
def test_nothing_else_can(shelf: Shelf, name: str) -> None:
    with pytest.raises(NoSuchDocument):
        shelf.read(name)


def test_links_are_not_followed(shelf: Shelf, tmp_path: Path) -> None:
    (shelf.schedules / "linked.yaml").symlink_to(tmp_path / "outside.yaml")
    (shelf.templates / "linked").symlink_to(tmp_path / "schedules")
    for name in ("linked.yaml", "templates/linked/words.j2"):
        with pytest.raises(EditRefused, match="符号链接"):
            shelf.read(name)
    assert "linked.yaml" not in shelf.names()


def test_a_pipe_is_no_document_and_blocks_nobody(shelf: Shelf) -> None:
    os.mkfifo(shelf.schedules / "pipe.yaml")
    with pytest.raises(EditRefused, match="不是普通文件"):
        shelf.read("pipe.yaml")


def test_what_is_not_there_is_none(shelf: Shelf) -> None:
    assert shelf.read("calendar/2027.yaml") is None
    assert shelf.read("templates/nothing/words.j2") is None


def test_ends_of_lines_and_the_mark_in_front_stay_as_they_were() -> None:
    windows = b"\xef\xbb\xbfplan:\r\n  id: x\r\n...\r\n"
    text = text_of(windows)
    assert text == "plan:\n  id: x\n...\n"
    assert content_of(text, windows) == windows
    # A browser ends lines by CR LF; the file does not.
    assert content_of("a: b\r\nc: d", b"a: b\n") == b"a: b\nc: d\n"


def test_positions_of_problems_lead_to_their_documents(shelf: Shelf) -> None:
    assert shelf.document_of("plan.yaml") == "plan.yaml"
    assert shelf.document_of(str(shelf.schedules / "calendar" / "2027.yaml")) == "calendar/2027.yaml"
    assert shelf.document_of("templates/general/words.j2") == "templates/general/words.j2"
    assert shelf.document_of(str(shelf.schedules)) is None
