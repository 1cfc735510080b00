"""Putting a backup in place: on another machine, beside what is there, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from reminder.backup import restore as restoring
from reminder.backup.archive import write_archive
from reminder.backup.create import create_backup
from reminder.backup.errors import BackupDamaged, BackupError
from reminder.backup.highwater import Mark, read_mark, write_mark
from reminder.backup.manifest import Manifest, Member
from reminder.backup.restore import Restored, Targets, restore_backup
from reminder.errors import ReminderError, UsageError
from reminder.ledger import schema
from reminder.ledger.copying import RESTORED
from reminder.ledger.errors import LedgerCorrupt, LedgerKindError, LedgerSchemaError
from reminder.ledger.holds import HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.lock import DataFolderLock
from tests.backup.conftest import NOW, Place, note, settled

LATER = NOW + timedelta(days=3)


def restored(archive: Path, place: Place, *, move_aside: bool = False) -> Restored:
    return restore_backup(archive, place.targets, LATER, move_aside=move_aside)


def plan_of(place: Place) -> dict[str, str]:
    """The restored files with their texts."""
    folders = (place.settings.schedules, place.settings.templates, place.settings.keys)
    return {
        str(path.relative_to(place.folder)): path.read_text("utf-8")
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_another_machine_has_all_of_it(place: Place, other: Place) -> None:
    """Plan, calendar, templates, link keys to the letter; every record; no secret."""
    done = restored(place.backup().path, other)
    assert plan_of(other) == plan_of(place)
    assert settled(other.path) == settled(place.path)
    assert not (other.settings.data / "secrets").exists()
    assert done.aside == ()
    assert set(done.placed) == {
        other.path,
        other.settings.schedules,
        other.settings.templates,
        other.settings.keys,
    }
    assert [path.name for path in other.folder.rglob("*.restore*")] == []


def test_the_restored_ledger_is_on_hold_and_says_so_itself(place: Place, other: Place) -> None:
    """With its last record, and a note; whatever it is restarted by."""
    archive = place.backup().path
    with place.ledger() as ledger:
        last = ledger.holds.last_record()
    restored(archive, other)
    with other.ledger() as ledger:
        hold = ledger.holds.standing().hold
        (noted,) = ledger.notes("test", RESTORED)
    assert hold is not None
    assert (hold.reason, hold.at, hold.since) == (HoldReason.RESTORED, LATER, last)
    assert noted.detail == {"last_record": last.isoformat()}


def test_everything_restored_is_for_its_owner_only(place: Place, other: Place) -> None:
    """Files 0600, folders 0700, whatever they were."""
    (place.settings.schedules / "plan.yaml").chmod(0o666)
    restored(place.backup().path, other)
    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode))
        for path in other.folder.rglob("*")
        if path != other.settings.lock
    }
    assert modes == {(True, 0o700), (False, 0o600)}


def test_everything_restored_belongs_to_whoever_has_the_folder(place: Place, other: Place) -> None:
    """Restored by root for a service of another user, it can be read by that one."""
    owner = (other.folder.stat().st_uid, other.folder.stat().st_gid)
    if os.geteuid() == 0:
        owner = (10001, 10002)
        os.chown(other.folder, *owner)
    restored(place.backup().path, other)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in other.folder.rglob("*")}
    assert owners == {owner}


def test_empty_folders_and_an_empty_ledger_are_in_nobody_s_way(place: Place, other: Place) -> None:
    """As an installation leaves them before its first start."""
    for folder in (other.settings.schedules, other.settings.templates, other.settings.data):
        folder.mkdir()
    other.path.touch()
    restored(place.backup().path, other)
    assert plan_of(other) == plan_of(place)
    assert settled(other.path) == settled(place.path)


# -- what is there already -----------------------------------------------------


def in_the_way(place: Place, other: Place, name: str) -> None:
    """One thing of its own on the other machine."""
    path = other.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith("sqlite3"):
        other.ledger().close()
    else:
        path.write_text("mine")


IN_THE_WAY = [
    "var/ledger.sqlite3",
    "var/ledger.sqlite3-wal",
    "schedules/plan.yaml",
    "message_templates/wording.yaml",
    "var/keys/links-0",
    "schedules",
]


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_nothing_that_is_there_is_overwritten(place: Place, other: Place, name: str) -> None:
    """It says what is there and how to go on, and leaves everything as it was."""
    in_the_way(place, other, name)
    before = other.everything()
    with pytest.raises(BackupError, match=r"已有 .*没有覆盖.*--move-aside"):
        restored(place.backup().path, other)
    assert other.everything() == before


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_moved_aside_it_is_all_still_there(place: Place, other: Place, name: str) -> None:
    """Under a name that says when and why; and what is restored is whole."""
    in_the_way(place, other, name)
    before = {data for data in other.everything().values() if data != b"/"}
    done = restored(place.backup().path, other, move_aside=True)
    assert settled(other.path) == settled(place.path)
    assert plan_of(other) == plan_of(place)
    after = other.everything()
    assert before <= set(after.values())
    aside = [name for name in after if "before-restore-20260613T010000Z" in name]
    assert aside
    for was, now in done.aside:
        assert now.exists()
        assert now.parent == was.parent


def test_a_ledger_moved_aside_takes_its_log_along(place: Place, other: Place) -> None:
    """Left by a killed daemon, the log holds the newest records; under the new name they are read."""
    other.fill(1)
    connection = sqlite3.connect(other.path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("INSERT INTO ledger_info VALUES ('last', 'word')")
    connection.commit()
    saved = other.folder / "saved"
    saved.mkdir()
    for suffix in ("", "-wal", "-shm"):  # as they lie there while it is open
        shutil.copy(f"{other.path}{suffix}", saved)
    connection.close()
    for path in saved.iterdir():
        shutil.copy(path, other.settings.data)
    done = restored(place.backup().path, other, move_aside=True)
    (aside,) = [now for was, now in done.aside if was == other.path]
    connection = sqlite3.connect(aside)
    assert connection.execute("SELECT value FROM ledger_info WHERE key = 'last'").fetchone() == ("word",)
    connection.close()
    assert settled(other.path) == settled(place.path)


def test_twice_in_one_second_nothing_is_lost(place: Place, other: Place) -> None:
    """The names differ."""
    archive = place.backup().path
    for _ in range(3):
        restored(archive, other, move_aside=True)
    assert len(list(other.settings.data.glob("ledger.sqlite3.before-restore-*"))) == 2
    assert len(list(other.folder.glob("schedules.before-restore-*"))) == 2


def test_the_plan_can_be_left_alone(place: Place, other: Place) -> None:
    """Kept in a repository or mounted read-only, it is not touched."""
    in_the_way(place, other, "schedules/plan.yaml")
    before = (other.settings.schedules / "plan.yaml").read_bytes()
    targets = other.targets
    targets = Targets(targets.ledger, None, None, targets.keys, targets.high_water, targets.lock)
    done = restore_backup(place.backup().path, targets, LATER)
    assert done.placed == (other.settings.keys, other.path)
    assert (other.settings.schedules / "plan.yaml").read_bytes() == before
    assert not other.settings.templates.exists()
    assert settled(other.path) == settled(place.path)


def test_a_link_in_the_plan_s_place_is_moved_and_not_followed(place: Place, other: Place) -> None:
    """What it leads to stays as it is."""
    elsewhere = other.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plan.yaml").write_text("mine")
    other.settings.schedules.symlink_to(elsewhere)
    restored(place.backup().path, other, move_aside=True)
    assert (elsewhere / "plan.yaml").read_text() == "mine"
    assert plan_of(other) == plan_of(place)


# -- the mark --------------------------------------------------------------------


def test_a_machine_without_a_mark_gets_one(place: Place, other: Place) -> None:
    """So that a ledger deleted afterwards is missed."""
    restored(place.backup().path, other)
    with other.ledger() as ledger:
        standing = ledger.holds.standing()
    found = read_mark(other.settings.high_water)
    assert found is not None
    assert found.mark.identity == standing.identity


def test_a_mark_that_is_there_stays(place: Place, other: Place) -> None:
    """It knows how far the ledger had come that was here before."""
    other.settings.data.mkdir()
    mark = Mark("before", 99, 98, "2026-06-10T01:00:00+00:00", live=True)
    write_mark(other.settings.high_water, mark)
    restored(place.backup().path, other)
    found = read_mark(other.settings.high_water)
    assert found is not None
    assert (found.mark.identity, found.mark.changes, found.mark.live) == ("before", 99, True)


# -- refused, with everything as it was ------------------------------------------


def refused(
    archive: Path, other: Place, error: type[ReminderError], words: str, *, aside: bool = True
) -> None:
    before = other.everything()
    with pytest.raises(error, match=words):
        restored(archive, other, move_aside=aside)
    assert other.everything() == before


@pytest.mark.parametrize("filled", [False, True])
def test_a_damaged_archive_changes_nothing(place: Place, other: Place, filled: bool) -> None:
    """One byte of it is enough; on a machine in use as on an empty one."""
    archive = place.backup().path
    if filled:
        other.fill(1)
    whole = archive.read_bytes()
    for at in (0, 30, 100, len(whole) // 2, len(whole) - 1):
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        refused(archive, other, BackupDamaged, "没有恢复任何内容")
    archive.write_bytes(whole[:-1])
    refused(archive, other, BackupDamaged, "没有恢复任何内容")


def test_a_missing_archive_changes_nothing(other: Place) -> None:
    refused(other.folder / "nowhere", other, BackupError, "没有这个文件")


def test_a_running_daemon_keeps_its_folder(place: Place, other: Place) -> None:
    """Whoever holds the lock, in whatever process; it says which."""
    archive = place.backup().path
    other.fill(1)
    with DataFolderLock(other.settings.lock):
        refused(archive, other, UsageError, f"守护进程在运行（进程号 {os.getpid()}）")
    restored(archive, other, move_aside=True)


def rebuilt(archive: Path, to: Path, change: Callable[[Path], None]) -> Path:
    """The same backup with another ledger in it, all sums right: as another version would have made it."""
    folder = to.with_name("unpacked")
    shutil.unpack_archive(archive, folder, "gztar", filter="data")
    change(folder / "ledger.sqlite3")
    manifest = Manifest.from_bytes((folder / "manifest.json").read_bytes())
    data = (folder / "ledger.sqlite3").read_bytes()
    members = tuple(
        Member(each.name, len(data), hashlib.sha256(data).hexdigest())
        if each.name == "ledger.sqlite3"
        else each
        for each in manifest.members
    )
    object.__setattr__(manifest, "members", members)
    with to.open("w+b") as file:
        write_archive(file, manifest, lambda each: ((folder / each.name).read_bytes(),))
    return to


def sql(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(statement)
        connection.commit()
        connection.close()

    return change


def damage(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'refusals'").fetchone()
    connection.close()
    assert page <= pages
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


def garbage(path: Path) -> None:
    path.write_bytes(b"x" * 9000)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (sql("UPDATE alembic_version SET version_num = '0099'"), LedgerSchemaError, "更新的版本.*0099"),
        (sql("UPDATE ledger_info SET value = 'simulation' WHERE key = 'kind'"), LedgerKindError, "模拟台账"),
        (sql("UPDATE ledger_info SET value = 'x' WHERE key = 'identity'"), BackupDamaged, "台账与清单不符"),
        (sql("UPDATE ledger_info SET value = '1' WHERE key = 'changes'"), BackupDamaged, "台账与清单不符"),
        (sql("DROP TABLE ledger_info"), LedgerCorrupt, "完整性检查.*换用另一份备份"),
        (garbage, LedgerCorrupt, "完整性检查.*换用另一份备份"),
        (damage, LedgerCorrupt, "完整性检查.*换用另一份备份"),
    ],
)
def test_a_ledger_that_cannot_be_taken_changes_nothing(
    place: Place, other: Place, change: Callable[[Path], None], error: type[ReminderError], words: str
) -> None:
    """Whatever the manifest says of it: what counts is the ledger itself."""
    archive = rebuilt(place.backup().path, place.folder / "rebuilt.tar.gz", change)
    refused(archive, other, error, words)
    other.fill(1)
    refused(archive, other, error, words)


def test_a_newer_schema_is_refused_before_anything_is_unpacked(
    place: Place, other: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest tells; which program to use is said."""
    monkeypatch.setattr(schema, "HEAD", "9000")
    connection = sqlite3.connect(place.path)
    connection.execute("UPDATE alembic_version SET version_num = '9000'")
    connection.commit()
    connection.close()
    archive = create_backup(place.sources, place.folder / "newer.tar.gz", NOW).path
    monkeypatch.undo()
    refused(archive, other, LedgerSchemaError, f"结构版本 9000，本程序只认到 {schema.HEAD}.*没有恢复任何内容")


