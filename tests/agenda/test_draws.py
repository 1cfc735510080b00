"""Lots: fair, foretold by nobody, the same for everybody afterwards, and caught when touched."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from reminder.agenda.draws import (
    candidate_days,
    comes_out,
    commitment_of,
    compared,
    day_chosen,
    is_last,
    next_look,
    periods_to_commit,
    ranked,
    unit_chosen,
    unpublished,
    upcoming,
    verify,
)
from reminder.agenda.facts import NOTHING, Commitment, Draw, Facts, Lot
from reminder.calendars.periods import Period, PeriodKind
from reminder.plan.model import Plan
from reminder.plan.when import DrawWhen
from tests.plans import CALENDAR, SHANGHAI, at, day, item_yaml, plan_of

Q2 = Period(PeriodKind.QUARTER, 2026, 2)
UNITS = ("办公室", "理论科", "文艺科", "新闻科", "网络科")
RUNG = "- from: due\n  workdays: 0\n  to: person:p-office"
EARLY = Commitment("", day("2026-01-01"), at("2026-01-01 09:00"))

seeds = st.binary(min_size=32, max_size=32)


@cache
def drawn_plan(times: int = 1) -> Plan:
    draw = f"draw:\n  per: quarter\n  times: {times}\n  from: group:机关各科室"
    return plan_of(item_yaml("check", draw, RUNG, "private: true"))


def days_of(plan: Plan, committed: str = "2026-01-01") -> tuple[date, ...]:
    return candidate_days(Q2, day(committed), plan.head, CALENDAR)


def draw_of(seed: bytes, *lots: Lot, on: str = "2026-01-01", closed: bool = False) -> Draw:
    made = Commitment(commitment_of(seed), day(on), at(f"{on} 09:00"))
    return Draw("check", "2026Q2", (made,), lots, seed if closed else None)


def played(seed: bytes, plan: Plan, *, on: str = "2026-01-01", start: str = "2026-04-01") -> Draw:
    """From ``start`` on, at every instant at which a lot may come out."""
    draw = draw_of(seed, on=on)
    when = plan.items[0].spec.when
    assert isinstance(when, DrawWhen)
    now = at(f"{start} 00:00")
    while lot := upcoming(plan.items[0], when, draw, Q2, seed, plan, CALENDAR):
        if out := comes_out(lot, plan, CALENDAR, now):
            draw = replace(draw, lots=(*draw.lots, out), seed=seed if is_last(out, draw) else None)
        else:
            now = next_look(lot, plan, now)
    return draw


def failed(draw: Draw) -> list[str]:
    return [
        check.text
        for lot in draw.lots
        for check in verify(draw, lot, Q2, "Asia/Shanghai")
        if check.passed is False
    ]


# ---- what a seed chooses


@given(seeds)
def test_the_choice_is_what_the_documents_say(seed: bytes) -> None:
    """Reckoned with nothing but ``hmac``: the lowest HMAC-SHA256 of the candidate's name wins."""

    def rank(text: str) -> str:
        return hmac.new(seed, text.encode(), hashlib.sha256).hexdigest()

    days = days_of(drawn_plan())
    best = min(days, key=lambda each: rank(f"check/2026Q2/day/{each.isoformat()}"))
    assert day_chosen(seed, "check", "2026Q2", days, (), 1) == best
    unit = min(UNITS, key=lambda each: rank(f"check/2026Q2/unit/{each}"))
    assert unit_chosen(seed, "check", "2026Q2", UNITS, ()) == unit


@given(seeds, st.permutations(UNITS))
def test_the_order_of_candidates_does_not_matter(seed: bytes, units: list[str]) -> None:
    assert unit_chosen(seed, "check", "2026Q2", units, ()) == unit_chosen(seed, "check", "2026Q2", UNITS, ())


@given(seeds, st.sets(st.sampled_from(UNITS), min_size=1))
def test_a_candidate_that_goes_changes_the_choice_only_if_it_had_won(seed: bytes, left: set[str]) -> None:
    before = ranked(seed, "check", "2026Q2", "unit", UNITS)
    after = ranked(seed, "check", "2026Q2", "unit", left)
    assert after == [each for each in before if each in left]


