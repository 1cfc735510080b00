"""Saving: whole or not at all, checked, over nobody's change, and every state kept."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from reminder.editing.errors import EditRefused, Stale, Unchanged
from reminder.editing.history import keep_adopted
from reminder.editing.workshop import Faulty
from reminder.ledger.file_versions import VersionKind
from reminder.watch import STILL_SECONDS, Watcher
from tests.editing.conftest import Office

LATER = ("closes: 2026-06-10", "closes: 2026-06-26")


def test_a_check_changes_nothing_and_tells_what_would_move(office: Office) -> None:
    before = office.text()
    trial = office.workshop().trial("plan.yaml", before.replace(*LATER).encode(), office.now)
    assert not trial.problems
    assert [(str(m.before.date()), str(m.alarm.at.date())) for m in trial.changes.moved] == [
        ("2026-06-10", "2026-06-26")
    ]
    assert not trial.changes.added
    assert not trial.changes.removed
    assert office.text() == before
    assert office.ledger.files.every("test") == []


def test_what_is_saved_stands_in_the_file_with_its_mode_and_among_the_versions(office: Office) -> None:
    before, after = office.text(), office.text().replace(*LATER)
    office.path().chmod(0o644)
    number = office.save(after, remark="推迟")
    assert office.text() == after
    assert office.path().stat().st_mode & 0o777 == 0o644
    saved, found = office.ledger.files.every("test", "plan.yaml")
    assert (saved.id, saved.kind, saved.author, saved.remark) == (
        number,
        VersionKind.SAVED,
        "p-clerk",
        "推迟",
    )
    assert (found.kind, found.author) == (VersionKind.FOUND, "files")
    assert office.ledger.files.content("test", found.sha256) == before.encode()
    there = {path.name for path in office.path().parent.iterdir()}
    assert there == {"channels.yaml", "directory.yaml", "plan.yaml"}


def test_two_editors_the_second_is_refused(office: Office) -> None:
    opened = office.sha()
    office.save(office.text().replace(*LATER), base=opened)
    first = office.text()
    with pytest.raises(Stale, match="已被别人改过"):
        office.save(first.replace("2026-06-01", "2026-06-02"), base=opened)
    assert office.text() == first


def test_a_file_that_was_changed_outside_is_not_overwritten(office: Office) -> None:
    opened = office.sha()
    outside = office.text() + "# 编辑器里加的一行\n"
    office.path().write_text(outside)
    with pytest.raises(Stale):
        office.save(outside.replace(*LATER), base=opened)
    assert office.text() == outside


def test_of_many_who_save_at_once_over_the_same_file_one_does(office: Office) -> None:
    opened, text = office.sha(), office.text()
    outcomes: list[str] = []

    def save(day: int) -> None:
        try:
            office.save(text.replace("closes: 2026-06-10", f"closes: 2026-06-{day}"), base=opened)
            outcomes.append("saved")
        except Stale:
            outcomes.append("stale")

    threads = [threading.Thread(target=save, args=(day,)) for day in range(11, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved"] + ["stale"] * 5
    assert office.ledger.files.latest("test")["plan.yaml"] == office.sha()


def test_errors_are_all_told_with_their_places_and_nothing_is_written(office: Office) -> None:
    before = office.text()
    wrong = before.replace("basis: 拟", "basis: 假").replace("to: person:p-office", "to: person:nobody")
    with pytest.raises(Faulty) as caught:
        office.save(wrong)
    lines = wrong.splitlines()
    errors = caught.value.trial.errors
    assert {lines[each.position.line - 1].strip() for each in errors} == {"basis: 假", "to: person:nobody"}
    assert all(each.position.column for each in errors)
    assert office.text() == before
    assert office.ledger.files.every("test") == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("...\n", ""), "文件末尾没有“...”这一行"),
        (("id: test", "id: another"), "plan.id 由“test”变成了“another”"),
        (("items:", "items: ["), ""),
    ],
)
def test_what_the_plan_in_force_forbids_is_not_saved(
    office: Office, change: tuple[str, str], found: str
) -> None:
    before = office.text()
    with pytest.raises(Faulty) as caught:
        office.save(before.replace(*change))
    assert any(found in each.found for each in caught.value.trial.errors)
    assert office.text() == before


def test_an_error_elsewhere_that_was_there_before_does_not_keep_a_file_from_being_mended(
    office: Office,
) -> None:
    for name, change in (("plan.yaml", ("basis: 拟", "basis: 假")), ("channels.yaml", ("2525", "x"))):
        office.path(name).write_text(office.text(name).replace(*change))
    office.save(office.text().replace("basis: 假", "basis: 明"))
    with pytest.raises(Faulty):
        office.save(office.text().replace("basis: 明", "basis: 错"))
    assert "basis: 明" in office.text()


def test_the_same_again_is_nothing_to_save(office: Office) -> None:
    with pytest.raises(Unchanged):
        office.save(office.text())
    assert office.ledger.files.every("test") == []


def test_any_version_can_be_gone_back_to(office: Office) -> None:
    first = office.text()
    office.save(first.replace(*LATER))
    office.save(office.text().replace("title: 事项public", "title: 另一个名字"))
    oldest = office.ledger.files.every("test", "plan.yaml")[-1]
    content = office.ledger.files.content("test", oldest.sha256)
    assert content is not None
    office.save(content.decode(), remark="恢复")
    assert office.text() == first
    kinds = [each.kind for each in office.ledger.files.every("test", "plan.yaml")]
    assert kinds == [VersionKind.SAVED] * 3 + [VersionKind.FOUND]


def test_what_was_adopted_from_outside_is_a_version_too(office: Office) -> None:
    assert keep_adopted(office.ledger, office.edition, office.shelf, office.now) > 3
    assert keep_adopted(office.ledger, office.edition, office.shelf, office.now) == 0
    # Changed since it was read: that is not what was adopted.
    office.path().write_text(office.text().replace(*LATER))
    assert keep_adopted(office.ledger, office.edition, office.shelf, office.now) == 0
    names = set(office.ledger.files.latest("test"))
    assert {"plan.yaml", "directory.yaml", "templates/general/words.j2", "templates/wording.yaml"} <= names


def test_a_year_that_is_not_there_yet_is_made(office: Office) -> None:
    text = "year: 2027\ndays:\n"
    for name, day in (
        ("元旦", "01-01"),
        ("春节", "02-06"),
        ("清明", "04-05"),
        ("劳动节", "05-01"),
        ("端午", "06-09"),
        ("中秋", "09-15"),
        ("国庆", "10-01"),
    ):
        text += f"  - name: {name}\n    date: 2027-{day}\n    isOffDay: true\n"
    office.save(text + "...\n", name="calendar/2027.yaml", base="")
    assert office.path("calendar/2027.yaml").read_text() == text + "...\n"
    with pytest.raises(Stale):
        office.save(text + "...\n", name="calendar/2027.yaml", base="")


def test_a_folder_that_cannot_be_written_leaves_the_file_and_says_so(office: Office) -> None:
    before = office.text()
    # A folder in the place of the scratch file is in the way also for root.
    (office.path().parent / ".plan.yaml.saving").mkdir()
    with pytest.raises(EditRefused, match="没有保存；文件还是原来的"):
        office.save(before.replace(*LATER))
    assert office.text() == before


KILLED = """
import os, sys
from pathlib import Path
from datetime import datetime, UTC
from reminder.agenda.facts import NOTHING
from reminder.check import examine
from reminder.editing.shelf import Shelf
from reminder.editing.workshop import Workshop
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind

