"""The file: one changed byte anywhere is found, and what a stranger made does nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reminder.backup.archive import read_archive, write_archive
from reminder.backup.errors import BackupDamaged, BackupError
from reminder.backup.manifest import LedgerFacts, Manifest, ManifestError, Member, check_name

CONTENTS = {"keys/one": b"key", "ledger.sqlite3": b"not really one", "schedules/plan.yaml": b"plan:\n"}
FACTS = LedgerFacts("daemon", "0002", "ab" * 16, 7, "2026-06-10T01:00:00+00:00")


def member(name: str, data: bytes) -> Member:
    return Member(name, len(data), hashlib.sha256(data).hexdigest())


def manifest(contents: dict[str, bytes] = CONTENTS) -> Manifest:
    members = tuple(member(name, data) for name, data in sorted(contents.items()))
    return Manifest("2026-06-10T02:00:00+00:00", "0.1.0", "test", "Asia/Shanghai", FACTS, members)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.tar.gz"
    with path.open("w+b") as file:
        write_archive(file, manifest(), lambda each: (CONTENTS[each.name],))
    return path


def taken(path: Path) -> dict[str, bytes]:
    """What a complete reading hands over."""
    found: dict[str, bytes] = {}

    def take(each: Member, chunks: Iterator[bytes]) -> None:
        found[each.name] = b"".join(chunks)

    read_archive(path, take)
    return found


def test_what_was_put_in_comes_out(small: Path) -> None:
    """Every file with its bytes, and the manifest as it was written."""
    assert taken(small) == CONTENTS
    assert read_archive(small) == manifest()


def test_any_tar_opens_it(small: Path) -> None:
    """Nobody needs this program to get at an office's own records."""
    with tarfile.open(small, "r:gz") as tar:
        assert tar.getnames() == ["manifest.json", *sorted(CONTENTS)]
        extracted = tar.extractfile("ledger.sqlite3")
        assert extracted is not None
        assert extracted.read() == CONTENTS["ledger.sqlite3"]


def test_the_same_contents_make_the_same_file(small: Path, tmp_path: Path) -> None:
    """No clock and no user leaves a trace of its own."""
    again = tmp_path / "again"
    with again.open("w+b") as file:
        write_archive(file, manifest(), lambda each: (CONTENTS[each.name],))
    assert again.read_bytes() == small.read_bytes()


