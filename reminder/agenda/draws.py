"""Lots: which days and units a seed chooses, when a lot comes out, and whether it was fair.  Pure.

Every candidate has a rank: HMAC-SHA256 (RFC 2104) of its name under the seed.
The lowest win, the earliest day first.  So nobody can foretell anything without
the seed, everybody can reckon it anew with it, and a day or a unit that comes or
goes changes the result only if it is itself the one that wins.

The seed's SHA-256 stands in the ledger before the period opens.  What was
chosen becomes known on its day, and the seed with the last lot of the period.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from reminder.agenda.facts import Commitment, Draw, Facts, Lot
from reminder.agenda.instants import zone_of
from reminder.calendars.periods import Period, PeriodKind, parse_period, periods
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.directory import Directory
from reminder.plan.model import DEFAULT_ALARM_TIME, Item, Plan, PlanHead
from reminder.plan.when import DrawSpec, DrawWhen

_DAY = timedelta(days=1)


def commitment_of(seed: bytes) -> str:
    """What is recorded of a seed before anybody may know it."""
    return hashlib.sha256(seed).hexdigest()


def ranked(seed: bytes, item: str, period: str, kind: str, names: Iterable[str]) -> list[str]:
    """The candidates from the first choice to the last; ``kind`` is ``day`` or ``unit``."""

    def rank(name: str) -> bytes:
        return hmac.new(seed, f"{item}/{period}/{kind}/{name}".encode(), hashlib.sha256).digest()

    return sorted(names, key=rank)


def day_chosen(
    seed: bytes, item: str, period: str, days: Iterable[date], earlier: Sequence[date], times: int
) -> date | None:
    """The next day out of ``times`` in a period, after the ``earlier`` ones: the earliest of those that win.

    None when there are no more candidates, or no more lots.
    """
    left = times - len(earlier)
    names = (str(day) for day in days if day not in earlier)
    chosen = ranked(seed, item, period, "day", names)[: max(left, 0)]
    return date.fromisoformat(min(chosen)) if chosen else None


def unit_chosen(seed: bytes, item: str, period: str, units: Sequence[str], earlier: Sequence[str]) -> str:
    """The unit for the next lot: none twice while there are others; empty if there are no candidates."""
    fresh = [unit for unit in units if unit not in earlier] or units
    order = ranked(seed, item, period, "unit", fresh)
    return order[0] if order else ""


# Candidates


def period_in_plan(period: Period, head: PlanHead) -> tuple[date, date]:
    """First and last day of a period as far as it lies in the plan."""
    return max(period.first, head.from_), min(period.last, head.until)


def candidate_days(
    period: Period, committed_on: date, head: PlanHead, calendar: WorkCalendar
) -> tuple[date, ...]:
    """The working days that can be drawn: all of the period after the seed was committed to."""
    first, last = period_in_plan(period, head)
    first = max(first, committed_on + _DAY)
    days = (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
    return tuple(day for day in days if calendar.is_workday(day))


def candidate_units(spec: DrawSpec, directory: Directory, on: date) -> tuple[str, ...]:
    """The units that can be drawn, in roster order, as the directory stands on that day."""
    if spec.from_ is None:
        return ()
    name = spec.from_.partition(":")[2] or spec.from_
    return tuple(unit.id for unit in directory.units_of(name, on))


# When seeds are committed to, and when lots come out


def draw_items(plan: Plan) -> Iterator[tuple[Item, DrawWhen]]:
    """The items that are drawn by lot, in plan order."""
    for item in plan.items:
        if isinstance(item.spec.when, DrawWhen):
            yield item, item.spec.when


def periods_to_commit(when: DrawWhen, head: PlanHead, today: date) -> tuple[Period, ...]:
    """The period of today and the next, as far as they belong to the plan."""
    kind = PeriodKind(when.draw.per)
    (now,) = periods(kind, today, today)
    (after,) = periods(kind, now.last + _DAY, now.last + _DAY)
    return tuple(each for each in (now, after) if each.first <= head.until and each.last >= head.from_)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next lot of a draw, for who knows the seed.  Never shown to anybody before its day.

    ``reveal`` and ``closes`` are times of day between which it can come out;
    ``last`` is the day after which it cannot.
    """

    item: Item
    draw: Draw
    seed: bytes
    number: int
    times: int
    drawn: date
    days: tuple[date, ...]
    last: date
    reveal: time
    closes: time | None

    def __repr__(self) -> str:
        return f"Upcoming({self.draw.item}/{self.draw.period}/{self.number})"


