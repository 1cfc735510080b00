"""A year of the shipped plan with an office that does half early, some late and some never.

One rotation in May, one leader away in June, one returned report, a circular, an
appointment, a draw each quarter.  The golden says who received what and when; to
accept another, run this file as a script and read the difference.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.duties import standings
from reminder.agenda.facts import DutyAction, DutyState, Facts, Way
from reminder.agenda.occurrences import occurrences
from reminder.agenda.reach import MISSING_LIST, reach
from reminder.check import Edition, examine
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import Entry as Line
from reminder.ledger.shown import EntryFilter
from reminder.recording.events import Events
from reminder.recording.recorder import Actor, Entry, Recorder
from reminder.simulate import Act, play
from reminder.sweep.seeds import Seed, SeedsInMemory
from tests.editions import ROOT, Remembering
from tests.plans import SHANGHAI, at

GOLDEN = Path(__file__).parent / "golden"
CLERK = Actor("p-jgdw-gs", Way.COMMAND)
BEGIN, END = at("2026-01-01"), at("2027-01-20")
ROTATED = "2026-05-11"
EARLY, LATE = 8, 2
"""Working days before and after the due date."""


def directory_text() -> str:
    """理论科 gets another head in May; 副部长（文艺） is away in June and 副部长（新闻） acts."""
    text = (ROOT / "schedules" / "directory.yaml").read_text("utf-8")
    held = "  - post: 理论科科长\n    person: p-lilun-kz\n"
    assert held in text
    text = text.replace(
        held,
        f"{held}    until: 2026-05-10\n  - post: 理论科科长\n    person: p-lilun-fkz\n    from: {ROTATED}\n",
    )
    away = (
        "deputies:\n  - of: p-fbz-wenyi\n    deputy: p-fbz-xinwen\n"
        "    from: 2026-06-01\n    until: 2026-06-30\n...\n"
    )
    return text.rstrip().removesuffix("...") + away


@dataclass(frozen=True)
class Year:
    """What came of it."""

    edition: Edition
    facts: Facts
    lines: list[Line]
    mails: list[tuple[str, datetime, str, str]]
    """Receiver, day, subject and text of everything that went to a person."""


def fate(occurrence: str, cell: str) -> str:
    """Half early, a quarter late, a quarter never: by a hash, so that it is the same in every run."""
    return ("early", "early", "late", "never")[
        hashlib.sha256(f"{occurrence}|{cell}".encode()).digest()[0] % 4
    ]


def acts_of(edition: Edition, recorder: Recorder, events: Events) -> Iterator[Act]:
    calendar, plan = edition.calendar, edition.plan
    for item in plan.items:
        for occurrence in occurrences(item, plan.head, calendar, date(2026, 1, 1), date(2026, 12, 31)):
            for standing in standings(item, occurrence, plan.directory, calendar, Facts(), occurrence.due_at):
                cell = standing.cell
                how = fate(occurrence.id, cell.id)
                since = cell.since or occurrence.opens
                day = (
                    max(calendar.before(occurrence.due, EARLY), since)
                    if how == "early"
                    else calendar.after(occurrence.due, LATE)
                )
                if how != "never":
                    yield done(recorder, occurrence.id, cell.id, day)
    report = next(
        iter(
            sorted(
                unit.id
                for unit in plan.directory.units
                if fate("quarterly-report/2026Q2", unit.id) == "early"
            )
        )
    )
    yield Act(
        at("2026-07-01 08:30"),
        lambda now: recorder.record(
            CLERK, Entry("quarterly-report/2026Q2", report, DutyAction.RETURN, note="缺宣传报道链接"), now
        ),
    )
    yield Act(
        at("2026-03-10 10:00"),
        lambda now: events.register("circular", "通报-2026-01", date(2026, 3, 10), by=CLERK.id, now=now),
    )
    yield Act(
        at("2026-04-15 10:00"),
        lambda now: events.register("appointment", "任前-2026-03", date(2026, 5, 20), by=CLERK.id, now=now),
    )
    for step, on in (("talk", "2026-05-06"), ("exam", "2026-05-13"), ("statement", "2026-05-18")):
        yield done(recorder, f"appointment-{step}/任前-2026-03", "p-ganbu-kz", date.fromisoformat(on))


def done(recorder: Recorder, occurrence: str, cell: str, day: date) -> Act:
    when = datetime.combine(day, time(16, 0), tzinfo=SHANGHAI)
    return Act(when, lambda now: recorder.record(CLERK, Entry(occurrence, cell, DutyAction.DONE, day), now))


@cache
def year() -> Year:
    """Played once for all tests."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "schedules", folder / "schedules")
        (folder / "schedules" / "directory.yaml").write_text(directory_text(), "utf-8")
        examination = examine(folder / "schedules", ROOT / "message_templates")
        assert examination.edition is not None, examination.errors
        edition = examination.edition
        channels = {each: Remembering(each) for each in edition.plan.channels}
        seeds = SeedsInMemory(
            Seed(
                "frugality-spot-check",
                f"{each}Q{quarter}",
                hashlib.sha256(f"{each}{quarter}".encode()).digest(),
            )
            for each in (2026, 2027)
            for quarter in (1, 2, 3, 4)
        )
        with Ledger.open(folder / "ledger.sqlite3", kind=LedgerKind.SIMULATION, now=BEGIN) as ledger:
            recorder, events = Recorder(ledger, edition), Events(ledger, edition)
            play(edition, ledger, channels, BEGIN, END, tuple(acts_of(edition, recorder, events)), seeds)
            plan_id = edition.plan.id
            lines = ledger.book.entries(plan_id, EntryFilter(limit=1_000_000))
            facts = ledger.facts(plan_id, Transport.OUTBOX)
    draws = {
        key: replace(draw, seed=next(s.value for s in seeds.read() if (s.item, s.period) == key))
        for key, draw in facts.draws.items()
    }
    mails = [
        (to.id, stamp.date, message.subject, message.text)
        for channel in channels.values()
        for message, to, stamp in channel.composed
    ]
    return Year(edition, replace(facts, draws=draws), lines, mails)


