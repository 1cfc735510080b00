"""Making a backup: whole, while others write, without secrets, or not at all."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reminder.backup import collect as collecting
from reminder.backup import create as creating
from reminder.backup.create import create_backup, default_name
from reminder.backup.errors import BackupError
from reminder.ledger import schema
from reminder.ledger.errors import (
    LedgerCorrupt,
    LedgerError,
    LedgerKindError,
    LedgerMissing,
    LedgerSchemaError,
)
from reminder.ledger.holds import HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.backup.conftest import LIVE, NOW, Place, note, settled

KEY = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"


def names(path: Path) -> set[str]:
    with tarfile.open(path) as tar:
        return set(tar.getnames())


def unpacked(path: Path, folder: Path) -> Path:
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_everything_needed_is_in_it_and_nothing_else(place: Place) -> None:
    """Ledger, plan, calendar, templates, link keys; no secret, no outbox, no lock."""
    (place.settings.outbox / "2026-06-10").mkdir(parents=True)
    (place.settings.outbox / "2026-06-10" / "x.eml").write_text("x")
    made = place.backup()
    assert names(made.path) == {
        "manifest.json",
        "ledger.sqlite3",
        "schedules/plan.yaml",
        "schedules/channels.yaml",
        "schedules/calendar/2027.yaml",
        "templates/口令提醒/subject.j2",
        "keys/links-1",
    }
    assert made.size == made.path.stat().st_size
    assert made.left_out == ()
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


def test_no_secret_is_anywhere_in_it(place: Place, tmp_path: Path) -> None:
    """Looked for in every byte of everything unpacked."""
    folder = unpacked(place.backup().path, tmp_path / "unpacked")
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"canary" not in everything
    assert b"key-of-the-links" in everything


def test_the_ledger_in_it_is_whole_and_on_hold(place: Place, tmp_path: Path) -> None:
    """Every record up to now; and nobody can send from it unasked, wherever it is put."""
    with place.ledger() as ledger:
        original = ledger.holds.standing()
    copy = unpacked(place.backup().path, tmp_path / "unpacked") / "ledger.sqlite3"
    assert settled(copy) == {f"x/2026#{number}" for number in range(3)}
    with Ledger.open(copy, kind=LedgerKind.DAEMON, now=NOW) as ledger:
        standing = ledger.holds.standing()
        assert ledger.integrity() == []
    assert (standing.identity, standing.changes) == (original.identity, original.changes)
    assert standing.hold is not None
    assert standing.hold.reason is HoldReason.COPY
    assert standing.hold.since == ledger_last_record(place)
    with place.ledger() as ledger:
        assert ledger.holds.standing().hold is None


def ledger_last_record(place: Place) -> datetime:
    with place.ledger() as ledger:
        return ledger.holds.last_record()


def test_it_is_consistent_while_others_write(place: Place, tmp_path: Path) -> None:
    """Ten backups under a writer that never rests: each a state that once was, each later than the one before."""
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        with place.ledger() as ledger:
            for number in range(3, 100_000):
                if stop.is_set():
                    return
                place.add(ledger, range(number, number + 1))
                written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    try:
        for number in range(10):
            made = place.backup(f"{number}.tar.gz")
            copy = unpacked(made.path, tmp_path / str(number)) / "ledger.sqlite3"
            known = settled(copy)
            assert known == {f"x/2026#{each}" for each in range(len(known))}
            with Ledger.open(copy, kind=LedgerKind.DAEMON, now=NOW) as ledger:
                assert ledger.integrity() == []
                assert ledger.book.counts("test", LIVE)["pending"] == len(known)
            seen.append(len(known))
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 1, "the writer never wrote: the test shows nothing"


def test_a_seed_committed_to_meanwhile_comes_with_its_ledger(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed is written before the ledger knows of it: what is copied after the ledger has it."""
    real, seed = creating.take_copy, place.settings.keys / "draws.json"

    def during(*arguments: Any) -> Any:
        seed.write_text("{}")
        return real(*arguments)

    monkeypatch.setattr(creating, "take_copy", during)
    assert (unpacked(place.backup().path, tmp_path / "x") / "keys" / "draws.json").read_text() == "{}"


def test_an_existing_file_is_not_overwritten(place: Place) -> None:
    place.backup()
    before = place.everything()
    with pytest.raises(BackupError, match=r"已经存在.*换一个文件名"):
        place.backup()
    assert place.everything() == before


def test_default_names_sort_by_time() -> None:
    """In UTC, whatever the zone of the clock."""
    assert default_name("test", datetime(2026, 6, 10, 1, 2, 3, tzinfo=UTC)) == (
        "reminder-test-20260610T010203Z.tar.gz"
    )


