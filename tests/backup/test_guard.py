"""An old ledger that returns is noticed, whichever way it comes; the newest never is taken for one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.backup import highwater
from reminder.backup.guard import STILL_SECONDS, Guard, LedgerChanging, hold_of, open_ledger
from reminder.backup.highwater import Mark, read_mark, write_mark
from reminder.ledger.errors import LedgerCorrupt, LedgerError, LedgerGone, LedgerMissing
from reminder.ledger.holds import Hold, HoldReason, Release
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Note
from reminder.ledger.standing import standing_in_file
from tests.backup.conftest import LIVE, NOW, Place
from tests.editions import ROOT

LATER = NOW + timedelta(hours=3)


class Watch:
    """A ledger as a daemon has it: open, with the guard beside it, a tick after the other."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.guard = Guard(place.settings.high_water)
        self.ledger = open_ledger(place.path, place.settings.high_water, NOW)
        self.seconds = 0.0

    def tick(self) -> Hold | None:
        """A second later."""
        self.seconds += 1.0
        now = NOW + timedelta(seconds=self.seconds)
        return self.guard.check(self.ledger, now, self.seconds, live=True)

    def until_gone(self) -> None:
        """Tick until the file in its place is taken for another one."""
        for _ in range(int(STILL_SECONDS) + 1):
            with pytest.raises((LedgerChanging, LedgerGone)) as caught:
                self.tick()
            if caught.errisinstance(LedgerGone):
                return
        raise AssertionError("it was never set apart")

    def reopen(self) -> None:
        """As the daemon does when the file is another one."""
        self.ledger.abandon_log()
        ledger = open_ledger(self.place.path, self.place.settings.high_water, NOW, create=False)
        self.ledger.close()
        self.ledger = ledger

    def write(self, *numbers: int) -> None:
        for number in numbers:
            self.place.add(self.ledger, range(number, number + 1))

    def stop(self) -> None:
        self.guard.leave(self.ledger, LATER, live=True)
        self.ledger.close()


@pytest.fixture
def watch(place: Place) -> Iterator[Watch]:
    """Watched for a tick, with records 0 to 2."""
    started = Watch(place)
    assert started.tick() is None
    yield started
    started.ledger.close()


def reason(hold: Hold | None) -> HoldReason | None:
    return hold.reason if hold is not None else None


def whole_copy(place: Place, to: Path) -> Path:
    """Another program's consistent copy, as ``sqlite3 .backup`` makes it."""
    source, target = sqlite3.connect(place.path), sqlite3.connect(to)
    source.backup(target)
    source.close()
    target.close()
    return to


def put_into(source: Path, target: Path) -> None:
    """What ``cp`` does to a file that is there: the same file, other bytes."""
    with source.open("rb") as there, target.open("wb") as here:
        shutil.copyfileobj(there, here)


# -- all is well ---------------------------------------------------------------


def test_a_new_ledger_goes_on_and_gets_a_mark(other: Place) -> None:
    """From the very first tick, when all of it is still in SQLite's log."""
    watch = Watch(other)
    assert watch.tick() is None
    found = read_mark(other.settings.high_water)
    assert found is not None
    assert (found.copied, found.mark.live) == (False, True)
    assert watch.ledger.holds.standing().marked
    for number in range(5):
        watch.write(number)
        assert watch.tick() is None
    watch.stop()
    again = Watch(other)
    assert again.tick() is None
    again.stop()


def test_a_quiet_tick_writes_nothing(watch: Watch) -> None:
    """Neither the mark nor the ledger."""
    watch.tick()
    before = [path.stat().st_mtime_ns for path in sorted(watch.place.settings.data.iterdir())]
    for _ in range(5):
        watch.tick()
    assert [path.stat().st_mtime_ns for path in sorted(watch.place.settings.data.iterdir())] == before


def test_the_mark_follows_within_a_second(watch: Watch) -> None:
    watch.write(3, 4)
    watch.tick()
    found = read_mark(watch.place.settings.high_water)
    assert found is not None
    assert found.mark.changes == watch.ledger.holds.standing().changes


