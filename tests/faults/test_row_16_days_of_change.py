"""Row 16: the days on which a zone changes its clocks, and their midnights, with the daemon in that zone.

Exactly one reminder a local day, by the rule of RFC 5545 §3.3.5: a time that the
change leaves out counts with the offset before it, one that comes twice is the
first.  When each must come is written out here in UTC and not computed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.harness.history import Arrival, Expectation, check
from tests.harness.office import CLERK, Office
from tests.harness.process import wait_for
from tests.harness.shims import TICK
from tests.plans import item_yaml

OFFICE = "office@example.com"
SLACK = timedelta(seconds=40)


@dataclass(frozen=True)
class Change:
    """Days around one change of clocks, and for each time of day the instants (UTC) at which it is told."""

    rule: str
    """Of RFC 5545: those days."""
    told: dict[str, tuple[str, ...]]


CHANGES: dict[str, tuple[Change, Change]] = {
    # 8 March 02:00 -0500 -> 03:00 -0400; 1 November 02:00 -0400 -> 01:00 -0500
    "America/New_York": (
        Change(
            "BYMONTH=3;BYMONTHDAY=7,8,9",
            {
                "00:00": ("03-07 05:00", "03-08 05:00", "03-09 04:00"),
                "01:30": ("03-07 06:30", "03-08 06:30", "03-09 05:30"),
                "02:30": ("03-07 07:30", "03-08 07:30", "03-09 06:30"),
            },
        ),
        Change(
            "BYMONTH=11;BYMONTHDAY=1,2",
            {
                "00:00": ("11-01 04:00", "11-02 05:00"),
                "01:30": ("11-01 05:30", "11-02 06:30"),
                "02:30": ("11-01 07:30", "11-02 07:30"),
            },
        ),
    ),
    # 29 March 02:00 +0100 -> 03:00 +0200; 25 October 03:00 +0200 -> 02:00 +0100
    "Europe/Berlin": (
        Change(
            "BYMONTH=3;BYMONTHDAY=28,29,30",
            {
                "00:00": ("03-27 23:00", "03-28 23:00", "03-29 22:00"),
                "02:00": ("03-28 01:00", "03-29 01:00", "03-30 00:00"),
                "02:59": ("03-28 01:59", "03-29 01:59", "03-30 00:59"),
            },
        ),
        Change(
            "BYMONTH=10;BYMONTHDAY=25,26",
            {
                "00:00": ("10-24 22:00", "10-25 23:00"),
                "02:00": ("10-25 00:00", "10-26 01:00"),
                "03:00": ("10-25 02:00", "10-26 02:00"),
            },
        ),
    ),
    # Half an hour: 5 April 02:00 +1100 -> 01:30 +1030; 4 October 02:00 +1030 -> 02:30 +1100
    "Australia/Lord_Howe": (
        Change(
            "BYMONTH=4;BYMONTHDAY=4,5,6",
            {
                "00:00": ("04-03 13:00", "04-04 13:00", "04-05 13:30"),
                "01:45": ("04-03 14:45", "04-04 14:45", "04-05 15:15"),
                "02:15": ("04-03 15:15", "04-04 15:45", "04-05 15:45"),
            },
        ),
        Change(
            "BYMONTH=10;BYMONTHDAY=4,5",
            {
                "00:00": ("10-03 13:30", "10-04 13:00"),
                "02:15": ("10-03 15:45", "10-04 15:15"),
                "02:30": ("10-03 15:30", "10-04 15:30"),
            },
        ),
    ),
    # A day without a midnight: 24 April 00:00 +0200 -> 01:00 +0300; 30 October 00:00 +0300 -> 29th 23:00 +0200
    "Africa/Cairo": (
        Change(
            "BYMONTH=4;BYMONTHDAY=23,24,25",
            {
                "00:00": ("04-22 22:00", "04-23 22:00", "04-24 21:00"),
                "00:30": ("04-22 22:30", "04-23 22:30", "04-24 21:30"),
                "01:00": ("04-22 23:00", "04-23 22:00", "04-24 22:00"),
            },
        ),
        Change(
            "BYMONTH=10;BYMONTHDAY=29,30",
            {
                "00:00": ("10-28 21:00", "10-29 22:00"),
                "23:30": ("10-29 20:30", "10-30 21:30"),
            },
        ),
    ),
}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def promised(zone: ZoneInfo) -> tuple[list[str], list[Expectation]]:
    """An item for each time of day and change, and what it promises."""
    items, wanted = [], []
    for number, change in enumerate(CHANGES[zone.key]):
        for clock, instants in change.told.items():
            name = f"c{number}t{clock.replace(':', '')}"
            rung = f"- from: due\n  days: 0\n  at: {clock}\n  to: person:p-office\n  via:\n    - mail\n"
            items.append(item_yaml(name, f"rrule: FREQ=DAILY;{change.rule}\nat: 23:59", rung, "alone: true"))
            days = change.rule.rpartition("=")[2].split(",")
            month = change.rule.partition("BYMONTH=")[2].partition(";")[0]
            for day, text in zip(days, instants, strict=True):
                at = utc(text)
                mark = f"事项{name}（2026年{month}月{day}日）"
                wanted.append(Expectation(OFFICE, "mail", mark, at, at + SLACK))
    return items, wanted


def arrivals(office: Office) -> list[Arrival]:
    """Without what the admin is told of calendar and plan."""
    return [each for each in office.arrivals() if each.receiver != CLERK]


def live_through(folder: Path, zone: ZoneInfo) -> str:
    """Go through all instants, with a look right before each; what was wrong, or nothing."""
    items, wanted = promised(zone)
    instants = sorted({each.earliest for each in wanted})
    with Office(
        folder, items, instants[0] - timedelta(hours=1), zone=zone, environment={TICK: "0.1"}
    ) as office:
        office.daemon.start()
        for instant in instants:
            office.set(instant - timedelta(seconds=5))
            office.look()
            office.set(instant)
            due = [each for each in wanted if each.earliest <= instant]
            wait_for(lambda due=due: not check(due, arrivals(office)).lost, f"{zone} {instant}")  # type: ignore[misc]
        # Once more over each hour that came twice, in another life of the daemon.
        office.daemon.stop()
        office.daemon.start()
        for hours in (1, 2):
            office.set(instants[-1] + timedelta(hours=hours))
            office.look()
        report = check(wanted, arrivals(office))
        return "" if report.clean and not report.excused else f"{zone}: {report}"


def test_row_16_exactly_one_a_local_day_where_clocks_change(tmp_path: Path) -> None:
    """Gap, fold and midnight in four zones, half-hour changes and a day without a midnight among them."""
    zones = [ZoneInfo(name) for name in CHANGES]
    with ThreadPoolExecutor(len(zones)) as pool:
        found = pool.map(lambda zone: live_through(tmp_path / zone.key, zone), zones)
        assert [each for each in found if each] == []


@pytest.mark.parametrize("name", CHANGES)
def test_row_16_the_table_is_of_days_on_which_clocks_change(name: str) -> None:
    """Each change's days have two offsets, so that the rows above are what they say."""
    zone = ZoneInfo(name)
    for change in CHANGES[name]:
        first, *_, last = sorted(utc(text) for each in change.told.values() for text in each)
        assert first.astimezone(zone).utcoffset() != last.astimezone(zone).utcoffset()