# -- secrets -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("schedules/server.key", False),
        ("schedules/office.p12", False),
        ("schedules/password.txt", False),
        ("schedules/SMTP_PASSWORD", True),  # by its name: see below
        ("schedules/credentials.yaml", False),
        ("schedules/密码.txt", False),
        ("schedules/secrets/anything", False),
        ("schedules/密钥/x.yaml", False),
        ("schedules/secretary.yaml", True),
        ("schedules/ca.pem", True),
        ("message_templates/password-change/mail.txt.j2", True),
        ("message_templates/口令/subject.j2", True),
    ],
)
def test_files_are_left_out_by_their_names(place: Place, name: str, kept: bool) -> None:
    """And said to be; a template about passwords is none, and an authority's certificate is public."""
    path = place.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    made = place.backup()
    inside = name.replace("message_templates/", "templates/")
    if name == "schedules/SMTP_PASSWORD":
        kept = False
    assert (inside in names(made.path)) is kept
    assert made.left_out == (() if kept else (inside,))


def test_a_private_key_in_a_certificate_s_file_is_left_out(place: Place) -> None:
    """As whoever exports both into one file leaves it."""
    (place.settings.schedules / "mail.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n" + KEY)
    made = place.backup()
    assert made.left_out == ("schedules/mail.pem",)
    assert "schedules/mail.pem" not in names(made.path)


@pytest.mark.parametrize("text", ["# canary-of-the-mail\n", "x: canary-of-the-mail", KEY])
@pytest.mark.parametrize("folder", ["schedules", "message_templates"])
def test_a_secret_written_into_a_plan_or_template_refuses_the_backup(
    place: Place, folder: str, text: str
) -> None:
    """It names the file and where secrets belong; nothing is left behind."""
    (place.folder / folder / "note.yaml").write_text(text)
    before = place.everything()
    with pytest.raises(BackupError, match=r"note\.yaml 里写有密码或密钥.*密钥文件夹") as caught:
        place.backup()
    assert "canary" not in str(caught.value)
    assert place.everything() == before


def test_secrets_and_data_inside_the_plan_s_folder_are_passed_over(place: Place, tmp_path: Path) -> None:
    """Whoever put everything into one folder: the plan is backed up, the rest is not."""
    place.folder.joinpath("var").rename(place.settings.schedules / "var")
    sources = creating.Sources(
        place.settings.schedules / "var" / "ledger.sqlite3",
        place.settings.schedules,
        place.settings.templates,
        place.settings.schedules / "var" / "keys",
        kept_out=(place.settings.schedules / "var" / "secrets", place.settings.schedules / "var"),
        secrets=("canary-of-the-mail",),
    )
    made = create_backup(sources, tmp_path / "x.tar.gz", NOW)
    assert {name for name in names(made.path) if "var" in name} == set()
    assert "keys/links-1" in names(made.path)


def test_a_secrets_folder_around_the_plan_hides_nothing_of_it(place: Place, tmp_path: Path) -> None:
    """The plan's own files are judged by what is in them."""
    sources = creating.Sources(
        place.path,
        place.settings.schedules,
        place.settings.templates,
        place.settings.keys,
        kept_out=(place.folder,),
        secrets=("canary-of-the-mail",),
    )
    made = create_backup(sources, tmp_path / "x.tar.gz", NOW)
    assert "schedules/plan.yaml" in names(made.path)


def test_what_editors_and_systems_leave_is_passed_over(place: Place) -> None:
    for name in (".plan.yaml.swp", "~$plan.yaml", "__pycache__/x.pyc", "Thumbs.db", ".git/config"):
        path = place.settings.schedules / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert {name for name in names(place.backup().path) if name.startswith("schedules/")} == {
        "schedules/plan.yaml",
        "schedules/channels.yaml",
        "schedules/calendar/2027.yaml",
    }


def test_links_are_followed_once(place: Place, tmp_path: Path) -> None:
    """A plan kept elsewhere is in it; a link that leads round in a circle ends."""
    elsewhere = tmp_path / "elsewhere"
    place.settings.schedules.rename(elsewhere)
    place.settings.schedules.symlink_to(elsewhere)
    (elsewhere / "round").symlink_to(elsewhere)
    assert "schedules/plan.yaml" in names(place.backup().path)


# -- files that cannot be taken ------------------------------------------------