def test_a_ledger_ahead_of_its_mark_goes_on(watch: Watch) -> None:
    """Killed between a record and the mark: the ledger knows more, and that is enough."""
    watch.write(3)
    watch.ledger.close()
    assert Watch(watch.place).tick() is None


def test_a_ledger_from_before_there_were_marks_goes_on(place: Place) -> None:
    """Upgraded: it has neither identity nor count, and gets both."""
    connection = sqlite3.connect(place.path)
    connection.execute("DELETE FROM ledger_info WHERE key NOT IN ('kind', 'created')")
    connection.commit()
    connection.close()
    watch = Watch(place)
    for number in range(3, 6):
        assert watch.tick() is None
        watch.write(number)
    assert watch.ledger.holds.standing().identity != ""
    watch.stop()


def test_folding_the_log_in_is_no_other_ledger(watch: Watch) -> None:
    """The file changes by itself, forward: by our own hand or another program's."""
    for number in range(3, 9):
        watch.write(number)
        connection = sqlite3.connect(watch.place.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        assert watch.tick() is None
    connection = sqlite3.connect(watch.place.path)
    connection.execute("VACUUM")
    connection.close()
    assert watch.tick() is None


def test_no_false_alarm_under_a_writer_that_never_rests(watch: Watch) -> None:
    """Two thousand commits, the log folded in again and again, and a look between any two."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(2000):
                if stop.is_set():
                    return
                detail = {"x": "y" * 3000}
                watch.ledger.note("test", Note("test", NOW, "test", detail))
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    try:
        while writer.is_alive():
            assert watch.tick() is None
            looks += 1
    finally:
        stop.set()
        writer.join()
    assert failures == []
    assert looks > 50


# -- an old one in its place while nobody runs ---------------------------------


def test_an_older_copy_is_noticed_at_the_start(place: Place, tmp_path: Path) -> None:
    """Behind the mark; it is held, and stays held whatever is recorded meanwhile."""
    watch = Watch(place)
    watch.tick()
    old = whole_copy(place, tmp_path / "old")
    watch.write(3)
    watch.tick()
    watch.stop()
    shutil.copy(old, place.path)
    again = Watch(place)
    hold = again.tick()
    assert reason(hold) is HoldReason.OLDER
    for _ in range(30):
        again.ledger.note("test", Note("test", NOW, "test"))
    assert again.tick() == hold
    again.stop()
    third = Watch(place)
    assert third.tick() == hold
    third.stop()


def test_the_newest_put_back_goes_on(place: Place, tmp_path: Path) -> None:
    """Taken away and brought back, nothing is missing: nobody is asked."""
    watch = Watch(place)
    watch.write(3)
    watch.tick()
    watch.stop()
    copy = shutil.copy(place.path, tmp_path / "copy")
    place.path.unlink()
    shutil.copy(copy, place.path)
    again = Watch(place)
    assert again.tick() is None
    again.stop()


def test_another_office_s_ledger_is_noticed(watch: Watch, other: Place) -> None:
    """However many records it has."""
    watch.stop()
    other.fill(50)
    shutil.copy(other.path, watch.place.path)
    again = Watch(watch.place)
    assert reason(again.tick()) is HoldReason.OTHER
    again.stop()


def test_an_empty_new_ledger_is_noticed(watch: Watch) -> None:
    """Made by hand, or by a version that knew no marks."""
    watch.stop()
    watch.place.path.unlink()
    Ledger.open(watch.place.path, kind=LedgerKind.DAEMON, now=NOW).close()
    again = Watch(watch.place)
    assert reason(again.tick()) is HoldReason.OTHER
    again.stop()


def test_a_copy_out_of_a_backup_is_noticed_even_without_a_mark(place: Place, other: Place) -> None:
    """It carries its hold in itself."""
    archive = place.backup().path
    shutil.unpack_archive(archive, other.folder / "x", "gztar", filter="data")
    other.settings.data.mkdir()
    shutil.copy(other.folder / "x" / "ledger.sqlite3", other.path)
    watch = Watch(other)
    assert reason(watch.tick()) is HoldReason.COPY
    watch.stop()


@pytest.mark.parametrize("keep_times", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_whole_data_folder_put_back_is_noticed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool, keep_times: bool
) -> None:
    """The mark comes back with the ledger and agrees with it; but it was not born when it says."""
    monkeypatch.setattr(highwater, "COPIED_AFTER_SECONDS", 0.0)
    watch = Watch(place)
    watch.tick()
    watch.stop()
    saved = shutil.copytree(place.settings.data, tmp_path / "saved")
    later = Watch(place)
    later.write(3)
    later.tick()
    later.stop()
    copy = shutil.copy2 if keep_times else shutil.copy
    if not in_place:
        shutil.rmtree(place.settings.data)
    shutil.copytree(saved, place.settings.data, dirs_exist_ok=in_place, copy_function=copy)
    again = Watch(place)
    assert reason(again.tick()) is HoldReason.MOVED
    again.stop()


def test_a_folder_that_is_only_renamed_goes_on(watch: Watch) -> None:
    """Moved on the same disk it is the same."""
    watch.stop()
    moved = Place(watch.place.folder.with_name("moved"))
    watch.place.folder.rename(moved.folder)
    again = Watch(moved)
    assert again.tick() is None
    again.stop()


def test_where_no_birth_is_told_the_count_alone_decides(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that does not know it, a moved folder goes on and an older ledger does not."""
    monkeypatch.setattr(highwater, "_born", lambda _: None)
    watch.stop()
    moved = Place(tmp_path / "moved")
    shutil.copytree(watch.place.folder, moved.folder)
    again = Watch(moved)
    assert again.tick() is None
    again.stop()


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"identity": "x"}'])
def test_a_ledger_parted_from_its_mark_is_noticed(watch: Watch, text: str | None) -> None:
    """The ledger alone on another machine; or the mark lost, or damaged."""
    watch.stop()
    mark = watch.place.settings.high_water
    mark.unlink()
    if text is not None:
        mark.write_text(text)
    again = Watch(watch.place)
    assert reason(again.tick()) is HoldReason.MOVED
    again.stop()


