"""What the Makefile runs."""

from __future__ import annotations

import re

from tests.editions import ROOT

LEFT = re.compile(r"\b(amount|cases)\(|\bFULL\b|mark\.long_only")
"""How a test says that only the long version tries all of it."""


def test_what_is_left_to_the_long_version_is_in_a_folder_that_it_runs() -> None:
    found = re.search(r"(?m)^LONG := \$\(addprefix tests/,(.*)\)$", (ROOT / "Makefile").read_text("utf-8"))
    assert found is not None
    tests = ROOT / "tests"
    left = {
        path.relative_to(tests).parts[0]
        for path in tests.glob("*/**/test_*.py")
        if path.name != "test_make.py" and LEFT.search(path.read_text("utf-8"))
    }
    assert left <= set(found[1].split())
    assert {"faults", "backup"} <= left, "it looks for the right words"
