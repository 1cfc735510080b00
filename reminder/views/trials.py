"""What would come of a change to a file: problems at their lines, reminders that come, go and move.

Whoever may not see private items is told of problems and changes of public ones
alone, and never by a text that names a private one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reminder.agenda.alarms import Alarm
from reminder.agenda.difference import Difference
from reminder.check import Edition
from reminder.editing.compare import DiffLine, compare
from reminder.editing.errors import EditRefused
from reminder.editing.private import open_lines
from reminder.editing.shelf import Shelf, text_of
from reminder.editing.workshop import Trial
from reminder.errors import Problem, Severity
from reminder.views.files import may_open
from reminder.views.look import Look

AROUND = 2
"""Lines shown before and after one with a problem."""
MOST_ROWS = 60
"""Reminders listed of each kind of change."""
MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a file with what is wrong at it; ``gap``: lines were left out before it."""

    number: int
    text: str
    problems: tuple[Problem, ...]
    gap: bool


@dataclass(frozen=True, slots=True)
class ShownFile:
    """The problems of one file: at their lines, and those that have none."""

    name: str
    document: str | None
    lines: tuple[ShownLine, ...]
    loose: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ShownMove:
    """A reminder that comes (no ``before``), goes (no ``after``) or moves; times in the plan's zone."""

    title: str
    label: str
    rung: str
    before: datetime | None
    after: datetime | None
    provisional: bool


@dataclass(frozen=True, slots=True)
class ShownChanges:
    """What becomes of the reminders ahead; the lists are cut, the numbers are not."""

    added: int
    removed: int
    moved: int
    rows: tuple[ShownMove, ...]

    @property
    def text(self) -> str:
        """One sentence."""
        if not (self.added or self.removed or self.moved):
            return "这次修改不改变任何提醒的时间。"
        parts = [
            f"{word} {count} 条"
            for word, count in (("新增", self.added), ("取消", self.removed), ("移动", self.moved))
            if count
        ]
        return f"这次修改会{'、'.join(parts)}提醒。"


@dataclass(frozen=True, slots=True)
class TrialView:
    """All that is shown of a trial.

    ``hidden``: there are errors that this user may not see.  ``savable`` also
    where the errors are those that other files had before.
    """

    errors: int
    warnings: int
    hidden: bool
    savable: bool
    files: tuple[ShownFile, ...]
    changes: ShownChanges
    difference: tuple[DiffLine, ...]

    @property
    def accepted(self) -> bool:
        """Whether the plan would come into force."""
        return not self.errors and not self.hidden


def trial_view(
    look: Look, shelf: Shelf, name: str, text: str, trial: Trial, before: str, *, savable: bool
) -> TrialView:
    """A trial of ``text`` in a file that now says ``before``."""
    seen, hidden = _seen(look, shelf, {name: text}, trial)
    errors = [each for each in seen if each.severity is Severity.ERROR]
    return TrialView(
        len(errors),
        len(seen) - len(errors),
        any(each.severity is Severity.ERROR for each in hidden),
        savable,
        _by_file(look, shelf, {name: text}, seen[:MOST_PROBLEMS]),
        changes_view(look, trial.changes),
        compare(before, text),
    )


def changes_view(look: Look, changes: Difference) -> ShownChanges:
    """What becomes of reminders that may be seen."""
    added = [each for each in changes.added if look.sees(each.item)]
    removed = [each for each in changes.removed if look.sees(each.item)]
    moved = [each for each in changes.moved if look.sees(each.alarm.item)]
    rows = [
        *(_move(look, each.alarm, each.before, each.alarm.at) for each in moved[:MOST_ROWS]),
        *(_move(look, each, None, each.at) for each in added[:MOST_ROWS]),
        *(_move(look, each, each.at, None) for each in removed[:MOST_ROWS]),
    ]
    return ShownChanges(len(added), len(removed), len(moved), tuple(rows))


def _move(look: Look, alarm: Alarm, before: datetime | None, after: datetime | None) -> ShownMove:
    return ShownMove(
        alarm.item.spec.title,
        alarm.occurrence.label,
        alarm.rung.id,
        before.astimezone(look.zone) if before is not None else None,
        after.astimezone(look.zone) if after is not None else None,
        alarm.status == "provisional",
    )


