"""Ten thousand items of mixed kinds: reading them, and what they come to in a year."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import yaml
from dateutil.rrule import DAILY, FR, MO, MONTHLY, TH, TU, WE, WEEKLY, rrule

from benchmarks.figures import Figure
from reminder.agenda.alarms import expand
from reminder.plan.loader import load_plan_bytes
from tests.plans import CALENDAR, at, files_of, item_yaml

ITEMS = 10_000
A_FILE = 2_000
"""Items: a file may have 400,000 nodes."""
ROUNDS = 3
OWING = """\
- from: due
  workdays:
    - -10
    - -5
    - -1
    - 0
  to: owing
- from: due
  workdays: +3
  to: escalation
  repeat:
    every_workdays: 2
    at_most: 3
"""
PLAIN = """\
- from: due
  workdays:
    - -5
    - 0
  to:
    - person:p-office
"""
DUTY = "duty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科"
KINDS = (
    ("every: month\ndue: last-workday", OWING, DUTY),
    ("every: quarter", OWING, DUTY),
    ("every: half-year\ndue: 10", OWING, DUTY),
    ("window:\n  opens: 03-01\n  closes: 06-10", OWING, DUTY),
    ("festivals:\n  - 春节\n  - 端午\n  - 中秋\n  - 国庆", PLAIN, ""),
    ("date: 2026-06-10", PLAIN, ""),
    ("rrule: FREQ=WEEKLY;BYDAY=MO", PLAIN, ""),
    ('lunar: "9/9"', PLAIN, ""),
)
WEEKDAYS = (MO, TU, WE, TH, FR)


def seconds(work: Callable[[], object]) -> float:
    """The median of some runs."""
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def agenda() -> Iterator[Figure]:
    """Against PyYAML's C loader on the same text, and bare ``rrule`` for as many dates."""
    kinds = itertools.cycle(KINDS)
    items = [item_yaml(f"i{number}", *next(kinds)) for number in range(ITEMS)]
    files = files_of(*items[:A_FILE])
    for number in range(A_FILE, ITEMS, A_FILE):
        text = "items:\n" + "".join(items[number : number + A_FILE]) + "...\n"
        files[f"items-{number}.yaml"] = text.encode()
    plan = load_plan_bytes(files).plan
    assert plan is not None
    ours = seconds(lambda: load_plan_bytes(files))
    theirs = seconds(lambda: [yaml.load(text, Loader=yaml.CSafeLoader) for text in files.values()])
    how = f"{ITEMS:,} items, median of {ROUNDS} in one process"
    yield Figure(
        "a plan of 10,000 items, read and checked",
        f"{ours:.1f} s = {ours / theirs:.1f} ×",
        "≤ 3 ×",
        f"PyYAML's C loader on the same text: {theirs:.1f} s; {how}",
    )
    since, until = at("2026-01-01"), at("2027-01-01")
    count = len(expand(plan, CALENDAR, since, until))
    an_alarm = seconds(lambda: expand(plan, CALENDAR, since, until)) / count * 1e6
    a_date = seconds(lambda: _dates(count)) / count * 1e6
    yield Figure(
        "their alarms in a year", f"{an_alarm:.1f} µs each = {an_alarm / a_date:.2f} ×", "≤ 1.0 ×",
        f"{count:,} alarms; bare `dateutil.rrule` for as many dates, daily, weekly and last working day of a month in turn: {a_date:.1f} µs each; {how}",
    )  # fmt: skip


def _dates(count: int) -> None:
    """As many dates as there are alarms: a year of each rule, in turn."""
    start, end = datetime(2026, 1, 1), datetime(2026, 12, 31)
    rules: tuple[Callable[[], rrule], ...] = (
        lambda: rrule(DAILY, dtstart=start, until=end),
        lambda: rrule(WEEKLY, dtstart=start, until=end, byweekday=MO),
        lambda: rrule(MONTHLY, dtstart=start, until=end, byweekday=WEEKDAYS, bysetpos=-1),
    )
    found = 0
    for make in itertools.cycle(rules):
        found += len(list(make()))
        if found >= count:
            return