def test_every_flipped_byte_is_found(small: Path) -> None:
    """Header, checksum, every byte of the stream, the trailer: each bit pattern changed is refused."""
    whole = small.read_bytes()
    for place in range(len(whole)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            spoilt = bytearray(whole)
            spoilt[place] ^= flip
            small.write_bytes(spoilt)
            with pytest.raises(BackupDamaged, match="不是完整的备份文件"):
                read_archive(small)


def test_every_truncation_is_found(small: Path) -> None:
    """Cut off anywhere, nothing included."""
    whole = small.read_bytes()
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        with pytest.raises(BackupDamaged):
            read_archive(small)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_other_damage_is_found(small: Path, data: st.DataObject) -> None:
    """A stretch overwritten, taken out, doubled, or something added behind."""
    whole = small.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    middle = data.draw(st.binary(max_size=64))
    spoilt = whole[:start] + middle + whole[end:]
    path = small.with_name("spoilt")
    path.write_bytes(spoilt)
    if spoilt == whole:
        assert taken(path) == CONTENTS
    else:
        with pytest.raises(BackupDamaged):
            read_archive(path)


@pytest.mark.parametrize("content", [b"", b"x" * 200, b"\x1f\x8b\x08\x00" + bytes(200), b"PK\x03\x04" * 50])
def test_another_kind_of_file_is_named_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(BackupDamaged, match=r"开头不是备份文件的样子.*换用另一份"):
        read_archive(path)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Missing, or a folder."""
    with pytest.raises(BackupError, match="没有这个文件"):
        read_archive(tmp_path / "missing")
    with pytest.raises(BackupError, match="这是文件夹"):
        read_archive(tmp_path)


# -- made by a stranger: well sealed, and hostile ------------------------------


def sealed(path: Path, stream: bytes) -> Path:
    """Any bytes as an archive whose outer checksum is right."""
    body = gzip.compress(stream, mtime=0)[10:]
    head = b"\x1f\x8b\x08\x10\x00\x00\x00\x00\x00\xff"
    comment = f"sha256:{hashlib.sha256(body).hexdigest()}".encode() + b"\x00"
    path.write_bytes(head + comment + body)
    return path


def tar_of(listing: bytes, *entries: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """A tar with this manifest and these entries, whatever they are."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in (("manifest.json", listing), *entries):
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    # Two blocks of zeros end it; tarfile fills up to a whole record.
    used = file.getvalue().rstrip(b"\x00")
    return used + bytes(-len(used) % 512) + bytes(1024)


def listing(**changes: Any) -> dict[str, Any]:
    return json.loads(manifest().to_bytes()) | changes


def hostile(path: Path, value: dict[str, Any], *entries: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    return sealed(path, tar_of(json.dumps(value).encode(), *entries))


def as_json(name: str, data: bytes = b"x") -> dict[str, Any]:
    each = member(name, data)
    return {"name": each.name, "size": each.size, "sha256": each.sha256}


LEDGER_ONLY = as_json("ledger.sqlite3")


def test_the_stranger_s_tools_make_what_is_read(tmp_path: Path) -> None:
    """So that the refusals below are for what each is about."""
    value = listing(members=[LEDGER_ONLY, as_json("schedules/a.yaml")])
    path = hostile(tmp_path / "fine", value, ("ledger.sqlite3", b"x"), ("schedules/a.yaml", b"x"))
    assert taken(path) == {"ledger.sqlite3": b"x", "schedules/a.yaml": b"x"}


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "schedules/../../evil",
        "schedules/..",
        "schedules/./a",
        "schedules//a",
        "schedules/",
        "schedules",
        "/etc/passwd",
        "/schedules/a",
        "evil",
        "secrets/a",
        "ledger.sqlite3-wal",
        "ledger.sqlite3/a",
        "manifest.json",
        "schedules\\..\\a",
        "schedules/a\nb",
        "schedules/a\x00b",
        "schedules/\u202egpj.exe",
        "schedules/" + "x" * 256,
        "\ud800",
        "",
        7,
        None,
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: Any, tmp_path: Path) -> None:
    """Before anything is unpacked."""
    with pytest.raises(ManifestError):
        check_name(name)
    each = {"name": name, "size": 1, "sha256": LEDGER_ONLY["sha256"]}
    members = sorted([LEDGER_ONLY, each], key=lambda one: str(one["name"]))
    path = hostile(tmp_path / "hostile", listing(members=members), ("ledger.sqlite3", b"x"))
    with pytest.raises(BackupDamaged):
        taken(path)


@pytest.mark.parametrize(
    "members",
    [
        [],
        [as_json("schedules/a")],
        [LEDGER_ONLY, LEDGER_ONLY],
        [LEDGER_ONLY, as_json("schedules/a"), as_json("schedules/a")],
        [as_json("schedules/a"), LEDGER_ONLY],
        [LEDGER_ONLY, as_json("schedules/A"), as_json("schedules/a")],
        [LEDGER_ONLY, as_json("schedules/e\u0301"), as_json("schedules/\u00e9")],
        [LEDGER_ONLY, as_json("schedules/a"), as_json("schedules/a/b")],
        [LEDGER_ONLY | {"size": -1}],
        [LEDGER_ONLY | {"size": 10**15}],
        [LEDGER_ONLY | {"size": "1"}],
        [LEDGER_ONLY | {"size": True}],
        [LEDGER_ONLY | {"size": 1.0}],
        [LEDGER_ONLY, as_json("schedules/a") | {"size": 65 * 2**20}],
        [LEDGER_ONLY | {"sha256": None}],
        [LEDGER_ONLY | {"mode": 0o777}],
        [{"name": "ledger.sqlite3"}],
        ["ledger.sqlite3"],
        "ledger.sqlite3",
        7,
        [as_json(f"keys/{number:06d}") for number in range(20_001)] + [LEDGER_ONLY],
    ],
    ids=str,
)
def test_a_list_of_contents_that_makes_no_sense_is_refused(members: Any, tmp_path: Path) -> None:
    """Doubles, sizes nothing has, no ledger, names that one disk would take for the same."""
    path = hostile(tmp_path / "hostile", listing(members=members), ("ledger.sqlite3", b"x"))
    with pytest.raises(BackupDamaged):
        taken(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"format": None},
        {"ledger": None},
        {"ledger": {}},
        {"ledger": {"kind": "daemon"}},
        {"created_at": "yesterday"},
        {"created_at": "2026-06-10T02:00:00"},
        {"created_at": 7},
        {"timezone": "../../etc/passwd"},
        {"timezone": "Nowhere/Land"},
        {"ledger": {**json.loads(manifest().to_bytes())["ledger"], "changes": "7"}},
        {"ledger": {**json.loads(manifest().to_bytes())["ledger"], "schema": 2}},
    ],
    ids=str,
)
def test_a_manifest_that_makes_no_sense_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    path = hostile(tmp_path / "hostile", listing(**changes), *CONTENTS.items())
    with pytest.raises(BackupDamaged):
        taken(path)