@pytest.mark.parametrize("empty", [False, True])
def test_a_ledger_that_is_missed_is_not_made_anew(watch: Watch, empty: bool) -> None:
    """Gone or emptied, where a mark says that there was one: it says what to do, and makes nothing."""
    watch.stop()
    watch.place.path.unlink()
    if empty:
        watch.place.path.touch()
    before = watch.place.everything()
    with pytest.raises(LedgerMissing, match=r"表明这里有过台账.*reminder restore.*移走"):
        open_ledger(watch.place.path, watch.place.settings.high_water, NOW)
    assert watch.place.everything() == before
    watch.place.settings.high_water.unlink()
    open_ledger(watch.place.path, watch.place.settings.high_water, NOW).close()


# -- an old one in its place while it runs -------------------------------------


def test_an_older_one_moved_into_its_place_is_noticed(watch: Watch, tmp_path: Path) -> None:
    """``mv``: another file. Its own log is out of the way, and kept."""
    old = whole_copy(watch.place, tmp_path / "old")
    watch.write(3)
    watch.tick()
    old.replace(watch.place.path)
    with pytest.raises(LedgerGone, match="换成了另一个文件"):
        watch.tick()
    watch.reopen()
    assert reason(watch.tick()) is HoldReason.OLDER
    assert watch.ledger.settled("test", LIVE) == {f"x/2026#{number}" for number in range(3)}
    assert watch.ledger.integrity() == []
    assert watch.place.path.with_name("ledger.sqlite3-wal.lost").exists()


