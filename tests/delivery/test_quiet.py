"""Quiet hours: delay and never drop, in any zone and over every change of its clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reminder.delivery.conduct import Conduct, conduct_of
from reminder.delivery.quiet import postponed_to, quiet_until
from reminder.plan.sending import Quiet, QuietHours
from tests.delivery.conftest import LIVE, PLAN, Bench
from tests.editions import Remembering
from tests.plans import CHANNELS, ON_DUE_DAY, SHANGHAI, at, files_of, item_yaml, plan_of

NIGHT = Quiet(time(21, 30), time(7, 30))
NEW_YORK = ZoneInfo("America/New_York")
ZONES = st.sampled_from(
    ["Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
).map(ZoneInfo)
TIMES = st.times().map(lambda each: each.replace(second=0, microsecond=0))
INSTANTS = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "quiet"),
    [
        ("21:30-07:30", NIGHT),
        ("21:30–07:30", NIGHT),
        ("21:30 — 07:30", NIGHT),
        ("21:30至07:30", NIGHT),
        ("12:00-14:00", Quiet(time(12), time(14))),
        ("none", Quiet(time.min, time.min)),
    ],
)
def test_the_ways_to_write_it(text: str, quiet: Quiet) -> None:
    """Whatever dash an input method gives."""
    assert TypeAdapter(QuietHours).validate_python(text) == quiet


@pytest.mark.parametrize(
    "text", ["21:30", "9:30-10:00", "24:00-07:00", "22-7", "08:00-08:00", "", "21：30-07：30"]
)
def test_what_is_no_span_is_refused_with_what_is(text: str) -> None:
    """The error shows what was found and how to write it."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(QuietHours).validate_python(text)
    context = caught.value.errors()[0]["ctx"]
    assert text in context["found"]
    assert "07:30" in context["allowed"] or "23:59" in context["allowed"]


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-09-24 21:29", None),
        ("2026-09-24 21:30", "2026-09-25 07:30"),
        ("2026-09-25 00:00", "2026-09-25 07:30"),
        ("2026-09-25 07:29", "2026-09-25 07:30"),
        ("2026-09-25 07:30", None),
    ],
)
def test_it_is_quiet_from_the_start_up_to_the_end(now: str, until: str | None) -> None:
    assert quiet_until(NIGHT, at(now), SHANGHAI) == (at(until) if until else None)


def test_no_quiet_hours_are_never_quiet() -> None:
    assert quiet_until(None, at("2026-09-25 03:00"), SHANGHAI) is None
    assert quiet_until(Quiet(time.min, time.min), at("2026-09-25 00:00"), SHANGHAI) is None


@given(TIMES, TIMES, INSTANTS, ZONES)
def test_quiet_hours_end_within_a_day_and_are_over_when_they_end(
    start: time, end: time, now: datetime, zone: ZoneInfo
) -> None:
    """From whatever moment, waiting for the end is enough: it lies ahead, near, and is not quiet itself."""
    until = quiet_until(Quiet(start, end), now, zone)
    if until is not None:
        assert now < until <= now + timedelta(hours=26)
        assert quiet_until(Quiet(start, end), until, zone) is None


@given(TIMES, TIMES, st.dates(datetime(2024, 1, 1).date(), datetime(2028, 1, 1).date()), ZONES)
def test_outside_of_the_hours_on_the_wall_clock_nothing_is_held(
    start: time, end: time, day: object, zone: ZoneInfo
) -> None:
    """The moment before the start is free, unless the zone changed its clock on that day."""
    before = datetime.combine(day, start, tzinfo=zone).astimezone(UTC) - timedelta(minutes=1)  # type: ignore[arg-type]
    offsets = {(before + timedelta(hours=h)).astimezone(zone).utcoffset() for h in (-30, 0, 30)}
    if len(offsets) == 1 and start != end:
        free = quiet_until(Quiet(start, end), before, zone) is None
        assert free or end == start or (before.astimezone(zone).time() < end)


def test_a_spring_forward_inside_the_night_shortens_it_and_the_end_stands() -> None:
    """New York, 2026-03-08: 02:00 becomes 03:00; 07:30 is still 07:30."""
    now = datetime(2026, 3, 8, 1, 0, tzinfo=NEW_YORK)
    until = quiet_until(NIGHT, now.astimezone(UTC), NEW_YORK)
    assert until == datetime(2026, 3, 8, 7, 30, tzinfo=NEW_YORK)
    assert until - now.astimezone(UTC) == timedelta(hours=5, minutes=30)


