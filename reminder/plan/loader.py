"""From the files of a ``schedules/`` folder to a plan, or to everything wrong with them.

A load is all or nothing by content: :func:`load_plan_bytes` takes the bytes of
all files at once, so a reload never mixes an old file with a new one.  Nothing
here raises for what the files contain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reminder.errors import Position, Problem, Severity, errors_of
from reminder.plan.files import choose, plan_files
from reminder.plan.ladders import LadderBook
from reminder.plan.model import STATUTORY_FESTIVALS, Item, ItemSpec, Plan, PlanHead, Rung, SourceFile
from reminder.plan.names import Names
from reminder.plan.references import (
    ItemChecks,
    check_head,
    check_posts_of_head,
    check_shared,
    check_unique_ids,
)
from reminder.plan.roster import directory_of
from reminder.plan.sections import Entry, Sections, collect
from reminder.source import Source, parse_source, read_source


@dataclass(frozen=True)
class LoadResult:
    """What came of a load.

    ``plan`` is None exactly when ``problems`` holds an error; ``problems`` also
    holds warnings and notices, sorted by place.  ``files`` are the files read,
    with their digests and whether each ended with the line ``...``.
    """

    plan: Plan | None
    problems: tuple[Problem, ...]
    files: tuple[SourceFile, ...] = ()

    @property
    def errors(self) -> list[Problem]:
        """Only what keeps the plan from being accepted."""
        return errors_of(self.problems)


def load_plan(folder: Path, replaced: Mapping[str, bytes] | None = None) -> LoadResult:
    """Load every ``*.yaml`` and ``*.yml`` directly in a folder (not in its sub-folders).

    ``replaced`` are contents by file name that are taken instead of what stands
    there, as if they had been saved.
    """
    replaced = replaced or {}
    paths, problems = plan_files(folder)
    paths = sorted({*paths, *(folder / name for name in replaced)})
    if not paths and not problems:
        found = "文件夹里没有计划文件"
        problems.append(Problem(Position(str(folder)), "", found, "计划写在扩展名为 .yaml 的文件里"))
    if not paths and errors_of(problems):
        return LoadResult(None, tuple(problems), ())  # what else is missing follows from it
    sources = [
        parse_source(replaced[path.name], path.name)
        if path.name in replaced
        else read_source(path, name=path.name)
        for path in paths
    ]
    return _load(sources, problems)


def load_plan_bytes(files: Mapping[str, bytes]) -> LoadResult:
    """Load a plan from the contents of its files, by file name."""
    names, problems = choose(sorted(files))
    if not names and not problems:
        found = "没有计划文件"
        problems.append(Problem(Position("plan.yaml"), "", found, "计划写在扩展名为 .yaml 的文件里"))
    return _load([parse_source(files[name], name) for name in names], problems)


def _load(sources: Sequence[Source], problems: list[Problem]) -> LoadResult:
    files = tuple(SourceFile(each.name, each.sha256, each.complete_mark) for each in sources)
    sections = collect(sources)
    problems = [*problems, *sections.problems, *check_unique_ids(sections)]
    unread = any(source.broken for source in sources)
    problems += _check_one_head(sections, unread=unread)
    items: tuple[Item, ...] = ()
    # With a file unread its names are unknown, and everything that uses them would be blamed.
    if not unread:
        items = _check_references(sections, problems)
    problems = sorted(dict.fromkeys(problems), key=lambda problem: problem.sort_key)
    plan = None
    if not errors_of(problems) and sections.heads:
        plan = _plan(sections, items, files)
    return LoadResult(plan, tuple(problems), files)


def _check_one_head(sections: Sections, *, unread: bool) -> list[Problem]:
    places = sections.head_places
    if not places and not unread:
        found = "没有一个文件写有 plan:"
        return [
            Problem(
                Position("plan.yaml"), "plan", found, "恰有一个文件写 plan:（编号、标题、起止日期、单位）"
            )
        ]
    return [
        place.problem(
            (), "plan: 写了两次", f"首次出现在 {places[0].source.key_position(places[0].loc)}", at_key=True
        )
        for place in places[1:]
    ]


def _check_references(sections: Sections, problems: list[Problem]) -> tuple[Item, ...]:
    """Check all names and rules into ``problems``; build the items if there is a head."""
    heads = sections.heads
    extra = [festival.name for entry in heads for festival in entry.value.festivals]
    names = Names.of(sections, [*STATUTORY_FESTIVALS, *extra])
    problems.extend(check_shared(sections, names))
    if not heads:
        return ()
    head: PlanHead = heads[0].value
    of_head = list(check_head(heads[0], names))
    problems.extend(of_head)
    directory = directory_of(sections)
    if not of_head:
        problems.extend(check_posts_of_head(heads[0], directory))
    book = LadderBook(sections.ladders, head.via)
    checks = ItemChecks(sections, names, head, book, directory)
    entries: Sequence[Entry[ItemSpec]] = sections.entries("items")
    collected: dict[str, list[str]] = {}
    for entry in entries:
        # Whoever reads of the one is told of the others: of what is private only whom it concerns.
        if entry.value.collect_with is not None and not entry.value.private:
            collected.setdefault(entry.value.collect_with, []).append(entry.value.title)
    items = []
    for entry in entries:
        rungs = book.rungs_of(entry.value)
        problems.extend(checks.check(entry, rungs))
        items.append(_item(entry.value, rungs, tuple(collected.get(entry.value.id, ()))))
    for salvaged in sections.salvaged:
        problems.extend(checks.check_names(salvaged))
    if not sections.ids("items") and not errors_of(problems):
        place = heads[0].place
        problems.append(place.problem((), "计划里没有任何事项", "", "请在 items 下写事项", Severity.WARNING))
    return tuple(items)


def _item(spec: ItemSpec, rungs: tuple[Rung, ...], collects: tuple[str, ...]) -> Item:
    return Item(spec, rungs, collects)


def _plan(sections: Sections, items: tuple[Item, ...], files: tuple[SourceFile, ...]) -> Plan:
    return Plan(
        head=sections.heads[0].value,
        items=items,
        directory=directory_of(sections),
        channels={entry.value.id: entry.value for entry in sections.entries("channels")},
        files=files,
        positions={entry.value.id: entry.place.position() for entry in sections.entries("items")},
        ca_positions={
            entry.value.id: entry.place.position(("ca_file",))
            for entry in sections.entries("channels")
            if entry.value.ca_file is not None
        },
    )