def test_a_file_that_keeps_changing_refuses_the_backup(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one plan and half of the next is no plan."""
    plan = place.settings.schedules / "plan.yaml"
    read = collecting._read

    def and_meanwhile(path: Path) -> bytes:
        with plan.open("a") as file:
            file.write("# more\n")
        return read(path)

    monkeypatch.setattr(collecting, "_read", and_meanwhile)
    with pytest.raises(BackupError, match="一直在变动"):
        place.backup()
    assert not (place.folder / "backup.tar.gz").exists()


def test_a_file_far_too_large_for_a_plan_refuses_the_backup(place: Place) -> None:
    """A video dropped into the folder."""
    with (place.settings.schedules / "film.mp4").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(BackupError, match=r"film\.mp4 有 65 MB"):
        place.backup()


@pytest.mark.parametrize("name", ["a\nb.yaml", "x" * 120 + "/" + "y" * 200])
def test_a_name_no_archive_takes_refuses_the_backup(place: Place, name: str) -> None:
    path = place.settings.schedules / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    with pytest.raises(BackupError, match=r"文件名.*改名"):
        place.backup()


def test_names_that_differ_in_case_alone_refuse_the_backup(place: Place) -> None:
    """It could not be restored on every disk."""
    (place.settings.schedules / "PLAN.yaml").write_text("x")
    with pytest.raises(BackupError, match="大小写"):
        place.backup()


def test_a_missing_folder_is_an_empty_one(place: Place) -> None:
    """No links were ever made, no templates of the office's own."""
    shutil.rmtree(place.settings.keys)
    shutil.rmtree(place.settings.templates)
    assert "ledger.sqlite3" in names(place.backup().path)


# -- ledgers that cannot be taken ----------------------------------------------


def failing(place: Place, error: type[LedgerError], words: str) -> None:
    before = place.everything()
    with pytest.raises(error, match=words):
        place.backup()
    assert place.everything() == before


def test_without_a_ledger_there_is_no_backup(place: Place) -> None:
    place.path.unlink()
    failing(place, LedgerMissing, "没有台账")


def test_a_simulation_is_not_backed_up(place: Place) -> None:
    place.path.unlink()
    Ledger.open(place.path, kind=LedgerKind.SIMULATION, now=NOW).close()
    failing(place, LedgerKindError, "模拟台账")


def test_a_damaged_ledger_is_not_passed_off_as_a_backup(place: Place) -> None:
    """A page that no query of ours reads; the check does."""
    for _ in range(50):
        note(place.path, "x" * 500)
    with place.path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)
    failing(place, LedgerCorrupt, "没有通过完整性检查.*reminder doctor")


def test_a_newer_ledger_asks_for_the_newer_program(place: Place) -> None:
    connection = sqlite3.connect(place.path)
    connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.commit()
    connection.close()
    failing(place, LedgerSchemaError, "更新的版本.*0099")


def test_an_older_ledger_is_backed_up_as_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an upgrade by the new program: not migrated, neither the original nor the copy."""
    present = schema.HEAD
    monkeypatch.setattr(schema, "HEAD", "9000")
    made = create_backup(place.sources, place.folder / "x.tar.gz", NOW)
    assert made.manifest.ledger.schema == present
    assert list(place.path.parent.glob("*.bak")) == []


def test_a_held_ledger_knows_no_more_in_its_copy(place: Place, tmp_path: Path) -> None:
    """What it records while on hold is no knowledge of what was sent before."""
    copy = unpacked(place.backup().path, tmp_path / "a") / "ledger.sqlite3"
    with Ledger.open(copy, kind=LedgerKind.DAEMON, now=NOW) as ledger:
        first = ledger.holds.standing().hold
    assert first is not None
    shutil.copy(copy, place.path)
    note(place.path, "later")
    again = unpacked(place.backup("again.tar.gz").path, tmp_path / "b") / "ledger.sqlite3"
    with Ledger.open(again, kind=LedgerKind.DAEMON, now=NOW) as ledger:
        second = ledger.holds.standing().hold
    assert second is not None
    assert second.since == first.since


# -- places that cannot be written ---------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_seen_before_it_is_filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how much there is and how much it takes."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * 2**20))
    before = place.everything()
    with pytest.raises(BackupError, match=r"只剩 2 MB，备份需要 \d+ MB.*--out"):
        create_backup(place.sources, place.folder / "sub" / "x.tar.gz", NOW)
    assert place.everything() == before


@pytest.mark.parametrize("where", ["copy", "archive"])
def test_a_disk_that_fills_up_meanwhile_keeps_nothing(
    place: Place, small_disk: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """In the copy of the ledger, or in the archive: nothing is left behind."""
    monkeypatch.setattr(creating, "_room", lambda *_: None)
    size = place.path.stat().st_size
    free = size // 2 if where == "copy" else size + 40_000
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(2 * 2**20 - free))
    with pytest.raises(BackupError, match="没有写成（磁盘已满），没有留下任何文件"):
        create_backup(place.sources, small_disk / "x.tar.gz", NOW)
    assert list(small_disk.iterdir()) == [filler]


def test_a_place_that_is_no_folder_says_so(place: Place) -> None:
    before = place.everything()
    with pytest.raises(BackupError, match="没有写成"):
        create_backup(place.sources, place.settings.schedules / "plan.yaml" / "x.tar.gz", NOW)
    assert place.everything() == before


def test_folders_made_for_a_backup_that_failed_go_again(place: Place) -> None:
    place.path.unlink()
    with pytest.raises(LedgerMissing):
        create_backup(place.sources, place.folder / "a" / "b" / "x.tar.gz", NOW)
    assert not (place.folder / "a").exists()