@given(seeds, st.integers(1, 20))
def test_no_day_is_drawn_twice_and_none_before_the_one_that_came_out_last(seed: bytes, times: int) -> None:
    days = days_of(drawn_plan())
    chosen: list[date] = []
    while (found := day_chosen(seed, "check", "2026Q2", days, chosen, times)) is not None:
        chosen.append(found)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == times


@given(seeds)
def test_every_unit_has_its_turn_before_one_comes_twice(seed: bytes) -> None:
    chosen: list[str] = []
    for _ in UNITS:
        chosen.append(unit_chosen(seed, "check", "2026Q2", UNITS, chosen))
    assert sorted(chosen) == sorted(UNITS)
    assert unit_chosen(seed, "check", "2026Q2", UNITS, chosen) in UNITS
    assert unit_chosen(seed, "check", "2026Q2", (), ()) == ""


def test_days_and_units_are_drawn_evenly() -> None:
    """Four thousand seeds: every day and every unit about as often as every other."""
    days = days_of(drawn_plan())
    by_day: Counter[date | None] = Counter()
    by_unit: Counter[str] = Counter()
    both: Counter[tuple[bool, str]] = Counter()
    rounds = 4000
    for number in range(rounds):
        seed = hashlib.sha256(number.to_bytes(4, "big")).digest()
        chosen = day_chosen(seed, "check", "2026Q2", days, (), 1)
        unit = unit_chosen(seed, "check", "2026Q2", UNITS, ())
        by_day[chosen] += 1
        by_unit[unit] += 1
        both[chosen is not None and chosen < day("2026-05-15"), unit] += 1
    assert set(by_day) == set(days)

    def chi_squared(counts: Counter[object], cells: int) -> float:
        expected = rounds / cells
        return sum((count - expected) ** 2 / expected for count in counts.values())

    # Beyond these a fair draw comes once in ten thousand; the seeds are fixed, so it either is or is not.
    assert chi_squared(by_unit, len(UNITS)) < 23.5  # type: ignore[arg-type]
    assert chi_squared(by_day, len(days)) < 110  # type: ignore[arg-type]
    # The unit does not depend on the day.
    early = sum(count for (before, _), count in both.items() if before)
    for unit in UNITS:
        assert abs(both[True, unit] / early - by_unit[unit] / rounds) < 0.03


@given(seeds, seeds)
def test_another_seed_another_commitment(one: bytes, other: bytes) -> None:
    assert (commitment_of(one) == commitment_of(other)) is (one == other)


# ---- when lots come out


def test_candidates_are_the_working_days_after_the_commitment() -> None:
    """May Day's break is not among them, its makeup Saturday 2026-05-09 is."""
    plan = drawn_plan()
    days = days_of(plan)
    assert (days[0], days[-1]) == (day("2026-04-01"), day("2026-06-30"))
    assert day("2026-05-09") in days
    assert not {day("2026-05-01"), day("2026-05-05"), day("2026-06-19")} & set(days)
    late = days_of(plan, "2026-06-26")
    assert late == (day("2026-06-29"), day("2026-06-30"))
    assert days_of(plan, "2026-06-30") == ()


def test_this_period_and_the_next_are_committed_to_as_far_as_the_plan_goes() -> None:
    plan = drawn_plan()
    when = plan.items[0].spec.when
    assert isinstance(when, DrawWhen)

    def ids(today: str) -> list[str]:
        return [each.id for each in periods_to_commit(when, plan.head, day(today))]

    assert ids("2026-01-01") == ["2026Q1", "2026Q2"]
    assert ids("2026-12-31") == ["2026Q4"]
    assert ids("2025-11-20") == ["2026Q1"]
    assert ids("2025-06-30") == []
    assert ids("2027-01-01") == []


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_lot_comes_out_on_its_day_and_verifies(seed: bytes) -> None:
    draw = played(seed, drawn_plan())
    (lot,) = draw.lots
    assert lot.day == lot.drawn == lot.at.astimezone(SHANGHAI).date()
    assert lot.at.astimezone(SHANGHAI).hour == 9
    assert lot.unit in ("办公室", "理论科")
    assert draw.seed == seed
    assert failed(draw) == []


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_the_seed_stays_secret_until_the_last_lot_is_out(seed: bytes) -> None:
    """With it the days still ahead could be reckoned."""
    plan = drawn_plan(3)
    draw = played(seed, plan)
    assert len(draw.lots) == 3
    assert [lot.number for lot in draw.lots] == [1, 2, 3]
    for number in (1, 2):
        early = replace(draw, lots=draw.lots[:number], seed=None)
        assert not is_last(early.lots[-1], replace(early, lots=early.lots[:-1]))
        assert [check.passed for check in verify(early, early.lots[0], Q2, "Asia/Shanghai")][-1] is None
    assert failed(draw) == []
    assert {lot.unit for lot in draw.lots} == {"办公室", "理论科"}


