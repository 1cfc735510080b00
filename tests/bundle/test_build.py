"""What is in the archive, and how it is chosen."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import parse_wheel_filename

from tests.amounts import FULL
from tests.bundle.conftest import BUILDER, EARLIER, LATER, STRANGER, Bundle, build
from tests.packaging.dockerfile import ROOT


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle_build", ROOT / BUILDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BUILD = load()
PINS = BUILD.read_lock((ROOT / "requirements.lock").read_text("utf-8"))


def facts(top: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (top / "MANIFEST").read_text("utf-8").splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


# -- the archive ---------------------------------------------------------------


def test_an_archive_has_everything_an_office_needs_and_its_sums(unpacked: Path) -> None:
    lines = (unpacked / "SHA256SUMS").read_text("utf-8").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert there - listed.keys() == {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((unpacked / name).read_bytes()).hexdigest() == digest, name
    for name in (
        "install.sh",
        "docs/install.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
        "deploy/reminder.service",
    ):
        assert name in there
    for name in ("schedules", "message_templates"):
        shipped = {path.relative_to(ROOT).as_posix() for path in BUILD.files_below(ROOT / name)}
        assert {f"samples/{each}" for each in shipped} <= there


def test_every_package_of_the_lock_has_a_wheel_for_every_target(unpacked: Path) -> None:
    """The sums are the lock's own, save of what was built here; the project itself is one of them."""
    kept = {pin.name: pin for pin in BUILD.read_lock((unpacked / "requirements.lock").read_text("utf-8"))}
    sums = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (unpacked / "wheels").iterdir()}
    assert {each for pin in kept.values() for each in pin.hashes} == sums
    found = facts(unpacked)
    targets = [
        (python, machine) for python in found["python"][0].split() for machine in found["machine"][0].split()
    ]
    assert len(targets) == (6 if FULL else 1)
    here = [parse_wheel_filename(name) for name in found["wheel"]]
    for python, machine in targets:
        fitting = BUILD.tags(python, machine)
        able = {name for name, _, _, tags in here if tags & fitting}
        assert able >= {pin.name for pin in PINS if pin.wanted(python)} | {"reminder"}
    built = {name.partition("-")[0] for name in found["built-here"]}
    assert built == {"reminder", *BUILD.SOURCE_ONLY}
    for pin in PINS:
        if pin.name in kept and pin.name not in built:
            assert kept[pin.name].hashes <= pin.hashes


def test_what_is_not_installed_on_linux_is_not_taken_along(unpacked: Path) -> None:
    assert "colorama" in {pin.name for pin in PINS}
    assert not [name for name in facts(unpacked)["wheel"] if name.startswith("colorama")]


def test_nothing_in_it_names_an_address_of_an_index(unpacked: Path) -> None:
    """Neither that of the machine it was built on nor any other."""
    for name in ("requirements.lock", "MANIFEST", "SHA256SUMS", "install.sh"):
        text = (unpacked / name).read_text("utf-8")
        assert not re.search(
            r"[a-z]+://(?!djw\.example\.com/)|--(extra-)?index-url|--trusted-host|pypi", text
        ), name


def test_the_manifest_says_what_it_runs_on(unpacked: Path) -> None:
    found = facts(unpacked)
    assert found["version"] == [EARLIER]
    assert found["schema"] == [BUILD.schema_of(ROOT)]
    assert re.fullmatch(r"2\.\d+", found["glibc"][0])


