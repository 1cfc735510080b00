"""Draws in a sweep: committed to in time, told to inspectors on the day, and to nobody before."""

from __future__ import annotations

import json
import logging
import sqlite3
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from reminder.agenda.draws import candidate_days, commitment_of, day_chosen, unit_chosen, verify
from reminder.agenda.facts import Draw, DutyAction, Way
from reminder.calendars.arrangement import ArrangedDay, Arrangement
from reminder.calendars.periods import Period, PeriodKind
from reminder.calendars.workdays import WorkCalendar
from reminder.ledger.facts import NewDutyEvent
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.plan.model import Plan
from reminder.sweep.seeds import Seed, SeedFile, Seeds, SeedsInMemory
from reminder.sweep.sweeper import Sweeper
from tests.backends import Backend
from tests.editions import Remembering, edition_of, remembering
from tests.plans import CALENDAR, DIRECTORY, SHANGHAI, at, day, item_yaml, plan_of

pytestmark = pytest.mark.sqlite_only(
    "half a year swept by the hour; what it writes are facts, which tests/ledger tries on each storage"
)

OUTBOX = Transport.OUTBOX
INSPECTORS = """\
  - post: 检查组组长
    person: p-leader
  - post: 检查组成员
    person: p-clerk
supervision:
"""
OFFICE = DIRECTORY.replace(
    "people:\n",
    "  - id: 检查组组长\n    roles:\n      - 检查组\n  - id: 检查组成员\n    roles:\n      - 检查组\npeople:\n",
).replace("supervision:\n", INSPECTORS)
LADDER = """
- id: drawn
  from: due
  workdays: 0
  to: role:检查组
- id: findings
  from: due
  workdays: +5
  to: role:检查组
  if: open
- id: rectification
  from: due
  workdays: +10
  to: role:检查组
  if: open
"""
EXTRA = "private: true\nduty:\n  each: person\n  of:\n    - post:检查组组长\ntemplate: spot-check"
Q2 = Period(PeriodKind.QUARTER, 2026, 2)
Q3 = Period(PeriodKind.QUARTER, 2026, 3)


def spot_check(times: int = 1, extra: str = EXTRA, item_id: str = "check") -> str:
    draw = f"draw:\n  per: quarter\n  times: {times}\n  from: group:机关各科室"
    return item_yaml(item_id, draw, LADDER, extra)


def office(*items: str, directory: str = OFFICE) -> Plan:
    return plan_of(*(items or (spot_check(),)), directory=directory)


def seed_of(number: int, period: str = "2026Q2") -> Seed:
    return Seed("check", period, sha256(f"{number}/{period}".encode()).digest())


def drawn_by(seed: Seed, plan: Plan, committed: str = "2026-03-31") -> tuple[date, str]:
    """What a seed chooses for the second quarter, by the documents alone."""
    days = candidate_days(Q2, day(committed), plan.head, CALENDAR)
    chosen = day_chosen(seed.value, "check", "2026Q2", days, (), 1)
    assert chosen is not None
    return chosen, unit_chosen(seed.value, "check", "2026Q2", ("办公室", "理论科"), ())


def seed_before(latest: str, earliest: str = "2026-04-20") -> Seed:
    """A seed whose day lies between two, so that a test has room on both sides."""
    plan = office()
    return next(
        seed for n in range(999) if day(earliest) <= drawn_by(seed := seed_of(n), plan)[0] <= day(latest)
    )


def seeds(seed: Seed) -> SeedsInMemory:
    """The seed, and one for the quarter after it that chooses no day before August."""
    days = candidate_days(Q3, day("2026-06-30"), office().head, CALENDAR)
    for number in range(999):
        later = seed_of(number, "2026Q3")
        chosen = day_chosen(later.value, "check", "2026Q3", days, (), 1)
        if chosen is not None and chosen >= day("2026-08-01"):
            return SeedsInMemory([seed, later])
    raise AssertionError


@pytest.fixture
def ledger(backend: Backend) -> Ledger:
    return backend.open(LedgerKind.SIMULATION, at("2026-01-01"))