@given(seeds, st.integers(0, 90))
@settings(max_examples=30, deadline=None)
def test_what_could_not_come_out_comes_on_the_next_working_day(seed: bytes, off: int) -> None:
    """Nothing ran for the first ``off`` days of the quarter."""
    plan = drawn_plan()
    start = day("2026-04-01") + timedelta(days=off)
    (lot,) = played(seed, plan, start=str(start)).lots
    if lot.drawn >= start:
        assert lot.day == lot.drawn
    else:
        after = next((each for each in days_of(plan) if each >= start), None)
        assert lot.day == after
    assert failed(played(seed, plan, start=str(start))) == []


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_a_period_that_is_over_brings_nothing_and_says_so(seed: bytes) -> None:
    draw = played(seed, drawn_plan(), start="2026-07-01")
    (lot,) = draw.lots
    assert lot.day is None
    assert draw.seed == seed
    assert failed(draw) == []


def test_a_day_whose_hour_is_past_is_no_use_any_more() -> None:
    """Due at 17:00: at 18:00 the next working day takes its place."""
    plan, seed = drawn_plan(), b"\1" * 32
    draw = draw_of(seed)
    when = plan.items[0].spec.when
    assert isinstance(when, DrawWhen)
    lot = upcoming(plan.items[0], when, draw, Q2, seed, plan, CALENDAR)
    assert lot is not None

    def out(hour: int, days: int = 0) -> Lot | None:
        now = datetime.combine(lot.drawn, at("2026-01-01").timetz()) + timedelta(days=days, hours=hour)
        return comes_out(lot, plan, CALENDAR, now)

    assert out(8) is None
    assert out(9) is not None
    assert out(16) is not None
    assert out(18) is None
    assert next_look(lot, plan, at(f"{lot.drawn} 18:00")) == at(f"{lot.drawn + timedelta(days=1)} 09:00")
    assert next_look(lot, plan, at("2026-03-01 12:00")) == at(f"{lot.drawn} 09:00")


def test_what_is_ahead_shows_nothing_of_itself() -> None:
    """Neither in a log line nor in a trace."""
    plan, seed = drawn_plan(), b"\2" * 32
    when = plan.items[0].spec.when
    assert isinstance(when, DrawWhen)
    lot = upcoming(plan.items[0], when, draw_of(seed), Q2, seed, plan, CALENDAR)
    assert lot is not None
    for text in (repr(lot), repr(draw_of(seed, closed=True))):
        assert str(lot.drawn) not in text
        assert seed.hex() not in text
        assert repr(seed) not in text


def test_a_period_is_unpublished_until_its_seed_is_known() -> None:
    plan = drawn_plan()
    item, when = plan.items[0], plan.items[0].spec.when
    assert isinstance(when, DrawWhen)

    def hidden(facts: Facts, first: str, last: str) -> list[str]:
        return [each.id for each in unpublished(item, when, plan, facts, day(first), day(last))]

    assert hidden(NOTHING, "2026-01-01", "2026-12-31") == ["2026Q1", "2026Q2", "2026Q3", "2026Q4"]
    out = Facts(draws={("check", "2026Q2"): played(b"\3" * 32, plan)})
    assert hidden(out, "2026-04-01", "2026-07-01") == ["2026Q3"]
    assert hidden(NOTHING, "2027-01-01", "2027-03-01") == []


# ---- afterwards


