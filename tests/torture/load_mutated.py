"""Loads harmed plans in a process with little memory, and says what became of them.

Run by the tests of this folder: ``mutations FIRST COUNT`` or ``truncations NAME STEP``.
A crash of the parser or a limit that was met ends the process; the last line of
standard error then names the case.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from reminder.agenda.alarms import expand
from reminder.plan.loader import LoadResult, load_plan_bytes
from reminder.plan.model import Plan
from tests.plans import CALENDAR, at
from tests.torture.mutated_plans import mutated, sound_folders

MEMORY = 128 * 1024 * 1024
"""Beyond what the interpreter and its imports take."""
SECONDS = 10.0
"""Of CPU, for one load: tenfold what the slowest takes, so that only a bomb fails."""


def main(arguments: list[str]) -> None:
    """Limit this process, try everything asked for, and print a summary as JSON."""
    load_plan_bytes(sound_folders()[0][0])  # whatever is imported late is imported now
    expand_all(load_plan_bytes(sound_folders()[2][0]).plan)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kind, *rest = arguments
    if kind == "mutations":
        summary = mutations(int(rest[0]), int(rest[1]))
    else:
        summary = truncations(rest[0], int(rest[1]))
    print(json.dumps(summary))


def mutations(first: int, count: int) -> dict[str, Any]:
    """Harm, load, and for what still loads the whole agenda."""
    outcomes = {"loaded": 0, "refused": 0}
    slowest = 0.0
    for number in range(first, first + count):
        case = mutated(number)
        print(f"case {number}: {case.harmed} {case.how}", file=sys.stderr, flush=True)
        began = time.process_time()
        result = load_plan_bytes(case.files)
        took = time.process_time() - began
        assert took < SECONDS, took
        slowest = max(slowest, took)
        is_whole_or_nothing(result, case.files)
        outcomes["loaded" if result.plan else "refused"] += 1
        if result.plan is not None:
            expand_all(result.plan)
    return {**outcomes, "slowest": slowest}


def truncations(name: str, step: int) -> dict[str, Any]:
    """Cut a file of a folder after every ``step``-th octet."""
    files = dict(sound_folders()[{"shipped": 0, "example": 1, "small": 2}[name]][0])
    whole = files["plan.yaml"]
    length = len(whole.rstrip())
    outcomes = {"loaded": 0, "refused": 0}
    for cut in range(0, length, step):
        print(f"{name}: cut after {cut}", file=sys.stderr, flush=True)
        files["plan.yaml"] = whole[:cut]
        result = load_plan_bytes(files)
        is_whole_or_nothing(result, files)
        (file,) = (each for each in result.files if each.name == "plan.yaml")
        assert not file.complete_mark
        outcomes["loaded" if result.plan else "refused"] += 1
    files["plan.yaml"] = whole
    result = load_plan_bytes(files)
    assert result.plan is not None
    assert all(file.complete_mark for file in result.files)
    return outcomes


def is_whole_or_nothing(result: LoadResult, files: Mapping[str, bytes]) -> None:
    """No plan beside an error; a plan has every entry that another reader finds in the files."""
    assert (result.plan is None) == bool(result.errors)
    assert all(str(problem) for problem in result.problems)
    if result.plan is not None:
        found = entries_of(files)
        plan, directory = result.plan, result.plan.directory
        held = {"items": plan.items, "people": directory.people, "units": directory.units}
        for name, entries in held.items():
            assert [entry.id for entry in entries] == found[name], name


def entries_of(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The ids of the folder's entries in order, as PyYAML alone reads them."""
    found: dict[str, list[str]] = {"items": [], "people": [], "units": []}
    for name in sorted(files):
        if not name.endswith((".yaml", ".yml")):
            continue
        # White space after the end mark is nothing to us and an error to PyYAML.
        value = yaml.load(files[name].decode("utf-8-sig").rstrip(), Loader=yaml.CBaseLoader)
        for section, ids in found.items():
            ids += [entry["id"] for entry in (value or {}).get(section) or []]
    return found


def expand_all(plan: Plan | None) -> None:
    """What the daemon does next with a plan that loads."""
    assert plan is not None
    for _ in _alarms(plan):
        pass


def _alarms(plan: Plan) -> Iterator[object]:
    yield from expand(plan, CALENDAR, at("2025-11-01"), at("2027-02-01"))


if __name__ == "__main__":
    main(sys.argv[1:])