def test_a_newer_kind_of_archive_asks_for_a_newer_program(tmp_path: Path) -> None:
    """Not damaged: only not for this version."""
    path = hostile(tmp_path / "newer", listing(version=2), *CONTENTS.items())
    with pytest.raises(BackupError, match="更新的版本") as caught:
        read_archive(path)
    assert not isinstance(caught.value, BackupDamaged)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b"[" * 100_000, b"\xff\xfe", b'{"format": 1e9999}'])
def test_a_manifest_that_is_no_json_is_refused(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(BackupDamaged):
        read_archive(sealed(tmp_path / "hostile", tar_of(text)))


def entry(name: str, change: Callable[[tarfile.TarInfo], None], size: int = 1) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    change(info)
    return info


def link(kind: bytes, target: str) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, target, 0

    return change


@pytest.mark.parametrize(
    "hostile_entry",
    [
        entry("ledger.sqlite3", link(tarfile.SYMTYPE, "/etc/passwd")),
        entry("ledger.sqlite3", link(tarfile.LNKTYPE, "/etc/passwd")),
        entry("ledger.sqlite3", link(tarfile.CHRTYPE, "")),
        entry("ledger.sqlite3", link(tarfile.FIFOTYPE, "")),
        entry("ledger.sqlite3", link(tarfile.DIRTYPE, "")),
        ("../ledger.sqlite3", b"x"),
        ("/ledger.sqlite3", b"x"),
        ("other", b"x"),
        ("ledger.sqlite3", b"xx"),
        ("ledger.sqlite3", b"y"),
        ("ledger.sqlite3", b""),
    ],
    ids=[
        "symbolic link",
        "hard link",
        "device",
        "pipe",
        "folder",
        "up",
        "absolute",
        "unknown",
        "longer",
        "changed",
        "shorter",
    ],
)
def test_an_entry_that_is_not_what_the_manifest_says_is_refused(hostile_entry: Any, tmp_path: Path) -> None:
    """Links, devices, folders, other names, other bytes."""
    value = listing(members=[LEDGER_ONLY])
    with pytest.raises(BackupDamaged):
        taken(hostile(tmp_path / "hostile", value, hostile_entry))


def test_what_stands_behind_the_last_file_is_refused(tmp_path: Path) -> None:
    """One file more than the manifest tells of, the same one twice, or plain bytes."""
    value = listing(members=[LEDGER_ONLY])
    for more in (("schedules/a", b"x"), ("ledger.sqlite3", b"y")):
        with pytest.raises(BackupDamaged, match="多余"):
            taken(hostile(tmp_path / "hostile", value, ("ledger.sqlite3", b"x"), more))
    fine = tar_of(json.dumps(value).encode(), ("ledger.sqlite3", b"x"))
    assert taken(sealed(tmp_path / "fine", fine)) == {"ledger.sqlite3": b"x"}
    with pytest.raises(BackupDamaged, match="多余"):
        taken(sealed(tmp_path / "longer", fine + b"\x00"))


@pytest.mark.parametrize("size", [2**33, -5, -(2**40)])
def test_a_size_that_no_manifest_has_is_not_read(size: int, tmp_path: Path) -> None:
    """The number format of GNU tar knows huge and negative ones; memory is not filled with either."""
    info = tarfile.TarInfo("manifest.json")
    info.size = size
    stream = info.tobuf(tarfile.GNU_FORMAT) + bytes(8192)
    with pytest.raises(BackupDamaged, match="没有清单"):
        read_archive(sealed(tmp_path / "hostile", stream))


def test_an_announced_size_that_is_not_there_ends_the_reading(tmp_path: Path) -> None:
    """Sixty gigabytes on paper, none behind: found at the end of what there is."""
    big = LEDGER_ONLY | {"size": 60 * 2**30}
    info = tarfile.TarInfo("ledger.sqlite3")
    info.size = 60 * 2**30
    text = json.dumps(listing(members=[big])).encode()
    head = tarfile.TarInfo("manifest.json")
    head.size = len(text)
    stream = head.tobuf(tarfile.USTAR_FORMAT) + text + bytes(-len(text) % 512)
    stream += info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)
    with pytest.raises(BackupDamaged, match="没有到结尾"):
        read_archive(sealed(tmp_path / "hostile", stream))


def test_contents_that_change_while_they_are_written_are_noticed(tmp_path: Path) -> None:
    """The manifest was made before: what differs from it is no backup."""
    with (tmp_path / "x").open("w+b") as file, pytest.raises(BackupError, match="过程中变了"):
        write_archive(file, manifest(), lambda each: (CONTENTS[each.name] + b"x",))
