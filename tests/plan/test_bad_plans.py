"""Every slip a clerk has made or will make, and the exact words it is met with.

Each file of ``bad/`` is loaded together with the sound office of ``base/``.  To
accept new words, run this file as a script and read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from reminder.errors import Severity
from reminder.plan.loader import load_plan_bytes

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "bad").glob("*.yaml"))


def report(case: str) -> str:
    """What a load says of a case, one line each."""
    files = {"plan.yaml": (HERE / "bad" / f"{case}.yaml").read_bytes()}
    files["office.yaml"] = (HERE / "base" / "office.yaml").read_bytes()
    if not case.startswith("head_"):
        files["head.yaml"] = (HERE / "base" / "head.yaml").read_bytes()
    problems = load_plan_bytes(files).problems
    return "".join(f"{each.severity} {each}\n" for each in problems)


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_met_with_exactly_these_words(case: str) -> None:
    assert report(case) == (HERE / "golden" / f"{case}.txt").read_text(encoding="utf-8")


def test_every_golden_has_its_case_and_every_case_its_golden() -> None:
    assert sorted(path.stem for path in (HERE / "golden").glob("*.txt")) == CASES


def test_the_base_alone_has_no_problem() -> None:
    files = {path.name: path.read_bytes() for path in (HERE / "base").glob("*.yaml")}
    result = load_plan_bytes(files)
    assert [each for each in result.problems if each.severity is Severity.ERROR] == []
    assert result.plan is not None


@pytest.mark.parametrize("case", CASES)
def test_every_fault_has_a_line_a_place_and_a_chinese_text(case: str) -> None:
    lines = report(case).splitlines()
    assert lines
    for line in lines:
        severity, where, text = line.split(" ", 2)
        assert severity in ("error", "warning")
        assert [part.isdigit() for part in where.rstrip(":").split(":")[1:]] in ([True, True], [])
        assert any("\u4e00" <= each <= "\u9fff" for each in text)


def test_what_may_be_a_secret_is_never_repeated() -> None:
    assert "canary" not in report("channel_faults") + report("channel_edges")


if __name__ == "__main__":
    for name in CASES:
        (HERE / "golden" / f"{name}.txt").write_text(report(name), encoding="utf-8")