def _seen(
    look: Look, shelf: Shelf, texts: Mapping[str, str], trial: Trial
) -> tuple[list[Problem], list[Problem]]:
    """The problems that may be shown, and those that may not."""
    if look.private:
        return list(trial.problems), []
    words = _private_words([look.edition, *([trial.edition] if trial.edition is not None else [])])
    open_at: dict[str, frozenset[int] | None] = {}
    seen: list[Problem] = []
    hidden: list[Problem] = []
    for problem in trial.problems:
        file = problem.position.file
        if file not in open_at:
            open_at[file] = _open_at(look, shelf, texts, file)
        lines = open_at[file]
        named = any(word in f"{problem.path} {problem.found}" for word in words)
        if named or (lines is not None and problem.position.line not in lines):
            hidden.append(problem)
            continue
        told = f"{problem.allowed} {problem.hint}"
        # A list of all that might be meant names them all.
        seen.append(replace(problem, allowed="", hint="") if any(w in told for w in words) else problem)
    return seen, hidden


def _private_words(editions: Iterable[Edition]) -> tuple[str, ...]:
    items = [item.spec for edition in editions for item in edition.plan.items if item.spec.private]
    return tuple({word for spec in items for word in (spec.id, spec.title)})


def _open_at(look: Look, shelf: Shelf, texts: Mapping[str, str], file: str) -> frozenset[int] | None:
    """The lines of a closed file that may be shown; None for a file that is open."""
    name = shelf.document_of(file)
    if name is None:
        return None
    if name in texts:
        content = texts[name].encode("utf-8", "replace")
    else:
        try:
            document = shelf.read(name)
        except EditRefused:
            return frozenset()
        content = document.content if document is not None else b""
    if may_open(look, shelf.kind_of(name), content):
        return None
    return frozenset(number for number, _ in open_lines(content))


def _by_file(
    look: Look, shelf: Shelf, texts: Mapping[str, str], problems: Iterable[Problem]
) -> tuple[ShownFile, ...]:
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.position.file, []).append(problem)
    return tuple(_file(look, shelf, texts, file, found) for file, found in groups.items())


def _file(look: Look, shelf: Shelf, texts: Mapping[str, str], file: str, found: list[Problem]) -> ShownFile:
    name = shelf.document_of(file)
    lines = _lines(look, shelf, texts, name) if name is not None else {}
    return _shown(file if name is None else name, name, lines, found)


def _shown(file: str, document: str | None, lines: Mapping[int, str], found: Iterable[Problem]) -> ShownFile:
    at: dict[int, list[Problem]] = {}
    loose: list[Problem] = []
    for problem in found:
        if problem.position.line in lines:
            at.setdefault(problem.position.line, []).append(problem)
        else:
            loose.append(problem)
    shown: list[ShownLine] = []
    wanted = sorted(
        {number for line in at for number in range(line - AROUND, line + AROUND + 1) if number in lines}
    )
    for number in wanted:
        gap = bool(shown) and number != shown[-1].number + 1
        shown.append(ShownLine(number, lines[number], tuple(at.get(number, ())), gap))
    return ShownFile(file, document, tuple(shown), tuple(loose))


def shown_text(file: str, text: str, problems: Iterable[Problem]) -> ShownFile:
    """Problems of a text that is in no file."""
    return _shown(file, None, dict(enumerate(text.split("\n"), 1)), problems)


def _lines(look: Look, shelf: Shelf, texts: Mapping[str, str], name: str) -> dict[int, str]:
    """The lines of a document that may be shown, by number."""
    try:
        if name in texts:
            content = texts[name].encode("utf-8", "replace")
        elif (document := shelf.read(name)) is not None:
            content = document.content
        else:
            return {}
        if may_open(look, shelf.kind_of(name), content):
            return dict(enumerate(text_of(content).split("\n"), 1))
        return dict(open_lines(content))
    except EditRefused:
        return {}
