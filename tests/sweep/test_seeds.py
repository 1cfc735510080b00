"""The file of seeds: for the daemon alone, whole or not at all, and silent about what it holds."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from reminder.sweep.seeds import Seed, SeedFile, SeedsBroken, SeedsUnreadable
from tests.plans import at

ONE = Seed("check", "2026Q2", bytes(range(32)))
OTHER = Seed("check", "2026Q3", bytes(range(1, 33)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "keys" / "draws.json"


def test_what_was_kept_is_given_back_in_order(path: Path) -> None:
    SeedFile(path).add(ONE)
    SeedFile(path).add(OTHER)
    assert SeedFile(path).read() == (ONE, OTHER)
    assert [each.name for each in path.parent.iterdir()] == ["draws.json"]


def test_there_is_nothing_before_the_first(path: Path) -> None:
    assert SeedFile(path).read() == ()
    assert not path.parent.exists()


def test_only_the_daemons_user_may_read_it(path: Path) -> None:
    """Whatever the umask says, and also when a file with other rights lay there."""
    path.parent.mkdir(parents=True)
    path.write_text('{"seeds": []}')
    path.chmod(0o644)
    before = os.umask(0)
    try:
        SeedFile(path).add(ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_folder_is_closed_to_others(path: Path) -> None:
    SeedFile(path).add(ONE)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_left_half_written_by_a_crash_is_no_hindrance(path: Path) -> None:
    SeedFile(path).add(ONE)
    path.with_suffix(".tmp").write_text('{"seeds": [')
    SeedFile(path).add(OTHER)
    assert SeedFile(path).read() == (ONE, OTHER)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"seeds": 3}', b'{"seeds": [{"item": "a", "period": "b"}]}',
     b'{"seeds": [{"item": "a", "period": "b", "seed": "xyz"}]}', b"\xff\xfe\x00"],
)  # fmt: skip
def test_what_makes_no_sense_is_named_and_not_repeated(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(SeedsBroken) as caught:
        SeedFile(path).read()
    assert str(path) in str(caught.value)
    assert "xyz" not in str(caught.value)
    aside = Path(SeedFile(path).set_apart(at("2026-04-01 09:00")))
    assert aside.read_bytes() == content
    assert not path.exists()


def test_a_folder_in_its_place_is_trouble_and_no_loss(path: Path) -> None:
    path.mkdir(parents=True)
    for act in (SeedFile(path).read, lambda: SeedFile(path).add(ONE)):
        with pytest.raises(SeedsUnreadable, match=r"不能读取（这是文件夹，不是文件）"):
            act()


def test_a_file_where_the_folder_should_be_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(SeedsUnreadable, match="种子文件"):
        SeedFile(tmp_path / "keys" / "draws.json").add(ONE)


def test_neither_a_seed_nor_the_file_shows_what_it_holds(path: Path) -> None:
    SeedFile(path).add(ONE)
    for text in (repr(ONE), repr(SeedFile(path)), repr(SeedFile(path).read())):
        assert ONE.value.hex() not in text
        assert repr(ONE.value) not in text
    assert json.loads(path.read_text())["seeds"][0]["seed"] == ONE.value.hex()