def test_a_disk_too_small_is_seen_before_it_is_filled(
    place: Place, other: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = place.backup().path
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    refused(archive, other, BackupError, "恢复需要 1\\d MB.*清理磁盘")


def test_places_that_lie_in_one_another_are_refused(place: Place, other: Place) -> None:
    """Templates inside of the plan's folder, or the data: one would be moved away with the other."""
    archive = place.backup().path
    base = other.targets
    for targets in (
        Targets(base.ledger, base.schedules, base.schedules, base.keys, base.high_water, base.lock),
        Targets(base.ledger, other.folder, base.templates, base.keys, base.high_water, base.lock),
        Targets(base.ledger, base.ledger.parent, base.templates, base.keys, base.high_water, base.lock),
    ):
        with pytest.raises(BackupError, match="重叠"):
            restore_backup(archive, targets, LATER)
    assert other.everything() == {}


@pytest.mark.parametrize("failing", range(9))
@pytest.mark.parametrize("filled", [False, True])
def test_whichever_step_fails_everything_is_as_it_was(
    place: Place, other: Place, monkeypatch: pytest.MonkeyPatch, failing: int, filled: bool
) -> None:
    """The n-th change of a name is refused by the system; what came before it is taken back."""
    archive = place.backup().path
    if filled:
        other.fill(1)
    before = other.everything()
    rename, count = Path.rename, 0

    def refusing(path: Path, to: Path) -> Path:
        nonlocal count
        count += 1
        if count == failing + 1:
            raise OSError(16, "Device or resource busy", str(path))
        return rename(path, to)

    monkeypatch.setattr(restoring.Path, "rename", refusing)
    steps = 8 if filled else 4
    if failing < steps:
        with pytest.raises(BackupError, match=r"没有恢复任何内容.*一切如前"):
            restored(archive, other, move_aside=True)
        assert other.everything() == before
    else:
        restored(archive, other, move_aside=True)
        assert settled(other.path) == settled(place.path)


def test_what_cannot_be_put_back_is_named(
    place: Place, other: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that turned read-only in the middle: nothing is lost, and it says where it is."""
    archive = place.backup().path
    other.fill(1)
    rename, count = Path.rename, 0

    def refusing(path: Path, to: Path) -> Path:
        nonlocal count
        count += 1
        if count > 2:
            raise OSError(30, "Read-only file system", str(path))
        return rename(path, to)

    monkeypatch.setattr(restoring.Path, "rename", refusing)
    with pytest.raises(BackupError, match=r"未能放回原处.*before-restore.*改回原名"):
        restored(archive, other, move_aside=True)
    (aside,) = other.settings.data.glob("ledger.sqlite3.before-restore-*")
    assert aside.stat().st_size > 0


# -- afterwards --------------------------------------------------------------------


def test_an_older_schema_migrates_at_the_next_start_after_a_copy(
    place: Place, other: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Restored as it was; then opened by the newer program: still on hold, with every record."""
    archive = place.backup().path
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "r9000.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "9000"\ndown_revision = "{schema.HEAD}"\n\n\n'
        "def upgrade():\n"
        '    with op.batch_alter_table("deliveries") as batch:\n'
        '        batch.add_column(sa.Column("remark", sa.Text(), nullable=True))\n'
    )
    present = schema.HEAD
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "HEAD", "9000")
    monkeypatch.setattr(restoring, "HEAD", "9000")
    restored(archive, other)
    connection = sqlite3.connect(other.path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (present,)
    connection.close()
    assert settled(other.path) == {f"x/2026#{number}" for number in range(3)}
    with Ledger.open(other.path, kind=LedgerKind.DAEMON, now=LATER) as ledger:
        hold = ledger.holds.standing().hold
    assert hold is not None
    assert hold.reason is HoldReason.RESTORED
    assert len(list(other.settings.data.glob(f"ledger.sqlite3.{present}.*.bak"))) == 1


def test_a_backup_of_a_restored_machine_restores_again(place: Place, other: Place, tmp_path: Path) -> None:
    """Round and round, nothing is added and nothing lost."""
    restored(place.backup().path, other)
    note(other.path, "here too")
    third = Place(tmp_path / "third")
    third.folder.mkdir()
    restored(other.backup().path, third)
    assert settled(third.path) == settled(place.path)
    assert plan_of(third) == plan_of(place)
