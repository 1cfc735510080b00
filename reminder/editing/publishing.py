"""What is asked of a plan before it is published in the ledger, and what it changes there."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reminder.agenda.difference import Difference
from reminder.agenda.facts import Facts
from reminder.check import CALENDAR_FOLDER, Edition, Examination, examine
from reminder.editing.bundle import lay_out
from reminder.editing.continuity import changes, continuity
from reminder.errors import Problem
from reminder.ledger.file_versions import digest_of
from reminder.ledger.ledger import Ledger
from reminder.ledger.published import PublishedPlan
from reminder.plan.fingerprint import ItemChanges, item_changes, item_digests
from reminder.settings import SCHEDULES, TEMPLATES


@dataclass(frozen=True, slots=True)
class Compared:
    """What a version changes against the one in force.

    ``files`` and ``items`` name what is added, removed and changed.  ``moves``
    is None where there is nothing to compare the reminders with, or this
    program cannot read what is in force.  ``breaks`` are faults that only the
    plan in force shows.
    """

    files: ItemChanges
    items: ItemChanges
    moves: Difference | None
    breaks: Sequence[Problem] = ()


def compared(
    ledger: Ledger,
    before: PublishedPlan | None,
    new: Edition,
    contents: Mapping[str, bytes],
    now: datetime,
    public_url: str | None,
) -> Compared:
    """Against the version in force; against the items of the plan in force if that came from a folder."""
    files = {name: digest_of(content) for name, content in contents.items()}
    digests = item_digests(new.plan)
    if before is None:
        last = ledger.last_plan(new.plan.id)
        there = last.diff.get("digests", {}) if last is not None else {}
        return Compared(item_changes({}, files), item_changes(there, digests), None)
    old = examined_version(ledger.published.contents(before), public_url).edition
    known: Mapping[str, str] = item_digests(old.plan) if old is not None else {}
    items = item_changes(known, digests)
    of_files = item_changes(before.files, files)
    if old is None:
        return Compared(of_files, items, None)
    moves = changes(old, new, facts_of(ledger, new.plan.id), now)
    return Compared(of_files, items, moves, continuity(old, new, Path(SCHEDULES)))


def facts_of(ledger: Ledger, plan_id: str) -> Facts:
    """What happened outside the plan, as far as the ledger tells."""
    return ledger.facts(plan_id, ledger.transport(plan_id))


def examined_version(contents: Mapping[str, bytes], public_url: str | None) -> Examination:
    """What this program makes of a version's files; positions name the files as in any folder."""
    with tempfile.TemporaryDirectory(prefix="reminder-plan-") as scratch:
        folder = Path(scratch) / "plan"
        lay_out(folder, contents)
        found = examine(folder / SCHEDULES, folder / TEMPLATES, public_url)
        years = str(folder / SCHEDULES / CALENDAR_FOLDER)
        problems = [_named(problem, years) for problem in found.problems]
    return Examination(found.edition, tuple(problems))


def _named(problem: Problem, years: str) -> Problem:
    position = problem.position
    if not position.file.startswith(years):
        return problem
    file = f"{CALENDAR_FOLDER}{position.file.removeprefix(years)}"
    return replace(problem, position=replace(position, file=file))