def upcoming(
    item: Item, when: DrawWhen, draw: Draw, period: Period, seed: bytes, plan: Plan, calendar: WorkCalendar
) -> Upcoming | None:
    """The next lot of a draw; None when all are out, or no day is left to be drawn."""
    times = draw.lots[0].times if draw.lots else when.draw.times
    days = candidate_days(period, draw.commitment.on, plan.head, calendar)
    earlier = [lot.drawn for lot in draw.lots]
    drawn = day_chosen(seed, draw.item, draw.period, days, earlier, times)
    if drawn is None or draw.seed is not None:
        return None
    reveal = min((rung.at for rung in item.rungs), default=DEFAULT_ALARM_TIME)
    closes = when.at if when.at > reveal else None
    _, last = period_in_plan(period, plan.head)
    return Upcoming(item, draw, seed, len(earlier) + 1, times, drawn, days, last, reveal, closes)


def comes_out(lot: Upcoming, plan: Plan, calendar: WorkCalendar, now: datetime) -> Lot | None:
    """The lot as it is published at ``now``; None as long as nobody may know it.

    It comes out on the drawn day, at the time of its first reminder.  When that
    could not be (nothing was running, or the day has become a rest day), on the
    next working day; when the period is over by then, not at all.
    """
    local = now.astimezone(zone_of(plan.head.timezone))
    today = local.date()
    if today < lot.drawn:
        return None
    day = None
    if today <= lot.last:
        if local.timetz().replace(tzinfo=None) < lot.reveal or not calendar.is_workday(today):
            return None
        if lot.closes is not None and local.timetz().replace(tzinfo=None) >= lot.closes:
            return None
        if any(each.day == today for each in lot.draw.lots):
            return None
        day = today
    when = lot.item.spec.when
    assert isinstance(when, DrawWhen)
    units = candidate_units(when.draw, plan.directory, day or lot.drawn)
    earlier = [each.unit for each in lot.draw.lots]
    unit = unit_chosen(lot.seed, lot.draw.item, lot.draw.period, units, earlier)
    return Lot(lot.number, lot.times, lot.drawn, day, unit, lot.days, units, lot.draw.commitment.digest, now)


def next_look(lot: Upcoming, plan: Plan, now: datetime) -> datetime:
    """When to ask again whether it comes out."""
    zone = zone_of(plan.head.timezone)
    local = now.astimezone(zone)
    at = datetime.combine(max(lot.drawn, local.date()), lot.reveal, tzinfo=zone)
    return at if at > now else datetime.combine(local.date() + _DAY, lot.reveal, tzinfo=zone)


def is_last(lot: Lot, draw: Draw) -> bool:
    """Whether the period has no further lot after this one, so that the seed may be known."""
    used = {*(each.drawn for each in draw.lots), lot.drawn}
    return lot.number >= lot.times or used.issuperset(lot.days)


def unpublished(
    item: Item, when: DrawWhen, plan: Plan, facts: Facts, first: date, last: date
) -> Iterator[Period]:
    """The periods with a day in [first, last] of which a lot is still to come, as far as anybody may know."""
    for period in periods(PeriodKind(when.draw.per), first, last):
        begin, end = period_in_plan(period, plan.head)
        draw = facts.draw_of(item.ids, period.id)
        if begin <= min(end, last) and end >= first and (draw is None or draw.seed is None):
            yield period


# Afterwards


@dataclass(frozen=True, slots=True)
class Check:
    """One question that verification asks; ``passed`` None is a remark and no judgement."""

    text: str
    passed: bool | None