def other_day(lot: Lot) -> date:
    return next(each for each in lot.days if each != lot.drawn)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_whatever_is_touched_is_found(seed: bytes) -> None:
    """Seed, commitment, day, unit, candidates: each of them alone."""
    other = hashlib.sha256(seed).digest()
    draw = played(seed, drawn_plan())
    (lot,) = draw.lots
    assert failed(draw) == []
    made = draw.commitment
    unit = next(each for each in lot.units if each != lot.unit)
    forged = {
        "seed": replace(draw, seed=other),
        "commitment": replace(draw, commitments=(replace(made, digest=commitment_of(other)),)),
        "both commitments": replace(
            draw,
            commitments=(replace(made, digest=commitment_of(other)),),
            lots=(replace(lot, commitment=commitment_of(other)),),
        ),
        "day": replace(draw, lots=(replace(lot, drawn=other_day(lot), day=other_day(lot)),)),
        "unit": replace(draw, lots=(replace(lot, unit=unit),)),
        "candidate": replace(draw, lots=(replace(lot, days=tuple(d for d in lot.days if d != lot.drawn)),)),
        "candidate unit": replace(draw, lots=(replace(lot, units=(unit,)),)),
        "checked day": replace(draw, lots=(replace(lot, day=other_day(lot)),)),
        "too early": replace(draw, lots=(replace(lot, at=lot.at - timedelta(days=1)),)),
        "days before the commitment": replace(
            draw, commitments=(replace(made, on=lot.drawn, at=at(f"{lot.drawn} 08:00")),)
        ),
    }
    for name, each in forged.items():
        assert failed(each), name


def test_a_commitment_within_the_period_is_named_and_no_fault() -> None:
    """The first start in the middle of a quarter."""
    draw = played(b"\4" * 32, drawn_plan(), on="2026-05-11", start="2026-05-11")
    (lot,) = draw.lots
    assert lot.drawn > day("2026-05-11")
    checks = list(verify(draw, lot, Q2, "Asia/Shanghai"))
    assert checks[0].passed is None
    assert "只抽其后的日子" in checks[0].text
    assert failed(draw) == []


def test_what_a_lost_seed_chose_cannot_be_verified() -> None:
    draw = played(b"\5" * 32, drawn_plan())
    again = Commitment(commitment_of(b"\6" * 32), day("2026-06-01"), at("2026-06-01"), 2)
    assert failed(replace(draw, seed=None, commitments=(*draw.commitments, again))) == [
        "种子已遗失，无法验证日期和单位"
    ]


def test_candidates_that_are_no_longer_those_of_today_are_named() -> None:
    """Another roster, another calendar: a remark, since the draw was fair in its time."""
    plan = drawn_plan()
    draw = played(b"\7" * 32, plan)
    (lot,) = draw.lots
    when = plan.items[0].spec.when
    assert isinstance(when, DrawWhen)

    def remarks(each: Lot) -> list[str]:
        found = list(compared(each, draw, when, Q2, plan, CALENDAR))
        assert all(check.passed is None for check in found)
        return [check.text for check in found]

    assert remarks(lot) == ["候选日与现在的日历相同", "候选单位与现在的名册相同"]
    changed = replace(lot, units=(*lot.units, "旧科室"), days=lot.days[1:])
    assert remarks(changed) == [
        "候选日与现在的日历不同（现在多出2026-04-01）",
        "候选单位与现在的名册不同（现在没有旧科室）",
    ]


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_the_order_of_items_does_not_matter(seed: bytes) -> None:
    """Each item has its own names under its own seed."""
    draw = "draw:\n  per: quarter\n  from: group:机关各科室"
    items = [item_yaml(name, draw, RUNG, "private: true") for name in ("a", "b")]

    def found(*order: str) -> dict[str, date]:
        days = {}
        for item in plan_of(*order).items:
            when = item.spec.when
            assert isinstance(when, DrawWhen)
            lot = upcoming(item, when, Draw(item.id, "2026Q2", (EARLY,)), Q2, seed, drawn_plan(), CALENDAR)
            assert lot is not None
            days[item.id] = lot.drawn
        return days

    assert found(*items) == found(*reversed(items))
