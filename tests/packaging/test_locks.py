"""The locks: everything pinned with hashes, and no address of any index."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.dockerfile import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = (
    "requirements.lock",
    "requirements-cluster.lock",
    "requirements-dev.lock",
    "requirements-build.lock",
    "requirements-peers.lock",
)
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
PEERS = [
    Requirement(line)
    for line in (ROOT / "benchmarks" / "peers" / "requirements.in").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
"""What is measured beside the product, in an environment of its own."""
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?P<marker> ; [^\\]+)? \\?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def pins(lock: str) -> dict[str, str]:
    """Name and version of everything in a lock."""
    text = (ROOT / lock).read_text("utf-8")
    return {
        canonicalize_name(match["name"]): match["version"]
        for match in re.finditer(rf"(?m)^{PIN.pattern}", text)
    }


def group(name: str) -> list[Requirement]:
    """A dependency group with the groups it includes."""
    found: list[Requirement] = []
    for each in PROJECT["dependency-groups"][name]:
        found += group(each["include-group"]) if isinstance(each, dict) else [Requirement(each)]
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    """Which index an office installs from is its own affair."""
    text = (ROOT / lock).read_text("utf-8")
    assert "//" not in text
    assert not re.search(r"(?m)^\s*-(-index-url|-extra-index-url|-find-links|-trusted-host|i|f)\b", text)
    assert " @ " not in text


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pin_a_hash_or_a_comment(lock: str) -> None:
    lines = [line for line in (ROOT / lock).read_text("utf-8").splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.lstrip().startswith("#"):
            continue
        if PIN.fullmatch(line):
            assert HASH.fullmatch(lines[number + 1]), f"{line} has no hash"
        else:
            assert HASH.fullmatch(line), line


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", [Requirement(each) for each in PROJECT["project"]["dependencies"]]),
        ("requirements-cluster.lock", [Requirement(each) for each in EXTRAS["cluster"]]),
        ("requirements-dev.lock", [*group("dev"), *(Requirement(each) for each in EXTRAS["cluster"])]),
        ("requirements-build.lock", group("build")),
        ("requirements-build.lock", [Requirement(each) for each in PROJECT["build-system"]["requires"]]),
        ("requirements-peers.lock", PEERS),
    ],
)
def test_a_lock_pins_everything_that_is_asked_for_in_a_version_that_is_allowed(
    lock: str, wanted: list[Requirement]
) -> None:
    found = pins(lock)
    for each in wanted:
        version = found.get(canonicalize_name(each.name))
        assert version is not None, f"{each.name} is not in {lock}; make lock"
        assert each.specifier.contains(version, prereleases=True), f"{each} but {lock} has {version}"


def test_the_locks_agree_with_one_another() -> None:
    """Installed one after the other, none changes what another has put there."""
    runtime, cluster, development, build = (pins(lock) for lock in LOCKS[:4])
    assert runtime.items() <= cluster.items()
    for name in cluster.keys() | build.keys():
        assert development[name] == cluster.get(name, build.get(name)), name