def verify(draw: Draw, lot: Lot, period: Period, zone: str) -> Iterator[Check]:
    """Reckon a published lot anew, from what the ledger holds and nothing else."""
    made = next((each for each in draw.commitments if each.digest == lot.commitment), None)
    if made is None:
        yield Check("台账中没有这次抽取所依据的承诺", passed=False)
        return
    yield from _in_time(made, lot, period, zone)
    if draw.seed is None and made == draw.commitment:
        yield Check("种子在本期最后一次抽取公布时一并公布，届时可以验证日期和单位", passed=None)
        return
    if draw.seed is None or made != draw.commitment:
        yield Check("种子已遗失，无法验证日期和单位", passed=False)
        return
    yield _check("种子与承诺相符", "种子与承诺不符", commitment_of(draw.seed) == lot.commitment)
    yield from _reckoned(draw, lot, draw.seed)


def _check(right: str, wrong: str, passed: bool) -> Check:  # noqa: FBT001 - the answer to a question
    return Check(right if passed else wrong, passed)


def _in_time(made: Commitment, lot: Lot, period: Period, zone: str) -> Iterator[Check]:
    at = made.at.astimezone(zone_of(zone))
    recorded = f"承诺记于 {at:%Y-%m-%d %H:%M}"
    if at.date() < period.first:
        yield Check(f"{recorded}，早于本期开始（{period.first}）", passed=True)
    else:
        yield Check(f"{recorded}，本期（{period.first} 起）已经开始，只抽其后的日子", passed=None)
    inside = all(max(made.on + _DAY, period.first) <= day <= period.last for day in lot.days)
    yield _check("候选日都在承诺之后、本期之内", "候选日有的不在承诺之后或不在本期之内", inside)
    published = lot.at.astimezone(zone_of(zone)).date()
    yield _check("公布不早于抽中之日", "公布早于抽中之日", published >= lot.drawn)
    if lot.day is not None:
        yield _check("所记检查日就是公布之日", "所记检查日不是公布之日", lot.day == published)


def _reckoned(draw: Draw, lot: Lot, seed: bytes) -> Iterator[Check]:
    before = [each for each in draw.lots if each.number < lot.number]
    day = day_chosen(seed, draw.item, draw.period, lot.days, [each.drawn for each in before], lot.times)
    wrong = f"由种子重新计算的日期是 {day}，所记是 {lot.drawn}"
    yield _check(f"由种子重新计算，日期相符（{lot.drawn}）", wrong, day == lot.drawn)
    if lot.units or lot.unit:
        unit = unit_chosen(seed, draw.item, draw.period, lot.units, [each.unit for each in before])
        wrong = f"由种子重新计算的单位是{unit or '（无）'}，所记是{lot.unit or '（无）'}"
        yield _check(f"由种子重新计算，单位相符（{lot.unit}）", wrong, unit == lot.unit)


def compared(
    lot: Lot, draw: Draw, when: DrawWhen, period: Period, plan: Plan, calendar: WorkCalendar
) -> Iterator[Check]:
    """Whether the published candidates are those of today's calendar and roster: remarks only."""
    made = next((each for each in draw.commitments if each.digest == lot.commitment), draw.commitment)
    days = set(candidate_days(period, made.on, plan.head, calendar))
    yield _remark(
        "候选日与现在的日历相同", "候选日与现在的日历不同", {*map(str, days)}, {*map(str, lot.days)}
    )
    units = set(candidate_units(when.draw, plan.directory, lot.day or lot.drawn))
    yield _remark("候选单位与现在的名册相同", "候选单位与现在的名册不同", units, set(lot.units))


def _remark(same: str, other: str, now: set[str], then: set[str]) -> Check:
    if now == then:
        return Check(same, passed=None)
    parts = []
    if now - then:
        parts.append("现在多出" + "、".join(sorted(now - then)))
    if then - now:
        parts.append("现在没有" + "、".join(sorted(then - now)))
    return Check(f"{other}（{'；'.join(parts)}）", passed=None)


def open_draws(facts: Facts, item: Item, when: DrawWhen) -> Iterator[tuple[Draw, Period]]:
    """The draws of an item whose seed is not yet published, in order of period."""
    for (name, period_id), draw in sorted(facts.draws.items()):
        if name in item.ids and draw.seed is None:
            period = parse_period(period_id)
            if period.kind is PeriodKind(when.draw.per):
                yield draw, period
