"""Instants on a wall clock, in a time zone (RFC 5545 §3.3.5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name, read once."""
    return ZoneInfo(name)


@lru_cache(maxsize=16384)
def instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """A time of day on a day, by RFC 5545 §3.3.5; aware, in the zone, and a time that its clocks show.

    What a change of clocks leaves out counts with the offset before it, what
    comes twice is the first.  Two datetimes of one zone are compared by what
    they show, so only those that clocks do show are in the order of time.
    """
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC).astimezone(zone)