def test_an_end_that_does_not_exist_counts_with_the_offset_before_the_gap() -> None:
    """Quiet until 02:30 on that day: it ends at the instant at which 02:30 would have been."""
    quiet = Quiet(time(22), time(2, 30))
    until = quiet_until(quiet, datetime(2026, 3, 8, 1, 0, tzinfo=NEW_YORK).astimezone(UTC), NEW_YORK)
    assert until == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_quiet_once() -> None:
    """New York, 2026-11-01: the first 01:30 ends it; the second one is not quiet again."""
    quiet = Quiet(time(22), time(1, 30))
    second = datetime(2026, 11, 1, 1, 15, fold=1, tzinfo=NEW_YORK).astimezone(UTC)
    first = datetime(2026, 11, 1, 1, 15, fold=0, tzinfo=NEW_YORK).astimezone(UTC)
    assert quiet_until(quiet, first, NEW_YORK) == first + timedelta(minutes=15)
    assert quiet_until(quiet, second, NEW_YORK) is None


def test_what_would_expire_in_the_night_goes_out_at_once() -> None:
    """At the end of the quiet hours it would be of no use to anybody."""
    now = at("2026-09-24 23:00")
    assert postponed_to(NIGHT, SHANGHAI, now, at("2026-09-25 07:31")) == at("2026-09-25 07:30")
    assert postponed_to(NIGHT, SHANGHAI, now, at("2026-09-25 07:30")) is None


def test_what_is_due_at_night_goes_out_in_the_morning_with_no_try_counted(bench: Bench) -> None:
    """Postponed in the ledger, so that a restart at night changes nothing."""
    bench.clock.set(at("2026-09-24 22:00"))
    bench.add("normal")
    bench.add("urgent", useful=timedelta(hours=2))
    mail = Remembering("mail")
    conduct = {"mail": Conduct(quiet=NIGHT, zone=SHANGHAI)}
    assert bench.deliverer(mail, conduct=conduct).drain(bench.now) == 1
    assert [parcel.delivery for parcel in mail.arrived] == ["urgent"]
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == at("2026-09-25 07:30")
    bench.clock.set(at("2026-09-25 07:29"))
    assert bench.deliverer(mail, conduct=conduct).drain(bench.now) == 0
    bench.clock.set(at("2026-09-25 07:30"))
    assert bench.deliverer(mail, conduct=conduct).drain(bench.now) == 1
    assert [attempt.number for attempt in bench.tries("normal")] == [1]


def test_a_retry_that_comes_due_at_night_waits_too(bench: Bench) -> None:
    """Quiet hours hold for every try."""
    from tests.delivery.conftest import BUSY, answering

    bench.clock.set(at("2026-09-24 21:29:50"))
    bench.add("a")
    conduct = {"mail": Conduct(quiet=NIGHT, zone=SHANGHAI)}
    deliverer = bench.deliverer(answering("mail", BUSY), conduct=conduct)
    deliverer.drain(bench.now)
    bench.clock.set(at("2026-09-24 21:31"))
    assert deliverer.drain(bench.now) == 0
    assert bench.ledger.spool.next_instant(PLAN, LIVE) == at("2026-09-25 07:30")


def test_a_channels_own_quiet_hours_come_before_the_plans() -> None:
    """``none`` lets one channel speak at night."""
    from reminder.plan.loader import load_plan_bytes

    channels = CHANNELS.replace(
        "    kind: wecom_robot\n", "    kind: wecom_robot\n    quiet: none\n    uncertain: hold\n"
    )
    item = item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)
    plan = load_plan_bytes(files_of(item, head="  quiet: 21:30–07:30\n", channels=channels)).plan
    assert plan is not None
    conduct = conduct_of(plan)
    assert conduct["mail"].quiet == NIGHT
    assert conduct["mail"].zone.utcoffset(None) or str(conduct["mail"].zone) == "Asia/Shanghai"
    assert quiet_until(conduct["group"].quiet, at("2026-09-25 03:00"), SHANGHAI) is None
    assert (conduct["mail"].hold, conduct["group"].hold) == (False, True)


def test_a_plan_that_says_nothing_is_never_quiet() -> None:
    assert conduct_of(plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)))["mail"].quiet is None