class Bench:
    """A sweeper on a clock that a test moves, and what it told."""

    def __init__(
        self, ledger: Ledger, seeds: Seeds | None, plan: Plan | None = None, start: str = "2026-03-31"
    ) -> None:
        self.ledger, self.plan, self.seeds = ledger, plan or office(), seeds
        self.now = at(start)
        self.mail = remembering()
        self.restart()

    def restart(self, calendar: WorkCalendar = CALENDAR) -> None:
        self.edition = replace(edition_of(self.plan), calendar=calendar)
        self.sweeper = Sweeper(self.ledger, self.edition, self.mail, OUTBOX, self.now, self.seeds)

    def until(self, instant: str | datetime) -> None:
        """Sweep at every instant at which there is something to do, and at this one."""
        end = at(instant) if isinstance(instant, str) else instant
        while self.now < end:
            self.sweeper.sweep(self.now)
            self.now = min(end, max(self.sweeper.next_instant(self.now), self.now + timedelta(minutes=1)))
        self.sweeper.sweep(self.now)

    @property
    def draw(self) -> Draw:
        return self.ledger.facts("test", OUTBOX).draws["check", "2026Q2"]

    def told(self) -> list[tuple[str, str]]:
        """(receiver, day) of every message of the draw, notices left out."""
        return [
            (to.id, f"{stamp.date:%m-%d}")
            for message, to, stamp in self.mail["mail"].composed
            if "工作安排" in message.subject
        ]

    def notices(self) -> list[str]:
        return [
            m.subject
            for m, _, _ in self.mail["mail"].composed
            if "抽" in m.subject and "工作安排" not in m.subject
        ]

    def texts(self) -> str:
        channels: list[Remembering] = list(self.mail.values())
        return "".join(f"{m.subject}{m.text}{m.html}" for each in channels for m, _, _ in each.composed)

    def failed(self) -> list[str]:
        checks = (check for lot in self.draw.lots for check in verify(self.draw, lot, Q2, "Asia/Shanghai"))
        return [check.text for check in checks if check.passed is False]


def everything_in(path: Path) -> str:
    """Every row of every table, as text."""
    with sqlite3.connect(path) as connection:
        return "\n".join(connection.iterdump())


def after(days: date, number: int) -> str:
    return f"{CALENDAR.after(days, number):%m-%d}"


# ---- commitments


def test_this_period_and_the_next_are_committed_to_at_the_first_sweep(ledger: Ledger, tmp_path: Path) -> None:
    """Only hashes in the ledger; the seeds lie in the file, for the daemon's eyes."""
    bench = Bench(ledger, SeedFile(tmp_path / "keys" / "draws.json"))
    bench.until("2026-03-31 00:01")
    draws = ledger.facts("test", OUTBOX).draws
    assert [period for _, period in draws] == ["2026Q1", "2026Q2"]
    kept = {seed.digest: seed for seed in SeedFile(tmp_path / "keys" / "draws.json").read()}
    for draw in draws.values():
        seed = kept[draw.commitment.digest]
        assert (seed.item, seed.period) == ("check", draw.period)
        assert draw.commitment.on == day("2026-03-31")
        assert seed.value.hex() not in everything_in(tmp_path / "ledger.sqlite3")
    assert draws["check", "2026Q2"].commitment.at.astimezone(SHANGHAI).date() < Q2.first
    number = ledger.facts_number("test")
    bench.restart()
    bench.until("2026-03-31 12:00")
    assert ledger.facts_number("test") == number


def test_without_a_keeper_of_seeds_nothing_is_drawn(ledger: Ledger) -> None:
    bench = Bench(ledger, None)
    bench.until("2026-07-01")
    assert ledger.facts("test", OUTBOX).draws == {}
    assert bench.told() == []


class Full(SeedsInMemory):
    """A disk that is full until somebody makes room."""

    full = True

    def add(self, seed: Seed) -> None:
        from reminder.sweep.seeds import SeedsUnreadable

        if self.full:
            raise SeedsUnreadable("抽取的种子文件 draws.json 不能写入（磁盘已满）")
        super().add(seed)


def test_no_commitment_stands_in_the_ledger_whose_seed_is_not_kept(ledger: Ledger) -> None:
    """The admins are told once a day; as soon as there is room it goes on by itself."""
    seeds = Full()
    bench = Bench(ledger, seeds)
    for _ in range(3):
        bench.until(bench.now + timedelta(minutes=5))
    assert ledger.facts("test", OUTBOX).draws == {}
    assert bench.notices() == ["随机抽取暂停：种子文件不能使用"]
    bench.until("2026-04-01 00:05")
    assert len(bench.notices()) == 2
    seeds.full = False
    bench.until("2026-04-01 00:06")
    assert len(ledger.facts("test", OUTBOX).draws) == 2