def account() -> str:
    """One line a message: when, on which channel, to whom, and for which rungs."""
    messages: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for line in year().lines:
        if line.message is not None and line.item != "notice":
            messages[line.message, line.receiver or "", line.channel or ""].append(line)
    rows = []
    for (_, receiver, channel), lines in messages.items():
        when = max(line.recorded_at for line in lines).astimezone(SHANGHAI)
        rungs = "、".join(sorted(line.alarm for line in lines))
        rows.append(f"{when:%Y-%m-%d %H:%M} {channel} {receiver}: {rungs}")
    return "\n".join(sorted(rows)) + "\n"


def talk_matrix() -> str:
    """Leaders by heads for each half-year, as the post in charge would read it."""
    found = year()
    item = found.edition.plan.item("integrity-talk")
    assert item is not None
    rows = []
    head, calendar, directory = found.edition.plan.head, found.edition.calendar, found.edition.plan.directory
    for occurrence in occurrences(item, head, calendar, date(2026, 1, 1), date(2026, 12, 31)):
        for each in standings(item, occurrence, directory, calendar, found.facts, END):
            day = each.done_on or "未谈"
            rows.append(f"{occurrence.label} {each.cell.title}: {day}")
    return "\n".join(rows) + "\n"


def missing_list() -> str:
    """The list of the second quarter's reports, as 机关党委 received it."""
    texts = [
        text
        for _, stamp, subject, text in year().mails
        if "活动开展情况报送" in text and "未登记办结" in text and stamp.date() == date(2026, 7, 1)
    ]
    return texts[0]


GOLDENS = {"account.txt": account, "talks.txt": talk_matrix, "missing-list.txt": missing_list}


@pytest.mark.parametrize("name", GOLDENS)
def test_the_year_is_as_it_was_read_and_accepted(name: str) -> None:
    assert GOLDENS[name]() == (GOLDEN / name).read_text("utf-8")


def alarms() -> dict[str, Alarm]:
    found = year()
    plan = found.edition.plan
    return {
        each.key: each
        for each in expand(plan, found.edition.calendar, BEGIN - timedelta(days=60), END, found.facts)
    }