@pytest.mark.parametrize("folded", [False, True])
def test_an_older_one_copied_over_it_is_noticed(watch: Watch, tmp_path: Path, folded: bool) -> None:
    """``cp``: the same file with other bytes, which SQLite would read through its log and never notice."""
    old = whole_copy(watch.place, tmp_path / "old")
    watch.write(3, 4, 5)
    watch.tick()
    if folded:
        connection = sqlite3.connect(watch.place.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        watch.tick()
    else:
        # Nothing of it is in the file yet: what comes is no older than that, and is told by its hold.
        shutil.unpack_archive(watch.place.backup().path, tmp_path / "x", "gztar", filter="data")
        old = tmp_path / "x" / "ledger.sqlite3"
        watch.write(6)
        watch.tick()
    put_into(old, watch.place.path)
    watch.until_gone()
    watch.reopen()
    assert reason(watch.tick()) in (HoldReason.OLDER, HoldReason.COPY)
    assert watch.ledger.integrity() == []
    assert "x/2026#6" not in watch.ledger.settled("test", LIVE)


def test_a_copy_in_progress_is_waited_for(watch: Watch, tmp_path: Path) -> None:
    """Written in pieces over several seconds: nothing is sent, and the whole of it is taken in the end."""
    for number in range(3, 200):
        watch.write(number)
    connection = sqlite3.connect(watch.place.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    old = whole_copy(watch.place, tmp_path / "old").read_bytes()
    watch.write(200)
    connection = sqlite3.connect(watch.place.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    watch.tick()
    inode = watch.place.path.stat().st_ino
    step = len(old) // 4 + 1
    with watch.place.path.open("wb", buffering=0) as file:
        for start in range(0, len(old), step):
            file.write(old[start : start + step])
            with pytest.raises(LedgerError):
                watch.tick()
            assert watch.place.path.stat().st_ino == inode
    watch.until_gone()
    watch.reopen()
    assert reason(watch.tick()) is HoldReason.OLDER
    assert watch.ledger.integrity() == []
    assert len(watch.ledger.settled("test", LIVE)) == 200


def test_the_right_one_put_back_over_a_wrong_one_goes_on(watch: Watch, tmp_path: Path) -> None:
    """Noticed, and mended by whoever did it: nobody is asked, nothing is restarted."""
    old = whole_copy(watch.place, tmp_path / "old")
    watch.write(3)
    watch.tick()
    right = whole_copy(watch.place, tmp_path / "right")
    old.replace(watch.place.path)
    with pytest.raises(LedgerGone):
        watch.tick()
    watch.reopen()
    assert reason(watch.tick()) is HoldReason.OLDER
    put_into(right, watch.place.path)
    watch.until_gone()
    watch.reopen()
    assert watch.tick() is None
    assert "x/2026#3" in watch.ledger.settled("test", LIVE)


def test_a_deleted_one_is_missed_and_an_older_one_restored_is_held(watch: Watch, tmp_path: Path) -> None:
    """``rm``, later ``cp``: never an empty one in between."""
    old = whole_copy(watch.place, tmp_path / "old")
    watch.write(3)
    watch.tick()
    watch.place.path.unlink()
    with pytest.raises(LedgerGone, match="不见了"):
        watch.tick()
    with pytest.raises(LedgerMissing):
        watch.reopen()
    assert not watch.place.path.exists()
    shutil.copy(old, watch.place.path)
    with pytest.raises(LedgerGone):
        watch.tick()
    watch.reopen()
    assert reason(watch.tick()) is HoldReason.OLDER
    assert watch.ledger.integrity() == []


@pytest.mark.parametrize("everything", [False, True])
def test_garbage_over_it_is_trouble_and_the_newest_over_that_goes_on(
    watch: Watch, tmp_path: Path, everything: bool
) -> None:
    """Overwritten in place, with log and index or alone; mended in place, without a restart."""
    watch.write(3)
    watch.tick()
    newest = whole_copy(watch.place, tmp_path / "newest")
    files = [watch.place.path]
    files += [watch.place.path.with_name(f"ledger.sqlite3-{each}") for each in ("wal", "shm") if everything]
    for file in files:
        with file.open("r+b") as there:
            there.write(os.urandom(max(4096, file.stat().st_size)))
    for _ in range(4):
        with pytest.raises(LedgerCorrupt):
            watch.tick()
    put_into(newest, watch.place.path)
    for _ in range(6):
        try:
            hold = watch.tick()
        except LedgerGone:
            watch.reopen()
        except LedgerError:
            continue
        else:
            break
    assert hold is None
    assert watch.ledger.integrity() == []
    assert watch.ledger.settled("test", LIVE) == {f"x/2026#{number}" for number in range(4)}
    watch.write(4)
    assert watch.tick() is None


def test_the_mark_deleted_under_a_running_daemon_comes_back(watch: Watch) -> None:
    """It knows itself how far it was."""
    watch.place.settings.high_water.unlink()
    assert watch.tick() is None
    assert read_mark(watch.place.settings.high_water) is not None


def test_an_older_mark_put_back_under_a_running_daemon_fools_nobody(watch: Watch, tmp_path: Path) -> None:
    """Ledger and mark together: the process knows better."""
    old = whole_copy(watch.place, tmp_path / "old")
    mark = watch.place.settings.high_water.read_bytes()
    watch.write(3)
    watch.tick()
    watch.place.settings.high_water.write_bytes(mark)
    old.replace(watch.place.path)
    with pytest.raises(LedgerGone):
        watch.tick()
    watch.reopen()
    assert reason(watch.tick()) is HoldReason.OLDER


# -- a log that a killed process left ------------------------------------------

KILLED = """
import os, sys
from pathlib import Path
from tests.backup.conftest import Place
from tests.backup.test_guard import Watch
watch = Watch(Place(Path(sys.argv[1])))
watch.tick()
watch.write(*range(3, 10))
watch.tick()
os._exit(9)
"""


@pytest.fixture
def killed(place: Place, tmp_path: Path) -> Place:
    """Killed with all its records in the log; ``old`` lies beside the folder."""
    whole_copy(place, tmp_path / "old")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(place.folder)], env=environment, check=False)
    assert done.returncode == 9
    assert place.path.with_name("ledger.sqlite3-wal").stat().st_size > 0
    return place


def test_its_own_log_is_read(killed: Place) -> None:
    """Nothing is lost, nobody is asked."""
    watch = Watch(killed)
    assert watch.tick() is None
    assert len(watch.ledger.settled("test", LIVE)) == 10
    watch.stop()


def test_an_older_file_beside_the_log_is_not_mixed_with_it(killed: Place, tmp_path: Path) -> None:
    """The log of the newer one would be played onto the older file, and be neither."""
    with Ledger.open(killed.path, kind=LedgerKind.DAEMON, now=NOW) as ledger:
        ledger.integrity()
        killed_standing = ledger.holds.standing()
        saved = {
            suffix: (killed.path.with_name(f"ledger.sqlite3{suffix}")).read_bytes() for suffix in ("-wal",)
        }
        in_file = standing_in_file(killed.path).changes
    assert in_file < killed_standing.changes
    # As if more had been folded in before the kill than the old file has.
    found = read_mark(killed.settings.high_water)
    assert found is not None
    write_mark(
        killed.settings.high_water, Mark(found.mark.identity, found.mark.changes, in_file + 2, "", live=True)
    )
    shutil.copy(tmp_path / "old", killed.path)
    killed.path.with_name("ledger.sqlite3-wal").write_bytes(saved["-wal"])
    watch = Watch(killed)
    assert reason(watch.tick()) is HoldReason.OLDER
    assert watch.ledger.settled("test", LIVE) == {f"x/2026#{number}" for number in range(3)}
    assert killed.path.with_name("ledger.sqlite3-wal.lost").exists()
    watch.stop()


def test_a_backup_s_copy_beside_the_log_is_not_mixed_with_it(killed: Place, other: Place) -> None:
    """Told by the hold that it carries and the log does not know."""
    log = killed.path.with_name("ledger.sqlite3-wal").read_bytes()
    main = killed.path.read_bytes()
    archive = killed.backup().path
    shutil.unpack_archive(archive, other.folder / "x", "gztar", filter="data")
    shutil.copy(other.folder / "x" / "ledger.sqlite3", killed.path)
    killed.path.with_name("ledger.sqlite3-wal").write_bytes(log)
    assert main != killed.path.read_bytes()
    watch = Watch(killed)
    assert reason(watch.tick()) is HoldReason.COPY
    assert watch.ledger.integrity() == []
    watch.stop()


# -- let go on -------------------------------------------------------------------


def released(watch: Watch, identity: str = "new") -> None:
    """As ``reminder resume`` does it, from another process: the mark first."""
    path = watch.place.settings.high_water
    write_mark(path, Mark(identity, watch.ledger.holds.standing().changes, 0, LATER.isoformat(), live=True))
    with Ledger.open(watch.place.path, kind=LedgerKind.DAEMON, now=LATER) as ledger:
        ledger.holds.release("test", LIVE, Release("机关党委办公室", None, (), (), identity), LATER)


def test_once_released_it_goes_on_at_the_next_tick(watch: Watch, tmp_path: Path) -> None:
    """And over a restart; what it was before is another ledger from now on."""
    old = whole_copy(watch.place, tmp_path / "old")
    watch.write(3)
    watch.tick()
    newest = whole_copy(watch.place, tmp_path / "newest")
    old.replace(watch.place.path)
    with pytest.raises(LedgerGone):
        watch.tick()
    watch.reopen()
    assert reason(watch.tick()) is HoldReason.OLDER
    assert reason(hold_of(watch.ledger, watch.place.settings.high_water, LATER)) is HoldReason.OLDER
    released(watch)
    for number in range(4, 8):
        assert watch.tick() is None
        watch.write(number)
        connection = sqlite3.connect(watch.place.path)
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        connection.close()
    watch.stop()
    again = Watch(watch.place)
    assert again.tick() is None
    again.stop()
    newest.replace(watch.place.path)
    third = Watch(watch.place)
    assert reason(third.tick()) is HoldReason.OTHER
    third.stop()


def test_a_hold_that_is_over_and_still_stands_in_the_file_is_no_other_ledger(
    place: Place, other: Place
) -> None:
    """Released with the daemon running, all in the log; killed; started: nobody is asked again."""
    shutil.unpack_archive(place.backup().path, other.folder / "x", "gztar", filter="data")
    other.settings.data.mkdir()
    shutil.copy(other.folder / "x" / "ledger.sqlite3", other.path)
    watch = Watch(other)
    assert reason(watch.tick()) is HoldReason.COPY
    reader = sqlite3.connect(other.path)  # somebody looks: nothing is folded in meanwhile
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM notes").fetchone()
    released(watch)
    assert standing_in_file(other.path).hold is not None
    assert watch.tick() is None
    second = Watch(other)
    assert second.tick() is None
    second.ledger.close()
    reader.close()
    watch.stop()


def test_a_hold_is_ended_once(watch: Watch) -> None:
    """By two people at the same time: the second is told."""
    with pytest.raises(LedgerError, match="没有暂停"):
        watch.ledger.holds.release("test", LIVE, Release("x", None, (), (), "new"), LATER)


# -- the mark itself -------------------------------------------------------------


def test_a_mark_that_cannot_be_written_stops_nothing(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once; a ledger ahead of its mark is as good."""

    def refuse(path: Path, mark: Mark) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("reminder.backup.guard.write_mark", refuse)
    for number in range(3, 7):
        watch.write(number)
        assert watch.tick() is None
    assert [record.message for record in caplog.records].count("mark not written") == 1
    monkeypatch.undo()
    watch.write(7)
    assert watch.tick() is None
    found = read_mark(watch.place.settings.high_water)
    assert found is not None
    assert found.mark.changes == watch.ledger.holds.standing().changes


def test_a_mark_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle leaves the old one."""
    path = tmp_path / "high-water.json"
    write_mark(path, Mark("a", 1, 0, "x"))
    before = path.read_bytes()

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_mark(path, Mark("a", 2, 0, "x"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert json.loads(before)["identity"] == "a"