def test_a_seed_that_was_kept_and_not_committed_to_is_used(ledger: Ledger) -> None:
    """Killed between the two: no second seed."""
    seeds = SeedsInMemory([seed_of(1)])
    Bench(ledger, seeds).until("2026-03-31 00:01")
    draw = ledger.facts("test", OUTBOX).draws["check", "2026Q2"]
    assert draw.commitment.digest == seed_of(1).digest
    assert [each.period for each in seeds.read()] == ["2026Q2", "2026Q1"]


# ---- the day


def test_inspectors_are_told_on_the_day_and_later_what_is_still_to_do(ledger: Ledger) -> None:
    """R: the drawn day, +5 findings, +10 rectification."""
    seed = seed_before("2026-06-01")
    drawn, unit = drawn_by(seed, office())
    bench = Bench(ledger, seeds(seed))
    bench.until("2026-07-10")
    days = [f"{drawn:%m-%d}", after(drawn, 5), after(drawn, 10)]
    assert bench.told() == [(who, each) for each in days for who in ("p-leader", "p-clerk")]
    assert bench.texts().count(f"抽中的单位是{unit}") > 0
    (lot,) = bench.draw.lots
    assert (lot.day, lot.unit, bench.draw.seed) == (drawn, unit, seed.value)
    assert bench.failed() == []
    occurrences = {e.occurrence for e in ledger.book.entries("test", EntryFilter(item="check"))}
    assert occurrences >= {"check/2026Q2"}


def test_what_is_closed_is_not_asked_for_again(ledger: Ledger) -> None:
    seed = seed_before("2026-06-01")
    drawn, _ = drawn_by(seed, office())
    bench = Bench(ledger, seeds(seed))
    bench.until(f"{CALENDAR.after(drawn, 6)} 12:00")
    done = NewDutyEvent(("check/2026Q2",), "p-leader", DutyAction.DONE, "p-clerk", Way.COMMAND, drawn)
    ledger.record_duties("test", [done], bench.now)
    bench.until("2026-07-10")
    days = [f"{drawn:%m-%d}", after(drawn, 5)]
    assert bench.told() == [(who, each) for each in days for who in ("p-leader", "p-clerk")]


def test_an_inspector_of_the_drawn_unit_is_not_told(ledger: Ledger) -> None:
    """Whoever belongs to it gets nothing; the ledger says why."""
    seed = seed_before("2026-06-01")
    drawn, unit = drawn_by(seed, office())
    own = {"办公室": "p-office", "理论科": "p-theory"}[unit]
    bench = Bench(
        ledger,
        seeds(seed),
        office(directory=OFFICE.replace("    person: p-clerk\nsuper", f"    person: {own}\nsuper")),
    )
    bench.until(f"{drawn} 12:00")
    assert bench.told() == [("p-leader", f"{drawn:%m-%d}")]
    (entry,) = ledger.book.entries("test", EntryFilter(receiver=own, item="check"))
    assert (entry.decision, entry.reason) == ("suppress", "drawn")


def test_a_daemon_that_begins_within_a_period_draws_from_the_days_left(ledger: Ledger) -> None:
    bench = Bench(ledger, SeedsInMemory(), start="2026-06-22 15:00")
    bench.until("2026-07-01")
    (lot,) = bench.draw.lots
    assert lot.days == candidate_days(Q2, day("2026-06-22"), bench.plan.head, CALENDAR)
    assert lot.day is not None
    assert day("2026-06-23") <= lot.day <= day("2026-06-30")
    assert bench.failed() == []


def test_a_restart_every_day_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    seed = seed_before("2026-05-20")
    drawn, _ = drawn_by(seed, office())
    keys = SeedFile(tmp_path / "keys" / "draws.json")
    keys.add(seed)
    bench = Bench(ledger, keys)
    while bench.now < at("2026-06-15"):
        bench.until(bench.now + timedelta(days=1, hours=1))
        bench.seeds = SeedFile(tmp_path / "keys" / "draws.json")
        bench.restart()
    days = [f"{drawn:%m-%d}", after(drawn, 5), after(drawn, 10)]
    assert bench.told() == [(who, each) for each in days for who in ("p-leader", "p-clerk")]


