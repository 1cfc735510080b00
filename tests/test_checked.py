"""What was looked through whole is not rendered again at every start; whatever is not the same is."""

from __future__ import annotations

from pathlib import Path
from typing import Never

import pytest

from reminder import check, checked
from reminder.checked import note_checked, was_checked, was_linked_otherwise
from reminder.cli.planning import edition_of
from reminder.settings import Settings
from tests.editions import TEMPLATES
from tests.plans import item_yaml, write_plan

RUNG = "- from: due\n  workdays: 0\n  to: person:p-office\n"


def test_it_is_known_by_this_program_and_this_digest_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checked.json"
    assert not was_checked(file, "a", None)
    note_checked(file, "a", None)
    assert was_checked(file, "a", None)
    assert not was_checked(file, "b", None)
    note_checked(file, "b", None)
    assert (was_checked(file, "a", None), was_checked(file, "b", None)) == (False, True)
    monkeypatch.setattr(checked, "__version__", "99.0")
    assert not was_checked(file, "b", None)
    assert [each.name for each in tmp_path.iterdir()] == ["checked.json"]


def test_texts_with_links_are_others_than_those_without(tmp_path: Path) -> None:
    file = tmp_path / "checked.json"
    assert not was_linked_otherwise(file, "https://x.example.com"), "nobody knows"
    note_checked(file, "a", None)
    assert was_linked_otherwise(file, "https://x.example.com")
    assert not was_linked_otherwise(file, None)
    assert not was_checked(file, "a", "https://x.example.com")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"edition": "a"}'])
def test_a_harmed_note_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "checked.json"
    file.write_bytes(content)
    assert not was_checked(file, "a", None)


def test_where_nothing_can_be_written_it_is_looked_through_again(tmp_path: Path) -> None:
    note_checked(tmp_path / "missing" / "checked.json", "a", None)
    assert not was_checked(tmp_path / "missing" / "checked.json", "a", None)


def test_a_plan_is_looked_through_until_it_is_noted_and_when_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(schedules=tmp_path / "schedules", templates=TEMPLATES, data=tmp_path)
    write_plan(settings.schedules, item_yaml("x", "date: 2026-06-10", RUNG))
    edition = edition_of(settings)

    class Looked(Exception):
        pass

    def look(_edition: object) -> Never:
        raise Looked

    monkeypatch.setattr(check, "_of_edition", look)
    with pytest.raises(Looked):
        edition_of(settings)
    note_checked(settings.checked, edition.digest, None)
    assert edition_of(settings).digest == edition.digest
    with pytest.raises(Looked):
        edition_of(settings, whole=True)
    write_plan(settings.schedules, item_yaml("y", "date: 2026-06-10", RUNG))
    with pytest.raises(Looked):
        edition_of(settings)
