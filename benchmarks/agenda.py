"""Ten thousand items of mixed kinds: reading them, and what they come to in a year.

Processor time, in turns with what it is compared with.  Whatever lives already
is put out of the garbage collector's sight first, so that nobody pays for the
other's objects.
"""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.figures import PEERS_PYTHON, Figure, median
from benchmarks.rules import WEEKLY_RULE, Rule, calendar, days_of, rules
from reminder.agenda.alarms import expand
from reminder.calendars.workdays import WorkCalendar
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
PEERS = Path(__file__).resolve().parent / "peers"
OWN_ITEMS = 1_440
"""As many as a day has minutes."""
PEERS_ITEMS = 1_000
"""Items in the calendar of recurring-ical-events, whose cost for a date does not grow with them."""


def text_of(count: int, *, own_time: bool = False) -> dict[str, bytes]:
    """The files of a plan of so many items, the kinds in turn; each due at a minute of its own, if asked."""
    items = []
    for number, (when, ladder, duty) in zip(range(count), itertools.cycle(KINDS), strict=False):
        at_ = f"\nat: {number // 60:02d}:{number % 60:02d}" if own_time else ""
        items.append(item_yaml(f"i{number}", when + at_, ladder, duty))
    files = files_of(*items[:A_FILE])
    for number in range(A_FILE, count, A_FILE):
        text = "items:\n" + "".join(items[number : number + A_FILE]) + "...\n"
        files[f"items-{number}.yaml"] = text.encode()
    return files


def seconds(*works: Callable[[], object]) -> list[float]:
    """Seconds of processor time of each piece of work: the median of rounds in which they take turns."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, taken in zip(works, found, strict=True):
            gc.collect()
            gc.freeze()
            begun = time.process_time()
            work()
            taken.append(time.process_time() - begun)
            gc.unfreeze()
    return [median(taken) for taken in found]


def agenda() -> Iterator[Figure]:
    """Against PyYAML's C loader, bare ``rrule`` and recurring-ical-events, each on the same."""
    files = text_of(ITEMS)
    how = f"{ITEMS:,} items, median of {ROUNDS} rounds in turn, processor time"
    ours, theirs = seconds(lambda: load_plan_bytes(files), lambda: _parsed(files))
    yield Figure(
        "a plan of 10,000 items, read and checked",
        f"{ours:.1f} s = {ours / theirs:.1f} ×",
        "≤ 3 ×",
        f"PyYAML's C loader on the same text: {theirs:.1f} s; {how}",
    )
    plan = load_plan_bytes(files).plan
    assert plan is not None
    since, until = at("2026-01-01"), at("2027-01-01")
    count = len(expand(plan, CALENDAR, since, until))
    same, weekly = rules(ITEMS), [WEEKLY_RULE] * (ITEMS // 10)
    dates, weeks = _dates(same), _dates(weekly)
    taken, by_rules, by_weeks = seconds(
        lambda: expand(plan, CALENDAR, since, until), lambda: _dates(same), lambda: _dates(weekly)
    )
    an_alarm, a_date, a_week = taken / count * 1e6, by_rules / dates * 1e6, by_weeks / weeks * 1e6
    yield Figure(
        "their alarms in a year, beside bare `dateutil.rrule`",
        f"{an_alarm:.1f} µs each = {an_alarm / a_date:.2f} ×",
        "≤ 1.0 ×",
        f"{count:,} alarms; {dates:,} dates of {len(same):,} rules, one for each item and rung (`benchmarks/rules.py`): "
        f"{a_date:.1f} µs each; a long weekly rule alone, the cheapest there: {a_week:.1f} µs; {how}",
    )
    own = load_plan_bytes(text_of(OWN_ITEMS, own_time=True)).plan
    assert own is not None
    some = len(expand(own, CALENDAR, since, until))
    cold, warm = seconds(
        lambda: expand(own, WorkCalendar(), since, until), lambda: expand(own, CALENDAR, since, until)
    )
    yield Figure(
        "… where no two items share anything",
        f"{cold / some * 1e6:.1f} µs each at first, {warm / some * 1e6:.1f} µs again",
        "–",
        f"{OWN_ITEMS:,} items, each due at a minute of its own; with a new calendar, and with what was worked out before",
    )
    peer = recurring_ical_events()
    its_date = peer["seconds"] / peer["dates"] * 1e6
    yield Figure(
        "… beside recurring-ical-events",
        f"{its_date / an_alarm:.0f} × faster",
        "≥ 5 ×",
        f"{peer['version']} on the same rules as a calendar, {peer['dates']:,} dates of {PEERS_ITEMS:,} items: "
        f"{its_date:.0f} µs each, reading the calendar ({peer['reading']:.1f} s) left out; same run",
    )


def recurring_ical_events() -> dict[str, Any]:
    """Seconds, dates and version, measured by the peers' own Python."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.ics"
        path.write_bytes(calendar(PEERS_ITEMS).encode())
        done = subprocess.run(
            [PEERS_PYTHON, PEERS / "agenda_peer.py", path], check=True, capture_output=True, text=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _parsed(files: dict[str, bytes]) -> None:
    for text in files.values():
        yaml.load(text, Loader=yaml.CSafeLoader)


def _dates(given: list[Rule]) -> int:
    """How many dates the rules give."""
    return sum(len(days_of(rule)) for rule in given)