def test_two_sweepers_publish_a_lot_once(ledger: Ledger) -> None:
    """Of two that find it due in the same second one has it; both agree."""
    seed = seed_before("2026-06-01")
    drawn, _ = drawn_by(seed, office())
    one, other = Bench(ledger, seeds(seed)), Bench(ledger, seeds(seed))
    one.until(f"{drawn} 08:59")
    other.until(f"{drawn} 08:59")
    one.until(f"{drawn} 09:00")
    other.until(f"{drawn} 09:00")
    assert len(one.draw.lots) == 1
    assert (len(one.told()), len(other.told())) == (2, 0)


def test_after_an_outage_over_the_day_it_is_the_next_working_day(ledger: Ledger) -> None:
    seed = seed_before("2026-06-01")
    drawn, unit = drawn_by(seed, office())
    bench = Bench(ledger, seeds(seed))
    bench.until(f"{drawn} 08:59")
    bench.now = at(f"{drawn} 18:00")  # the day's hour is over
    bench.until("2026-07-20")
    (lot,) = bench.draw.lots
    assert (lot.drawn, lot.day, lot.unit) == (drawn, CALENDAR.after(drawn, 1), unit)
    assert bench.told()[0] == ("p-leader", after(drawn, 1))
    assert bench.failed() == []


def test_an_outage_over_the_rest_of_the_period_is_told_and_nobody_is_sent(ledger: Ledger) -> None:
    seed = seed_before("2026-06-01")
    bench = Bench(ledger, seeds(seed))
    bench.until("2026-04-02 12:00")
    bench.now = at("2026-07-01 08:00")
    bench.until("2026-07-02")
    (lot,) = bench.draw.lots
    assert lot.day is None
    assert bench.told() == []
    assert bench.notices() == ["“事项check”（2026年第二季度）没有抽成"]
    assert bench.failed() == []


def test_three_lots_come_out_one_by_one_and_the_seed_with_the_last(ledger: Ledger) -> None:
    bench = Bench(ledger, SeedsInMemory([seed_of(3)]), office(spot_check(times=3)))
    seen: list[tuple[int, bool]] = []
    while bench.now < at("2026-07-01"):
        bench.until(bench.now + timedelta(days=1))
        if bench.draw.lots and (not seen or seen[-1][0] != len(bench.draw.lots)):
            seen.append((len(bench.draw.lots), bench.draw.seed is not None))
    assert seen == [(1, False), (2, False), (3, True)]
    days = [lot.day for lot in bench.draw.lots]
    assert days == sorted(set(days), key=str)
    assert bench.failed() == []
    found = {
        entry.occurrence
        for entry in ledger.book.entries("test", EntryFilter(item="check", since=at("2026-04-01")))
    }
    assert {"check/2026Q2", "check/2026Q2.2", "check/2026Q2.3"} <= found


def test_a_renamed_item_goes_on_with_its_draw(ledger: Ledger) -> None:
    """The name under which it was committed to stays that of the draw."""
    seed = seed_before("2026-06-01")
    drawn, unit = drawn_by(seed, office())
    bench = Bench(ledger, seeds(seed))
    bench.until("2026-04-02 12:00")
    bench.plan = office(spot_check(extra=EXTRA + "\nwas:\n  - check", item_id="renamed"))
    bench.restart()
    bench.until("2026-07-01")
    (lot,) = bench.draw.lots
    assert (lot.day, lot.unit) == (drawn, unit)
    assert ("renamed", "2026Q2") not in ledger.facts("test", OUTBOX).draws
    assert bench.told()[0][1] == f"{drawn:%m-%d}"


# ---- calendar and roster change between the commitment and the day


def without(*days: date) -> WorkCalendar:
    """The official calendar with some more days off."""
    official = CALENDAR.arrangement(2026)
    more = {each: ArrangedDay(each, off=True, name="调休") for each in days}
    arranged = {each.date: each for each in official.days} | more
    return WorkCalendar({2026: Arrangement(2026, tuple(arranged[each] for each in sorted(arranged)))})