def then(facts: Facts, moment: datetime) -> Facts:
    """What was known at a moment."""
    duties = {
        key: tuple(event for event in events if event.at < moment) for key, events in facts.duties.items()
    }
    return replace(facts, duties=duties)


def test_nobody_with_nothing_open_is_reminded_and_everybody_with_something_open_is() -> None:
    """On each rung: whom it reached by the facts of that moment, and whom the ledger says, are the same."""
    found = year()
    known = alarms()
    by_alarm: dict[str, list[Line]] = defaultdict(list)
    for line in found.lines:
        if line.alarm in known:
            by_alarm[line.alarm].append(line)
    assert len(by_alarm) > 300
    for key, lines in by_alarm.items():
        if lines[0].decision in ("supersede", "miss") or lines[0].reason == "before-adoption":
            continue
        alarm, moment = known[key], min(line.recorded_at for line in lines)
        expected = reach(alarm, found.edition.plan, found.edition.calendar, then(found.facts, moment), moment)
        people = {each.person.id for each in expected.receivers} | {
            each.receiver.person.id for each in expected.withheld
        }
        told = {
            line.receiver
            for line in lines
            if line.receiver is not None and not line.receiver.startswith("group:")
        }
        assert told == people, key
        if not people:
            assert lines[0].reason == (expected.reason or "nobody"), key


def test_what_is_missing_is_listed_and_what_is_done_is_not() -> None:
    """Every missing list names exactly the units that had not reported at that moment."""
    found = year()
    known = alarms()
    lists = [
        line for line in found.lines
        if line.alarm in known and known[line.alarm].rung.template == MISSING_LIST
        and line.message is not None and not known[line.alarm].item.spec.private
    ]  # fmt: skip
    assert lists
    for line in lists:
        alarm = known[line.alarm]
        facts = then(found.facts, line.recorded_at)
        cells = standings(
            alarm.item,
            alarm.occurrence,
            found.edition.plan.directory,
            found.edition.calendar,
            facts,
            line.recorded_at,
        )
        (text,) = {
            text
            for to, stamp, _, text in found.mails
            if to == line.receiver and stamp.astimezone(SHANGHAI).date() == line.recorded_at.astimezone(SHANGHAI).date()
            and alarm.item.spec.title in text and "未登记办结" in text
        } or {""}  # fmt: skip
        for each in cells:
            if each.owed:
                assert each.cell.title in text, (line.alarm, each.cell.id)


def test_every_talk_that_was_recorded_has_a_date_and_nothing_else() -> None:
    found = year()
    private = {item.id for item in found.edition.plan.items if item.spec.private}
    events = [
        each
        for (under, _), some in found.facts.duties.items()
        if under.partition("/")[0] in private
        for each in some
    ]
    assert events
    assert {each.note for each in events} == {""}
    assert all(each.on is not None for each in events if each.action is DutyAction.DONE)


def test_a_draw_was_made_in_every_quarter_and_told_to_inspectors_alone() -> None:
    found = year()
    drawn = [
        line for line in found.lines if line.item == "frugality-spot-check" and line.alarm.endswith("#drawn")
    ]
    assert {line.occurrence for line in drawn} == {f"frugality-spot-check/2026Q{n}" for n in (1, 2, 3, 4)}
    directory = found.edition.plan.directory
    inspectors = {
        person.id
        for post in directory.posts
        if "检查组" in post.roles
        for person in directory.holders(post.id, date(2026, 6, 1))
    }
    assert {line.receiver for line in drawn} <= inspectors


def test_the_states_of_the_year_are_all_there() -> None:
    """The script is what it says: done, open, returned."""
    found = year()
    states: set[DutyState] = set()
    plan = found.edition.plan
    for item in plan.items:
        for occurrence in occurrences(
            item, plan.head, found.edition.calendar, date(2026, 1, 1), date(2026, 12, 31), found.facts
        ):
            for each in standings(item, occurrence, plan.directory, found.edition.calendar, found.facts, END):
                states.add(each.state)
    assert states >= {DutyState.DONE, DutyState.OPEN, DutyState.RETURNED}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, make in GOLDENS.items():
        (GOLDEN / name).write_text(make(), "utf-8")