def test_by_default_the_last_commit_is_packed_and_nothing_of_the_working_tree(
    bundles: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    """An office's own directory, lying in the tree, does not travel to others."""
    top = bundles[1].unpack(tmp_path)
    assert facts(top)["version"] == [LATER]
    assert re.fullmatch(r"[0-9a-f]{40}", facts(top)["commit"][0])
    assert not (top / "samples/schedules/private.yaml").exists()
    assert STRANGER not in (top / "docs/install.md").read_text("utf-8")
    assert "没有提交" in bundles[1].said


def test_members_are_sorted_and_have_one_time_and_no_owner(bundles: tuple[Bundle, Bundle]) -> None:
    with tarfile.open(bundles[1].archive) as tar:
        members = tar.getmembers()
    names = [each.name.split("/") for each in members]
    assert names == sorted(names)
    assert len({each.mtime for each in members}) == 1
    assert {(each.uid, each.gid, each.uname, each.gname) for each in members} == {(0, 0, "root", "root")}
    assert {each.name for each in members if each.mode & 0o111 and each.isfile()} == {
        f"reminder-{LATER}-bundle/install.sh"
    }


def test_the_same_source_makes_the_same_bytes(
    bundles: tuple[Bundle, Bundle], wheels: Path, tmp_path: Path
) -> None:
    """The long run builds all of it again; else what was built is packed again, later."""
    again = tmp_path / "again.tar.gz"
    if FULL:
        source = bundles[0].archive.parents[1] / "earlier"
        done = build(ROOT / BUILDER, "--source", str(source), "--wheels", str(wheels), "--out", str(tmp_path))
        assert done.returncode == 0, done.stdout + done.stderr
        (tmp_path / bundles[0].archive.name).rename(again)
    else:
        BUILD.pack(bundles[0].unpack(tmp_path / "unpacked"), again, BUILD.FIXED_TIME)
    assert BUILD.sha256_of(again) == BUILD.sha256_of(bundles[0].archive)


# -- choosing wheels -----------------------------------------------------------

OLD = "lxml-6.0-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
NEW = "lxml-6.0-cp312-cp312-manylinux_2_28_x86_64.whl"
NEWER = "lxml-6.0-cp312-cp312-manylinux_2_34_x86_64.whl"
ARM = "lxml-6.0-cp312-cp312-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl"
ANY = "six-1.17.0-py2.py3-none-any.whl"
STABLE = "argon2_cffi_bindings-26.2.0-cp310-abi3-manylinux_2_26_x86_64.whl"


@pytest.mark.parametrize(("wheel", "minor"), [(OLD, 17), (NEW, 28), (ARM, 26), (ANY, 0), (STABLE, 26)])
def test_the_glibc_a_wheel_asks_for_is_read_from_its_name(wheel: str, minor: int) -> None:
    assert BUILD.glibc_of(wheel) == minor


def test_a_wheel_for_another_libc_is_none_of_ours() -> None:
    with pytest.raises(BUILD.BuildError, match="glibc"):
        BUILD.glibc_of("lxml-6.0-cp312-cp312-musllinux_1_2_x86_64.whl")


def chosen(
    folder: Path, names: tuple[str, ...], pins: list[tuple[str, str]], *targets: tuple[str, str]
) -> list[str]:
    for name in names:
        (folder / name).touch()
    wanted = [BUILD.Pin(name, version, None, frozenset()) for name, version in pins]
    return [path.name for paths in BUILD.choose(wanted, folder, targets).values() for path in paths]


def test_of_two_wheels_the_one_that_runs_in_more_places_is_taken(tmp_path: Path) -> None:
    assert chosen(tmp_path, (NEW, OLD, NEWER), [("lxml", "6.0")], ("3.12", "x86_64")) == [OLD]


def test_each_machine_gets_its_own_and_pure_python_serves_all(tmp_path: Path) -> None:
    targets = (("3.12", "x86_64"), ("3.12", "aarch64"))
    found = chosen(tmp_path, (OLD, ARM, ANY), [("lxml", "6.0"), ("six", "1.17.0")], *targets)
    assert found == [OLD, ARM, ANY]


def test_a_wheel_of_the_stable_abi_serves_later_pythons(tmp_path: Path) -> None:
    pins = [("argon2-cffi-bindings", "26.2.0")]
    assert chosen(tmp_path, (STABLE,), pins, ("3.11", "x86_64"), ("3.13", "x86_64")) == [STABLE]


@pytest.mark.parametrize("target", [("3.13", "x86_64"), ("3.12", "aarch64")])
def test_a_target_without_a_wheel_is_named(tmp_path: Path, target: tuple[str, str]) -> None:
    with pytest.raises(BUILD.BuildError, match=rf"lxml 6.0 没有 Python {target[0]}、{target[1]} 用的 wheel"):
        chosen(tmp_path, (OLD,), [("lxml", "6.0")], target)


def test_a_wheel_that_wants_a_newer_glibc_than_offices_have_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(BUILD.BuildError, match="lxml"):
        chosen(tmp_path, (NEWER,), [("lxml", "6.0")], ("3.12", "x86_64"))