def test_a_drawn_day_that_becomes_a_rest_day_leaves_the_draw_to_the_other_days(ledger: Ledger) -> None:
    seed = seed_before("2026-06-01", "2026-05-11")
    drawn, _ = drawn_by(seed, office())
    bench = Bench(ledger, seeds(seed))
    bench.until("2026-04-02 12:00")
    bench.restart(without(drawn))
    bench.until("2026-07-01")
    (lot,) = bench.draw.lots
    assert lot.day is not None
    assert drawn not in (lot.day, *lot.days)
    assert bench.failed() == []


def test_another_day_off_changes_nothing_but_the_candidates(ledger: Ledger) -> None:
    seed = seed_before("2026-06-01", "2026-05-11")
    drawn, unit = drawn_by(seed, office())
    bench = Bench(ledger, seeds(seed))
    bench.until("2026-04-02 12:00")
    bench.restart(without(drawn + timedelta(days=1), drawn - timedelta(days=1)))
    bench.until("2026-07-01")
    (lot,) = bench.draw.lots
    assert (lot.day, lot.unit) == (drawn, unit)


def test_a_change_after_the_day_does_not_move_what_was_drawn(ledger: Ledger) -> None:
    """The lot is a fact by then: no second message, and it still verifies."""
    seed = seed_before("2026-06-01", "2026-05-11")
    drawn, _ = drawn_by(seed, office())
    bench = Bench(ledger, seeds(seed))
    bench.until(f"{drawn} 12:00")
    bench.restart(without(drawn))
    bench.until(f"{drawn + timedelta(days=2)} 12:00")
    assert len(bench.draw.lots) == 1
    assert {each for _, each in bench.told()} == {f"{drawn:%m-%d}"}
    assert bench.failed() == []


def test_a_unit_that_is_dissolved_before_the_day_is_not_drawn(ledger: Ledger) -> None:
    seed = seed_before("2026-06-01", "2026-05-11")
    drawn, unit = drawn_by(seed, office())
    other = {"办公室": "理论科", "理论科": "办公室"}[unit]
    gone = OFFICE.replace(
        f"  - id: {unit}\n    kind: 科室\n", f"  - id: {unit}\n    kind: 科室\n    until: 2026-04-30\n"
    )
    bench = Bench(ledger, seeds(seed), office(directory=gone))
    bench.until("2026-07-01")
    (lot,) = bench.draw.lots
    assert (lot.day, lot.unit, lot.units) == (drawn, other, (other,))
    assert bench.failed() == []


# ---- the seed file in trouble


def test_a_lost_seed_is_told_and_a_new_one_committed_to(ledger: Ledger, tmp_path: Path) -> None:
    """Only days after the new commitment; the old one stays in the record."""
    keys = tmp_path / "keys" / "draws.json"
    bench = Bench(ledger, SeedFile(keys))
    SeedFile(keys).add(seed_before("2026-06-30", "2026-06-01"))
    bench.until("2026-04-20 12:00")
    old = bench.draw.commitment
    keys.unlink()
    bench.restart()
    bench.until("2026-04-20 12:05")
    assert bench.notices() == ["有2项随机抽取的种子遗失，已重新承诺"]
    assert [each.turn for each in bench.draw.commitments] == [1, 2]
    assert bench.draw.commitments[0] == old
    assert bench.draw.commitment.on == day("2026-04-20")
    bench.until("2026-07-01")
    (lot,) = bench.draw.lots
    assert lot.commitment == bench.draw.commitment.digest
    assert min(lot.days) > day("2026-04-20")
    assert bench.failed() == []
    assert len(bench.notices()) == 1


def test_a_seed_that_does_not_fit_its_commitment_counts_as_lost(ledger: Ledger, tmp_path: Path) -> None:
    keys = tmp_path / "keys" / "draws.json"
    SeedFile(keys).add(seed_before("2026-06-30"))
    bench = Bench(ledger, SeedFile(keys))
    bench.until("2026-04-02 12:00")
    rows = json.loads(keys.read_text())
    for row in rows["seeds"]:
        row["seed"] = "00" * 32
    keys.write_text(json.dumps(rows))
    bench.restart()
    bench.until("2026-04-02 12:05")
    assert [each.turn for each in bench.draw.commitments] == [1, 2]
    assert bench.draw.commitment.digest != commitment_of(bytes(32))
    assert bench.notices() == ["有2项随机抽取的种子遗失，已重新承诺"]