folder = Path(sys.argv[1])
shelf = Shelf(folder / "schedules", folder / "message_templates")
edition = examine(shelf.schedules, shelf.templates).edition
now = datetime(2026, 6, 1, 1, tzinfo=UTC)
ledger = Ledger.open(folder / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=now)
document = shelf.read("plan.yaml")
content = document.content.replace(b"closes: 2026-06-10", b"closes: 2026-06-26")

def killed(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("plan.yaml"):
        assert Path(arguments[0]).read_bytes() == content
        os.kill(os.getpid(), 9)

sys.addaudithook(killed)
Workshop(shelf, ledger, edition, NOTHING).save(
    "plan.yaml", document.sha256, content, by="p-clerk", remark="", now=now
)
"""


def test_killed_before_the_exchange_the_old_file_stands_and_the_next_save_goes_through(
    office: Office,
) -> None:
    before = office.text()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(office.folder)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()
    assert office.text() == before
    assert (office.path().parent / ".plan.yaml.saving").exists()
    office.save(before.replace(*LATER))
    assert office.text() == before.replace(*LATER)
    assert not (office.path().parent / ".plan.yaml.saving").exists()


def test_the_daemons_watcher_sees_one_whole_change(office: Office) -> None:
    watcher = Watcher([office.shelf.schedules, office.shelf.templates])
    stop, torn = threading.Event(), []
    before, after = office.text(), office.text().replace(*LATER)

    def look() -> None:
        while not stop.is_set():
            if (text := office.text()) not in (before, after):
                torn.append(text)

    reader = threading.Thread(target=look)
    reader.start()
    office.save(after)
    stop.set()
    reader.join()
    assert not torn
    moments = (0.0, STILL_SECONDS / 2, STILL_SECONDS, STILL_SECONDS * 2, STILL_SECONDS * 3)
    seen = [watcher.at_rest(moment) for moment in moments]
    assert seen == [False, False, True, False, False]