def test_a_broken_file_is_put_aside_and_told(ledger: Ledger, tmp_path: Path) -> None:
    keys = tmp_path / "keys" / "draws.json"
    SeedFile(keys).add(seed_before("2026-06-30"))
    bench = Bench(ledger, SeedFile(keys))
    bench.until("2026-04-02 12:00")
    whole = keys.read_text()
    keys.write_text(whole[: len(whole) // 2])
    bench.restart()
    bench.until("2026-04-02 12:05")
    assert sorted(bench.notices()) == ["有2项随机抽取的种子遗失，已重新承诺", "随机抽取的种子文件损坏"]
    (aside,) = keys.parent.glob("draws-broken-*.json")
    assert aside.read_text() == whole[: len(whole) // 2]
    assert len(SeedFile(keys).read()) == 2


def test_a_file_that_cannot_be_read_stops_the_draws_and_nothing_else(ledger: Ledger, tmp_path: Path) -> None:
    """No new commitment is made on a hiccup: the seed is still there."""
    keys = tmp_path / "keys" / "draws.json"
    seed = seed_before("2026-06-01", "2026-05-11")
    SeedFile(keys).add(seed)
    plain = item_yaml("plain", "date: 2026-04-10", "- from: due\n  workdays: 0\n  to: person:p-office")
    bench = Bench(ledger, SeedFile(keys), office(spot_check(), plain))
    bench.until("2026-04-02 12:00")
    away = keys.rename(keys.with_name("away"))
    keys.mkdir()
    bench.restart()
    bench.until("2026-04-11")
    assert set(bench.notices()) == {"随机抽取暂停：种子文件不能使用"}
    assert [each.turn for each in bench.draw.commitments] == [1]
    assert "事项plain" in bench.texts()
    keys.rmdir()
    away.rename(keys)
    bench.until("2026-07-01")
    (lot,) = bench.draw.lots
    assert lot.day == drawn_by(seed, bench.plan)[0]


def test_a_seed_lost_while_nothing_ran_to_the_end_of_the_period_is_told(
    ledger: Ledger, tmp_path: Path
) -> None:
    keys = tmp_path / "keys" / "draws.json"
    bench = Bench(ledger, SeedFile(keys))
    bench.until("2026-04-01 00:01")
    keys.unlink()
    bench.now = at("2026-10-08 08:00")
    bench.restart()
    bench.until("2026-10-08 12:00")
    assert "“事项check”（2026年第二季度）没有抽成" in bench.notices()


# ---- nobody before


@pytest.mark.parametrize("number", range(40))
def test_nothing_names_the_day_or_the_unit_before(
    number: int, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute before: no row of the ledger, no message, no log line, nothing pending; then the inspectors only."""
    caplog.set_level(logging.DEBUG)
    seed = seed_of(number)
    plan = office()
    drawn, unit = drawn_by(seed, plan)
    keys = SeedFile(tmp_path / "keys" / "draws.json")
    keys.add(seed)
    bench = Bench(ledger, keys, plan)
    bench.until(f"{drawn - timedelta(days=1)} 23:00")
    assert str(drawn) not in everything_in(tmp_path / "ledger.sqlite3") + caplog.text
    assert bench.now < bench.sweeper.next_instant(bench.now) <= at(f"{drawn} 09:00")
    bench.until(f"{drawn} 08:59")
    rows = everything_in(tmp_path / "ledger.sqlite3")
    logged = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    quarter = [alarm.key for alarm in bench.sweeper.pending() if "2026Q2" in alarm.key]
    assert bench.sweeper.facts.draws["check", "2026Q2"].lots == ()
    assert quarter == []
    for text in (rows, logged, bench.texts(), repr(bench.sweeper.facts)):
        assert seed.value.hex() not in text
        assert repr(seed.value) not in text
        assert "check/2026Q2#" not in text
        assert unit not in text
    before = len(bench.told())
    bench.until(f"{drawn} 09:00")
    assert bench.told()[before:] == [(who, f"{drawn:%m-%d}") for who in ("p-leader", "p-clerk")]
